package scopes

import (
	"fmt"
	"slices"

	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// Permissions are what a key allows.
type Permissions struct {
	Scopes mesh.Scopes `json:"scopes"`
	// RateLimit is kept as it was given; ParseRate reads it.
	RateLimit any       `json:"rateLimit,omitempty"`
	Rate      mesh.Rate `json:"-"`
}

// The limits of permissions: they travel with each call inside a token.
const (
	maxValues = 64
	maxText   = 1500 // bytes of all values together
)

// Problem is one thing wrong with permissions, in the details of a fault.
type Problem struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Parse reads permissions in either form: {"scopes":{"projects":[…],…}} or flat
// {"projects":…}, a list or one string for each scope, "*" for every value. An
// absent scope allows nothing. Errors: PARSE_ERROR, VALIDATION_ERROR with a list
// of Problem.
func (r *Registry) Parse(src []byte) (Permissions, error) {
	doc, err := strictjson.Parse(src)
	if err != nil {
		return Permissions{}, err
	}
	defer doc.Release()
	return r.FromValue(doc.Root)
}

// FromValue is Parse for a value that has been parsed by strictjson.
func (r *Registry) FromValue(v *fastjson.Value) (Permissions, error) {
	p := parser{registry: r, out: Permissions{Scopes: mesh.Scopes{}}}
	if v == nil || v.Type() != fastjson.TypeObject {
		return Permissions{}, invalid([]Problem{{"permissions", "must be an object such as {\"projects\":[\"default\"],\"operations\":[\"read\"],\"transports\":[\"rest\"]}"}})
	}
	o := v.GetObject()
	if inner := o.Get("scopes"); inner != nil {
		p.members(o, "permissions.", "scopes")
		if inner.Type() == fastjson.TypeObject {
			p.scopes(inner.GetObject(), "permissions.scopes.")
		} else {
			p.fail("permissions.scopes", "must be an object")
		}
	} else {
		p.scopes(o, "permissions.")
	}
	if p.text > maxText {
		p.fail("permissions", fmt.Sprintf("name too much (limit: %d bytes of values); use \"*\" or several keys", maxText))
	}
	if len(p.problems) > 0 {
		return Permissions{}, invalid(p.problems)
	}
	return p.out, nil
}

type parser struct {
	registry *Registry
	out      Permissions
	text     int
	problems []Problem
}

func (p *parser) fail(path, reason string) {
	if len(p.problems) < 20 {
		p.problems = append(p.problems, Problem{path, reason})
	}
}

// members reads what may stand beside the scopes; known names the member that
// holds them.
func (p *parser) members(o *fastjson.Object, path, known string) {
	o.Visit(func(key []byte, v *fastjson.Value) {
		switch name := string(key); name {
		case known:
		case "rateLimit":
			p.rateLimit(v)
		default:
			p.fail(path+clip(name), "is unknown")
		}
	})
}

func (p *parser) rateLimit(v *fastjson.Value) {
	if v.Type() == fastjson.TypeNull {
		return
	}
	rate, ok := rateOf(v)
	if !ok {
		p.fail("permissions.rateLimit", rateForm)
		return
	}
	p.out.Rate, p.out.RateLimit = rate, rawJSON(strictjson.Compact(nil, v))
}

type rawJSON []byte

// MarshalJSON returns the text as it is.
func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }

func (p *parser) scopes(o *fastjson.Object, path string) {
	o.Visit(func(key []byte, v *fastjson.Value) {
		name := string(key)
		if name == "rateLimit" && path == "permissions." {
			p.rateLimit(v)
			return
		}
		s := p.registry.scope(name)
		if s == nil {
			p.fail(path+clip(name), "is no scope; GET /api/api-keys/scopes lists them")
			return
		}
		switch v.Type() {
		case fastjson.TypeString:
			p.value(s, path+name, string(v.GetStringBytes()))
		case fastjson.TypeArray:
			items := v.GetArray()
			if len(items) > maxValues {
				p.fail(path+name, fmt.Sprintf("has more than %d values; use \"*\"", maxValues))
				return
			}
			for i, item := range items {
				if item.Type() != fastjson.TypeString {
					p.fail(fmt.Sprintf("%s%s[%d]", path, name, i), "must be a string")
					continue
				}
				p.value(s, fmt.Sprintf("%s%s[%d]", path, name, i), string(item.GetStringBytes()))
			}
		default:
			p.fail(path+name, "must be a list of strings, or \"*\"")
		}
	})
}

func (p *parser) value(s *Scope, path, value string) {
	stored, ok := p.registry.resolve(s, value)
	if !ok {
		p.fail(path, s.lacks(clip(value)))
		return
	}
	if !slices.Contains(p.out.Scopes[s.Name], stored) {
		p.out.Scopes[s.Name] = append(p.out.Scopes[s.Name], stored)
		p.text += len(stored) + 3
	}
}

func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}

func invalid(problems []Problem) error {
	return fault.New(fault.ValidationError, "the permissions are not valid: %s %s", problems[0].Path, problems[0].Reason).With(problems)
}
