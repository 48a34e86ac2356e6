package event

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// world is a model of what a Feed stands on: a change log that can be trimmed
// and restored from a backup, and a stream that can be wiped. It is a source.
type world struct {
	epoch   string
	epochs  int
	changes []mesh.Change            // what the log holds, oldest first
	top     int64                    // the newest seq
	history map[string][]mesh.Change // all that an epoch's log ever held
	stream  []published
	next    int64 // seq after which the relay publishes
	down    bool  // nobody answers for the log
}

type published struct {
	epoch string
	prev  int64
	c     mesh.Change
}

func newWorld() *world { return &world{epoch: "e0", history: map[string][]mesh.Change{}} }

func (w *world) commit(entity string, n int) {
	w.top++
	c := mesh.Change{
		Seq: w.top, Entity: entity, ID: fmt.Sprint("r", w.top%7), Verb: mesh.Updated, Changed: []string{"n"},
		After: fmt.Appendf(nil, `{"id":"r%d","_version":2,"n":%d}`, w.top%7, n), Old: fmt.Appendf(nil, `{"n":%d}`, n-1),
	}
	w.changes = append(w.changes, c)
	w.history[w.epoch] = append(w.history[w.epoch], c)
}

// restore puts the log back by some changes, under a new epoch.
func (w *world) restore(back int) {
	keep := max(0, len(w.changes)-back)
	if keep < len(w.changes) {
		w.top = w.changes[keep].Seq - 1
	}
	w.changes = w.changes[:keep:keep]
	old := w.history[w.epoch]
	w.epochs++
	w.epoch = fmt.Sprint("e", w.epochs)
	for _, c := range old {
		if c.Seq <= w.top {
			w.history[w.epoch] = append(w.history[w.epoch], c)
		}
	}
	w.next = w.top
}

func (w *world) trim(keep int) {
	if n := len(w.changes) - max(1, keep); n > 0 {
		for n > 0 && w.changes[n-1].Seq > w.next { // never what is not published
			n--
		}
		w.changes = w.changes[n:]
	}
}

func (w *world) oldest() int64 {
	if len(w.changes) == 0 {
		return w.top + 1
	}
	return w.changes[0].Seq
}

// publish stores the next change in the stream.
func (w *world) publish() (published, bool) {
	prev := w.next
	for _, c := range w.changes {
		if c.Seq > prev {
			w.next = c.Seq
			w.stream = append(w.stream, published{w.epoch, prev, c})
			return w.stream[len(w.stream)-1], true
		}
	}
	return published{}, false
}

func (w *world) wipe() {
	w.stream = nil
	w.next = w.oldest() - 1
}

func (x published) message() *Message {
	m, err := Decode(x.c.AppendEvent(nil, "p", x.epoch, 0))
	if err != nil {
		panic(err)
	}
	m.Prev = x.prev
	return m
}

func (w *world) live(string, chan<- *Message) (<-chan struct{}, func(), error) {
	return nil, func() {}, nil
}

func (w *world) recent(_ context.Context, _ string, most int) (out []*Message, _ error) {
	for _, x := range w.stream[max(0, len(w.stream)-most):] {
		out = append(out, x.message())
	}
	return out, nil
}

func (w *world) tail(context.Context, string) (mesh.Position, error) {
	if len(w.stream) == 0 {
		return mesh.Position{}, nil
	}
	x := w.stream[len(w.stream)-1]
	return mesh.Position{Epoch: x.epoch, Seq: x.c.Seq}, nil
}

func (w *world) head(context.Context, string) (mesh.Position, error) {
	if w.down {
		return mesh.Position{}, fault.New(fault.NoHandler, "down")
	}
	return mesh.Position{Epoch: w.epoch, Seq: w.top}, nil
}

func (w *world) log(_ context.Context, _ string, after mesh.Position, limit int) ([]*Message, error) {
	if w.down {
		return nil, fault.New(fault.NoHandler, "down")
	}
	if after.Epoch != w.epoch || after.Seq > w.top || after.Seq < w.oldest()-1 {
		return nil, fault.New(fault.Gap, "gap")
	}
	var out []*Message
	prev := after.Seq
	for _, c := range w.changes {
		if c.Seq > after.Seq && len(out) < limit {
			out = append(out, published{w.epoch, prev, c}.message())
			prev = c.Seq
		}
	}
	return out, nil
}

const twoEntities = `[
 {"name":"A","collection":"as","fields":{"n":{"type":"integer"},"note":{"type":"string"}}},
 {"name":"B","collection":"bs","fields":{"n":{"type":"integer"}}}]`

func catalog(t testing.TB) *schema.Catalog {
	t.Helper()
	cat, err := schema.Parse([]byte(twoEntities))
	if err != nil {
		t.Fatal(err)
	}
	return cat
}

// everyone may do everything.
var everyone = &mesh.Principal{ID: "k:1", Kind: mesh.Key, Scopes: mesh.Scopes{"projects": {"*"}, "operations": {"*"}, "transports": {"*"}}}

// watcher is a stream and what its reader got.
type watcher struct {
	s        *Stream
	entities []string
	from     mesh.Position
	got      []Event
	justGap  bool // something has happened that excuses a gap
	end      error
}

func (w *watcher) read(most int) {
	for range most {
		e, ok := w.s.Pop()
		if !ok {
			w.end = w.s.Err()
			return
		}
		w.got = append(w.got, e)
	}
}

// TestEveryChangeOnceInOrderOrAGap holds the live end of a project to the model
// under loss, duplicates, late messages, reconnects, trimming, wiped streams
// and restored logs.
func TestEveryChangeOnceInOrderOrAGap(t *testing.T) {
	cat := catalog(t)
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		w := newWorld()
		for range rapid.IntRange(0, 20).Draw(t, "before") {
			w.commit("A", 1)
			w.publish()
		}
		f := newFeed(FeedOptions{
			RingEvents: rapid.IntRange(2, 12).Draw(t, "ring"),
			Catalog:    func(string) (*Project, bool) { return &Project{ID: "1", Slug: "p", Catalog: cat}, true },
		}, w)
		p := newProject(f, "p", cat)
		p.refs = 1
		if err := p.position(ctx); err != nil {
			t.Fatal(err)
		}
		var all []*watcher
		one := func(t *rapid.T) *watcher {
			if len(all) == 0 {
				t.Skip()
			}
			return rapid.SampledFrom(all).Draw(t, "watcher")
		}
		excuse := func() {
			for _, x := range all {
				x.justGap = true
			}
		}
		advance := func(x *watcher) {
			if x.s.waiting() <= x.s.buffer/2 {
				p.advance(ctx, x.s)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"commit": func(t *rapid.T) {
				w.commit(rapid.SampledFrom([]string{"A", "B"}).Draw(t, "entity"), rapid.IntRange(0, 3).Draw(t, "n"))
			},
			"publish": func(t *rapid.T) {
				for range rapid.IntRange(1, 4).Draw(t, "many") {
					x, ok := w.publish()
					if ok && rapid.IntRange(0, 3).Draw(t, "fate") > 0 {
						p.receive(ctx, x.message())
					}
				}
			},
			"again": func(t *rapid.T) {
				if len(w.stream) == 0 {
					t.Skip()
				}
				p.receive(ctx, rapid.SampledFrom(w.stream).Draw(t, "old").message())
			},
			"reconnect": func(*rapid.T) { p.checkTail(ctx) },
			"trim":      func(t *rapid.T) { w.trim(rapid.IntRange(0, 10).Draw(t, "keep")); excuse() },
			"wipe":      func(*rapid.T) { w.wipe() },
			"restore":   func(t *rapid.T) { w.restore(rapid.IntRange(0, 5).Draw(t, "back")); excuse() },
			"subscribe": func(t *rapid.T) {
				x := &watcher{}
				if rapid.Bool().Draw(t, "resume") {
					x.from = mesh.Position{Epoch: fmt.Sprint("e", rapid.IntRange(0, w.epochs+1).Draw(t, "epoch")), Seq: int64(rapid.IntRange(0, int(w.top)+2).Draw(t, "seq"))}
				}
				x.entities = rapid.SampledFrom([][]string{nil, {"A"}, {"B"}, {"A", "bs"}}).Draw(t, "entities")
				s, err := p.join(ctx, Subscription{
					Project: "p", Entities: x.entities, From: x.from, Principal: everyone,
					Buffer: rapid.SampledFrom([]int{16, 1000}).Draw(t, "buffer"),
				}, cat)
				if err != nil {
					t.Fatalf("subscribe: %v", err)
				}
				if x.from.Epoch == w.epoch && x.from.Seq > w.top && !s.Gap {
					t.Fatalf("%v, which nobody has written yet, was taken for a place to resume from", x.from)
				}
				x.s = s
				// The Feed has yet to learn of it, or will when the ring has moved on.
				x.justGap = p.at().Epoch != w.epoch || min(p.at().Seq, s.Start.Seq) < w.oldest()-1
				all = append(all, x)
			},
			"advance": func(t *rapid.T) { advance(one(t)) },
			"read":    func(t *rapid.T) { one(t).read(rapid.IntRange(1, 5).Draw(t, "many")) },
			"close":   func(t *rapid.T) { one(t).s.Close() },
			"":        func(*rapid.T) {},
		})
		// Let everything arrive.
		for {
			x, ok := w.publish()
			if !ok {
				break
			}
			p.receive(ctx, x.message())
		}
		p.checkTail(ctx)
		if w.epoch != p.at().Epoch { // nothing was published under the new epoch
			w.commit("A", 1)
			x, _ := w.publish()
			p.receive(ctx, x.message())
		}
		for range 200 {
			for _, x := range all {
				x.read(1000)
				advance(x)
			}
		}
		for i, x := range all {
			x.read(1 << 20)
			if err := w.check(x); err != nil {
				t.Fatalf("watcher %d from %q on %v: %v", i, x.from, x.entities, err)
			}
		}
	})
}

// check holds what a reader got to the histories.
func (w *world) check(x *watcher) error {
	if x.from.IsZero() == x.s.Gap && x.from.IsZero() {
		return errors.New("a gap though no position was asked for")
	}
	if !x.from.IsZero() && !x.s.Gap && x.s.Start != x.from {
		return fmt.Errorf("began at %v without a gap", x.s.Start)
	}
	at := x.s.Start
	for _, e := range x.got {
		if e.Type == Gap {
			if !x.justGap {
				return fmt.Errorf("a gap to %v without a reason", e.Position)
			}
			at = e.Position
			continue
		}
		want, ok := w.after(at, x.entities)
		if !ok || want.Seq != e.Position.Seq || e.Position.Epoch != at.Epoch {
			return fmt.Errorf("after %v came %v, not %d", at, e.Position, want.Seq)
		}
		if !strings.Contains(string(e.JSON), `"position":"`+e.Position.String()+`"`) || strings.Contains(string(e.JSON), `"old"`) {
			return fmt.Errorf("the event's text is wrong: %s", e.JSON)
		}
		at = e.Position
	}
	var slow *Slow
	if errors.As(x.end, &slow) {
		last := x.s.Start
		if len(x.got) > 0 {
			last = x.got[len(x.got)-1].Position
		}
		if slow.Position != last {
			return fmt.Errorf("too slow, to resume after %v, not %v", slow.Position, last)
		}
		return nil
	}
	if x.end != nil {
		return nil // closed
	}
	if at.Epoch != w.epoch {
		return fmt.Errorf("ended in epoch %s, not %s", at.Epoch, w.epoch)
	}
	if missing, ok := w.after(at, x.entities); ok {
		return fmt.Errorf("nothing came after %v, missing %d", at, missing.Seq)
	}
	return nil
}

// after is the first change after a position that a watcher of the entities
// must get.
func (w *world) after(at mesh.Position, entities []string) (mesh.Change, bool) {
	for _, c := range w.history[at.Epoch] {
		if c.Seq > at.Seq && (entities == nil || slices.Contains(entities, c.Entity) || c.Entity == "B" && slices.Contains(entities, "bs")) {
			return c, true
		}
	}
	return mesh.Change{}, false
}
