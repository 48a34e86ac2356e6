package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/queue"
)

var errOwn = errors.New("the caller's own mind")

// changes reads the whole log.
func changes(t testing.TB, r driver.Reader) (out []*mesh.Change) {
	t.Helper()
	err := r.Changes(context.Background(), 0, 1<<20, func(c *mesh.Change) error {
		out = append(out, c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// hold keeps the writer busy until the returned function is called, so that
// what is written meanwhile makes one group.
func hold(t testing.TB, db *DB) (release func()) {
	t.Helper()
	begun, gate, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		done <- db.Write(context.Background(), driver.Unit{Single: true, Run: func(driver.Tx) error {
			once.Do(func() { close(begun) })
			<-gate
			return nil
		}})
	}()
	<-begun
	return func() {
		close(gate)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// What Committed is told adds up to the writes that were stored.
func TestCommittedIsTold(t *testing.T) {
	t.Parallel()
	var told []int // by the writer's goroutine alone, which ends with the database
	cat := parse(t, shop)
	db := open(t, cat, "", Options{Committed: func(writes int) { told = append(told, writes) }})
	release := hold(t, db)
	var wg sync.WaitGroup
	for n := range 5 {
		wg.Go(func() { insert(t, db, cat.Entities[0], user(cat.Entities[0], n)) })
	}
	err := db.Write(canceled(), driver.Unit{Single: true, Run: func(driver.Tx) error { return nil }})
	if err == nil {
		t.Error("a cancelled write was stored")
	}
	fail := func() {
		err := db.Write(context.Background(), driver.Unit{Single: true, Run: func(driver.Tx) error { return errOwn }})
		if !errors.Is(err, errOwn) {
			t.Error(err)
		}
	}
	wg.Go(fail)
	for db.writer.queue.Waiting() < 6 {
		runtime.Gosched()
	}
	release()
	wg.Wait()
	release = hold(t, db)
	wg.Go(fail)
	wg.Go(fail)
	for db.writer.queue.Waiting() < 2 {
		runtime.Gosched()
	}
	release()
	wg.Wait()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told, []int{1, 5, 1}) {
		t.Errorf("%v: want one held, five rows and one held, and nothing of those that failed", told)
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// TestGroupNeighbours fails units in every way among others in the same groups
// and counts rows and changes against the answers.
func TestGroupNeighbours(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, shop), "", Options{})
	e := db.catalog.Load().Entity("User")
	insert(t, db, e, user(e, 0))
	const writers, each = 40, 15
	var ok atomic.Int64
	var wg sync.WaitGroup
	runs := make([]int, writers*each)
	release := hold(t, db)
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				n := 1 + w*each + i
				row := user(e, n)
				kind := n % 8
				u := driver.Unit{Single: kind < 5}
				u.Run = func(tx driver.Tx) error {
					runs[n-1]++
					if kind == 1 { // taken: the first statement undoes itself
						row[e.Column("email").Index] = schema.TextOf("u0@example.org")
					}
					if kind == 2 {
						return errOwn
					}
					if kind == 5 { // a row before the failure
						if err := tx.Insert(e, user(e, n+1_000_000)); err != nil {
							return err
						}
						if err := tx.Append(change(e, "x", mesh.Created)); err != nil {
							return err
						}
						row[0] = schema.TextOf("u000000")
					}
					if err := tx.Insert(e, row); err != nil {
						return err
					}
					if kind == 3 || kind == 6 { // fails behind the row
						return errOwn
					}
					if kind == 7 {
						panic("a defect")
					}
					return tx.Append(change(e, row[0].Text(), mesh.Created))
				}
				err := db.Write(context.Background(), u)
				switch kind {
				case 1, 5:
					f := fault.From(err)
					if f.Code != fault.Conflict || !slices.Equal(f.Details.([]string), []string{map[int]string{1: "email", 5: "id"}[kind]}) {
						t.Errorf("kind %d: %v %v", kind, err, f.Details)
					}
				case 2, 3, 6:
					if !errors.Is(err, errOwn) {
						t.Errorf("kind %d: %v", kind, err)
					}
				case 7:
					if f := fault.From(err); f.Code != fault.Internal || strings.Contains(f.Message, "defect") {
						t.Errorf("kind %d: %v", kind, err)
					}
				default:
					if err != nil {
						t.Errorf("kind %d: %v", kind, err)
					}
				}
				if err == nil {
					ok.Add(1)
				}
			}
		})
	}
	release()
	wg.Wait()
	want := int(ok.Load()) + 1
	rows := ids(t, db, &query.Select{Entity: e})
	log := changes(t, db)
	if len(rows) != want || len(log) != want {
		t.Errorf("%d rows and %d changes for %d successful answers", len(rows), len(log), want)
	}
	for i, c := range log {
		if c.Seq != int64(i+1) || c.Tx != c.Seq || !slices.Contains(rows, c.ID) {
			t.Fatalf("change %d: %+v", i, c)
		}
	}
	if seq, _ := db.Committed(context.Background()); seq != int64(want) {
		t.Errorf("committed %d, want %d", seq, want)
	}
}

// TestSavepoint: what a failed unit wrote is gone, also from the links, and a
// unit may go on after a statement that failed.
func TestSavepoint(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, shop), "", Options{})
	e := db.catalog.Load().Entity("User")
	r := e.Relation("groups")
	insert(t, db, e, user(e, 1))
	release := hold(t, db)
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			err := db.Write(context.Background(), driver.Unit{Run: func(tx driver.Tx) error {
				if err := tx.Insert(e, user(e, 1)); fault.CodeOf(err) != fault.Conflict {
					return fmt.Errorf("the second of its kind: %w", err)
				}
				id := fmt.Sprintf("u1%05d", n)
				row := user(e, 100_000+n)
				if err := tx.Insert(e, row); err != nil {
					return err
				}
				if err := tx.Link(r, id, []string{"g1", "g2", "g1"}); err != nil {
					return err
				}
				for range 2 {
					if err := tx.Append(change(e, id, mesh.Created)); err != nil {
						return err
					}
				}
				if n%2 == 1 {
					return errOwn
				}
				return nil
			}})
			if (n%2 == 1) != errors.Is(err, errOwn) || (n%2 == 0) != (err == nil) {
				t.Errorf("unit %d: %v", n, err)
			}
		})
	}
	release()
	wg.Wait()
	if rows := ids(t, db, &query.Select{Entity: e}); len(rows) != 11 {
		t.Errorf("%d rows: %v", len(rows), rows)
	}
	links := 0
	err := db.Links(context.Background(), r, []string{"g1", "g2", "none"}, true, func(owner, target string) error {
		links++
		return nil
	})
	if err != nil || links != 20 {
		t.Errorf("%d links, %v", links, err)
	}
	log := changes(t, db)
	for i, c := range log {
		first := c.Seq
		if i > 0 && (i-1)%2 == 1 {
			first--
		}
		if c.Seq != int64(i+1) || c.Tx != first {
			t.Errorf("change %d: seq %d, tx %d", i, c.Seq, c.Tx)
		}
	}
	if len(log) != 21 {
		t.Errorf("%d changes", len(log))
	}
}

// TestTxAfterEnd: a transaction that is over can't be written to by mistake.
func TestTxAfterEnd(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, shop), "", Options{})
	e := db.catalog.Load().Entity("User")
	var kept driver.Tx
	if err := db.Write(context.Background(), driver.Unit{Run: func(tx driver.Tx) error { kept = tx; return nil }}); err != nil {
		t.Fatal(err)
	}
	code(t, kept.Insert(e, user(e, 1)), fault.Internal)
}

func TestWriteContext(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, shop), "", Options{})
	e := db.catalog.Load().Entity("User")
	release := hold(t, db)
	ctx, cancel := context.WithCancel(context.Background())
	ran := false
	done := make(chan error, 1)
	go func() {
		done <- db.Write(ctx, driver.Unit{Run: func(driver.Tx) error { ran = true; return nil }})
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	release()
	// Once begun it is not interrupted.
	ctx, cancel = context.WithCancel(context.Background())
	err := db.Write(ctx, driver.Unit{Run: func(tx driver.Tx) error {
		cancel()
		if err := tx.Insert(e, user(e, 1)); err != nil {
			return err
		}
		_, err := tx.Count(ctx, &query.Select{Entity: e})
		return err
	}})
	if err != nil || ran || len(ids(t, db, &query.Select{Entity: e})) != 1 {
		t.Error(err, ran)
	}
}

func TestOverload(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, shop), "", Options{})
	release := hold(t, db)
	var wg sync.WaitGroup
	var refused, served atomic.Int64
	for range queue.MaxWaiting + 50 {
		wg.Go(func() {
			err := db.Write(context.Background(), driver.Unit{Single: true, Run: func(driver.Tx) error { return nil }})
			switch {
			case err == nil:
				served.Add(1)
			case fault.CodeOf(err) == fault.Overloaded && fault.From(err).RetryAfter > 0:
				if refused.Add(1) == 50 {
					release()
				}
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if refused.Load() != 50 || served.Load() != queue.MaxWaiting {
		t.Errorf("%d refused, %d served", refused.Load(), served.Load())
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "p.db")
	cat := parse(t, shop)
	db := open(t, cat, path, Options{})
	e := cat.Entity("User")
	at := time.UnixMilli(1_700_000_000_123).UTC()
	c := &mesh.Change{
		Entity: "User", ID: "u1", Verb: mesh.Upserted, Inserted: true, Version: 1, After: []byte(`{"id":"u1"}`),
		Principal: "k:a", RequestID: "r", Transport: "rest", IdempotencyKey: "key", RequestHash: []byte{0, 1, 255}, At: at,
	}
	write := func(c *mesh.Change) error {
		return db.Write(context.Background(), driver.Unit{Single: true, Run: func(tx driver.Tx) error { return tx.Append(c) }})
	}
	if err := write(c); err != nil {
		t.Fatal(err)
	}
	second := &mesh.Change{
		Entity: "User", ID: "u1", Verb: mesh.Upserted, Version: 2, Changed: []string{"na\"me", "age"}, Old: []byte(`{"age":1}`),
		Principal: "k:b", IdempotencyKey: "key", At: at,
	}
	if err := write(second); err != nil { // the same key of another principal
		t.Fatal(err)
	}
	again := *c
	again.Seq, again.Tx = 0, 0
	err := write(&again)
	if code(t, err, fault.Conflict); !errors.Is(err, driver.ErrReplay) {
		t.Error(err)
	}
	err = db.Write(context.Background(), driver.Unit{Run: func(tx driver.Tx) error {
		for range 2 { // a key twice in one unit
			c := again
			if err := tx.Append(&c); !errors.Is(err, driver.ErrReplay) {
				return fmt.Errorf("appended: %w", err)
			}
		}
		if err := tx.StoreReply("k:a", "other", []byte{9}, []byte(`{"n":3}`), at); err != nil {
			return err
		}
		return tx.Append(change(e, "u2", mesh.Created))
	}})
	if err != nil {
		t.Fatal(err)
	}
	check := func(principal, key string, want *driver.Stored) {
		t.Helper()
		var got *driver.Stored
		err := db.Write(context.Background(), driver.Unit{Run: func(tx driver.Tx) (err error) {
			got, err = tx.Replay(principal, key)
			return err
		}})
		if err != nil || fmt.Sprintf("%+v", shown(got)) != fmt.Sprintf("%+v", shown(want)) {
			t.Errorf("replay %s %s: %v %+v, want %+v", principal, key, err, shown(got), shown(want))
		}
	}
	stored := *c
	stored.Seq, stored.Tx = 1, 1
	for range 2 {
		check("k:a", "key", &driver.Stored{Hash: []byte{0, 1, 255}, Change: &stored, Seq: 1})
		check("k:b", "key", &driver.Stored{Change: second, Seq: 2})
		check("k:a", "other", &driver.Stored{Hash: []byte{9}, Body: []byte(`{"n":3}`), Seq: 2})
		check("k:a", "nothing", nil)
		check("k:a", "", nil)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = open(t, cat, path, Options{})
	}
}

func shown(s *driver.Stored) any {
	if s == nil || s.Change == nil {
		return s
	}
	return fmt.Sprintf("%x %d %+v", s.Hash, s.Seq, *s.Change)
}
