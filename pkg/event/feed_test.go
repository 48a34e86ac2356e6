package event

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shared is a world that several goroutines use, with a live subscription.
type shared struct {
	mu sync.Mutex
	*world
	out    chan<- *Message
	resync chan struct{}
}

func (s *shared) live(_ string, out chan<- *Message) (<-chan struct{}, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out, s.resync = out, make(chan struct{}, 1)
	return s.resync, func() {}, nil
}

func (s *shared) recent(ctx context.Context, p string, n int) ([]*Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.recent(ctx, p, n)
}

func (s *shared) tail(ctx context.Context, p string) (mesh.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.tail(ctx, p)
}

func (s *shared) head(ctx context.Context, p string) (mesh.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.head(ctx, p)
}

func (s *shared) log(ctx context.Context, p string, after mesh.Position, n int) ([]*Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.log(ctx, p, after, n)
}

// do commits and publishes n changes of A, of which the feed hears or not.
func (s *shared) do(n int, heard bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.commit("A", 1)
		if x, ok := s.publish(); ok && heard {
			s.out <- x.message()
		}
	}
}

func (s *shared) set(f func(w *world)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.world)
}

// began is a feed on a shared world.
func began(t *testing.T, o FeedOptions) (*Feed, *shared) {
	t.Helper()
	w := &shared{world: newWorld()}
	if o.Catalog == nil {
		cat := catalog(t)
		o.Catalog = func(slug string) (*Project, bool) { return &Project{ID: "1", Slug: slug, Catalog: cat}, slug == "p" }
	}
	f := newFeed(o, w)
	t.Cleanup(f.Close)
	return f, w
}

func open(t *testing.T, f *Feed, sub Subscription) *Stream {
	t.Helper()
	sub.Project, sub.Transport = "p", "sse"
	if sub.Principal == nil {
		sub.Principal = everyone
	}
	s, err := f.Subscribe(t.Context(), sub)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// take pops what waits.
func take(s *Stream) (seqs []int64) {
	for {
		e, ok := s.Pop()
		if !ok {
			return seqs
		}
		if e.Type == Gap {
			seqs = append(seqs, -e.Position.Seq)
			continue
		}
		seqs = append(seqs, e.Position.Seq)
	}
}

func want(t *testing.T, s *Stream, from, to int64) {
	t.Helper()
	got := take(s)
	if int64(len(got)) != to-from+1 {
		t.Fatalf("got %v, want %d to %d", got, from, to)
	}
	for i, seq := range got {
		if seq != from+int64(i) {
			t.Fatalf("got %v, want %d to %d", got, from, to)
		}
	}
}

func TestLossAtTheTailShowsAfterASilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := began(t, FeedOptions{})
		s := open(t, f, Subscription{})
		w.do(3, true)
		w.do(2, false)
		synctest.Wait()
		want(t, s, 1, 3)
		pass(silence + time.Millisecond)
		synctest.Wait()
		want(t, s, 4, 5)
		f.Close()
	})
}

func TestReconnectLooksAtTheTailAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := began(t, FeedOptions{})
		s := open(t, f, Subscription{})
		w.do(2, false)
		w.resync <- struct{}{}
		synctest.Wait()
		want(t, s, 1, 2)
		f.Close()
	})
}

func TestHoleIsFilledWhenTheLogIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := began(t, FeedOptions{})
		s := open(t, f, Subscription{})
		w.set(func(w *world) { w.down = true })
		w.do(2, false)
		w.do(2, true)
		pass(5 * time.Second)
		if got := take(s); len(got) > 0 {
			t.Fatalf("%v came over a hole", got)
		}
		w.set(func(w *world) { w.down = false })
		pass(2 * time.Second)
		want(t, s, 1, 4)
		f.Close()
	})
}

func TestHoleThatStaysIsAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := began(t, FeedOptions{})
		s := open(t, f, Subscription{})
		w.set(func(w *world) { w.down = true })
		w.do(2, false)
		w.do(1, true)
		pass(giveUp + 2*time.Second)
		synctest.Wait()
		if got := take(s); fmt.Sprint(got) != "[-2 3]" {
			t.Fatalf("got %v, want a gap to 2, then 3", got)
		}
		f.Close()
	})
}

func TestNewEpochIsAGapForEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := began(t, FeedOptions{})
		a, b := open(t, f, Subscription{}), open(t, f, Subscription{Entities: []string{"B"}})
		w.do(5, true)
		synctest.Wait()
		w.set(func(w *world) { w.restore(2) })
		w.do(1, true)
		synctest.Wait()
		if got := take(a); fmt.Sprint(got) != "[1 2 3 4 5 -3 4]" {
			t.Fatalf("got %v", got)
		}
		if got := take(b); fmt.Sprint(got) != "[-3]" {
			t.Fatalf("got %v", got)
		}
		// The write that began the epoch is a place to resume from at once.
		if s := open(t, f, Subscription{From: mesh.Position{Epoch: "e1", Seq: 3}}); s.Gap {
			t.Fatal("the new epoch is not known")
		} else {
			synctest.Wait()
			want(t, s, 4, 4)
		}
		f.Close()
	})
}

func TestWriteIsAPlaceToResumeFromBeforeItsEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := began(t, FeedOptions{})
		open(t, f, Subscription{})
		w.set(func(w *world) { w.commit("A", 1); w.commit("A", 1) })
		s := open(t, f, Subscription{From: mesh.Position{Epoch: "e0", Seq: 2}})
		if s.Gap {
			t.Fatal("a position in the log was refused")
		}
		w.do(0, true)
		w.set(func(w *world) { w.publish(); w.publish() })
		w.do(1, true)
		synctest.Wait()
		want(t, s, 3, 3)
		f.Close()
	})
}

func TestSlowReaderIsCutOffAndOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := began(t, FeedOptions{})
		slow, quick := open(t, f, Subscription{Buffer: 16}), open(t, f, Subscription{Buffer: 16})
		for i := range int64(40) {
			w.do(1, true)
			synctest.Wait()
			want(t, quick, i+1, i+1)
			if i == 3 {
				for range 2 {
					slow.Pop()
				}
			}
		}
		var end *Slow
		if _, err := slow.Next(t.Context()); !errors.As(err, &end) || end.Position.Seq != 2 {
			t.Fatalf("the slow reader got %v, want to resume after 2", err)
		}
		s := open(t, f, Subscription{From: end.Position})
		synctest.Wait()
		want(t, s, 3, 40)
		f.Close()
	})
}

func TestReplayWaitsForItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := began(t, FeedOptions{RingEvents: 8})
		w.set(func(w *world) {
			for range 500 {
				w.commit("A", 1)
				w.publish()
			}
		})
		s := open(t, f, Subscription{From: mesh.Position{Epoch: "e0"}, Buffer: 16})
		stuck := open(t, f, Subscription{From: mesh.Position{Epoch: "e0"}, Buffer: 16})
		var got []int64
		more := false
		for range 200 {
			synctest.Wait()
			got = append(got, take(s)...)
			if len(got) > 200 && !more {
				more = true
				w.do(100, true) // while the past is still being read
			}
		}
		if last := got[len(got)-1]; last <= 500 || int64(len(got)) != last {
			t.Fatalf("%d events, the last %v", len(got), last)
		}
		pass(stalled + time.Second)
		var end *Slow
		if !errors.As(stuck.Err(), &end) || end.Position.Seq != 0 {
			t.Fatalf("a reader that takes nothing: %v", stuck.Err())
		}
		f.Close()
	})
}

func TestRightsThatEndEndStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := began(t, FeedOptions{})
		child := &mesh.Principal{ID: "u:7", Kind: mesh.User, Scopes: everyone.Scopes, Parents: []string{"k:2"}}
		a, b, c := open(t, f, Subscription{}), open(t, f, Subscription{Principal: child}), open(t, f, Subscription{})
		w.do(1, true)
		synctest.Wait()
		f.Revoke("k:2")
		if err := b.Err(); fault.CodeOf(err) != fault.Unauthorized {
			t.Fatalf("revoked: %v", err)
		}
		if got := take(b); got != nil {
			t.Fatalf("a revoked stream still gave %v", got)
		}
		c.Close()
		if _, err := c.Next(t.Context()); err != nil {
			t.Fatalf("what waited in a closed stream is lost: %v", err)
		}
		if _, err := c.Next(t.Context()); err != io.EOF {
			t.Fatalf("closed: %v", err)
		}
		f.Renew(&mesh.Principal{ID: "k:1", Kind: mesh.Key, Scopes: mesh.Scopes{"projects": {"1"}, "operations": {"read"}, "transports": {"ws"}}})
		if err := a.Err(); fault.CodeOf(err) != fault.Forbidden {
			t.Fatalf("narrowed: %v", err)
		}
		d := open(t, f, Subscription{})
		f.Close()
		if err := d.Err(); fault.CodeOf(err) != fault.Unavailable {
			t.Fatalf("shutdown: %v", err)
		}
		if _, err := f.Subscribe(t.Context(), Subscription{Project: "p", Principal: everyone, Transport: "ws"}); fault.CodeOf(err) != fault.Unavailable {
			t.Fatalf("after the shutdown: %v", err)
		}
	})
}

func TestSubscribeRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := began(t, FeedOptions{})
		for name, tc := range map[string]struct {
			sub  Subscription
			want fault.Code
		}{
			"nobody":         {Subscription{Project: "p"}, fault.Unauthorized},
			"no project":     {Subscription{Project: "*", Principal: everyone}, fault.UnknownProject},
			"no entity":      {Subscription{Project: "p", Principal: everyone, Entities: []string{"A", ">"}}, fault.UnknownEntity},
			"no field":       {Subscription{Project: "p", Principal: everyone, Entities: []string{"A"}, Filter: json.RawMessage(`{"x":1}`)}, fault.InvalidFilter},
			"no JSON":        {Subscription{Project: "p", Principal: everyone, Entities: []string{"A"}, Filter: json.RawMessage(`{"n":1`)}, fault.ParseError},
			"filter of what": {Subscription{Project: "p", Principal: everyone, Filter: json.RawMessage(`{"n":1}`)}, fault.InvalidRequest},
		} {
			tc.sub.Transport = "sse"
			if _, err := f.Subscribe(t.Context(), tc.sub); fault.CodeOf(err) != tc.want {
				t.Errorf("%s: %v, want %s", name, err, tc.want)
			}
		}
		f.Close()
	})
}

func TestAnotherCatalogIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		cat := catalog(t)
		f, w := began(t, FeedOptions{Catalog: func(slug string) (*Project, bool) {
			mu.Lock()
			defer mu.Unlock()
			return &Project{ID: "1", Slug: slug, Catalog: cat}, true
		}})
		filtered := open(t, f, Subscription{Entities: []string{"A"}, Filter: json.RawMessage(`{"note":null}`)})
		plain := open(t, f, Subscription{Entities: []string{"A"}})
		next, err := schema.Parse([]byte(strings.Replace(twoEntities, `"note"`, `"other"`, 1)))
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		cat = next
		mu.Unlock()
		w.do(1, true)
		synctest.Wait()
		if fault.CodeOf(filtered.Err()) != fault.InvalidFilter {
			t.Fatalf("a filter on a field that is gone: %v", filtered.Err())
		}
		want(t, plain, 1, 1)
		f.Close()
	})
}

func TestProjectIsForgottenWhenNobodyWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := began(t, FeedOptions{})
		open(t, f, Subscription{}).Close()
		pass(linger / 2)
		if len(f.all()) != 1 {
			t.Fatal("the project was forgotten too soon")
		}
		pass(linger)
		if len(f.all()) != 0 {
			t.Fatal("the project is still followed")
		}
		f.Close()
	})
}

// mask is a Guard that hides a field and the records whose n is above a limit.
type mask struct {
	hide string
	most int64
}

func (m mask) Rows(e *schema.Entity, _ mesh.Class) query.Expr {
	if m.most == 0 {
		return nil
	}
	return query.Compare{Column: e.Column("n"), Op: query.Lte, Value: schema.IntOf(m.most)}
}
func (m mask) Readable(c *schema.Column) bool { return c.Name != m.hide }
func (m mask) View(*schema.Entity) string     { return "without " + m.hide }
func (m mask) guard(*schema.Catalog) Guard    { return m }
func decode(t testing.TB, c mesh.Change) *Message {
	t.Helper()
	m, err := Decode(c.AppendEvent(nil, "p", "e0", 0))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestViewsShowWhatMayBeRead(t *testing.T) {
	cat := catalog(t)
	p := newProject(newFeed(FeedOptions{Catalog: func(string) (*Project, bool) { return nil, false }}, newWorld()), "p", cat)
	change := mesh.Change{
		Seq: 4, Entity: "A", ID: "a", Verb: mesh.Updated, Changed: []string{"n", "note"},
		After: []byte(`{"id":"a","_version":2,"n":5,"note":"x"}`), Old: []byte(`{"_version":1,"n":20,"note":"y"}`), At: time.UnixMilli(0),
	}
	const head = `{"type":"event","event":"entity.updated","project":"p","entity":"A","id":"a"`
	const tail = `,"position":"e0-4","at":"1970-01-01T00:00:00.000Z"}`
	for name, tc := range map[string]struct {
		filter string
		guard  Guard
		limit  int
		want   string // "" = no event
	}{
		"whole":            {want: head + `,"data":{"id":"a","_version":2,"n":5,"note":"x"},"changed":["n","note"]` + tail},
		"masked":           {guard: mask{hide: "note"}, want: head + `,"data":{"id":"a","_version":2,"n":5},"changed":["n"]` + tail},
		"enter":            {filter: `{"n":5}`, want: head + `,"data":{"id":"a","_version":2,"n":5,"note":"x"},"changed":["n","note"],"match":"enter"` + tail},
		"leave":            {filter: `{"n":20}`, want: head + `,"match":"leave"` + tail},
		"stay":             {filter: `{"n":{"$gt":1}}`, guard: mask{hide: "note"}, want: head + `,"data":{"id":"a","_version":2,"n":5},"changed":["n"],"match":"stay"` + tail},
		"neither":          {filter: `{"n":7}`},
		"policy, entering": {guard: mask{hide: "note", most: 10}, want: head + `,"data":{"id":"a","_version":2,"n":5},"changed":["n"],"match":"enter"` + tail},
		"policy, unseen":   {guard: mask{hide: "note", most: 1}},
		"too large":        {limit: 60, want: head + `,"truncated":true,"changed":["n","note"]` + tail},
	} {
		t.Run(name, func(t *testing.T) {
			in, err := p.compile(cat.Entity("A"), tc.filter, tc.guard)
			if err != nil {
				t.Fatal(err)
			}
			limit := tc.limit
			if limit == 0 {
				limit = 1 << 20
			}
			got := ""
			if e := in.decide(decode(t, change), limit); e != nil {
				got = string(e.JSON)
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if got != "" && !json.Valid([]byte(got)) {
				t.Error("that is no JSON")
			}
		})
	}
	t.Run("unreadable field", func(t *testing.T) {
		if _, err := p.compile(cat.Entity("A"), `{"note":"x"}`, mask{hide: "note"}); fault.CodeOf(err) != fault.InvalidFilter {
			t.Errorf("%v", err)
		}
	})
	t.Run("encoded once", func(t *testing.T) {
		m := decode(t, change)
		a, _ := p.compile(cat.Entity("A"), "", mask{hide: "note"})
		b, _ := p.compile(cat.Entity("A"), "", mask{hide: "note", most: 100})
		c, _ := p.compile(cat.Entity("A"), "", mask{hide: "note"})
		if a != c || a.decide(m, 1<<20) != c.decide(m, 1<<20) || b == a {
			t.Error("equal views are not shared")
		}
	})
}

// A record that did not fit into its message is read from the log where a
// filter has to look at it.
func TestTruncatedMessageIsJudgedByTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := began(t, FeedOptions{})
		enters := open(t, f, Subscription{Entities: []string{"A"}, Filter: json.RawMessage(`{"n":1}`)})
		never := open(t, f, Subscription{Entities: []string{"A"}, Filter: json.RawMessage(`{"n":9}`)})
		w.mu.Lock()
		w.commit("A", 1)
		x, _ := w.publish()
		m, err := Decode(x.c.AppendEvent(nil, "p", x.epoch, 20))
		if err != nil || !m.Truncated {
			t.Fatalf("%+v %v", m, err)
		}
		w.out <- m
		w.mu.Unlock()
		synctest.Wait()
		if e, ok := enters.Pop(); !ok || e.Match != Enter || !strings.Contains(string(e.JSON), `"n":1`) {
			t.Errorf("%v %s", ok, e.JSON)
		}
		if got := take(never); got != nil {
			t.Errorf("%v is not for this filter", got)
		}
		f.Close()
	})
}

func TestGuardOfAStreamToEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := began(t, FeedOptions{})
		s := open(t, f, Subscription{Guard: mask{hide: "n"}.guard})
		w.do(1, true)
		synctest.Wait()
		e, ok := s.Pop()
		if !ok || strings.Contains(string(e.JSON), `"n"`) {
			t.Fatalf("%v %s", ok, e.JSON)
		}
		f.Close()
	})
}

// pass lets time pass on the clock of a synctest bubble, which stands still while
// anybody in it has something to do: no real time goes by, and nothing depends
// on the machine's speed.
func pass(d time.Duration) { <-time.After(d) }
