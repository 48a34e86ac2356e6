package residual_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/query/querytest"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/residual"
)

type memory schema.Row

func (m memory) AppendJSON(dst []byte, i int) []byte { return m[i].AppendJSON(dst) }
func (m memory) Value(i int) schema.Value            { return m[i] }
func (m memory) Null(i int) bool                     { return m[i].IsNull() }
func (m memory) Text(i int) []byte                   { return []byte(m[i].Text()) }

func reading(rows []schema.Row) residual.Read {
	return func(each func(driver.Row) error) error {
		for _, r := range rows {
			if err := each(memory(r)); err != nil {
				return err
			}
		}
		return nil
	}
}

// What comes of all rows is what the evaluator says.
func TestAgainstEvaluator(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		c := querytest.Draw(seed, 50)
		for _, q := range c.Queries {
			rows := c.Rows(q)
			var got []schema.Row
			take := func(n int) func(driver.Row) error {
				return func(r driver.Row) error {
					row := make(schema.Row, n)
					for i := range row {
						row[i] = r.Value(i)
						if r.Null(i) != row[i].IsNull() || string(r.AppendJSON(nil, i)) != string(row[i].AppendJSON(nil)) {
							return fmt.Errorf("column %d is shown in two ways", i)
						}
					}
					got = append(got, row)
					return nil
				}
			}
			if q.Aggregate != nil {
				if err := residual.Aggregate(q.Aggregate, reading(rows), take(len(q.Aggregate.Output))); err != nil {
					t.Fatal(err)
				}
				if diff := querytest.Same(q.Aggregate.Output, got, query.RunAggregate(q.Aggregate, rows)); diff != "" {
					t.Fatalf("%s\n%s", q, diff)
				}
				continue
			}
			s := *q.Select
			back := slices.Clone(q.Entity.Columns)
			slices.Reverse(back)
			s.Projection = &query.Projection{Columns: back}
			sorted := slices.Clone(rows)
			slices.SortStableFunc(sorted, func(a, b schema.Row) int { return query.CompareRows(s.Sort, a, b) })
			if err := residual.Select(&s, reading(sorted), take(len(back))); err != nil {
				t.Fatal(err)
			}
			for _, row := range got {
				slices.Reverse(row)
			}
			want := query.Run(q.Select, rows)
			if diff := querytest.Same(q.Entity.Columns, got, want); diff != "" {
				t.Fatalf("%s\n%s", q, diff)
			}
			if n, err := residual.Count(&s, reading(rows)); err != nil || n != int64(len(want)) {
				t.Fatalf("%s\ncounted %d, %v; want %d", q, n, err, len(want))
			}
		}
	}
}

func TestTooMany(t *testing.T) {
	t.Parallel()
	c := querytest.Draw(1, 1)
	e := c.Queries[0].Entity
	row := make(schema.Row, len(e.Columns))
	endless := func(each func(driver.Row) error) error {
		for {
			if err := each(memory(row)); err != nil {
				return err
			}
		}
	}
	_, err := residual.Count(&query.Select{Entity: e, Where: query.Const(false)}, endless)
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.InvalidFilter {
		t.Errorf("count: %v", err)
	}
	stop := errors.New("stop")
	s := &query.Select{Entity: e, Projection: &query.Projection{Columns: e.Columns}}
	if err := residual.Select(s, endless, func(driver.Row) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("select: %v", err)
	}
	s.Limit = 3
	n := 0
	if err := residual.Select(s, endless, func(driver.Row) error { n++; return nil }); err != nil || n != 3 {
		t.Errorf("limit: %d rows, %v", n, err)
	}
}
