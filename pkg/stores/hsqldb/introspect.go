package hsqldb

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
)

const (
	columnsQuery = `SELECT C.TABLE_NAME, C.COLUMN_NAME, C.DTD_IDENTIFIER, C.IS_NULLABLE, C.COLUMN_DEFAULT, C.IS_IDENTITY, CASE C.IS_GENERATED WHEN 'ALWAYS' THEN C.GENERATION_EXPRESSION END, NULLIF(C.COLLATION_NAME, 'SQL_TEXT')` +
		` FROM INFORMATION_SCHEMA.COLUMNS C JOIN INFORMATION_SCHEMA.TABLES T ON T.TABLE_SCHEMA = C.TABLE_SCHEMA AND T.TABLE_NAME = C.TABLE_NAME` +
		` WHERE C.TABLE_SCHEMA = CURRENT_SCHEMA AND T.TABLE_TYPE = 'BASE TABLE' ORDER BY C.TABLE_NAME, C.ORDINAL_POSITION`
	keysQuery = `SELECT TABLE_NAME, COLUMN_NAME FROM INFORMATION_SCHEMA.SYSTEM_PRIMARYKEYS WHERE TABLE_SCHEM = CURRENT_SCHEMA ORDER BY TABLE_NAME, KEY_SEQ`
	// The server keeps no index in descending order, although it takes the word.
	indexesQuery = `SELECT TABLE_NAME, INDEX_NAME, CASE WHEN NON_UNIQUE THEN 'NO' ELSE 'YES' END, COLUMN_NAME, 'ASC', NULL FROM INFORMATION_SCHEMA.SYSTEM_INDEXINFO` +
		` WHERE TABLE_SCHEM = CURRENT_SCHEMA AND INDEX_NAME NOT LIKE 'SYS!_PK!_%' ESCAPE '!' ORDER BY TABLE_NAME, INDEX_NAME, ORDINAL_POSITION`
)

// introspect reads the tables of the connection's schema.
var introspect = sqldb.Catalogue{Columns: columnsQuery, Keys: keysQuery, Indexes: indexesQuery}.Tables

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
