package ws

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/valyala/fastjson"

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
		return c.respond(id, fault.From(err).AppendReply(nil)) == nil
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
		err = c.respond(f.reqID, fault.New(fault.InvalidRequest, "this connection is authenticated already").AppendReply(nil))
	default:
		err = c.respond(f.reqID, fault.New(fault.InvalidRequest, "there is no message of this type; there are auth, subscribe, unsubscribe and ping").AppendReply(nil))
	}
	done()
	return err == nil
}

// refuse answers a message that is not looked at closely.
func (c *conn) refuse(msg []byte, e *fault.Error) {
	var id []byte
	if f, err := parseFrame(msg); err == nil {
		id = f.reqID
		f.release()
	}
	_ = c.respond(id, e.AppendReply(nil))
}

// answer sends an object of ours, begun without reqId and end.
func (c *conn) answer(f *frame, begun string) error {
	b := []byte(begun)
	if f.reqID != nil {
		b = append(append(b, `,"reqId":`...), f.reqID...)
	}
	return c.say(append(b, '}'))
}

// respond sends a reply body as {"type":"response","reqId":…,"status":…}.
func (c *conn) respond(reqID, body []byte) error {
	const begin = `{"type":"response",`
	n := len(begin) + len(body) - 1
	if reqID != nil {
		n += len(`"reqId":,`) + len(reqID)
	}
	b := appendHeader(make([]byte, 0, maxHeader+n), opText, n)
	b = append(b, begin...)
	if reqID != nil {
		b = append(append(append(b, `"reqId":`...), reqID...), ',')
	}
	return c.out.Write(append(b, body[1:]...))
}

// request calls the mesh with a bare request object.
func (c *conn) request(f *frame) {
	start := time.Now()
	op, code := "none", "ok"
	r := &mesh.Request{Header: mesh.Header{Transport: Transport, RequestID: telemetry.NewRequestID()}}
	_, err := c.t.door.Rates.Take(c.live.Principal())
	if err == nil {
		err = c.translate(f, r)
	}
	if err == nil {
		op = r.Op
		err = c.call(f.reqID, r)
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
		_ = c.respond(f.reqID, e.AppendReply(nil))
	}
	c.t.door.Metrics.Request(Transport, op, code, time.Since(start))
}

// translate makes a mesh.Request of a message: the members that are ours are
// taken off, everything else goes to the worker as it is.
func (c *conn) translate(f *frame, r *mesh.Request) error {
	slug := firstOf(f.text("project"), c.project)
	project, err := c.t.door.Projects.Find(slug)
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
	if key := f.text("idempotencyKey"); key != "" {
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
		case "op", "entity", "project", "reqId", "type", "idempotencyKey":
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

func (c *conn) call(reqID []byte, r *mesh.Request) error {
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
	if reply.Chunks == nil {
		return c.respond(reqID, reply.Body)
	}
	defer reply.Chunks.Close()
	if r.Op == "stream" {
		return c.lines(ctx, reqID, reply.Chunks)
	}
	return c.whole(ctx, reqID, reply)
}

// maxReply is the largest reply that is put together for one message.
const maxReply = 8 << 20

// whole puts a chunked reply together.
func (c *conn) whole(ctx context.Context, reqID []byte, reply *mesh.Reply) error {
	body := bytes.Clone(reply.Body)
	for {
		part, err := reply.Chunks.Next(ctx)
		if errors.Is(err, io.EOF) {
			return c.respond(reqID, body)
		}
		if err != nil {
			return err
		}
		if body = append(body, part...); len(body) > maxReply {
			return fault.New(fault.PayloadTooLarge, "the reply is over %d bytes: ask for a page, or use op stream", maxReply)
		}
	}
}

// lines passes the records of op stream on as {"type":"chunk","reqId",…,"data":
// […]} messages and ends with a response that counts them. A chunk of the mesh
// may end within a line.
func (c *conn) lines(ctx context.Context, reqID []byte, chunks mesh.Chunks) error {
	var rest, b []byte
	count := 0
	for {
		part, err := chunks.Next(ctx)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		ended := err != nil
		rest = append(rest, part...)
		b = append(b[:0], `{"type":"chunk"`...)
		if reqID != nil {
			b = append(append(b, `,"reqId":`...), reqID...)
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
			return c.respond(reqID, appendCount(nil, count))
		}
	}
}

var newline = []byte{'\n'}

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
			return nil, fault.New(fault.InvalidRequest, "entity must be a name or an array of names")
		}
		for name := range strings.SplitSeq(string(s), ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
		return names, nil
	}
	for _, e := range list {
		s, err := e.StringBytes()
		if err != nil || len(list) > 256 {
			return nil, fault.New(fault.InvalidRequest, "entity must be a name or an array of at most 256 names")
		}
		names = append(names, string(s))
	}
	return names, nil
}
