package store

import (
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/valyala/fastjson"
)

// ident is an id, or the number (from 1) of the transaction's item whose record
// has it.
type ident struct {
	id  string
	ref int
}

func (i ident) given() bool { return i.id != "" || i.ref > 0 }

// once keeps the value of a member that has two names or two places.
func once(into **fastjson.Value, v *fastjson.Value, key []byte) error {
	if v = present(v); v == nil {
		return nil
	}
	if *into != nil {
		return invalid("%s is there twice: at the top level and in options, or by both of its names", key)
	}
	*into = v
	return nil
}

// present makes null absent.
func present(v *fastjson.Value) *fastjson.Value {
	if v != nil && v.Type() == fastjson.TypeNull {
		return nil
	}
	return v
}

// object reads an object that may also come as JSON text.
func (a *arguments) object(v *fastjson.Value, name string) (*fastjson.Value, error) {
	v = present(v)
	if v == nil {
		return nil, nil
	}
	if v.Type() == fastjson.TypeString {
		doc, err := strictjson.Parse(v.GetStringBytes())
		if err != nil {
			return nil, fault.Wrap(err, fault.ParseError, "%s: %s", name, fault.From(err).Message)
		}
		a.docs = append(a.docs, doc)
		v = doc.Root
	}
	if v.Type() != fastjson.TypeObject {
		return nil, invalid("%s must be an object", name)
	}
	return v, nil
}

// embedded reads a value that may also come as the JSON text of an object or
// array; other texts stay what they are.
func (a *arguments) embedded(v *fastjson.Value) (*fastjson.Value, error) {
	v = present(v)
	if v == nil || v.Type() != fastjson.TypeString {
		return v, nil
	}
	b := v.GetStringBytes()
	if len(b) == 0 || b[0] != '{' && b[0] != '[' {
		return v, nil
	}
	doc, err := strictjson.Parse(b)
	if err != nil {
		return nil, err
	}
	a.docs = append(a.docs, doc)
	return doc.Root, nil
}

func text(v *fastjson.Value, name string) (string, error) {
	switch v.Type() {
	case fastjson.TypeNull:
		return "", nil
	case fastjson.TypeString:
		return string(v.GetStringBytes()), nil
	}
	return "", invalid("%s must be a text", name)
}

func truth(v *fastjson.Value, name string) (bool, error) {
	switch v.Type() {
	case fastjson.TypeTrue:
		return true, nil
	case fastjson.TypeFalse, fastjson.TypeNull:
		return false, nil
	case fastjson.TypeString:
		switch string(v.GetStringBytes()) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	}
	return false, invalid("%s must be true or false", name)
}

func version(v *fastjson.Value) (int64, error) {
	s := string(v.GetStringBytes())
	switch v.Type() {
	case fastjson.TypeNull:
		return 0, nil
	case fastjson.TypeNumber:
		s = string(v.MarshalTo(nil))
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, invalid("expectedVersion must be an integer from 1")
	}
	return n, nil
}

// readIdent reads an id, or {"$ref": n}.
func readIdent(v *fastjson.Value) (ident, error) {
	switch v.Type() {
	case fastjson.TypeNull:
		return ident{}, nil
	case fastjson.TypeString:
		s := string(v.GetStringBytes())
		if s != "" && !schema.ValidID(s) {
			return ident{}, invalid("id: %s", badID)
		}
		return ident{id: s}, nil
	case fastjson.TypeObject:
		if n, ok := reference(v); ok {
			return ident{ref: n + 1}, nil
		}
	}
	return ident{}, invalid("id must be a text")
}

const badID = "an id has 1 to 128 of the characters A-Z a-z 0-9 . _ ~ : @ - and is no word that paths use"

// reference reads {"$ref": n}.
func reference(v *fastjson.Value) (int, bool) {
	o := v.GetObject()
	if o == nil || o.Len() != 1 {
		return 0, false
	}
	r := o.Get("$ref")
	if r == nil || r.Type() != fastjson.TypeNumber {
		return 0, false
	}
	n, err := r.Int()
	return n, err == nil && n >= 0
}

// paths reads relations: an array of texts, or one with commas.
func paths(v *fastjson.Value) ([]string, error) {
	switch {
	case v == nil:
		return nil, nil
	case v.Type() == fastjson.TypeString:
		s := strings.TrimSpace(string(v.GetStringBytes()))
		if s == "" {
			return nil, nil
		}
		return strings.Split(s, ","), nil
	case v.Type() == fastjson.TypeArray:
		var out []string
		for _, m := range v.GetArray() {
			if m.Type() != fastjson.TypeString {
				return nil, invalid("relations must be names of relations")
			}
			out = append(out, string(m.GetStringBytes()))
		}
		return out, nil
	}
	return nil, invalid("relations must be an array of names, or names with commas")
}
