package jsonrpc

import (
	"strconv"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/procedure"
)

// The error codes of section 5.1 that belong to the envelope; those of calls are
// in the fault table.
const (
	parseError     = -32700
	invalidRequest = -32600
	invalidParams  = -32602
)

// call is one request object (section 4). Its parts alias the request.
type call struct {
	id     []byte // JSON text; nil for a notification
	method string
	params []byte // JSON text; nil if absent
	err    error
	number int // of err
}

// maxID bounds an id in bytes of JSON text.
const maxID = 1024

// parse reads a request object of a checked text. Of an invalid one, the id is
// the one that it has, null if that cannot be told.
func parse(b []byte) call {
	var c call
	null := []byte("null")
	fail := func(number int, format string, args ...any) {
		if c.err == nil {
			c.err, c.number = fault.New(fault.InvalidRequest, format, args...), number
		}
	}
	var version, method []byte
	ok := strictjson.Members(b, func(k, v []byte) bool {
		switch string(k) {
		case "jsonrpc":
			version = v
		case "method":
			method = v
		case "params":
			c.params = v
		case "id":
			switch {
			case len(v) > maxID:
				fail(invalidRequest, "an id may have at most %d bytes", maxID)
				c.id = null
			case v[0] == '{' || v[0] == '[' || v[0] == 't' || v[0] == 'f':
				fail(invalidRequest, "an id must be a text, a number or null")
				c.id = null
			default:
				c.id = v
			}
		}
		return true
	})
	name, named := strictjson.Text(method)
	text, _ := strictjson.Text(version)
	switch {
	case !ok:
		fail(invalidRequest, "a request must be a JSON object, or an array of them")
	case string(text) != "2.0":
		fail(invalidRequest, `a request must have "jsonrpc":"2.0"`)
	case !named:
		fail(invalidRequest, "a request must have a method, which is a text")
	}
	if c.err != nil { // nobody can be sure that it was meant as a notification
		if c.id == nil {
			c.id = null
		}
		return c
	}
	c.method = procedure.View(name)
	switch {
	case c.params == nil || c.params[0] == '{':
	case c.params[0] == '[' && len(strictjson.Trim(c.params[1:len(c.params)-1])) == 0:
		c.params = nil // some clients send an empty array for no params
	case c.params[0] == '[':
		fail(invalidParams, "params must be an object: give each by its name")
	default:
		fail(invalidRequest, "params must be an object")
	}
	return c
}

// appendError appends an error response (section 5.1). data has what the error
// of a REST reply has, the request id, and when a repetition makes sense. number
// 0 means the code's own.
func appendError(b []byte, x *httpserver.Exchange, id []byte, number int, e *fault.Error) []byte {
	if number == 0 {
		number = e.Code.Image().JSONRPC
	}
	if id == nil {
		id = []byte("null")
	}
	b = append(append(append(b, `{"jsonrpc":"2.0","id":`...), id...), `,"error":{"code":`...)
	b = strconv.AppendInt(b, int64(number), 10)
	b = schema.AppendString(append(b, `,"message":`...), e.Message)
	b = e.AppendJSON(append(b, `,"data":`...))
	b = schema.AppendString(append(b[:len(b)-1], `,"requestId":`...), x.RequestID)
	if wait := e.RetrySeconds(); wait > 0 {
		b = strconv.AppendInt(append(b, `,"retryAfter":`...), wait, 10)
	}
	return append(b, "}}}"...)
}
