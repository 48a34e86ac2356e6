package store

import (
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
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
	query           string
	field           string
	cursor          string
	position        string
	op, entity      string // of an item of a transaction
	minPosition     mesh.Position
	expectedVersion int64 // 0 = any
	includeDeleted  bool
	count           bool
	keepTimes       bool

	root *fastjson.Value
	docs []*strictjson.Doc
}

// ident is an id, or the number (from 1) of the transaction's item whose record
// has it.
type ident struct {
	id  string
	ref int
}

func (i ident) given() bool { return i.id != "" || i.ref > 0 }

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
	a.docs = nil
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
		if string(key) == "options" && v.Type() != fastjson.TypeNull {
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
	return invalid("a request has no member %s", schema.AppendString(nil, key[:min(len(key), 64)]))
}

func invalid(format string, args ...any) error {
	return fault.New(fault.InvalidRequest, format, args...)
}

// options reads the object in which Octonet's requests have sort and its kind.
func (a *arguments) options(v *fastjson.Value) error {
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
	case "keepTimes":
		a.keepTimes, err = truth(v, "keepTimes")
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
	case "cursor":
		a.cursor, err = text(v, "cursor")
	default:
		return false, nil
	}
	return true, err
}

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

// need answers the absence of a member that the op must have.
func (a *arguments) need(op *mesh.Op) error {
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
		case "position":
			there = a.position != ""
		}
		if !there {
			return fault.New(fault.Code(n.Code), "%s needs %s", op.Name, n.Member)
		}
	}
	return nil
}
