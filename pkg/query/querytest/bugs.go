package querytest

import (
	"slices"
	"strings"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// Bug is an evaluator with one mistake that back ends and people make. A suite
// whose cases do not tell it from the right one is too weak.
type Bug struct {
	Name string
	flaw flaw
}

type flaw uint

const (
	neSkipsNull flaw = 1 << iota
	nullHigh
	asciiFold
	inIgnoresNull
	dateSeconds
	textFold
	float32s
	notNullFalse
	emptyInTrue
	skipAfterLimit
)

// Bugs are the ten mistakes.
var Bugs = []Bug{
	{"$ne and $nin skip null", neSkipsNull},
	{"null sorts highest", nullHigh},
	{"lower case for ASCII only", asciiFold},
	{"$in and $nin ignore null in their list", inIgnoresNull},
	{"dates compared by the second", dateSeconds},
	{"text compared without case", textFold},
	{"numbers compared as float32", float32s},
	{"not of a comparison with null is false", notNullFalse},
	{"empty $in matches everything", emptyInTrue},
	{"skip applied after limit", skipAfterLimit},
}

// Correct is the evaluator of Bugs without a mistake: it has to agree with
// query.Run.
var Correct = Bug{Name: "none"}

// Run answers a read as the mistaken evaluator would.
func (b Bug) Run(q *Query, rows []schema.Row) []schema.Row {
	f := b.flaw
	var out []schema.Row
	for _, r := range rows {
		if f.eval(q.Raw, r) {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(x, y schema.Row) int {
		for _, o := range q.Select.Sort {
			d := f.compare(x[o.Column.Index], y[o.Column.Index])
			if o.Desc {
				d = -d
			}
			if d != 0 {
				return d
			}
		}
		return 0
	})
	limit := func() {
		if q.Select.Limit > 0 {
			out = out[:min(len(out), q.Select.Limit)]
		}
	}
	if f&skipAfterLimit != 0 {
		limit()
	}
	out = out[min(len(out), q.Select.Skip):]
	limit()
	return out
}

func (f flaw) eval(e query.Expr, r schema.Row) bool {
	switch e := e.(type) {
	case query.And:
		return !slices.ContainsFunc(e, func(x query.Expr) bool { return !f.eval(x, r) })
	case query.Or:
		return slices.ContainsFunc(e, func(x query.Expr) bool { return f.eval(x, r) })
	case query.Not:
		if c, ok := e.X.(query.Compare); ok && f&notNullFalse != 0 && c.Op > query.Ne && r[c.Column.Index].IsNull() {
			return false
		}
		return !f.eval(e.X, r)
	case query.Compare:
		return f.holds(e.Op, r[e.Column.Index], e.Value)
	case query.In:
		v, found := r[e.Column.Index], false
		if f&neSkipsNull != 0 && e.Negate && v.IsNull() {
			return false
		}
		if f&emptyInTrue != 0 && len(e.Values) == 0 {
			return true
		}
		for _, w := range e.Values {
			if f&inIgnoresNull == 0 || !w.IsNull() {
				found = found || f.compare(v, w) == 0
			}
		}
		return found != e.Negate
	case query.Regex:
		v := r[e.Column.Index]
		if v.IsNull() {
			return false
		}
		if f&asciiFold != 0 && e.Pattern.Fold {
			p, err := query.CompilePattern(asciiLower(e.Pattern.Source), false)
			return err == nil && p.Match(asciiLower(v.Text()))
		}
		return e.Pattern.Match(v.Text())
	case query.Contains:
		for _, c := range e.Columns {
			text := query.Fold(r[c.Index].Text())
			if f&asciiFold != 0 {
				text = asciiLower(r[c.Index].Text())
			}
			if !r[c.Index].IsNull() && strings.Contains(text, e.Needle) {
				return true
			}
		}
		return false
	}
	return e == nil || e == query.Const(true)
}

func (f flaw) holds(op query.CompareOp, v, w schema.Value) bool {
	if f&neSkipsNull != 0 && op == query.Ne && v.IsNull() && !w.IsNull() {
		return false
	}
	d := f.compare(v, w)
	switch op {
	case query.Eq:
		return d == 0
	case query.Ne:
		return d != 0
	}
	if v.IsNull() {
		return false
	}
	return op == query.Lt && d < 0 || op == query.Lte && d <= 0 || op == query.Gt && d > 0 || op == query.Gte && d >= 0
}

func (f flaw) compare(v, w schema.Value) int {
	if v.IsNull() || w.IsNull() {
		d := 0
		if !v.IsNull() {
			d++
		}
		if !w.IsNull() {
			d--
		}
		if f&nullHigh != 0 {
			d = -d
		}
		return d
	}
	switch v.Kind() {
	case schema.KindTime:
		if f&dateSeconds != 0 {
			return schema.IntOf((v.Int() + 1<<50) / 1000).Compare(schema.IntOf((w.Int() + 1<<50) / 1000))
		}
	case schema.KindText:
		if f&textFold != 0 {
			return strings.Compare(query.Fold(v.Text()), query.Fold(w.Text()))
		}
	case schema.KindFloat:
		if f&float32s != 0 {
			return schema.FloatOf(float64(float32(v.Float()))).Compare(schema.FloatOf(float64(float32(w.Float()))))
		}
	}
	return v.Compare(w)
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
