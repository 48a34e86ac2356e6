package schema_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func library(t testing.TB) *schema.Catalog {
	t.Helper()
	c, err := schema.Load("testdata/library.json")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// describe writes a compiled catalog out for people.
func describe(c *schema.Catalog) []byte {
	var b bytes.Buffer
	flags := func(list ...any) {
		for i := 0; i < len(list); i += 2 {
			if list[i].(bool) {
				fmt.Fprintf(&b, " %s", list[i+1])
			}
		}
	}
	relation := func(r *schema.Relation) string { return r.Owner.Name + "." + r.Name }
	for _, e := range c.Entities {
		fmt.Fprintf(&b, "%s in %s", e.Name, e.Collection)
		flags(e.Timestamps, "timestamps", e.SoftDelete, "softDelete", e.Discriminator != "", e.Discriminator+"="+e.DiscriminatorValue)
		b.WriteString("\n")
		for _, col := range e.Columns {
			fmt.Fprintf(&b, "  column %d %s", col.Index, col.Name)
			flags(col.Physical != col.Name, "as "+col.Physical, true, col.Type.String(), true, fmt.Sprintf("role=%d", col.Role),
				col.Hidden, "hidden", col.Required, "required", col.Unique, "unique")
			if f := col.Field; f != nil && f.Default != nil {
				fmt.Fprintf(&b, " default=%s", f.Default.Value.AppendJSON(nil))
				flags(f.Default.Now, "now")
			}
			b.WriteString("\n")
		}
		b.WriteString("  members")
		for _, m := range e.Members {
			b.WriteString(" " + m.Name)
			flags(m.Column == nil, "(elsewhere)")
		}
		b.WriteString("\n")
		for _, r := range e.Relations {
			fmt.Fprintf(&b, "  relation %s %s %s onDelete=%s", r.Name, r.Type, r.Target.Name, r.OnDelete)
			flags(r.Required, "required", r.Nullable, "nullable", r.Eager, "eager", r.Stored(), "column="+r.JoinColumn,
				r.Through != "", fmt.Sprintf("through=%s(%s,%s)", r.Through, r.OwnerKey, r.TargetKey), len(r.Select) > 0, fmt.Sprint("select=", r.Select))
			if r.Inverse != nil {
				b.WriteString(" reads=" + relation(r.Inverse))
			}
			b.WriteString("\n")
		}
		for _, r := range e.Inbound {
			fmt.Fprintf(&b, "  inbound %s\n", relation(r))
		}
		for _, r := range e.Linked {
			fmt.Fprintf(&b, "  linked %s\n", relation(r))
		}
		for _, x := range e.Indexes {
			fmt.Fprintf(&b, "  index %s", x.Name)
			for _, k := range x.Keys {
				b.WriteString(" " + k.Column.Name)
				flags(k.Desc, "desc", k.Text, "text")
			}
			flags(x.Unique, "unique", x.Sparse, "sparse")
			b.WriteString("\n")
		}
	}
	return b.Bytes()
}

func TestCompiledCatalog(t *testing.T) {
	t.Parallel()
	const file = "testdata/library.golden"
	got := describe(library(t))
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the compiled catalog differs from %s (-update rewrites it): %v\n%s", file, err, got)
	}
}

func TestLookups(t *testing.T) {
	t.Parallel()
	c := library(t)
	if c.Entity("Book") != c.Entity("books") || c.Entity("book") != nil || c.Entity("animals").Name != "Dog" {
		t.Error("an entity is found by name and by collection, exactly")
	}
	author := c.Entity("Author")
	if author.Column("password") == nil || author.Column("nope") != nil || author.Relation("books") == nil || author.Column("books") != nil {
		t.Error("columns and relations are found by record key, hidden ones too")
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	c := library(t)
	again, err := schema.Parse(c.AppendJSON(nil))
	if err != nil {
		t.Fatal(err)
	}
	if c.Version != again.Version || len(c.Version) != 24 || !bytes.Equal(describe(c), describe(again)) {
		t.Errorf("the canonical form is another catalog: %s, %s\n%s", c.Version, again.Version, describe(again))
	}
	version := func(src string) string {
		c, err := schema.Parse([]byte(src))
		if err != nil {
			t.Fatal(err)
		}
		return c.Version
	}
	base := version(`[{"name":"A","collection":"a","fields":{"x":{"type":"string"},"y":{"type":"number"}}}]`)
	for src, same := range map[string]bool{
		` [ {"collection":"a", "name":"A", "fields":{"x":"string","y":{"required":false,"type":"number"}}, "relations":{}} ]`: true,
		`{"name":"A","collection":"a","fields":{"x":"string","y":"number"},"timestamps":false}`:                               true,
		`[{"name":"A","collection":"a","fields":{"y":{"type":"number"},"x":{"type":"string"}}}]`:                              false,
		`[{"name":"A","collection":"a","fields":{"x":"string","y":"float"}}]`:                                                 false,
		`[{"name":"A","collection":"a","fields":{"x":"string","y":{"type":"number","hidden":true}}}]`:                         false,
		`[{"name":"A","collection":"a","fields":{"x":"string","y":"number"},"softDelete":true}]`:                              false,
	} {
		if (version(src) == base) != same {
			t.Errorf("version of %s: equal to the base is %t", src, !same)
		}
	}
}

func TestReserved(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"events", "live", "stream", "discover", "_project", "graphql", "api", "health"} {
		if !schema.Reserved(s) || schema.ValidProject(s) {
			t.Errorf("%s must be reserved", s)
		}
	}
	for _, s := range []string{"a.b", "a*", ">", "", "a b", strings.Repeat("a", 65), "é", "a\n", "Events", "API"} {
		if schema.ValidProject(s) {
			t.Errorf("%q must be no project's name", s)
		}
	}
	if schema.Reserved("Event") || !schema.ValidProject("my-shop_2") {
		t.Error("ordinary names are free")
	}
}

func TestValidID(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"1", "018f3a5e-7c1b-7d2a-9f00-1234567890ab", "a.b_c~d:e@f-g", "Count", strings.Repeat("x", 128), "..."} {
		if !schema.ValidID(s) {
			t.Errorf("%q is an id", s)
		}
	}
	for _, s := range []string{
		"", ".", "..", "count", "one", "search", "bulk", "upsert", "aggregate", "stream", strings.Repeat("x", 129),
		"a/b", "a b", "é", "a\x00", "*", ">", "a\r\n", "%2e", "a'--", "?",
	} {
		if schema.ValidID(s) {
			t.Errorf("%q is no id", s)
		}
	}
}

func codeAndProblems(t *testing.T, err error) (fault.Code, []schema.Problem) {
	t.Helper()
	if err == nil {
		return "", nil
	}
	f, ok := err.(*fault.Error)
	if !ok {
		t.Fatalf("not a coded error: %v", err)
	}
	list, _ := f.Details.([]schema.Problem)
	return f.Code, list
}
