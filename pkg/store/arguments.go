package store

import (
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/valyala/fastjson"
)

// arguments is a request object, read once. The values belong to documents that
// close releases.
type arguments struct {
	id              ident
	filter, data    *fastjson.Value
	sort            *fastjson.Value
	limit, skip     *fastjson.Value
	selected        *fastjson.Value
	excluded        *fastjson.Value
	relations       *fastjson.Value
	searchFields    *fastjson.Value
	stages          *fastjson.Value
	value, amount   *fastjson.Value
	operations      *fastjson.Value
	records         *fastjson.Value
	query           string
	field           string
	cursor          string
	position        string
	op, entity      string // of an item of a transaction
	minPosition     mesh.Position
	expectedVersion int64 // 0 = any
	includeDeleted  bool
	count           bool
	cursors         bool // one for each record of a page
	form            form

	root *fastjson.Value
	docs []*strictjson.Doc
}

// harmless reports whether a member says nothing about what is to be done:
// clients of Octonet repeat there what the address already says.
func harmless(member []byte) bool {
	switch string(member) {
	case "op", "entity", "project", "reqId", "type", "minPosition":
		return true
	}
	return false
}

// parse reads a whole request object. The caller must close it.
func (a *arguments) parse(text []byte) error {
	if len(text) == 0 {
		text = []byte("{}")
	}
	doc, err := strictjson.Parse(text)
	if err != nil {
		return err
	}
	a.docs = append(a.docs, doc)
	return a.read(doc.Root, false)
}

func (a *arguments) close() {
	for _, d := range a.docs {
		d.Release()
	}
	clear(a.docs)
	a.docs = a.docs[:0]
}

// read reads the members of v: a request object, or with item one of a
// transaction.
func (a *arguments) read(v *fastjson.Value, item bool) error {
	o, err := v.Object()
	if err != nil {
		return invalid("a request is a JSON object")
	}
	a.root = v
	var wrong error
	o.Visit(func(key []byte, v *fastjson.Value) {
		if wrong != nil {
			return
		}
		if string(key) == "options" {
			wrong = a.options(v)
			return
		}
		known, err := a.member(key, v, item)
		switch {
		case err != nil:
			wrong = err
		case !known:
			wrong = unknownMember(key)
		}
	})
	return wrong
}

func unknownMember(key []byte) error {
	return invalid("a request has no member %q", shorten(string(key)))
}

func invalid(format string, args ...any) error {
	return fault.New(fault.InvalidRequest, format, args...)
}

// options reads the object in which Octonet's requests have sort and its kind.
func (a *arguments) options(v *fastjson.Value) error {
	if present(v) == nil {
		return nil
	}
	o, err := v.Object()
	if err != nil {
		return invalid("options must be an object")
	}
	var wrong error
	o.Visit(func(key []byte, v *fastjson.Value) {
		if wrong != nil {
			return
		}
		known, err := a.option(key, v)
		switch {
		case err != nil:
			wrong = err
		case !known:
			wrong = unknownMember(append([]byte("options."), key...))
		}
	})
	return wrong
}

// member reads what only stands at the top level, and the options, which may.
func (a *arguments) member(key []byte, v *fastjson.Value, item bool) (known bool, err error) {
	switch string(key) {
	case "id":
		a.id, err = readIdent(v)
	case "filter":
		a.filter, err = a.object(v, "filter")
	case "data":
		a.data, err = a.object(v, "data")
	case "stages":
		a.stages, err = a.embedded(v)
	case "query":
		a.query, err = text(v, "query")
	case "field":
		a.field, err = text(v, "field")
	case "value":
		a.value = v
	case "amount":
		a.amount = present(v)
	case "searchFields", "fields":
		err = once(&a.searchFields, v, key)
	case "records":
		a.records = v
	case "operations":
		a.operations, err = a.embedded(v)
	case "position":
		a.position, err = text(v, "position")
	case "minPosition":
		var s string
		if s, err = text(v, "minPosition"); err == nil && s != "" {
			a.minPosition, err = mesh.ParsePosition(s)
		}
	case "expectedVersion":
		a.expectedVersion, err = version(v)
	case "op", "entity":
		if !item {
			return true, nil
		}
		if key[0] == 'o' {
			a.op, err = text(v, "op")
		} else {
			a.entity, err = text(v, "entity")
		}
	default:
		if harmless(key) {
			return true, nil
		}
		return a.option(key, v)
	}
	return true, err
}

func (a *arguments) option(key []byte, v *fastjson.Value) (known bool, err error) {
	switch string(key) {
	case "sort":
		if v, err = a.embedded(v); err == nil {
			err = once(&a.sort, v, key)
		}
	case "limit":
		err = once(&a.limit, v, key)
	case "skip":
		err = once(&a.skip, v, key)
	case "select":
		err = once(&a.selected, v, key)
	case "exclude":
		err = once(&a.excluded, v, key)
	case "relations", "include":
		err = once(&a.relations, v, key)
	case "includeDeleted":
		a.includeDeleted, err = truth(v, "includeDeleted")
	case "count":
		a.count, err = truth(v, "count")
	case "cursors":
		a.cursors, err = truth(v, "cursors")
	case "cursor":
		a.cursor, err = text(v, "cursor")
	default:
		return a.form.member(key, v)
	}
	return true, err
}

// need answers the absence of a member that the op must have.
func (a *arguments) need(op *mesh.Op) error {
	if a.form.named != "" && op.Name != "stream" {
		return unknownMember([]byte(a.form.named))
	}
	for _, n := range op.Needs {
		there := false
		switch n.Member {
		case "id":
			there = a.id.given()
		case "filter":
			there = a.filter != nil
		case "data":
			there = a.data != nil
		case "query":
			there = a.query != ""
		case "stages":
			there = a.stages != nil
		case "field":
			there = a.field != ""
		case "value":
			there = a.value != nil
		case "amount":
			there = a.amount != nil
		case "operations":
			there = a.operations != nil
		case "records":
			there = a.records != nil
		case "position":
			there = a.position != ""
		}
		if !there {
			return fault.New(fault.Code(n.Code), "%s needs %s", op.Name, n.Member)
		}
	}
	return nil
}
