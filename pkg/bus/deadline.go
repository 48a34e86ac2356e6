package bus

import (
	"context"
	"sync"
	"time"
)

// deadlineStep is how much later than its deadline a call may be ended.
const deadlineStep = 20 * time.Millisecond

// deadlines lends contexts to calls. Calls whose deadlines are less than a step
// apart share one context with one timer. It goes on when a call returns, so who
// asks to be told of its end must take that back.
type deadlines struct {
	below context.Context
	start time.Time

	mu  sync.Mutex
	all map[int64]context.Context // by steps since start
}

func newDeadlines(below context.Context) *deadlines {
	return &deadlines{below: below, start: time.Now(), all: make(map[int64]context.Context)}
}

// until returns a context that ends at a deadline, or up to a step later.
func (d *deadlines) until(at time.Time) context.Context {
	step := int64(at.Sub(d.start)/deadlineStep) + 1
	d.mu.Lock()
	defer d.mu.Unlock()
	shared := d.all[step]
	if shared == nil {
		ctx, cancel := context.WithDeadline(d.below, d.start.Add(time.Duration(step)*deadlineStep))
		context.AfterFunc(ctx, func() {
			cancel()
			d.mu.Lock()
			delete(d.all, step)
			d.mu.Unlock()
		})
		shared, d.all[step] = ctx, ctx
	}
	return &bounded{shared, at}
}

// bounded tells a call's own deadline.
type bounded struct {
	context.Context
	at time.Time
}

// Deadline implements context.Context.
func (b *bounded) Deadline() (time.Time, bool) { return b.at, true }
