package graphql

import "sync"

// cache is a map of bounded weight that forgets what was not asked for lately:
// when the young generation is full it becomes the old one, and the former old
// one goes; what is found in the old one moves to the young one.
type cache[K comparable, V any] struct {
	mu         sync.RWMutex
	limit      int // weight of one generation
	weight     int // of the young one
	former     int // weight of the old one
	young, old map[K]entry[K, V]
}

// entry holds the key too: a caller's may alias a buffer that is used again.
type entry[K comparable, V any] struct {
	key    K
	value  V
	weight int
}

func newCache[K comparable, V any](limit int) *cache[K, V] {
	return &cache[K, V]{limit: limit, young: map[K]entry[K, V]{}}
}

func (c *cache[K, V]) get(k K) (V, bool) {
	c.mu.RLock()
	e, ok := c.young[k]
	if !ok {
		e, ok = c.old[k]
		if ok {
			c.mu.RUnlock()
			c.put(e.key, e.value, e.weight)
			return e.value, true
		}
	}
	c.mu.RUnlock()
	return e.value, ok
}

// held is the weight of both generations.
func (c *cache[K, V]) held() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.weight + c.former
}

// put stores v under k, which must be a copy. What weighs more than a whole
// generation is not kept.
func (c *cache[K, V]) put(k K, v V, weight int) {
	if weight > c.limit {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.young[k]; ok {
		c.weight -= old.weight
	}
	if c.weight+weight > c.limit {
		c.old, c.former = c.young, c.weight
		c.young, c.weight = map[K]entry[K, V]{}, 0
	}
	c.weight += weight
	c.young[k] = entry[K, V]{k, v, weight}
}
