package sqlgen

import (
	"encoding/binary"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// Generator compiles for one dialect and keeps what it compiled. It is safe for
// concurrent use.
type Generator struct {
	d     *Dialect
	cache cache
}

// New returns a Generator that keeps at most plans statements.
func New(d *Dialect, plans int) *Generator {
	g := &Generator{d: d}
	g.cache.init(max(plans, 1))
	return g
}

// Dialect returns the generator's dialect.
func (g *Generator) Dialect() *Dialect { return g.d }

// run returns the plan of the key in a, compiled by write if need be; either
// way a holds the values afterwards.
func (g *Generator) run(a *Args, columns []*schema.Column, point bool, write func(*Builder)) *Plan {
	a.Reset()
	if p := g.cache.get(a.key); p != nil {
		write(a.builder(g.d, false))
		return p
	}
	b := a.builder(g.d, true)
	write(b)
	return g.keep(a, b, columns, point)
}

// read is run for a read with conditions. Where one of them is inexact, the
// plan is that of rows: the whole rows that come into question.
func (g *Generator) read(a *Args, e *schema.Entity, columns []*schema.Column, point bool, write, rows func(*Builder)) *Plan {
	a.Reset()
	if p := g.cache.get(a.key); p != nil {
		if p.Residual {
			rows(a.builder(g.d, false))
		} else {
			write(a.builder(g.d, false))
		}
		return p
	}
	b := a.builder(g.d, true)
	write(b)
	if b.inexact {
		a.Reset()
		b = a.builder(g.d, true)
		rows(b)
		b.inexact, columns = true, e.Columns
	}
	return g.keep(a, b, columns, point)
}

func (g *Generator) keep(a *Args, b *Builder, columns []*schema.Column, point bool) *Plan {
	p := &Plan{SQL: string(b.sql), Columns: columns, Params: b.n, Point: point, Residual: b.inexact}
	p.Kinds = make([]schema.Kind, len(columns))
	for i, c := range columns {
		p.Kinds[i] = c.Type.Kind()
	}
	return g.cache.put(a.key, p)
}

// Select compiles a read. Its result columns are the projection's, but those of
// the entity where the plan is Residual.
func (g *Generator) Select(q *query.Select, a *Args) *Plan {
	a.key = appendEntity(a.key[:0], 'S', q.Entity)
	a.key = appendText(a.key, q.Projection.Key)
	a.key = appendOrder(a.key, q.Entity, q.Sort)
	a.key = appendPage(a.key, g.d, q.Limit, q.Skip)
	a.key = appendExpr(a.key, q.Entity, q.Where)
	return g.read(a, q.Entity, q.Projection.Columns, Pinned(q.Where), func(b *Builder) { b.selection(q) },
		func(b *Builder) { b.rows(q.Entity, q.Where, q.Sort) })
}

func (b *Builder) selection(q *query.Select) {
	b.Write("SELECT ")
	b.columns(q.Projection.Columns)
	b.from(q.Entity)
	b.filter(q.Where)
	b.order(q.Sort)
	b.page(q.Limit, q.Skip, true)
}

// rows writes the read of all whole rows that a condition may leave, in order.
func (b *Builder) rows(e *schema.Entity, where query.Expr, order []query.Order) {
	b.Write("SELECT ")
	b.columns(e.Columns)
	b.from(e)
	b.filter(where)
	b.order(order)
}

func (b *Builder) columns(columns []*schema.Column) {
	for i, c := range columns {
		if i > 0 {
			b.Write(", ")
		}
		b.column(c)
	}
	if len(columns) == 0 { // a row for each record, with nothing in it
		b.Write("1")
	}
}

func (b *Builder) from(e *schema.Entity) {
	b.Write(" FROM ")
	b.ident(e.Collection)
	b.Write(b.d.Source)
}

func (b *Builder) filter(e query.Expr) {
	if e == nil || trivial(e) {
		return
	}
	b.Write(" WHERE ")
	if and, ok := e.(query.And); ok { // without needless parentheses
		for i, m := range and {
			if i > 0 {
				b.Write(" AND ")
			}
			b.where(m, false)
		}
		return
	}
	b.where(e, false)
}

// trivial reports whether e holds for every row by its form.
func trivial(e query.Expr) bool {
	switch e := e.(type) {
	case query.And:
		return len(e) == 0
	case query.Const:
		return bool(e)
	}
	return false
}

// Pinned reports whether e names the ids of the rows that it can be true for.
func Pinned(e query.Expr) bool { return pin(e) != nil }

// pin is the part of e that names ids, nil for none.
func pin(e query.Expr) query.Expr {
	switch e := e.(type) {
	case query.Compare:
		if e.Column.Role == schema.RoleID && e.Op == query.Eq {
			return e
		}
	case query.In:
		if e.Column.Role == schema.RoleID && !e.Negate {
			return e
		}
	case query.And:
		for _, m := range e {
			if p := pin(m); p != nil {
				return p
			}
		}
	}
	return nil
}

func (b *Builder) order(order []query.Order) {
	for i, o := range order {
		if i == 0 {
			b.Write(" ORDER BY ")
		} else {
			b.Write(", ")
		}
		if b.text {
			b.sortKey(func() { b.operand(o.Column, true) }, o.Desc, b.scope == nil && neverNull(o.Column))
		}
	}
}

var countColumns = []*schema.Column{{Name: "count", Type: schema.Integer}}

// Count compiles the number of records of a read. Limit and skip count, order
// does not.
func (g *Generator) Count(q *query.Select, a *Args) *Plan {
	a.key = appendEntity(a.key[:0], 'C', q.Entity)
	a.key = appendPage(a.key, g.d, q.Limit, q.Skip)
	a.key = appendExpr(a.key, q.Entity, q.Where)
	return g.read(a, q.Entity, countColumns, Pinned(q.Where), func(b *Builder) { b.count(q) },
		func(b *Builder) { b.rows(q.Entity, q.Where, nil) })
}

func (b *Builder) count(q *query.Select) {
	b.Write("SELECT COUNT(*)")
	if q.Limit == 0 && q.Skip == 0 {
		b.from(q.Entity)
		b.filter(q.Where)
		return
	}
	b.Write(" FROM (SELECT 1 AS ")
	b.ident("one")
	b.from(q.Entity)
	b.filter(q.Where)
	b.Write(b.d.PageOrder)
	b.page(q.Limit, q.Skip, true)
	b.Write(") ")
	b.ident("page")
}

// Links compiles the read of a relation's links for n owners (with reverse,
// targets); the caller binds the ids, padded to Plan.Params with the last one.
func (g *Generator) Links(r *schema.Relation, n int, reverse bool, a *Args) *Plan {
	a.key = appendRelation(a.key[:0], 'L', r)
	a.key = appendFlag(binary.AppendUvarint(a.key, uint64(Padded(n))), reverse)
	given := r.OwnerKey
	if reverse {
		given = r.TargetKey
	}
	return g.run(a, nil, true, func(b *Builder) {
		b.Write("SELECT ")
		b.ident(r.OwnerKey)
		b.Write(", ")
		b.ident(r.TargetKey)
		b.Write(" FROM ")
		b.ident(r.Through)
		b.Write(b.d.Source + " WHERE ")
		b.lists(n, false, func() { b.ident(given) }, b.place)
		b.Write(" ORDER BY ")
		b.ident(r.OwnerKey)
		b.Write(", ")
		b.ident(r.TargetKey)
	})
}

func appendRelation(dst []byte, op byte, r *schema.Relation) []byte {
	return appendText(appendEntity(dst, op, r.Owner), r.Name)
}
