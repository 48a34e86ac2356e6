package store

import (
	"errors"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/valyala/fastjson"
)

// Problem is one thing that is wrong with data: a member of the details of a
// VALIDATION_ERROR.
type Problem struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

type problems []Problem

func (p *problems) add(field, reason string) { *p = append(*p, Problem{field, reason}) }

// fault is the VALIDATION_ERROR with all that is wrong; nil for nothing.
func (p problems) fault(e *schema.Entity) error {
	switch len(p) {
	case 0:
		return nil
	case 1:
		return fault.New(fault.ValidationError, "the data does not fit %s: %s: %s", e.Name, p[0].Field, p[0].Reason).With([]Problem(p))
	}
	return fault.New(fault.ValidationError, "the data does not fit %s: %d problems, the first is %s: %s",
		e.Name, len(p), p[0].Field, p[0].Reason).With([]Problem(p))
}

// patch is checked data: what a caller wants a record to hold.
type patch struct {
	id     ident
	values []assignment
	links  []linking
	refs   bool // some value or link is the id of another item of the transaction
	// blind tells that a value is for a column that the caller cannot read. Such
	// a write always counts as a change: else the version would tell whether the
	// caller has guessed what is there.
	blind bool
}

// assignment is a column's new value, or the item whose record has it.
type assignment struct {
	column *schema.Column
	value  schema.Value
	ref    int // from 1; 0 = value
}

// linking is a many-to-many relation's new targets.
type linking struct {
	relation *schema.Relation
	mode     linkMode
	targets  []ident
}

type linkMode uint8

const (
	linkExactly linkMode = iota // these and no others
	linkAlso                    // these too
	linkNot                     // all but these
)

// patch reads and checks the data member: types, trim, lowercase, enum, lengths,
// bounds, patterns. What is required is asked only where data names it: a new
// record is asked for the rest by fresh. Errors: VALIDATION_ERROR.
func (c *call) patch() (*patch, error) {
	r := dataReader{call: c, patch: &patch{}}
	o, err := c.args.data.Object()
	if err != nil {
		return nil, invalid("data must be an object")
	}
	r.patch.values = make([]assignment, 0, min(o.Len(), len(c.model.entity.Columns)))
	o.Visit(r.member)
	if err := r.problems.fault(c.model.entity); err != nil {
		return nil, err
	}
	return r.patch, nil
}

type dataReader struct {
	call     *call
	patch    *patch
	problems problems
}

func (r *dataReader) member(key []byte, v *fastjson.Value) {
	m := r.call.model
	name := string(key)
	if column := m.entity.Column(name); column != nil {
		r.column(column, v)
		return
	}
	relation := m.entity.Relation(name)
	switch {
	case relation == nil:
		r.problems.add(shorten(name), "there is no such field")
	case relation.Type == schema.ManyToMany:
		r.links(relation, v)
	case len(v.GetArray()) == 0 && (v.Type() == fastjson.TypeArray || v.Type() == fastjson.TypeNull):
		// A record that was read shows [] here, and may be written back.
	default:
		r.problems.add(name, "this side of the relation is only read; write "+relation.Inverse.Name+" of "+relation.Target.Name)
	}
}

// shorten keeps a caller's text short and valid in a message.
func shorten(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return strings.ToValidUTF8(s, "")
}

func (r *dataReader) column(c *schema.Column, v *fastjson.Value) {
	switch c.Role {
	case schema.RoleID:
		id, err := readIdent(v)
		if err != nil {
			r.problems.add(c.Name, badID)
		}
		r.patch.id = id
	case schema.RoleVersion:
		// Counted by the Store; expectedVersion asks for a certain one.
	case schema.RoleCreatedAt, schema.RoleUpdatedAt:
		if r.call.restoring {
			r.value(c, v)
		}
	case schema.RoleDeletedAt:
		if r.call.restoring {
			r.value(c, v)
		} else if v.Type() != fastjson.TypeNull {
			r.problems.add(c.Name, "it is set by op delete alone")
		}
	case schema.RoleReference:
		r.reference(c, v)
	default:
		if c == r.call.model.discriminator {
			if string(v.GetStringBytes()) != r.call.model.entity.DiscriminatorValue {
				r.problems.add(c.Name, "for this entity it is always "+r.call.model.entity.DiscriminatorValue)
			}
			return
		}
		r.value(c, v)
	}
}

func (r *dataReader) value(c *schema.Column, v *fastjson.Value) {
	value, err := c.Decode(v)
	if err != nil {
		r.problems.add(c.Name, reasonOf(err))
		return
	}
	if c.Field != nil {
		value = c.Field.Normalize(value)
	}
	if reason := check(c, value); reason != "" {
		r.problems.add(c.Name, reason)
		return
	}
	r.set(assignment{column: c, value: value})
}

// set adds a value to the patch.
func (r *dataReader) set(a assignment) {
	guard := r.call.guard
	if a.column.Hidden || guard != nil && !guard.Readable(a.column) {
		r.patch.blind = true
	}
	r.patch.values = append(r.patch.values, a)
}

// check asks whether a value may stand in a column, and returns why not.
func check(c *schema.Column, v schema.Value) string {
	if v.IsNull() {
		if c.Required {
			return "a value is required"
		}
		return ""
	}
	if c.Field == nil {
		return ""
	}
	return c.Field.Check(v)
}

// reasonOf is the reason in the error of schema's Decode.
func reasonOf(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		if list, ok := f.Details.([]schema.Problem); ok && len(list) > 0 {
			return list[0].Reason
		}
		return f.Message
	}
	return "the value does not fit"
}

// reference reads the id of another record: as text, as the record itself (a
// populated reference that is written back), or as {"$ref": n}.
func (r *dataReader) reference(c *schema.Column, v *fastjson.Value) {
	id, reason := r.target(v)
	switch {
	case reason != "":
		r.problems.add(c.Name, reason)
	case id.ref > 0:
		r.set(assignment{column: c, ref: id.ref})
	default:
		value := schema.Null
		if id.id != "" {
			value = schema.TextOf(id.id)
		}
		if reason := check(c, value); reason != "" {
			r.problems.add(c.Name, reason)
			return
		}
		r.set(assignment{column: c, value: value})
	}
}

// target reads one id of another record; null and the empty text give none.
func (r *dataReader) target(v *fastjson.Value) (ident, string) {
	switch v.Type() {
	case fastjson.TypeNull:
		return ident{}, ""
	case fastjson.TypeObject:
		if n, ok := reference(v); ok {
			if r.call.item <= n {
				return ident{}, "$ref must be the number of an earlier item of the transaction"
			}
			r.patch.refs = true
			return ident{ref: n + 1}, ""
		}
		if v = v.Get("id"); v == nil {
			return ident{}, "an id is expected"
		}
	}
	if v.Type() != fastjson.TypeString {
		return ident{}, "an id is expected"
	}
	return targetID(strings.TrimSpace(string(v.GetStringBytes())))
}

func targetID(s string) (ident, string) {
	if s != "" && !schema.ValidID(s) {
		return ident{}, badID
	}
	return ident{id: s}, ""
}

// maxTargets bounds the links of one relation that a request names. Their ids
// are looked up in chunks, so no engine limit stands behind it.
const maxTargets = 20_000

// links reads the targets of a many-to-many relation: an array, a single one,
// or a text with commas.
func (r *dataReader) links(relation *schema.Relation, v *fastjson.Value) {
	l := linking{relation: relation}
	add := func(id ident, reason string) {
		switch {
		case reason != "":
			r.problems.add(relation.Name, reason)
		case id.given():
			l.targets = append(l.targets, id)
		}
	}
	switch v.Type() {
	case fastjson.TypeArray:
		for _, m := range v.GetArray() {
			add(r.target(m))
		}
	case fastjson.TypeString:
		for part := range strings.SplitSeq(string(v.GetStringBytes()), ",") {
			add(targetID(strings.TrimSpace(part)))
		}
	default:
		add(r.target(v))
	}
	if len(l.targets) > maxTargets {
		r.problems.add(relation.Name, "a request links at most "+strconv.Itoa(maxTargets)+" records; use addToSet for more")
		return
	}
	if relation.Required && len(l.targets) == 0 {
		r.problems.add(relation.Name, "a value is required")
		return
	}
	r.patch.links = append(r.patch.links, l)
}

// fresh makes a new record's row of the patch: defaults, the given values, id,
// version and times. Errors: VALIDATION_ERROR for what is required and absent.
func (c *call) fresh(id string, p *patch, refs func(int) (string, error)) (schema.Row, error) {
	m := c.model
	row := make(schema.Row, len(m.blank))
	copy(row, m.blank)
	now := schema.TimeOf(c.now)
	for _, column := range m.now {
		row[column.Index] = now
	}
	for _, column := range []*schema.Column{m.created, m.updated} {
		if column != nil {
			row[column.Index] = now
		}
	}
	row[m.id.Index] = schema.TextOf(id)
	if err := p.apply(row, refs); err != nil {
		return nil, err
	}
	var wrong problems
	for _, column := range m.required {
		if row[column.Index].IsNull() {
			wrong.add(column.Name, "a value is required")
		}
	}
	for _, r := range m.entity.Relations {
		if r.Type == schema.ManyToMany && r.Required && !p.linksTo(r) {
			wrong.add(r.Name, "a value is required")
		}
	}
	if err := wrong.fault(m.entity); err != nil {
		return nil, err
	}
	return row, nil
}

func (p *patch) linksTo(r *schema.Relation) bool {
	for _, l := range p.links {
		if l.relation == r {
			return true
		}
	}
	return false
}

// apply puts the patch's values into the row.
func (p *patch) apply(row schema.Row, refs func(int) (string, error)) error {
	for _, a := range p.values {
		v := a.value
		if a.ref > 0 {
			id, err := refs(a.ref)
			if err != nil {
				return err
			}
			v = schema.TextOf(id)
		}
		row[a.column.Index] = v
	}
	return nil
}
