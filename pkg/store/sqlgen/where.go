package sqlgen

import (
	"math/bits"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// where writes a condition that is true exactly if e is (or, with neg, is not);
// otherwise it is false or NULL.
func (b *Builder) where(e query.Expr, neg bool) {
	switch e := e.(type) {
	case query.And:
		b.list(e, neg, !neg)
	case query.Or:
		b.list(e, neg, neg)
	case query.Not:
		b.where(e.X, !neg)
	case query.Const:
		b.truth(bool(e) != neg)
	case query.Compare:
		b.compare(e, neg)
	case query.In:
		b.in(e, e.Negate != neg)
	case query.Contains:
		b.contains(e, neg)
	case query.Regex:
		b.regex(e, neg)
	case nil:
		b.truth(!neg)
	default:
		b.truth(neg) // no node of the language: nothing matches
	}
}

func (b *Builder) truth(t bool) {
	if t {
		b.Write("1=1")
	} else {
		b.Write("1=0")
	}
}

func (b *Builder) list(members []query.Expr, neg, and bool) {
	switch len(members) {
	case 0:
		b.truth(and)
		return
	case 1:
		b.where(members[0], neg)
		return
	}
	b.Write("(")
	for i, m := range members {
		switch {
		case i > 0 && and:
			b.Write(" AND ")
		case i > 0:
			b.Write(" OR ")
		}
		b.where(m, neg)
	}
	b.Write(")")
}

var opposite = [...]query.CompareOp{
	query.Eq: query.Ne, query.Ne: query.Eq,
	query.Lt: query.Gte, query.Gte: query.Lt,
	query.Gt: query.Lte, query.Lte: query.Gt,
}

var operators = [...]string{
	query.Eq: " = ", query.Ne: " <> ",
	query.Lt: " < ", query.Lte: " <= ", query.Gt: " > ", query.Gte: " >= ",
}

func (b *Builder) compare(e query.Compare, neg bool) {
	op := e.Op
	ordered := op != query.Eq && op != query.Ne
	if neg {
		op = opposite[op]
	}
	if e.Value.IsNull() {
		switch {
		case ordered: // a comparison with null is false
			b.truth(neg)
		case op == query.Eq:
			b.column(e.Column)
			b.Write(" IS NULL")
		default:
			b.column(e.Column)
			b.Write(" IS NOT NULL")
		}
		return
	}
	switch {
	case op == query.Ne && b.d.NotEqual != NotEqualOr && !neverNull(e.Column):
		b.operand(e.Column, ordered)
		if b.d.NotEqual == NotEqualIsNot {
			b.Write(" IS NOT ")
		} else {
			b.Write(" IS DISTINCT FROM ")
		}
		b.bind(e.Column, e.Value, ordered)
		return
	case (op == query.Ne || ordered && neg) && !neverNull(e.Column):
		b.Write("(")
		b.operand(e.Column, ordered)
		b.Write(operators[op])
		b.bind(e.Column, e.Value, ordered)
		b.orNull(e.Column)
		return
	}
	b.operand(e.Column, ordered)
	b.Write(operators[op])
	b.bind(e.Column, e.Value, ordered)
}

func (b *Builder) orNull(c *schema.Column) {
	b.Write(" OR ")
	b.column(c)
	b.Write(" IS NULL)")
}

// in writes IN, or NOT IN when neg. Its list is padded to a power of two with
// its last value, so that a few statements serve all lengths.
func (b *Builder) in(e query.In, neg bool) {
	null, n := nulls(e.Values)
	switch {
	case n == 0 && null != neg: // {null} is null; not {} is everything
		if !null {
			b.truth(true)
			return
		}
		b.column(e.Column)
		b.Write(" IS NULL")
		return
	case n == 0 && !null:
		b.truth(false)
		return
	case n == 0:
		b.column(e.Column)
		b.Write(" IS NOT NULL")
		return
	}
	orNull := null != neg && !neverNull(e.Column)
	if orNull {
		b.Write("(")
	}
	b.members(e.Column, e.Values, n, neg)
	if orNull {
		b.orNull(e.Column)
	}
}

// members writes the test of a column against n values that are not null.
func (b *Builder) members(c *schema.Column, values []schema.Value, n int, neg bool) {
	i := -1
	var last schema.Value
	b.lists(n, neg, func() { b.operand(c, false) }, func() {
		for i+1 < len(values) {
			if i++; !values[i].IsNull() {
				last = values[i]
				break
			}
		}
		b.bind(c, last, false)
	})
}

// lists writes IN, or NOT IN, with a padded list of n members, in as many parts
// as the engine needs.
func (b *Builder) lists(n int, neg bool, operand, member func()) {
	if b.d.Unnest {
		b.array(n, neg, operand, member)
		return
	}
	left, part := Padded(n), Padded(n)
	if m := b.d.MaxList; m > 0 {
		for part > m {
			part /= 2
		}
	}
	split := part < left
	if split {
		b.Write("(")
	}
	for first := true; left > 0; left, first = left-part, false {
		switch {
		case !first && neg:
			b.Write(" AND ")
		case !first:
			b.Write(" OR ")
		}
		operand()
		if neg {
			b.Write(" NOT IN (")
		} else {
			b.Write(" IN (")
		}
		for i := range part {
			if i > 0 {
				b.Write(", ")
			}
			member()
		}
		b.Write(")")
	}
	if split {
		b.Write(")")
	}
}

// array writes IN UNNEST, or NOT IN UNNEST, with one parameter for all members.
func (b *Builder) array(n int, neg bool, operand, member func()) {
	operand()
	if neg {
		b.Write(" NOT")
	}
	b.Write(" IN UNNEST(")
	b.place()
	first := len(b.args.Values)
	b.unnesting = true
	for range n {
		member()
	}
	b.unnesting = false
	b.args.Lists = append(b.args.Lists, List{first, len(b.args.Values) - first})
	b.Write(")")
}

func nulls(values []schema.Value) (null bool, others int) {
	for _, v := range values {
		if v.IsNull() {
			null = true
		} else {
			others++
		}
	}
	return null, others
}

// Padded is the length to which a list of n values is padded.
func Padded(n int) int {
	if n <= 1 {
		return n
	}
	return 1 << bits.Len(uint(n-1))
}

func (b *Builder) contains(e query.Contains, neg bool) {
	if len(e.Columns) == 0 {
		b.truth(neg)
		return
	}
	many := len(e.Columns) > 1
	if many {
		b.Write("(")
	}
	for i, c := range e.Columns {
		switch {
		case i > 0 && neg:
			b.Write(" AND ")
		case i > 0:
			b.Write(" OR ")
		}
		b.match(c, MatchFold, e.Needle, nil, neg)
	}
	if many {
		b.Write(")")
	}
}

// match writes a text test, or with neg its opposite, which null passes.
func (b *Builder) match(c *schema.Column, kind MatchKind, text string, p *query.Pattern, neg bool) {
	orNull := neg && !neverNull(c)
	if orNull {
		b.Write("(")
	}
	if !b.d.Match(b, Match{Kind: kind, Operand: func() { b.column(c) }, Text: text, Pattern: p, Negate: neg}) {
		b.inexact = true
	}
	if orNull {
		b.orNull(c)
	}
}

func (b *Builder) regex(e query.Regex, neg bool) {
	form := classify(e.Pattern)
	switch form.kind {
	case formAny: // every text matches
		b.column(e.Column)
		if neg {
			b.Write(" IS NULL")
		} else {
			b.Write(" IS NOT NULL")
		}
	case formEqual:
		b.compare(query.Compare{Column: e.Column, Op: query.Eq, Value: schema.TextOf(form.text)}, neg)
	case formPrefix:
		b.prefix(e.Column, form.text, neg)
	default:
		b.match(e.Column, MatchKind(form.kind), form.text, e.Pattern, neg)
	}
}

// prefix writes "starts with" as a range, which an index can serve.
func (b *Builder) prefix(c *schema.Column, text string, neg bool) {
	after, bounded := successor(text)
	b.Write("(")
	b.operand(c, true)
	if neg {
		b.Write(" < ")
	} else {
		b.Write(" >= ")
	}
	b.bind(c, schema.TextOf(text), true)
	if bounded {
		if neg {
			b.Write(" OR ")
		} else {
			b.Write(" AND ")
		}
		b.operand(c, true)
		if neg {
			b.Write(" >= ")
		} else {
			b.Write(" < ")
		}
		b.bind(c, schema.TextOf(after), true)
	}
	if neg && !neverNull(c) {
		b.orNull(c)
		return
	}
	b.Write(")")
}

// successor is the lowest text above every text that starts with prefix; false
// if there is none.
func successor(prefix string) (string, bool) {
	r := []rune(prefix)
	for i := len(r) - 1; i >= 0; i-- {
		switch {
		case r[i] == 0x10FFFF:
			continue
		case r[i] == 0xD7FF: // the surrogates are no text
			r[i] = 0xE000
		default:
			r[i]++
		}
		return string(r[:i+1]), true
	}
	return "", false
}
