package octomesh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/octomesh/octomesh/clients/go"
)

const ledgerSchema = `[
  {"name":"Account","collection":"accounts","fields":{"owner":{"type":"string","required":true},"balance":{"type":"number","default":0},"step":{"type":"number","default":0}}},
  {"name":"Entry","collection":"entries","fields":{"text":{"type":"string"},"pair":{"type":"string"}}}
]`

type account struct {
	ID      string  `json:"id,omitempty"`
	Owner   string  `json:"owner"`
	Balance float64 `json:"balance"`
	Step    float64 `json:"step"`
	Version int64   `json:"_version,omitempty"`
}

type entry struct {
	ID   string `json:"id,omitempty"`
	Text string `json:"text"`
	Pair string `json:"pair,omitempty"`
}

// writer is one of the sixteen: it owns one account and keeps the books of what
// the server acknowledged, in this process, which is never killed.
type writer struct {
	n       int
	c       *client.Client
	account string

	step     float64 // last acknowledged
	stepSent float64 // last sent
	steps    []float64
	deposits int // keyed increments that were sent; each is repeated until acknowledged
	entries  []string
	pairs    []string
	inflight atomic.Bool
}

// work writes until ctx ends, and says begun when it has a write in flight. A write is in doubt when it was sent and not
// answered; a keyed one is sent again, with the same key, in the next round.
func (w *writer) work(ctx context.Context, begun func()) error {
	for i := 0; ctx.Err() == nil; i++ {
		var err error
		w.inflight.Store(true)
		begun()
		switch (i + w.n) % 4 {
		case 0:
			var e entry
			if e, err = client.Create[entry](ctx, w.c, "Entry", entry{Text: fmt.Sprintf("é %d", w.n)}); err == nil {
				w.entries = append(w.entries, e.ID)
			}
		case 1:
			w.stepSent++
			if _, err = client.Update[account](ctx, w.c, "Account", w.account, map[string]float64{"step": w.stepSent}); err == nil {
				w.step = w.stepSent
				w.steps = append(w.steps, w.step)
			}
		case 2:
			err = w.deposit(ctx)
		case 3:
			pair := fmt.Sprintf("p%d-%d-%d", w.n, i, time.Now().UnixNano())
			_, err = w.c.Transaction(ctx, []client.Operation{
				{Op: "create", Entity: "Entry", Data: entry{Text: "left", Pair: pair}},
				{Op: "create", Entity: "Entry", Data: entry{Text: "right", Pair: pair}},
			})
			if err == nil {
				w.pairs = append(w.pairs, pair)
			}
		}
		if err == nil {
			w.inflight.Store(false)
			continue
		}
		var known *client.Error
		if errors.As(err, &known) && known.Status < 500 {
			return fmt.Errorf("writer %d, write %d: %w", w.n, i, err)
		}
		return nil
	}
	return nil
}

// deposit adds 1 under a key that stays the same until it is acknowledged.
func (w *writer) deposit(ctx context.Context) error {
	_, err := client.Increment[account](ctx, w.c, "Account", w.account, "balance", 1, client.WithIdempotencyKey(fmt.Sprintf("deposit-%d-%d", w.n, w.deposits)))
	if err == nil {
		w.deposits++
	}
	return err
}

// TestKillLosesNothing kills the process at random moments under writers and
// holds what it finds afterwards against their books.
func TestKillLosesNothing(t *testing.T) {
	n := rounds(5, 100)
	s := serve(t, schemaFile(t, ledgerSchema))
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
		if hit(t, writers, s.kill) {
			hits++
		}
		if round%3 == 2 {
			wiped++
			if err := os.RemoveAll(filepath.Join(s.dir, "jetstream")); err != nil {
				t.Fatal(err)
			}
		}
		s.start()
	}
	acknowledged := audit(t, writers)
	events := watch.complete(t, s)
	watch.holdsSteps(t, writers)
	for _, w := range writers { // what was in doubt died with the process
		if a, err := client.FindByID[account](t.Context(), w.c, "Account", w.account, nil); err != nil || a.Step < w.step {
			t.Errorf("writer %d: step %v acknowledged, %v found (%v)", w.n, w.step, a.Step, err)
		}
	}
	figure(map[string]any{"rounds": n, "kills_in_flight": hits, "jetstream_wiped": wiped, "acknowledged": acknowledged, "events": events, "lost": 0, "doubled": 0})
	if hits*100 < n*80 {
		t.Errorf("only %d of %d kills hit a write in flight: the test proves too little", hits, n)
	}
}

// hit lets the writers work, kills what they write to 20 to 400 ms after the
// first has begun and reports whether a write was in flight.
func hit(t *testing.T, writers []*writer, kill func()) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	errs := make(chan error, len(writers))
	begun := make(chan struct{})
	once := sync.OnceFunc(func() { close(begun) })
	for _, w := range writers {
		w.inflight.Store(false) // the last kill left it so
		wg.Go(func() { errs <- w.work(ctx, once) })
	}
	<-begun
	timer := time.NewTimer(20*time.Millisecond + rand.N(380*time.Millisecond))
	<-timer.C
	inflight := false
	for _, w := range writers {
		inflight = inflight || w.inflight.Load()
	}
	kill()
	cancel()
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return inflight
}

// audit ends every writer's last keyed write and holds the records against its
// books. It returns how many writes were acknowledged.
func audit(t *testing.T, writers []*writer) int {
	t.Helper()
	acknowledged := 0
	for _, w := range writers {
		if err := w.deposit(within(t, 30*time.Second)); err != nil {
			t.Fatalf("writer %d: the last deposit was refused after the restart: %v", w.n, err)
		}
		acknowledged += w.deposits + len(w.entries) + 2*len(w.pairs) + int(w.step)
		check(t, w)
	}
	return acknowledged
}

// check holds the records against a writer's books.
func check(t *testing.T, w *writer) {
	t.Helper()
	ctx := within(t, time.Minute)
	a, err := client.FindByID[account](ctx, w.c, "Account", w.account, nil)
	if err != nil {
		t.Fatal(err)
	}
	if a.Balance != float64(w.deposits) {
		t.Errorf("writer %d: %d deposits acknowledged, balance %v: one was lost or applied twice", w.n, w.deposits, a.Balance)
	}
	if a.Step > w.stepSent {
		t.Errorf("writer %d: step %v sent, %v found", w.n, w.stepSent, a.Step)
	}
	for _, id := range w.entries {
		if _, err := client.FindByID[entry](ctx, w.c, "Entry", id, nil); err != nil {
			t.Errorf("writer %d: the acknowledged entry %s: %v", w.n, id, err)
		}
	}
	for _, p := range w.pairs {
		if n, err := w.c.Count(ctx, "Entry", client.Filter{"pair": p}); err != nil || n != 2 {
			t.Errorf("writer %d: the acknowledged transaction %s has %d of 2 records (%v)", w.n, p, n, err)
		}
	}
}

// follower is a subscriber that resumes over every kill.
type follower struct {
	mu     sync.Mutex
	events []client.Event
	err    error
	cancel context.CancelFunc
	done   chan struct{}
}

func follow(t *testing.T, s *server) *follower {
	t.Helper()
	var log struct {
		Position string `json:"next"`
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{cancel: cancel, done: make(chan struct{})}
	var m client.Meta
	if _, err := client.Update[account](t.Context(), s.client(), "Account", "a00", map[string]string{"owner": "first"}, client.WithMeta(&m)); err != nil {
		t.Fatal(err)
	}
	log.Position = m.Position
	go func() {
		defer close(f.done)
		for ev, err := range s.client().Watch(ctx, client.Watching{Position: log.Position}) {
			f.mu.Lock()
			if err != nil {
				f.err = err
			} else {
				f.events = append(f.events, ev)
			}
			f.mu.Unlock()
		}
	}()
	return f
}

// complete waits until the follower has a last write of its own, and holds what
// it saw against the records: every version of every record, each exactly once,
// in order. It returns the number of events.
func (f *follower) complete(t *testing.T, s *server) int {
	t.Helper()
	ctx := within(t, 30*time.Second)
	var m client.Meta
	if _, err := client.Create[entry](ctx, s.client(), "Entry", entry{ID: "the-end", Text: "end"}, client.WithMeta(&m)); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for seen, at := false, 0; !seen; {
		select {
		case <-ctx.Done():
			t.Fatalf("the follower did not see the last write %s: %v", m.Position, f.err)
		case <-tick.C:
		}
		f.mu.Lock()
		seen = f.err != nil
		for ; at < len(f.events) && !seen; at++ {
			seen = f.events[at].Position == m.Position
		}
		f.mu.Unlock()
	}
	f.cancel()
	<-f.done
	if f.err != nil {
		t.Fatal(f.err)
	}
	versions := map[string]int64{}
	for _, ev := range f.events {
		var rec struct {
			Version int64 `json:"_version"`
		}
		if err := json.Unmarshal(ev.Data, &rec); err != nil {
			t.Fatalf("event %s: %v", ev.Position, err)
		}
		key := ev.Entity + "/" + ev.ID
		last, known := versions[key]
		if known && rec.Version != last+1 {
			t.Errorf("%s went from version %d to %d at %s", key, last, rec.Version, ev.Position)
		}
		versions[key] = rec.Version
	}
	for rec, err := range client.Stream[struct {
		ID      string `json:"id"`
		Version int64  `json:"_version"`
	}](ctx, s.client(), "Entry", client.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if versions["Entry/"+rec.ID] != rec.Version {
			t.Errorf("entry %s has version %d, the follower's last is %d", rec.ID, rec.Version, versions["Entry/"+rec.ID])
		}
	}
	return len(f.events)
}

// holdsSteps looks for every acknowledged step among the events: a write in
// doubt, which was sent before it, may have been carried out after it.
func (f *follower) holdsSteps(t *testing.T, writers []*writer) {
	t.Helper()
	seen := map[string]map[float64]bool{}
	for _, ev := range f.events {
		var a account
		if err := json.Unmarshal(ev.Data, &a); err != nil {
			t.Fatalf("event %s: %v", ev.Position, err)
		}
		if seen[ev.ID] == nil {
			seen[ev.ID] = map[float64]bool{}
		}
		seen[ev.ID][a.Step] = true
	}
	for _, w := range writers {
		for _, step := range w.steps {
			if !seen[w.account][step] {
				t.Errorf("writer %d: the acknowledged step %v has no event", w.n, step)
			}
		}
	}
}
