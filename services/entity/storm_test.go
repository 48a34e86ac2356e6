package entity_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// long makes the storms as long as the acceptance runs want them.
func long(short, long int) int {
	if os.Getenv("OCTOMESH_TEST") == "long" {
		return long
	}
	return short
}

// writers create records, each with an idempotency key, until stopped; the
// function returned waits for them and tells how many were acknowledged.
func (h *house) writers(n int) (stop func() (acknowledged int64, last mesh.Position)) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var count atomic.Int64
	var mu sync.Mutex
	var last mesh.Position
	for w := range n {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				call, end := context.WithTimeout(context.Background(), 60*time.Second)
				r, err := h.client.Call(call, &mesh.Request{
					Project: "default", Entity: "Article", Op: "create",
					Args:   []byte(fmt.Sprintf(`{"data":{"title":"t","n":%d}}`, i)),
					Header: mesh.Header{Transport: "rest", Token: "all", IdempotencyKey: fmt.Sprint("w", w, "-", i)},
				})
				end()
				if err != nil {
					h.t.Errorf("a keyed write failed: %v", err)
					return
				}
				count.Add(1)
				mu.Lock()
				if r.Position.Seq > last.Seq {
					last = r.Position
				}
				mu.Unlock()
			}
		})
	}
	return func() (int64, mesh.Position) {
		cancel()
		wg.Wait()
		return count.Load(), last
	}
}

// through reads a stream to a position and checks that nothing is missing,
// doubled or out of order.
func through(t testing.TB, s *event.Stream, from, to mesh.Position) {
	t.Helper()
	for seq := from.Seq + 1; seq <= to.Seq; seq++ {
		e := next(t, s)
		if e.Position.Seq != seq || e.Position.Epoch != to.Epoch {
			t.Fatalf("%s %v, want seq %d of %v", e.Type, e.Position, seq, to)
		}
	}
}

// NATS is restarted under writers: nobody loses a write that was acknowledged,
// and the subscriber sees each change once.
func TestNATSRestartsUnderWriters(t *testing.T) {
	t.Parallel()
	h := openOn(t, t.TempDir(), embedded.Options{StoreDir: t.TempDir()})
	h.work()
	start := h.create(0)
	s := subscribe(t, h.feed(), event.Subscription{From: start, Buffer: 1 << 20})
	stop := h.writers(4)
	for range long(2, 10) {
		through(t, s, s.Position(), later(t, s, 50))
		h.restart()
	}
	through(t, s, s.Position(), later(t, s, 50))
	n, last := stop()
	if last.Seq != start.Seq+n {
		t.Fatalf("%d writes were acknowledged, the log is at %v", n, last)
	}
	through(t, s, s.Position(), last)
}

// later is a position some changes after where the stream stands.
func later(t testing.TB, s *event.Stream, n int64) mesh.Position {
	t.Helper()
	p := s.Position()
	p.Seq += n
	return p
}

// Subscribers that reconnect at random moments, to Feeds that are warm and
// cold, see every change of a running storm of writes once.
func TestReconnectsDuringWrites(t *testing.T) {
	t.Parallel()
	h := open(t, t.TempDir(), t.TempDir())
	h.work()
	start := h.create(0)
	feeds := []*event.Feed{h.feed(), h.feed()}
	stop := h.writers(4)
	at := []mesh.Position{start, start, start}
	for range long(60, 400) {
		i := rand.IntN(len(at))
		s := subscribe(t, feeds[rand.IntN(len(feeds))], event.Subscription{From: at[i]})
		if s.Gap || s.Start != at[i] {
			t.Fatalf("resumed at %v instead of %v", s.Start, at[i])
		}
		for range rand.IntN(100) {
			e := next(t, s)
			if e.Position.Seq != at[i].Seq+1 {
				t.Fatalf("after %v came %s %v", at[i], e.Type, e.Position)
			}
			at[i] = e.Position
		}
		s.Close()
	}
	_, last := stop()
	for i := range at {
		through(t, subscribe(t, feeds[0], event.Subscription{From: at[i]}), at[i], last)
	}
}

// BenchmarkCreateToEvent is the whole way: a create over the bus, and its event
// at a subscriber.
func BenchmarkCreateToEvent(b *testing.B) {
	h := open(b, b.TempDir(), b.TempDir())
	h.work()
	s := subscribe(b, h.feed(), event.Subscription{})
	for b.Loop() {
		h.create(1)
		next(b, s)
	}
}
