package postgres_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/storetest"
	"github.com/octomesh/octomesh/pkg/testserver"
)

const (
	orderRecords = 12
	orderWriters = 24
	shortWrites  = 1_200
	longWrites   = 60_000
)

// errBack rolls a unit back that has changes in the log already.
var errBack = errors.New("back")

// Two workers on one database change few records in transactions of random
// length, a fifth of which are rolled back with their changes written. A reader
// of each follows the log meanwhile and has to see every committed change once,
// the numbers rising, each record's versions without a gap; and once Committed
// has named a number, nothing at or below it may appear that could not be read
// then.
func TestStorm(t *testing.T) {
	t.Parallel()
	cat, err := schema.Parse([]byte(`[{"name":"Row","collection":"rows","fields":{"n":{"type":"integer"}}}]`))
	if err != nil {
		t.Fatal(err)
	}
	uri := fresh(t, testserver.PostgreSQL(t))
	conns := []driver.Conn{open(t, uri, cat), open(t, uri, cat)}
	o := &ordering{T: t, e: cat.Entity("Row"), ended: make(chan struct{})}
	o.left.Store(shortWrites)
	if storetest.Long() {
		o.left.Store(longWrites)
	}
	o.make(conns[0])
	var writers, readers sync.WaitGroup
	for i := range orderWriters {
		writers.Go(func() { o.write(conns[i%2], rand.New(rand.NewPCG(1, uint64(i)))) })
	}
	followers := make([]*follower, len(conns))
	for i, c := range conns {
		followers[i] = &follower{ordering: o, conn: c, versions: make(map[string]int64)}
		readers.Go(followers[i].follow)
	}
	began := time.Now()
	writers.Wait()
	spent := time.Since(began)
	close(o.ended)
	readers.Wait()
	for i, f := range followers {
		if f.seen != o.done.Load() {
			t.Errorf("reader %d saw %d of %d changes", i, f.seen, o.done.Load())
		}
		f.check()
	}
	for _, c := range conns {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d changes, %d rolled back, %.0f changes/s", o.done.Load(), o.back.Load(), float64(o.done.Load())/spent.Seconds())
}

type ordering struct {
	*testing.T
	e          *schema.Entity
	left       atomic.Int64
	done, back atomic.Int64
	ended      chan struct{}
}

func (o *ordering) row(id string) schema.Row {
	row := make(schema.Row, len(o.e.Columns))
	row[0], row[o.e.Column("_version").Index], row[o.e.Column("n").Index] = schema.TextOf(id), schema.IntOf(1), schema.IntOf(0)
	return row
}

func (o *ordering) change(id string, version int64, verb string) *mesh.Change {
	return &mesh.Change{
		Entity: o.e.Name, ID: id, Verb: verb, Version: version, After: []byte(`{"id":"` + id + `"}`),
		Principal: "p", RequestID: "r", Transport: "t", At: time.UnixMilli(1_767_323_045_000),
	}
}

func (o *ordering) make(c driver.Conn) {
	err := c.Write(o.Context(), driver.Unit{Run: func(tx driver.Tx) error {
		for i := range orderRecords {
			id := record12(i)
			if err := tx.Insert(o.e, o.row(id)); err != nil {
				return err
			}
			if err := tx.Append(o.change(id, 1, mesh.Created)); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		o.Fatal(err)
	}
	o.done.Add(orderRecords)
}

// record12 is the id of a record. Transactions take records in the order of ids,
// as careful programs do: who waits for whom is not what is tried here.
func record12(i int) string { return "r" + strconv.Itoa(100+i) }

func (o *ordering) write(c driver.Conn, r *rand.Rand) {
	for o.left.Add(-1) >= 0 {
		first, n, pause, back := r.IntN(orderRecords), 1, 0, r.IntN(5) == 0
		single := r.IntN(2) == 0
		if !single {
			n, pause = 1+r.IntN(3), r.IntN(20)
		}
		err := c.Write(o.Context(), driver.Unit{Single: single, Run: func(tx driver.Tx) error {
			for i := range n {
				if err := o.increment(tx, record12(min(first+i, orderRecords-n+i))); err != nil {
					return err
				}
			}
			for range pause { // the numbers are drawn: others overtake
				if _, err := tx.Oldest(o.Context()); err != nil {
					return err
				}
			}
			if back {
				return errBack
			}
			return nil
		}})
		switch {
		case back && errors.Is(err, errBack):
			o.back.Add(int64(n))
		case back || err != nil:
			o.Errorf("a write: %v", err)
			return
		default:
			o.done.Add(int64(n))
		}
	}
}

func (o *ordering) increment(tx driver.Tx, id string) error {
	row, err := tx.Load(o.e, id)
	if err != nil || row == nil {
		return errors.Join(err, errBack)
	}
	v := o.e.Column("_version")
	next := append(schema.Row(nil), row...)
	next[v.Index] = schema.IntOf(row[v.Index].Int() + 1)
	if err := tx.Update(o.e, next, []*schema.Column{v}); err != nil {
		return err
	}
	return tx.Append(o.change(id, next[v.Index].Int(), mesh.Updated))
}

// follower reads the log as a relay does.
type follower struct {
	*ordering
	conn     driver.Conn
	seq      int64
	seen     int64
	versions map[string]int64
	seqs     []int64
	named    []named
}

// named is a number that Committed has named, and how many changes could be read
// up to it then.
type named struct{ seq, changes int64 }

func (f *follower) follow() {
	for ended := false; ; {
		select {
		case <-f.ended:
			ended = true
		default:
		}
		before := f.seq
		if err := f.next(256); err != nil {
			f.Error(err)
			return
		}
		top, err := f.conn.Committed(f.Context())
		if err != nil {
			f.Error(err)
			return
		}
		for f.seq < top { // all of it must be readable now
			last := f.seq
			if err := f.next(256); err != nil || f.seq == last {
				f.Errorf("%d is committed, but the log ends at %d: %v", top, last, err)
				return
			}
		}
		f.named = append(f.named, named{top, f.upTo(top)})
		if ended && f.seq == before {
			return
		}
	}
}

func (f *follower) next(limit int) error {
	return f.conn.Changes(context.WithoutCancel(f.Context()), f.seq, limit, func(c *mesh.Change) error {
		if c.Seq <= f.seq {
			f.Errorf("%d after %d", c.Seq, f.seq)
		}
		if want := f.versions[c.ID] + 1; c.Version != want {
			f.Errorf("seq %d: %s has version %d, not %d", c.Seq, c.ID, c.Version, want)
		}
		f.seq, f.versions[c.ID] = c.Seq, c.Version
		f.seen++
		f.seqs = append(f.seqs, c.Seq)
		return nil
	})
}

// upTo counts the changes that were seen up to a number.
func (f *follower) upTo(seq int64) (n int64) {
	for i := len(f.seqs); i > 0; i-- {
		if f.seqs[i-1] <= seq {
			return int64(i)
		}
	}
	return 0
}

// check holds what Committed has named to what there is at the end.
func (f *follower) check() {
	for _, was := range f.named {
		if n := f.upTo(was.seq); n != was.changes {
			f.Errorf("%d changes appeared at or below %d after it was named", n-was.changes, was.seq)
			return
		}
	}
}

// A log that was put back, as by a restored backup, ends where it ends now, and
// holes in it count again.
func TestLogPutBack(t *testing.T) {
	t.Parallel()
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	uri := fresh(t, testserver.PostgreSQL(t))
	conn := open(t, uri, cat)
	defer func() { _ = conn.Close() }()
	ends := func(want int64) {
		t.Helper()
		if top, err := conn.Committed(t.Context()); err != nil || top != want {
			t.Errorf("the log ends at %d, not %d: %v", top, want, err)
		}
	}
	for i := range 5 {
		if err := insert(conn, e, record12(i), true); err != nil {
			t.Fatal(err)
		}
	}
	ends(5)
	exec(t, uri, `DELETE FROM "_octo_changes" WHERE "seq" > 2`, `SELECT setval(pg_get_serial_sequence('"_octo_changes"', 'seq'), 2)`)
	ends(2)
	if err := insert(conn, e, "later", true); err != nil {
		t.Fatal(err)
	}
	ends(3)
	exec(t, uri, `DELETE FROM "_octo_changes"`)
	ends(0)
}
