package sqlgen

import (
	"encoding/binary"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// The key of a compiled statement tells everything that its text depends on and
// no value: entity, columns, operators, which values are null, padded lengths
// of lists, forms of patterns.

// appendEntity names an entity by its number: no two of a process have the same.
func appendEntity(dst []byte, op byte, e *schema.Entity) []byte {
	return binary.AppendUvarint(append(dst, op), e.Serial())
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendColumn(dst []byte, e *schema.Entity, c *schema.Column) []byte {
	if c.Index >= 0 && c.Index < len(e.Columns) && e.Columns[c.Index] == c {
		return append(dst, byte(c.Index), byte(c.Index>>8))
	}
	dst = append(dst, 0xFF, 0xFF, byte(c.Type))
	return appendText(dst, c.Name)
}

func appendOrder(dst []byte, e *schema.Entity, order []query.Order) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(order)))
	for _, o := range order {
		dst = appendColumn(dst, e, o.Column)
		dst = appendFlag(dst, o.Desc)
	}
	return dst
}

// appendPage names a page, by its limit where that is written out.
func appendPage(dst []byte, d *Dialect, limit, skip int) []byte {
	dst = appendFlag(appendFlag(dst, limit > 0), skip > 0)
	if d.writesLimit(limit) {
		dst = binary.AppendUvarint(dst, uint64(limit))
	} else {
		dst = append(dst, 0)
	}
	return dst
}

func appendFlag(dst []byte, f bool) []byte {
	if f {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func appendExpr(dst []byte, e *schema.Entity, x query.Expr) []byte {
	switch x := x.(type) {
	case query.And:
		return appendList(append(dst, '&'), e, x)
	case query.Or:
		return appendList(append(dst, '|'), e, x)
	case query.Not:
		return appendExpr(append(dst, '!'), e, x.X)
	case query.Const:
		return appendFlag(append(dst, 'c'), bool(x))
	case query.Compare:
		dst = append(dst, '=', byte(x.Op))
		dst = appendFlag(dst, x.Value.IsNull())
		return appendColumn(dst, e, x.Column)
	case query.In:
		null, n := nulls(x.Values)
		dst = appendFlag(append(dst, 'i'), x.Negate)
		dst = appendFlag(dst, null)
		dst = binary.AppendUvarint(dst, uint64(Padded(n)))
		return appendColumn(dst, e, x.Column)
	case query.Contains:
		dst = binary.AppendUvarint(append(dst, 'o'), uint64(len(x.Columns)))
		for _, c := range x.Columns {
			dst = appendColumn(dst, e, c)
		}
		return dst
	case query.Regex:
		f := classify(x.Pattern)
		if f.kind == formPrefix {
			if _, bounded := successor(f.text); !bounded {
				f.kind = formLast
			}
		}
		dst = append(dst, 'r', f.kind)
		if f.kind == byte(MatchRegex) && x.Pattern != nil {
			dst = appendFlag(appendFlag(dst, x.Pattern.Fold), x.Pattern.Portable)
		}
		return appendColumn(dst, e, x.Column)
	case nil:
		return append(dst, 'n')
	}
	return append(dst, '?')
}

func appendList(dst []byte, e *schema.Entity, members []query.Expr) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(members)))
	for _, m := range members {
		dst = appendExpr(dst, e, m)
	}
	return dst
}
