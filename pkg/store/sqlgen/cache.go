package sqlgen

import (
	"sync"

	"github.com/octomesh/octomesh/pkg/schema"
)

// Plan is a compiled statement. It is read-only and safe for concurrent use;
// its address identifies it, so that a connection can keep it prepared.
type Plan struct {
	SQL string
	// Columns are the result columns, in order.
	Columns []*schema.Column
	// Kinds are the kinds of the result columns.
	Kinds []schema.Kind
	// Params is the number of placeholders.
	Params int
	// Point tells that the statement touches at most the rows of the ids that
	// it names: it is never long.
	Point bool
	// Residual tells that the statement reads whole rows, in the wanted order but
	// without limit and skip, among them some that the condition does not leave:
	// package residual makes the answer of them.
	Residual bool

	key        string
	prev, next *Plan
}

// cache is a bounded set of plans; the least recently used one goes first.
type cache struct {
	mu    sync.Mutex
	plans map[string]*Plan
	max   int
	ring  Plan // next: most recently used, prev: least
}

func (c *cache) init(max int) {
	c.plans = make(map[string]*Plan)
	c.max = max
	c.ring.next, c.ring.prev = &c.ring, &c.ring
}

func (c *cache) get(key []byte) *Plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.plans[string(key)] // no copy of the key
	if p != nil && c.ring.next != p {
		p.unlink()
		c.front(p)
	}
	return p
}

// put adds a plan unless another goroutine was faster, whose plan it returns.
func (c *cache) put(key []byte, p *Plan) *Plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.plans[string(key)]; other != nil {
		return other
	}
	if len(c.plans) >= c.max {
		old := c.ring.prev
		old.unlink()
		delete(c.plans, old.key)
	}
	p.key = string(key)
	c.plans[p.key] = p
	c.front(p)
	return p
}

func (c *cache) front(p *Plan) {
	p.prev, p.next = &c.ring, c.ring.next
	c.ring.next.prev = p
	c.ring.next = p
}

func (p *Plan) unlink() {
	p.prev.next, p.next.prev = p.next, p.prev
	p.prev, p.next = nil, nil
}
