package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

func TestReopen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "er", "p.db")
	cat := parse(t, shop)
	e := cat.Entity("User")
	db := open(t, cat, path, Options{})
	epoch := db.Epoch()
	if !regexp.MustCompile(`^[a-z0-9]{8}$`).MatchString(epoch) {
		t.Errorf("epoch %q", epoch)
	}
	insert(t, db, e, user(e, 1), user(e, 2))
	_, err := Open(context.Background(), path, cat, Options{})
	if f := code(t, err, fault.DBNotConnected); !strings.Contains(f.Message, "another process") {
		t.Error(f)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"write": func() error {
			return db.Write(context.Background(), driver.Unit{Run: func(driver.Tx) error { return nil }})
		},
		"read": func() error { return db.Ping(context.Background()) },
	} {
		if fault.CodeOf(call()) != fault.DBNotConnected {
			t.Errorf("%s after Close: %v", name, call())
		}
	}
	db = open(t, cat, path, Options{})
	insert(t, db, e, user(e, 3))
	if log := changes(t, db); len(log) != 3 || log[2].Seq != 3 || db.Epoch() != epoch {
		t.Errorf("%d changes, epoch %s, was %s", len(log), db.Epoch(), epoch)
	}
	next, err := db.NewEpoch(context.Background())
	if err != nil || next == epoch || db.Epoch() != next {
		t.Error(next, err)
	}
	db.Close()
	if db = open(t, cat, path, Options{}); db.Epoch() != next {
		t.Errorf("epoch %s, want %s", db.Epoch(), next)
	}
}

func TestTrim(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "p.db")
	cat := parse(t, shop)
	db := open(t, cat, path, Options{})
	e := cat.Entity("User")
	start := time.UnixMilli(1_700_000_000_000)
	const n = 500
	err := db.Write(context.Background(), driver.Unit{Run: func(tx driver.Tx) error {
		for i := range n {
			c := change(e, fmt.Sprint(i), mesh.Created)
			c.At = start.Add(time.Duration(i) * time.Second)
			if err := tx.Append(c); err != nil {
				return err
			}
		}
		if err := tx.StoreReply("p", "old", nil, []byte("1"), start); err != nil {
			return err
		}
		return tx.StoreReply("p", "new", nil, []byte("1"), start.Add(time.Hour))
	}})
	if err != nil {
		t.Fatal(err)
	}
	trim := func(before time.Time, upTo int64, want int, oldest int64) {
		t.Helper()
		got, err := db.Trim(context.Background(), before, upTo)
		if err != nil || got != want {
			t.Errorf("trimmed %d, %v, want %d", got, err, want)
		}
		if o, err := db.Oldest(context.Background()); o != oldest || err != nil {
			t.Errorf("oldest %d, %v, want %d", o, err, oldest)
		}
	}
	trim(start, n, 0, 1)                               // nothing is older
	trim(start.Add(100*time.Second), n, 101, 101)      // by time, with a reply
	trim(start.Add(300*time.Second), 150, 50, 151)     // by seq
	trim(start.Add(24*time.Hour), 1<<40, n-1-150+1, n) // never the newest
	trim(start.Add(24*time.Hour), 1<<40, 0, n)         // again
	insert(t, db, e, user(e, 1))                       // and its number is not used again
	if log := changes(t, db); len(log) != 2 || log[1].Seq != n+1 {
		t.Errorf("log %+v", log)
	}
}

// TestSnapshot: its reads see one state, whatever is written meanwhile, and may
// be nested.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, shop), "", Options{Readers: 1})
	e := db.catalog.Load().Entity("User")
	insert(t, db, e, user(e, 1), user(e, 2))
	q := &query.Select{Entity: e, Projection: all(e), Sort: byID(e)}
	err := db.Snapshot(context.Background(), func(r driver.Reader) error {
		if n := len(ids(t, r, q)); n != 2 {
			t.Errorf("%d rows", n)
		}
		insert(t, db, e, user(e, 3))
		nested := 0
		err := r.Select(context.Background(), q, func(driver.Row) error {
			nested += len(ids(t, r, q))
			return nil
		})
		if err != nil || nested != 4 || len(changes(t, r)) != 2 {
			t.Errorf("%d nested rows, %v", nested, err)
		}
		return errOwn
	})
	if !errors.Is(err, errOwn) {
		t.Error(err)
	}
	if n := len(ids(t, db, q)); n != 3 {
		t.Errorf("%d rows afterwards", n)
	}
}

// TestReadersUnderWriters: both sides make progress, and a read that starts
// after an answer sees what was written.
func TestReadersUnderWriters(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, shop), "", Options{})
	e := db.catalog.Load().Entity("User")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var reads, writes atomic.Int64
	enough := func(n *atomic.Int64) {
		if n.Add(1); reads.Load() >= 1000 && writes.Load() >= 1000 {
			cancel()
		}
	}
	start := time.Now()
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				row := user(e, w*1_000_000+i)
				insert(t, db, e, row)
				q := &query.Select{Entity: e, Where: query.Compare{Column: e.Columns[0], Op: query.Eq, Value: row[0]}, Limit: 1}
				if len(ids(t, db, q)) != 1 {
					t.Error("an acknowledged row is not there")
				}
				enough(&writes)
			}
		})
	}
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				ids(t, db, &query.Select{Entity: e, Limit: 20})
				enough(&reads)
			}
		})
	}
	wg.Wait()
	t.Logf("%d reads, %d writes in %v", reads.Load(), writes.Load(), time.Since(start))
}

func TestReadCancelled(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, oracleSchema), "", Options{Readers: 1})
	e := db.catalog.Load().Entity("Thing")
	err := db.Write(context.Background(), driver.Unit{Run: func(tx driver.Tx) error {
		for i := range 3000 {
			if err := tx.Insert(e, build(e, fmt.Sprint(i), map[string]schema.Value{"name": schema.TextOf(strings.Repeat("a", 50))})); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := query.CompilePattern("(a*)*b|(a*)*c", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, where := range []query.Expr{nil, query.Regex{Column: e.Column("name"), Pattern: p}} {
		ctx, cancel := context.WithCancel(context.Background())
		q := &query.Select{Entity: e, Projection: all(e), Where: where, Sort: byID(e)}
		if where == nil {
			n := 0
			err = db.Select(ctx, q, func(driver.Row) error {
				if n++; n == 10 {
					cancel()
				}
				return nil
			})
			if n != 10 {
				t.Errorf("%d rows after the end", n)
			}
		} else { // inside one step of the engine
			time.AfterFunc(5*time.Millisecond, cancel)
			for err = nil; err == nil; { // one may be over before the timer fires
				_, err = db.Count(ctx, q)
			}
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled read: %v", err)
		}
		cancel()
		if n, err := db.Count(context.Background(), &query.Select{Entity: e}); n != 3000 || err != nil {
			t.Errorf("the connection is not usable any more: %d, %v", n, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := db.Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSharedTable(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, shop), "", Options{})
	cat, dog := db.catalog.Load().Entity("Cat"), db.catalog.Load().Entity("Dog")
	insert(t, db, cat, build(cat, "c1", map[string]schema.Value{"name": schema.TextOf("Tom")}))
	insert(t, db, dog, build(dog, "d1", map[string]schema.Value{"name": schema.TextOf("Rex"), "bark": schema.TextOf("wow")}))
	err := db.Write(context.Background(), driver.Unit{Run: func(tx driver.Tx) error {
		if row, err := tx.Load(cat, "d1"); row != nil || err != nil {
			t.Errorf("a cat called d1: %v, %v", row, err)
		}
		row, err := tx.Load(dog, "d1")
		if err != nil || row[dog.Column("kind").Index].Text() != "dog" {
			t.Errorf("%v, %v", row, err)
		}
		if err := tx.Delete(cat, "d1"); err != nil {
			return err
		}
		row[dog.Column("name").Index] = schema.TextOf("Bo")
		return tx.Update(dog, row, []*schema.Column{dog.Column("name")})
	}})
	if err != nil {
		t.Fatal(err)
	}
	q := &query.Select{Entity: dog, Where: query.Visible(query.Scope{Entity: dog}, query.Compare{Column: dog.Column("name"), Op: query.Eq, Value: schema.TextOf("Bo")})}
	if got := ids(t, db, q); !slices.Equal(got, []string{"d1"}) {
		t.Error(got)
	}
}

func TestSoftDeleteFreesUnique(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, shop), "", Options{})
	e := db.catalog.Load().Entity("Group")
	gone := build(e, "g1", map[string]schema.Value{"title": schema.TextOf("x"), "deletedAt": schema.TimeOf(1)})
	insert(t, db, e, gone, build(e, "g2", map[string]schema.Value{"title": schema.TextOf("x")}))
	err := db.Write(context.Background(), driver.Unit{Single: true, Run: func(tx driver.Tx) error {
		return tx.Insert(e, build(e, "g3", map[string]schema.Value{"title": schema.TextOf("x")}))
	}})
	if f := code(t, err, fault.Conflict); !slices.Equal(f.Details.([]string), []string{"title"}) || strings.Contains(f.Message, "groups") {
		t.Error(f)
	}
}

// TestClassify provokes what can be provoked: no message has the engine's text.
func TestClassify(t *testing.T) {
	t.Parallel()
	cat := parse(t, shop)
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.db")
	if err := os.WriteFile(junk, []byte(strings.Repeat("this is no database ", 400)), 0o600); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "folder.db")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{junk, folder, filepath.Join(junk, "below.db")} {
		_, err := Open(context.Background(), path, cat, Options{})
		code(t, err, fault.DBNotConnected)
	}
	_, err := Open(context.Background(), filepath.Join(dir, "a.db"), cat, Options{Sync: "off"})
	code(t, err, fault.InvalidRequest)
	_, err = Open(context.Background(), filepath.Join(dir, "a.db"), cat, Options{Strategy: "wipe"})
	code(t, err, fault.InvalidRequest)
	for result, want := range map[sqlite.ResultCode]fault.Code{
		sqlite.ResultFull: fault.DBNotConnected, sqlite.ResultReadOnly: fault.DBNotConnected, sqlite.ResultBusySnapshot: fault.Overloaded,
		sqlite.ResultCorrupt: fault.Internal, sqlite.ResultIOErrFsync: fault.DBNotConnected, sqlite.ResultTooBig: fault.PayloadTooLarge,
		sqlite.ResultConstraintCheck: fault.ValidationError, sqlite.ResultConstraintForeignKey: fault.Conflict,
		sqlite.ResultNoMem: fault.Overloaded, sqlite.ResultError: fault.Internal,
	} {
		f := code(t, classify(result.ToError(), nil), want)
		if strings.Contains(f.Message, result.Message()) || f.Unwrap() == nil {
			t.Errorf("%v: %s", result, f.Message)
		}
	}
}
