package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const shop = `[
 {"name":"User","collection":"users","timestamps":true,"fields":{
   "email":{"type":"string","required":true,"unique":true},"name":{"type":"string"},"age":{"type":"number"},
   "level":{"type":"integer"},"active":{"type":"boolean"},"born":{"type":"date"},"balance":{"type":"decimal"},
   "tags":{"type":"array","arrayOf":"string"},"extra":{"type":"json"}},
  "relations":{"boss":{"target":"User","type":"many-to-one"},"groups":{"target":"Group","type":"many-to-many","through":"user_groups"}},
  "indexes":[{"fields":{"name":"asc"}},{"fields":{"age":"desc"},"sparse":true},{"fields":{"createdAt":"desc"}}]},
 {"name":"Group","collection":"groups","softDelete":true,"fields":{"title":{"type":"string","unique":true}}},
 {"name":"Cat","collection":"pets","discriminator":"kind","discriminatorValue":"cat","fields":{"name":{"type":"string"},"lives":{"type":"integer"}}},
 {"name":"Dog","collection":"pets","discriminator":"kind","discriminatorValue":"dog","fields":{"name":{"type":"string"},"bark":{"type":"string","unique":true}}}
]`

func parse(t testing.TB, src string) *schema.Catalog {
	t.Helper()
	cat, err := schema.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return cat
}

// open opens a database that the test closes; path may be empty.
func open(t testing.TB, cat *schema.Catalog, path string, o Options) *DB {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "p.db")
	}
	c, err := Open(context.Background(), path, cat, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c.(*DB)
}

// make builds a row from record keys.
func build(e *schema.Entity, id string, values map[string]schema.Value) schema.Row {
	row := make(schema.Row, len(e.Columns))
	for i, c := range e.Columns {
		row[i] = values[c.Name]
		switch c.Role {
		case schema.RoleID:
			row[i] = schema.TextOf(id)
		case schema.RoleVersion:
			row[i] = schema.IntOf(1)
		}
	}
	return row
}

func user(e *schema.Entity, n int) schema.Row {
	return build(e, fmt.Sprintf("u%06d", n), map[string]schema.Value{
		"email": schema.TextOf(fmt.Sprintf("u%d@example.org", n)), "name": schema.TextOf(fmt.Sprintf("Name %d", n%10)),
		"age": schema.FloatOf(float64(n%50) + 0.5), "level": schema.IntOf(int64(n)), "active": schema.BoolOf(n%2 == 0),
		"born": schema.TimeOf(int64(n) * 86400000), "balance": schema.DecimalOf(fmt.Sprint(n)),
		"tags": schema.JSONOf(`["a","b"]`),
	})
}

func change(e *schema.Entity, id, verb string) *mesh.Change {
	return &mesh.Change{
		Entity: e.Name, ID: id, Verb: verb, Version: 1, After: []byte(`{"id":"` + id + `"}`),
		Principal: "k:test", At: time.UnixMilli(1_700_000_000_000).UTC(),
	}
}

// insert stores rows, each in a unit of its own with its change.
func insert(t testing.TB, db *DB, e *schema.Entity, rows ...schema.Row) {
	t.Helper()
	for _, row := range rows {
		err := db.Write(context.Background(), driver.Unit{Single: true, Run: func(tx driver.Tx) error {
			if err := tx.Insert(e, row); err != nil {
				return err
			}
			return tx.Append(change(e, row[0].Text(), mesh.Created))
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func all(e *schema.Entity) *query.Projection { return &query.Projection{Columns: e.Columns, Key: "*"} }

func byID(e *schema.Entity) []query.Order { return []query.Order{{Column: e.Columns[0]}} }

// ids reads the ids that a filter finds.
func ids(t testing.TB, r driver.Reader, q *query.Select) (out []string) {
	t.Helper()
	if q.Projection == nil {
		q.Projection = all(q.Entity)
	}
	if q.Sort == nil {
		q.Sort = byID(q.Entity)
	}
	err := r.Select(context.Background(), q, func(row driver.Row) error {
		out = append(out, string(row.Text(0)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func code(t testing.TB, err error, want fault.Code) *fault.Error {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != want {
		t.Fatalf("got %v, want %s", err, want)
	}
	return f
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, shop), "", Options{})
	e := db.catalog.Load().Entity("User")
	row := user(e, 3)
	row[e.Column("name").Index] = schema.TextOf("a\"b\\c\n\x01é💙")
	row[e.Column("balance").Index] = schema.DecimalOf("-12345678901234567890.125")
	row[e.Column("level").Index] = schema.IntOf(-1 << 63)
	insert(t, db, e, row, build(e, "nulls", map[string]schema.Value{"email": schema.TextOf("")}))
	var got []string
	q := &query.Select{Entity: e, Projection: all(e), Sort: byID(e)}
	err := db.Select(context.Background(), q, func(r driver.Row) error {
		var b []byte
		for i := range e.Columns {
			v := r.Value(i)
			if v.IsNull() != r.Null(i) || string(v.AppendJSON(nil)) != string(r.AppendJSON(nil, i)) {
				t.Errorf("%s: %s is not %s", e.Columns[i].Name, v.AppendJSON(nil), r.AppendJSON(nil, i))
			}
			b = append(r.AppendJSON(b, i), ' ')
		}
		got = append(got, string(b))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `"u000003" 1 "u3@example.org" "a\"b\\c\n\u0001é💙" 3.5 -9223372036854775808 false "1970-01-04T00:00:00.000Z" -12345678901234567890.125 ["a","b"] null null null null `
	if len(got) != 2 || got[1] != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	err = db.Write(context.Background(), driver.Unit{Run: func(tx driver.Tx) error {
		loaded, err := tx.Load(e, "u000003")
		if err != nil {
			return err
		}
		for i := range row {
			if !row[i].Equal(loaded[i]) {
				t.Errorf("%s: stored %s, loaded %s", e.Columns[i].Name, row[i].AppendJSON(nil), loaded[i].AppendJSON(nil))
			}
		}
		none, err := tx.Load(e, "nobody")
		if none != nil || err != nil {
			t.Errorf("loaded %v, %v", none, err)
		}
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
}
