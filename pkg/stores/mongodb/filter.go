package mongodb

import (
	"github.com/octomesh/octomesh/pkg/query"
)

// MongoDB's own logic is ours already: a member that is not there equals null,
// $ne and $nin hold for it, and $lt, $lte, $gt and $gte hold for values of the
// operand's type alone (manual, "Comparison/Sort Order", type bracketing).

// appendFilter appends to an object the conditions that hold where e does (or,
// with neg, where it does not). It is false when they hold for more than that:
// then each document they leave has to be put to query.Eval. They never hold
// for less.
func (d *doc) appendFilter(e query.Expr, neg bool) (exact bool) {
	switch e := e.(type) {
	case nil:
		return d.constant(!neg)
	case query.Const:
		return d.constant(bool(e) != neg)
	case query.Not:
		return d.appendFilter(e.X, !neg)
	case query.And:
		return d.junction(e, neg, !neg)
	case query.Or:
		return d.junction(e, neg, neg)
	case query.Compare:
		d.compare(e, neg)
		return true
	case query.In:
		op := "$in"
		if e.Negate != neg {
			op = "$nin"
		}
		d.object(member(e.Column)).array(op)
		for _, v := range e.Values {
			d.value("", v)
		}
		d.end().end()
		return true
	case query.Regex:
		return d.pattern(member(e.Column), translate(e.Pattern), neg)
	case query.Contains:
		return d.contains(e, neg)
	}
	return d.constant(neg)
}

// constant appends a condition that holds always, or never: no document lacks
// its _id, and $in of nothing holds for nothing.
func (d *doc) constant(t bool) bool {
	if !t {
		d.object("_id").array("$in").end().end()
	}
	return true
}

func (d *doc) junction(members []query.Expr, neg, and bool) bool {
	if len(members) == 0 {
		return d.constant(and)
	}
	if and {
		d.array("$and")
	} else {
		d.array("$or")
	}
	exact := true
	for _, m := range members {
		d.object("")
		exact = d.appendFilter(m, neg) && exact
		d.end()
	}
	d.end()
	return exact
}

var comparisons = [...]string{
	query.Eq: "$eq", query.Ne: "$ne",
	query.Lt: "$lt", query.Lte: "$lte", query.Gt: "$gt", query.Gte: "$gte",
}

func (d *doc) compare(e query.Compare, neg bool) {
	op := e.Op
	switch ordered := op != query.Eq && op != query.Ne; {
	case ordered && e.Value.IsNull(): // nothing is above or below null
		d.constant(neg)
		return
	case ordered && neg: // null is neither below nor at least
		d.array("$nor").object("")
		defer func() { d.end().end() }()
	case neg:
		op = query.Eq + query.Ne - op
	}
	d.object(member(e.Column)).value(comparisons[op], e.Value).end()
}

// contains appends one text test for each column, of which one must hold.
func (d *doc) contains(e query.Contains, neg bool) bool {
	if len(e.Columns) == 0 {
		return d.constant(neg)
	}
	t := foldTest(e.Needle)
	if neg {
		d.array("$and")
	} else {
		d.array("$or")
	}
	exact := true
	for _, c := range e.Columns {
		d.object("")
		exact = d.pattern(member(c), t, neg) && exact
		d.end()
	}
	d.end()
	return exact
}

// pattern appends a text test on a member. A test that is exact for ASCII texts
// alone lets every other text through.
func (d *doc) pattern(name string, t test, neg bool) bool {
	switch {
	case t.kind == testNone && !t.asciiOnly:
		return d.constant(neg)
	case t.kind == testAny && neg:
		d.object(name).null("$eq").end()
		return true
	case t.kind == testAny:
		d.object(name).null("$ne").end()
		return true
	case t.kind == testUnknown && !neg:
		d.object(name).text("$type", "string").end()
		return false
	case t.kind == testNone && !neg: // no ASCII text passes
		d.regex(name, notASCII, false)
		return false
	case t.kind == testUnknown, t.kind == testNone:
		return false
	case !t.asciiOnly && !neg:
		d.regex(name, t.pattern, false)
		return true
	case !t.asciiOnly:
		d.array("$nor").object("").regex(name, t.pattern, false).end().end()
		return true
	}
	d.array("$or").object("").regex(name, notASCII, false).end()
	if neg {
		d.object("").array("$nor").object("").regex(name, t.pattern, true).end().end().end()
	} else {
		d.object("").regex(name, t.pattern, true).end()
	}
	d.end()
	return false
}
