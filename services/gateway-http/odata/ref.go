package odata

import (
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
	"github.com/octomesh/octomesh/services/gateway-http/odata/translate"
)

// ownReference serves GET …/$ref of one record: its address.
func (r *request) ownReference(at reference) error {
	if r.method != "GET" {
		return r.allow("GET, HEAD")
	}
	r.x.Op = "findById"
	if _, err := r.one(at, "id", ""); err != nil {
		return err
	}
	body := append(r.context([]byte{'{'}, "$ref"), `"@odata.id":"`...)
	body = append(append(append(body, at.typ.Set...), '('), quoteKey(at.id)...)
	r.json(200, append(body, `)"}`...))
	return nil
}

// references serves GET …/$ref of a collection: addresses alone.
func (r *request) references(t *metadata.Type, where translate.Cond) error {
	if r.method != "GET" {
		return r.allow("GET, HEAD")
	}
	r.addresses = true
	return r.list(t, where)
}

// editReference serves PUT, POST and DELETE of …/$ref, which set, add and take
// away relations. done is false for a read.
func (r *request) editReference(at reference, n *metadata.Navigation, s segment, rest []string) (done bool, err error) {
	if r.method == "GET" {
		return false, nil
	}
	key := s.key
	if n.Many && len(rest) == 2 && !s.args {
		key, s.args, rest = rest[0], true, rest[1:]
	}
	if len(rest) != 1 {
		return true, errPath
	}
	var allowed parse.Given
	if r.method == "DELETE" && n.Many && !s.args {
		allowed = parse.GivenID
	}
	if err := r.takes(allowed); err != nil {
		return true, err
	}
	switch {
	case r.method == "DELETE" && !n.Many && !s.args:
		return true, r.relate(at, n.Name, "null")
	case r.method == "DELETE" && n.Many:
		to, err := r.removed(n, key, s.args)
		if err != nil {
			return true, err
		}
		return true, r.unlink(at, n, to)
	case (r.method == "PUT" || r.method == "PATCH") && !n.Many, r.method == "POST" && n.Many && !s.args:
		to, err := r.target(n)
		if err != nil {
			return true, err
		}
		if !n.Many {
			return true, r.relate(at, n.Name, to.id)
		}
		return true, r.linkTo(at, n, to)
	case n.Many:
		return true, r.allow("GET, HEAD, POST, DELETE")
	}
	return true, r.allow("GET, HEAD, PUT, DELETE")
}

// relate sets a reference.
func (r *request) relate(at reference, name, id string) error {
	r.form.prefer.minimal = true
	data := append(schema.AppendString([]byte{'{'}, name), ':')
	return r.change(at, append(append(data, id...), '}'))
}

// target reads {"@odata.id": address}.
func (r *request) target(n *metadata.Navigation) (reference, error) {
	if err := r.jsonBody(); err != nil {
		return reference{}, err
	}
	doc, err := strictjson.Parse(r.body)
	if err != nil {
		return reference{}, err
	}
	defer doc.Release()
	for _, name := range [...]string{"@odata.id", "@id"} {
		if v := doc.Root.Get(name); v != nil {
			return r.address(string(v.GetStringBytes()), n.Target)
		}
	}
	return reference{}, fault.New(fault.InvalidRequest, "send {\"@odata.id\":\"%s('…')\"}", n.Target.Set)
}

// removed is the record that a DELETE takes away: by its key in the path, or $id.
func (r *request) removed(n *metadata.Navigation, key string, keyed bool) (reference, error) {
	if !keyed {
		if r.options.ID == "" {
			return reference{}, fault.New(fault.InvalidRequest, "say which record: …/%s('id')/$ref, or ?$id=", n.Name)
		}
		return r.address(r.options.ID, n.Target)
	}
	id, err := r.keyOf(key)
	return reference{n.Target, id}, err
}

// linkTo adds a record to a relation. In a one-to-many relation it is that
// record which is changed, so that If-Match would ask for the wrong version.
func (r *request) linkTo(at reference, n *metadata.Navigation, to reference) error {
	if by := n.Relation.Inverse; by != nil && by.Column != nil {
		if err := r.unconditional(); err != nil {
			return err
		}
		return r.relate(to, by.Column.Name, at.id)
	}
	return r.edit(at, n, to, "addToSet")
}

// unlink takes a record away from a relation that it must be in. A one-to-many
// relation is asked and changed at once: the other record refers to this one.
func (r *request) unlink(at reference, n *metadata.Navigation, to reference) error {
	by := n.Relation.Inverse
	if by == nil || by.Column == nil {
		return r.edit(at, n, to, "pull")
	}
	if err := r.unconditional(); err != nil {
		return err
	}
	name := by.Column.Name
	args, err := translate.And(translate.Equal("id", to.id), translate.Equal(name, at.id)).Append([]byte(`{"filter":`), r.ask)
	if err != nil {
		return err
	}
	args = append(schema.AppendString(append(args, `,"data":{`...), name), ":null}"...)
	return r.do(write{n.Target.Name, "updateMany", args, func(data []byte, reply *mesh.Reply) error {
		if touched(data, reply) == 0 {
			return notFound("the collection has no record with this key")
		}
		r.res.status = 204
		return nil
	}})
}

// edit adds to or takes from a many-to-many relation.
func (r *request) edit(at reference, n *metadata.Navigation, to reference, op string) error {
	args := append(append([]byte(`{"id":`), at.id...), `,"field":`...)
	args = append(schema.AppendString(args, n.Name), `,"value":`...)
	args, err := r.expected(append(args, to.id...))
	if err != nil {
		return err
	}
	return r.do(write{at.typ.Name, op, args, func(data []byte, _ *mesh.Reply) error {
		if isNull(data) {
			return r.missing()
		}
		r.res.status = 204
		return nil
	}})
}
