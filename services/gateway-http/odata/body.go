package odata

import (
	"encoding/base64"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
)

// input reads the body as a record: control information is left out, bindings
// and addresses become ids. seen has the members that it names.
// Errors: PARSE_ERROR, INVALID_REQUEST.
func (r *request) input(t *metadata.Type) (data []byte, seen map[string]bool, err error) {
	if err := r.jsonBody(); err != nil {
		return nil, nil, err
	}
	if len(r.body) == 0 {
		return nil, nil, fault.New(fault.MissingData, "send the record as a JSON object")
	}
	doc, err := strictjson.Parse(r.body)
	if err != nil {
		return nil, nil, err
	}
	defer doc.Release()
	o, err := doc.Root.Object()
	if err != nil {
		return nil, nil, fault.New(fault.InvalidRequest, "the body must be a JSON object")
	}
	data, seen = append(make([]byte, 0, len(r.body)+64), '{'), map[string]bool{}
	put := func(name string) {
		if len(data) > 1 {
			data = append(data, ',')
		}
		data = append(schema.AppendString(data, name), ':')
		if seen[name] {
			err = fault.New(fault.InvalidRequest, "%s is given twice", short(name))
		}
		seen[name] = true
	}
	o.Visit(func(key []byte, v *fastjson.Value) {
		if err != nil {
			return
		}
		name := string(key)
		if at := strings.IndexByte(name, '@'); at >= 0 {
			if n := t.Navigation(name[:at]); n != nil && (name[at:] == "@odata.bind" || name[at:] == "@bind") {
				put(n.Name)
				data, err = r.bind(data, n, v)
			}
			return
		}
		if n := t.Navigation(name); n != nil {
			put(n.Name)
			data, err = r.linked(data, n, v)
			return
		}
		p := t.Declared(name)
		if p == nil {
			put(name)
			data = strictjson.Compact(data, v)
			return
		}
		put(p.Column.Name)
		data, err = value(data, p, v)
	})
	return append(data, '}'), seen, err
}

// value copies a property's value; binary has another alphabet in OData.
func value(dst []byte, p *metadata.Property, v *fastjson.Value) ([]byte, error) {
	if p.Edm == "Edm.Binary" && v.Type() == fastjson.TypeString {
		s := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(string(v.GetStringBytes()), "="))
		if b, err := base64.RawStdEncoding.DecodeString(s); err == nil {
			return schema.AppendString(dst, base64.StdEncoding.EncodeToString(b)), nil
		}
	}
	return strictjson.Compact(dst, v), nil
}

// linked reads the value of a navigation property: addresses, records with their
// ids, or ids.
func (r *request) linked(dst []byte, n *metadata.Navigation, v *fastjson.Value) ([]byte, error) {
	if v.Type() == fastjson.TypeArray {
		return r.eachOf(dst, v, func(dst []byte, v *fastjson.Value) ([]byte, error) { return r.linked(dst, n, v) })
	}
	if v.Type() != fastjson.TypeObject {
		return strictjson.Compact(dst, v), nil
	}
	for _, name := range [...]string{"@odata.id", "@id"} {
		if at := v.Get(name); at != nil {
			return r.bind(dst, n, at)
		}
	}
	if v.Get("id") == nil {
		return dst, fault.New(fault.Unsupported, "%s: a related record can't be made within another one; create it first, or both in a batch with $1 as its address", n.Name)
	}
	return strictjson.Compact(dst, v.Get("id")), nil
}

// bind reads the address of a record, or a list of them.
func (r *request) bind(dst []byte, n *metadata.Navigation, v *fastjson.Value) ([]byte, error) {
	switch v.Type() {
	case fastjson.TypeNull:
		return append(dst, "null"...), nil
	case fastjson.TypeArray:
		return r.eachOf(dst, v, func(dst []byte, v *fastjson.Value) ([]byte, error) { return r.bind(dst, n, v) })
	case fastjson.TypeString:
		at, err := r.address(string(v.GetStringBytes()), n.Target)
		return append(dst, at.id...), err
	}
	return dst, fault.New(fault.InvalidRequest, "%s: expected the address of a record, such as \"%s('1')\"", n.Name, n.Target.Set)
}

func (r *request) eachOf(dst []byte, v *fastjson.Value, one func([]byte, *fastjson.Value) ([]byte, error)) ([]byte, error) {
	dst = append(dst, '[')
	for i, m := range v.GetArray() {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = one(dst, m); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// address reads a record's address: set('id'), set/id, /odata/set('id') with this
// project's service root, a whole URL with it, or $1, a request of the same
// batch. of is the type that it must have, nil for any. Errors: INVALID_REQUEST,
// NOT_FOUND.
func (r *request) address(s string, of *metadata.Type) (reference, error) {
	bad := fault.New(fault.InvalidRequest, "%q is no address of a record, such as products('1')", short(s))
	if to, ok := r.batchReference(s); ok {
		return to, nil
	}
	path, ok := r.below(s)
	if !ok { // many clients begin with a slash what they mean from the service root
		path, ok = strings.CutPrefix(s, "/")
	}
	if !ok {
		return reference{}, bad
	}
	name, rest, slash := strings.Cut(path, "/")
	seg, err := parseSegment(name)
	if err != nil {
		return reference{}, bad
	}
	key := seg.key
	if !seg.args {
		if !slash || strings.Contains(rest, "/") {
			return reference{}, bad
		}
		key = rest
	} else if slash {
		return reference{}, bad
	}
	t := r.model.Set(seg.name)
	if t == nil || of != nil && t != of {
		return reference{}, bad
	}
	id, err := r.keyOf(key)
	if err != nil {
		return reference{}, bad
	}
	return reference{t, id}, nil
}

// jsonBody asks that the body is JSON by its headers.
func (r *request) jsonBody() error {
	kind, _, _ := strings.Cut(r.header("Content-Type"), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if kind == "" || kind == "application/json" || len(r.body) == 0 || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json") {
		return nil
	}
	return &status{415, fault.New(fault.InvalidRequest, "the body must be JSON: send Content-Type: application/json")}
}

// newValue reads the body of a change to one property, as JSON.
func (r *request) newValue(raw bool) ([]byte, error) {
	if raw {
		return schema.AppendString(nil, strings.ToValidUTF8(string(r.body), "\ufffd")), nil
	}
	if err := r.jsonBody(); err != nil {
		return nil, err
	}
	doc, err := strictjson.Parse(r.body)
	if err != nil {
		return nil, err
	}
	defer doc.Release()
	v := doc.Root.Get("value")
	if v == nil {
		return nil, fault.New(fault.InvalidRequest, "send {\"value\":…}")
	}
	return strictjson.Compact(nil, v), nil
}

// unquote is a JSON string's text.
func unquote(value []byte) []byte {
	doc, err := strictjson.Parse(value)
	if err != nil {
		return value
	}
	defer doc.Release()
	return append([]byte(nil), doc.Root.GetStringBytes()...)
}
