package procedure

import (
	"unsafe"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// arguments makes the request object for the worker. Most of the time that is
// what the client wrote. The member idempotencyKey is ours and goes into the
// header, which it overrules; the headers Octo-Min-Position and If-Match become
// members unless these are there.
func (s *Desk) arguments(r *mesh.Request, args, buf []byte) ([]byte, error) {
	position, tag := s.position, s.tag
	plain := position == "" && tag == ""
	if len(args) == 0 && plain {
		return nil, nil
	}
	var wrong error
	object := len(args) == 0 || strictjson.Members(args, func(k, v []byte) bool {
		switch string(k) {
		case "idempotencyKey":
			plain = false
			text, ok := strictjson.Text(v)
			if !ok || len(text) == 0 {
				wrong = fault.New(fault.InvalidRequest, "idempotencyKey must be a text of 1 to 128 visible ASCII characters")
			}
			r.IdempotencyKey = string(text)
		case "minPosition":
			position = ""
		case "expectedVersion":
			tag = ""
		default:
			plain = plain && !(s.Lenient && embedded(k, v))
		}
		return wrong == nil
	})
	switch {
	case wrong != nil:
		return nil, wrong
	case !object:
		return nil, NotObject()
	case plain:
		return args, nil
	}
	return s.rewrite(r, args, buf, position, tag)
}

// NotObject tells that arguments are no object.
func NotObject() error {
	return fault.New(fault.InvalidRequest, "the arguments must be a JSON object, each by its name")
}

func (s *Desk) rewrite(r *mesh.Request, args, buf []byte, position, tag string) ([]byte, error) {
	b := append(buf[:0], '{')
	var wrong error
	strictjson.Members(args, func(k, v []byte) bool {
		if string(k) == "idempotencyKey" {
			return true
		}
		if s.Lenient && embedded(k, v) {
			v, _ = strictjson.Text(v)
			if wrong = strictjson.Check(v, strictjson.DefaultDepth); wrong != nil {
				return false
			}
		}
		b = append(append(member(b, k), v...), ',')
		return true
	})
	if wrong != nil {
		return nil, wrong
	}
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return gateway.Beside(append(b, '}'), r.Op, position, tag)
}

func member(b, name []byte) []byte { return append(schema.AppendString(b, name), ':') }

// embedded reports whether a member is a text where only JSON in it makes sense.
func embedded(k, v []byte) bool {
	switch string(k) {
	case "filter", "data", "stages", "sort", "options", "operations", "relations", "select", "exclude", "fields", "searchFields":
	default:
		return false
	}
	text, ok := strictjson.Text(v)
	if !ok {
		return false
	}
	text = strictjson.Trim(text)
	return len(text) > 0 && (text[0] == '{' || text[0] == '[')
}

// View is the bytes of a request as a text that lives as long as they do.
func View(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
