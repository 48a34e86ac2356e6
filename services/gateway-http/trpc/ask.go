package trpc

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/procedure"
)

// kind is what a procedure is to tRPC.
type kind uint8

const (
	unknown kind = iota
	query
	mutation
	subscription
)

func (k kind) String() string { return [...]string{"", "query", "mutation", "subscription"}[k] }

// events is the name of the subscriptions, beside the operations.
const events = "events"

// kindOf tells what a procedure's name stands for.
func kindOf(name string) kind {
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 {
		return unknown
	}
	if name[dot+1:] == events {
		return subscription
	}
	switch op := mesh.LookupOp(name[:dot], name[dot+1:]); {
	case op == nil:
		return unknown
	case op.Class == mesh.Read:
		return query
	}
	return mutation
}

// call is one procedure call. Its parts alias the request unless lines are asked
// for.
type call struct {
	name  string
	kind  kind
	input []byte // a JSON text; nil = none
	err   error
}

// ask is what one HTTP request asks for.
type ask struct {
	calls               []call
	batch, lines, super bool
	room                [1]call
}

// super reports whether the client uses superjson, which it must say: nothing of
// what tRPC sends does.
func super(x *httpserver.Exchange) bool {
	return x.Query("transformer") == "superjson" || x.Header("Trpc-Transformer") == "superjson"
}

// read takes a request apart. Errors: INVALID_REQUEST, PARSE_ERROR,
// METHOD_NOT_ALLOWED; an error of one call of several is that call's.
func read(x *httpserver.Exchange) (*ask, error) {
	a := &ask{batch: x.Query("batch") == "1", super: super(x)}
	a.lines = accepts(x, "Trpc-Accept") || accepts(x, "Accept")
	names := x.Segments[1]
	var raw []byte
	switch {
	case x.Ctx.IsGet():
		raw = x.Ctx.QueryArgs().Peek("input")
	case x.Ctx.IsPost():
		raw = x.Body()
	default:
		x.SetHeader("Allow", allowCall)
		return nil, fault.New(fault.MethodNotAllowed, "a query takes GET, a mutation POST")
	}
	if a.lines {
		if !a.batch {
			return nil, fault.New(fault.InvalidRequest, "only a batch can be answered in lines, though a batch may have one call")
		}
		names, raw = strings.Clone(names), bytes.Clone(raw)
	}
	if raw = strictjson.Trim(raw); len(raw) > 0 { // the batch, superjson's frame, Octonet's, and what an input may have
		if err := strictjson.Check(raw, strictjson.DefaultDepth+3); err != nil {
			return nil, err
		}
	}
	if a.batch {
		return a, a.several(x, names, raw)
	}
	a.calls = a.room[:]
	a.calls[0] = a.one(x, names, raw)
	return a, nil
}

func accepts(x *httpserver.Exchange, header string) bool {
	return strings.Contains(x.Header(header), "application/jsonl")
}

// several reads a batch: names between commas, inputs in an object by their
// number, where those are left out that are undefined.
func (a *ask) several(x *httpserver.Exchange, names string, raw []byte) error {
	n := strings.Count(names, ",") + 1
	if n > procedure.MaxBatch {
		return fault.New(fault.InvalidRequest, "a batch may have at most %d calls", procedure.MaxBatch)
	}
	inputs := make([][]byte, n)
	if len(raw) > 0 {
		ok := strictjson.Members(raw, func(k, v []byte) bool {
			if i, err := strconv.Atoi(procedure.View(k)); err == nil && i >= 0 && i < n {
				inputs[i] = v
			}
			return true
		})
		if !ok {
			return fault.New(fault.InvalidRequest, `the input of a batch must be an object, {"0":…,"1":…}`)
		}
	}
	a.calls = make([]call, 0, n)
	for name := range strings.SplitSeq(names, ",") {
		a.calls = append(a.calls, a.one(x, name, inputs[len(a.calls)]))
	}
	return nil
}

// one reads a call. A query may also come by POST (tRPC's methodOverride), with
// its input as the body.
func (a *ask) one(x *httpserver.Exchange, name string, raw []byte) call {
	c := call{name: name, kind: kindOf(name)}
	switch {
	case c.kind == unknown:
		c.err = fault.New(fault.UnknownOp, "there is no procedure of that name; GET /trpc lists all")
		return c
	case c.kind == mutation && x.Ctx.IsGet():
		x.SetHeader("Allow", "POST")
		c.err = fault.New(fault.MethodNotAllowed, "this procedure is a mutation: use POST")
		return c
	case c.kind == subscription && !x.Ctx.IsGet():
		x.SetHeader("Allow", "GET")
		c.err = fault.New(fault.MethodNotAllowed, "this procedure is a subscription: use GET")
		return c
	}
	if a.super && raw != nil {
		raw, c.err = plain(raw)
	} else if x.Ctx.IsPost() {
		raw = octonet(raw)
	}
	if string(raw) != "null" {
		c.input = raw
	}
	return c
}

// octonet takes {"input":…} off, as Octonet's clients send it; no operation has
// an argument of that name.
func octonet(raw []byte) []byte {
	n := 0
	var input []byte
	strictjson.Members(raw, func(k, v []byte) bool {
		if n++; string(k) == "input" {
			input = v
		}
		return n < 2
	})
	if n == 1 && input != nil {
		return input
	}
	return raw
}
