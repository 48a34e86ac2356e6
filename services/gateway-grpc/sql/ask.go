package sql

import (
	"strconv"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// asked is what a level asks the worker, and what is left to do here.
type asked struct {
	level *level
	where condition // what the filter does not decide
	order []orderKey
	// offset and limit are what is left of the page; limit -1 = all.
	offset, limit int64
	filter        []byte
	sort          []byte
	skip, most    int64 // of the request; most -1 = all
	deleted       bool  // soft-deleted records too
	used          []bool
}

// ask divides a level that scans between the worker and here.
func (l *level) ask() *asked {
	a := &asked{level: l, order: l.order, offset: l.offset, limit: l.limit, most: -1}
	a.filter, a.where = l.scan.pushed(l.where)
	visit(l.where, func(o operand) { // wherever that is decided
		a.deleted = a.deleted || o.source != nil && o.source.table == l.scan.root && o.source.of.Role == schema.RoleDeletedAt
	})
	inner := false // INNER JOINs leave records out
	for i, t := range l.scan.tables {
		inner = inner || i != l.scan.root && !t.optional
	}
	if l.group == nil {
		if sort, ok := l.scan.sorted(l.order); ok {
			a.sort, a.order = sort, nil
		}
		if a.order == nil && a.where == nil && !l.distinct && !inner && l.offset < 1<<31 {
			a.skip, a.most, a.offset, a.limit = l.offset, l.limit, 0, -1
		}
	}
	a.used = make([]bool, len(l.scan.columns))
	use := func(o operand) {
		if o.slot >= 0 {
			a.used[o.slot] = true
		}
	}
	visit(a.where, use)
	if g := l.group; g != nil {
		for _, k := range g.keys {
			use(k)
		}
		for _, x := range g.aggs {
			if !x.star {
				use(x.of)
			}
		}
		return a
	}
	for _, k := range a.order {
		use(k.of)
	}
	for _, o := range l.out {
		use(o.of)
	}
	return a
}

// visit calls use with the operands of a condition.
func visit(c condition, use func(operand)) {
	switch c := c.(type) {
	case conjunction:
		for _, m := range c {
			visit(m, use)
		}
	case disjunction:
		for _, m := range c {
			visit(m, use)
		}
	case negation:
		visit(c.of, use)
	case settled:
		visit(c.of, use)
	case settledNull:
		use(c.of)
	case comparison:
		use(c.left)
		use(c.right)
	case membership:
		use(c.left)
	case absence:
		use(c.of)
	case likeness:
		use(c.of)
	}
}

// sorted writes an order for the worker, where all its keys are fields of the
// streamed entity.
func (s *scan) sorted(keys []orderKey) ([]byte, bool) {
	if len(keys) == 0 {
		return nil, true
	}
	out := []byte{'['}
	for i, k := range keys {
		if i == maxSortKeys || k.of.source == nil || k.of.source.table != s.root || s.lost(*k.of.source) {
			return nil, false
		}
		c := k.of.source.of
		name := c.Name
		if k.desc {
			name = "-" + name
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = schema.AppendString(out, name)
		if c.Role == schema.RoleID {
			break
		}
	}
	return append(out, ']'), true
}

// lost reports whether a row may have NULL where the record has an id: a reference
// that is filled in shows that the record behind it is gone, or not visible. An
// INNER JOIN leaves out such a row.
func (s *scan) lost(c source) bool {
	if c.of.Role != schema.RoleReference || c.of.Relation == nil {
		return false
	}
	lost := c.table == s.root && c.of.Relation.Eager // also where nothing joins along it
	for _, t := range s.tables {
		if t.via != nil && t.via == c.of.Relation && t.parent == c.table {
			if !t.optional {
				return false
			}
			lost = true
		}
	}
	return lost
}

// maxSortKeys is pkg/query's.
const maxSortKeys = 8

// stream is the request object of op stream, with members that say its form.
func (a *asked) stream(form []byte) []byte {
	s := a.level.scan
	b := schema.AppendString([]byte(`{"select":[`), "id")
	for i, c := range s.columns {
		if a.used[i] && c.table == s.root && c.of.Role != schema.RoleID {
			b = schema.AppendString(append(b, ','), c.of.Name)
		}
	}
	b = append(b, ']')
	if !s.single() {
		b = append(b, `,"relations":[`...)
		first := true
		for i := range s.tables {
			if i == s.root {
				continue
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = schema.AppendString(b, s.path(i))
		}
		b = append(b, ']')
	}
	if a.filter != nil {
		b = append(append(b, `,"filter":`...), a.filter...)
	}
	if a.sort != nil {
		b = append(append(b, `,"sort":`...), a.sort...)
	}
	if a.skip > 0 {
		b = strconv.AppendInt(append(b, `,"skip":`...), a.skip, 10)
	}
	if a.most > 0 {
		b = strconv.AppendInt(append(b, `,"limit":`...), a.most, 10)
	}
	if a.deleted {
		b = append(b, `,"includeDeleted":true`...)
	}
	b = append(b, form...)
	return append(b, '}')
}

// path is the dotted name by which a table's records are filled in.
func (s *scan) path(at int) string {
	t := s.tables[at]
	if t.parent == s.root {
		return t.via.Name
	}
	return s.path(t.parent) + "." + t.via.Name
}

// pushable reports whether op aggregate can compute the groups: one entity, no
// GROUP BY or one key, accumulators that pkg/query has, and of fields that have in
// rows what they have in records.
func (a *asked) pushable() bool {
	l := a.level
	g := l.group
	if g == nil || !l.scan.single() || a.where != nil || !g.implicit && len(g.keys) != 1 || len(g.aggs) == 0 || 2*len(g.aggs)+1 > query.DefaultLimits.Outputs {
		return false
	}
	for _, k := range g.keys {
		if l.scan.lost(*k.source) {
			return false
		}
	}
	for _, x := range g.aggs {
		if x.distinct || x.fn == countOf && !x.star && !always(&x.of) || x.of.source != nil && l.scan.lost(*x.of.source) {
			return false
		}
	}
	return true
}

// always reports whether a field has a value in every record.
func always(o *operand) bool {
	return o.source != nil && (o.source.of.Role == schema.RoleID || o.source.of.Role == schema.RoleVersion)
}

var accumulators = map[function]string{sumOf: "$sum", avgOf: "$avg", minOf: "$min", maxOf: "$max"}

// stages is the request object of op aggregate. The sum of no value is null in
// SQL and 0 here, so a sum brings the least value with it, which is null then.
func (a *asked) stages() []byte {
	b := []byte(`{"stages":[`)
	if a.filter != nil {
		b = append(append(append(b, `{"$match":`...), a.filter...), "},"...)
	}
	b = append(b, `{"$group":{"_by":`...)
	if keys := a.level.group.keys; len(keys) == 1 {
		b = schema.AppendString(b, keys[0].source.of.Name)
	} else {
		b = append(b, "null"...)
	}
	for i, x := range a.level.group.aggs {
		b = append(strconv.AppendInt(append(b, `,"sql_agg`...), int64(i), 10), `":{`...)
		if x.fn == countOf || x.of.constant() { // SUM(1), as Tableau counts
			b = append(b, `"$count":true}`...)
			continue
		}
		b = schema.AppendString(b, accumulators[x.fn])
		b = append(schema.AppendString(append(b, ':'), x.of.source.of.Name), '}')
		if x.fn == sumOf {
			b = append(strconv.AppendInt(append(b, `,"sql_least`...), int64(i), 10), `":{"$min":`...)
			b = append(schema.AppendString(b, x.of.source.of.Name), '}')
		}
	}
	b = append(b, "}}]"...)
	if a.deleted {
		b = append(b, `,"includeDeleted":true`...)
	}
	return append(b, '}')
}
