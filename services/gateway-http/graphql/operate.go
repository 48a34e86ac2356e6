package graphql

import (
	"context"
	"errors"
	"strings"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fastjson"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/plan"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/run"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// message is one that a client sent.
type message struct {
	kind, id string
	payload  *fastjson.Value
	doc      *strictjson.Doc
}

// receive reads the next message; nil without an error for one that made the
// connection end.
func (s *socket) receive() (*message, error) {
	kind, b, err := s.conn.ReadMessage()
	if err != nil {
		return nil, err
	}
	s.hear()
	invalid := func(why string) (*message, error) {
		s.finish(closeBadRequest, why)
		return nil, nil
	}
	if kind != websocket.TextMessage {
		return invalid("Invalid message: text is expected")
	}
	doc, err := strictjson.Parse(b)
	if err != nil {
		return invalid("Invalid message: " + fault.From(err).Message)
	}
	text := func(name string) (string, bool) {
		v := doc.Root.Get(name)
		if v == nil {
			return "", true
		}
		b, err := v.StringBytes()
		return string(b), err == nil
	}
	m := &message{doc: doc, payload: doc.Root.Get("payload")}
	var ok1, ok2 bool
	m.kind, ok1 = text("type")
	m.id, ok2 = text("id")
	if doc.Root.Type() != fastjson.TypeObject || !ok1 || !ok2 || m.kind == "" {
		return invalid("Invalid message: type is missing")
	}
	return m, nil
}

// handle answers a message after connection_init.
func (s *socket) handle(m *message) {
	switch m.kind {
	case "subscribe":
		if m.id == "" || m.payload == nil || len(m.id) > 128 {
			s.finish(closeBadRequest, "Invalid message: subscribe has id and payload")
			return
		}
		s.subscribe(m)
		return
	case "complete":
		s.ops.cancel(m.id)
	case "ping":
		b := []byte(`{"type":"pong"`)
		if m.payload != nil {
			b = strictjson.Compact(append(b, `,"payload":`...), m.payload)
		}
		_ = s.say(append(b, '}'))
	case "pong":
	case "connection_init":
		s.finish(closeTooManyInits, "Too many initialisation requests")
	default:
		s.finish(closeBadRequest, "Invalid message: there is no such type")
	}
	m.doc.Release()
}

// subscribe begins an operation of any kind.
func (s *socket) subscribe(m *message) {
	ctx, done, err := s.ops.begin(s.ctx, m.id)
	switch fault.CodeOf(err) {
	case "":
	case fault.Conflict:
		m.doc.Release()
		s.finish(closeExists, "Subscriber for "+m.id+" already exists")
		return
	default:
		s.refuse(m.id, run.Refuse(nil, err))
		m.doc.Release()
		return
	}
	go func() {
		defer done()
		defer httpserver.Recover(s.log, s.id)
		s.operate(ctx, m)
	}()
}

// head begins a message about an operation.
func head(kind, id string) []byte {
	b := append([]byte(`{"type":"`), kind...)
	return schema.AppendString(append(b, `","id":`...), id)
}

// refuse ends an operation that was not carried out; body is {"errors":[…]}.
func (s *socket) refuse(id string, body []byte) {
	list := strings.TrimSuffix(strings.TrimPrefix(string(body), `{"errors":`), "}")
	_ = s.say(append(append(append(head("error", id), `,"payload":`...), list...), '}'))
}

func (s *socket) next(id string, body []byte) error {
	return s.say(append(append(append(head("next", id), `,"payload":`...), body...), '}'))
}

// operate carries an operation out.
func (s *socket) operate(ctx context.Context, m *message) {
	c, p, vars, refused := s.prepare(ctx, m)
	m.doc.Release() // what lives longer is a copy
	if refused != nil {
		s.refuse(m.id, refused)
		return
	}
	if p.Kind != ast.Subscription {
		body := s.t.answer(ctx, &s.ops, c, p, vars, "")
		if ctx.Err() == nil && s.next(m.id, body) == nil {
			_ = s.say(append(head("complete", m.id), '}'))
		}
		return
	}
	short, cancel := context.WithTimeout(ctx, s.t.Sockets.Request)
	w, err := s.t.watch(short, c, p, vars, s.live.Principal())
	cancel()
	if err != nil {
		s.refuse(m.id, run.Refuse(nil, err))
		return
	}
	w.client, w.within = s.live, &s.ops.room
	defer w.stream.Close()
	s.pump(ctx, m.id, w)
}

// prepare finds out what is asked; the last result is the answer to what cannot
// be carried out.
func (s *socket) prepare(ctx context.Context, m *message) (*caller, *plan.Plan, *plan.Vars, []byte) {
	refuse := func(err error) (*caller, *plan.Plan, *plan.Vars, []byte) { return nil, nil, nil, run.Refuse(nil, err) }
	op, err := operationOf(m.payload)
	if err != nil {
		return refuse(err)
	}
	if _, err := s.t.door.Rates.Take(s.live.Principal()); err != nil {
		return refuse(err)
	}
	c := &caller{project: s.project, who: s.live.Principal()}
	if now := s.t.door.Projects.Get(s.project.Slug); now != nil && now.ID == s.project.ID {
		c.project = now // its catalog may have changed meanwhile
	}
	token, err := s.live.Token(ctx)
	if err != nil {
		return refuse(err)
	}
	c.header = mesh.Header{Transport: Transport, RequestID: telemetry.NewRequestID(), CatalogVersion: c.project.Version, Token: token}
	if c.view, err = s.t.viewOf(c.project, c.who); err != nil {
		return refuse(err)
	}
	known, err := s.t.document(&op)
	if err != nil {
		return refuse(err)
	}
	if !known {
		return nil, nil, nil, []byte(errNotPersisted)
	}
	p, problems := s.t.compile(c, op.query, op.name)
	if problems != nil {
		return nil, nil, nil, run.Problems(nil, problems)
	}
	vars, err := s.t.bind(p, op.variables)
	if err != nil {
		return refuse(err)
	}
	return c, p, vars, nil
}

// pump sends the events of a subscription until it ends.
func (s *socket) pump(ctx context.Context, id string, w *watch) {
	end := w.pump(ctx, func(e *event.Event) bool { return s.next(id, w.append(ctx, nil, e)) == nil })
	if end == nil {
		return
	}
	var slow *event.Slow
	e := live.EndingOf(end, w.stream.Position())
	if !errors.As(end, &slow) && (e.Reason == "revoked" || e.Reason == "shutdown") {
		s.end(e)
		return
	}
	s.refuse(id, farewell(e))
}
