package event

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// A log that stays out of reach ends a stream that needs it, with the place to
// resume from, instead of leaving its reader to wait for ever.
func TestReplayThatCannotGoOnEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := began(t, FeedOptions{RingEvents: 4})
		first := open(t, f, Subscription{})
		w.do(200, true)
		synctest.Wait()
		first.Close()
		s := open(t, f, Subscription{From: mesh.Position{Epoch: "e0", Seq: 10}, Buffer: 16})
		w.set(func(w *world) { w.down = true })
		var got []int64
		for end := time.Now().Add(giveUp - time.Second); time.Now().Before(end); pass(100 * time.Millisecond) {
			got = append(got, take(s)...)
			if s.Err() != nil {
				t.Fatalf("ended too early: %v", s.Err())
			}
		}
		w.set(func(w *world) { w.down = false })
		pass(2 * time.Second) // an outage that ends in time goes unnoticed
		for end := time.Now().Add(giveUp); len(got) < 100 && time.Now().Before(end); pass(time.Millisecond) {
			got = append(got, take(s)...)
		}
		w.set(func(w *world) { w.down = true })
		for end := time.Now().Add(giveUp + 5*time.Second); s.Err() == nil && time.Now().Before(end); pass(100 * time.Millisecond) {
			got = append(got, take(s)...)
		}
		if fault.CodeOf(s.Err()) != fault.Unavailable || s.Err() == nil {
			t.Fatalf("after %d events the stream is left with %v", len(got), s.Err())
		}
		got = append(got, take(s)...)
		for i, seq := range got {
			if seq != 11+int64(i) {
				t.Fatalf("got %v", got)
			}
		}
		if at := s.Position(); at.Seq != 10+int64(len(got)) || len(got) < 100 || len(got) >= 190 {
			t.Fatalf("%d events, to resume after %v", len(got), at)
		}
	})
}

// garbled is a log in which one change cannot be read.
type garbled struct {
	*shared
	seq int64
}

func (g *garbled) log(ctx context.Context, p string, after mesh.Position, n int) ([]*Message, error) {
	all, err := g.shared.log(ctx, p, after, n)
	if err != nil {
		return nil, err
	}
	body := []byte(`{"data":[`)
	for i, m := range all {
		if i > 0 {
			body = append(body, ',')
		}
		if m.Position.Seq == g.seq {
			body = append(body, `{"type":"event"}`...)
			continue
		}
		body = append(append(body, m.whole[:len(m.whole)-1]...), `,"op":"update"}`...)
	}
	return decodeLog(append(body, ']', '}'), after)
}

// A change that cannot be read is a gap: neither is it skipped in silence, nor
// does anybody wait for it for ever.
func TestUnreadableChangeIsAGap(t *testing.T) {
	for _, bad := range []int64{11, 50, 100} {
		synctest.Test(t, func(t *testing.T) {
			w := &garbled{shared: &shared{world: newWorld()}, seq: bad}
			cat := catalog(t)
			f := newFeed(FeedOptions{RingEvents: 4, Catalog: func(slug string) (*Project, bool) {
				return &Project{ID: "1", Slug: slug, Catalog: cat}, true
			}}, w)
			defer f.Close()
			live := open(t, f, Subscription{Buffer: 1000})
			w.do(10, true)
			synctest.Wait()
			w.do(90, false) // lost on the way: the live stream needs the log, too
			pass(giveUp + 5*time.Second)
			past := open(t, f, Subscription{From: mesh.Position{Epoch: "e0", Seq: 10}, Buffer: 1000})
			pass(giveUp + 5*time.Second)
			check := func(name string, s *Stream, at int64, begins bool) {
				t.Helper()
				gaps := 0
				if begins && s.Gap {
					at, gaps = s.Start.Seq, 1
				}
				for _, seq := range take(s) {
					if seq < 0 {
						at, gaps = -seq, gaps+1
						continue
					}
					if seq != at+1 {
						t.Fatalf("%s: with %d unreadable, %d came after %d", name, bad, seq, at)
					}
					at = seq
				}
				if s.Err() != nil || gaps != 1 || at != 100 {
					t.Fatalf("%s: with %d unreadable it stands at %d after %d gaps: %v", name, bad, at, gaps, s.Err())
				}
			}
			check("live", live, 0, false)
			check("past", past, 10, true)
		})
	}
}

// Whoever waits for a project that cannot be followed is told when the Feed ends.
func TestCloseEndsWhoWaitsToSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := began(t, FeedOptions{})
		w.set(func(w *world) { w.down = true }) // and an empty stream: nobody knows a position
		done := make(chan error, 1)
		go func() {
			_, err := f.Subscribe(context.Background(), Subscription{Project: "p", Transport: "sse", Principal: everyone})
			done <- err
		}()
		synctest.Wait()
		f.Close()
		synctest.Wait()
		select {
		case err := <-done:
			if fault.CodeOf(err) != fault.Unavailable {
				t.Fatal(err)
			}
		default:
			t.Fatal("it still waits")
		}
	})
}
