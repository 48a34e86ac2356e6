package odata

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
	"github.com/octomesh/octomesh/services/gateway-http/odata/translate"
)

// reference is one record: its type and its id as JSON, which is a text, or in
// an atomicity group {"$ref":n}.
type reference struct {
	typ *metadata.Type
	id  string
}

// segment is one step of a resource path: name, or name(key).
type segment struct {
	name string
	key  string
	args bool // parentheses were there
}

var errPath = fault.New(fault.InvalidRequest, "the resource path is malformed: write collection, collection('id') or collection('id')/property")

func parseSegment(s string) (segment, error) {
	open := strings.IndexByte(s, '(')
	if open < 0 {
		return segment{name: s}, nil
	}
	if open == 0 || s[len(s)-1] != ')' {
		return segment{}, errPath
	}
	return segment{name: s[:open], key: s[open+1 : len(s)-1], args: true}, nil
}

// keyOf reads a key: 'id', id='id', an alias, or what an older client writes
// without quotes.
func (r *request) keyOf(key string) (string, error) {
	if name, value, ok := strings.Cut(key, "="); ok && (name == "id" || name == "Id") {
		key = value
	}
	key = strings.TrimSpace(key)
	if alias, ok := strings.CutPrefix(key, "@"); ok && r.options != nil {
		l, ok := r.options.Aliases[alias].(*parse.Literal)
		if !ok {
			return "", fault.New(fault.InvalidRequest, "the alias @%s of the key has no value", short(alias))
		}
		return r.id(l.Text)
	}
	if n := len(key); n > 1 && key[0] == '\'' && key[n-1] == '\'' {
		return r.id(strings.ReplaceAll(key[1:n-1], "''", "'"))
	}
	return r.id(key)
}

// id makes JSON of an id. What can be no id is no record's.
func (r *request) id(s string) (string, error) {
	if !schema.ValidID(s) {
		return "", notFound("there is no record with this key")
	}
	return `"` + s + `"`, nil
}

func short(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

// typeOf returns the type of an entity set. A name that the catalog lacks is
// asked of the worker, which may know a later catalog.
func (r *request) typeOf(name string) (*metadata.Type, error) {
	if t := r.model.Set(name); t != nil {
		r.x.LogEntity = t.Entity.Name
		return t, nil
	}
	known, err := r.project.EntityName(name)
	if err != nil {
		return nil, err
	}
	return metadata.Unknown(known), nil
}

// route finds what the path leads to.
func (r *request) route() error {
	if len(r.segments) == 0 {
		return r.service()
	}
	if r.method == "OPTIONS" {
		r.res.status = 204
		r.res.set("Allow", "GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS")
		return nil
	}
	first, err := parseSegment(r.segments[0])
	if err != nil {
		return err
	}
	switch first.name {
	case "$metadata":
		return r.metadata()
	case "$batch":
		return r.batched()
	case "$entity":
		return r.entityByID()
	case "$all", "$crossjoin":
		return fault.New(fault.Unsupported, "%s is not offered: ask one entity set at a time", first.name)
	case "transaction", metadata.Namespace + ".transaction":
		return r.transaction()
	}
	if to, ok := r.batchReference(first.name); ok {
		return r.record(to, r.segments[1:])
	}
	t, err := r.typeOf(first.name)
	if err != nil {
		return err
	}
	rest := r.segments[1:]
	if first.args {
		id, err := r.keyOf(first.key)
		if err != nil {
			return err
		}
		return r.record(reference{t, id}, rest)
	}
	return r.set(t, nil, rest)
}

// set serves an entity set, or those of its records for which a condition of the
// path holds.
func (r *request) set(t *metadata.Type, where translate.Cond, rest []string) error {
	if len(rest) == 0 {
		return r.collection(t, where)
	}
	s, err := parseSegment(rest[0])
	if err != nil {
		return err
	}
	switch s.name {
	case "$count":
		if len(rest) > 1 {
			return errPath
		}
		return r.count(t, where)
	case "$filter":
		return r.filtered(t, where, s, rest[1:])
	case "$each":
		if len(rest) > 1 {
			return errPath
		}
		return r.each(t, where)
	case "$ref":
		if len(rest) > 1 {
			return errPath
		}
		return r.references(t, where)
	}
	if strings.HasPrefix(s.name, "$") {
		return notFound("there is no such resource")
	}
	if o := metadata.FindOperation(s.name, metadata.ToSet); o != nil {
		if len(rest) > 1 {
			return errPath
		}
		return r.operation(o, t, where, "")
	}
	if where != nil {
		return errPath
	}
	// The key as a segment.
	id, err := r.id(rest[0])
	if err != nil {
		return err
	}
	return r.record(reference{t, id}, rest[1:])
}

// filtered takes a condition that stands in the path: /$filter(@alias) or
// /$filter(expression).
func (r *request) filtered(t *metadata.Type, where translate.Cond, s segment, rest []string) error {
	x, err := parse.Expression(s.key, parse.DefaultLimits)
	if err != nil {
		return err
	}
	c, err := r.translator().Filter(x, t)
	if err != nil {
		return err
	}
	if where != nil {
		c = translate.And(where, c)
	}
	return r.set(t, c, rest)
}

// record serves one record and what is behind it.
func (r *request) record(at reference, rest []string) error {
	if len(rest) == 0 {
		return r.entity(at)
	}
	s, err := parseSegment(rest[0])
	if err != nil {
		return err
	}
	switch s.name {
	case "$ref":
		if len(rest) > 1 {
			return errPath
		}
		return r.ownReference(at)
	case "$value":
		return fault.New(fault.Unsupported, "a record is no stream: read it without /$value")
	}
	if o := metadata.FindOperation(s.name, metadata.ToEntity); o != nil {
		if len(rest) > 1 {
			return errPath
		}
		return r.operation(o, at.typ, nil, at.id)
	}
	if n := at.typ.Navigation(s.name); n != nil {
		return r.navigate(at, n, s, rest[1:])
	}
	if s.args || len(rest) > 2 {
		return notFound("there is no such resource")
	}
	return r.property(at, s.name, rest[1:])
}

// navigate follows a navigation property.
func (r *request) navigate(at reference, n *metadata.Navigation, s segment, rest []string) error {
	if len(rest) > 0 && rest[len(rest)-1] == "$ref" {
		if done, err := r.editReference(at, n, s, rest); done {
			return err
		}
	}
	if n.Many {
		return r.toMany(at, n, s, rest)
	}
	if s.args {
		return errPath
	}
	data, err := r.one(at, n.Name, "")
	if err != nil {
		return err
	}
	value := member(data, n.Name)
	if len(value) > 0 && value[0] == '{' {
		value = append(append([]byte{'"'}, idOf(value)...), '"')
	}
	if isNull(value) {
		if r.method == "GET" {
			r.res.status = 204
			return nil
		}
		return notFound("the navigation property leads to no record")
	}
	return r.record(reference{n.Target, string(value)}, rest)
}

// toMany follows a navigation property to many records.
func (r *request) toMany(at reference, n *metadata.Navigation, s segment, rest []string) error {
	key := s.key
	if !s.args && len(rest) > 0 && !strings.HasPrefix(rest[0], "$") && !strings.Contains(rest[0], "(") &&
		metadata.FindOperation(rest[0], metadata.ToSet) == nil {
		key, s.args, rest = rest[0], true, rest[1:]
	}
	where, err := r.behind(at, n)
	if err != nil {
		return err
	}
	if !s.args {
		if len(rest) == 0 && r.method == "POST" {
			return r.createBehind(at, n)
		}
		return r.set(n.Target, where, rest)
	}
	id, err := r.keyOf(key)
	if err != nil {
		return err
	}
	args, err := translate.And(where, translate.Equal("id", id)).Append([]byte(`{"select":["id"],"filter":`), r.ask)
	if err != nil {
		return err
	}
	data, _, err := r.read(n.Target, "findOne", append(args, '}'))
	if err != nil {
		return err
	}
	if isNull(data) {
		return notFound("the collection has no record with this key")
	}
	return r.record(reference{n.Target, id}, rest)
}

// behind is the condition that records are those that a navigation property of
// one record leads to.
func (r *request) behind(at reference, n *metadata.Navigation) (translate.Cond, error) {
	if inverse := n.Relation.Inverse; inverse != nil && inverse.Column != nil {
		if r.method == "GET" { // whose record is not there, has no collection
			if _, err := r.one(at, "id", ""); err != nil {
				return nil, err
			}
		}
		return translate.Equal(inverse.Column.Name, at.id), nil
	}
	data, err := r.one(at, n.Name, n.Name)
	if err != nil {
		return nil, err
	}
	ids := []byte{'['}
	list := within(member(data, n.Name))
	for {
		row, ok := list.next()
		if !ok {
			return translate.Equal("id", string(append(ids, ']'))), nil
		}
		if len(ids) > 1 {
			ids = append(ids, ',')
		}
		ids = append(append(append(ids, '"'), idOf(row)...), '"')
	}
}
