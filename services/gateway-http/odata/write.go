package odata

import (
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
	"github.com/octomesh/octomesh/services/gateway-http/odata/translate"
)

// write is a call that changes something, and what its reply becomes. data is
// the reply's data.
type write struct {
	entity, op string
	args       []byte // the request object without its closing brace
	finish     func(data []byte, reply *mesh.Reply) error
}

// do sends a write, or in an atomicity group keeps it for the group's
// transaction.
func (r *request) do(w write) error {
	r.x.Op = w.op
	if r.group != nil {
		return r.group.add(r, w)
	}
	reply, err := r.mesh(w.entity, w.op, append(w.args, '}'))
	if err != nil {
		return err
	}
	data, _, err := parts(reply.Body)
	if err != nil {
		return err
	}
	r.note(reply)
	return w.finish(data, reply)
}

// create makes a record; with is the members that the path gives it.
func (r *request) create(t *metadata.Type, with []byte) error {
	if err := r.creates(); err != nil {
		return err
	}
	read, err := r.plan(t, nil, forOne)
	if err != nil {
		return err
	}
	data, _, err := r.input(t)
	if err != nil {
		return err
	}
	if with != nil {
		data = append(data[:len(data)-1], ',')
		if len(data) == 2 {
			data = data[:1]
		}
		data = append(append(data, with...), '}')
	}
	args, err := r.populated(append([]byte(`{"data":`), data...), read)
	if err != nil {
		return err
	}
	return r.do(write{t.Name, "create", args, func(data []byte, reply *mesh.Reply) error {
		if isNull(data) || len(data) < 2 {
			data = []byte("{}")
		}
		id := string(idOf(data))
		r.res.entity = reference{t, `"` + id + `"`}
		at := r.root + t.Set + "('" + id + "')"
		if id != "" {
			r.res.set("Location", at)
		}
		return r.changed(read, data, reply, 201, at)
	}})
}

// populated adds the relations that a write's reply shows.
func (r *request) populated(args []byte, read *translate.Read) ([]byte, error) {
	for _, x := range read.Expand {
		if x.Own() {
			return nil, fault.New(fault.Unsupported, "$expand with options is for reads")
		}
	}
	if relations := r.relations(read); relations != nil {
		args = appendNames(add(args, "relations"), relations)
	}
	return args, nil
}

// changed replies with the record that a write left, or as Prefer asks.
func (r *request) changed(read *translate.Read, data []byte, reply *mesh.Reply, status int, at string) error {
	version := reply.Version
	if version == 0 {
		version = number(versionOf(data))
	}
	if version != 0 {
		r.res.set("ETag", etag(version))
	}
	if r.form.prefer.minimal {
		r.res.applied("return=minimal")
		r.res.set("OData-EntityId", at)
		r.res.status = 204
		return nil
	}
	if r.form.prefer.representation {
		r.res.applied("return=representation")
	}
	s := shapeOf(&r.form, read, true)
	body := r.context([]byte{'{'}, r.contextOf(read, "/$entity"))
	if row := s.append(nil, data); len(row) > 2 {
		body = append(body, row[1:]...)
	} else {
		body = append(trimComma(body), '}')
	}
	r.json(status, body)
	return nil
}

// update merges the body into a record, or with replace sets what the body does
// not name to its default.
func (r *request) update(at reference, replace bool) error {
	if r.header("If-None-Match") != "" {
		return fault.New(fault.Unsupported, "If-None-Match: * would create the record; POST it to the collection, or use MostaJS.upsert")
	}
	read, err := r.plan(at.typ, nil, forOne)
	if err != nil {
		return err
	}
	data, seen, err := r.input(at.typ)
	if err != nil {
		return err
	}
	if replace {
		data = r.replaced(at.typ, data, seen)
	}
	return r.send(at, read, data)
}

// change updates members of a record.
func (r *request) change(at reference, data []byte) error {
	return r.send(at, &translate.Read{Type: at.typ}, data)
}

func (r *request) send(at reference, read *translate.Read, data []byte) error {
	args := append(append([]byte(`{"id":`), at.id...), `,"data":`...)
	args, err := r.populated(append(args, data...), read)
	if err == nil {
		args, err = r.expected(args)
	}
	if err != nil {
		return err
	}
	return r.do(write{at.typ.Name, "update", args, func(data []byte, reply *mesh.Reply) error {
		if isNull(data) {
			return r.missing()
		}
		return r.changed(read, data, reply, 200, r.root+at.typ.Set+"("+quoteKey(string(`"`+string(idOf(data))+`"`))+")")
	}})
}

// missing is a write of a record that is not there.
func (r *request) missing() error {
	if r.header("If-Match") != "" {
		return &status{412, fault.New(fault.Conflict, "If-Match asks for a record that is there, and there is none")}
	}
	return notFound("there is no record with this key")
}

// replaced adds what a PUT leaves out: a property that is not in the body gets
// its default, or null.
func (r *request) replaced(t *metadata.Type, data []byte, seen map[string]bool) []byte {
	data = data[:len(data)-1]
	for _, p := range t.Properties {
		c := p.Column
		if seen[c.Name] || p.Computed() || c.Role == schema.RoleID || c.Role == schema.RoleDiscriminator {
			continue
		}
		if len(data) > 1 {
			data = append(data, ',')
		}
		data = append(schema.AppendString(data, c.Name), ':')
		switch f := c.Field; {
		case f == nil || f.Default == nil:
			data = append(data, "null"...)
		case f.Default.Now:
			data = append(schema.AppendTime(append(data, '"'), r.t.Now().UnixMilli()), '"')
		default:
			data = f.Default.Value.AppendJSON(data)
		}
	}
	return append(data, '}')
}

// expected turns If-Match into expectedVersion.
func (r *request) expected(args []byte) ([]byte, error) {
	tag := r.header("If-Match")
	if tag == "" || tag == "*" {
		return args, nil
	}
	tag = strings.TrimPrefix(tag, "W/")
	if len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		return args, fault.New(fault.InvalidRequest, "If-Match must be one ETag of this server, such as W/\"3\", or *")
	}
	n, err := strconv.ParseInt(tag[1:len(tag)-1], 10, 64)
	if err != nil || n < 1 {
		return args, &status{412, fault.New(fault.Conflict, "the record does not have this version")}
	}
	return strconv.AppendInt(add(args, "expectedVersion"), n, 10), nil
}

// creates holds a POST that makes a record to its conditions, which speak of the
// collection that is posted to (RFC 9110, section 13.1): that is there, and has no
// version. Errors: CONFLICT, as status 412.
func (r *request) creates() error {
	if tag := r.header("If-Match"); tag != "" && strings.TrimSpace(tag) != "*" {
		return &status{412, fault.New(fault.Conflict, "If-Match asks for the version of a record, and this request makes a new one: leave it out")}
	}
	if strings.TrimSpace(r.header("If-None-Match")) == "*" {
		return &status{412, fault.New(fault.Conflict, "If-None-Match: * asks that the collection is not there, and it is: leave it out; a record whose id is taken is refused without it")}
	}
	return nil
}

// unconditional refuses If-Match for what is not a write of one record by its id.
func (r *request) unconditional() error {
	if r.header("If-Match") != "" {
		return fault.New(fault.Unsupported, "If-Match asks for the version of one record, and this request changes others: leave it out, or change each record by its own address")
	}
	return nil
}

func (r *request) delete(at reference) error {
	if err := r.takes(0); err != nil {
		return err
	}
	args, err := r.expected(append([]byte(`{"id":`), at.id...))
	if err != nil {
		return err
	}
	return r.do(write{at.typ.Name, "delete", args, func(data []byte, _ *mesh.Reply) error {
		if string(data) == "false" {
			return r.missing()
		}
		r.res.status = 204
		return nil
	}})
}

// createBehind makes a record in a collection that a record leads to.
func (r *request) createBehind(at reference, n *metadata.Navigation) error {
	inverse := n.Relation.Inverse
	if inverse == nil || inverse.Column == nil {
		return fault.New(fault.Unsupported, "create the record in its own entity set, then add it with POST …/%s/$ref", n.Name)
	}
	with := append(schema.AppendString(nil, inverse.Column.Name), ':')
	return r.create(n.Target, append(with, at.id...))
}

// each changes or deletes all records of a set for which the conditions of the
// path and of $filter hold.
func (r *request) each(t *metadata.Type, where translate.Cond) error {
	read, err := r.plan(t, where, parse.GivenFilter)
	if err == nil {
		err = r.unconditional()
	}
	if err != nil {
		return err
	}
	filter := []byte("{}")
	if read.Where != nil {
		if filter, err = read.Where.Append(nil, r.ask); err != nil {
			return err
		}
	}
	args := append([]byte(`{"filter":`), filter...)
	switch r.method {
	case "DELETE":
		return r.do(write{t.Name, "deleteMany", args, r.noContent})
	case "PATCH":
		data, _, err := r.input(t)
		if err != nil {
			return err
		}
		return r.do(write{t.Name, "updateMany", append(append(args, `,"data":`...), data...), r.noContent})
	}
	return r.allow("PATCH, DELETE")
}

func (r *request) noContent([]byte, *mesh.Reply) error {
	r.res.status = 204
	return nil
}
