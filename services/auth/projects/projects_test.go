package projects_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store"
	"github.com/octomesh/octomesh/pkg/store/sqlite"
	"github.com/octomesh/octomesh/services/auth/projects"
	"github.com/octomesh/octomesh/services/auth/system"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const notes = `[{"name":"Note","collection":"notes","fields":{"text":{"type":"string"}}}]`

// office is a List on a system store whose clock a test moves, and whose writes
// it can count and refuse.
type office struct {
	t      *testing.T
	store  *store.Store
	list   *projects.List
	now    time.Time
	writes int
	refuse error
}

func open(t *testing.T) *office {
	t.Helper()
	cat, err := system.Catalog()
	check(t, err)
	return openAt(t, filepath.Join(t.TempDir(), "system.db"), cat)
}

func openAt(t *testing.T, path string, cat *schema.Catalog) *office {
	t.Helper()
	conn, err := sqlite.Open(t.Context(), path, cat, sqlite.Options{Strategy: "update"})
	check(t, err)
	o := &office{t: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	o.store, err = store.Open(t.Context(), conn, cat, store.Options{CursorKey: make([]byte, 32)})
	check(t, err)
	t.Cleanup(func() { check(t, o.store.Close()) })
	o.load()
	return o
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// load reads the list anew, as a restart does.
func (o *office) load() {
	o.t.Helper()
	var err error
	o.list, err = projects.Load(o.t.Context(), system.New(mesh.CallerFunc(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
		if op := mesh.LookupOp(r.Entity, r.Op); op.Class == mesh.Write {
			o.writes++
			if o.refuse != nil {
				return nil, o.refuse
			}
		}
		return o.store.Call(ctx, r, nil)
	})), func() time.Time { return o.now })
	check(o.t, err)
}

func (o *office) sync(wanted ...projects.Project) error {
	return o.list.Sync(o.t.Context(), wanted)
}

func want(slug string, change ...func(*projects.Project)) projects.Project {
	p := projects.Project{Slug: slug, Dialect: "sqlite", Schemas: json.RawMessage(notes), Strategy: "update", Source: projects.FromTree}
	for _, f := range change {
		f(&p)
	}
	return p
}

func (o *office) id(slug string) string {
	o.t.Helper()
	id, ok := o.list.Resolve(slug)
	if !ok {
		o.t.Fatalf("%s is not there", slug)
	}
	return id
}

// A project keeps its id over changes and restarts, and what does not change is
// not written.
func TestIDsStay(t *testing.T) {
	o := open(t)
	check(t, o.sync(want("default"), want("shop")))
	shop := o.id("shop")
	if shop == o.id("default") || shop == "shop" {
		t.Fatalf("ids %s and %s", shop, o.id("default"))
	}
	o.writes = 0
	check(t, o.sync(want("default"), want("shop", func(p *projects.Project) { p.Schemas = json.RawMessage(" " + notes + "\n") })))
	if o.writes != 0 {
		t.Errorf("%d writes for nothing", o.writes)
	}
	check(t, o.sync(want("default"), want("shop", func(p *projects.Project) { p.URI, p.Description = "postgres://u:secret@db/shop", "a shop" })))
	if o.writes != 1 || o.id("shop") != shop {
		t.Errorf("%d writes, id %s", o.writes, o.id("shop"))
	}
	o.load()
	if o.id("shop") != shop || strings.Join(o.list.Slugs(), " ") != "default shop" {
		t.Errorf("after a restart: %s, %v", o.id("shop"), o.list.Slugs())
	}
	defs := o.list.Definitions()
	if len(defs) != 2 || defs[1].ID != shop || defs[1].URI != "postgres://u:secret@db/shop" || string(defs[1].Schemas) != notes {
		t.Errorf("%+v", defs)
	}
	shown := o.list.Show(func(uri string) string { return strings.ReplaceAll(uri, "secret", "***") })
	if len(shown) != 2 || shown[1].Name != "shop" || shown[1].URIMasked != "postgres://u:***@db/shop" || shown[1].SchemasCount != 1 || shown[1].Version == "" {
		t.Errorf("%+v", shown)
	}
	if slug, ok := o.list.Slug(shop); !ok || slug != "shop" {
		t.Errorf("%s %v", slug, ok)
	}
	if id, ok := o.list.Resolve(shop); !ok || id != shop {
		t.Errorf("by id: %s %v", id, ok)
	}
}

// A deleted project opens nothing; its name rests for 30 days, except for the
// project itself.
func TestDeletedNamesRest(t *testing.T) {
	o := open(t)
	check(t, o.sync(want("default"), want("shop")))
	shop := o.id("shop")
	check(t, o.sync(want("default")))
	if _, ok := o.list.Resolve("shop"); ok {
		t.Error("the slug still opens it")
	}
	if _, ok := o.list.Resolve(shop); ok {
		t.Error("the id still opens it")
	}
	if _, ok := o.list.Slug(shop); ok || len(o.list.Definitions()) != 1 {
		t.Error("it is still told of")
	}
	other := func(slug string) projects.Project {
		return want(slug, func(p *projects.Project) { p.Source = projects.FromConfig })
	}
	for _, slug := range []string{"shop", "SHOP"} { // no other project, in whatever case
		if err := o.sync(want("default"), other(slug)); fault.CodeOf(err) != fault.Conflict {
			t.Errorf("%s: %v", slug, err)
		}
	}
	o.load() // a restart forgets nothing of it
	if err := o.sync(want("default"), other("shop")); fault.CodeOf(err) != fault.Conflict {
		t.Error(err)
	}
	check(t, o.sync(want("default"), want("shop"))) // it comes back from where it came
	if o.id("shop") != shop {
		t.Errorf("it came back as %s, was %s", o.id("shop"), shop)
	}
	check(t, o.sync(want("default")))
	o.now = o.now.Add(projects.Rest + time.Second)
	check(t, o.sync(want("default"), other("shop")))
	if o.id("shop") == shop {
		t.Error("another project got the id of the deleted one")
	}
}

// Whatever is wrong, nothing is written.
func TestNothingIsWrittenIfAnythingIsWrong(t *testing.T) {
	o := open(t)
	check(t, o.sync(want("default"), want("shop")))
	before := fmt.Sprint(o.list.Definitions())
	o.writes = 0
	for name, c := range map[string]struct {
		wanted []projects.Project
		code   fault.Code
	}{
		"schemas":        {[]projects.Project{want("default"), want("a", func(p *projects.Project) { p.Schemas = json.RawMessage(`[{"name":1}]`) })}, fault.ValidationError},
		"no JSON":        {[]projects.Project{want("default"), want("a", func(p *projects.Project) { p.Schemas = json.RawMessage(`[`) })}, fault.ParseError},
		"no schemas":     {[]projects.Project{want("default"), want("a", func(p *projects.Project) { p.Schemas = nil })}, fault.ParseError},
		"twice":          {[]projects.Project{want("default"), want("a"), want("a")}, fault.ValidationError},
		"case":           {[]projects.Project{want("default"), want("a"), want("A")}, fault.ValidationError},
		"an entity":      {[]projects.Project{want("default"), want("Note")}, fault.ValidationError},
		"a collection":   {[]projects.Project{want("default"), want("NOTES")}, fault.ValidationError},
		"reserved":       {[]projects.Project{want("default"), want("events")}, fault.ValidationError},
		"system":         {[]projects.Project{want("default"), want("_system")}, fault.ValidationError},
		"a wildcard":     {[]projects.Project{want("default"), want("a.*")}, fault.ValidationError},
		"empty":          {[]projects.Project{want("default"), want("")}, fault.ValidationError},
		"a path":         {[]projects.Project{want("default"), want("../a")}, fault.ValidationError},
		"the name's end": {[]projects.Project{want("default"), want(strings.Repeat("a", 65))}, fault.ValidationError},
	} {
		if err := o.sync(c.wanted...); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if after := fmt.Sprint(o.list.Definitions()); o.writes != 0 || after != before {
		t.Errorf("%d writes; %s, before %s", o.writes, after, before)
	}
	o.refuse = fault.New(fault.DBNotConnected, "gone")
	if err := o.sync(want("default"), want("shop"), want("more")); fault.CodeOf(err) != fault.DBNotConnected {
		t.Error(err)
	}
	if err := o.sync(want("default")); fault.CodeOf(err) != fault.DBNotConnected {
		t.Error(err)
	}
	if after := fmt.Sprint(o.list.Definitions()); after != before {
		t.Errorf("what could not be stored is told: %s", after)
	}
	o.refuse = nil
	check(t, o.sync(want("default"), want("shop"), want("more")))
}

// bucket is the bucket of catalogs.
type bucket struct {
	values map[string]string
	puts   int
	refuse error
}

func (b *bucket) Put(_ context.Context, key string, value []byte) error {
	if b.refuse != nil {
		return b.refuse
	}
	b.values[key] = string(value)
	b.puts++
	return nil
}

// The bucket is made to say what the list says, whatever it said before.
func TestPublish(t *testing.T) {
	o := open(t)
	check(t, o.sync(want("default"), want("shop", func(p *projects.Project) { p.URI = "postgres://u:secret@db/shop" })))
	b, m := &bucket{values: map[string]string{}}, &projects.Mirror{}
	publish := func(puts int) {
		t.Helper()
		b.puts = 0
		check(t, o.list.Publish(t.Context(), b, m))
		if b.puts != puts {
			t.Fatalf("%d writes, want %d", b.puts, puts)
		}
	}
	m.Told("stranger", []byte(`{"id":"x"}`), false) // left over from somebody
	publish(3)
	if v := b.values["shop"]; !strings.Contains(v, `"id":"`+o.id("shop")+`"`) || !strings.Contains(v, `"deleted":false`) || strings.Contains(v, "secret") {
		t.Error(v)
	}
	if v := b.values["stranger"]; !strings.Contains(v, `"deleted":true`) {
		t.Error(v)
	}
	publish(0)
	shop := o.id("shop")
	check(t, o.sync(want("default")))
	publish(1)
	if v := b.values["shop"]; !strings.Contains(v, `"id":"`+shop+`"`) || !strings.Contains(v, `"deleted":true`) {
		t.Error(v)
	}
	m.Told("default", []byte("something else"), false) // somebody wrote over it
	publish(1)
	m.Told("default", nil, true)
	publish(1)
	m.Forget() // the bucket was wiped
	publish(1)
	b.refuse = errors.New("no NATS")
	m.Forget()
	if err := o.list.Publish(t.Context(), b, m); !errors.Is(err, b.refuse) {
		t.Error(err)
	}
	b.refuse = nil
	publish(1) // a write that failed is not taken for done
}
