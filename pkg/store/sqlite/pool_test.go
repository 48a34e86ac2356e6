package sqlite

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// reader gets a connection in a goroutine of its own and gives it back when the
// test says so.
type reader struct {
	*session
	err        error
	got, given chan struct{}
	give       chan struct{}
}

// lend returns when the reader has a connection, or stands in line.
func lend(ctx context.Context, db *DB) *reader {
	p, r := &db.short, &reader{got: make(chan struct{}), given: make(chan struct{}), give: make(chan struct{})}
	standing := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.waiting)
	}
	before := standing()
	go func() {
		defer close(r.given)
		r.session, r.err = p.get(ctx)
		close(r.got)
		if r.err == nil {
			<-r.give
			p.put(r.session)
		}
	}()
	for standing() == before {
		select {
		case <-r.got:
			return r
		default:
			runtime.Gosched()
		}
	}
	return r
}

// Reads that wait share a snapshot, but for what was committed since; nothing
// that rests has one.
func TestReadsThatWaitShareASnapshot(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, shop), "", Options{Readers: 1})
	e := db.catalog.Load().Entity("User")
	insert(t, db, e, user(e, 0))
	first := lend(t.Context(), db)
	var line []*reader
	for range 2*maxShared + 4 {
		line = append(line, lend(t.Context(), db))
	}
	s := first.session
	close(first.give)
	rows, shared := 1, 0
	for i, r := range line {
		<-r.got
		switch {
		case shared == maxShared, i == 5: // spent; or written meanwhile
			shared = 1
		default:
			shared++
		}
		if r.session != s || s.shared != shared {
			t.Fatalf("reader %d is number %d of its snapshot, want %d", i, s.shared, shared)
		}
		n, err := s.Count(t.Context(), &query.Select{Entity: e})
		if err != nil || int(n) != rows {
			t.Fatalf("reader %d: %d rows, %v", i, n, err)
		}
		if i == 4 {
			insert(t, db, e, user(e, 1))
			rows++
		}
		close(r.give)
		<-r.given
	}
	if len(db.short.idle) != 1 || s.shared != 0 || !s.conn.AutocommitEnabled() {
		t.Errorf("%d rest, one in a snapshot of %d reads", len(db.short.idle), s.shared)
	}
}

// Who leaves the line takes no connection along.
func TestLeavingTheLine(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, shop), "", Options{Readers: 1})
	ctx, cancel := context.WithCancel(t.Context())
	first, gone, next := lend(t.Context(), db), lend(ctx, db), lend(t.Context(), db)
	cancel()
	if <-gone.got; !errors.Is(gone.err, context.Canceled) {
		t.Fatalf("left with %v", gone.err)
	}
	close(first.give)
	<-next.got
	if next.err != nil {
		t.Fatal(next.err)
	}
	late, closed := lend(t.Context(), db), make(chan error, 1)
	go func() { closed <- db.Close() }()
	if <-late.got; !errors.Is(late.err, driver.ErrClosed) {
		t.Errorf("who waited at the end got %v", late.err)
	}
	close(next.give)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := db.short.get(t.Context()); !errors.Is(err, driver.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// What was acknowledged is seen by every read that begins afterwards, however
// many share their snapshots.
func TestSharedReadsAreFresh(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, shop), "", Options{Readers: 2})
	e := db.catalog.Load().Entity("User")
	var stored atomic.Int64
	var work sync.WaitGroup
	for range 16 {
		work.Go(func() {
			for range 300 {
				least := stored.Load()
				n, err := db.Count(t.Context(), &query.Select{Entity: e})
				if err != nil || n < least {
					t.Errorf("%d rows where %d were stored: %v", n, least, err)
					return
				}
			}
		})
	}
	for i := range 200 {
		insert(t, db, e, user(e, i))
		stored.Add(1)
	}
	work.Wait()
	for _, s := range db.short.idle {
		if s.shared != 0 || !s.conn.AutocommitEnabled() {
			t.Errorf("a connection rests in a snapshot of %d reads", s.shared)
		}
	}
}
