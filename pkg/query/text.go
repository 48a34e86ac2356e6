package query

import (
	"strconv"

	"github.com/octomesh/octomesh/pkg/schema"
)

var compareSigns = [...]string{Eq: "=", Ne: "!=", Lt: "<", Lte: "<=", Gt: ">", Gte: ">="}

// AppendText appends the filter as people read it, with columns by name and
// values as JSON: for logs, test failures, and digests that have to be the same
// in every process. Two filters of the same text mean the same.
func AppendText(dst []byte, e Expr) []byte {
	switch e := e.(type) {
	case nil:
		return append(dst, "true"...)
	case Const:
		return strconv.AppendBool(dst, bool(e))
	case And:
		return appendList(dst, e, " and ", Const(true))
	case Or:
		return appendList(dst, e, " or ", Const(false))
	case Not:
		dst = AppendText(append(dst, "not("...), e.X)
		return append(dst, ')')
	case Compare:
		dst = append(append(dst, e.Column.Name...), compareSigns[e.Op]...)
		return e.Value.AppendJSON(dst)
	case In:
		dst = append(dst, e.Column.Name...)
		if e.Negate {
			dst = append(dst, " not"...)
		}
		dst = append(dst, " in["...)
		for i, v := range e.Values {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = v.AppendJSON(dst)
		}
		return append(dst, ']')
	case Contains:
		dst = append(dst, '(')
		for i, c := range e.Columns {
			if i > 0 {
				dst = append(dst, '|')
			}
			dst = append(dst, c.Name...)
		}
		return schema.AppendString(append(dst, ") contains "...), e.Needle)
	case Regex:
		dst = append(append(dst, e.Column.Name...), "~"...)
		dst = schema.AppendString(dst, e.Pattern.Source)
		if e.Pattern.Fold {
			dst = append(dst, 'i')
		}
	}
	return dst
}

func appendList(dst []byte, list []Expr, between string, empty Const) []byte {
	if len(list) == 0 {
		return AppendText(dst, empty)
	}
	dst = append(dst, '(')
	for i, e := range list {
		if i > 0 {
			dst = append(dst, between...)
		}
		dst = AppendText(dst, e)
	}
	return append(dst, ')')
}

// AppendOrderText appends an order as sort=… in a URL has it.
func AppendOrderText(dst []byte, order []Order) []byte {
	for i, o := range order {
		if i > 0 {
			dst = append(dst, ',')
		}
		if o.Desc {
			dst = append(dst, '-')
		}
		dst = append(dst, o.Column.Name...)
	}
	return dst
}
