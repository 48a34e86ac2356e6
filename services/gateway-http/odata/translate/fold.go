package translate

import (
	"math/big"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
)

// fold computes what is constant in an expression. The second result tells that
// the whole of it is.
func (t *Translator) fold(x parse.Expr) (parse.Expr, bool, error) {
	defer t.leave()
	if err := t.enter(x); err != nil {
		return nil, false, err
	}
	switch x := x.(type) {
	case *parse.Literal, parse.List, parse.Object:
		return x, true, nil
	case *parse.Alias:
		v, err := t.alias(x)
		if err != nil {
			return nil, false, err
		}
		return t.fold(v)
	case *parse.Negate:
		v, ok, err := t.fold(x.X)
		if err != nil || !ok {
			return &parse.Negate{X: v}, false, err
		}
		if r, is := literalNumber(v); is {
			return number(new(big.Rat).Neg(r)), true, nil
		}
		return nil, false, invalid("only a number can be negated")
	case *parse.Operation:
		return t.foldOperation(x)
	case *parse.Call:
		return t.foldCall(x)
	}
	return x, false, nil
}

func literalNumber(x parse.Expr) (*big.Rat, bool) {
	l, ok := x.(*parse.Literal)
	if !ok {
		return nil, false
	}
	return rational(l)
}

func isArithmetic(op parse.Op) bool {
	switch op {
	case "add", "sub", "mul", "div", "divby", "mod":
		return true
	}
	return false
}

func (t *Translator) foldOperation(x *parse.Operation) (parse.Expr, bool, error) {
	if !isArithmetic(x.Op) {
		return x, false, nil
	}
	list := spine(x, isArithmetic)
	left, lc, err := t.fold(list[0].Left)
	if err != nil {
		return nil, false, err
	}
	for _, o := range list {
		if err = t.walked(o); err != nil {
			return nil, false, err
		}
		right, rc, err := t.fold(o.Right)
		if err != nil {
			return nil, false, err
		}
		if !lc || !rc {
			left, lc = &parse.Operation{Op: o.Op, Left: left, Right: right}, false
		} else if left, err = computed(o.Op, left, right); err != nil {
			return nil, false, err
		}
	}
	return left, lc, nil
}

// computed is left op right of two constants.
func computed(op parse.Op, left, right parse.Expr) (parse.Expr, error) {
	if v, ok := foldTime(op, left, right); ok {
		return v, nil
	}
	a, aok := literalNumber(left)
	b, bok := literalNumber(right)
	if !aok || !bok {
		return nil, invalid("%s is for numbers of at most %d digits, and for a duration that is added to a time", op, maxDigits)
	}
	r := new(big.Rat)
	switch op {
	case "add":
		return number(r.Add(a, b)), nil
	case "sub":
		return number(r.Sub(a, b)), nil
	case "mul":
		return number(r.Mul(a, b)), nil
	}
	if b.Sign() == 0 {
		return nil, invalid("a number is divided by zero")
	}
	r.Quo(a, b)
	whole := new(big.Int).Quo(r.Num(), r.Denom())
	switch {
	case op == "mod":
		return number(r.Sub(a, r.Mul(b, new(big.Rat).SetInt(whole)))), nil
	case op == "div" && a.IsInt() && b.IsInt():
		return number(r.SetInt(whole)), nil
	}
	return number(r), nil
}

func foldTime(op parse.Op, left, right parse.Expr) (parse.Expr, bool) {
	a, aok := left.(*parse.Literal)
	b, bok := right.(*parse.Literal)
	if !aok || !bok || b.Kind != parse.Duration || op != "add" && op != "sub" {
		return nil, false
	}
	at, ok := instant(a)
	d, fine := duration(b.Text)
	if !ok || !fine {
		return nil, false
	}
	if op == "sub" {
		d = -d
	}
	return moment(at.Add(d)), true
}

// foldCall computes the functions of constants.
func (t *Translator) foldCall(x *parse.Call) (parse.Expr, bool, error) {
	switch x.Name {
	case "now":
		return moment(t.Now), true, nil
	case "mindatetime":
		return moment(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)), true, nil
	case "maxdatetime":
		return moment(time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)), true, nil
	}
	if x.On != nil || x.Named != nil {
		return x, false, nil
	}
	args := make([]parse.Expr, len(x.Args))
	constants := true
	for i, a := range x.Args {
		v, ok, err := t.fold(a)
		if err != nil {
			return nil, false, err
		}
		args[i], constants = v, constants && ok
	}
	folded := &parse.Call{Name: x.Name, Args: args}
	if !constants {
		return folded, false, nil
	}
	if v := compute(x.Name, args); v != nil {
		return v, true, t.walked(v) // concat makes texts longer
	}
	return folded, false, nil
}

func compute(name string, args []parse.Expr) *parse.Literal {
	var text [2]string
	for i, a := range args {
		l, ok := a.(*parse.Literal)
		if !ok || l.Kind != parse.String || i > 1 {
			return computeOther(name, args)
		}
		text[i] = l.Text
	}
	out := &parse.Literal{Kind: parse.String}
	switch name {
	case "tolower":
		out.Text = strings.ToLower(text[0])
	case "toupper":
		out.Text = strings.ToUpper(text[0])
	case "trim":
		out.Text = strings.TrimSpace(text[0])
	case "concat":
		out.Text = text[0] + text[1]
	case "length":
		return number(new(big.Rat).SetInt64(int64(utf8.RuneCountInString(text[0]))))
	default:
		return nil
	}
	return out
}

func computeOther(name string, args []parse.Expr) *parse.Literal {
	l, ok := args[0].(*parse.Literal)
	if !ok {
		return nil
	}
	switch name {
	case "date":
		if at, ok := instant(l); ok {
			return &parse.Literal{Kind: parse.Date, Text: at.Format(time.DateOnly)}
		}
	case "year":
		if at, ok := instant(l); ok {
			return number(new(big.Rat).SetInt64(int64(at.Year())))
		}
	}
	return nil
}

// compareConstants answers a comparison in which no property has a part.
func compareConstants(op parse.Op, left, right parse.Expr) (bool, error) {
	a, aok := left.(*parse.Literal)
	b, bok := right.(*parse.Literal)
	if !aok || !bok {
		return false, unsupported("two constants of these types can't be compared")
	}
	if a.Kind == parse.Null || b.Kind == parse.Null {
		same := a.Kind == b.Kind
		return op == "eq" && same || op == "ne" && !same, nil
	}
	var d int
	if x, ok := rational(a); ok {
		y, ok := rational(b)
		if !ok {
			return false, invalid("a number is compared with something else")
		}
		d = x.Cmp(y)
	} else if x, ok := instant(a); ok && a.Kind != parse.String {
		y, ok := instant(b)
		if !ok {
			return false, invalid("a time is compared with something else")
		}
		d = x.Compare(y)
	} else if a.Kind == parse.Number {
		return false, invalid("NaN, INF and numbers of more than %d digits can't be compared", maxDigits)
	} else if a.Kind != b.Kind {
		return false, invalid("two constants of different types are compared")
	} else {
		d = strings.Compare(a.Text, b.Text)
	}
	switch op {
	case "eq":
		return d == 0, nil
	case "ne":
		return d != 0, nil
	case "gt":
		return d > 0, nil
	case "ge":
		return d >= 0, nil
	case "lt":
		return d < 0, nil
	}
	return d <= 0, nil
}
