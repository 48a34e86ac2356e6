package scopes

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

type fakeProjects map[string]string // slug -> id

func (f fakeProjects) Resolve(s string) (string, bool) {
	if id, ok := f[s]; ok {
		return id, true
	}
	_, ok := f.Slug(s)
	return s, ok
}

func (f fakeProjects) Slug(id string) (string, bool) {
	for slug, i := range f {
		if i == id {
			return slug, true
		}
	}
	return "", false
}

func (f fakeProjects) Slugs() []string {
	var out []string
	for s := range f {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

var registry = NewRegistry(fakeProjects{"default": "p1", "shop": "p2"})

func TestBothForms(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"flat":      {`{"projects":["default","p2"],"operations":["read"],"transports":["rest","mcp"]}`, `{"operations":["read"],"projects":["p1","p2"],"transports":["rest","mcp"]}`},
		"scopes":    {`{"scopes":{"projects":["*"],"operations":["read","write"],"transports":["ws"]}}`, `{"operations":["read","write"],"projects":["*"],"transports":["ws"]}`},
		"star":      {`{"scopes":{"projects":"*","operations":"*","transports":"*"}}`, `{"operations":["*"],"projects":["*"],"transports":["*"]}`},
		"one":       {`{"projects":"shop"}`, `{"projects":["p2"]}`},
		"twice":     {`{"projects":["shop","p2","shop"]}`, `{"projects":["p2"]}`},
		"nothing":   {`{}`, `{}`},
		"system":    {`{"projects":["_system"]}`, `{"projects":["_system"]}`},
		"ratelimit": {`{"scopes":{"projects":"*"},"rateLimit":{"perMinute":5}}`, `{"projects":["*"]}`},
		"flat rate": {`{"projects":"*","rateLimit":60}`, `{"projects":["*"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := registry.Parse([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(p.Scopes)
			if err != nil || string(got) != c.want {
				t.Fatalf("%s, %v", got, err)
			}
		})
	}
	p, err := registry.Parse([]byte(`{"scopes":{},"rateLimit":{"a":[1]}}`))
	if b, _ := json.Marshal(p); err != nil || string(b) != `{"scopes":{},"rateLimit":{"a":[1]}}` {
		t.Fatalf("%s %v", b, err)
	}
}

func TestBadPermissions(t *testing.T) {
	many := `{"projects":["` + strings.Repeat(`default","`, 100) + `x"]}`
	for name, c := range map[string]struct {
		in   string
		code fault.Code
	}{
		"no json":        {`{`, fault.ParseError},
		"duplicate":      {`{"projects":"*","projects":"default"}`, fault.ParseError},
		"list":           {`[]`, fault.ValidationError},
		"null":           {`null`, fault.ValidationError},
		"unknown scope":  {`{"galaxies":["*"]}`, fault.ValidationError},
		"unknown beside": {`{"scopes":{},"projects":["*"]}`, fault.ValidationError},
		"unknown value":  {`{"operations":["execute"]}`, fault.ValidationError},
		"other project":  {`{"projects":["nope"]}`, fault.ValidationError},
		"wildcard part":  {`{"projects":["de*"]}`, fault.ValidationError},
		"subject words":  {`{"projects":[">"]}`, fault.ValidationError},
		"number":         {`{"projects":1}`, fault.ValidationError},
		"number inside":  {`{"projects":[1]}`, fault.ValidationError},
		"null inside":    {`{"projects":[null]}`, fault.ValidationError},
		"object":         {`{"projects":{"a":"b"}}`, fault.ValidationError},
		"case":           {`{"Projects":["*"]}`, fault.ValidationError},
		"empty value":    {`{"projects":[""]}`, fault.ValidationError},
		"too many":       {many, fault.ValidationError},
		"scopes string":  {`{"scopes":"*"}`, fault.ValidationError},
		"rate string":    {`{"rateLimit":"fast"}`, fault.ValidationError},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := registry.Parse([]byte(c.in))
			if got := fault.CodeOf(err); got != c.code {
				t.Fatalf("got %q (%v), want %q", got, err, c.code)
			}
		})
	}
}

func TestWithin(t *testing.T) {
	all := mesh.Scopes{"projects": {"*"}, "operations": {"*"}, "transports": {"*"}}
	some := mesh.Scopes{"projects": {"p1"}, "operations": {"read", "write"}, "transports": {"rest"}}
	for _, c := range []struct {
		have, want mesh.Scopes
		ok         bool
	}{
		{all, all, true},
		{all, some, true},
		{some, some, true},
		{some, all, false},
		{some, mesh.Scopes{"projects": {"p1"}, "operations": {"read"}}, true},
		{some, mesh.Scopes{"projects": {"p2"}}, false},
		{some, mesh.Scopes{"operations": {"admin"}}, false},
		{some, mesh.Scopes{"projects": {"*"}}, false},
		{some, mesh.Scopes{}, true},
		{mesh.Scopes{}, some, false},
	} {
		if err := Within(c.have, c.want); (err == nil) != c.ok {
			t.Errorf("%v within %v: %v", c.want, c.have, err)
		}
	}
	if !Narrows(all, some) || Narrows(some, all) || Narrows(some, some) {
		t.Error("Narrows is wrong")
	}
	if !All(all) || All(some) {
		t.Error("All is wrong")
	}
}

func TestListAndShow(t *testing.T) {
	l := registry.List()
	if len(l) != 3 || len(l[0].Values) != 2 || l[0].Values[1].Value != "shop" || l[1].Values[2].Value != "admin" || len(l[2].Values) != 12 || l[2].Values[0].Value != "rest" {
		t.Fatalf("%+v", l)
	}
	s := registry.Show(mesh.Scopes{"projects": {"p2", "gone", "*"}})
	if !slices.Equal(s["projects"], []string{"shop", "gone", "*"}) {
		t.Fatal(s)
	}
}

func FuzzPermissions(f *testing.F) {
	f.Add(`{"scopes":{"projects":["*"],"operations":["read"],"transports":["ws"]}}`)
	f.Add(`{"projects":"default","rateLimit":{"a":1}}`)
	f.Fuzz(func(t *testing.T, src string) {
		p, err := registry.Parse([]byte(src))
		if err != nil {
			if c := fault.CodeOf(err); c != fault.ParseError && c != fault.ValidationError {
				t.Fatal(err)
			}
			return
		}
		if _, err := json.Marshal(p); err != nil {
			t.Fatal(err)
		}
		for name, values := range p.Scopes {
			for _, v := range values {
				if s := registry.scope(name); s == nil {
					t.Fatal(name)
				} else if _, ok := registry.resolve(s, v); !ok {
					t.Fatalf("%s %q", name, v)
				}
			}
		}
	})
}
