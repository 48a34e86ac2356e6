package sql

import (
	"unicode/utf8"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// condition compiles a condition. Chains of one operator do not count as depth.
// Errors: INVALID_REQUEST.
func (x *exprs) condition(e sqlparser.Expr, depth int) (condition, error) {
	if depth > MaxDepth {
		return nil, invalid("a condition is nested at most %d deep", MaxDepth)
	}
	switch e := e.(type) {
	case *sqlparser.ParenExpr:
		return x.condition(e.Expr, depth) // lex has counted it
	case *sqlparser.AndExpr:
		list, err := x.chain(e, depth, func(e sqlparser.Expr) (l, r sqlparser.Expr, ok bool) {
			if e, ok := e.(*sqlparser.AndExpr); ok {
				return e.Left, e.Right, true
			}
			return nil, nil, false
		})
		if c := all(list...); c != nil || err != nil {
			return c, err
		}
		return fixed(yes), nil
	case *sqlparser.OrExpr:
		list, err := x.chain(e, depth, func(e sqlparser.Expr) (l, r sqlparser.Expr, ok bool) {
			if e, ok := e.(*sqlparser.OrExpr); ok {
				return e.Left, e.Right, true
			}
			return nil, nil, false
		})
		return disjunction(list), err
	case *sqlparser.NotExpr:
		c, err := x.condition(e.Expr, depth+1)
		return negation{c}, err
	case *sqlparser.ComparisonExpr:
		return x.comparison(e)
	case *sqlparser.RangeCond:
		return x.between(e)
	case *sqlparser.IsExpr:
		return x.is(e, depth)
	}
	return x.bare(e)
}

// chain compiles the members of a chain of AND or OR, however long it is.
func (x *exprs) chain(e sqlparser.Expr, depth int, split func(sqlparser.Expr) (l, r sqlparser.Expr, ok bool)) ([]condition, error) {
	var members []sqlparser.Expr // from the right
	for {
		l, r, ok := split(e)
		if !ok {
			members = append(members, e)
			break
		}
		members = append(members, r)
		e = l
	}
	out := make([]condition, len(members))
	for i, m := range members {
		c, err := x.condition(m, depth+1)
		if err != nil {
			return nil, err
		}
		out[len(members)-1-i] = c
	}
	return out, nil
}

// bare is a boolean value that stands as a condition.
func (x *exprs) bare(e sqlparser.Expr) (condition, error) {
	o, err := x.operand(e)
	if err != nil {
		return nil, err
	}
	switch {
	case o.param > 0:
		x.learn(o, schema.Boolean)
		return fixed(unknown), nil
	case o.constant() && o.value.IsNull():
		return fixed(unknown), nil
	case o.constant() && o.value.Kind() == schema.KindBool:
		return fixed(is(o.value.Bool())), nil
	case o.constant() && o.value.Kind() == schema.KindInt: // WHERE 1
		return fixed(is(o.value.Int() != 0)), nil
	case o.typ == schema.Boolean:
		return comparison{left: o, op: query.Eq, right: constant(schema.BoolOf(true), schema.Boolean)}, nil
	}
	return nil, invalid("%s is no condition", quote(show(e)))
}

func (x *exprs) is(e *sqlparser.IsExpr, depth int) (condition, error) {
	switch e.Operator {
	case sqlparser.IsNullStr, sqlparser.IsNotNullStr:
		o, err := x.operand(e.Expr)
		if err != nil {
			return nil, err
		}
		var c condition = absence{o}
		if o.constant() {
			c = fixed(is(o.value.IsNull()))
		}
		if e.Operator == sqlparser.IsNotNullStr {
			c = negation{c}
		}
		return c, nil
	}
	of, err := x.condition(e.Expr, depth+1)
	if err != nil {
		return nil, err
	}
	want := yes
	if e.Operator == sqlparser.IsFalseStr || e.Operator == sqlparser.IsNotFalseStr {
		want = no
	}
	return settled{of: of, want: want, not: e.Operator == sqlparser.IsNotTrueStr || e.Operator == sqlparser.IsNotFalseStr}, nil
}

func (x *exprs) between(e *sqlparser.RangeCond) (condition, error) {
	value, err := x.operand(e.Left)
	if err != nil {
		return nil, err
	}
	from, err := x.operand(e.From)
	if err != nil {
		return nil, err
	}
	to, err := x.operand(e.To)
	if err != nil {
		return nil, err
	}
	low, err := x.compare(value, query.Gte, from)
	if err != nil {
		return nil, err
	}
	high, err := x.compare(value, query.Lte, to)
	if err != nil {
		return nil, err
	}
	if e.Operator == sqlparser.NotBetweenStr {
		return negation{conjunction{low, high}}, nil
	}
	return conjunction{low, high}, nil
}

func (x *exprs) comparison(e *sqlparser.ComparisonExpr) (condition, error) {
	switch e.Operator {
	case sqlparser.LikeStr, sqlparser.NotLikeStr:
		return x.like(e)
	case sqlparser.InStr, sqlparser.NotInStr:
		return x.in(e)
	}
	op, ok := operators[e.Operator]
	if !ok {
		return nil, beyond("the operator " + quote(e.Operator))
	}
	left, err := x.operand(e.Left)
	if err != nil {
		return nil, err
	}
	right, err := x.operand(e.Right)
	if err != nil {
		return nil, err
	}
	return x.compare(left, op, right)
}

// turned is an operator with its sides exchanged.
var turned = map[query.CompareOp]query.CompareOp{
	query.Eq: query.Eq, query.Ne: query.Ne, query.Lt: query.Gt, query.Lte: query.Gte, query.Gt: query.Lt, query.Gte: query.Lte,
}

// compare makes a comparison of values of one kind. A literal between two values
// of an integer field, or beyond them, still has its place in their order.
func (x *exprs) compare(left operand, op query.CompareOp, right operand) (condition, error) {
	if left.constant() && !right.constant() {
		left, right, op = right, left, turned[op]
	}
	switch {
	case left.constant():
		return x.constants(left, op, right)
	case !right.constant():
		return fields(left, op, right)
	case right.param > 0:
		x.learn(right, left.typ)
		return fixed(unknown), nil
	}
	if op > query.Ne && !query.Ordered(&schema.Column{Type: left.typ}) {
		return nil, invalid("%s has no order: it is of type %s", left.name, left.typ)
	}
	return against(left, op, right)
}

// against compares with a constant that may lie between the values of a type.
func against(left operand, op query.CompareOp, right operand) (condition, error) {
	v, off, err := fit(right.value, left.typ, left.name)
	if err != nil {
		return nil, err
	}
	if v.IsNull() && off == hit {
		return fixed(unknown), nil
	}
	right = constant(v, left.typ)
	always := negation{settledNull{left}} // true where there is a value, else unknown
	switch {
	case off == hit:
	case op == query.Eq:
		return negation{always}, nil
	case op == query.Ne:
		return always, nil
	case off == between && (op == query.Gt || op == query.Gte):
		op = query.Gt
	case off == between:
		op = query.Lte
	case (off == above) == (op == query.Lt || op == query.Lte):
		return always, nil
	default:
		return negation{always}, nil
	}
	return comparison{left: left, op: op, right: right}, nil
}

// settledNull is unknown where there is no value, else false.
type settledNull struct{ of operand }

func (c settledNull) eval(row []schema.Value) truth {
	if c.of.of(row).IsNull() {
		return unknown
	}
	return no
}

func (x *exprs) constants(a operand, op query.CompareOp, b operand) (condition, error) {
	if a.param > 0 || b.param > 0 {
		if a.param > 0 {
			x.learn(a, b.typ)
		} else {
			x.learn(b, a.typ)
		}
		return fixed(unknown), nil
	}
	if a.value.IsNull() || b.value.IsNull() {
		return fixed(unknown), nil
	}
	if ra, ok := exact(a.value); ok && a.value.Kind() != schema.KindText {
		rb, ok := exact(b.value)
		if !ok {
			return nil, invalid("a number is compared with %s", describe(b.value))
		}
		d := schema.IntOf(int64(ra.Cmp(rb)))
		return fixed(comparison{left: constant(d, schema.Integer), op: op, right: constant(schema.IntOf(0), schema.Integer)}.eval(nil)), nil
	}
	if b.value.Kind() == schema.KindTime && a.value.Kind() != schema.KindTime {
		a, b, op = b, a, turned[op]
	}
	if a.value.Kind() == schema.KindTime {
		a.name = "an instant"
		c, err := against(a, op, b)
		if err != nil {
			return nil, err
		}
		return fixed(c.eval(nil)), nil
	}
	if a.value.Kind() != b.value.Kind() {
		return nil, invalid("%s is compared with %s", describe(a.value), describe(b.value))
	}
	return fixed(comparison{left: a, op: op, right: b}.eval(nil)), nil
}

// fields compares two values of a row.
func fields(a operand, op query.CompareOp, b operand) (condition, error) {
	if a.typ.Kind() != b.typ.Kind() && !(numeric(a.typ) && numeric(b.typ)) {
		return nil, invalid("%s (%s) and %s (%s) can't be compared: their types differ", a.name, a.typ, b.name, b.typ)
	}
	if !query.Ordered(&schema.Column{Type: a.typ}) {
		return nil, invalid("%s is of type %s: it can't be compared with a field", a.name, a.typ)
	}
	return comparison{left: a, op: op, right: b}, nil
}

func numeric(t schema.Type) bool {
	return t == schema.Integer || t == schema.Number || t == schema.Float || t == schema.Decimal
}

func (x *exprs) in(e *sqlparser.ComparisonExpr) (condition, error) {
	list, ok := e.Right.(sqlparser.ValTuple)
	if !ok {
		return nil, beyond("IN with anything but a list of literals")
	}
	left, err := x.operand(e.Left)
	if err != nil {
		return nil, err
	}
	m := membership{left: left, set: make(map[schema.Value]struct{}, len(list))}
	var others disjunction // where the left side is a constant, or a member is a field
	for _, v := range list {
		o, err := x.operand(v)
		if err != nil {
			return nil, err
		}
		if left.constant() || !o.constant() {
			c, err := x.compare(left, query.Eq, o)
			if err != nil {
				return nil, err
			}
			others = append(others, c)
			continue
		}
		if o.param > 0 {
			x.learn(o, left.typ)
			m.null = true
			continue
		}
		value, off, err := fit(o.value, left.typ, left.name)
		if err != nil {
			return nil, err
		}
		switch _, have := m.set[value]; {
		case off != hit:
		case value.IsNull():
			m.null = true
		case !have:
			m.set[value] = struct{}{}
			m.values = append(m.values, value)
		}
	}
	var c condition = m
	if left.constant() {
		c = others
	} else if len(others) > 0 {
		c = append(others, m)
	}
	if e.Operator == sqlparser.NotInStr {
		c = negation{c}
	}
	return c, nil
}

// like compiles LIKE, of a text field, or of LOWER(field).
func (x *exprs) like(e *sqlparser.ComparisonExpr) (condition, error) {
	of, fold := e.Left, false
	if f, ok := of.(*sqlparser.FuncExpr); ok && f.Qualifier.IsEmpty() && f.Name.Lowered() == "lower" && len(f.Exprs) == 1 {
		if a, ok := f.Exprs[0].(*sqlparser.AliasedExpr); ok {
			of, fold = a.Expr, true
		}
	}
	left, err := x.operand(of)
	if err != nil {
		return nil, err
	}
	right, err := x.operand(e.Right)
	if err != nil {
		return nil, err
	}
	if right.param > 0 {
		x.learn(right, schema.String)
		return fixed(unknown), nil
	}
	var escape rune
	if e.Escape != nil {
		o, err := x.operand(e.Escape)
		if err != nil {
			return nil, err
		}
		var size int
		if escape, size = utf8.DecodeRuneInString(o.value.Text()); !o.constant() || size == 0 || size != len(o.value.Text()) {
			return nil, invalid("ESCAPE takes one character in single quotes")
		}
	}
	textual := left.typ.Kind() == schema.KindText && left.typ != schema.Binary
	if !right.constant() || left.constant() || !textual {
		return nil, invalid("LIKE takes a field of text and a pattern in single quotes")
	}
	if right.value.IsNull() {
		return fixed(unknown), nil
	}
	if right.value.Kind() != schema.KindText {
		return nil, invalid("LIKE takes a pattern in single quotes")
	}
	p, err := like(right.value.Text(), escape, fold)
	if err != nil {
		return nil, err
	}
	var c condition = likeness{left, p}
	if e.Operator == sqlparser.NotLikeStr {
		c = negation{c}
	}
	return c, nil
}
