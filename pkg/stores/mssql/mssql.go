// Package mssql is SQL Server 2019 and later as a store, through
// microsoft/go-mssqldb: catalogs, reads and writes go to pkg/store/sqldb with an
// engine for it. No SQL Server was ever met: its SQL is pinned by golden files
// and was run, as far as they take it, on H2 and HSQLDB.
//
// Texts are UTF-8 in a binary collation, by code point. SQL Server takes no
// notice of spaces at their ends: conditions and orders add a character that
// brings them to count, which no index serves but those of ids and references;
// a unique index goes on to take such texts for equal.
package mssql

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"net/url"
	"strconv"
	"strings"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
	"github.com/octomesh/octomesh/pkg/stores/adapt"
)

const (
	collation   = "Latin1_General_100_BIN2_UTF8"
	decimalType = "DECIMAL(38,18)"
)

// Dialect returns SQL Server as sqlgen must know it. Null is the lowest value of
// its orders.
func Dialect() *sqlgen.Dialect {
	types := &adapt.Types{
		Bool: "BIT", Int: "BIGINT", Float: "FLOAT(53)", Decimal: decimalType, Time: "DATETIME2(3)",
		Key: "VARCHAR(255) COLLATE " + collation, Text: "VARCHAR(MAX) COLLATE " + collation,
	}
	wrap := adapt.Ended(" + CHAR(0)")
	return &sqlgen.Dialect{
		Name: "mssql", QuoteOpen: '[', QuoteClose: ']',
		Placeholder: func(dst []byte, n int) []byte { return strconv.AppendInt(append(dst, "@p"...), int64(n), 10) },
		ColumnType:  types.Column,
		Types:       sqlgen.SystemTypes{Text: types.Text, Key: types.Key, Int: types.Int, Bytes: "VARBINARY(255)"},
		Tables: sqlgen.Tables{
			NullsEqual: true, Add: [2]string{" ADD ", ""}, DropIndex: sqlgen.DropIndexOn, Standard: true, Collation: collation,
			Long: func(c *schema.Column) bool {
				return c.Type.Kind() == schema.KindText && c.Type != schema.Enum && c.Type != schema.ObjectID && (c.Type == schema.Text || c.Type == schema.Binary)
			},
			Partial:   sqlgen.PartialWhere,
			Hash:      func(column string) string { return "CAST(HASHBYTES('SHA2_256', " + column + ") AS VARBINARY(32))" },
			HashType:  "VARBINARY(32)",
			Generated: [2]string{"AS (", ") PERSISTED"}, Untyped: true,
		},
		Identity: " IDENTITY(1,1)", Counter: true,
		NotEqual: sqlgen.NotEqualOr, Nulls: sqlgen.NullsLow, Wrap: wrap, BindOpen: bindOpen, Bind: bindClose,
		Fetch: true, PageOrder: " ORDER BY (SELECT NULL)", LinkFrom: " ", MaxName: 128,
		Match: adapt.Infix{Open: "CHARINDEX(", Between: ", ", Close: ")"}.Match, Aggregate: adapt.Aggregate(wrap), Float: "FLOAT(53)",
	}
}

// A parameter comes as NVARCHAR: compared with a column it would have the column
// converted, and a decimal or an instant compared as text.

func bindOpen(c *schema.Column) string {
	if bindClose(c) != "" {
		return "CAST("
	}
	return ""
}

func bindClose(c *schema.Column) string {
	switch c.Type.Kind() {
	case schema.KindDecimal:
		return " AS " + decimalType + ")"
	case schema.KindTime:
		return " AS DATETIME2(3))"
	case schema.KindText, schema.KindJSON:
		return " AS VARCHAR(MAX)) COLLATE " + collation
	}
	return ""
}

var catalogue = sqldb.Catalogue{
	Columns: `SELECT t.name, c.name, CASE WHEN y.name IN ('varchar', 'char', 'varbinary') THEN CONCAT(y.name, '(', CASE c.max_length WHEN -1 THEN 'max' ELSE CAST(c.max_length AS VARCHAR(9)) END, ')') WHEN y.name IN ('decimal', 'numeric') THEN CONCAT(y.name, '(', c.precision, ',', c.scale, ')') ELSE y.name END,` +
		` CASE c.is_nullable WHEN 1 THEN 'YES' ELSE 'NO' END, d.definition, CASE c.is_identity WHEN 1 THEN 'YES' ELSE 'NO' END, k.definition, CASE WHEN c.collation_name <> '` + collation + `' THEN c.collation_name END` +
		` FROM sys.tables t JOIN sys.columns c ON c.object_id = t.object_id JOIN sys.types y ON y.user_type_id = c.user_type_id LEFT JOIN sys.default_constraints d ON d.object_id = c.default_object_id` +
		` LEFT JOIN sys.computed_columns k ON k.object_id = c.object_id AND k.column_id = c.column_id WHERE t.schema_id = SCHEMA_ID() ORDER BY t.name, c.column_id`,
	Keys: `SELECT t.name, c.name FROM sys.tables t JOIN sys.indexes i ON i.object_id = t.object_id AND i.is_primary_key = 1 JOIN sys.index_columns x ON x.object_id = i.object_id AND x.index_id = i.index_id` +
		` JOIN sys.columns c ON c.object_id = x.object_id AND c.column_id = x.column_id WHERE t.schema_id = SCHEMA_ID() ORDER BY t.name, x.key_ordinal`,
	Indexes: `SELECT t.name, i.name, CASE i.is_unique WHEN 1 THEN 'YES' ELSE 'NO' END, c.name, CASE x.is_descending_key WHEN 1 THEN 'DESC' ELSE 'ASC' END, i.filter_definition FROM sys.tables t` +
		` JOIN sys.indexes i ON i.object_id = t.object_id AND i.is_primary_key = 0 AND i.type > 0 JOIN sys.index_columns x ON x.object_id = i.object_id AND x.index_id = i.index_id AND x.key_ordinal > 0` +
		` JOIN sys.columns c ON c.object_id = x.object_id AND c.column_id = x.column_id WHERE t.schema_id = SCHEMA_ID() ORDER BY t.name, i.name, x.key_ordinal`,
}

// kinds are the errors that mean something to us
// (https://learn.microsoft.com/en-us/sql/relational-databases/errors-events/database-engine-events-and-errors).
var kinds = map[int]sqldb.Kind{
	2601: sqldb.Unique, 2627: sqldb.Unique, 515: sqldb.NotNull, 547: sqldb.ForeignKey, 2628: sqldb.TooLong, 8152: sqldb.TooLong,
	8115: sqldb.OutOfRange, 220: sqldb.OutOfRange, 242: sqldb.OutOfRange, 8114: sqldb.OutOfRange, 8003: sqldb.TooLarge, 701: sqldb.TooLarge,
	1205: sqldb.Again, 1222: sqldb.Again, 3960: sqldb.Again, 3961: sqldb.Again, 41302: sqldb.Again, 41305: sqldb.Again, 41325: sqldb.Again,
	596: sqldb.Lost, 6005: sqldb.Refused, 233: sqldb.Lost, 40197: sqldb.Lost, 40613: sqldb.Refused, 40501: sqldb.Crowded, 10928: sqldb.Crowded, 10929: sqldb.Crowded, 17809: sqldb.Crowded,
	18456: sqldb.Denied, 18452: sqldb.Denied, 229: sqldb.Denied, 230: sqldb.Denied, 262: sqldb.Denied, 4060: sqldb.NoDatabase,
	1101: sqldb.Full, 1105: sqldb.Full, 9002: sqldb.Full, 3906: sqldb.ReadOnly, -2: sqldb.Slow,
}

// classify tells what an error of the driver means: Cannot insert duplicate key
// row in object 't' with unique index 'x'. The duplicate key value is (…).
func classify(err error) sqldb.Problem {
	var e mssql.Error
	if !errors.As(err, &e) {
		return sqldb.Problem{}
	}
	message, _, _ := strings.Cut(e.Message, " The duplicate key value")
	switch kinds[int(e.Number)] {
	case sqldb.NotNull: // Cannot insert the value NULL into column 'c', table 't'; …
		message, _, _ = strings.Cut(message, ", table")
	case sqldb.TooLong: // String or binary data would be truncated in table 't', column 'c'. Truncated value: '…'.
		message, _, _ = strings.Cut(message, ". Truncated")
	}
	if strings.Contains(message, "PRIMARY KEY") {
		return sqldb.Problem{Kind: sqldb.Unique, Index: "PRIMARY"}
	}
	return adapt.Problem(kinds, int(e.Number), message, '\'', '\'')
}

var fits = adapt.Fits(map[schema.Kind][]string{
	schema.KindBool: {"BIT"}, schema.KindInt: {"BIGINT", "INT", "SMALLINT", "TINYINT"}, schema.KindFloat: {"FLOAT", "REAL", "DECIMAL", "NUMERIC"},
	schema.KindDecimal: {"DECIMAL", "NUMERIC", "BIGINT", "INT"}, schema.KindTime: {"DATETIME2", "DATETIME", "DATE", "SMALLDATETIME"},
	schema.KindText: {"VARCHAR", "NVARCHAR", "TEXT", "NTEXT", "CHAR", "NCHAR"},
})

// Open connects to the database that an address names
// (sqlserver://user:password@host:port?database=name, mssql:// too, the name also
// as a path) and brings its tables in line with the catalog. Errors: those of
// sqldb.Open, INVALID_REQUEST for an address that is none.
func Open(ctx context.Context, address string, cat *schema.Catalog, o sqldb.Options) (driver.Conn, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "mssql" && u.Scheme != "sqlserver" || u.Hostname() == "" {
		return nil, errAddress
	}
	q := u.Query()
	if name := strings.Trim(u.Path, "/"); name != "" && q.Get("database") == "" {
		q.Set("database", name)
		u.Path = ""
	}
	if q.Get("database") == "" {
		return nil, errAddress
	}
	u.Scheme, u.RawQuery = "sqlserver", q.Encode()
	connector, err := mssql.NewConnector(u.String())
	if err != nil {
		return nil, errAddress
	}
	connector.SessionInitSQL = "SET ANSI_NULLS ON; SET QUOTED_IDENTIFIER ON; SET LOCK_TIMEOUT 10000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
	e := &sqldb.Engine{Connector: &adapt.Connector{Connector: connector}, Classify: classify, Database: q.Get("database")}
	e.Migrate = migrate.Engine{Dialect: Dialect(), Fits: fits}
	e.Tables = catalogue.Tables
	// SNAPSHOT has to be allowed by the database; SERIALIZABLE locks, and is what
	// all have.
	e.Units, e.Snapshots = &sqldriver.TxOptions{Isolation: 2}, &sqldriver.TxOptions{Isolation: 6}
	e.Touch, e.LockRows, e.MaxIDs = true, true, 1024
	e.Bind, e.Time = bind, adapt.Time
	e.Check = adapt.Digits(20, 18, "has more digits than the database keeps (20 before the point, 18 behind it)")
	e.Capabilities = adapt.Capabilities("mssql")
	return sqldb.Open(ctx, e, cat, o)
}

var errAddress = fault.New(fault.InvalidRequest, "the address of the database is written sqlserver://user:password@host:port?database=name; special characters in it as %%XX")

func bind(v schema.Value) sqldriver.Value {
	if v.Kind() == schema.KindBool {
		return v.Bool()
	}
	return adapt.Bind(v)
}
