package jsonrpc

import (
	"sync"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/procedure"
)

// Transport is this protocol's name in scopes, logs and metrics.
const Transport = "jsonrpc"

// JSONRPC serves /rpc.
type JSONRPC struct {
	door      *door.Door
	artefacts gateway.Artefacts
}

// New returns the protocol over a Door.
func New(d *door.Door) *JSONRPC { return &JSONRPC{door: d} }

// Mount adds the route.
func (t *JSONRPC) Mount(m *httpserver.Mux) { m.Scoped("rpc", t.serve) }

const allow = "GET, HEAD, POST, OPTIONS"

func (t *JSONRPC) serve(x *httpserver.Exchange) {
	x.Transport, x.Op = Transport, "none"
	switch {
	case len(x.Segments) != 1:
		x.NotFound()
	case x.Ctx.IsOptions():
		x.Options(allow)
	case x.Method() == fasthttp.MethodGet:
		t.list(x)
	case x.Ctx.IsPost():
		t.post(x)
	default:
		x.SetHeader("Allow", allow)
		e := x.Coded(fault.New(fault.MethodNotAllowed, "JSON-RPC takes POST; GET lists the methods"))
		x.JSON(fasthttp.StatusMethodNotAllowed, appendError(nil, x, nil, invalidRequest, e))
	}
}

// post answers what a client sent. Whatever is answered to a JSON text is a
// response object with status 200, also an error: clients look into the body
// only then.
func (t *JSONRPC) post(x *httpserver.Exchange) {
	if err := x.NotJSON(); err != nil {
		x.JSON(fasthttp.StatusUnsupportedMediaType, appendError(nil, x, nil, invalidRequest, x.Coded(err)))
		return
	}
	body := x.Body()
	// Array, request object, and what params may have.
	if err := strictjson.Check(body, strictjson.DefaultDepth+2); err != nil {
		t.refuse(x, nil, parseError, err)
		return
	}
	if body = strictjson.Trim(body); body[0] == '[' {
		t.batch(x, body)
		return
	}
	t.single(x, body)
}

// refuse replies with an error object.
func (t *JSONRPC) refuse(x *httpserver.Exchange, id []byte, number int, err error) {
	e := x.Coded(err)
	x.JSON(fasthttp.StatusOK, appendError(nil, x, id, number, e))
}

// one is a single call while it is served.
type one struct {
	desk    procedure.Desk
	request mesh.Request
	head    []byte
}

var ones = sync.Pool{New: func() any { return new(one) }}

func (t *JSONRPC) single(x *httpserver.Exchange, body []byte) {
	c := parse(body)
	if c.err != nil {
		t.failed(x, c.id, c.number, c.err)
		return
	}
	o := ones.Get().(*one)
	defer func() {
		*o = one{head: o.head[:0]}
		ones.Put(o)
	}()
	err := o.desk.Open(t.door, x, false)
	if err == nil && c.method == discover {
		if x.Op = "discover"; c.id == nil {
			x.Empty(fasthttp.StatusNoContent)
			return
		}
		t.discover(x, &o.desk, c.id)
		return
	}
	if err == nil {
		err = o.desk.Request(&o.request, 0, c.method, c.params, x.Buf)
	}
	if err == nil {
		x.Op, x.LogEntity = o.request.Op, o.request.Entity
		err = t.call(x, o, c.id)
	}
	switch {
	case err != nil:
		t.failed(x, c.id, 0, err)
	case c.id == nil:
		x.Empty(fasthttp.StatusNoContent)
	}
}

// failed tells an error, though not to whoever sent a notification (section 4.1).
func (t *JSONRPC) failed(x *httpserver.Exchange, id []byte, number int, err error) {
	if id == nil {
		_ = x.Coded(err)
		x.Empty(fasthttp.StatusNoContent)
		return
	}
	t.refuse(x, id, number, err)
}

func (t *JSONRPC) call(x *httpserver.Exchange, o *one, id []byte) error {
	if id == nil {
		return o.desk.Tell(&o.request)
	}
	o.head = append(o.head[:0], `{"jsonrpc":"2.0","id":`...)
	o.head = append(append(o.head, id...), `,"result":{`...)
	return o.desk.One(&o.request, o.head, closing, true)
}

var closing = []byte{'}'}
