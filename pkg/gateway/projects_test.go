package gateway_test

import (
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
)

func TestProjects(t *testing.T) {
	p := gateway.NewProjects()
	if _, err := p.Find("shop"); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("before anything is known: %v", err)
	}
	entry := func(id, version, schemas string) []byte {
		return []byte(`{"id":"` + id + `","slug":"shop","version":"` + version + `","dialect":"sqlite","schemas":` + schemas + `}`)
	}
	const one, two = `[{"name":"A","collection":"as","fields":{"x":{"type":"string"}}}]`, `[{"name":"B","collection":"bs","fields":{"x":{"type":"string"}}}]`
	apply := func(value []byte, deleted bool) {
		t.Helper()
		if err := p.Apply("shop", value, deleted); err != nil {
			t.Fatal(err)
		}
	}
	apply(entry("p1", "v1", one), false)
	p.SetLoaded()
	first := p.Get("shop")
	if first == nil || first.ID != "p1" || first.Catalog.Entity("A") == nil {
		t.Fatalf("%+v", first)
	}
	apply(entry("p1", "v1", one), false)
	if p.Get("shop") != first {
		t.Error("the same catalog was compiled again")
	}
	for _, bad := range []string{`{`, `{"schemas":[{"name":7}]}`} {
		if err := p.Apply("shop", []byte(bad), false); err == nil || p.Get("shop") != first {
			t.Errorf("%s: %v", bad, err)
		}
	}
	numbered := strings.TrimSuffix(string(entry("p1", "v1", one)), "}") + `,"numbers":{"A":{"message":"A","fields":{"id:string":1,"x:string":7}}}}`
	apply([]byte(numbered), false) // the numbers came later than the catalog
	if q := p.Get("shop"); q == first || q.Numbers["A"].Fields["x:string"] != 7 {
		t.Errorf("%+v", q)
	}
	apply(entry("p1", "v2", two), false)
	if q := p.Get("shop"); q.Version != "v2" || q.Catalog.Entity("B") == nil || first.Catalog.Entity("A") == nil {
		t.Errorf("%+v", q)
	}
	apply(entry("p2", "v2", two), false) // another project took the name
	if q := p.Get("shop"); q.ID != "p2" {
		t.Errorf("%+v", q)
	}
	if all := p.All(); len(all) != 1 || all[0].Slug != "shop" {
		t.Errorf("%+v", all)
	}
	for _, gone := range []func(){
		func() { apply(nil, true) },
		func() { apply([]byte(`{"id":"p2","slug":"shop","schemas":[],"deleted":true}`), false) },
	} {
		gone()
		if _, err := p.Find("shop"); fault.CodeOf(err) != fault.UnknownProject {
			t.Error(err)
		}
		apply(entry("p2", "v2", two), false)
	}
	if _, err := p.Find("no\r\nname"); fault.CodeOf(err) != fault.UnknownProject || strings.ContainsAny(err.Error(), "\r\n") {
		t.Errorf("%q", err)
	}
	q := p.Get("shop")
	for name, want := range map[string]string{"B": "B", "Later": "Later"} {
		if got, err := q.EntityName(name); err != nil || got != want {
			t.Errorf("%s: %s %v", name, got, err)
		}
	}
	for _, name := range []string{"", "_project", "a.b", "*", ">", "a b", strings.Repeat("a", 65)} {
		if got, err := q.EntityName(name); fault.CodeOf(err) != fault.UnknownEntity {
			t.Errorf("%q: %s %v", name, got, err)
		}
	}
}
