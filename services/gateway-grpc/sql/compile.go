package sql

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

const (
	// MaxColumns bounds the columns of a result.
	MaxColumns = 512
	// maxLevels bounds the SELECTs in one another.
	maxLevels = 8
)

// compiler compiles one statement.
type compiler struct {
	session Session
	view    *View
	params  []schema.Value   // nil = not known yet
	types   []arrow.DataType // of the parameters, as far as they are known
	scanned bool             // a FROM names an entity
	reach   *scan            // the scan whose fields are named
}

// learn remembers the type that a parameter is compared with.
func (c *compiler) learn(o operand, t schema.Type) {
	if o.param > 0 && c.types[o.param-1] == nil {
		c.types[o.param-1] = field(&schema.Entity{}, &schema.Column{Type: t}, columnar.AsText).Type
	}
}

// level compiles one SELECT.
func (c *compiler) level(s *sqlparser.Select, depth int) (*level, error) {
	if depth >= maxLevels {
		return nil, invalid("at most %d SELECTs stand in one another", maxLevels)
	}
	l := &level{limit: -1}
	names, err := c.from(l, s.From, depth)
	if err != nil {
		return nil, err
	}
	l.limit, l.offset = -1, 0
	c.reach = l.scan
	if s.Where != nil {
		x := &exprs{compiler: c, scope: names}
		where, err := x.condition(s.Where.Expr, 0)
		if err != nil {
			return nil, err
		}
		l.where = all(l.where, where)
	}
	l.distinct = s.QueryOpts.Distinct
	if err := c.groupBy(l, s, names); err != nil {
		return nil, err
	}
	x := &exprs{compiler: c, scope: names, group: l.group, aggregates: true}
	if err := x.outputs(l, s.SelectExprs); err != nil {
		return nil, err
	}
	if s.Having != nil {
		if l.group == nil {
			return nil, invalid("HAVING needs GROUP BY or an aggregate")
		}
		if l.having, err = x.havingOf(l, s.Having.Expr); err != nil {
			return nil, err
		}
	}
	if err := x.orderBy(l, s.OrderBy); err != nil {
		return nil, err
	}
	return l, c.page(l, s.Limit)
}

// groupBy reads GROUP BY, and sees whether there are aggregates without it.
func (c *compiler) groupBy(l *level, s *sqlparser.Select, names scope) error {
	if len(s.GroupBy) == 0 {
		if hasAggregate(s.SelectExprs) || s.Having != nil && hasAggregate(s.Having) || hasAggregate(s.OrderBy) {
			l.group = &grouping{implicit: true}
			l.order = nil
		}
		return nil
	}
	l.order = nil // of an inner SELECT
	g := &grouping{}
	x := &exprs{compiler: c, scope: names}
	for _, e := range s.GroupBy {
		if at, ok, err := ordinal(e, s.SelectExprs); err != nil {
			return err
		} else if ok {
			e = at
		}
		o, err := x.operand(e)
		if err != nil {
			if name, ok := e.(*sqlparser.ColName); ok && name.Qualifier.IsEmpty() {
				if aliased := named(s.SelectExprs, name.Name.String()); aliased != nil {
					o, err = x.operand(aliased)
				}
			}
		}
		switch {
		case err != nil:
			return err
		case o.constant():
			continue // one group
		case !query.Ordered(&schema.Column{Type: o.typ}):
			return invalid("rows can't be grouped by %s: it is of type %s", o.name, o.typ)
		}
		if !slices.ContainsFunc(g.keys, func(k operand) bool { return k.slot == o.slot }) {
			g.keys = append(g.keys, o)
		}
	}
	l.group = g
	return nil
}

// hasAggregate looks for aggregates, not in subqueries.
func hasAggregate(n sqlparser.SQLNode) bool {
	found := false
	_ = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *sqlparser.Subquery:
			return false, nil
		case *sqlparser.FuncExpr:
			found = found || isAggregate(n)
		}
		return !found, nil
	}, n)
	return found
}

// ordinal is the expression of the SELECT list that a number stands for.
func ordinal(e sqlparser.Expr, list sqlparser.SelectExprs) (sqlparser.Expr, bool, error) {
	v, ok := e.(*sqlparser.SQLVal)
	if !ok || v.Type != sqlparser.IntVal {
		return nil, false, nil
	}
	n, err := place(v, len(list))
	if err != nil {
		return nil, false, err
	}
	for _, e := range list[:n] {
		if _, star := e.(*sqlparser.StarExpr); star {
			return nil, false, invalid("the place %d is behind a *: name the field", n)
		}
	}
	a, ok := list[n-1].(*sqlparser.AliasedExpr)
	if !ok {
		return nil, false, beyond("this form of the SELECT list")
	}
	return a.Expr, true, nil
}

// place is a number of a place in the SELECT list, which has so many.
func place(v *sqlparser.SQLVal, of int) (int, error) {
	n, err := strconv.Atoi(string(v.Val))
	if err != nil || n < 1 || n > of {
		return 0, invalid("%s is no place in the SELECT list", clip(string(v.Val)))
	}
	return n, nil
}

// named is the expression that has that alias.
func named(list sqlparser.SelectExprs, alias string) sqlparser.Expr {
	for _, e := range list {
		if a, ok := e.(*sqlparser.AliasedExpr); ok && strings.EqualFold(a.As.String(), alias) {
			return a.Expr
		}
	}
	return nil
}

// outputs reads the SELECT list.
func (x *exprs) outputs(l *level, list sqlparser.SelectExprs) error {
	for _, e := range list {
		switch e := e.(type) {
		case *sqlparser.StarExpr:
			if err := x.star(l, e); err != nil {
				return err
			}
		case *sqlparser.AliasedExpr:
			o, err := x.operand(e.Expr)
			if err != nil {
				return err
			}
			name := e.As.String()
			if name == "" {
				if c, ok := e.Expr.(*sqlparser.ColName); ok {
					if name = c.Name.String(); o.source != nil {
						name = o.source.of.Name
					}
				} else {
					name = clip(e.InputExpression)
				}
			}
			if err := l.add(name, o); err != nil {
				return err
			}
		default:
			return beyond("this form of the SELECT list")
		}
	}
	return nil
}

// add adds a column to the result. Errors: INVALID_REQUEST for one too many, at
// once: a statement may name * thousands of times.
func (l *level) add(name string, o operand) error {
	if len(l.out) == MaxColumns {
		return invalid("a result has at most %d columns", MaxColumns)
	}
	f := o.field
	f.Name = name
	l.out = append(l.out, output{of: o, field: f})
	return nil
}

func (x *exprs) star(l *level, e *sqlparser.StarExpr) error {
	from := x.scope
	if !e.TableName.IsEmpty() {
		r, err := x.scope.table(e.TableName.Name.String())
		if err != nil {
			return err
		}
		from = scope{r}
	}
	if len(from) == 0 {
		return invalid("* needs a FROM")
	}
	for _, r := range from {
		for i, name := range r.names {
			o := r.operand(i)
			if o.source != nil && x.reach != nil && x.reach.reachable(*o.source) != nil {
				continue // a relation that does not show it
			}
			o, err := x.lift(o)
			if err != nil {
				return err
			}
			if err := l.add(name, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// havingOf reads HAVING, in which the SELECT list's aliases can be named too.
func (x *exprs) havingOf(l *level, e sqlparser.Expr) (condition, error) {
	h := *x
	h.aliases, h.fieldsFirst = aliasesOf(l.out), true
	return h.condition(e, 0)
}

// aliasesOf are the outputs that can be named by their aliases: of two that have
// the same name, none.
func aliasesOf(out []output) []output {
	var list []output
	for i, o := range out {
		twice := slices.IndexFunc(out, func(p output) bool {
			return strings.EqualFold(p.field.Name, o.field.Name) && p.of.slot != o.of.slot
		})
		if twice < 0 && o.field.Name != "" {
			list = append(list, out[i])
		}
	}
	return list
}

// orderBy reads ORDER BY: places, aliases, fields, aggregates.
func (x *exprs) orderBy(l *level, list sqlparser.OrderBy) error {
	if len(list) > 0 || l.distinct {
		l.order = nil // of an inner SELECT
	}
	by := *x
	by.aliases = aliasesOf(l.out)
	for _, k := range list {
		o, err := by.key(l, k.Expr)
		if err != nil {
			return err
		}
		switch {
		case o.constant():
			continue // decides nothing
		case !query.Ordered(&schema.Column{Type: o.typ}):
			return invalid("rows can't be ordered by %s: it is of type %s", quote(show(k.Expr)), o.typ)
		case l.distinct && !slices.ContainsFunc(l.out, func(p output) bool { return p.of.slot == o.slot }):
			return invalid("with DISTINCT, ORDER BY names what is in the SELECT list; %s is not", quote(show(k.Expr)))
		}
		if !slices.ContainsFunc(l.order, func(k orderKey) bool { return k.of.slot == o.slot }) { // else it decides nothing
			l.order = append(l.order, orderKey{of: o, desc: k.Direction == sqlparser.DescScr})
		}
	}
	return nil
}

func (x *exprs) key(l *level, e sqlparser.Expr) (operand, error) {
	if v, ok := e.(*sqlparser.SQLVal); ok && v.Type == sqlparser.IntVal {
		n, err := place(v, len(l.out))
		if err != nil {
			return operand{}, err
		}
		return l.out[n-1].of, nil
	}
	return x.operand(e)
}

// page reads LIMIT and OFFSET.
func (c *compiler) page(l *level, p *sqlparser.Limit) error {
	if p == nil {
		return nil
	}
	x := &exprs{compiler: c}
	for _, m := range []struct {
		e    sqlparser.Expr
		into *int64
		name string
	}{{p.Rowcount, &l.limit, "LIMIT"}, {p.Offset, &l.offset, "OFFSET"}} {
		if m.e == nil {
			continue
		}
		o, err := x.operand(m.e)
		if err != nil {
			return err
		}
		if o.param > 0 {
			x.learn(o, schema.Integer)
			continue
		}
		v, off, err := fit(o.value, schema.Integer, m.name)
		if err != nil || off != hit && off != above || off == hit && (v.IsNull() || v.Int() < 0) {
			return invalid("%s takes an integer from 0", m.name)
		}
		if *m.into = v.Int(); off == above {
			*m.into = math.MaxInt64
		}
	}
	return nil
}
