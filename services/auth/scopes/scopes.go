// Package scopes says what a credential can be limited by: permissions come in
// as the JSON that a key was made with, in either of Octonet's two forms, and go
// out checked against the registry of scopes and their values.
package scopes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// Scope is one registered scope, with the fields of Octonet's api_key_scopes.
type Scope struct {
	Name         string  `json:"name"`
	Label        string  `json:"label"`
	Description  string  `json:"description"`
	Icon         string  `json:"icon"`
	Cardinality  string  `json:"cardinality"`  // low, high
	ValuesSource string  `json:"valuesSource"` // static, dynamic
	DynamicRef   string  `json:"dynamicSourceRef,omitempty"`
	ModuleSource string  `json:"moduleSource"`
	Values       []Value `json:"values"`
}

// Value is one value of a scope.
type Value struct {
	Value     string `json:"value"`
	Label     string `json:"label"`
	SortOrder int    `json:"sortOrder"`
}

// Projects finds projects: the source of the one dynamic scope.
type Projects interface {
	// Resolve returns the immutable id of a project named by slug or id.
	Resolve(slugOrID string) (id string, ok bool)
	// Slug returns the slug of an id.
	Slug(id string) (slug string, ok bool)
	// Slugs lists all projects.
	Slugs() []string
}

// System is the pseudo-project of whoever administers keys and projects. No
// project can have this slug.
const System = "_system"

// Registry is the set of scopes.
type Registry struct {
	projects Projects
	scopes   []Scope // without the dynamic values
}

// NewRegistry returns the registry of the built-in scopes.
func NewRegistry(p Projects) *Registry {
	static := func(names []string) []Value {
		values := make([]Value, len(names))
		for i, n := range names {
			values[i] = Value{Value: n, Label: labels[n], SortOrder: (i + 1) * 10}
			if values[i].Label == "" {
				values[i].Label = strings.ToUpper(n)
			}
		}
		return values
	}
	return &Registry{projects: p, scopes: []Scope{
		{
			Name: access.Projects, Label: "Projects", Icon: "folder", Description: "The projects that the key reaches",
			Cardinality: "high", ValuesSource: "dynamic", DynamicRef: "Project.slug", ModuleSource: "octomesh/auth",
		},
		{
			Name: access.Operations, Label: "Operations", Icon: "shield", Description: "The classes of operations that the key may do; none covers another",
			Cardinality: "low", ValuesSource: "static", ModuleSource: "octomesh/mesh", Values: static(access.OperationNames),
		},
		{
			Name: access.Transports, Label: "Transports", Icon: "plug", Description: "The protocols that the key may be used with",
			Cardinality: "low", ValuesSource: "static", ModuleSource: "octomesh/gateway", Values: static(access.TransportNames),
		},
	}}
}

var labels = map[string]string{
	"read": "Read", "write": "Write", "admin": "Administer", "graphql": "GraphQL", "ws": "WebSocket",
	"trpc": "tRPC", "odata": "OData", "jsonrpc": "JSON-RPC", "grpc": "gRPC", "arrow": "Arrow", "webtransport": "WebTransport",
}

// List returns all scopes with the values that they have now.
func (r *Registry) List() []Scope {
	out := slices.Clone(r.scopes)
	for i := range out {
		if out[i].ValuesSource == "dynamic" {
			out[i].Values = []Value{}
			for n, slug := range r.projects.Slugs() {
				out[i].Values = append(out[i].Values, Value{Value: slug, Label: slug, SortOrder: (n + 1) * 10})
			}
		}
	}
	return out
}

// resolve returns the stored form of a value: a project's id, else the value.
func (r *Registry) resolve(s *Scope, value string) (string, bool) {
	if value == "*" {
		return value, true
	}
	if s.ValuesSource == "dynamic" {
		if value == System {
			return value, true
		}
		return r.projects.Resolve(value)
	}
	return value, slices.ContainsFunc(s.Values, func(v Value) bool { return v.Value == value })
}

// lacks tells whoever asked for a value that is none which there are.
func (s *Scope) lacks(value string) string {
	if s.ValuesSource == "dynamic" {
		return fmt.Sprintf("names %q, and there is no such project", value)
	}
	var b strings.Builder
	for _, v := range s.Values {
		b.WriteString(v.Value + ", ")
	}
	return fmt.Sprintf("is %q; %s takes %s*", value, s.Name, b.String())
}

func (r *Registry) scope(name string) *Scope {
	for i := range r.scopes {
		if r.scopes[i].Name == name {
			return &r.scopes[i]
		}
	}
	return nil
}

// Show returns scopes as people wrote them: projects by slug. A project that is
// gone keeps its id, which matches nothing.
func (r *Registry) Show(s mesh.Scopes) mesh.Scopes {
	out := make(mesh.Scopes, len(s))
	for name, values := range s {
		shown := slices.Clone(values)
		if name == access.Projects {
			for i, id := range shown {
				if slug, ok := r.projects.Slug(id); ok {
					shown[i] = slug
				}
			}
		}
		out[name] = shown
	}
	return out
}

// Within returns nil when every value of want is allowed by have as well, and
// else FORBIDDEN: nobody gives away rights that he has not.
func Within(have, want mesh.Scopes) error {
	for name, values := range want {
		for _, v := range values {
			if !have.Allows(name, v) && !(v == "*" && slices.Contains(have[name], "*")) {
				return fault.New(fault.Forbidden, "a key cannot have more rights than the one it is made with: %s %q", name, v).
					With(map[string]string{"scope": name, "value": v})
			}
		}
	}
	return nil
}

// Narrows reports whether next lacks a right that prev has, so that tokens with
// the old rights must not live on.
func Narrows(prev, next mesh.Scopes) bool { return Within(next, prev) != nil }

// All reports whether s allows everything.
func All(s mesh.Scopes) bool {
	for _, name := range []string{access.Projects, access.Operations, access.Transports} {
		if !slices.Contains(s[name], "*") {
			return false
		}
	}
	return true
}
