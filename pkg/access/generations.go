package access

import "sync"

// generations is a bounded map that forgets what was not asked for lately: when
// the young generation is full it becomes the old one, and the former old one
// goes; what is found in the old one moves to the young one. That is close to
// LRU, and a hit in the young generation only takes a read lock.
type generations[K comparable, V any] struct {
	mu         sync.RWMutex
	limit      int // of one generation
	young, old map[K]kept[K, V]
}

// kept holds the key too: a caller's key may alias a buffer that it uses again.
type kept[K comparable, V any] struct {
	key   K
	value V
}

func newGenerations[K comparable, V any](limit int) *generations[K, V] {
	return &generations[K, V]{limit: limit, young: map[K]kept[K, V]{}, old: map[K]kept[K, V]{}}
}

func (g *generations[K, V]) get(k K) (V, bool) {
	g.mu.RLock()
	e, young := g.young[k]
	old := false
	if !young {
		e, old = g.old[k]
	}
	g.mu.RUnlock()
	if old {
		g.mu.Lock()
		if _, still := g.old[k]; still {
			g.keep(e)
		}
		g.mu.Unlock()
	}
	return e.value, young || old
}

// put stores v under k, which must be a copy.
func (g *generations[K, V]) put(k K, v V) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keep(kept[K, V]{k, v})
}

// add returns what is stored under k, which is v if there was nothing.
func (g *generations[K, V]) add(k K, v V) V {
	g.mu.Lock()
	defer g.mu.Unlock()
	e, ok := g.young[k]
	if !ok {
		if e, ok = g.old[k]; !ok {
			e = kept[K, V]{k, v}
		}
		g.keep(e)
	}
	return e.value
}

func (g *generations[K, V]) keep(e kept[K, V]) {
	delete(g.old, e.key)
	if _, ok := g.young[e.key]; !ok && len(g.young) >= g.limit {
		g.old, g.young = g.young, make(map[K]kept[K, V])
	}
	g.young[e.key] = e
}

// drop forgets every value for which gone returns true.
func (g *generations[K, V]) drop(gone func(V) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range []map[K]kept[K, V]{g.young, g.old} {
		for k, e := range m {
			if gone(e.value) {
				delete(m, k)
			}
		}
	}
}

// remove forgets k.
func (g *generations[K, V]) remove(k K) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.young, k)
	delete(g.old, k)
}

func (g *generations[K, V]) clear() { g.drop(func(V) bool { return true }) }
