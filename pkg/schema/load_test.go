package schema_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const (
	typeA = `{"name":"A","collection":"a","relations":{"b":{"target":"B","type":"many-to-one"}}}`
	typeB = `[{"name":"B","collection":"b"}]`
)

func TestLoadDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "[odd] *name")
	write(t, dir, map[string]string{"2.json": typeB, "1.json": typeA, "notes.txt": "x"})
	c, err := schema.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Entities) != 2 || c.Entities[0].Name != "A" || c.Entities[0].Relation("b").Target != c.Entities[1] {
		t.Errorf("entities %v", c.Entities)
	}
	again, err := schema.Parse(c.Source)
	if err != nil || again.Version != c.Version {
		t.Errorf("the source is another catalog: %v", err)
	}

	write(t, dir, map[string]string{"3.json": `[{"name":"*","collection":"c"}]`})
	_, err = schema.Load(dir)
	if _, list := codeAndProblems(t, err); len(list) != 1 || list[0].Path != "3.json[0].name" {
		t.Errorf("problems %v", list)
	}
	write(t, dir, map[string]string{"3.json": `[`})
	if _, err = schema.Load(dir); fault.CodeOf(err) != fault.ParseError || !strings.Contains(err.Error(), "3.json: byte 1") {
		t.Errorf("broken file: %v", err)
	}
}

func TestLoadMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "none.json"), dir} {
		if _, err := schema.Load(path); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("Load(%s): %v", path, err)
		}
	}
	if _, err := schema.LoadProjects(filepath.Join(dir, "none.json")); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("LoadProjects: %v", err)
	}
}

func TestProjects(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"schemas/shop.json": typeB,
		"projects-tree.json": `{
			"shop": {"dialect":"sqlite","uri":"shop.db","schemas":"schemas/shop.json","schemaStrategy":"update","pool":{"min":1,"max":4},"description":"A shop"},
			"crm": {"dialect":"postgres","uri":"postgres://u:p@h/crm","schemas":[` + typeA + `,{"name":"B","collection":"b"}],"poolSize":7,"batchSize":50,"showSql":true,"ownerId":"u1","visibility":"private"}
		}`,
	})
	list, err := schema.LoadProjects(filepath.Join(dir, "projects-tree.json"))
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	shop, crm := list[0], list[1]
	if shop.Name != "shop" || shop.Dialect != "sqlite" || shop.URI != "shop.db" || shop.SchemasPath != "schemas/shop.json" || shop.Strategy != "update" ||
		shop.PoolMin != 1 || shop.PoolMax != 4 || shop.Description != "A shop" || shop.Catalog.Entity("B") == nil {
		t.Errorf("shop = %+v", shop)
	}
	if crm.Name != "crm" || crm.PoolMax != 7 || crm.BatchSize != 50 || !crm.ShowSQL || crm.FormatSQL || crm.OwnerID != "u1" || crm.Visibility != "private" ||
		crm.SchemasPath != "" || len(crm.Catalog.Entities) != 2 {
		t.Errorf("crm = %+v", crm)
	}
}

func TestProjectProblems(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ok := `{"dialect":"sqlite","uri":"x","schemas":[]}`
	for _, c := range []struct{ src, path string }{
		{`[]`, "$"},
		{`{"a b":` + ok + `}`, `$["a b"]`},
		{`{"events":` + ok + `}`, "$.events"},
		{`{"_x":` + ok + `}`, "$._x"},
		{`{"a.b":` + ok + `}`, `$["a.b"]`},
		{`{"a":` + ok + `,"A":` + ok + `}`, "$.A"},
		{`{"a":{"uri":"x","schemas":[]}}`, "$.a.dialect"},
		{`{"a":{"dialect":"sqlite","schemas":[]}}`, "$.a.uri"},
		{`{"a":{"dialect":"sqlite","uri":"x"}}`, "$.a.schemas"},
		{`{"a":{"dialect":"sqlite","uri":"x","schemas":[{"name":"*","collection":"c"}]}}`, "$.a.schemas[0].name"},
		{`{"a":{"dialect":"sqlite","uri":"x","schemas":"../../etc/passwd"}}`, "$.a.schemas"},
		{`{"a":{"dialect":"sqlite","uri":"x","schemas":"/etc/passwd"}}`, "$.a.schemas"},
		{`{"a":{"dialect":"sqlite","uri":"x","schemas":"none.json"}}`, "$.a.schemas"},
		{`{"a":{"dialect":"sqlite","uri":"x","schemas":7}}`, "$.a.schemas"},
		{`{"a":{"dialect":"sqlite","uri":"x","schemas":[],"schemaStrategy":"wipe"}}`, "$.a.schemaStrategy"},
		{`{"a":{"dialect":"sqlite","uri":"x","schemas":[],"ur1":1}}`, "$.a.ur1"},
		{`{"a":{"dialect":"sqlite","uri":"x","schemas":[],"pool":{"min":5,"max":2}}}`, "$.a.pool.min"},
		{`{"a":{"dialect":"sqlite","uri":"x","schemas":[],"pool":{"max":-1}}}`, "$.a.pool.max"},
		{`{"a":{"dialect":"sqlite","uri":"x","schemas":[],"pool":{"size":1}}}`, "$.a.pool.size"},
		{`{"a":7}`, "$.a"},
	} {
		_, err := schema.ParseProjects([]byte(c.src), dir)
		code, list := codeAndProblems(t, err)
		if code != fault.ValidationError || !slices.ContainsFunc(list, func(p schema.Problem) bool { return p.Path == c.path }) {
			t.Errorf("ParseProjects(%s) = %v, want a problem at %s", c.src, err, c.path)
		}
	}
}

// TestDocumentedExamples parses the JSON blocks of docs/schema.md.
func TestDocumentedExamples(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/schema.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```json\n")[1:]
	if len(blocks) != 2 {
		t.Fatalf("%d examples", len(blocks))
	}
	first, _, _ := strings.Cut(blocks[0], "```")
	if c := parse(t, first); len(c.Entities) != 3 {
		t.Errorf("%d entities", len(c.Entities))
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"schemas/shop.json": first})
	second, _, _ := strings.Cut(blocks[1], "```")
	if list, err := schema.ParseProjects([]byte(second), dir); err != nil || len(list) != 2 {
		t.Errorf("projects %v: %v", list, err)
	}
}
