package trpc

import (
	"context"
	"net"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/eventstream"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// maxEntities bounds how many entities one subscription may name.
const maxEntities = 256

// subscribe serves httpSubscriptionLink: <Entity>.events, or _project.events for
// all entities or those that the input names. Every event has the position as
// its id, by which a client that comes back goes on.
func (t *TRPC) subscribe(x *httpserver.Exchange, c *call, super bool) {
	x.Op = "subscribe"
	err := c.err
	if err == nil {
		err = t.open(x, c, super)
	}
	if err == nil {
		return
	}
	// An EventSource tells its owner nothing of a status other than 200, and
	// tRPC's own server sends errors as events, too.
	e := x.Coded(err)
	h := &x.Ctx.Response.Header
	x.Ctx.SetStatusCode(fasthttp.StatusOK)
	h.SetContentType(eventstream.EventStream)
	h.Set("Cache-Control", "no-store")
	h.SetConnectionClose()
	b := strconv.AppendInt([]byte("retry: "), 1000*max(1, e.RetrySeconds()), 10)
	b = append(b, "\n\nevent: connected\ndata: {}\n\n"...)
	x.Ctx.Response.SetBodyRaw(appendFailure(b, e, c.name, x.RequestID, super))
}

// appendFailure appends the event by which a subscription fails. The client
// comes back after an error that passes, and tells any other to its owner.
func appendFailure(b []byte, e *fault.Error, path, requestID string, super bool) []byte {
	b = append(b, "event: serialized-error\ndata: "...)
	b = appendShape(b, e, e.Code.Image().TRPC, path, requestID, super)
	return append(b, "\n\n"...)
}

func (t *TRPC) open(x *httpserver.Exchange, c *call, super bool) error {
	slug, err := x.NamedProject()
	if err != nil {
		return err
	}
	if slug == "" {
		slug = gateway.DefaultProject
	}
	project, err := t.door.Projects.Find(slug)
	if err != nil {
		return err
	}
	x.LogProject = project.Slug
	sub := event.Subscription{Transport: Transport, Project: project.Slug}
	if err := input(x, c, &sub); err != nil {
		return err
	}
	principal, token, credential, err := t.identify(x)
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
	f := &frames{projects: t.door.Projects, slug: project.Slug, path: strings.Clone(c.name), requestID: x.RequestID, super: super}
	s := &eventstream.Session{
		Writer: eventstream.Writer{Patience: t.Patience}, Frames: f, Stream: stream,
		Client: client, Pause: t.Ping, Stopping: x.Stopping(),
	}
	hello := append(eventstream.Begin(x), "retry: 1000\n\nevent: connected\ndata: {\"reconnectAfterInactivityMs\":"...)
	hello = strconv.AppendInt(hello, 3*t.Ping.Milliseconds(), 10)
	hello = append(hello, "}\n\n"...)
	if stream.Gap {
		hello = f.gap(hello, stream.Start)
	}
	return x.Hijack(func(ctx context.Context, c net.Conn) { s.Run(ctx, c, hello) }, s.Close)
}

// identify tells who listens. Who shows no credential elsewhere may have it in
// connectionParams, which tRPC's client puts into the URL as an object of texts:
// apiKey or ticket. Errors: those of door.Identify, INVALID_REQUEST.
func (t *TRPC) identify(x *httpserver.Exchange) (*mesh.Principal, string, access.Credential, error) {
	params := x.Ctx.QueryArgs().Peek("connectionParams")
	c, err := t.door.Credential(x, true)
	if err != nil || len(params) == 0 || !c.IsZero() {
		return t.door.Identify(x, true)
	}
	var key, ticket string
	err = strictjson.Check(params, strictjson.DefaultDepth)
	if err == nil && !strictjson.Members(params, func(k, v []byte) bool {
		switch text, _ := strictjson.Text(v); string(k) {
		case "apiKey":
			key = string(text)
		case "ticket":
			ticket = string(text)
		}
		return true
	}) && string(strictjson.Trim(params)) != "null" {
		err = fault.New(fault.InvalidRequest, "connectionParams must be an object")
	}
	if err == nil && key == "" && ticket == "" {
		err = fault.New(fault.Unauthorized, "connectionParams have no credential: give apiKey or ticket")
	}
	if err == nil {
		c, err = t.door.LiveCredential(x, key, ticket)
	}
	if err != nil {
		return nil, "", c, err
	}
	who, token, err := t.door.IdentifyAs(x, c)
	return who, token, c, err
}

// input reads what a client listens to: {"filter","entity","position",
// "lastEventId"}. What an EventSource sends by itself goes before what the client
// wrote when it began. Errors: INVALID_REQUEST, PARSE_ERROR.
func input(x *httpserver.Exchange, c *call, s *event.Subscription) error {
	var from, last string
	entity := c.name[:strings.LastIndexByte(c.name, '.')]
	if entity != mesh.ProjectEntity {
		s.Entities = []string{strings.Clone(entity)}
	}
	var wrong error
	object := len(c.input) == 0 || strictjson.Members(c.input, func(k, v []byte) bool {
		text, isText := strictjson.Text(v)
		switch name := string(k); {
		case string(v) == "null":
		case name == "filter" && isText:
			s.Filter = []byte(string(text))
			wrong = strictjson.Check(s.Filter, strictjson.DefaultDepth)
		case name == "filter":
			s.Filter = []byte(string(v))
		case name == "position" && isText:
			from = string(text)
		case name == "lastEventId" && isText:
			last = string(text)
		case name == "entity" && entity == mesh.ProjectEntity:
			wrong = entities(s, v)
		default:
			wrong = fault.New(fault.InvalidRequest, "the input of a subscription has filter, position, lastEventId and, for _project.events, entity")
		}
		return wrong == nil
	})
	switch {
	case wrong != nil:
		return wrong
	case !object:
		return fault.New(fault.InvalidRequest, "the input of a subscription must be an object")
	}
	for _, newer := range []string{last, x.Query("lastEventId"), x.Header("Last-Event-Id")} {
		if newer != "" {
			from = newer
		}
	}
	if from == "" {
		return nil
	}
	var err error
	s.From, err = mesh.ParsePosition(strings.Clone(from))
	return err
}

// entities reads names, as an array or between commas.
func entities(s *event.Subscription, v []byte) error {
	add := func(name string) {
		if name = strings.TrimSpace(name); name != "" {
			s.Entities = append(s.Entities, strings.Clone(name))
		}
	}
	text, ok := strictjson.Text(v)
	if ok {
		for name := range strings.SplitSeq(string(text), ",") {
			add(name)
		}
	} else {
		good := true
		ok = strictjson.Elements(v, func(v []byte) bool {
			text, isText := strictjson.Text(v)
			good = good && isText
			add(string(text))
			return good && len(s.Entities) <= maxEntities
		}) && good
	}
	if !ok || len(s.Entities) > maxEntities {
		return fault.New(fault.InvalidRequest, "entity must be a name or an array of at most %d names", maxEntities)
	}
	return nil
}

// frames are those of tRPC's subscriptions (@trpc/server, stream/sse.ts).
type frames struct {
	projects              *gateway.Projects
	slug, path, requestID string
	super                 bool
}

func (f *frames) Event(b []byte, e *event.Event) []byte {
	if e.Type == event.Gap {
		return f.gap(b, e.Position)
	}
	b = append(b, "data: "...)
	if f.super {
		b = f.mark(b, e)
	} else {
		b = append(b, e.JSON...)
	}
	return appendID(append(b, '\n'), e.Position)
}

// mark frames an event for superjson.
func (f *frames) mark(b []byte, e *event.Event) []byte {
	m := marks{}
	if p := f.projects.Get(f.slug); p != nil {
		if entity := p.Catalog.Entity(e.Entity); entity != nil {
			m.data(entity, e.JSON)
		}
	}
	strictjson.Members(e.JSON, func(k, v []byte) bool {
		if string(k) == "at" {
			m.below(k, func() { m.date(v) })
		}
		return true
	})
	return m.wrap(b, e.JSON)
}

// gap tells that changes were missed, as data: the subscription goes on.
func (f *frames) gap(b []byte, at mesh.Position) []byte {
	b = append(b, "data: "...)
	if f.super {
		b = append(b, `{"json":`...)
	}
	b = at.Append(append(b, `{"type":"gap","position":"`...))
	b = append(b, `"}`...)
	if f.super {
		b = append(b, '}')
	}
	return appendID(append(b, '\n'), at)
}

// Idle has an id: whoever's filter lets little through need not go back far.
func (f *frames) Idle(b []byte, at mesh.Position) []byte {
	return appendID(append(b, "event: ping\ndata: \n"...), at)
}

// Bye says why a subscription fails. One that only breaks off, because the
// server stops or the client was too slow, just ends: the client comes back.
func (f *frames) Bye(b []byte, e live.Ending) []byte {
	switch e.Reason {
	case "shutdown", "slow":
		return append(b, ":"+"\n\n"...)
	}
	code := e.Code
	if code == "" {
		code = fault.Unavailable
	}
	return appendFailure(b, fault.New(code, "the subscription has ended: %s", e.Reason), f.path, f.requestID, f.super)
}

func appendID(b []byte, at mesh.Position) []byte {
	return append(at.Append(append(b, "id: "...)), "\n\n"...)
}
