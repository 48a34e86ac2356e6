package ws

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// greet tells the client that it is known, and what there is to hear. Without
// ?events=0 it then hears everything that it may read of its project.
func (c *conn) greet(p *mesh.Principal) error {
	project, err := c.t.door.Projects.Find(c.project)
	if err != nil {
		return err
	}
	b := []byte(`{"type":"connected","entities":[`)
	may := c.t.may(p, project) == nil
	if may {
		for i, e := range project.Catalog.Entities {
			if i > 0 {
				b = append(b, ',')
			}
			b = schema.AppendString(b, e.Name)
		}
	}
	b = append(b, `],"connectedAt":"`...)
	b = schema.AppendTime(b, time.Now().UnixMilli())
	b = append(append(append(b, `","project":"`...), project.Slug...), '"')
	if !may || c.quiet {
		return c.say(append(b, '}'))
	}
	s, err := c.open("", nil, nil, c.project, mesh.Position{})
	if err != nil {
		return c.say(append(b, '}')) // requests can still be answered
	}
	b = append(b, `,"position":"`...)
	b = append(s.stream.Start.Append(b), `"}`...)
	if err := c.say(b); err != nil {
		s.stream.Close()
		return err
	}
	c.start(s)
	return nil
}

// say sends one text frame.
func (c *conn) say(payload []byte) error { return c.out.Write(appendFrame(nil, opText, payload)) }

// handle answers one message, which it releases; false ends the connection.
func (c *conn) handle(m *message) bool {
	f, err := parseFrame(m.b)
	if err != nil {
		var id []byte
		if f != nil {
			id = f.reqID
		}
		m.release()
		return c.fail(about{reqID: id}, err) == nil
	}
	done := func() { f.release(); m.release() }
	switch f.kind {
	case "":
		select {
		case c.slots <- struct{}{}:
		case <-c.ctx.Done():
			done()
			return false
		}
		c.work.Go(func() {
			defer httpserver.Recover(c.log, c.id)
			defer func() { <-c.slots }()
			defer done()
			c.request(f)
		})
		return true
	case "ping":
		err = c.answer(f, `{"type":"pong"`)
	case "subscribe":
		err = c.subscribe(f)
	case "unsubscribe":
		err = c.unsubscribe(f)
	case "auth":
		err = c.fail(about{reqID: f.reqID}, fault.New(fault.InvalidRequest, "this connection is authenticated already"))
	default:
		err = c.fail(about{reqID: f.reqID}, fault.New(fault.InvalidRequest, "there is no message of this type; there are auth, subscribe, unsubscribe and ping"))
	}
	done()
	return err == nil
}

// refuse answers a message that is not looked at closely.
func (c *conn) refuse(msg []byte, err error) {
	var id []byte
	if f, err := parseFrame(msg); err == nil {
		id = f.reqID
		f.release()
	}
	_ = c.fail(about{reqID: id}, err)
}

// answer sends an object of ours, begun without reqId and end.
func (c *conn) answer(f *frame, begun string) error {
	b := []byte(begun)
	if f.reqID != nil {
		b = append(append(b, `,"reqId":`...), f.reqID...)
	}
	return c.say(append(b, '}'))
}

// about is what a response says beside the body of the REST reply: what HTTP has
// in headers.
type about struct {
	reqID     []byte // as the client wrote it; nil = it gave none
	requestID string // "" for a message that was not looked at as a request
	replayed  bool
	wait      int64 // seconds until a repetition makes sense; 0 = none
}

// respond sends a reply body as {"type":"response","reqId":…,"requestId":…,
// "status":…}, with "replayed":true or "retryAfter":seconds where there is such.
func (c *conn) respond(a about, body []byte) error {
	head := append(make([]byte, 0, 192), `{"type":"response",`...)
	if a.reqID != nil {
		head = append(append(append(head, `"reqId":`...), a.reqID...), ',')
	}
	if a.requestID != "" {
		head = append(schema.AppendString(append(head, `"requestId":`...), a.requestID), ',')
	}
	if a.replayed {
		head = append(head, `"replayed":true,`...)
	}
	if a.wait > 0 {
		head = append(strconv.AppendInt(append(head, `"retryAfter":`...), a.wait, 10), ',')
	}
	n := len(head) + len(body) - 1
	b := appendHeader(make([]byte, 0, maxHeader+n), opText, n)
	return c.out.Write(append(append(b, head...), body[1:]...))
}

// fail responds with an error.
func (c *conn) fail(a about, err error) error {
	e := fault.From(err)
	a.wait = e.RetrySeconds()
	return c.respond(a, e.AppendReply(nil))
}

// request calls the mesh with a bare request object.
func (c *conn) request(f *frame) {
	start := time.Now()
	op, code := "none", "ok"
	r := &mesh.Request{Header: mesh.Header{Transport: Transport, RequestID: f.text("requestId")}}
	if !telemetry.ValidRequestID(r.RequestID) {
		r.RequestID = telemetry.NewRequestID()
	}
	_, err := c.t.door.Rates.Take(c.live.Principal())
	if err == nil {
		err = c.translate(f, r)
	}
	if err == nil {
		op = r.Op
		err = c.call(about{reqID: f.reqID, requestID: r.RequestID}, r)
	}
	if err != nil {
		e := fault.From(err)
		if e.Code == fault.Internal {
			if !strings.Contains(e.Message, r.RequestID) { // the worker may have told already
				e = fault.Wrap(err, fault.Internal, "%s; the log has the cause under request id %s", e.Message, r.RequestID)
			}
			c.log.Error("call failed", telemetry.KeyRequestID, r.RequestID, telemetry.KeyOp, op, telemetry.KeyTransport, Transport, telemetry.KeyError, err.Error())
		}
		code = string(e.Code.Image().Code)
		_ = c.fail(about{reqID: f.reqID, requestID: r.RequestID}, e)
	}
	c.t.door.Metrics.Request(Transport, op, code, time.Since(start))
}

// translate makes a mesh.Request of a message: the members that are ours are
// taken off, everything else goes to the worker as it is.
func (c *conn) translate(f *frame, r *mesh.Request) error {
	slug, err := f.member("project")
	if err != nil {
		return err
	}
	project, err := c.t.door.Projects.Find(firstOf(slug, c.project))
	if err != nil {
		return err
	}
	r.Project, r.CatalogVersion = project.Slug, project.Version
	if r.Entity = f.text("entity"); r.Entity != mesh.ProjectEntity {
		if r.Entity, err = project.EntityName(r.Entity); err != nil {
			return err
		}
	}
	op := mesh.LookupOp(r.Entity, f.text("op"))
	if op == nil {
		return fault.New(fault.UnknownOp, "there is no such operation")
	}
	r.Op = op.Name
	if v := f.obj.Get("idempotencyKey"); v != nil && v.Type() != fastjson.TypeNull {
		key := f.text("idempotencyKey")
		if !telemetry.ValidIdempotencyKey(key) {
			return fault.New(fault.InvalidRequest, "idempotencyKey must be 1 to 128 visible ASCII characters")
		}
		r.IdempotencyKey = key
	}
	r.Args = arguments(f)
	return nil
}

// arguments is the request object for the worker: the message without the
// members that are ours.
func arguments(f *frame) []byte {
	args := append(make([]byte, 0, 256), '{')
	f.obj.Visit(func(k []byte, v *fastjson.Value) {
		switch string(k) {
		case "op", "entity", "project", "reqId", "requestId", "type", "idempotencyKey":
			return
		}
		if len(args) > 1 {
			args = append(args, ',')
		}
		args = append(schema.AppendString(args, k), ':')
		args = strictjson.Compact(args, v)
	})
	return append(args, '}')
}

func (c *conn) call(a about, r *mesh.Request) error {
	ctx, cancel := context.WithTimeout(c.ctx, c.t.Limits.Request)
	if r.Op == "stream" {
		cancel()
		ctx, cancel = context.WithCancel(c.ctx)
	}
	defer cancel()
	var err error
	if r.Token, err = c.live.Token(ctx); err != nil {
		return err
	}
	reply, err := c.t.door.Caller.Call(ctx, r)
	if err != nil {
		return err
	}
	a.replayed = reply.Replayed
	if r.Op == "stream" && reply.Chunks != nil {
		defer reply.Chunks.Close()
		return c.lines(ctx, a, reply.Chunks)
	}
	body, err := reply.Whole(ctx, fits)
	if err != nil {
		return err
	}
	return c.respond(a, body)
}

// maxReply is the largest reply that is put together for one message.
const maxReply = 8 << 20

// fits bounds a reply that is put together. Errors: PAYLOAD_TOO_LARGE.
func fits(held, more int) error {
	if held+more > maxReply {
		return fault.New(fault.PayloadTooLarge, "the reply is over %d bytes: ask for a page, or use op stream", maxReply)
	}
	return nil
}

// lines passes the records of op stream on as {"type":"chunk","reqId",…,"data":
// […]} messages and ends with a response that counts them. A chunk of the mesh
// may end within a line.
func (c *conn) lines(ctx context.Context, a about, chunks mesh.Chunks) error {
	var rest, b []byte
	count := 0
	for {
		part, err := chunks.Next(ctx)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		ended := err != nil
		if count == 0 && len(rest) == 0 && columnar.IsStream(part) {
			return fault.New(fault.InvalidRequest, "a WebSocket carries JSON: ask /arrow or Flight for Arrow")
		}
		rest = append(rest, part...)
		b = append(b[:0], `{"type":"chunk"`...)
		if a.reqID != nil {
			b = append(append(b, `,"reqId":`...), a.reqID...)
		}
		b = append(b, `,"data":[`...)
		first := len(b)
		for {
			line, after, ok := bytes.Cut(rest, newline)
			if !ok && (!ended || len(line) == 0) {
				break
			}
			rest = after
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue
			}
			if len(b) > first {
				b = append(b, ',')
			}
			b = append(b, line...)
			count++
		}
		rest = append([]byte(nil), rest...)
		if len(b) > first {
			if err := c.say(append(b, ']', '}')); err != nil {
				return err
			}
		}
		if ended {
			return c.respond(a, appendCount(nil, count))
		}
	}
}

var newline = []byte{'\n'}

// maxEntities bounds how many entities one subscription may name.
const maxEntities = 256

var errEntities = fault.New(fault.InvalidRequest, "entity must be a name, several between commas, or an array of names: at most %d", maxEntities)

// entities reads a member that is a name, several between commas, or an array.
func (f *frame) entities() ([]string, error) {
	var names []string
	v := f.obj.Get("entity")
	if v == nil || v.Type() == fastjson.TypeNull {
		return nil, nil
	}
	list, err := v.Array()
	if err != nil {
		s, err := v.StringBytes()
		if err != nil {
			return nil, errEntities
		}
		for name := range strings.SplitSeq(string(s), ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	for _, e := range list {
		s, err := e.StringBytes()
		if err != nil {
			return nil, errEntities
		}
		names = append(names, string(s))
	}
	if len(names) > maxEntities {
		return nil, errEntities
	}
	return names, nil
}
