package access

import (
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

func TestCheck(t *testing.T) {
	key := &mesh.Principal{ID: "k:a", Kind: mesh.Key, Scopes: mesh.Scopes{
		Projects: {"p1", "slug"}, Operations: {"read", "admin"}, Transports: {"rest"},
	}}
	all := &mesh.Principal{ID: "k:b", Kind: mesh.Key, Scopes: mesh.Scopes{Projects: {"*"}, Operations: {"*"}, Transports: {"*"}}}
	ok := Ask{ProjectID: "p1", Project: "shop", Class: mesh.Read, Transport: "rest"}
	with := func(f func(*Ask)) Ask { a := ok; f(&a); return a }
	for name, c := range map[string]struct {
		p    *mesh.Principal
		a    Ask
		code fault.Code
	}{
		"allowed":         {key, ok, ""},
		"by slug":         {key, with(func(a *Ask) { a.ProjectID, a.Project = "p9", "slug" }), fault.Forbidden},
		"other project":   {key, with(func(a *Ask) { a.ProjectID = "p2" }), fault.Forbidden},
		"write":           {key, with(func(a *Ask) { a.Class = mesh.Write }), fault.Forbidden},
		"admin is no all": {key, with(func(a *Ask) { a.Class = mesh.Admin }), ""},
		"transport":       {key, with(func(a *Ask) { a.Transport = "ws" }), fault.Forbidden},
		"no transport":    {key, with(func(a *Ask) { a.Transport = "" }), fault.Forbidden},
		"star":            {all, with(func(a *Ask) { a.Class, a.Transport, a.ProjectID = mesh.Admin, "nats", "p7" }), ""},
		"nobody":          {nil, ok, fault.Unauthorized},
		"anonymous":       {anonymous, ok, fault.Unauthorized},
		"no scopes":       {&mesh.Principal{ID: "k:c", Kind: mesh.Key}, ok, fault.Forbidden},
		"empty names":     {key, Ask{Class: mesh.Read, Transport: "rest"}, fault.Forbidden},
	} {
		if err := Check(c.p, c.a); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	p := &mesh.Principal{ID: "k:a", Kind: mesh.Key, Scopes: mesh.Scopes{Projects: {"p1"}, Operations: {"read"}, Transports: {"rest"}}}
	a := Ask{ProjectID: "p1", Project: "shop", Class: mesh.Read, Transport: "rest"}
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(p, a); err != nil {
			b.Fatal(err)
		}
	}
}
