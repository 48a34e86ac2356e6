package query

import (
	"slices"

	"github.com/octomesh/octomesh/pkg/schema"
)

// Eval reports whether the filter holds for a row, which is aligned to the
// columns that the filter names. It is what every database is held to, and what
// decides for each live event whom it concerns: it shares nothing with any
// store but the tree, and does not allocate, except in a regular expression
// that is not portable and in texts over 64 KB compared without case.
func Eval(e Expr, row schema.Row) bool {
	switch e := e.(type) {
	case nil:
		return true
	case Const:
		return bool(e)
	case And:
		for _, x := range e {
			if !Eval(x, row) {
				return false
			}
		}
		return true
	case Or:
		for _, x := range e {
			if Eval(x, row) {
				return true
			}
		}
		return false
	case Not:
		return !Eval(e.X, row)
	case Compare:
		return evalCompare(&e, row[e.Column.Index])
	case In:
		return slices.ContainsFunc(e.Values, row[e.Column.Index].Equal) != e.Negate
	case Regex:
		v := row[e.Column.Index]
		return !v.IsNull() && e.Pattern.Match(v.Text())
	case Contains:
		for _, c := range e.Columns {
			if v := row[c.Index]; !v.IsNull() && containsFold(v.Text(), e.Needle) {
				return true
			}
		}
	}
	return false
}

func evalCompare(e *Compare, v schema.Value) bool {
	switch e.Op {
	case Eq:
		return v.Equal(e.Value)
	case Ne:
		return !v.Equal(e.Value)
	}
	if v.IsNull() || e.Value.IsNull() {
		return false
	}
	order := v.Compare(e.Value)
	switch e.Op {
	case Lt:
		return order < 0
	case Lte:
		return order <= 0
	case Gt:
		return order > 0
	}
	return order >= 0
}

// CompareRows tells which of two rows comes first in the order: negative when
// it is a. Null is the lowest value.
func CompareRows(order []Order, a, b schema.Row) int {
	for _, o := range order {
		if d := a[o.Column.Index].Compare(b[o.Column.Index]); d != 0 {
			if o.Desc {
				return -d
			}
			return d
		}
	}
	return 0
}

// Run answers a read from rows in memory: those that Where leaves, sorted, from
// Skip on, at most Limit. The rows come back whole; the projection is the
// caller's.
func Run(q *Select, rows []schema.Row) []schema.Row {
	out := filterRows(q.Where, rows)
	sortRows(q.Sort, out)
	out = skipRows(out, q.Skip)
	if q.Limit > 0 {
		out = limitRows(out, q.Limit)
	}
	return out
}

func filterRows(where Expr, rows []schema.Row) []schema.Row {
	out := make([]schema.Row, 0, len(rows))
	for _, r := range rows {
		if Eval(where, r) {
			out = append(out, r)
		}
	}
	return out
}

func sortRows(order []Order, rows []schema.Row) {
	slices.SortStableFunc(rows, func(a, b schema.Row) int { return CompareRows(order, a, b) })
}

func skipRows(rows []schema.Row, n int) []schema.Row  { return rows[min(n, len(rows)):] }
func limitRows(rows []schema.Row, n int) []schema.Row { return rows[:min(n, len(rows))] }
