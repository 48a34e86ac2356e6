package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// pragma runs a pragma on the writer's connection.
func pragma(t *testing.T, db *DB, sql string) {
	t.Helper()
	err := db.Write(context.Background(), driver.Unit{Run: func(d driver.Tx) error { return d.(*tx).session.exec(sql) }})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDiskFull lets a group run out of pages: those that fit are kept, the
// others are told so, and every answer is true. Afterwards all goes on.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, oracleSchema), "", Options{})
	e := db.catalog.Load().Entity("Thing")
	insert(t, db, e, build(e, "first", nil))
	pragma(t, db, "PRAGMA max_page_count=60")
	var mu sync.Mutex
	kept := map[string]bool{"first": true}
	var wg sync.WaitGroup
	release := hold(t, db)
	for i := range 60 {
		wg.Go(func() {
			id := fmt.Sprintf("t%02d", i)
			row := build(e, id, map[string]schema.Value{"name": schema.TextOf(strings.Repeat("x", 500+100*(i%80)))})
			err := db.Write(context.Background(), driver.Unit{Single: i%2 == 0, Run: func(tx driver.Tx) error {
				if err := tx.Insert(e, row); err != nil {
					return err
				}
				return tx.Append(change(e, id, mesh.Created))
			}})
			mu.Lock()
			defer mu.Unlock()
			if kept[id] = err == nil; err != nil {
				if f := code(t, err, fault.DBNotConnected); !strings.Contains(f.Message, "full") {
					t.Error(f)
				}
			}
		})
	}
	release()
	wg.Wait()
	n := 0
	for _, ok := range kept {
		if ok {
			n++
		}
	}
	rows := ids(t, db, &query.Select{Entity: e})
	for _, id := range rows {
		if !kept[id] {
			t.Errorf("%s is there although its writer was told that it failed", id)
		}
	}
	if len(rows) != n || len(changes(t, db)) != n || n == 1 || n == len(kept) {
		t.Errorf("%d rows, %d changes for %d answers of %d", len(rows), len(changes(t, db)), n, len(kept))
	}
	pragma(t, db, "PRAGMA max_page_count=100000")
	insert(t, db, e, build(e, "last", nil))
}

// TestBusy: another program holds the file. A whole group waits once for it.
func TestBusy(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "p.db")
	db := open(t, parse(t, oracleSchema), path, Options{busy: 20 * time.Millisecond})
	e := db.catalog.Load().Entity("Thing")
	other, err := zombie.OpenConn(path, zombie.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := sqlitex.ExecuteTransient(other, "BEGIN IMMEDIATE", nil); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			err := db.Write(context.Background(), driver.Unit{Single: true, Run: func(tx driver.Tx) error {
				return tx.Insert(e, build(e, fmt.Sprint(i), nil))
			}})
			if f := fault.From(err); err == nil || f.Code != fault.Overloaded || f.RetryAfter == 0 {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := sqlitex.ExecuteTransient(other, "ROLLBACK", nil); err != nil {
		t.Fatal(err)
	}
	insert(t, db, e, build(e, "after", nil))
	if rows := ids(t, db, &query.Select{Entity: e}); len(rows) != 1 {
		t.Error(rows)
	}
}

// TestStatementsBounded: a connection keeps so many statements and no more, and
// those that go are finalized; equal texts of two catalogs share one.
func TestStatementsBounded(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, shop), "", Options{Readers: 1})
	e, twin := db.catalog.Load().Entity("User"), parse(t, shop).Entity("User")
	insert(t, db, e, user(e, 1))
	for n := range 3 * readerStatements {
		p := &query.Projection{Columns: e.Columns[:1], Key: fmt.Sprint(n)}
		for c := range e.Columns[1:] {
			if n>>c&1 == 1 {
				p.Columns = append(p.Columns[:len(p.Columns):len(p.Columns)], e.Columns[1+c])
			}
		}
		if got := ids(t, db, &query.Select{Entity: e, Projection: p, Limit: 5}); len(got) != 1 {
			t.Fatal(got)
		}
	}
	ids(t, db, &query.Select{Entity: e, Limit: 5})
	ids(t, db, &query.Select{Entity: twin, Limit: 5})
	s, err := db.short.get(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer db.short.put(s)
	if len(s.stmts) != readerStatements || len(s.plans) != readerStatements+1 {
		t.Errorf("%d statements of %d plans", len(s.stmts), len(s.plans))
	}
}
