package graphql

import (
	"context"
	"net"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/eventstream"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/run"
)

// How long an idle stream is quiet, and what a client may take for one write.
const (
	idle     = 12 * time.Second
	patience = 10 * time.Second
)

// stream answers a request that takes server-sent events, by the distinct
// connections mode of graphql-sse: each response is an event "next", the event
// "complete" ends the operation.
func (t *GraphQL) stream(r *request, list []operation, batched bool) {
	if batched {
		r.refuse(0, fault.New(fault.InvalidRequest, "a batch has no stream of events: open one for each request"))
		return
	}
	asked := r.prepare(&list[0])
	switch {
	case asked.refused != nil:
		r.reply(asked.status, asked.refused)
		return
	case asked.plan.Kind != ast.Subscription:
		body := r.execute([]byte("event: next\ndata: "), asked.plan, asked.vars)
		r.reply(asked.status, append(body, "\n\nevent: complete\ndata:\n\n"...))
		r.x.Ctx.Response.Header.SetContentType(eventstream.EventStream)
		return
	case r.x.Ctx.IsHead():
		r.refuseHead()
		return
	}
	r.x.Op = "subscribe"
	credential, err := t.door.Credential(r.x, false)
	if err != nil {
		r.refuse(0, err)
		return
	}
	client := t.hub.Add(credential, r.who, r.header.Token) // before, so that no revocation is missed
	w, err := t.watch(r.x.Context(), &r.caller, asked.plan, asked.vars, r.who)
	if err != nil {
		client.Remove()
		r.refuse(0, err)
		return
	}
	w.client = client
	f := &frames{watch: w}
	s := &eventstream.Session{
		Writer: eventstream.Writer{Patience: patience}, Frames: f, Stream: w.stream,
		Client: w.client, Pause: idle, Stopping: r.x.Stopping(),
	}
	hello := f.hello(r)
	if err := r.x.Hijack(func(ctx context.Context, c net.Conn) {
		f.ctx = ctx
		s.Run(ctx, c, hello)
	}, s.Close); err != nil {
		r.refuse(0, err)
	}
}

// idleFrame is a comment.
const idleFrame = ":\n\n"

// frames are the events of one subscription as graphql-sse names them.
type frames struct {
	*watch
	ctx context.Context
}

func (f *frames) hello(r *request) []byte {
	b := append(eventstream.Begin(r.x), idleFrame...)
	if f.stream.Gap {
		f.ctx = context.Background()
		b = f.Event(b, f.gap())
	}
	return b
}

// Event appends a response. JSON text has no line breaks, so one data line is
// enough.
func (f *frames) Event(b []byte, e *event.Event) []byte {
	b = append(b, "id: "...)
	b = append(e.Position.Append(b), "\nevent: next\ndata: "...)
	return append(f.append(f.ctx, b, e), "\n\n"...)
}

// Idle implements eventstream.Frames.
func (f *frames) Idle(b []byte, _ mesh.Position) []byte { return append(b, idleFrame...) }

// Bye tells why the stream ends and from where to go on, as an error, and then
// that the operation is complete.
func (f *frames) Bye(b []byte, e live.Ending) []byte {
	return append(append(append(b, "event: next\ndata: "...), farewell(e)...), "\n\nevent: complete\ndata:\n\n"...)
}

// farewell is the response that ends a subscription which the server ends.
func farewell(e live.Ending) []byte {
	code := e.Code
	if code == "" {
		code = fault.Unavailable
	}
	return run.Refuse(nil, fault.New(code, "the subscription ends (%s); go on from position", e.Reason).With(map[string]string{"reason": e.Reason, "position": e.Position.String()}))
}
