package postgres

import (
	"context"
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/migrate"
)

// The catalogs of the server, for the schema that unqualified names mean.
var (
	tablesOf = fixed(`SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
	COALESCE(pg_get_expr(d.adbin, d.adrelid), ''), a.attidentity <> '', a.attgenerated <> '',
	COALESCE(NOT l.collisdeterministic, false)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_collation l ON l.oid = a.attcollation
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
ORDER BY c.relname, a.attnum`)
	indexesOf = fixed(`SELECT t.relname, i.relname, x.indisunique, x.indisprimary,
	COALESCE(a.attname, ''), (x.indoption[k.n - 1] & 1)::int, COALESCE(pg_get_expr(x.indpred, x.indrelid), '')
FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
CROSS JOIN LATERAL unnest(x.indkey) WITH ORDINALITY k(attnum, n)
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum
WHERE t.relnamespace = current_schema()::regnamespace AND x.indisvalid AND k.n <= x.indnkeyatts
ORDER BY t.relname, i.relname, k.n`)
)

// Tables implements migrate.Database.
func (m *migration) Tables(context.Context) ([]migrate.Table, error) {
	r, err := m.ask(tablesOf)
	defer r.release()
	if err != nil {
		return nil, err
	}
	var tables []migrate.Table
	byName := make(map[string]int)
	_ = r.each(nil, func(row *row) error {
		name := row.string(0)
		i, ok := byName[name]
		if !ok {
			i = len(tables)
			byName[name] = i
			tables = append(tables, migrate.Table{Name: name})
		}
		c := migrate.Column{
			Name: row.string(1), Declared: row.string(2), NotNull: row.string(3) == "t",
			Default: row.string(4), Identity: row.string(5) == "t",
		}
		if row.string(6) == "t" {
			c.Generated, c.Default = c.Default, ""
		}
		if row.string(7) == "t" {
			c.Declared += " (compared without regard to some differences)"
		}
		tables[i].Columns = append(tables[i].Columns, c)
		return nil
	})
	x, err := m.ask(indexesOf)
	defer x.release()
	if err != nil {
		return nil, err
	}
	_ = x.each(nil, func(row *row) error {
		i, ok := byName[row.string(0)]
		if !ok {
			return nil
		}
		t := &tables[i]
		if row.string(3) == "t" {
			t.PrimaryKey = append(t.PrimaryKey, row.string(4))
		}
		n := len(t.Indexes)
		if n == 0 || t.Indexes[n-1].Name != row.string(1) {
			t.Indexes = append(t.Indexes, migrate.Index{Name: row.string(1), Unique: row.string(2) == "t", Where: where(row.string(6))})
			n++
		}
		keys := &t.Indexes[n-1].Keys
		*keys = append(*keys, migrate.Key{Column: row.string(4), Desc: row.string(5) == "1"})
		return nil
	})
	return tables, nil
}

func where(text string) []migrate.Condition {
	if text == "" {
		return nil
	}
	return migrate.ParseWhere(text)
}

// fits reports whether values of a wanted column stay what they are in an
// existing one, or are refused: nothing may be rounded or rewritten silently.
func fits(want, have migrate.Column) bool {
	if want.Type == 0 { // a system column
		return strings.TrimSuffix(want.Declared, bytewise) == have.Declared || isText(want.Declared) && isText(have.Declared)
	}
	d := have.Declared
	integer := d == "bigint" || d == "integer" || d == "smallint"
	switch want.Type.Kind() {
	case schema.KindBool:
		return d == "boolean"
	case schema.KindInt:
		return integer
	case schema.KindFloat:
		return d == "double precision" || d == "numeric" || integer
	case schema.KindDecimal:
		return d == "numeric"
	case schema.KindTime:
		rest, ok := strings.CutPrefix(d, "timestamp")
		for _, coarse := range []string{"(0)", "(1)", "(2)"} {
			ok = ok && !strings.HasPrefix(rest, coarse)
		}
		return ok
	case schema.KindJSON:
		return d == "json" || d == "text" && want.Declared == d
	}
	return isText(d)
}

func isText(declared string) bool {
	d := strings.TrimSuffix(declared, bytewise)
	length, ok := strings.CutPrefix(d, "character varying")
	return d == "text" || ok && (length == "" || strings.HasPrefix(length, "(") && strings.HasSuffix(length, ")"))
}
