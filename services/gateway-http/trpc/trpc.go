package trpc

import (
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/procedure"
)

// Transport is this protocol's name in scopes, logs and metrics.
const Transport = "trpc"

// TRPC serves /trpc.
type TRPC struct {
	door      *door.Door
	hub       *live.Hub
	artefacts gateway.Artefacts
	// Ping is how often an idle subscription gets a ping. Patience is how long a
	// client may take for one write.
	Ping, Patience time.Duration
}

// New returns the protocol.
func New(d *door.Door, h *live.Hub) *TRPC {
	return &TRPC{door: d, hub: h, Ping: 15 * time.Second, Patience: 10 * time.Second}
}

// Mount adds the routes.
func (t *TRPC) Mount(m *httpserver.Mux) { m.Scoped("trpc", t.serve) }

const (
	allowList = "GET, HEAD, OPTIONS"
	allowCall = "GET, POST, OPTIONS"
	typesFile = "types.d.ts"
)

func (t *TRPC) serve(x *httpserver.Exchange) {
	x.Transport, x.Op = Transport, "none"
	x.Ctx.Response.Header.Add("Vary", "trpc-accept, accept")
	describing := len(x.Segments) == 1 || len(x.Segments) == 2 && x.Segments[1] == typesFile
	switch {
	case x.Ctx.IsOptions():
		x.Options(map[bool]string{true: allowList, false: allowCall}[describing])
	case len(x.Segments) > 2:
		t.refuse(x, "", fault.New(fault.UnknownOp, "a procedure is one segment of the path: /trpc/Product.findAll"))
	case describing && x.Method() == fasthttp.MethodGet:
		t.describe(x)
	case describing:
		x.SetHeader("Allow", allowList)
		t.refuse(x, "", fault.New(fault.MethodNotAllowed, "this route takes GET"))
	case x.Ctx.IsHead(): // as tRPC's own server answers it
		x.Empty(fasthttp.StatusNoContent)
	default:
		t.call(x)
	}
}

func (t *TRPC) call(x *httpserver.Exchange) {
	if err := x.NotJSON(); err != nil && x.Ctx.IsPost() {
		e := x.Coded(err)
		const key = "UNSUPPORTED_MEDIA_TYPE"
		b := appendShape([]byte(`{"error":`), e, key, "", x.RequestID, super(x))
		x.JSON(codes[key].status, append(b, '}'))
		return
	}
	a, err := read(x)
	switch {
	case err != nil:
		t.refuse(x, "", err)
	case a.lines:
		t.stream(x, a)
	case a.batch:
		t.batch(x, a)
	case a.calls[0].kind == subscription && x.Ctx.IsGet():
		t.subscribe(x, &a.calls[0], a.super)
	default:
		t.single(x, a)
	}
}

// refuse replies with one error, to a batch also: its client gives it to each of
// the calls.
func (t *TRPC) refuse(x *httpserver.Exchange, path string, err error) {
	e := x.Coded(err)
	x.JSON(status(e), appendError(nil, e, path, x.RequestID, super(x)))
}

// one is a single call while it is served.
type one struct {
	desk    procedure.Desk
	request mesh.Request
}

var ones = sync.Pool{New: func() any { return new(one) }}

var head, tail = []byte(`{"result":{"data":`), []byte(`}}`)

func (t *TRPC) single(x *httpserver.Exchange, a *ask) {
	c := &a.calls[0]
	if c.err != nil {
		t.refuse(x, c.name, c.err)
		return
	}
	o := ones.Get().(*one)
	defer func() {
		*o = one{}
		ones.Put(o)
	}()
	o.desk.Lenient = true
	err := o.desk.Open(t.door, x, false)
	if err == nil {
		err = o.desk.Request(&o.request, 0, c.name, c.input, x.Buf)
	}
	if err == nil {
		x.Op, x.LogEntity = o.request.Op, o.request.Entity
		err = t.result(x, o, a.super)
	}
	if err != nil {
		t.refuse(x, c.name, err)
	}
}

// result passes a reply on. superjson names each date by its place behind the
// whole value, so memory could not stay flat: such a reply is gathered, and
// bounded as those of a batch are.
func (t *TRPC) result(x *httpserver.Exchange, o *one, super bool) error {
	if !super {
		return o.desk.One(&o.request, head, tail, false)
	}
	body, err := o.desk.Call(&o.request)
	if err != nil {
		return err
	}
	x.JSON(fasthttp.StatusOK, appendResult(nil, &o.desk, &o.request, body, true))
	return nil
}

// appendResult appends {"result":{"data":…}}.
func appendResult(b []byte, d *procedure.Desk, r *mesh.Request, body []byte, super bool) []byte {
	b = append(b, head...)
	if super {
		m := marks{catalog: d.Project.Catalog}
		m.reply(r, body)
		b = m.wrap(b, body)
	} else {
		b = append(b, body...)
	}
	return append(b, tail...)
}

// batch serves several calls, carried out side by side, with one JSON array. Its
// status is that of all, or 207.
func (t *TRPC) batch(x *httpserver.Exchange, a *ask) {
	x.Op = "batch"
	var desk procedure.Desk
	desk.Lenient = true
	opened := desk.Open(t.door, x, true)
	replies, statuses := make([][]byte, len(a.calls)), make([]int, len(a.calls))
	t.each(&desk, a, opened, func(i int, r *mesh.Request, body []byte) {
		replies[i], statuses[i] = appendResult(make([]byte, 0, len(body)+32), &desk, r, body, a.super), fasthttp.StatusOK
	}, func(i int, e *fault.Error) {
		replies[i], statuses[i] = appendError(nil, e, a.calls[i].name, x.RequestID, a.super), status(e)
	})
	whole := statuses[0]
	for _, s := range statuses {
		if s != whole {
			whole = fasthttp.StatusMultiStatus
		}
	}
	x.JSON(whole, nil)
	out := &x.Ctx.Response
	for i, reply := range replies {
		if i == 0 {
			out.AppendBodyString("[")
		} else {
			out.AppendBodyString(",")
		}
		out.AppendBody(reply)
	}
	out.AppendBodyString("]")
}

// each carries the calls of a batch out and hands each on to done or to failed.
func (t *TRPC) each(d *procedure.Desk, a *ask, opened error, done func(i int, r *mesh.Request, body []byte), failed func(i int, e *fault.Error)) {
	d.Each(len(a.calls), func(i int) {
		c, r := &a.calls[i], mesh.Request{}
		err := c.err
		if err == nil && c.kind == subscription {
			err = fault.New(fault.InvalidRequest, "a subscription cannot be part of a batch: use httpSubscriptionLink")
		}
		if err == nil {
			err = opened
		}
		if err == nil {
			err = d.Request(&r, i, c.name, c.input, nil)
		}
		var body []byte
		if err == nil {
			body, err = d.Call(&r)
		}
		if err != nil {
			failed(i, d.Failed(r.Op, err))
			return
		}
		done(i, &r, body)
	}, func(i int, err error) { failed(i, d.Failed("none", err)) })
}
