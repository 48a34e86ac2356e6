package graphql

import (
	"context"
	"sync"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/plan"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/run"
	"github.com/octomesh/octomesh/services/gateway-http/replies"
)

// operations are those that are under way over one connection, by the ids that
// its client gave them. They end with it, and what they fetch has one bound.
type operations struct {
	most int
	room replies.Room
	work sync.WaitGroup

	mu     sync.Mutex
	open   map[string]*underway
	closed bool
}

type underway struct{ cancel context.CancelFunc }

func (o *operations) prepare(most int) {
	o.most, o.open = most, map[string]*underway{}
	o.room.Open(replies.Limit, nil)
}

var errGone = fault.New(fault.NotFound, "there is no such stream: reserve one by PUT")

// begin registers an operation until the returned function is called. Errors:
// CONFLICT for an id that is in use, RATE_LIMITED when there are too many,
// NOT_FOUND when the connection is gone.
func (o *operations) begin(ctx context.Context, id string) (context.Context, func(), error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return nil, nil, errGone
	case o.open[id] != nil:
		return nil, nil, fault.New(fault.Conflict, "an operation with this id is under way")
	case len(o.open) >= o.most:
		return nil, nil, fault.New(fault.RateLimited, "a connection may have %d operations at the same time", o.most)
	}
	ctx, cancel := context.WithCancel(ctx)
	u := &underway{cancel}
	o.open[id] = u
	o.work.Add(1)
	return ctx, func() {
		defer o.work.Done()
		cancel()
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.open[id] == u { // else its client gave it up, and the id may be another's
			delete(o.open, id)
		}
	}, nil
}

// cancel ends an operation, if there is one of that id.
func (o *operations) cancel(id string) {
	o.mu.Lock()
	u := o.open[id]
	delete(o.open, id)
	o.mu.Unlock()
	if u != nil {
		u.cancel()
	}
}

// close lets no operation begin any more and waits for the others, whose context
// has ended.
func (o *operations) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.work.Wait()
}

// answer carries a query or a mutation out.
func (t *GraphQL) answer(ctx context.Context, o *operations, c *caller, p *plan.Plan, vars *plan.Vars, min string) []byte {
	ctx, cancel := context.WithTimeout(ctx, t.Sockets.Request)
	defer cancel()
	var room replies.Room
	room.Open(replies.Limit, &o.room)
	defer room.Leave()
	return run.Do(ctx, run.Request{
		Caller: t.door.Caller, Room: &room, Project: c.project.Slug, Header: c.header, Plan: p, Vars: vars, MinPosition: min, Log: t.door.Log,
	}, nil).Body
}

// pump hands the events of a subscription to send until the context ends or send
// fails; else the error tells why the stream ended.
func (w *watch) pump(ctx context.Context, send func(e *event.Event) bool) error {
	if w.stream.Gap && !send(w.gap()) {
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.stream.Ready():
		}
		end := w.stream.Err()
		for e, ok := w.stream.Pop(); ok; e, ok = w.stream.Pop() {
			if ctx.Err() != nil || !send(&e) {
				return nil
			}
		}
		if end != nil {
			return end
		}
	}
}
