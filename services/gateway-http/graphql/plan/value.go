package plan

import (
	"strings"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// Kind tells what a Value is.
type Kind uint8

// The kinds of values. Absent is no value at all, which is not null.
const (
	Absent Kind = iota
	Null
	Text   // Raw is the text itself
	Scalar // Raw is JSON: a number, true or false
	List
	Object
)

// Value is an argument or a variable after coercion.
type Value struct {
	Kind  Kind
	Raw   string
	Names []string // of an object's members, beside Items
	Items []Value
}

// Member returns a member of an object, Absent if there is none.
func (v *Value) Member(name string) Value {
	for i, n := range v.Names {
		if n == name {
			return v.Items[i]
		}
	}
	return Value{}
}

func (v *Value) put(name string, item Value) {
	if item.Kind != Absent {
		v.Names, v.Items = append(v.Names, name), append(v.Items, item)
	}
}

// AppendJSON appends the value; Absent as null.
func (v *Value) AppendJSON(dst []byte) []byte {
	switch v.Kind {
	case Text:
		return schema.AppendString(dst, v.Raw)
	case Scalar:
		return append(dst, v.Raw...)
	case List:
		dst = append(dst, '[')
		for i := range v.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = v.Items[i].AppendJSON(dst)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		for i := range v.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(schema.AppendString(dst, v.Names[i]), ':')
			dst = v.Items[i].AppendJSON(dst)
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

// text makes a Value of a text, which a document may have given as bytes that
// are no UTF-8 (lone surrogates).
func text(s string) Value {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	return Value{Kind: Text, Raw: s}
}

// ofJSON copies a parsed JSON value.
func ofJSON(v *fastjson.Value) Value {
	switch v.Type() {
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		return Value{Kind: Text, Raw: string(b)}
	case fastjson.TypeNumber, fastjson.TypeTrue, fastjson.TypeFalse:
		return Value{Kind: Scalar, Raw: string(v.MarshalTo(nil))}
	case fastjson.TypeArray:
		list, _ := v.Array()
		out := Value{Kind: List, Items: make([]Value, 0, len(list))}
		for _, item := range list {
			out.Items = append(out.Items, ofJSON(item))
		}
		return out
	case fastjson.TypeObject:
		obj, _ := v.Object()
		out := Value{Kind: Object}
		obj.Visit(func(k []byte, v *fastjson.Value) { out.put(string(k), ofJSON(v)) })
		return out
	}
	return Value{Kind: Null}
}

// parsed reads a text that holds JSON; false if it holds none.
func parsed(s string) (Value, bool) {
	doc, err := strictjson.Parse([]byte(s))
	if err != nil {
		return Value{}, false
	}
	defer doc.Release()
	return ofJSON(doc.Root), true
}
