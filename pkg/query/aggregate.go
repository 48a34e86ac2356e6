package query

import (
	"math"
	"math/big"

	"github.com/octomesh/octomesh/pkg/schema"
)

// RunAggregate answers an aggregation from the entity's rows in memory. Rows of
// the result are aligned to Output. Groups come in the order of their first
// row. A sum that its type cannot hold (an integer over 64 bits, a decimal over
// 38 digits, an infinite number) is null.
func RunAggregate(a *Aggregate, rows []schema.Row) []schema.Row {
	rows = filterRows(a.Where, rows)
	for _, s := range a.Stages {
		switch s := s.(type) {
		case FilterStage:
			rows = filterRows(s.Where, rows)
		case GroupStage:
			rows = groupRows(&s, rows)
		case SortStage:
			sortRows(s, rows)
		case LimitStage:
			rows = limitRows(rows, int(s))
		case SkipStage:
			rows = skipRows(rows, int(s))
		case CountStage:
			rows = []schema.Row{{schema.IntOf(int64(len(rows)))}}
		}
	}
	out := make([]schema.Row, len(rows))
	for i, r := range rows {
		out[i] = make(schema.Row, len(a.Output))
		for j, c := range a.Output {
			out[i][j] = r[c.Index]
		}
	}
	return out
}

func groupRows(g *GroupStage, rows []schema.Row) []schema.Row {
	type group struct {
		key  schema.Value
		sums []accumulation
	}
	var (
		groups []*group
		byKey  = map[schema.Value]*group{}
	)
	find := func(key schema.Value) *group {
		at := byKey[key]
		if at == nil {
			at = &group{key: key, sums: make([]accumulation, len(g.Accumulators))}
			byKey[key] = at
			groups = append(groups, at)
		}
		return at
	}
	if g.By == nil {
		find(schema.Null)
	}
	for _, r := range rows {
		key := schema.Null
		if g.By != nil {
			key = r[g.By.Index]
		}
		at := find(key)
		for i := range g.Accumulators {
			at.sums[i].add(&g.Accumulators[i], r)
		}
	}
	out := make([]schema.Row, len(groups))
	for i, at := range groups {
		row := make(schema.Row, 0, len(g.Output))
		if g.By != nil {
			row = append(row, at.key)
		}
		for j := range g.Accumulators {
			c := g.Output[len(row)]
			row = append(row, at.sums[j].result(&g.Accumulators[j], c))
		}
		out[i] = row
	}
	return out
}

// accumulation is one accumulator's state for one group. Exact kinds are summed
// exactly, so that only floats depend on the order of the rows.
type accumulation struct {
	rows  int64 // seen
	count int64 // of them not null
	float float64
	exact *big.Rat
	best  schema.Value
}

func (s *accumulation) add(a *Accumulator, r schema.Row) {
	s.rows++
	if a.Column == nil {
		return
	}
	v := r[a.Column.Index]
	if v.IsNull() {
		return
	}
	s.count++
	switch a.Op {
	case Min, Max:
		d := v.Compare(s.best)
		if s.count == 1 || a.Op == Min && d < 0 || a.Op == Max && d > 0 {
			s.best = v
		}
	case Sum, Avg:
		n := new(big.Rat)
		switch v.Kind() {
		case schema.KindInt:
			n.SetInt64(v.Int())
		case schema.KindDecimal:
			n.SetString(v.Text())
		default:
			s.float += v.Float()
			return
		}
		if s.exact == nil {
			s.exact = new(big.Rat)
		}
		s.exact.Add(s.exact, n)
	}
}

func (s *accumulation) result(a *Accumulator, c *schema.Column) schema.Value {
	switch a.Op {
	case Count:
		return schema.IntOf(s.rows)
	case Min, Max:
		return s.best
	case Sum:
		if a.Column == nil {
			return finite(a.Constant * float64(s.rows))
		}
		return s.sum(c)
	}
	if s.count == 0 {
		return schema.Null
	}
	if s.exact != nil {
		f, _ := new(big.Rat).Quo(s.exact, new(big.Rat).SetInt64(s.count)).Float64()
		return finite(f)
	}
	return finite(s.float / float64(s.count))
}

func (s *accumulation) sum(c *schema.Column) schema.Value {
	exact := s.exact
	if exact == nil {
		exact = new(big.Rat)
	}
	switch c.Type {
	case schema.Integer:
		if !exact.Num().IsInt64() {
			return schema.Null
		}
		return schema.IntOf(exact.Num().Int64())
	case schema.Decimal:
		digits, _ := exact.FloatPrec()
		text, ok := schema.CanonicalDecimal(exact.FloatString(digits))
		if !ok {
			return schema.Null
		}
		return schema.DecimalOf(text)
	}
	return finite(s.float)
}

func finite(f float64) schema.Value {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return schema.Null
	}
	return schema.FloatOf(f)
}
