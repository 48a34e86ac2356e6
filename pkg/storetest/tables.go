package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// Tables is how the suite makes databases as other programs leave them, and
// opens them by each strategy.
type Tables struct {
	Dialect *sqlgen.Dialect
	// Database makes an empty database, which lasts as long as the test, and
	// returns what Open and Exec know it by.
	Database func(t testing.TB) (at string)
	// Open opens a database by a strategy, driver.Inspect too. The Conn is a
	// driver.Examiner. Errors: those of the driver's Open.
	Open func(ctx context.Context, at string, cat *schema.Catalog, s driver.Strategy) (driver.Conn, error)
	// Exec runs statements there as another program would. Nothing has the
	// database open.
	Exec func(t testing.TB, at string, sql ...string)
	// Key is a type that takes ids and is not the one of own tables, such as
	// VARCHAR(40); Ignoring is a type of text that ignores case, "" if there is
	// none.
	Key, Ignoring string
}

var tableTopics = []struct {
	name string
	run  func(b *base)
}{
	{"tables validate", tablesValidate},
	{"tables update", tablesUpdate},
	{"tables swap", tablesSwap},
	{"tables free", tablesFree},
	{"tables create", tablesCreate},
	{"tables create-drop", tablesCreateDrop},
	{"tables none", tablesNone},
	{"tables adopt", tablesAdopt},
	{"tables misfits", tablesMisfits},
	{"tables collide", tablesCollide},
	{"tables collation", tablesCollation},
	{"tables at once", tablesAtOnce},
}

// base is a database that several Conns open, one after another.
type base struct {
	*testing.T
	*Tables
	at string
}

const persons = `[{"name":"Person","collection":"people","fields":{"email":{"type":"string"},"n":{"type":"integer"}}}]`

// moreOfThem has a field, a collection and two indexes more.
const moreOfThem = `[{"name":"Person","collection":"people","softDelete":true,"fields":{"email":{"type":"string","unique":true},"n":{"type":"integer"},"city":{"type":"string"}},
  "indexes":[{"fields":{"city":"desc"}}],"relations":{"teams":{"target":"Team","type":"many-to-many"}}},
 {"name":"Team","collection":"teams","fields":{"title":{"type":"text"}}}]`

func (b *base) catalog(source string) *schema.Catalog {
	b.Helper()
	cat, err := schema.Parse([]byte(source))
	if err != nil {
		b.Fatal(err)
	}
	return cat
}

// open opens the database and makes a Store of it.
func (b *base) open(source string, s driver.Strategy) *db {
	b.Helper()
	cat := b.catalog(source)
	conn, err := b.Open(b.Context(), b.at, cat, s)
	if err != nil {
		b.Fatalf("open by %s: %v %+v", s, err, fault.From(err).Details)
	}
	d := &db{T: b.T, cat: cat, conn: conn, principal: &mesh.Principal{ID: "k:test", Kind: mesh.Key}}
	if d.store, err = store.Open(b.Context(), conn, cat, store.Options{}); err != nil {
		b.Fatal(err)
	}
	return d
}

func (d *db) close() {
	d.Helper()
	if err := d.store.Close(); err != nil {
		d.Error(err)
	}
}

// with does something while the database is open.
func (b *base) with(source string, s driver.Strategy, do func(d *db)) {
	b.Helper()
	d := b.open(source, s)
	defer d.close()
	do(d)
}

// refused expects that the database can't be opened, and returns the misfits.
func (b *base) refused(source string, s driver.Strategy) []driver.Misfit {
	b.Helper()
	conn, err := b.Open(b.Context(), b.at, b.catalog(source), s)
	if err == nil {
		_ = conn.Close()
		b.Fatalf("opened by %s", s)
	}
	return misfits(b.T, err)
}

// misfits expects the CONFLICT that lists them, each with what to do.
func misfits(t *testing.T, err error) []driver.Misfit {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Conflict {
		t.Fatalf("not a CONFLICT: %v", err)
	}
	m, ok := f.Details.([]driver.Misfit)
	if !ok || len(m) == 0 {
		t.Fatalf("%v without misfits: %v", f, f.Details)
	}
	for _, m := range m {
		if m.Table == "" || m.Reason == "" || m.Do == "" {
			t.Errorf("a misfit says too little: %+v", m)
		}
	}
	if !strings.Contains(f.Message, "table "+m[0].Table) {
		t.Errorf("the message does not name the table: %s", f.Message)
	}
	return m
}

// examine tells how the database stands to a catalog.
func (b *base) examine(source string) *driver.Examination {
	b.Helper()
	cat := b.catalog(source)
	conn, err := b.Open(b.Context(), b.at, cat, driver.Inspect)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	x, err := conn.(driver.Examiner).Examine(b.Context(), cat)
	if err != nil {
		b.Fatal(err)
	}
	return x
}

// steps are the tables that would be changed, the log's left out, each as often
// as it would be.
func (b *base) steps(source string) string {
	b.Helper()
	var out []string
	for _, s := range b.examine(source).Steps {
		if !strings.Contains(s.Table, "_octo_") {
			out = append(out, s.Table)
		}
	}
	return strings.Join(out, " ")
}

// foreign makes a table as another program would, with its rows as literals.
func (b *base) foreign(t migrate.Table, rows ...string) {
	b.Helper()
	sql := []string{migrate.SQL(b.Dialect, migrate.Step{Table: t.Name, Create: &t})}
	for i := range t.Indexes {
		sql = append(sql, migrate.SQL(b.Dialect, migrate.Step{Table: t.Name, Index: &t.Indexes[i]}))
	}
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = b.Dialect.Ident(c.Name)
	}
	for _, r := range rows {
		sql = append(sql, fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", b.Dialect.Ident(t.Name), strings.Join(names, ", "), r))
	}
	b.Exec(b.T, b.at, sql...)
}

// declared is the type that own tables have for such a field.
func (b *base) declared(typ schema.Type) string {
	return b.Dialect.ColumnType(&schema.Column{Name: "x", Physical: "x", Type: typ}, false)
}

func columns(list []driver.Misfit) string {
	var out []string
	for _, m := range list {
		out = append(out, m.Table+"."+m.Column)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
