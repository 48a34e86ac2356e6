package sqlgen

import (
	"encoding/binary"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// Load compiles the read of a whole row by its id; the caller binds the id.
func (g *Generator) Load(e *schema.Entity, a *Args) *Plan {
	a.key = appendEntity(a.key[:0], 'G', e)
	return g.run(a, e.Columns, true, func(b *Builder) {
		b.Write("SELECT ")
		b.columns(e.Columns)
		b.from(e)
		b.byID(e)
		b.Write(b.d.ForUpdate)
	})
}

// byID writes the condition of one record. Entities that share a table are told
// apart, so that no id reaches a record of another entity.
func (b *Builder) byID(e *schema.Entity) {
	b.Write(" WHERE ")
	b.ident(e.Columns[0].Physical)
	b.Write(" = ")
	b.place()
	if c := Discriminator(e); c != nil {
		b.Write(" AND ")
		b.ident(c.Physical)
		b.Write(" = ")
		if b.text {
			b.sql = b.d.AppendLiteral(b.sql, e.DiscriminatorValue)
		}
	}
}

// Discriminator is the column that tells e's rows apart from those of other
// entities in its table; nil if the table is e's own.
func Discriminator(e *schema.Entity) *schema.Column {
	if e.Discriminator == "" {
		return nil
	}
	return e.Column(e.Discriminator)
}

// Insert compiles the insert of a whole row and gathers its values.
func (g *Generator) Insert(e *schema.Entity, row schema.Row, a *Args) *Plan {
	a.key = appendEntity(a.key[:0], 'I', e)
	disc := Discriminator(e)
	return g.run(a, nil, true, func(b *Builder) {
		b.Write("INSERT INTO ")
		b.ident(e.Collection)
		b.Write(" (")
		b.columns(e.Columns)
		b.Write(") VALUES (")
		for i, c := range e.Columns {
			if i > 0 {
				b.Write(", ")
			}
			if c == disc {
				b.Arg(schema.TextOf(e.DiscriminatorValue))
			} else {
				b.Arg(row[i])
			}
		}
		b.Write(")")
	})
}

// Update compiles the change of some columns of a row and gathers their values
// and the id. set must not be empty.
func (g *Generator) Update(e *schema.Entity, row schema.Row, set []*schema.Column, a *Args) *Plan {
	a.key = appendEntity(a.key[:0], 'U', e)
	for _, c := range set {
		a.key = appendColumn(a.key, e, c)
	}
	return g.run(a, nil, true, func(b *Builder) {
		b.Write("UPDATE ")
		b.ident(e.Collection)
		b.Write(" SET ")
		for i, c := range set {
			if i > 0 {
				b.Write(", ")
			}
			b.ident(c.Physical)
			b.Write(" = ")
			b.Arg(row[c.Index])
		}
		b.byID(e)
		b.args.Values = append(b.args.Values, row[0])
	})
}

// Delete compiles the removal of a row by its id; the caller binds the id.
func (g *Generator) Delete(e *schema.Entity, a *Args) *Plan {
	a.key = appendEntity(a.key[:0], 'D', e)
	return g.run(a, nil, true, func(b *Builder) {
		b.Write("DELETE")
		b.from(e)
		b.byID(e)
	})
}

// Touch compiles an UPDATE that changes nothing but locks the rows whose ids a
// condition names, for engines whose reads lock none; with nil it is that of Load,
// whose id the caller binds. What else the condition asks for is left aside: a row
// that comes to meet it in between would be read without a lock.
func (g *Generator) Touch(e *schema.Entity, where query.Expr, a *Args) *Plan {
	where = pin(where)
	a.key = appendExpr(appendEntity(a.key[:0], 'T', e), e, where)
	return g.run(a, nil, true, func(b *Builder) {
		b.Write("UPDATE ")
		b.ident(e.Collection)
		b.Write(" SET ")
		version := e.Columns[0].Physical
		for _, c := range e.Columns {
			if c.Role == schema.RoleVersion {
				version = c.Physical
			}
		}
		b.ident(version)
		b.Write(" = ")
		b.ident(version)
		if where == nil {
			b.byID(e)
		} else {
			b.filter(where)
		}
	})
}

// Link compiles the insert of one link that may be there already; the caller
// binds owner and target, as often as Plan.Params has room for them.
func (g *Generator) Link(r *schema.Relation, a *Args) *Plan {
	a.key = appendRelation(a.key[:0], '+', r)
	return g.run(a, nil, true, func(b *Builder) {
		b.Write("INSERT ")
		b.Write(b.d.IgnorePrefix)
		b.Write("INTO ")
		b.ident(r.Through)
		b.Write(" (")
		b.ident(r.OwnerKey)
		b.Write(", ")
		b.ident(r.TargetKey)
		if b.d.LinkFrom != "" {
			b.linkAbsent(r)
			return
		}
		b.Write(") VALUES (")
		b.place()
		b.Write(", ")
		b.place()
		b.Write(")")
		b.Write(b.d.IgnoreSuffix)
	})
}

// linkAbsent ends the insert of a link as the read of the row that is missing.
func (b *Builder) linkAbsent(r *schema.Relation) {
	as := func() {
		b.Write("CAST(")
		b.place()
		b.Write(" AS " + b.d.ColumnType(r.Owner.Columns[0], true) + ")")
	}
	b.Write(") SELECT ")
	as()
	b.Write(", ")
	as()
	b.Write(b.d.LinkFrom)
	b.Write("WHERE NOT EXISTS (SELECT 1 FROM ")
	b.ident(r.Through)
	b.Write(" WHERE ")
	b.ident(r.OwnerKey)
	b.Write(" = ")
	b.place()
	b.Write(" AND ")
	b.ident(r.TargetKey)
	b.Write(" = ")
	b.place()
	b.Write(")")
}

// Unlink compiles the removal of n links of one owner; the caller binds the
// owner, then the targets, padded to Plan.Params with the last one.
func (g *Generator) Unlink(r *schema.Relation, n int, a *Args) *Plan {
	a.key = appendRelation(a.key[:0], '-', r)
	a.key = binary.AppendUvarint(a.key, uint64(Padded(n)))
	return g.run(a, nil, true, func(b *Builder) {
		b.Write("DELETE FROM ")
		b.ident(r.Through)
		b.Write(" WHERE ")
		b.ident(r.OwnerKey)
		b.Write(" = ")
		b.place()
		b.Write(" AND ")
		b.lists(n, false, func() { b.ident(r.TargetKey) }, b.place)
	})
}
