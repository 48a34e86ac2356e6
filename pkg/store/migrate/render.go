package migrate

import (
	"strconv"

	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// SQL returns the statement of a step.
func SQL(d *sqlgen.Dialect, s Step) string {
	switch {
	case s.Drop:
		return "DROP TABLE " + d.Ident(s.Table)
	case s.Create != nil:
		return createTable(d, s.Create)
	case s.Add != nil:
		add := d.Tables.Add
		if add[0] == "" {
			add[0] = " ADD COLUMN "
		}
		return "ALTER TABLE " + d.Ident(s.Table) + add[0] + string(appendColumn(nil, d, s.Add, false)) + add[1]
	case s.DropIndex != nil:
		return dropIndex(d, s.Table, s.DropIndex.Name)
	}
	return createIndex(d, s.Table, s.Index)
}

func createTable(d *sqlgen.Dialect, t *Table) string {
	b := append([]byte("CREATE TABLE "), d.Ident(t.Name)...)
	b = append(b, " ("...)
	for i := range t.Columns {
		if i > 0 {
			b = append(b, ", "...)
		}
		c := &t.Columns[i]
		b = appendColumn(b, d, c, !d.Tables.Standard && !d.Tables.KeyBehind && len(t.PrimaryKey) == 1 && t.PrimaryKey[0] == c.Name)
	}
	b = append(b, d.Tables.Extra...)
	if d.Tables.Standard || d.Tables.KeyBehind || len(t.PrimaryKey) > 1 {
		if d.Tables.KeyBehind {
			b = append(b, ") PRIMARY KEY ("...)
		} else {
			b = append(b, ", PRIMARY KEY ("...)
		}
		for i, k := range t.PrimaryKey {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = d.AppendIdent(b, k)
		}
		if !d.Tables.KeyBehind {
			b = append(b, ')')
		}
	}
	return string(append(b, ')')) + d.Tables.Options
}

func appendColumn(b []byte, d *sqlgen.Dialect, c *Column, primary bool) []byte {
	b = d.AppendIdent(b, c.Name)
	if c.Generated == "" || !d.Tables.Untyped {
		b = append(append(b, ' '), c.Declared...)
	}
	if c.Generated != "" {
		b = append(append(b, ' '), d.Tables.Generated[0]...)
		return append(append(b, c.Generated...), d.Tables.Generated[1]...)
	}
	standard := func() {
		if c.Default != "" {
			around := d.Tables.Default
			if around[0] == "" {
				around[0] = " DEFAULT "
			}
			b = append(append(append(b, around[0]...), c.Default...), around[1]...)
		}
		if c.Identity {
			b = append(b, d.Identity...)
		}
	}
	if d.Tables.Standard {
		standard()
	}
	if primary {
		b = append(b, " PRIMARY KEY"...)
	}
	if c.NotNull {
		b = append(b, " NOT NULL"...)
	} else if d.Tables.SpellNull {
		b = append(b, " NULL"...)
	}
	if !d.Tables.Standard {
		standard()
	}
	return b
}

func createIndex(d *sqlgen.Dialect, table string, x *Index) string {
	b := []byte("CREATE ")
	if x.Unique {
		b = append(b, "UNIQUE "...)
	}
	b = append(d.AppendIdent(append(b, "INDEX "...), d.Short(x.Name)), " ON "...)
	b = append(d.AppendIdent(b, table), " ("...)
	for i, k := range x.Keys {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendKey(b, d, k)
	}
	b = append(b, ')')
	return string(AppendWhere(b, d, x.Where))
}

func appendKey(b []byte, d *sqlgen.Dialect, k Key) []byte {
	if k.Expr != "" {
		b = append(append(append(b, '('), k.Expr...), ')')
	} else {
		b = d.AppendIdent(b, k.Column)
	}
	if k.Prefix > 0 {
		b = append(strconv.AppendInt(append(b, '('), int64(k.Prefix), 10), ')')
	}
	if k.Desc {
		b = append(b, " DESC"...)
	}
	// in the order that sqlgen asks for, or no sort could be read from it
	switch spell := d.Nulls == sqlgen.NullsSpell && !d.Tables.PlainIndex && !k.NotNull; {
	case spell && k.Desc:
		b = append(b, " NULLS LAST"...)
	case spell:
		b = append(b, " NULLS FIRST"...)
	}
	return b
}

func dropIndex(d *sqlgen.Dialect, table, name string) string {
	switch d.Tables.DropIndex {
	case sqlgen.DropIndexOn:
		return "DROP INDEX " + d.Ident(name) + " ON " + d.Ident(table)
	case sqlgen.DropIndexDotted:
		return "DROP INDEX " + d.Ident(table) + "." + d.Ident(name)
	}
	return "DROP INDEX " + d.Ident(name)
}
