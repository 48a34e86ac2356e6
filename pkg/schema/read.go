package schema

import (
	"math"
	"strconv"

	"github.com/valyala/fastjson"
)

// The methods of this file read one JSON value of a schema each; on a wrong
// type they note the problem and return the zero value.

// object calls member for each key in order; member returns false for a key
// that it does not know.
func (p *parser) object(at string, v *fastjson.Value, member func(key, at string, v *fastjson.Value) bool) bool {
	if v.Type() != fastjson.TypeObject {
		p.no(at, expected("an object", v))
		return false
	}
	o, _ := v.Object()
	o.Visit(func(k []byte, v *fastjson.Value) {
		key := string(k)
		to := child(at, key)
		if !member(key, to, v) {
			p.no(to, "there is no such key")
		}
	})
	return true
}

// child extends a path by a key: in dot form if the key is a plain name.
func child(at, key string) string {
	if validName(key, true) || len(key) > 1 && key[0] == '_' && validName(key[1:], true) {
		return at + "." + key
	}
	if len(key) > 2*MaxNameLen {
		key = key[:2*MaxNameLen]
	}
	return at + "[" + strconv.Quote(key) + "]"
}

func (p *parser) list(at string, v *fastjson.Value, member func(at string, v *fastjson.Value)) {
	if v.Type() != fastjson.TypeArray {
		p.no(at, expected("an array", v))
		return
	}
	list, _ := v.Array()
	for i, v := range list {
		member(at+"["+strconv.Itoa(i)+"]", v)
	}
}

func (p *parser) text(at string, v *fastjson.Value) string {
	if v.Type() != fastjson.TypeString {
		p.no(at, expected("a text", v))
		return ""
	}
	b, _ := v.StringBytes()
	return string(b)
}

func (p *parser) texts(at string, v *fastjson.Value) (list []string) {
	p.list(at, v, func(at string, v *fastjson.Value) { list = append(list, p.text(at, v)) })
	return list
}

// name reads a name that reaches the database.
func (p *parser) name(at string, v *fastjson.Value) string {
	s := p.text(at, v)
	if v.Type() == fastjson.TypeString && !validName(s, true) {
		p.no(at, badMember)
		return ""
	}
	return s
}

func (p *parser) truth(at string, v *fastjson.Value) bool {
	switch v.Type() {
	case fastjson.TypeTrue:
		return true
	case fastjson.TypeFalse:
	default:
		p.no(at, expected("true or false", v))
	}
	return false
}

// choice returns the position of the value in names, and 0 for none.
func (p *parser) choice(at string, v *fastjson.Value, names []string) int {
	if v.Type() != fastjson.TypeString {
		p.no(at, expected("one of "+choices(names), v))
		return 0
	}
	b, _ := v.StringBytes()
	i, ok := indexOf(names, string(b))
	if !ok {
		p.no(at, "one of "+choices(names)+" is expected")
	}
	return i
}

func (p *parser) bound(at string, v *fastjson.Value) *float64 {
	got, reason := decodeType(Number, v)
	if reason != "" {
		p.no(at, reason)
		return nil
	}
	f := got.Float()
	return &f
}

func (p *parser) length(at string, v *fastjson.Value) int {
	got, reason := decodeType(Integer, v)
	if reason == "" && (got.Int() < 1 || got.Int() > math.MaxInt32) {
		reason = "a positive number is expected"
	}
	if reason != "" {
		p.no(at, reason)
		return 0
	}
	return int(got.Int())
}
