package octomesh

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	client "github.com/octomesh/octomesh/clients/go"
)

// workers is an installation whose default project lies in an engine's
// database, served by two workers at once.
type workers struct {
	*house
	both [2]*process
}

func onEngine(t *testing.T, e engine) *workers {
	t.Helper()
	a := newApart(t, ledgerSchema)
	a.extra["auth"] = map[string]string{"DB_DIALECT": e.dialect, "SGBD_URI": e.open(t)}
	w := &workers{house: a.up()}
	w.both = [2]*process{w.entity, w.start("entity").ready()}
	return w
}

// TestDatabasesKillLosesNothing kills one worker or both under writers, each
// third time with NATS too, which then loses its JetStream.
func TestDatabasesKillLosesNothing(t *testing.T) {
	for _, e := range engines {
		t.Run(e.dialect, func(t *testing.T) {
			n := rounds(4, 100)
			w := onEngine(t, e)
			s := w.server()
			writers := make([]*writer, 16)
			for i := range writers {
				writers[i] = &writer{n: i, c: s.client(client.WithTimeout(0)), account: fmt.Sprintf("a%02d", i)}
				if _, err := client.Create[account](t.Context(), writers[i].c, "Account", account{ID: writers[i].account, Owner: "w"}); err != nil {
					t.Fatal(err)
				}
			}
			watch := follow(t, s)
			hits, wiped := 0, 0
			for round := range n {
				victims := w.both[round%2 : round%2+1]
				if round%4 == 3 {
					victims = w.both[:]
				}
				wipe := round%3 == 2
				if hit(t, writers, func() { w.strike(victims, wipe) }) {
					hits++
				}
				if wipe {
					wiped++
					if err := os.RemoveAll(filepath.Join(w.dir, "volumes/nats/jetstream")); err != nil {
						t.Fatal(err)
					}
					w.nats.again()
				}
				for _, p := range victims {
					p.again()
				}
				for _, p := range []*process{w.auth, w.both[0], w.both[1], w.gateway} {
					p.ready()
				}
			}
			w.gateway.stop() // it answers, and so ends, what its callers have given up
			w.gateway.again()
			w.gateway.ready()
			acknowledged := audit(t, writers)
			events := watch.complete(t, s)
			watch.holdsSteps(t, writers)
			figure(map[string]any{"dialect": e.dialect, "workers": 2, "rounds": n, "kills_in_flight": hits, "jetstream_wiped": wiped, "acknowledged": acknowledged, "events": events, "lost": 0, "doubled": 0})
			if hits*100 < n*80 {
				t.Errorf("only %d of %d kills hit a write in flight: the test proves too little", hits, n)
			}
		})
	}
}

// strike kills workers, and NATS with them.
func (w *workers) strike(victims []*process, nats bool) {
	if nats {
		w.nats.kill()
	}
	for _, p := range victims {
		p.kill()
	}
}

// TestDatabasesWorkerLost drains one of two workers and kills the other under 64
// requesters: nobody sees a failure, and the events go on within 3 s.
func TestDatabasesWorkerLost(t *testing.T) {
	for _, e := range engines {
		t.Run(e.dialect, func(t *testing.T) {
			w := onEngine(t, e)
			s := w.server()
			watch := followAll(t, s)
			r := request(t, w.client(nil))
			r.pass(300)
			var longest time.Duration
			for round := range rounds(4, 20) {
				p := w.both[round%2]
				pause := silence(watch)
				if round%4 < 2 {
					p.stop()
				} else {
					p.kill()
				}
				r.pass(2000)
				longest = max(longest, pause())
				p.again()
				p.ready()
			}
			r.close("one of two workers lost", map[string]any{"dialect": e.dialect, "longest_silence_ms": longest.Milliseconds()})
			figure(map[string]any{"dialect": e.dialect, "events": watch.complete(t, s), "gaps": 0, "doubled": 0})
			if judged() && longest > 3*time.Second {
				t.Errorf("no event for %v: the relay did not move in 3 s", longest)
			}
		})
	}
}

// silence measures the longest time without an event until the returned function
// is called.
func silence(f *follower) func() time.Duration {
	stop, done := make(chan struct{}), make(chan time.Duration)
	go func() {
		var longest time.Duration
		last, seen := time.Now(), -1
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			f.mu.Lock()
			n := len(f.events)
			f.mu.Unlock()
			if n != seen {
				last, seen = time.Now(), n
			}
			longest = max(longest, time.Since(last))
			select {
			case <-tick.C:
			case <-stop:
				done <- longest
				return
			}
		}
	}()
	return func() time.Duration {
		close(stop)
		return <-done
	}
}

// TestDatabasesEventLag measures, at 2,000 writes a second, how long after its
// acknowledgement a write reaches a subscriber, beside the round trip of an idle
// NATS connection.
func TestDatabasesEventLag(t *testing.T) {
	if !judged() {
		t.Skip("skipped: the delay of events (go run ./bench/accept stores.2)")
	}
	for _, e := range engines {
		t.Run(e.dialect, func(t *testing.T) {
			w := onEngine(t, e)
			s := w.server()
			echo := roundTrips(t, s)
			acked, arrived := paced(t, s, 2000, 4*time.Second)
			var lags []time.Duration
			for id, at := range acked {
				seen, ok := arrived[id]
				if !ok {
					t.Fatalf("no event of %s", id)
				}
				lags = append(lags, max(0, seen.Sub(at)))
			}
			slices.Sort(lags)
			p50, p99 := lags[len(lags)/2], lags[len(lags)*99/100]
			limit := 3*echo + 20*time.Millisecond
			figure(map[string]any{"dialect": e.dialect, "writes": len(lags), "lag_p50_ms": ms(p50), "lag_p99_ms": ms(p99), "echo_p99_ms": ms(echo)})
			if p50 > 5*time.Millisecond || p99 > limit {
				t.Errorf("events lag by %v (p50) and %v (p99), promised 5ms and %v", p50, p99, limit)
			}
		})
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// roundTrips is the 99th percentile of an echo over two idle connections.
func roundTrips(t *testing.T, s *server) time.Duration {
	t.Helper()
	nc := native(t, s, s.Key)
	defer nc.Close()
	var all []time.Duration
	for range 2000 {
		began := time.Now()
		if err := nc.FlushTimeout(5 * time.Second); err != nil {
			t.Fatal(err)
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}

// paced creates entries at a rate, spread over 32 callers, and returns when each
// was acknowledged and when its event arrived.
func paced(t *testing.T, s *server, perSecond int, d time.Duration) (acked, arrived map[string]time.Time) {
	t.Helper()
	acked, arrived = map[string]time.Time{}, map[string]time.Time{}
	total := perSecond * int(d/time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), d+30*time.Second)
	defer cancel()
	var m client.Meta
	c := s.client()
	if _, err := client.Create[entry](ctx, c, "Entry", entry{Text: "start"}, client.WithMeta(&m)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for ev, err := range c.Watch(ctx, client.Watching{Position: m.Position}) {
			if err != nil {
				return
			}
			if arrived[ev.ID] = time.Now(); len(arrived) == total {
				return
			}
		}
	})
	due := make(chan struct{}, total)
	var mu sync.Mutex
	var callers sync.WaitGroup
	for range 32 {
		callers.Go(func() {
			for range due {
				made, err := client.Create[entry](ctx, c, "Entry", entry{Text: fmt.Sprint(rand.Int())})
				now := time.Now()
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked[made.ID] = now
				mu.Unlock()
			}
		})
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for sent := 0; sent < total; {
		<-tick.C
		for want := min(total, int(time.Since(began).Seconds()*float64(perSecond))); sent < want; sent++ {
			due <- struct{}{}
		}
	}
	close(due)
	callers.Wait()
	wg.Wait()
	return acked, arrived
}
