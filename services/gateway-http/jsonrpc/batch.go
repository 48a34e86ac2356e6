package jsonrpc

import (
	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/procedure"
)

// batch serves an array of request objects (section 6). They are carried out
// side by side; whoever needs an order sends one transaction. The responses
// stand in the order of the requests, those of notifications are left out.
func (t *JSONRPC) batch(x *httpserver.Exchange, body []byte) {
	x.Op = "batch"
	var calls []call
	many := false
	strictjson.Elements(body, func(v []byte) bool {
		many = len(calls) == procedure.MaxBatch
		if !many {
			calls = append(calls, parse(v))
		}
		return !many
	})
	switch {
	case many:
		t.refuse(x, nil, invalidRequest, fault.New(fault.InvalidRequest, "a batch may have at most %d calls", procedure.MaxBatch))
		return
	case len(calls) == 0:
		t.refuse(x, nil, invalidRequest, fault.New(fault.InvalidRequest, "a batch must not be empty"))
		return
	}
	var desk procedure.Desk
	opened := desk.Open(t.door, x, true)
	replies := make([][]byte, len(calls))
	fail := func(i, number int, op string, err error) {
		replies[i] = appendError(nil, x, calls[i].id, number, desk.Failed(op, err))
	}
	desk.Each(len(calls), func(i int) {
		c, r := &calls[i], mesh.Request{}
		err, number := c.err, c.number
		if err == nil {
			err = opened
		}
		if err == nil && c.method == discover {
			if replies[i], err = t.discovered(&desk, c.id); err != nil {
				fail(i, 0, "discover", err)
			}
			return
		}
		if err == nil {
			err = desk.Request(&r, i, c.method, c.params, nil)
		}
		var got []byte
		switch {
		case err != nil:
		case c.id == nil:
			err = desk.Tell(&r)
		default:
			got, err = desk.Call(&r)
		}
		switch {
		case err != nil:
			fail(i, number, r.Op, err)
		case c.id != nil:
			b := append(make([]byte, 0, len(got)+len(c.id)+40), `{"jsonrpc":"2.0","id":`...)
			b = append(append(b, c.id...), `,"result":{`...)
			replies[i] = append(append(b, procedure.Trimmed(got)...), '}')
		}
	}, func(i int, err error) { fail(i, 0, "none", err) })
	x.JSON(fasthttp.StatusOK, nil)
	out := &x.Ctx.Response
	answered := false
	for i, reply := range replies {
		if calls[i].id == nil {
			continue
		}
		if answered {
			out.AppendBody(comma)
		} else {
			out.AppendBody(opening)
		}
		answered = true
		out.AppendBody(reply)
	}
	if !answered {
		x.Empty(fasthttp.StatusNoContent)
		return
	}
	out.AppendBody(ending)
}

// discovered is a description as one of the replies of a batch, which counts
// like any other. Errors: RATE_LIMITED, PAYLOAD_TOO_LARGE.
func (t *JSONRPC) discovered(desk *procedure.Desk, id []byte) ([]byte, error) {
	if err := desk.Count(); err != nil || id == nil {
		return nil, err
	}
	document := t.document(desk)
	if err := desk.Take(len(document)); err != nil {
		return nil, err
	}
	return described(id, document), nil
}

var opening, comma, ending = []byte{'['}, []byte{','}, []byte{']'}
