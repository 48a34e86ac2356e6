package procedure

import (
	"strconv"
	"strings"
	"unsafe"

	"github.com/octomesh/octomesh/pkg/fault"
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
	if position != "" {
		if _, err := mesh.ParsePosition(position); err != nil {
			return nil, err
		}
		b = append(schema.AppendString(member(b, []byte("minPosition")), position), ',')
	}
	if tag != "" {
		n, err := version(r.Op, tag)
		if err != nil {
			return nil, err
		}
		b = append(strconv.AppendInt(member(b, []byte("expectedVersion")), n, 10), ',')
	}
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, '}'), nil
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

// version reads an If-Match header as REST does.
// Errors: INVALID_REQUEST, CONFLICT.
func version(op, tag string) (int64, error) {
	switch op {
	case "update", "delete", "addToSet", "pull", "increment":
	default:
		return 0, fault.New(fault.InvalidRequest, "If-Match works for one record: update, delete, addToSet, pull and increment")
	}
	tag = strings.TrimPrefix(tag, "W/")
	if len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		return 0, fault.New(fault.InvalidRequest, "If-Match must be one ETag of this server, such as \"3\"")
	}
	n, err := strconv.ParseInt(tag[1:len(tag)-1], 10, 64)
	if err != nil || n < 1 {
		return 0, fault.New(fault.Conflict, "the record does not have this version")
	}
	return n, nil
}

// View is the bytes of a request as a text that lives as long as they do.
func View(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
