package query

import "github.com/octomesh/octomesh/pkg/schema"

// Simplify returns a filter of the same meaning in its normal form, so that
// few shapes, and so few plans, serve many filters:
//
//   - constants are folded; what excludes nothing is nil, and Const appears
//     only as the whole filter, when nothing can match;
//   - And and Or have two members or more and none of their own kind;
//   - Not stands only before an ordering Compare, a Contains or a Regex;
//   - In has two values or more, each once, and never null.
//
// The given tree is not changed.
func Simplify(e Expr) Expr {
	if e = simplify(e, false); e == Const(true) {
		return nil
	}
	return e
}

// simplify works on e, or with not on its negation. Its result is never nil.
func simplify(e Expr, not bool) Expr {
	switch e := e.(type) {
	case nil:
		return Const(!not)
	case Const:
		return Const(bool(e) != not)
	case Not:
		return simplify(e.X, !not)
	case And:
		return junction(e, not, !not)
	case Or:
		return junction(e, not, not)
	case Compare:
		return simplifyCompare(e, not)
	case In:
		e.Negate = e.Negate != not
		return simplifyIn(e)
	}
	if not {
		return Not{e}
	}
	return e
}

// junction simplifies the members of an And (and) or an Or; by De Morgan's laws
// the caller has turned one into the other where it is negated.
func junction(members []Expr, not, and bool) Expr {
	out := make([]Expr, 0, len(members))
	for _, m := range members {
		switch m := simplify(m, not).(type) {
		case Const:
			if bool(m) != and { // false in And, true in Or: it decides
				return m
			}
		case And:
			if and {
				out = append(out, m...)
			} else {
				out = append(out, m)
			}
		case Or:
			if and {
				out = append(out, m)
			} else {
				out = append(out, m...)
			}
		default:
			out = append(out, m)
		}
	}
	switch {
	case len(out) == 0:
		return Const(and)
	case len(out) == 1:
		return out[0]
	case and:
		return And(out)
	}
	return Or(out)
}

func simplifyCompare(e Compare, not bool) Expr {
	switch e.Op {
	case Eq, Ne:
		if not {
			e.Op = Eq + Ne - e.Op
		}
		return e
	}
	if e.Value.IsNull() { // no parser makes it; nothing is above or below null
		return Const(not)
	}
	if not { // not turned round: a null is neither below nor at least
		return Not{e}
	}
	return e
}

func simplifyIn(e In) Expr {
	values, null := distinct(e.Values)
	op := Eq
	if e.Negate {
		op = Ne
	}
	var list Expr
	switch len(values) {
	case 0:
		list = Const(e.Negate)
	case 1:
		list = Compare{Column: e.Column, Op: op, Value: values[0]}
	default:
		list = In{Column: e.Column, Values: values, Negate: e.Negate}
	}
	if !null {
		return list
	}
	alone := Compare{Column: e.Column, Op: op}
	switch {
	case len(values) == 0:
		return alone
	case e.Negate:
		return And{list, alone}
	}
	return Or{list, alone}
}

// distinct returns the values once each, in the order given, without null.
func distinct(values []schema.Value) (out []schema.Value, null bool) {
	const few = 16 // below it, looking through the list is cheaper than a set
	var seen map[schema.Value]struct{}
	if len(values) > few {
		seen = make(map[schema.Value]struct{}, len(values))
	}
	out = make([]schema.Value, 0, len(values))
next:
	for _, v := range values {
		if v.IsNull() {
			null = true
			continue
		}
		if seen != nil {
			if _, ok := seen[v]; ok {
				continue
			}
			seen[v] = struct{}{}
		} else {
			for _, w := range out {
				if v == w {
					continue next
				}
			}
		}
		out = append(out, v)
	}
	return out, null
}

// Join returns the filter that holds where all of the given ones do, nil ones
// excluding nothing, in normal form.
func Join(filters ...Expr) Expr { return Simplify(And(filters)) }
