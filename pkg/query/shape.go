package query

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/octomesh/octomesh/pkg/schema"
)

// The marks of a shape. They are compared within one process only.
const (
	shapeAll = iota + 1
	shapeNone
	shapeAnd
	shapeOr
	shapeNot
	shapeCompare
	shapeCompareNull
	shapeIn
	shapeNotIn
	shapeContains
	shapeRegex
	shapeMatch
	shapeGroup
	shapeSort
	shapeLimit
	shapeSkip
	shapeProject
	shapeCount
)

// AppendShape appends what a filter is without its values: filters of equal
// shape on one entity differ only in what Values gives, so one compiled plan
// serves them all. The lists of In count as padded to the next power of two.
// The pattern of a Regex counts as a value, its kinds of atoms and its anchors
// do not.
func AppendShape(dst []byte, e Expr) []byte {
	switch e := e.(type) {
	case nil:
		return append(dst, shapeAll)
	case Const:
		if e {
			return append(dst, shapeAll)
		}
		return append(dst, shapeNone)
	case And:
		dst = binary.AppendUvarint(append(dst, shapeAnd), uint64(len(e)))
		for _, x := range e {
			dst = AppendShape(dst, x)
		}
	case Or:
		dst = binary.AppendUvarint(append(dst, shapeOr), uint64(len(e)))
		for _, x := range e {
			dst = AppendShape(dst, x)
		}
	case Not:
		return AppendShape(append(dst, shapeNot), e.X)
	case Compare:
		mark := byte(shapeCompare)
		if e.Value.IsNull() {
			mark = shapeCompareNull
		}
		return appendColumn(append(dst, mark, byte(e.Op)), e.Column)
	case In:
		mark := byte(shapeIn)
		if e.Negate {
			mark = shapeNotIn
		}
		return appendColumn(append(dst, mark, byte(bits.Len(uint(Padded(len(e.Values)))))), e.Column)
	case Contains:
		dst = binary.AppendUvarint(append(dst, shapeContains), uint64(len(e.Columns)))
		for _, c := range e.Columns {
			dst = appendColumn(dst, c)
		}
	case Regex:
		p := e.Pattern
		dst = append(dst, shapeRegex, flags(p.Fold, p.Portable, p.AtStart, p.AtEnd))
		dst = binary.AppendUvarint(dst, uint64(len(p.Atoms)))
		for _, a := range p.Atoms {
			dst = append(dst, byte(a.Kind))
		}
		return appendColumn(dst, e.Column)
	}
	return dst
}

func appendColumn(dst []byte, c *schema.Column) []byte {
	return binary.AppendUvarint(dst, uint64(c.Index))
}

func flags(set ...bool) (b byte) {
	for i, s := range set {
		if s {
			b |= 1 << i
		}
	}
	return b
}

// Padded returns the number of parameters that a list of n values takes in a
// compiled plan: the next power of two.
func Padded(n int) int {
	if n <= 1 {
		return n
	}
	return 1 << bits.Len(uint(n-1))
}

// Values gives the values of a filter in the order of its shape. A list is
// filled up to Padded by its last value. A Contains gives its needle, a Regex
// its source, a comparison with null nothing.
func Values(e Expr, yield func(schema.Value)) {
	switch e := e.(type) {
	case And:
		for _, x := range e {
			Values(x, yield)
		}
	case Or:
		for _, x := range e {
			Values(x, yield)
		}
	case Not:
		Values(e.X, yield)
	case Compare:
		if !e.Value.IsNull() {
			yield(e.Value)
		}
	case In:
		n := len(e.Values)
		for i := range Padded(n) {
			yield(e.Values[min(i, n-1)])
		}
	case Contains:
		yield(schema.TextOf(e.Needle))
	case Regex:
		yield(schema.TextOf(e.Pattern.Source))
	}
}

// AppendOrderShape appends a sort.
func AppendOrderShape(dst []byte, order []Order) []byte {
	dst = binary.AppendUvarint(append(dst, shapeSort), uint64(len(order)))
	for _, o := range order {
		dst = append(appendColumn(dst, o.Column), flags(o.Desc))
	}
	return dst
}

// AppendStagesShape appends what an aggregation is without its values, of which
// $limit and $skip are some. Names of result members are part of the shape.
func AppendStagesShape(dst []byte, a *Aggregate) []byte {
	dst = AppendShape(dst, a.Where)
	for _, s := range a.Stages {
		switch s := s.(type) {
		case FilterStage:
			dst = AppendShape(append(dst, shapeMatch), s.Where)
		case GroupStage:
			dst = append(dst, shapeGroup, flags(s.By != nil))
			if s.By != nil {
				dst = appendColumn(dst, s.By)
			}
			dst = binary.AppendUvarint(dst, uint64(len(s.Accumulators)))
			for _, acc := range s.Accumulators {
				dst = append(dst, byte(acc.Op), flags(acc.Column != nil))
				if acc.Column != nil {
					dst = appendColumn(dst, acc.Column)
				} else {
					dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(acc.Constant))
				}
			}
			dst = appendNames(dst, s.Output)
		case SortStage:
			dst = AppendOrderShape(dst, s)
		case LimitStage:
			dst = append(dst, shapeLimit)
		case SkipStage:
			dst = append(dst, shapeSkip)
		case ProjectStage:
			dst = append(dst, shapeProject)
			dst = binary.AppendUvarint(dst, uint64(len(s)))
			for _, c := range s {
				dst = appendColumn(dst, c)
			}
		case CountStage:
			dst = appendNames(append(dst, shapeCount), []*schema.Column{s.Output})
		}
	}
	return dst
}

func appendNames(dst []byte, columns []*schema.Column) []byte {
	for _, c := range columns {
		dst = binary.AppendUvarint(dst, uint64(len(c.Name)))
		dst = append(dst, c.Name...)
	}
	return dst
}

// StagesValues gives the values of an aggregation in the order of its shape:
// those of its filters, and the numbers of $limit and $skip.
func StagesValues(a *Aggregate, yield func(schema.Value)) {
	Values(a.Where, yield)
	for _, s := range a.Stages {
		switch s := s.(type) {
		case FilterStage:
			Values(s.Where, yield)
		case LimitStage:
			yield(schema.IntOf(int64(s)))
		case SkipStage:
			yield(schema.IntOf(int64(s)))
		}
	}
}
