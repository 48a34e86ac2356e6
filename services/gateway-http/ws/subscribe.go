package ws

import (
	"context"
	"errors"
	"strconv"

	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// subscription is one open stream of a connection. The one that a connection
// has without asking has the id "".
type subscription struct {
	id     string
	prefix []byte // what its events begin with: {"sub":"1",
	stream *live.Opened
}

// subscribe answers {"type":"subscribe","reqId","project","entity","filter",
// "position"}.
func (c *conn) subscribe(f *frame) error {
	s, err := c.subscribed(f)
	if err != nil {
		return c.fail(about{reqID: f.reqID}, err)
	}
	c.drop("") // whoever asks for something no longer gets everything
	b := []byte(`{"type":"subscribed"`)
	if f.reqID != nil {
		b = append(append(b, `,"reqId":`...), f.reqID...)
	}
	b = append(append(append(b, `,"sub":"`...), s.id...), `","position":"`...)
	b = append(s.stream.Start.Append(b), `"}`...)
	b = appendFrame(nil, opText, b)
	if s.stream.Gap {
		b = s.gap(b, s.stream.Start)
	}
	if err := c.out.Write(b); err != nil {
		s.stream.Close()
		return err
	}
	c.start(s)
	return nil
}

func (c *conn) subscribed(f *frame) (*subscription, error) {
	if _, err := c.t.door.Rates.Take(c.live.Principal()); err != nil {
		return nil, err
	}
	at, err := f.member("position")
	if err != nil {
		return nil, err
	}
	var from mesh.Position
	if at != "" {
		if from, err = mesh.ParsePosition(at); err != nil {
			return nil, err
		}
	}
	project, err := f.member("project")
	if err != nil {
		return nil, err
	}
	entities, err := f.entities()
	if err != nil {
		return nil, err
	}
	var filter []byte
	if v := f.obj.Get("filter"); v != nil && v.Type() != fastjson.TypeNull {
		filter = strictjson.Compact(nil, v)
	}
	c.mu.Lock()
	if len(c.subs) >= c.t.Limits.Subscriptions {
		c.mu.Unlock()
		return nil, fault.New(fault.RateLimited, "a connection may have %d subscriptions", c.t.Limits.Subscriptions)
	}
	c.next++
	id := strconv.Itoa(c.next)
	c.mu.Unlock()
	return c.open(id, entities, filter, firstOf(project, c.project), from)
}

func (c *conn) open(id string, entities []string, filter []byte, project string, from mesh.Position) (*subscription, error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.t.Limits.Request)
	defer cancel()
	stream, err := c.t.hub.Feed.Subscribe(ctx, event.Subscription{
		Project: project, Entities: entities, Filter: filter, From: from, Principal: c.live.Principal(), Transport: Transport,
	})
	if err != nil {
		return nil, err
	}
	s := &subscription{id: id, stream: stream, prefix: []byte{'{'}}
	if id != "" {
		s.prefix = append(s.prefix, `"sub":"`+id+`",`...)
	}
	return s, nil
}

// start registers a subscription and lets its events flow.
func (c *conn) start(s *subscription) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		s.stream.Close()
		return
	}
	c.subs[s.id] = s
	c.mu.Unlock()
	c.work.Go(func() {
		defer httpserver.Recover(c.log, c.id)
		c.pump(s)
	})
}

// drop closes a subscription and reports whether there was one.
func (c *conn) drop(id string) bool {
	c.mu.Lock()
	s := c.subs[id]
	delete(c.subs, id)
	c.mu.Unlock()
	if s == nil {
		return false
	}
	s.stream.Close()
	return true
}

func (c *conn) endAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, s := range c.subs {
		s.stream.Close()
	}
	clear(c.subs)
}

func (c *conn) unsubscribe(f *frame) error {
	id, err := f.member("sub")
	if err != nil {
		return c.fail(about{reqID: f.reqID}, err)
	}
	if !c.drop(id) {
		return c.fail(about{reqID: f.reqID}, fault.New(fault.NotFound, "this connection has no such subscription"))
	}
	return c.answer(f, `{"type":"unsubscribed","sub":`+string(schema.AppendString(nil, id)))
}

// pump sends the events of a subscription until it ends.
func (c *conn) pump(s *subscription) {
	defer s.stream.Close()
	pace := c.live.Pace()
	defer pace.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-s.stream.Ready():
		case <-pace.Later():
		}
		if !pace.Now() {
			continue
		}
		if err := c.out.Drain(s.stream, s.frame); err != nil {
			c.cancelRead()
			return
		}
		end := s.stream.Err()
		if end == nil {
			continue
		}
		if err := c.out.Drain(s.stream, s.frame); err == nil {
			c.over(s, end)
		}
		return
	}
}

// cancelRead makes the reading goroutine end.
func (c *conn) cancelRead() { httpserver.Abort(c.out.Conn) }

// over deals with a stream that ended by itself: the whole connection ends when
// the reason concerns it, else the client is told which subscription is gone.
func (c *conn) over(s *subscription, why error) {
	c.mu.Lock()
	mine := c.subs[s.id] == s
	if mine {
		delete(c.subs, s.id)
	}
	c.mu.Unlock()
	if !mine { // closed by us
		return
	}
	var slow *event.Slow
	e := live.EndingOf(why, s.stream.Position())
	switch {
	case errors.As(why, &slow):
		c.finish(CloseSlow, slow.Position.String())
	case e.Reason == "revoked" || e.Reason == "shutdown":
		c.finish(closeCode(e), e.Reason)
	default:
		b := []byte(`{"type":"unsubscribed","sub":"` + s.id + `","position":"` + e.Position.String() + `","error":`)
		_ = c.say(append(fault.From(why).AppendJSON(b), '}'))
	}
}

// frame appends one event as a text frame.
func (s *subscription) frame(b []byte, e *event.Event) []byte {
	if e.Type == event.Gap {
		return s.gap(b, e.Position)
	}
	b = appendHeader(b, opText, len(s.prefix)+len(e.JSON)-1)
	b = append(b, s.prefix...)
	return append(b, e.JSON[1:]...)
}

func (s *subscription) gap(b []byte, p mesh.Position) []byte {
	m := append([]byte(nil), s.prefix...)
	m = append(m, `"type":"gap","position":"`...)
	return appendFrame(b, opText, append(p.Append(m), `"}`...))
}

func appendCount(b []byte, n int) []byte {
	b = append(b, `{"status":"ok","metadata":{"count":`...)
	return append(strconv.AppendInt(b, int64(n), 10), `}}`...)
}
