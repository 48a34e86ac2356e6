package translate

import (
	"math/big"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
)

var mirrored = map[parse.Op]parse.Op{"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}

var operators = map[parse.Op]string{"eq": "$eq", "ne": "$ne", "gt": "$gt", "ge": "$gte", "lt": "$lt", "le": "$lte"}

// comparison translates left op right, of which one must be a constant.
func (t *Translator) comparison(x *parse.Operation, s scope, neg bool) (Cond, error) {
	left, lc, err := t.fold(x.Left)
	if err != nil {
		return nil, err
	}
	right, rc, err := t.fold(x.Right)
	if err != nil {
		return nil, err
	}
	op := x.Op
	switch {
	case lc && rc:
		holds, err := compareConstants(op, left, right)
		return constant(holds != neg), err
	case lc:
		left, right, op = right, left, mirrored[op]
	case !rc:
		return nil, unsupported("two properties can't be compared with each other, only a property with a constant")
	}
	if l, ok := right.(*parse.Literal); ok && isCondition(left) && l.Kind == parse.Boolean && (op == "eq" || op == "ne") {
		return t.cond(left, s, neg != ((l.Text == "true") != (op == "eq")))
	}
	return t.against(left, op, right, s, neg)
}

// isCondition tells what is true or false by itself, but for a property, which
// is compared as it is.
func isCondition(x parse.Expr) bool {
	switch x := x.(type) {
	case *parse.Not, *parse.Lambda:
		return true
	case *parse.Operation:
		switch x.Op {
		case "and", "or", "eq", "ne", "gt", "ge", "lt", "le", "in", "has":
			return true
		}
	case *parse.Call:
		switch x.Name {
		case "contains", "startswith", "endswith", "matchespattern":
			return true
		}
	}
	return false
}

// against translates term op constant.
func (t *Translator) against(term parse.Expr, op parse.Op, value parse.Expr, s scope, neg bool) (Cond, error) {
	switch x := term.(type) {
	case *parse.CountOf:
		return t.counted(x, op, value, s, neg)
	case *parse.Operation:
		return t.arithmetic(x, op, value, s, neg)
	case *parse.Negate:
		zero := &parse.Literal{Kind: parse.Number, Text: "0"}
		return t.arithmetic(&parse.Operation{Op: "sub", Left: zero, Right: x.X}, op, value, s, neg)
	case *parse.Call:
		if x.On == nil && x.Named == nil {
			return t.function(x, op, value, s, neg)
		}
		return nil, unsupported("there is no function %s", x.Name)
	}
	at, err := t.path(term, s)
	if err != nil {
		return nil, err
	}
	if op == "ne" && len(at.via) > 0 {
		op, neg = "eq", !neg
	}
	holds, err := plain(at, op, value)
	if err != nil {
		return nil, err
	}
	return t.settle(at, holds, onNull(op, value), neg)
}

// onNull tells what null op value is.
func onNull(op parse.Op, value parse.Expr) bool {
	l, ok := value.(*parse.Literal)
	null := ok && l.Kind == parse.Null
	return op == "eq" && null || op == "ne" && !null
}

// settle makes the condition of a comparison, or of its opposite: comparisons
// are true or false even with null.
func (t *Translator) settle(at place, holds Cond, nullHolds, neg bool) (Cond, error) {
	other := negate(holds)
	if neg {
		holds, other, nullHolds = other, holds, !nullHolds
	}
	return t.through(at, holds, nullHolds, other)
}

// plain compares a property with a constant.
func plain(at place, op parse.Op, value parse.Expr) (Cond, error) {
	if l, ok := value.(*parse.Literal); ok {
		if l.Kind == parse.Null && op != "eq" && op != "ne" {
			return never, nil
		}
		if l.Kind == parse.Number && at.prop != nil && at.prop.Column.Type == schema.Integer {
			if r, ok := rational(l); ok {
				return whole(at, op, r)
			}
		}
	}
	b, err := appendValue(nil, value, at.prop)
	if err != nil {
		return nil, err
	}
	return is(at.name, operators[op], string(b)), nil
}

// whole compares an integer with a number that need not be one.
func whole(at place, op parse.Op, r *big.Rat) (Cond, error) {
	if r.IsInt() {
		return is(at.name, operators[op], r.Num().String()), nil
	}
	below := new(big.Int).Div(r.Num(), r.Denom()).String() // Euclidean: rounds down
	switch op {
	case "eq":
		return never, nil
	case "ne":
		return always, nil
	case "gt", "ge":
		return is(at.name, "$gt", below), nil
	}
	return is(at.name, "$lte", below), nil
}

// in translates term in (a,b).
func (t *Translator) in(x *parse.Operation, s scope, neg bool) (Cond, error) {
	right := x.Right
	if a, ok := right.(*parse.Alias); ok {
		var err error
		if right, err = t.alias(a); err != nil {
			return nil, err
		}
	}
	list, ok := right.(parse.List)
	if !ok {
		return nil, unsupported("in takes a list of constants")
	}
	if !isProperty(x.Left) {
		conds := make([]Cond, 0, len(list))
		for _, v := range list {
			c, err := t.comparison(&parse.Operation{Op: "eq", Left: x.Left, Right: v}, s, neg)
			if err != nil {
				return nil, err
			}
			conds = append(conds, c)
		}
		if neg {
			return and(conds...), nil
		}
		return or(conds...), nil
	}
	at, err := t.path(x.Left, s)
	if err != nil {
		return nil, err
	}
	b, null := []byte{'['}, false
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		v, constant, err := t.fold(v)
		if err != nil || !constant {
			return nil, unsupported("in takes a list of constants")
		}
		if l, ok := v.(*parse.Literal); ok && l.Kind == parse.Null {
			null = true
		}
		if b, err = appendValue(b, v, at.prop); err != nil {
			return nil, err
		}
	}
	return t.settle(at, is(at.name, "$in", string(append(b, ']'))), null, neg)
}

func isProperty(x parse.Expr) bool {
	_, ok := x.(*parse.Name)
	return ok
}

func isConstant(x parse.Expr) bool {
	switch x.(type) {
	case *parse.Literal, parse.List, parse.Object:
		return true
	}
	return false
}

// arithmetic takes a constant away from a term, to the other side. Both are
// folded.
func (t *Translator) arithmetic(x *parse.Operation, op parse.Op, value parse.Expr, s scope, neg bool) (Cond, error) {
	left, right := x.Left, x.Right
	lc, rc := isConstant(left), isConstant(right)
	if lc == rc {
		return nil, unsupported("%s can't be asked of two properties, only of a property and a constant", x.Op)
	}
	term, by := left, right
	if lc {
		term, by = right, left
	}
	v, ok := value.(*parse.Literal)
	if ok && v.Kind == parse.Null {
		return t.against(term, op, value, s, neg) // null is carried through
	}
	c, isNumber := by.(*parse.Literal)
	if ok && isNumber && c.Kind == parse.Duration && !lc {
		return t.shifted(term, x.Op, c, op, v, s, neg)
	}
	var k, r *big.Rat
	if ok && isNumber {
		k, isNumber = rational(c)
		r, ok = rational(v)
	}
	if !ok || !isNumber {
		return nil, unsupported("arithmetic is for numbers, and for a duration that is added to a time")
	}
	r = new(big.Rat).Set(r)
	switch {
	case x.Op == "add":
		r.Sub(r, k)
	case x.Op == "sub" && !lc:
		r.Add(r, k)
	case x.Op == "sub":
		r.Sub(k, r)
		op = mirrored[op]
	case x.Op == "mul" && k.Sign() != 0:
		r.Quo(r, k)
	case (x.Op == "divby" || x.Op == "div" && !t.integer(term, s)) && !lc && k.Sign() != 0:
		r.Mul(r, k)
	default:
		return nil, unsupported("this use of %s can't be asked", x.Op)
	}
	if k.Sign() < 0 && (x.Op == "mul" || x.Op == "div" || x.Op == "divby") {
		op = mirrored[op]
	}
	return t.against(term, op, number(r), s, neg)
}

// integer tells whether a term is of an integer type, whose div cuts off.
func (t *Translator) integer(x parse.Expr, s scope) bool {
	at, err := t.path(x, s)
	return err != nil || at.prop == nil || at.prop.Column.Type == schema.Integer
}

// shifted compares a time that a duration is added to or taken from.
func (t *Translator) shifted(term parse.Expr, by parse.Op, d *parse.Literal, op parse.Op, v *parse.Literal, s scope, neg bool) (Cond, error) {
	span, ok := duration(d.Text)
	at, isTime := instant(v)
	if !ok || !isTime || by != "add" && by != "sub" {
		return nil, invalid("a duration is added to or taken from a time")
	}
	if by == "add" {
		span = -span
	}
	return t.against(term, op, moment(at.Add(span)), s, neg)
}
