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
		"ratelimit": {`{"scopes":{"projects":"*"},"rateLimit":{"requests":5,"per":"minute"}}`, `{"projects":["*"]}`},
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
	p, err := registry.Parse([]byte(`{"scopes":{},"rateLimit":{"per":"hour", "requests":7}}`))
	if b, _ := json.Marshal(p); err != nil || string(b) != `{"scopes":{},"rateLimit":{"per":"hour","requests":7}}` {
		t.Fatalf("%s %v", b, err)
	}
}

func TestRates(t *testing.T) {
	for in, want := range map[string]mesh.Rate{
		`60`:                            {Calls: 60, Seconds: 60, Burst: 60},
		`1`:                             {Calls: 1, Seconds: 60, Burst: 1},
		`{"requests":5,"per":"second"}`: {Calls: 5, Seconds: 1, Burst: 5},
		`{"per":"hour","requests":7}`:   {Calls: 7, Seconds: 3600, Burst: 7},
		`{"requests":1000000,"per":"day","burst":10}`: {Calls: 1000000, Seconds: 86400, Burst: 10},
		`null`: {},
	} {
		p, err := registry.Parse([]byte(`{"projects":"*","rateLimit":` + in + `}`))
		if err != nil || p.Rate != want || ParseRate([]byte(in)) != want {
			t.Errorf("%s: %+v, %+v, %v", in, p.Rate, ParseRate([]byte(in)), err)
		}
	}
	for _, in := range []string{
		`0`, `-1`, `1.5`, `1e3`, `1000001`, `"60"`, `true`, `[60]`, `{}`, `{"requests":5}`, `{"per":"minute"}`, `{"requests":5,"per":"week"}`,
		`{"requests":5,"per":60}`, `{"requests":"5","per":"hour"}`, `{"requests":5,"per":"hour","burst":6}`, `{"requests":5,"per":"hour","burst":0}`,
		`{"requests":5,"per":"hour","burst":null}`, `{"requests":5,"per":"hour","more":1}`, `{"perMinute":5}`,
	} {
		_, err := registry.Parse([]byte(`{"projects":"*","rateLimit":` + in + `}`))
		if fault.CodeOf(err) != fault.ValidationError || ParseRate([]byte(in)) != (mesh.Rate{}) {
			t.Errorf("%s: %+v, %v", in, ParseRate([]byte(in)), err)
		}
	}
	if r := ParseRate([]byte(`{`)); r != (mesh.Rate{}) {
		t.Error(r)
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

// Whoever named a value that does not exist is told which do.
func TestBadValuesAreExplained(t *testing.T) {
	for in, want := range map[string]string{
		`{"operations":["execute"]}`: `"execute"; operations takes read, write, admin, *`,
		`{"projects":["nope"]}`:      `"nope", and there is no such project`,
	} {
		if _, err := registry.Parse([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
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
	f.Add(`{"projects":"default","rateLimit":{"requests":1,"per":"day"}}`)
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
