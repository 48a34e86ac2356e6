// Package deadline lends contexts with deadlines to calls: moments come in, and
// those that lie close together leave with one timer. Of thousands of calls a
// second hardly one ends by its deadline, but each would pay for a timer and a
// cancel function of its own.
package deadline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Step is how much later than its deadline a call may be ended.
const Step = 20 * time.Millisecond

// Group lends contexts. Calls whose deadlines are less than a step apart share
// one context with one timer. It goes on when a call returns, so who asks to be
// told of its end must take that back. A Group is safe for concurrent use.
type Group struct {
	below context.Context
	start time.Time
	last  atomic.Pointer[shared] // the one lent last: most deadlines come in order

	mu  sync.Mutex
	all map[int64]*shared // by steps since start
}

// shared is the context of one step.
type shared struct {
	context.Context
	step int64
}

// NewGroup returns a Group whose contexts end at the latest when below does.
func NewGroup(below context.Context) *Group {
	return &Group{below: below, start: time.Now(), all: make(map[int64]*shared)}
}

// Until returns a context that ends at a deadline, or up to a Step later.
func (g *Group) Until(at time.Time) context.Context {
	step := int64(at.Sub(g.start)/Step) + 1
	s := g.last.Load()
	if s == nil || s.step != step {
		s = g.share(step)
	}
	return &bounded{s, at}
}

func (g *Group) share(step int64) *shared {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.all[step]
	if s == nil {
		ctx, cancel := context.WithDeadline(g.below, g.start.Add(time.Duration(step)*Step))
		s = &shared{ctx, step}
		g.all[step] = s
		context.AfterFunc(ctx, func() {
			cancel()
			g.last.CompareAndSwap(s, nil)
			g.mu.Lock()
			delete(g.all, step)
			g.mu.Unlock()
		})
	}
	g.last.Store(s)
	return s
}

// bounded tells a call's own deadline.
type bounded struct {
	*shared
	at time.Time
}

// Deadline implements context.Context.
func (b *bounded) Deadline() (time.Time, bool) { return b.at, true }
