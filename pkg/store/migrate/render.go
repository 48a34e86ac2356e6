package migrate

import "github.com/octomesh/octomesh/pkg/store/sqlgen"

// SQL returns the statement of a step.
func SQL(d *sqlgen.Dialect, s Step) string {
	switch {
	case s.Drop:
		return "DROP TABLE " + d.Ident(s.Table)
	case s.Create != nil:
		return createTable(d, s.Create)
	case s.Add != nil:
		return "ALTER TABLE " + d.Ident(s.Table) + " ADD COLUMN " + string(appendColumn(nil, d, s.Add, false))
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
		b = appendColumn(b, d, c, len(t.PrimaryKey) == 1 && t.PrimaryKey[0] == c.Name)
	}
	if len(t.PrimaryKey) > 1 {
		b = append(b, ", PRIMARY KEY ("...)
		for i, k := range t.PrimaryKey {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = d.AppendIdent(b, k)
		}
		b = append(b, ')')
	}
	return string(append(b, ')'))
}

func appendColumn(b []byte, d *sqlgen.Dialect, c *Column, primary bool) []byte {
	b = append(d.AppendIdent(b, c.Name), ' ')
	b = append(b, c.Declared...)
	if c.Identity {
		b = append(b, d.Identity...)
	}
	if primary {
		b = append(b, " PRIMARY KEY"...)
	}
	if c.NotNull {
		b = append(b, " NOT NULL"...)
	}
	if c.Default != "" {
		b = append(append(b, " DEFAULT "...), c.Default...)
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
		b = d.AppendIdent(b, k.Column)
		if k.Desc {
			b = append(b, " DESC"...)
		}
		// in the order that sqlgen asks for, or no sort could be read from it
		switch spell := d.Nulls == sqlgen.NullsSpell && !k.NotNull; {
		case spell && k.Desc:
			b = append(b, " NULLS LAST"...)
		case spell:
			b = append(b, " NULLS FIRST"...)
		}
	}
	b = append(b, ')')
	return string(AppendWhere(b, d, x.Where))
}

// AppendWhere appends the WHERE of a partial index; nothing without conditions.
func AppendWhere(b []byte, d *sqlgen.Dialect, where []Condition) []byte {
	for i, c := range where {
		if i == 0 {
			b = append(b, " WHERE "...)
		} else {
			b = append(b, " AND "...)
		}
		b = d.AppendIdent(b, c.Column)
		switch c.Op {
		case IsNull:
			b = append(b, " IS NULL"...)
		case IsNotNull:
			b = append(b, " IS NOT NULL"...)
		case Equals:
			b = d.AppendLiteral(append(b, " = "...), c.Text)
		}
	}
	return b
}
