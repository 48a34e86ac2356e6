package sql

import (
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// filter writes one condition as a filter, as far as the language of pkg/query
// has it.
type filter struct {
	scan   *scan
	stored bool // conditions are on what records have, whatever rows show
	text   []byte
	nodes  int
	list   int
}

// pushed writes those members of a condition that the worker can decide, and
// returns the rest, which is decided here. A filter may leave too much: of a
// LIKE the worker gets what it can tell.
func (s *scan) pushed(c condition) (filter []byte, rest condition) {
	members, ok := c.(conjunction)
	if !ok && c != nil {
		members = conjunction{c}
	}
	f := &pushing{scan: s}
	var left conjunction
	for _, m := range members {
		if !f.member(m) {
			f.near(m)
			left = append(left, m)
		}
	}
	if len(f.parts) == 0 {
		return nil, all(left...)
	}
	text := append([]byte(`{"$and":[`), f.parts[0]...)
	for _, p := range f.parts[1:] {
		text = append(append(text, ','), p...)
	}
	return append(text, "]}"...), all(left...)
}

// pushing collects the members of the filter.
type pushing struct {
	scan  *scan
	parts [][]byte
	nodes int
	list  int
}

// member adds a condition if the worker can decide it exactly.
func (p *pushing) member(c condition) bool {
	return p.takes(&filter{scan: p.scan}, c)
}

// positive reports whether a condition that holds of a value holds of no NULL.
func positive(c condition) bool {
	switch c := c.(type) {
	case comparison:
		return c.right.constant()
	case membership:
		return true
	case negation:
		_, is := c.of.(absence)
		return is
	}
	return false
}

// takes adds a condition as that filter has it.
func (p *pushing) takes(f *filter, c condition) bool {
	limits := query.DefaultLimits
	if !f.write(c, yes, 2) {
		return false
	}
	// One for the $and around all of them.
	if p.nodes+f.nodes+1 > limits.Nodes || p.list+f.list > limits.List {
		return false
	}
	p.nodes, p.list, p.parts = p.nodes+f.nodes, p.list+f.list, append(p.parts, f.text)
	return true
}

// near adds what holds wherever the condition does.
func (p *pushing) near(c condition) {
	if f := (&filter{scan: p.scan, stored: true}); positive(c) && p.takes(f, c) {
		return
	}
	l, ok := c.(likeness)
	if !ok || l.pattern.fold {
		return
	}
	name := (&filter{scan: p.scan}).name(&l.of)
	for _, source := range l.pattern.near() {
		if name == "" || len(source) > query.DefaultLimits.Pattern || p.nodes+2 > query.DefaultLimits.Nodes {
			return
		}
		text := schema.AppendString([]byte{'{'}, name)
		text = schema.AppendString(append(text, `:{"$regex":`...), source)
		p.parts, p.nodes = append(p.parts, append(text, "}}"...)), p.nodes+1
	}
}

// name is how the filter calls an operand: a field of the streamed entity, that has
// in rows what it has in records unless those may differ.
func (f *filter) name(o *operand) string {
	if o.source == nil || o.source.table != f.scan.root || !f.stored && f.scan.lost(*o.source) {
		return ""
	}
	return o.source.of.Name
}

// write appends the filter that holds exactly where the condition is want, yes
// or no, at that depth of the filter; false where there is none.
func (f *filter) write(c condition, want truth, depth int) bool {
	if depth > query.DefaultLimits.Depth {
		return false
	}
	switch c := c.(type) {
	case fixed:
		// $or of nothing is no condition in this language, $nor of a filter that
		// always holds is one that never does.
		if f.nodes += 2; truth(c) == want {
			f.text = append(f.text, `{"$and":[]}`...)
		} else {
			f.text = append(f.text, `{"$nor":[{"$and":[]}]}`...)
		}
		return true
	case negation:
		return f.write(c.of, yes-want, depth)
	case conjunction:
		return f.junction(c, want, want == yes, depth)
	case disjunction:
		return f.junction(c, want, want == no, depth)
	case settled:
		return f.settled(c, want, depth)
	case absence:
		return f.exists(&c.of, want == no)
	case settledNull: // never true
		if want == yes {
			return f.write(fixed(no), yes, depth)
		}
		return f.exists(&c.of, true)
	case comparison:
		return f.comparison(c, want)
	case membership:
		return f.membership(c, want, depth)
	case likeness:
		return f.likeness(c, want, depth)
	}
	return false
}

func (f *filter) junction(list []condition, want truth, and bool, depth int) bool {
	if len(list) == 0 {
		return false
	}
	f.nodes++
	f.text = append(f.text, `{"$or":[`...)
	if and {
		f.text = append(f.text[:len(f.text)-len(`$or":[`)], `$and":[`...)
	}
	for i, m := range list {
		if i > 0 {
			f.text = append(f.text, ',')
		}
		if !f.write(m, want, depth+1) {
			return false
		}
	}
	f.text = append(f.text, "]}"...)
	return true
}

// settled writes IS TRUE and its kind: what is not true is false or unknown, so
// the negation of a filter is exact here.
func (f *filter) settled(c settled, want truth, depth int) bool {
	if (want == yes) != c.not {
		return f.write(c.of, c.want, depth)
	}
	f.nodes++
	f.text = append(f.text, `{"$nor":[`...)
	if !f.write(c.of, c.want, depth+1) {
		return false
	}
	f.text = append(f.text, "]}"...)
	return true
}

// open begins {"field":.
func (f *filter) open(o *operand) bool {
	name := f.name(o)
	if name == "" {
		return false
	}
	f.nodes++
	f.text = append(schema.AppendString(append(f.text, '{'), name), ':')
	return true
}

func (f *filter) exists(o *operand, there bool) bool {
	if !f.open(o) {
		return false
	}
	if there {
		f.text = append(f.text, `{"$exists":true}}`...)
	} else {
		f.text = append(f.text, `{"$exists":false}}`...)
	}
	return true
}

// opposite is where a comparison of two values is false.
var opposite = map[query.CompareOp]query.CompareOp{
	query.Eq: query.Ne, query.Ne: query.Eq, query.Lt: query.Gte, query.Gte: query.Lt, query.Gt: query.Lte, query.Lte: query.Gt,
}

var signs = map[query.CompareOp]string{
	query.Eq: "$eq", query.Ne: "$ne", query.Lt: "$lt", query.Lte: "$lte", query.Gt: "$gt", query.Gte: "$gte",
}

func (f *filter) comparison(c comparison, want truth) bool {
	if !c.right.constant() || c.right.value.IsNull() || !comparable(&c.left, c.right.value) || !f.open(&c.left) {
		return false
	}
	op := c.op
	if want == no {
		op = opposite[op]
	}
	f.text = append(append(append(f.text, `{"`...), signs[op]...), `":`...)
	f.text = c.right.value.AppendJSON(f.text)
	if op == query.Ne { // which holds for a missing value, as SQL's <> does not
		f.nodes++
		f.text = append(f.text, `,"$exists":true`...)
	}
	f.text = append(f.text, "}}"...)
	return true
}

// comparable reports whether the worker takes the value: what is no id is equal
// to none, but a filter refuses it, and takes the empty text for null.
func comparable(o *operand, v schema.Value) bool {
	if o.source == nil {
		return false
	}
	r := o.source.of.Role
	return r != schema.RoleID && r != schema.RoleReference && o.source.of.Type != schema.ObjectID || schema.ValidID(v.Text())
}

func (f *filter) membership(c membership, want truth, depth int) bool {
	if c.null && want == no {
		return f.write(fixed(no), yes, depth)
	}
	if len(c.values) == 0 && want == no {
		return f.exists(&c.left, true)
	}
	if len(c.values) == 0 {
		return f.write(fixed(no), yes, depth)
	}
	for _, v := range c.values {
		if !comparable(&c.left, v) {
			return false
		}
	}
	if !f.open(&c.left) {
		return false
	}
	f.list += len(c.values)
	f.text = append(f.text, `{"$in":[`...)
	if want == no {
		f.nodes++
		f.text = append(f.text[:len(f.text)-len(`"$in":[`)], `"$exists":true,"$nin":[`...)
	}
	for i, v := range c.values {
		if i > 0 {
			f.text = append(f.text, ',')
		}
		f.text = v.AppendJSON(f.text)
	}
	f.text = append(f.text, "]}}"...)
	return true
}

func (f *filter) likeness(c likeness, want truth, depth int) bool {
	source, ok := c.pattern.exact()
	if !ok || len(source) > query.DefaultLimits.Pattern {
		return false
	}
	if c.of.source == nil || !query.Textual(c.of.source.of) {
		return false
	}
	if source == "" { // % alone
		if want == no {
			return f.write(fixed(no), yes, depth)
		}
		return f.exists(&c.of, true)
	}
	flags := ""
	if c.pattern.fold {
		if query.Fold(source) != source {
			return false
		}
		flags = `,"$regexFlags":"i"`
	}
	if !f.open(&c.of) {
		return false
	}
	f.text = append(f.text, '{')
	if want == no {
		f.nodes += 2
		f.text = append(f.text, `"$exists":true,"$not":{`...)
	}
	f.text = schema.AppendString(append(f.text, `"$regex":`...), source)
	f.text = append(f.text, flags...)
	if want == no {
		f.text = append(f.text, '}')
	}
	f.text = append(f.text, "}}"...)
	return true
}
