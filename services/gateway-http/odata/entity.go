package odata

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
	"github.com/octomesh/octomesh/services/gateway-http/odata/translate"
)

// entity serves one record.
func (r *request) entity(at reference) error {
	switch r.method {
	case "GET":
		return r.get(at)
	case "PATCH", "MERGE":
		return r.update(at, false)
	case "PUT":
		return r.update(at, true)
	case "DELETE":
		return r.delete(at)
	}
	return r.allow("GET, HEAD, PATCH, PUT, DELETE")
}

func (r *request) get(at reference) error {
	r.x.Op = "findById"
	read, err := r.plan(at.typ, nil, forOne)
	if err != nil {
		return err
	}
	args, err := r.arguments(read)
	if err != nil {
		return err
	}
	args = append(append(add(args, "id"), at.id...), '}')
	data, _, err := r.read(at.typ, "findById", args)
	if err != nil {
		return err
	}
	if isNull(data) {
		return notFound("there is no record with this key")
	}
	tag := ""
	if v := versionOf(data); len(v) > 0 && len(read.Expand) == 0 {
		tag = `W/"` + string(v) + `"`
		r.res.set("ETag", tag)
	}
	if have := r.header("If-None-Match"); tag != "" && (have == "*" || strings.Contains(have, tag[2:])) {
		r.res.status = 304
		return nil
	}
	return r.show(read, data, 200)
}

// show writes one record.
func (r *request) show(read *translate.Read, data []byte, status int) error {
	s := shapeOf(&r.form, read, false)
	if err := r.fillAll(s, read, append(append([]byte{'['}, data...), ']')); err != nil {
		return err
	}
	body := make([]byte, 0, len(data)+len(data)/4+256)
	body = r.context(append(body, '{'), r.contextOf(read, "/$entity"))
	row := s.append(nil, data)
	if err := r.expanded.check(); err != nil {
		return err
	}
	if len(row) > 2 {
		body = append(body, row[1:]...)
	} else {
		body = append(trimComma(body), '}')
	}
	r.json(status, body)
	return nil
}

func trimComma(b []byte) []byte {
	if n := len(b); b[n-1] == ',' {
		return b[:n-1]
	}
	return b
}

// property serves one member of a record, and its /$value and /$count.
func (r *request) property(at reference, name string, rest []string) error {
	p := at.typ.Declared(name)
	if p == nil && at.typ.Entity != nil {
		return notFound("the entity has no such property")
	}
	column := name
	if p != nil {
		column = p.Column.Name
	}
	raw := false
	switch {
	case len(rest) == 0:
	case rest[0] == "$value" && (p == nil || !p.Collection):
		raw = true
	default:
		return notFound("there is no such resource")
	}
	switch r.method {
	case "GET":
	case "PUT", "PATCH", "DELETE":
		return r.setProperty(at, p, column, raw)
	default:
		return r.allow("GET, HEAD, PUT, DELETE")
	}
	r.x.Op = "findById"
	if r.options.Given&^parse.GivenFormat != 0 {
		return fault.New(fault.InvalidRequest, "a property takes no query options but $format")
	}
	data, err := r.one(at, column, "")
	if err != nil {
		return err
	}
	value := member(data, column)
	if len(value) > 0 && value[0] == '{' && p != nil && p.Column.Relation != nil {
		value = append(append([]byte{'"'}, idOf(value)...), '"')
	}
	if isNull(value) {
		r.res.status = 204
		return nil
	}
	if raw {
		r.plain(200, rawValue(value))
		return nil
	}
	// The value goes through the shape of its record.
	s := shapeOf(&r.form, &translate.Read{Type: at.typ}, false)
	s.rows = true
	row := append(append([]byte(`{"`), column...), '"', ':')
	shown := s.append(nil, append(append(row, value...), '}'))
	if v := member(shown, name); v != nil {
		value = v
	}
	body := r.context([]byte{'{'}, at.typ.Set+"("+quoteKey(at.id)+")/"+name)
	body = append(append(append(body, `"value":`...), value...), '}')
	r.json(200, body)
	return nil
}

func quoteKey(id string) string { return "'" + strings.Trim(id, `"`) + "'" }

// rawValue is a value as plain text.
func rawValue(value []byte) []byte {
	if value[0] != '"' {
		return value
	}
	return unquote(value)
}

// setProperty changes one member: PUT with {"value":…} or text, DELETE for null.
func (r *request) setProperty(at reference, p *metadata.Property, name string, raw bool) error {
	if err := r.takes(0); err != nil {
		return err
	}
	value := []byte("null")
	if r.method != "DELETE" {
		var err error
		if value, err = r.newValue(raw); err != nil {
			return err
		}
	}
	data := append(append(append([]byte(`{"`), name...), `":`...), value...)
	if p != nil && p.Edm == "Edm.Binary" {
		return fault.New(fault.Unsupported, "a binary property is changed by PATCH of its record")
	}
	r.form.prefer.minimal = true
	return r.change(at, append(data, '}'))
}

// entityByID serves /$entity?$id=….
func (r *request) entityByID() error {
	if len(r.segments) != 1 || r.options.ID == "" {
		return errPath
	}
	at, err := r.address(r.options.ID, nil)
	if err != nil {
		return err
	}
	r.options.Given &^= parse.GivenID
	return r.entity(at)
}
