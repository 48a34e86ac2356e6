// Package residual answers reads that a database can only narrow down: the
// whole rows of a sqlgen.Plan that is Residual go in, in the wanted order, each
// is held against the filter once more by the language's own evaluator, and what
// the database would have answered comes out.
package residual

import (
	"errors"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// MaxRows is how many rows one read may hold against its filter.
var MaxRows = query.DefaultLimits.WorkerRows

// Read runs a residual plan and gives its rows, aligned to Entity.Columns.
type Read func(each func(driver.Row) error) error

// errEnough ends a read whose answer is complete.
var errEnough = errors.New("residual: the answer is complete")

// Select answers a read. Errors: INVALID_FILTER when more than MaxRows rows
// come into question.
func Select(q *query.Select, read Read, each func(driver.Row) error) error {
	skip, left := q.Skip, q.Limit
	out := projected{columns: q.Projection.Columns}
	return matching(q.Entity, q.Where, read, func(r driver.Row) error {
		if skip > 0 {
			skip--
			return nil
		}
		out.Row = r
		if err := each(&out); err != nil {
			return err
		}
		if left--; left == 0 {
			return errEnough
		}
		return nil
	})
}

// Count answers a count; limit and skip count. Errors: as Select.
func Count(q *query.Select, read Read) (int64, error) {
	var n int64
	most := int64(q.Skip) + int64(q.Limit)
	err := matching(q.Entity, q.Where, read, func(driver.Row) error {
		if n++; q.Limit > 0 && n == most {
			return errEnough
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return max(0, n-int64(q.Skip)), nil
}

// Aggregate answers an aggregation, from rows in memory. Errors: as Select.
func Aggregate(q *query.Aggregate, read Read, each func(driver.Row) error) error {
	var rows []schema.Row
	err := bounded(read, func(r driver.Row) error {
		row := make(schema.Row, len(q.Entity.Columns))
		for i := range row {
			row[i] = r.Value(i)
		}
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		return err
	}
	for _, row := range query.RunAggregate(q, rows) {
		if err := each(computed(row)); err != nil {
			return err
		}
	}
	return nil
}

// matching gives the rows that the filter leaves.
func matching(e *schema.Entity, where query.Expr, read Read, each func(driver.Row) error) error {
	row := make(schema.Row, len(e.Columns))
	named := make([]bool, len(e.Columns))
	mark(named, where)
	return bounded(read, func(r driver.Row) error {
		for i, wanted := range named {
			if wanted {
				row[i] = r.Value(i)
			}
		}
		if !query.Eval(where, row) {
			return nil
		}
		return each(r)
	})
}

func bounded(read Read, each func(driver.Row) error) error {
	n := 0
	err := read(func(r driver.Row) error {
		if n++; n > MaxRows {
			return fault.New(fault.InvalidFilter, "this filter has to be tried on each record, which is done for at most %d of them: narrow it down by another condition", MaxRows)
		}
		return each(r)
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// mark marks the columns that a filter names.
func mark(named []bool, e query.Expr) {
	switch e := e.(type) {
	case query.And:
		for _, x := range e {
			mark(named, x)
		}
	case query.Or:
		for _, x := range e {
			mark(named, x)
		}
	case query.Not:
		mark(named, e.X)
	case query.Compare:
		named[e.Column.Index] = true
	case query.In:
		named[e.Column.Index] = true
	case query.Regex:
		named[e.Column.Index] = true
	case query.Contains:
		for _, c := range e.Columns {
			named[c.Index] = true
		}
	}
}

// projected shows some columns of a whole row.
type projected struct {
	driver.Row
	columns []*schema.Column
}

func (p *projected) AppendJSON(dst []byte, i int) []byte {
	return p.Row.AppendJSON(dst, p.columns[i].Index)
}
func (p *projected) Value(i int) schema.Value { return p.Row.Value(p.columns[i].Index) }
func (p *projected) Null(i int) bool          { return p.Row.Null(p.columns[i].Index) }
func (p *projected) Text(i int) []byte        { return p.Row.Text(p.columns[i].Index) }

// computed is a row in memory.
type computed schema.Row

func (c computed) AppendJSON(dst []byte, i int) []byte { return c[i].AppendJSON(dst) }
func (c computed) Value(i int) schema.Value            { return c[i] }
func (c computed) Null(i int) bool                     { return c[i].IsNull() }
func (c computed) Text(i int) []byte                   { return []byte(c[i].Text()) }
