package mysql

import (
	"context"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
)

const (
	columnsQuery = "SELECT table_name, column_name, column_type, is_nullable, column_default, extra, collation_name, generation_expression" +
		" FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"
	indexesQuery = "SELECT table_name, index_name, non_unique, column_name, collation, sub_part" +
		" FROM information_schema.statistics WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index"
)

// introspect reads the tables of the database with their columns and indexes.
func (s *server) introspect(ctx context.Context, q sqldb.Querier) ([]migrate.Table, error) {
	tables := make([]migrate.Table, 0, 16)
	byName := make(map[string]int)
	err := q.Query(ctx, columnsQuery, func(r []string) error {
		i, ok := byName[r[0]]
		if !ok {
			i = len(tables)
			byName[r[0]] = i
			tables = append(tables, migrate.Table{Name: r[0]})
		}
		c := migrate.Column{
			Name: r[1], Declared: strings.ToLower(r[2]), NotNull: r[3] == "NO", Default: r[4],
			Identity: strings.Contains(r[5], "auto_increment"), Generated: r[7],
		}
		if r[6] != s.collation {
			c.Collation = r[6]
		}
		if strings.Contains(r[5], "DEFAULT_GENERATED") && c.Default == "" {
			c.Default = "an expression"
		}
		tables[i].Columns = append(tables[i].Columns, c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = q.Query(ctx, indexesQuery, func(r []string) error {
		i, ok := byName[r[0]]
		if !ok {
			return nil
		}
		t := &tables[i]
		if r[1] == "PRIMARY" {
			t.PrimaryKey = append(t.PrimaryKey, r[3])
			return nil
		}
		if n := len(t.Indexes); n == 0 || t.Indexes[n-1].Name != r[1] {
			t.Indexes = append(t.Indexes, migrate.Index{Name: r[1], Unique: r[2] == "0"})
		}
		x := &t.Indexes[len(t.Indexes)-1]
		k := migrate.Key{Column: r[3], Desc: r[4] == "D"}
		if r[3] == "" { // MySQL 8: an expression
			k.Expr = "an expression"
		}
		if r[5] != "" {
			k.Prefix, _ = strconv.Atoi(r[5])
		}
		x.Keys = append(x.Keys, k)
		return nil
	})
	return tables, err
}

// fits reports whether values of a wanted column stay what they are in an
// existing one.
func fits(want, have migrate.Column) bool {
	base, _, _ := strings.Cut(have.Declared, "(")
	base, _, _ = strings.Cut(base, " ")
	unsigned := strings.Contains(have.Declared, "unsigned")
	integer := strings.HasSuffix(base, "int") || base == "year"
	switch base {
	case "text", "tinytext", "mediumtext", "longtext", "varchar", "char", "enum", "set", "json":
		if want.Type == 0 {
			return true
		}
		k := want.Type.Kind()
		return k == schema.KindText || k == schema.KindJSON
	case "datetime", "timestamp", "date":
		return want.Type != 0 && want.Type.Kind() == schema.KindTime
	}
	if want.Type == 0 { // a system column
		return strings.HasPrefix(strings.ToLower(want.Declared), base)
	}
	switch want.Type.Kind() {
	case schema.KindBool:
		return integer || base == "bit"
	case schema.KindInt:
		return integer && !(unsigned && base == "bigint") || base == "decimal" && strings.HasSuffix(have.Declared, ",0)")
	case schema.KindFloat:
		return base == "double" || base == "float" || base == "decimal" || integer
	case schema.KindDecimal:
		return base == "decimal" || integer
	}
	return false
}
