package hsqldb

import (
	"context"
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
)

const (
	columnsQuery = `SELECT C.TABLE_NAME, C.COLUMN_NAME, C.DTD_IDENTIFIER, C.IS_NULLABLE, C.COLUMN_DEFAULT, C.IS_IDENTITY, C.IS_GENERATED, C.GENERATION_EXPRESSION, C.COLLATION_NAME` +
		` FROM INFORMATION_SCHEMA.COLUMNS C JOIN INFORMATION_SCHEMA.TABLES T ON T.TABLE_SCHEMA = C.TABLE_SCHEMA AND T.TABLE_NAME = C.TABLE_NAME` +
		` WHERE C.TABLE_SCHEMA = CURRENT_SCHEMA AND T.TABLE_TYPE = 'BASE TABLE' ORDER BY C.TABLE_NAME, C.ORDINAL_POSITION`
	keysQuery = `SELECT TABLE_NAME, COLUMN_NAME FROM INFORMATION_SCHEMA.SYSTEM_PRIMARYKEYS WHERE TABLE_SCHEM = CURRENT_SCHEMA ORDER BY TABLE_NAME, KEY_SEQ`
	// The server keeps no index in descending order, although it takes the word.
	indexesQuery = `SELECT TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME FROM INFORMATION_SCHEMA.SYSTEM_INDEXINFO` +
		` WHERE TABLE_SCHEM = CURRENT_SCHEMA ORDER BY TABLE_NAME, INDEX_NAME, ORDINAL_POSITION`
)

// introspect reads the tables of the connection's schema with their columns and
// indexes.
func introspect(ctx context.Context, q sqldb.Querier) ([]migrate.Table, error) {
	tables := make([]migrate.Table, 0, 16)
	byName := make(map[string]int)
	err := q.Query(ctx, columnsQuery, func(r []string) error {
		i, ok := byName[r[0]]
		if !ok {
			i = len(tables)
			byName[r[0]] = i
			tables = append(tables, migrate.Table{Name: r[0]})
		}
		c := migrate.Column{Name: r[1], Declared: r[2], NotNull: r[3] == "NO", Default: r[4], Identity: r[5] == "YES"}
		if r[6] == "ALWAYS" {
			c.Generated = r[7]
		}
		if r[8] != "SQL_TEXT" {
			c.Collation = r[8]
		}
		tables[i].Columns = append(tables[i].Columns, c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = q.Query(ctx, keysQuery, func(r []string) error {
		if i, ok := byName[r[0]]; ok {
			tables[i].PrimaryKey = append(tables[i].PrimaryKey, r[1])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = q.Query(ctx, indexesQuery, func(r []string) error {
		i, ok := byName[r[0]]
		if !ok || strings.HasPrefix(r[1], "SYS_PK_") {
			return nil
		}
		t := &tables[i]
		if n := len(t.Indexes); n == 0 || t.Indexes[n-1].Name != r[1] {
			t.Indexes = append(t.Indexes, migrate.Index{Name: r[1], Unique: r[2] == "false" || r[2] == "0"})
		}
		x := &t.Indexes[len(t.Indexes)-1]
		x.Keys = append(x.Keys, migrate.Key{Column: r[3]})
		return nil
	})
	return tables, err
}

// fits reports whether values of a wanted column stay what they are in an
// existing one.
func fits(want, have migrate.Column) bool {
	base, _, _ := strings.Cut(have.Declared, "(")
	integer := base == "BIGINT" || base == "INTEGER" || base == "SMALLINT" || base == "TINYINT"
	if want.Type == 0 { // a system column
		wanted, _, _ := strings.Cut(want.Declared, "(")
		return base == wanted || base == "VARCHAR" && wanted == textType
	}
	switch want.Type.Kind() {
	case schema.KindBool:
		return base == "BOOLEAN"
	case schema.KindInt:
		return integer
	case schema.KindFloat:
		return base == "DOUBLE" || base == "DECIMAL" || base == "NUMERIC" || integer
	case schema.KindDecimal:
		return base == "DECIMAL" || base == "NUMERIC" || integer
	case schema.KindTime:
		return base == "TIMESTAMP" || base == "DATE"
	}
	return base == "VARCHAR" || base == "CHARACTER" || base == "CHAR" || base == "VARCHAR_IGNORECASE"
}
