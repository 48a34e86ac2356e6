package sql

import (
	"cmp"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// truth is one of SQL's three values.
type truth int8

const (
	no truth = iota
	unknown
	yes
)

// operand is a value of a row, or a constant.
type operand struct {
	slot  int // of the row; -1 for a constant
	typ   schema.Type
	value schema.Value // of a constant
	param int          // from 1: a parameter that has no value yet
	name  string       // for messages
	// source is the scanned column behind the slot; nil where rows are made here.
	source *source
	field  arrow.Field
}

func constant(v schema.Value, t schema.Type) operand { return operand{slot: -1, typ: t, value: v} }

func (o *operand) constant() bool { return o.slot < 0 }

func (o *operand) of(row []schema.Value) schema.Value {
	if o.slot < 0 {
		return o.value
	}
	return row[o.slot]
}

// condition is a node of a WHERE, ON or HAVING.
type condition interface {
	// eval returns what the condition is for a row.
	eval(row []schema.Value) truth
}

type (
	fixed       truth
	conjunction []condition
	disjunction []condition
	negation    struct{ of condition }
	// settled is IS [NOT] TRUE and IS [NOT] FALSE: never unknown.
	settled struct {
		of   condition
		want truth
		not  bool
	}
	// comparison compares values of one kind; right is a constant or a slot.
	comparison struct {
		left, right operand
		op          query.CompareOp
	}
	membership struct {
		left   operand
		values []schema.Value
		null   bool // NULL is in the list
		set    map[schema.Value]struct{}
	}
	absence  struct{ of operand }
	likeness struct {
		of      operand
		pattern *pattern
	}
)

func (c fixed) eval([]schema.Value) truth { return truth(c) }

func (c conjunction) eval(row []schema.Value) truth {
	t := yes
	for _, m := range c {
		if t = min(t, m.eval(row)); t == no {
			break
		}
	}
	return t
}

func (c disjunction) eval(row []schema.Value) truth {
	t := no
	for _, m := range c {
		if t = max(t, m.eval(row)); t == yes {
			break
		}
	}
	return t
}

func (c negation) eval(row []schema.Value) truth { return yes - c.of.eval(row) }

func (c settled) eval(row []schema.Value) truth { return is((c.of.eval(row) == c.want) != c.not) }

func is(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (c comparison) eval(row []schema.Value) truth {
	a, b := c.left.of(row), c.right.of(row)
	if a.IsNull() || b.IsNull() {
		return unknown
	}
	if a.Kind() == b.Kind() && c.op <= query.Ne {
		return is(a.Equal(b) == (c.op == query.Eq))
	}
	d := compare(a, b)
	switch c.op {
	case query.Eq:
		return is(d == 0)
	case query.Ne:
		return is(d != 0)
	case query.Lt:
		return is(d < 0)
	case query.Lte:
		return is(d <= 0)
	case query.Gt:
		return is(d > 0)
	}
	return is(d >= 0)
}

// compare orders two values of one kind, null lowest, or two numbers.
func compare(a, b schema.Value) int {
	if a.Kind() == b.Kind() || a.IsNull() || b.IsNull() {
		return a.Compare(b)
	}
	x, ok1 := exact(a)
	y, ok2 := exact(b)
	if !ok1 || !ok2 {
		return cmp.Compare(a.Kind(), b.Kind())
	}
	return x.Cmp(y)
}

func (c membership) eval(row []schema.Value) truth {
	v := c.left.of(row)
	if v.IsNull() {
		return unknown
	}
	if _, in := c.set[v]; in {
		return yes
	}
	if c.null {
		return unknown
	}
	return no
}

func (c absence) eval(row []schema.Value) truth { return is(c.of.of(row).IsNull()) }

func (c likeness) eval(row []schema.Value) truth {
	v := c.of.of(row)
	if v.IsNull() {
		return unknown
	}
	return is(c.pattern.match(v.Text()))
}

// all joins conditions; those that are always true say nothing.
func all(list ...condition) condition {
	var out conjunction
	for _, c := range list {
		switch c := c.(type) {
		case nil:
		case conjunction:
			out = append(out, c...)
		case fixed:
			if c != fixed(yes) {
				out = append(out, c)
			}
		default:
			out = append(out, c)
		}
	}
	if len(out) == 1 {
		return out[0]
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// never reports whether a condition can hold for no row.
func never(c condition) bool {
	switch c := c.(type) {
	case fixed:
		return c != fixed(yes)
	case conjunction:
		for _, m := range c {
			if never(m) {
				return true
			}
		}
	}
	return false
}
