package graphql

import (
	"context"
	"net"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/eventstream"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/run"
)

const eventStream = "text/event-stream; charset=utf-8"

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
	op := &list[0]
	if known, err := t.document(op); err != nil || !known {
		if err == nil {
			r.reply(fasthttp.StatusOK, []byte(errNotPersisted))
			return
		}
		r.refuse(0, err)
		return
	}
	p, problems := t.compile(&r.caller, op.query, op.name)
	if problems != nil {
		r.x.Code = string(problems[0].Code)
		r.reply(fasthttp.StatusBadRequest, run.Problems(nil, problems))
		return
	}
	if p.Kind != ast.Subscription {
		body, status := r.one([]byte("event: next\ndata: "), op)
		if status != fasthttp.StatusOK {
			r.reply(status, body[len("event: next\ndata: "):])
			return
		}
		r.reply(status, append(body, "\n\nevent: complete\ndata:\n\n"...))
		r.x.Ctx.Response.Header.SetContentType(eventStream)
		return
	}
	r.x.Op = "subscribe"
	vars, err := t.bind(p, op.variables)
	if err != nil {
		r.refuse(fasthttp.StatusBadRequest, err)
		return
	}
	credential, err := t.door.Credential(r.x, false)
	if err != nil {
		r.refuse(0, err)
		return
	}
	client := t.hub.Add(credential, r.who, r.header.Token) // before, so that no revocation is missed
	w, err := t.watch(r.x.Context(), &r.caller, p, vars, r.who)
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

// frames are the events of one subscription as graphql-sse names them.
type frames struct {
	*watch
	ctx context.Context
}

func (f *frames) hello(r *request) []byte {
	h := &r.x.Ctx.Response.Header
	h.SetStatusCode(fasthttp.StatusOK)
	h.SetContentType(eventStream)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	h.SetContentLength(-2)
	h.SetConnectionClose()
	b := append(h.AppendBytes(make([]byte, 0, 512)), ":\n\n"...)
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

// Idle is a comment.
func (f *frames) Idle(b []byte, _ mesh.Position) []byte { return append(b, ":\n\n"...) }

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
