package bus

import (
	"context"
	"errors"
	"hash/maphash"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// CutOff returns how long the bucket's watch has had no contact with it. In
// contact it stays below twice the probe interval. Who keeps things in memory
// because of a watch trusts them no more after 30 s.
func (b *Bucket) CutOff() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Since(b.contact)
}

func (b *Bucket) touch() {
	b.mu.Lock()
	b.contact = time.Now()
	b.mu.Unlock()
}

// Watch tells every value of the bucket, calls ready once after those that were
// there at the beginning, and goes on with each change until ctx ends. It
// resumes by itself after a lost connection: what changed meanwhile is told
// then, keys that are gone as deleted. After JetStream was wiped, what the new
// bucket lacks is not told as deleted, for its owner will fill it again. A value
// that is as it was told before is not told again. A Bucket has one Watch at a time;
// each runs in the caller's goroutine.
func (b *Bucket) Watch(ctx context.Context, each func(key string, value []byte, deleted bool), ready func()) {
	w := &watch{b: b, each: each, ready: ready, seed: maphash.MakeSeed(), told: make(map[string]uint64)}
	status := b.nc.StatusChanged(nats.CONNECTED)
	defer b.nc.RemoveStatusListener(status)
	for tries := 0; ctx.Err() == nil; tries++ {
		if w.follow(ctx, status) {
			tries = 0
		}
		t := time.NewTimer(backoff(tries, 10*time.Millisecond, time.Second))
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// watch is what a Watch knows.
type watch struct {
	b     *Bucket
	each  func(key string, value []byte, deleted bool)
	ready func()
	seed  maphash.Seed
	told  map[string]uint64 // hash of each value told, by key
	of    time.Time         // when the bucket was made that told them
}

// probed is the answer to the question whether the bucket is there.
type probed struct {
	created time.Time
	last    uint64 // sequence of the bucket's last message
	err     error
}

// follow watches until something calls for a new start; ok tells that it got to
// see the values.
func (w *watch) follow(ctx context.Context, status <-chan nats.Status) (ok bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	kv, err := w.b.bind(ctx, true)
	if err != nil {
		return false
	}
	at := w.probe(ctx, kv)
	if at.err != nil {
		return false
	}
	watcher, err := kv.WatchAll(ctx)
	if err != nil {
		return false
	}
	defer func() { _ = watcher.Stop() }()
	w.b.touch()

	initial := make(map[string]bool)
	var last, before uint64 // newest sequence seen, and at the probe before
	answers := make(chan probed, 1)
	asking, behind := false, false
	tick := time.NewTicker(w.b.cfg.Probe)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ok
		case <-status: // connected again: what happened meanwhile is unknown
			return ok
		case e, open := <-watcher.Updates():
			switch {
			case !open:
				return ok
			case e != nil:
				w.tell(e)
				last = max(last, e.Revision())
				if initial != nil && e.Operation() == jetstream.KeyValuePut {
					initial[e.Key()] = true
				}
			case initial != nil:
				ok = true
				last = max(last, at.last)
				w.finish(initial, at.created)
				initial = nil
			}
			w.b.touch()
		case <-tick.C:
			if !asking {
				asking = true
				go func() { answers <- w.probe(ctx, kv) }()
			}
		case p := <-answers:
			asking = false
			switch {
			case errors.Is(p.err, jetstream.ErrStreamNotFound):
				return ok
			case p.err != nil:
				continue // CutOff grows
			case !p.created.Equal(at.created), p.last < last:
				return ok // another bucket of the same name
			case p.last > last && last == before && behind:
				return ok // changes are there that do not come
			}
			behind, before = initial == nil && p.last > last, last
			w.b.touch()
		}
	}
}

// probe asks the server for the state of the bucket.
func (w *watch) probe(ctx context.Context, kv jetstream.KeyValue) probed {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	s, err := w.b.js.Stream(ctx, "KV_"+kv.Bucket())
	if err != nil {
		return probed{err: err}
	}
	info := s.CachedInfo()
	return probed{created: info.Created, last: info.State.LastSeq}
}

func (w *watch) tell(e jetstream.KeyValueEntry) {
	if e.Operation() != jetstream.KeyValuePut {
		if _, known := w.told[e.Key()]; known {
			delete(w.told, e.Key())
			w.each(e.Key(), nil, true)
		}
		return
	}
	sum := maphash.Bytes(w.seed, e.Value())
	if old, known := w.told[e.Key()]; known && old == sum {
		return
	}
	w.told[e.Key()] = sum
	w.each(e.Key(), e.Value(), false)
}

// finish ends the initial values: what was told before and is not among them
// was deleted meanwhile.
func (w *watch) finish(initial map[string]bool, created time.Time) {
	same, first := w.of.Equal(created), w.of.IsZero()
	w.of = created
	for key := range w.told {
		if same && !initial[key] {
			delete(w.told, key)
			w.each(key, nil, true)
		}
	}
	if w.ready != nil {
		w.ready()
		w.ready = nil
	}
	if !first && !same && w.b.cfg.Refill != nil {
		w.b.cfg.Refill()
	}
}
