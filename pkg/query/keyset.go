package query

import "github.com/octomesh/octomesh/pkg/schema"

// After returns the filter for the rows that come behind the given values in
// the order: one value a key, null lowest. It is how a page starts where the
// one before it ended. Its first part bounds the first key alone wherever it
// can, so that an index on it is used.
func After(order []Order, values []schema.Value) Expr {
	var e Expr = Const(false) // equal in every key: not behind
	for i := len(order) - 1; i >= 0; i-- {
		o, v := order[i], values[i]
		c := o.Column
		tie := And{Compare{Column: c, Op: Eq, Value: v}, e}
		var beyond, bound Expr
		switch {
		case v.IsNull() && o.Desc:
			beyond = Const(false)
		case v.IsNull():
			beyond = Compare{Column: c, Op: Ne}
		case !o.Desc:
			beyond = Compare{Column: c, Op: Gt, Value: v}
			bound = Compare{Column: c, Op: Gte, Value: v}
		case neverNull(c):
			beyond = Compare{Column: c, Op: Lt, Value: v}
			bound = Compare{Column: c, Op: Lte, Value: v}
		default:
			beyond = Or{Compare{Column: c, Op: Lt, Value: v}, Compare{Column: c, Op: Eq}}
		}
		e = Or{beyond, tie}
		if i == 0 && len(order) > 1 && bound != nil {
			e = And{bound, e}
		}
	}
	return Simplify(e)
}

// neverNull tells the columns that every record has by its nature. A required
// field is not one of them: an adopted table may hold older rows without it.
func neverNull(c *schema.Column) bool {
	return c.Role == schema.RoleID || c.Role == schema.RoleVersion
}
