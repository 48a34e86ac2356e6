package httpserver

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// Exchange is one HTTP request and its reply. It belongs to the handler until
// that returns. Strings that it hands out alias the request unless they say
// otherwise: copy what must live longer.
type Exchange struct {
	Ctx *fasthttp.RequestCtx
	// Segments is the decoded path, cut at its slashes, without Project.
	Segments []string
	// Project is the slug that preceded the route in the path; "" = none.
	Project string
	// RequestID is the caller's or a new one; it may be kept.
	RequestID string

	// What logs and metrics say of the exchange; Transport, Op and Code must
	// come from closed lists.
	Transport, Op, Code   string
	LogProject, LogEntity string
	Principal             string
	Admin                 bool // always logged
	cause                 error
	started               time.Time
	server                *Server
	known                 [headers]string
	doubled               bool // headers that decide contradict each other
	segments              [maxSegments]string
	path                  []byte
	Buf                   []byte // room for the handler to build a request in
	detached              bool
	lifetime              context.Context
}

// Context returns a context that ends with the request's time. It goes on when
// the handler returns, for a reply whose rest is written afterwards; who asks to
// be told of its end must take that back. It is made once for each exchange.
func (x *Exchange) Context() context.Context {
	if x.lifetime == nil {
		x.lifetime = x.server.deadlines.Until(x.started.Add(x.server.o.RequestTimeout))
	}
	return x.lifetime
}

// LongContext returns a context for a reply that may take longer than a request
// may: it has no deadline, ends with the server, and its end is the caller's to
// call.
func (x *Exchange) LongContext() (context.Context, context.CancelFunc) {
	return context.WithCancel(x.server.life)
}

// WriteTimeout is how long a client may take for one part of a reply.
func (x *Exchange) WriteTimeout() time.Duration { return x.server.o.WriteTimeout }

// Stopping is closed when the server wants open streams to end.
func (x *Exchange) Stopping() <-chan struct{} { return x.server.stopping }

// Method returns the request's method; HEAD is told apart from GET by the
// server itself, so that handlers see GET.
func (x *Exchange) Method() string {
	if x.Ctx.IsHead() {
		return fasthttp.MethodGet
	}
	return text(x.Ctx.Method())
}

// Query returns a query parameter; "" if it is absent.
func (x *Exchange) Query(name string) string {
	if len(x.Ctx.URI().QueryString()) == 0 {
		return ""
	}
	return text(x.Ctx.QueryArgs().Peek(name))
}

// Once is Query for a parameter of which a second one would be passed over.
// Errors: INVALID_REQUEST.
func (x *Exchange) Once(name string) (string, error) {
	if len(x.Ctx.URI().QueryString()) == 0 {
		return "", nil
	}
	value, found := "", false
	for k, v := range x.Ctx.QueryArgs().All() {
		if text(k) != name {
			continue
		}
		if found {
			return "", fault.New(fault.InvalidRequest, "the parameter %q is given twice", name)
		}
		value, found = text(v), true
	}
	return value, nil
}

// NamedProject returns the project that the path, X-Project or ?project= names;
// "" = none. Errors: INVALID_REQUEST when they disagree, or when ?project= is given
// twice: what one reader of a request takes for its project must be what every
// other takes for it.
func (x *Exchange) NamedProject() (string, error) {
	asked, err := x.Once("project")
	if err != nil {
		return "", err
	}
	named := x.Project
	for _, other := range [...]string{x.Header("X-Project"), asked} {
		if named != "" && other != "" && other != named {
			return "", fault.New(fault.InvalidRequest, "path, X-Project and ?project= name different projects: name it once")
		}
		if named == "" {
			named = other
		}
	}
	return named, nil
}

// RemoteAddr returns the client's address, without a port. It may be kept.
func (x *Exchange) RemoteAddr() string {
	p, ok := x.Ctx.Conn().(*patient)
	if !ok {
		return x.Ctx.RemoteIP().String()
	}
	if p.remote == "" { // one request at a time comes on a connection
		p.remote = x.Ctx.RemoteIP().String()
	}
	return p.remote
}

// Body returns the request's body.
func (x *Exchange) Body() []byte { return x.Ctx.Request.Body() }

// SetHeader sets a reply header. The value must be free of control characters.
func (x *Exchange) SetHeader(name, value string) { x.Ctx.Response.Header.Set(name, value) }

// JSON replies with a body that nobody changes any more.
func (x *Exchange) JSON(status int, body []byte) {
	x.Ctx.SetStatusCode(status)
	x.Ctx.Response.Header.SetContentType("application/json")
	x.Ctx.Response.SetBodyRaw(body)
}

// Empty replies without a body.
func (x *Exchange) Empty(status int) {
	x.Ctx.SetStatusCode(status)
	x.Ctx.Response.ResetBody()
}

// Fail replies with a coded error, whatever has been prepared before.
func (x *Exchange) Fail(err error) { x.FailWith(0, err) }

// FailWith is Fail with another status than the code's; 0 means the code's.
func (x *Exchange) FailWith(status int, err error) {
	e := x.Coded(err)
	if status == 0 {
		status = e.Code.Image().HTTP
	}
	if status == fasthttp.StatusUnauthorized {
		x.SetHeader("WWW-Authenticate", `Bearer realm="octomesh"`)
	}
	x.JSON(status, e.AppendReply(nil))
}

// Coded is err as the caller may see it, for a protocol with an error form of
// its own: it has a code, and an INTERNAL one names the request id. Logs and
// metrics will know of it, Retry-After is set; the body is still to be written.
func (x *Exchange) Coded(err error) *fault.Error {
	e := fault.Seen(err, x.RequestID)
	x.Code, x.cause = string(e.Code.Image().Code), err
	if wait := e.RetrySeconds(); wait > 0 {
		x.SetHeader("Retry-After", strconv.FormatInt(wait, 10))
	}
	return e
}

// NotAllowed replies 405 with the methods that the route has.
func (x *Exchange) NotAllowed(allow string) {
	x.SetHeader("Allow", allow)
	x.Fail(fault.New(fault.MethodNotAllowed, "this route takes %s", allow))
}

// Options answers OPTIONS with the methods that the route has.
func (x *Exchange) Options(allow string) {
	x.SetHeader("Allow", allow)
	x.Empty(fasthttp.StatusNoContent)
}

// NotFound replies that there is no such route.
func (x *Exchange) NotFound() {
	x.Fail(fault.New(fault.NotFound, "there is no such route; GET /openapi.json lists all, /docs shows them"))
}

func (x *Exchange) reset(s *Server, ctx *fasthttp.RequestCtx, now time.Time) {
	*x = Exchange{server: s, Ctx: ctx, started: now, path: x.path[:0], Buf: x.Buf[:0]}
}

func (x *Exchange) identify() {
	x.readHeaders()
	id := x.Header("X-Request-Id")
	if telemetry.ValidRequestID(id) {
		x.RequestID = strings.Clone(id)
	} else {
		x.RequestID = telemetry.NewRequestID()
	}
	x.SetHeader("X-Request-Id", x.RequestID)
}
