// Package sse carries live events to browsers and other clients of the
// EventSource kind: a GET comes in and stays open, each change of the project
// goes out as one server-sent event whose id is the position to resume from.
//
// A connection leaves fasthttp: two small goroutines, one that notices the
// client's end and one that writes, hold about 10 kB together.
package sse

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/eventstream"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// Transport is this protocol's name in scopes, logs and metrics.
const Transport = "sse"

// maxEntities bounds how many entities one stream may name.
const maxEntities = 256

// SSE serves /events.
type SSE struct {
	door *door.Door
	hub  *live.Hub
	// Comment is how often an idle stream gets a comment, which keeps proxies
	// from closing it and finds dead clients. Patience is how long a client may
	// take for one write.
	Comment, Patience time.Duration
}

// New returns the protocol.
func New(d *door.Door, h *live.Hub) *SSE {
	return &SSE{door: d, hub: h, Comment: 15 * time.Second, Patience: 10 * time.Second}
}

// Mount adds the route.
func (t *SSE) Mount(m *httpserver.Mux) { m.Scoped("events", t.serve) }

func (t *SSE) serve(x *httpserver.Exchange) {
	x.Transport, x.Op = Transport, "subscribe"
	switch {
	case len(x.Segments) != 1:
		x.NotFound()
		return
	case x.Ctx.IsOptions():
		x.Options("GET, OPTIONS")
		return
	case !x.Ctx.IsGet():
		x.NotAllowed("GET, OPTIONS")
		return
	}
	if err := t.open(x); err != nil {
		refuse(x, err)
	}
}

// refuse replies with an error. A browser that comes back by itself (it alone
// sends Last-Event-ID) gets one that will pass as a stream that ends at once and
// says when to come again: at any status but 200 an EventSource gives up for
// ever, as it would in the moment in which a server has started and does not yet
// know its projects.
func refuse(x *httpserver.Exchange, err error) {
	e := fault.From(err)
	from, seconds := x.Header("Last-Event-Id"), e.RetrySeconds()
	at, bad := mesh.ParsePosition(from)
	if from == "" || bad != nil || seconds == 0 {
		x.Fail(err)
		return
	}
	x.FailWith(fasthttp.StatusOK, err)
	h := &x.Ctx.Response.Header
	h.SetContentType(eventstream.EventStream)
	h.Set("Cache-Control", "no-store")
	h.SetConnectionClose()
	b := strconv.AppendInt([]byte("retry: "), 1000*seconds, 10)
	b = frames{}.Bye(append(b, "\n\n"...), live.Ending{Reason: "ended", Code: e.Code, Position: at})
	x.Ctx.Response.SetBodyRaw(b)
}

// open subscribes and hands the connection over. Until then every error is an
// ordinary reply with its status.
func (t *SSE) open(x *httpserver.Exchange) error {
	sub, err := t.subscription(x)
	if err != nil {
		return err
	}
	project, err := t.door.Projects.Find(sub.Project)
	if err != nil {
		return err
	}
	x.LogProject = project.Slug
	principal, token, credential, err := t.door.Identify(x, true)
	if err != nil {
		return err
	}
	sub.Principal = principal
	client := t.hub.Add(credential, principal, token)
	stream, err := t.hub.Feed.Subscribe(x.Context(), sub)
	if err != nil {
		client.Remove()
		return err
	}
	s := &eventstream.Session{
		Writer: eventstream.Writer{Patience: t.Patience}, Frames: frames{}, Stream: stream,
		Client: client, Pause: t.Comment, Stopping: x.Stopping(),
	}
	begin := hello(x, project, stream)
	return x.Hijack(func(ctx context.Context, c net.Conn) { s.Run(ctx, c, begin) }, s.Close)
}

// subscription reads the parameters. A reconnecting browser repeats the URL, so
// Last-Event-ID goes before ?position. Errors: INVALID_REQUEST.
func (t *SSE) subscription(x *httpserver.Exchange) (event.Subscription, error) {
	s := event.Subscription{Transport: Transport}
	var err error
	if s.Project, err = project(x); err != nil {
		return s, err
	}
	var from, entities, filter string
	for _, p := range [...]struct {
		name  string
		value *string
	}{{"position", &from}, {"entity", &entities}, {"filter", &filter}} {
		if *p.value, err = x.Once(p.name); err != nil {
			return s, err
		}
	}
	if last := x.Header("Last-Event-Id"); last != "" {
		from = last
	}
	if from != "" {
		if s.From, err = mesh.ParsePosition(strings.Clone(from)); err != nil {
			return s, err
		}
	}
	for name := range strings.SplitSeq(entities, ",") {
		if name = strings.TrimSpace(name); name != "" {
			s.Entities = append(s.Entities, strings.Clone(name))
		}
	}
	if len(s.Entities) > maxEntities {
		return s, fault.New(fault.InvalidRequest, "at most %d entities can be named", maxEntities)
	}
	if filter != "" {
		s.Filter = []byte(filter)
	}
	return s, nil
}

func project(x *httpserver.Exchange) (string, error) {
	slug, err := x.NamedProject()
	if slug == "" {
		slug = gateway.DefaultProject
	}
	return strings.Clone(slug), err
}

// hello is the head of the response and the first events.
func hello(x *httpserver.Exchange, p *gateway.Project, s *live.Opened) []byte {
	b := eventstream.Begin(x)
	b = append(b, "retry: 1000\n:ok\n\n"...)
	b = appendID(b, s.Start)
	b = append(b, "event: connected\ndata: {\"entities\":["...)
	for i, e := range p.Catalog.Entities {
		if i > 0 {
			b = append(b, ',')
		}
		b = schema.AppendString(b, e.Name)
	}
	b = append(b, `],"connectedAt":"`...)
	b = schema.AppendTime(b, time.Now().UnixMilli())
	b = append(b, `","project":"`...)
	b = append(append(b, p.Slug...), `","position":"`...)
	b = append(s.Start.Append(b), "\"}\n\n"...)
	if s.Gap {
		b = appendGap(b, s.Start)
	}
	return b
}
