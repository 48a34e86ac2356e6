package graphql

import (
	"context"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/plan"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/run"
	"github.com/octomesh/octomesh/services/gateway-http/replies"
)

// watch is one subscription, over either protocol.
type watch struct {
	request run.Request
	joins   bool // events need calls of the mesh
	stream  *live.Opened
	client  *live.Conn
	within  *replies.Room // what the connection may have, nil for one of its own
}

// watch subscribes. from is where the client says that it was; the argument
// position goes before it. Errors: INVALID_REQUEST, INVALID_FILTER, PARSE_ERROR,
// those of live.Feed.
func (t *GraphQL) watch(ctx context.Context, c *caller, p *plan.Plan, vars *plan.Vars, who *mesh.Principal) (*watch, error) {
	root := p.Roots[0]
	s := event.Subscription{Project: c.project.Slug, Entities: []string{root.Means.Entity.Name}, Principal: who, Transport: Transport}
	var err error
	if s.Filter, err = root.Filter(vars); err != nil {
		return nil, err
	}
	at, err := root.Arg(vars, "position")
	if err != nil {
		return nil, err
	}
	if at != "" {
		if s.From, err = mesh.ParsePosition(at); err != nil {
			return nil, err
		}
	}
	w := &watch{request: run.Request{
		Caller: t.door.Caller, Project: c.project.Slug, Plan: p, Vars: vars, Log: t.door.Log,
		Header: mesh.Header{Transport: Transport, RequestID: c.header.RequestID, CatalogVersion: c.header.CatalogVersion},
	}}
	for i := range root.Page {
		w.joins = w.joins || root.Page[i].Level != nil && root.Page[i].Level.Joins
	}
	w.stream, err = t.hub.Feed.Subscribe(ctx, s)
	return w, err
}

// append appends the response for an event.
func (w *watch) append(ctx context.Context, dst []byte, e *event.Event) []byte {
	r := w.request
	if w.joins { // rights as they are now
		token, err := w.client.Token(ctx)
		if err != nil {
			return run.Refuse(dst, err)
		}
		r.Header.Token = token
		r.Room = new(replies.Room)
		r.Room.Open(replies.Limit, w.within)
		defer r.Room.Leave()
	}
	return run.Event(ctx, r, e, dst).Body
}

// gap is the event that tells of a gap, for a stream that begins with one.
func (w *watch) gap() *event.Event { return &event.Event{Type: event.Gap, Position: w.stream.Start} }
