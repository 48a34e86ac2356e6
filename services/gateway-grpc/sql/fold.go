package sql

import (
	"context"
	"math"
	"math/big"

	"github.com/octomesh/octomesh/pkg/schema"
)

// fold makes groups of rows, in the order of their first rows.
func (o *opening) fold(ctx context.Context, g *grouping, from rows) (rows, error) {
	type group struct {
		row  []schema.Value
		sums []sum
	}
	var (
		list []*group
		byID = map[string]*group{}
		key  []byte
		keys = make([]schema.Value, len(g.keys))
	)
	find := func() (*group, error) {
		key = appendKey(key[:0], keys)
		if at := byID[string(key)]; at != nil {
			return at, nil
		}
		at := &group{row: make([]schema.Value, len(keys), len(keys)+len(g.aggs)), sums: make([]sum, len(g.aggs))}
		copy(at.row, keys)
		byID[string(key)] = at
		list = append(list, at)
		if err := o.memory.take(int64(len(key) + 128*len(g.aggs))); err != nil {
			return nil, err
		}
		return at, o.memory.row(keys)
	}
	if g.implicit {
		if _, err := find(); err != nil {
			from.close()
			return nil, err
		}
	}
	err := each(ctx, from, func(row []schema.Value) error {
		for i := range g.keys {
			keys[i] = g.keys[i].of(row)
		}
		at, err := find()
		if err != nil {
			return err
		}
		for i := range g.aggs {
			if err := at.sums[i].add(o, &g.aggs[i], row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	h := &held{list: make([][]schema.Value, len(list))}
	for i, at := range list {
		for j := range g.aggs {
			at.row = append(at.row, at.sums[j].result(&g.aggs[j]))
		}
		h.list[i] = at.row
	}
	return h, nil
}

// sum is the state of one aggregate of one group. Nulls take no part.
type sum struct {
	count int64
	float float64
	whole int64    // of integers, as long as it fits
	exact *big.Rat // of decimals, and of integers beyond
	best  schema.Value
	seen  map[string]struct{} // of DISTINCT
}

func (s *sum) add(o *opening, a *aggregate, row []schema.Value) error {
	if a.star {
		s.count++
		return nil
	}
	v := a.of.of(row)
	if v.IsNull() {
		return nil
	}
	if a.distinct && a.fn != minOf && a.fn != maxOf {
		key := appendKey(nil, []schema.Value{v})
		if _, have := s.seen[string(key)]; have {
			return nil
		}
		if s.seen == nil {
			s.seen = map[string]struct{}{}
		}
		s.seen[string(key)] = struct{}{}
		if err := o.memory.row([]schema.Value{v}); err != nil {
			return err
		}
	}
	s.count++
	switch a.fn {
	case minOf, maxOf:
		if d := compare(v, s.best); s.count == 1 || a.fn == minOf && d < 0 || a.fn == maxOf && d > 0 {
			before := len(s.best.Text())
			s.best = v
			return o.memory.take(int64(len(v.Text()) - before))
		}
	case sumOf, avgOf:
		before := s.exact
		if s.total(v); before == nil && s.exact != nil {
			return o.memory.take(exactSize)
		}
	}
	return nil
}

// exactSize is about what an exact sum takes, in bytes: two numbers of about 80
// digits.
const exactSize = 256

func (s *sum) total(v schema.Value) {
	switch v.Kind() {
	case schema.KindFloat:
		s.float += v.Float()
		return
	case schema.KindInt:
		if s.exact == nil {
			n := s.whole + v.Int()
			if (n > s.whole) == (v.Int() > 0) { // it did not overflow
				s.whole = n
				return
			}
			if v.Int() == 0 {
				return
			}
			s.exact = new(big.Rat).SetInt64(s.whole)
		}
		s.exact.Add(s.exact, new(big.Rat).SetInt64(v.Int()))
	case schema.KindDecimal:
		if s.exact == nil {
			s.exact = new(big.Rat)
		}
		if n, ok := new(big.Rat).SetString(v.Text()); ok {
			s.exact.Add(s.exact, n)
		}
	}
}

// result is what the aggregate is; null where it does not fit, as of op aggregate.
func (s *sum) result(a *aggregate) schema.Value {
	switch {
	case a.fn == countOf:
		return schema.IntOf(s.count)
	case s.count == 0:
		return schema.Null
	case a.fn == minOf || a.fn == maxOf:
		return s.best
	}
	kind := a.of.typ.Kind()
	if kind == schema.KindFloat {
		f := s.float
		if a.fn == avgOf {
			f /= float64(s.count)
		}
		return finite(f)
	}
	if a.fn == avgOf {
		total := s.exact
		if total == nil {
			total = new(big.Rat).SetInt64(s.whole)
		}
		f, _ := new(big.Rat).Quo(total, new(big.Rat).SetInt64(s.count)).Float64()
		return finite(f)
	}
	if s.exact == nil {
		return schema.IntOf(s.whole)
	}
	if kind == schema.KindInt {
		if !s.exact.Num().IsInt64() {
			return schema.Null
		}
		return schema.IntOf(s.exact.Num().Int64())
	}
	digits, _ := s.exact.FloatPrec()
	text, ok := schema.CanonicalDecimal(s.exact.FloatString(digits))
	if !ok {
		return schema.Null
	}
	return schema.DecimalOf(text)
}

func finite(f float64) schema.Value {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return schema.Null
	}
	return schema.FloatOf(f)
}
