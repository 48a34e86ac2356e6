package graphql

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/eventstream"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// The single connection mode of graphql-sse (PROTOCOL.md): a PUT reserves a
// stream, a GET opens it, and all operations that are posted with its token are
// answered there, until a DELETE or the stream's end.

const (
	// reservation is how long a reserved stream may wait to be opened.
	reservation = 30 * time.Second
	// How many may wait: of one principal, and of all.
	maxWaitingOfOne = 256
	maxWaiting      = 8192
	// maxOperationID bounds an operation's id, in bytes.
	maxOperationID = 128
)

// streamToken is the token of a reserved stream that a request brings.
func streamToken(x *httpserver.Exchange) string {
	if token := string(x.Ctx.Request.Header.Peek("X-GraphQL-Event-Stream-Token")); token != "" {
		return token
	}
	return x.Query("token")
}

// opensSingle tells the request that opens a reserved stream.
func opensSingle(x *httpserver.Exchange) bool {
	return negotiate(x.Header("Accept")) == events && !x.Ctx.QueryArgs().Has("query") && streamToken(x) != ""
}

// single is one stream, reserved or open. It belongs to who reserved it: its
// operations take his credential, and a token alone only opens it, once.
type single struct {
	eventstream.Writer
	t        *GraphQL
	token    string
	owner    string // the principal's id
	project  string // id
	request  string // id of the reserving request, for logs
	live     *live.Conn
	ops      operations
	ctx      context.Context
	cancel   context.CancelCauseFunc
	stopping <-chan struct{}
	ready    chan struct{} // closed when it is open
	expires  *time.Timer
	closing  sync.Once
}

// singles are the streams of a gateway by their tokens.
type singles struct {
	mu      sync.Mutex
	all     map[string]*single
	waiting map[*single]struct{} // those that are not open yet
}

// add registers a stream that waits to be opened. Errors: OVERLOADED.
func (l *singles) add(s *single) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	mine := 0
	for w := range l.waiting {
		if w.owner == s.owner {
			mine++
		}
	}
	if mine >= maxWaitingOfOne || len(l.waiting) >= maxWaiting {
		return fault.New(fault.Overloaded, "too many streams are reserved and not opened").After(time.Second)
	}
	if l.all == nil {
		l.all, l.waiting = map[string]*single{}, map[*single]struct{}{}
	}
	l.all[s.token], l.waiting[s] = s, struct{}{}
	s.expires = time.AfterFunc(reservation, func() {
		if l.claim(s) == nil {
			s.close()
		}
	})
	return nil
}

// claim takes a stream that nobody has opened. Errors: CONFLICT.
func (l *singles) claim(s *single) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.waiting[s]; !ok {
		return fault.New(fault.Conflict, "this stream is open already: reserve another by PUT")
	}
	delete(l.waiting, s)
	s.expires.Stop()
	return nil
}

func (l *singles) find(token string) *single {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[token]
}

// of finds the stream of a caller. Errors: NOT_FOUND, for another's too.
func (l *singles) of(token string, c *caller) (*single, error) {
	s := l.find(token)
	if s == nil || s.owner != ownerOf(c) || s.project != c.project.ID {
		return nil, errGone
	}
	return s, nil
}

func (l *singles) remove(s *single) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.all, s.token)
	delete(l.waiting, s)
}

func ownerOf(c *caller) string {
	if c.who == nil {
		return ""
	}
	return c.who.ID
}

// reserve answers PUT with the token of a new stream.
func (t *GraphQL) reserve(x *httpserver.Exchange) {
	x.Op = "reserve"
	r := request{t: t, x: x, media: response}
	c, err := t.enter(x)
	if err != nil {
		r.refuse(0, err)
		return
	}
	credential, err := t.door.Credential(x, false)
	if err != nil {
		r.refuse(0, err)
		return
	}
	s := &single{
		t: t, Writer: eventstream.Writer{Patience: patience}, token: rand.Text(), owner: ownerOf(&c), project: c.project.ID,
		request: x.RequestID, stopping: x.Stopping(), ready: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.ops.prepare(t.Sockets.Operations)
	s.live = t.hub.Add(credential, c.who, c.header.Token)
	if err := t.singles.add(s); err != nil {
		s.close()
		r.refuse(0, err)
		return
	}
	x.Ctx.SetStatusCode(fasthttp.StatusCreated)
	x.Ctx.Response.Header.SetContentType("text/plain; charset=utf-8")
	x.SetHeader("Cache-Control", "no-store")
	x.Ctx.Response.SetBodyString(s.token)
}

// attach opens a reserved stream. A browser's own EventSource sends no headers, so
// the token is enough, for the moment that the reservation lasts; who shows a
// credential must be the one who reserved.
func (t *GraphQL) attach(x *httpserver.Exchange) {
	x.Op = "stream"
	r := request{t: t, x: x, media: response}
	if x.Ctx.IsHead() {
		r.refuseHead()
		return
	}
	s := t.singles.find(streamToken(x))
	var err error
	if s == nil {
		err = errGone
	} else if !door.Anonymous(x) {
		var c caller
		if c, err = t.enter(x); err == nil {
			_, err = t.singles.of(s.token, &c)
		}
	}
	if err == nil {
		err = t.singles.claim(s)
	}
	if err != nil {
		r.refuse(0, err)
		return
	}
	hello := append(eventstream.Begin(x), idleFrame...)
	if err := x.Hijack(func(ctx context.Context, c net.Conn) { s.serve(ctx, c, hello) }, s.close); err != nil {
		r.refuse(0, err)
	}
}

// refuseHead refuses who asks for the head of a stream alone, which would be opened,
// and a reservation used up, for nobody.
func (r *request) refuseHead() {
	r.x.SetHeader("Allow", "GET, POST, OPTIONS")
	r.refuse(0, fault.New(fault.MethodNotAllowed, "a stream of events is opened by GET or POST: HEAD would open it for nobody"))
}

// giveUp answers DELETE, which ends an operation; one that has ended by itself is
// no error.
func (t *GraphQL) giveUp(x *httpserver.Exchange) {
	x.Op = "complete"
	r := request{t: t, x: x, media: response}
	c, err := t.enter(x)
	var s *single
	if err == nil {
		s, err = t.singles.of(streamToken(x), &c)
	}
	id := x.Query("operationId")
	if err == nil && id == "" {
		err = fault.New(fault.MissingParams, "name the operation: ?operationId=")
	}
	if err != nil {
		r.refuse(0, err)
		return
	}
	s.ops.cancel(id)
	x.Empty(fasthttp.StatusOK)
}

// close ends the stream and everything on it.
func (s *single) close() {
	s.closing.Do(func() {
		s.t.singles.remove(s)
		s.cancel(nil)
		s.ops.close()
		s.live.Remove()
	})
}

// serve owns the open connection until its end.
func (s *single) serve(ctx context.Context, c net.Conn, hello []byte) {
	s.Conn = c
	defer s.close()
	if s.Write(hello) != nil {
		return
	}
	close(s.ready)
	gone := eventstream.Gone(c)
	defer func() {
		_ = c.Close()
		<-gone
	}()
	tick := time.NewTicker(idle)
	defer tick.Stop()
	for {
		select {
		case <-gone:
			return
		case <-ctx.Done():
			return
		case <-s.stopping:
			s.end(live.Ending{Reason: "shutdown"})
			return
		case e := <-s.live.Ended():
			s.end(e)
			return
		case now := <-tick.C:
			if e, ok := s.live.Check(ctx, now); !ok {
				s.end(e)
				return
			}
			if s.Write([]byte(idleFrame)) != nil {
				return
			}
		}
	}
}

// ended is why the server ends a stream, as a cause.
type ended struct{ live.Ending }

func (e ended) Error() string { return e.Reason }

// end lets every operation say why it ends.
func (s *single) end(e live.Ending) {
	s.cancel(ended{e})
	s.ops.close()
}

// accept begins an operation whose responses go out on the stream.
func (r *request) accept(list []operation, batched bool) {
	op := &list[0]
	switch {
	case batched:
		r.refuse(0, fault.New(fault.InvalidRequest, "a batch has no stream of events: send each request by itself"))
		return
	case op.id == "" || len(op.id) > maxOperationID:
		r.refuse(0, fault.New(fault.InvalidRequest, "extensions.operationId must be a text of 1 to %d bytes", maxOperationID))
		return
	}
	asked := r.prepare(op)
	if asked.refused != nil {
		r.reply(asked.status, asked.refused)
		return
	}
	s, id := r.single, strings.Clone(op.id)
	ctx, done, err := s.ops.begin(s.ctx, id)
	if err != nil {
		r.refuse(0, err)
		return
	}
	c, min := r.caller, strings.Clone(r.min) // the exchange is over before the operation is
	c.header.TraceParent, c.header.IdempotencyKey = strings.Clone(c.header.TraceParent), strings.Clone(c.header.IdempotencyKey)
	var w *watch
	if asked.plan.Kind == ast.Subscription {
		r.x.Op = "subscribe"
		if w, err = s.t.watch(r.x.Context(), &c, asked.plan, asked.vars, s.live.Principal()); err != nil {
			done()
			r.refuse(0, err)
			return
		}
		w.client, w.within = s.live, &s.ops.room
	}
	go func() {
		defer done()
		defer httpserver.Recover(s.t.door.Log, s.request)
		if w != nil {
			defer w.stream.Close()
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return
		case <-s.stopping:
			return
		}
		if w != nil {
			s.pump(ctx, id, w)
		} else if body := s.t.answer(ctx, &s.ops, &c, asked.plan, asked.vars, min); ctx.Err() == nil {
			s.last(id, body)
		} else {
			s.farewell(ctx, id, mesh.Position{})
		}
	}()
	r.x.Empty(fasthttp.StatusAccepted)
}

// pump sends the events of a subscription until it ends.
func (s *single) pump(ctx context.Context, id string, w *watch) {
	end := w.pump(ctx, func(e *event.Event) bool { return s.next(id, w.append(ctx, nil, e)) })
	if end != nil {
		s.last(id, farewell(live.EndingOf(end, w.stream.Position())))
		return
	}
	s.farewell(ctx, id, w.stream.Position())
}

// farewell says why an operation ends if the server ends it; who gave it up hears
// nothing more of it.
func (s *single) farewell(ctx context.Context, id string, at mesh.Position) {
	var why ended // a copy, which has its own position
	if errors.As(context.Cause(ctx), &why) {
		why.Position = at
		s.last(id, farewell(why.Ending))
	}
}

func (s *single) next(id string, body []byte) bool {
	b := schema.AppendString(append(make([]byte, 0, len(body)+len(id)+64), "event: next\ndata: {\"id\":"...), id)
	b = append(append(append(b, `,"payload":`...), body...), "}\n\n"...)
	return s.Write(b) == nil
}

// last sends the last response of an operation, and that it is complete.
func (s *single) last(id string, body []byte) {
	if s.next(id, body) {
		_ = s.Write(append(schema.AppendString([]byte("event: complete\ndata: {\"id\":"), id), "}\n\n"...))
	}
}
