package rest

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// object is a JSON object that is written member by member. Raw members must
// have been checked: nothing may break out of the object.
type object struct{ b []byte }

func newObject(buf []byte) object { return object{append(buf[:0], '{')} }

func (o *object) key(name string) {
	if n := len(o.b); o.b[n-1] != '{' && o.b[n-1] != ',' {
		o.b = append(o.b, ',')
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, '"', ':')
}

// jsonKey starts a member whose name a client chose.
func (o *object) jsonKey(name string) {
	if n := len(o.b); o.b[n-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(schema.AppendString(o.b, name), ':')
}

// text adds a string; s must be valid UTF-8.
func (o *object) text(name, s string) {
	o.key(name)
	o.b = schema.AppendString(o.b, s)
}

// raw adds JSON text that has been checked.
func (o *object) raw(name string, json []byte) {
	o.key(name)
	o.b = append(o.b, json...)
}

// json adds a value that a client sent. Errors: PARSE_ERROR.
func (o *object) json(name string, b []byte) error {
	if err := strictjson.Check(b, strictjson.DefaultDepth); err != nil {
		return err
	}
	o.raw(name, b)
	return nil
}

// members adds the members of an object that a client sent. A name that is
// there already stays double, and the worker refuses that.
// Errors: PARSE_ERROR, INVALID_REQUEST if it is no object.
func (o *object) members(b []byte) error {
	if err := strictjson.Check(b, strictjson.DefaultDepth); err != nil {
		return err
	}
	b = trim(b)
	if b[0] != '{' {
		return fault.New(fault.InvalidRequest, "the body must be a JSON object")
	}
	if b = trim(b[1 : len(b)-1]); len(b) == 0 {
		return nil
	}
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(o.b, b...)
	return nil
}

// list adds a comma-separated text as an array of strings.
func (o *object) list(name, s string) {
	o.key(name)
	o.b = appendList(o.b, s)
}

func (o *object) end() []byte {
	o.b = append(o.b, '}')
	return o.b
}

func appendList(dst []byte, s string) []byte {
	dst = append(dst, '[')
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		dst = schema.AppendString(dst, part)
	}
	return append(dst, ']')
}

func trim(b []byte) []byte {
	for len(b) > 0 && space(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && space(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
