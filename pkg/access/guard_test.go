package access_test

import (
	"encoding/json"
	"testing"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store"
)

var (
	_ store.Guard = (*access.Guard)(nil)
	_ event.Guard = (*access.Guard)(nil)
)

const guarded = `[{"name":"Note","collection":"notes","fields":{
	"owner":{"type":"string"},"text":{"type":"string"},"salary":{"type":"number"},"level":{"type":"number","default":1}}}]`

func row(e *schema.Entity, values map[string]schema.Value) schema.Row {
	r := make(schema.Row, len(e.Columns))
	for name, v := range values {
		r[e.Column(name).Index] = v
	}
	return r
}

func TestGuard(t *testing.T) {
	cat, err := schema.Parse([]byte(guarded))
	if err != nil {
		t.Fatal(err)
	}
	g, err := access.Compile(cat, []access.Policy{
		{Entity: "Note", Rows: json.RawMessage(`{"owner":"me"}`), Hidden: []string{"salary"}},
		{Entity: "notes", Rows: json.RawMessage(`{"level":{"$lt":5}}`), Operations: []string{"write"}, Hidden: []string{"level"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	e := cat.Entity("Note")
	mine := map[string]schema.Value{"owner": schema.TextOf("me"), "level": schema.FloatOf(1)}
	high := map[string]schema.Value{"owner": schema.TextOf("me"), "level": schema.FloatOf(9)}
	theirs := map[string]schema.Value{"owner": schema.TextOf("you"), "level": schema.FloatOf(1)}
	for _, c := range []struct {
		values      map[string]schema.Value
		read, write bool
	}{{mine, true, true}, {high, true, false}, {theirs, false, false}} {
		if got := query.Eval(g.Rows(e, mesh.Read), row(e, c.values)); got != c.read {
			t.Errorf("reading %v: %v", c.values, got)
		}
		if got := query.Eval(g.Rows(e, mesh.Write), row(e, c.values)); got != c.write {
			t.Errorf("writing %v: %v", c.values, got)
		}
	}
	if g.Readable(e.Column("salary")) || !g.Readable(e.Column("text")) || g.View(e) != "salary,level" {
		t.Errorf("the view is %q", g.View(e))
	}
	paid := map[string]schema.Value{"owner": schema.TextOf("me"), "level": schema.FloatOf(1), "salary": schema.FloatOf(2)}
	for name, c := range map[string]struct {
		before, after map[string]schema.Value
		code          fault.Code
	}{
		"new":            {nil, mine, ""},
		"new of another": {nil, theirs, fault.Forbidden},
		"given away":     {mine, theirs, fault.Forbidden},
		"taken":          {theirs, mine, fault.Forbidden},
		"deleted":        {mine, nil, ""},
		"other deleted":  {theirs, nil, fault.Forbidden},
		"hidden set":     {nil, paid, fault.Forbidden},
		"hidden changed": {mine, paid, fault.Forbidden},
		"hidden kept":    {paid, paid, ""},
		"above":          {mine, high, fault.Forbidden},
	} {
		var before, after schema.Row
		if c.before != nil {
			before = row(e, c.before)
		}
		if c.after != nil {
			after = row(e, c.after)
		}
		if err := g.After(e, before, after); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPolicyThatDoesNotFit(t *testing.T) {
	cat, err := schema.Parse([]byte(guarded))
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]access.Policy{
		"entity":    {Entity: "Nope"},
		"field":     {Entity: "Note", Rows: json.RawMessage(`{"nope":1}`)},
		"operator":  {Entity: "Note", Rows: json.RawMessage(`{"owner":{"$where":"1"}}`)},
		"type":      {Entity: "Note", Rows: json.RawMessage(`{"level":"x"}`)},
		"json":      {Entity: "Note", Rows: json.RawMessage(`{`)},
		"hidden":    {Entity: "Note", Hidden: []string{"nope"}},
		"id":        {Entity: "Note", Hidden: []string{"id"}},
		"operation": {Entity: "Note", Operations: []string{"delete"}},
	} {
		if _, err := access.Compile(cat, []access.Policy{p}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestKeysAreUnderNoPolicy(t *testing.T) {
	if g, err := access.GuardFor(&schema.Catalog{}, &mesh.Principal{ID: "k:x", Kind: mesh.Key}); g != nil || err != nil {
		t.Fatal(g, err)
	}
}

// A Catalog may be swapped between the moment at which a Guard is compiled and
// the one at which the store reads. The Guard does not know the new one's
// entities, and then closes rather than opens.
func TestGuardOfAFormerCatalogIsClosed(t *testing.T) {
	t.Parallel()
	parse := func() *schema.Entity {
		cat, err := schema.Parse([]byte(guarded))
		if err != nil {
			t.Fatal(err)
		}
		return cat.Entity("Note")
	}
	cat, err := schema.Parse([]byte(guarded))
	if err != nil {
		t.Fatal(err)
	}
	g, err := access.Compile(cat, []access.Policy{{Entity: "Note", Hidden: []string{"salary"}}})
	if err != nil {
		t.Fatal(err)
	}
	own, other := cat.Entity("Note"), parse()
	for _, c := range []struct {
		e    *schema.Entity
		open bool
	}{{own, true}, {other, false}} {
		anything := row(c.e, map[string]schema.Value{"owner": schema.TextOf("me")})
		for _, class := range []mesh.Class{mesh.Read, mesh.Write} {
			if got := query.Eval(g.Rows(c.e, class), anything); got != c.open {
				t.Errorf("own catalog %v: rows for %v: %v", c.open, class, got)
			}
		}
		for _, column := range c.e.Columns {
			if got := g.Readable(column); got != (c.open && column.Name != "salary") {
				t.Errorf("own catalog %v: column %s readable: %v", c.open, column.Name, got)
			}
		}
		if err := g.After(c.e, nil, anything); (err == nil) != c.open {
			t.Errorf("own catalog %v: After: %v", c.open, err)
		}
	}
	if g.View(own) == g.View(other) || g.View(other) == "" {
		t.Errorf("a Guard of another catalog shares the view %q", g.View(other))
	}
}
