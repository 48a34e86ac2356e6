package clickhouse

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/stores/clickhouse/chdbtest"
	"github.com/octomesh/octomesh/pkg/stores/overlay"
)

const catalog = `[{"name":"Person","collection":"people","fields":{"name":{"type":"string"},"email":{"type":"string","unique":true}}}]`

func opened(t *testing.T, uri string) (*DB, *schema.Entity) {
	t.Helper()
	cat, err := schema.Parse([]byte(catalog))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Open(t.Context(), uri, cat, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn.(*DB), cat.Entity("Person")
}

// creation inserts a person and tells the log.
func creation(e *schema.Entity, id, name string) driver.Unit {
	return driver.Unit{Run: func(tx driver.Tx) error {
		row := make(schema.Row, len(e.Columns))
		row[0], row[1], row[e.Column("name").Index] = schema.TextOf(id), schema.IntOf(1), schema.TextOf(name)
		if err := tx.Insert(e, row); err != nil {
			return err
		}
		return tx.Append(&mesh.Change{Entity: e.Name, ID: id, Verb: mesh.Created, Version: 1, After: []byte(`{}`), RequestHash: []byte{0, 0xFF, 7}, At: time.UnixMilli(1)})
	}}
}

func logged(t *testing.T, conn driver.Conn) (ids []string) {
	t.Helper()
	err := conn.Changes(t.Context(), 0, 1000, func(c *mesh.Change) error {
		if c.Seq != int64(len(ids))+1 || !slices.Equal(c.RequestHash, []byte{0, 0xFF, 7}) {
			t.Errorf("%+v after %d", c, len(ids))
		}
		ids = append(ids, c.ID)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// hostile is text that would end a literal, were it not quoted.
var hostile = []string{
	`'`, `\`, `\'`, `'; DROP TABLE people; --`, `' OR 1=1 --`, `\\'`, "`", `"`, "a\x00b", "\n\r\t", `{p:String}`, `?`, `@p`, `$1`,
	`%s`, `\x41`, `\0`, `' || version() || '`, "\u2019", "é\U0001F600", strings.Repeat(`\'`, 5000),
}

func TestHostileText(t *testing.T) {
	db, e := opened(t, chdbtest.URI(t))
	for i, s := range hostile {
		var got string
		err := db.query(t.Context(), "SELECT "+string(appendText(nil, s)), nil, nil, func(r *row) error {
			got = r.text(0)
			return nil
		})
		if err != nil || got != s {
			t.Errorf("%.40q comes back as %.40q: %v", s, got, err)
		}
		if err := db.Write(t.Context(), creation(e, "h"+strings.Repeat("x", i), s)); err != nil {
			t.Errorf("%.40q: %v", s, err)
		}
	}
	if n := len(logged(t, db)); n != len(hostile) {
		t.Errorf("%d changes", n)
	}
}

// TestRecovery: whatever of a redo is there when the process dies, the next one
// makes it whole, and once.
func TestRecovery(t *testing.T) {
	for blocks := range 3 { // none of them, the rows, the changes too
		uri := chdbtest.URI(t)
		db, e := opened(t, uri)
		if err := db.Write(t.Context(), creation(e, "a", "A")); err != nil {
			t.Fatal(err)
		}
		g := overlay.NewGroup(db, db.last.Load())
		for _, id := range []string{"b", "c"} {
			if err := g.Run(creation(e, id, "B")); err != nil {
				t.Fatal(err)
			}
		}
		r := db.redo(g)
		body, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		err = db.insert(t.Context(), &block{Table: redoTable, Columns: []string{"id", "body"}, Types: []string{"Int64", "String"}, Rows: [][]*string{{num(1), ptr(string(body))}}}, r.Rev)
		for _, b := range r.Blocks[:blocks] {
			if err == nil {
				err = db.insert(t.Context(), b, r.Rev)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db, e = opened(t, uri)
		if got := logged(t, db); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("%d blocks: the log has %q", blocks, got)
		}
		if err := db.Write(t.Context(), creation(e, "d", "D")); err != nil {
			t.Error(err)
		}
		if f := fault.From(db.Write(t.Context(), creation(e, "c", "C"))); f.Code != fault.Conflict {
			t.Error(f)
		}
		if n, err := db.Committed(t.Context()); n != 4 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
}

func TestLease(t *testing.T) {
	uri := chdbtest.URI(t)
	db, _ := opened(t, uri)
	second := func(patience time.Duration) error {
		conn, err := Open(t.Context(), uri, db.catalog.Load(), Options{Patience: patience})
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	if f := fault.From(second(time.Millisecond)); f.Code != fault.DBNotConnected {
		t.Error(f)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := second(time.Millisecond); err != nil {
		t.Errorf("after the first one's end: %v", err)
	}
	l := lease{start: time.Now()}
	if fault.From(l.held()).Code != fault.DBNotConnected {
		t.Error("a lease that was never taken is held")
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "clickhouse://", "clickhouse://a:9000,b:9000/d", "http://user:secret@%zz/d"} {
		_, err := Open(context.Background(), bad, nil, Options{})
		if f := fault.From(err); f.Code != fault.InvalidRequest || strings.Contains(f.Message, "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err := Open(ctx, "http://127.0.0.1:1/d", nil, Options{})
	if f := fault.From(err); f.Code != fault.DBNotConnected {
		t.Error(f)
	}
}

func BenchmarkRender(b *testing.B) {
	values := []schema.Value{schema.TextOf("it's"), schema.IntOf(7), schema.FloatOf(1.5), schema.DecimalOf("1.50")}
	sql := "SELECT `a` FROM `t` FINAL WHERE `a` = \x00 AND `b` > \x00 AND `c` < \x00 AND `d` = \x00"
	b.ReportAllocs()
	for b.Loop() {
		if len(render(sql, values)) < len(sql) {
			b.Fatal("shorter")
		}
	}
}
