package clickhouse

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	chdriver "github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
	"github.com/octomesh/octomesh/pkg/stores/clickhouse/chdbtest"
)

// shaky is a connection whose inserts into one table fail.
type shaky struct {
	chdriver.Conn
	mu    sync.Mutex
	table string
	left  int
	err   error
	after bool // the insert comes about all the same
}

func (s *shaky) set(table string, times int, err error, after bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table, s.left, s.err, s.after = table, times, err, after
}

func (s *shaky) PrepareBatch(ctx context.Context, sql string, o ...chdriver.PrepareBatchOption) (chdriver.Batch, error) {
	b, err := s.Conn.PrepareBatch(ctx, sql, o...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || s.left == 0 || !strings.Contains(sql, "`"+s.table+"`") {
		return b, err
	}
	s.left--
	return &failing{b, s.err, s.after}, nil
}

type failing struct {
	chdriver.Batch
	err   error
	after bool
}

func (f *failing) Send() error {
	if f.after {
		if err := f.Batch.Send(); err != nil {
			return err
		}
	}
	return f.err
}

const friendly = `[{"name":"Person","collection":"people","fields":{"name":{"type":"string"}},"relations":{"friends":{"target":"Person","type":"many-to-many","through":"friends"}}}]`

// shaken is a database with the person a, whose friend is x, on a shaky
// connection.
func shaken(t *testing.T) (*DB, *schema.Entity, *shaky, string) {
	t.Helper()
	cat, err := schema.Parse([]byte(friendly))
	if err != nil {
		t.Fatal(err)
	}
	uri := chdbtest.URI(t)
	conn, err := Open(t.Context(), uri, cat, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	db, e := conn.(*DB), cat.Entity("Person")
	first := creation(e, "a", "A")
	err = db.Write(t.Context(), driver.Unit{Run: func(tx driver.Tx) error {
		if err := first.Run(tx); err != nil {
			return err
		}
		return tx.Link(e.Relation("friends"), "a", []string{"x"})
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := &shaky{Conn: db.conn}
	db.lease.stop() // nobody else uses the connection now
	<-db.lease.closed
	db.conn = s
	db.lease.until.Store(int64(time.Hour))
	return db, e, s, uri
}

// more renames a, creates b, changes the links and keeps a reply.
func more(e *schema.Entity) driver.Unit {
	b := creation(e, "b", "B")
	return driver.Unit{Run: func(tx driver.Tx) error {
		row, err := tx.Load(e, "a")
		if err != nil {
			return err
		}
		name := e.Column("name")
		row[name.Index] = schema.TextOf("Z")
		if err := tx.Update(e, row, []*schema.Column{name}); err != nil {
			return err
		}
		if err := b.Run(tx); err != nil {
			return err
		}
		friends := e.Relation("friends")
		if err := tx.Link(friends, "a", []string{"b", "x"}); err != nil {
			return err
		}
		if err := tx.Unlink(friends, "a", []string{"x", "nobody"}); err != nil {
			return err
		}
		return tx.StoreReply("p", "k", []byte{1}, []byte(`{}`), time.UnixMilli(1))
	}}
}

// contents are the names of all people, the friends of a and whether the reply
// of more is there.
func contents(t *testing.T, db *DB, e *schema.Entity) string {
	t.Helper()
	var all []string
	err := db.Select(t.Context(), &query.Select{Entity: e, Projection: &query.Projection{Columns: e.Columns}}, func(r driver.Row) error {
		all = append(all, r.Value(e.Column("name").Index).Text())
		return nil
	})
	if err == nil {
		err = db.Links(t.Context(), e.Relation("friends"), []string{"a"}, false, func(_, target string) error {
			all = append(all, target)
			return nil
		})
	}
	s, failed := db.Replay("p", "k")
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	if s != nil {
		all = append(all, "reply")
	}
	slices.Sort(all)
	return strings.Join(append(all, logged(t, db)...), " ")
}

const (
	former = "A x a"
	whole  = "B Z b reply a b"
)

// TestLostInsert: an insert whose answer is lost is repeated, with all of its
// group; where it is not known whether it arrives, TIMEOUT says so.
func TestLostInsert(t *testing.T) {
	for _, table := range []string{redoTable, "people", "friends", sqlgen.RepliesTable, sqlgen.ChangesTable} {
		for _, after := range []bool{false, true} {
			db, e, s, _ := shaken(t)
			s.set(table, 1, io.ErrUnexpectedEOF, after)
			err := db.Write(t.Context(), more(e))
			want := whole
			if table == redoTable && !after {
				want = former
				if fault.CodeOf(err) != fault.Timeout {
					t.Errorf("%s %v: %v", table, after, err)
				}
			} else if err != nil {
				t.Errorf("%s %v: %v", table, after, err)
			}
			if got := contents(t, db, e); got != want {
				t.Errorf("%s %v: there is %s, want %s", table, after, got, want)
			}
		}
	}
}

// TestUnreachable: a group that could not be stored whole may come about, which
// TIMEOUT says, and does with the next write.
func TestUnreachable(t *testing.T) {
	db, e, s, _ := shaken(t)
	s.set(sqlgen.ChangesTable, 2, io.ErrUnexpectedEOF, false)
	if err := db.Write(t.Context(), more(e)); fault.CodeOf(err) != fault.Timeout {
		t.Errorf("%v", err)
	}
	if err := db.Write(t.Context(), creation(e, "c", "C")); err != nil {
		t.Error(err)
	}
	if got := contents(t, db, e); got != "B C Z b reply a b c" {
		t.Error(got)
	}
}

// TestLoneBlock: what is one block only is not acknowledged before it is there.
func TestLoneBlock(t *testing.T) {
	db, _, s, _ := shaken(t)
	s.set(sqlgen.RepliesTable, 1, io.ErrUnexpectedEOF, false)
	err := db.Write(t.Context(), driver.Unit{Run: func(tx driver.Tx) error {
		return tx.StoreReply("p", "k", []byte{1}, []byte(`{}`), time.UnixMilli(1))
	}})
	if found, failed := db.Replay("p", "k"); err != nil || failed != nil || found == nil {
		t.Errorf("%v, %v, %v", err, found, failed)
	}
}

// TestRefusedForEver: a group that a table refuses is taken back whole, its
// caller hears why, and the next writes and the next start go on.
func TestRefusedForEver(t *testing.T) {
	full := &clickhouse.Exception{Code: 243, Message: "secret"}
	for _, table := range []string{redoTable, "people", "friends", sqlgen.RepliesTable, sqlgen.ChangesTable} {
		db, e, s, uri := shaken(t)
		s.set(table, 1<<30, full, false)
		err := db.Write(t.Context(), more(e))
		if f := fault.From(err); f.Code != fault.DBNotConnected || strings.Contains(f.Message, "secret") {
			t.Errorf("%s: %v", table, err)
		}
		if got := contents(t, db, e); got != former {
			t.Errorf("%s: there is %s, want %s", table, got, former)
		}
		s.set("", 0, nil, false)
		if err := db.Write(t.Context(), more(e)); err != nil {
			t.Errorf("%s: %v", table, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		db, e = openedAgain(t, uri, db.catalog.Load())
		if got := contents(t, db, e); got != whole {
			t.Errorf("%s: there is %s, want %s", table, got, whole)
		}
	}
}

// TestRefusedAtStart: a redo that the tables refuse does not keep the database
// from being opened.
func TestRefusedAtStart(t *testing.T) {
	db, e, s, uri := shaken(t)
	s.set("people", 1<<30, io.ErrUnexpectedEOF, false)
	if err := db.Write(t.Context(), more(e)); fault.CodeOf(err) != fault.Timeout {
		t.Errorf("%v", err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	chdbtest.Exec(t, uri, "ALTER TABLE people ADD CONSTRAINT nobody CHECK name NOT IN ('B', 'Z')")
	db, e = openedAgain(t, uri, db.catalog.Load())
	if got := contents(t, db, e); got != former {
		t.Errorf("there is %s, want %s", got, former)
	}
	err := db.Write(t.Context(), driver.Unit{Run: func(tx driver.Tx) error {
		return tx.Append(&mesh.Change{Entity: e.Name, ID: "c", Verb: mesh.Deleted, Version: 1, RequestHash: []byte{0, 0xFF, 7}, At: time.UnixMilli(1)})
	}})
	if err != nil {
		t.Error(err)
	}
}

func openedAgain(t *testing.T, uri string, cat *schema.Catalog) (*DB, *schema.Entity) {
	t.Helper()
	conn, err := Open(t.Context(), uri, cat, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*DB), cat.Entity("Person")
}
