// Package sybase is SAP ASE (Sybase) 15.7 and later as a store, through thda/tds:
// catalogs, reads and writes go to pkg/store/sqldb with an engine for it. No ASE
// server was ever met, nor one that speaks its SQL: that is pinned by golden files
// alone.
//
// ASE has no OFFSET, and no bound of a result that can be bound: the worker passes
// over rows and stops reading. Texts and JSON that are compared are VARCHAR of at
// most 1,000 bytes, so that a row fits into a page of 4 KB or more; the server
// needs the character set utf8 and the sort order binary. ASE takes no notice of
// spaces at the end of a text: conditions and orders add a character that brings
// them to count; a unique index goes on to take such texts for equal.
package sybase

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/thda/tds"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
	"github.com/octomesh/octomesh/pkg/stores/adapt"
)

// Dialect returns ASE as sqlgen must know it. Null is the lowest value of its
// orders; a BIT can't be null.
func Dialect() *sqlgen.Dialect {
	types := &adapt.Types{
		Bool: "TINYINT", Int: "BIGINT", Float: "DOUBLE PRECISION", Decimal: "NUMERIC(38,15)", Time: "BIGDATETIME", Key: "VARCHAR(255)", Text: "VARCHAR(1000)",
	}
	wrap := adapt.Ended(" + CHAR(0)")
	return &sqlgen.Dialect{
		Name: "sybase", QuoteOpen: '"', QuoteClose: '"', Placeholder: sqlgen.MarkPlaceholder, ColumnType: types.Column,
		Types: sqlgen.SystemTypes{Text: "TEXT", Key: types.Key, Int: types.Int, Bytes: "VARBINARY(255)"},
		Tables: sqlgen.Tables{
			Partial: sqlgen.PartialColumn, NullsEqual: true, Generated: [2]string{"AS ", " MATERIALIZED"}, Untyped: true, Add: [2]string{" ADD ", ""},
			DropIndex: sqlgen.DropIndexDotted, Standard: true, SpellNull: true, Options: " LOCK DATAROWS",
		},
		Identity: " IDENTITY", Counter: true,
		NotEqual: sqlgen.NotEqualOr, Nulls: sqlgen.NullsLow, Wrap: wrap, NoPage: true, MaxList: 512, LinkFrom: " ", MaxName: 255,
		Match: adapt.Infix{Open: "CHARINDEX(", Between: ", ", Close: ")"}.Match, Aggregate: adapt.Aggregate(wrap), Float: "DOUBLE PRECISION",
	}
}

var catalogue = sqldb.Catalogue{
	Columns: `SELECT o.name, c.name, CASE WHEN t.name IN ('varchar', 'char', 'varbinary') THEN t.name + '(' + CONVERT(VARCHAR(9), c.length) + ')' WHEN t.name IN ('numeric', 'decimal') THEN t.name + '(' + CONVERT(VARCHAR(9), c.prec) + ',' + CONVERT(VARCHAR(9), c.scale) + ')' ELSE t.name END,` +
		` CASE WHEN c.status & 8 = 8 THEN 'YES' ELSE 'NO' END, CASE WHEN c.cdefault > 0 THEN 'a default' END, CASE WHEN c.status & 128 = 128 THEN 'YES' ELSE 'NO' END, CASE WHEN c.computedcol IS NOT NULL THEN 'an expression' END, NULL` +
		` FROM sysobjects o JOIN syscolumns c ON c.id = o.id JOIN systypes t ON t.usertype = c.usertype WHERE o.type = 'U' AND o.uid = user_id() ORDER BY o.name, c.colid`,
	Keys: `SELECT o.name, index_col(o.name, i.indid, k.n) FROM sysobjects o JOIN sysindexes i ON i.id = o.id JOIN (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) k ON index_col(o.name, i.indid, k.n) IS NOT NULL` +
		` WHERE o.type = 'U' AND o.uid = user_id() AND i.status & 2048 = 2048 ORDER BY o.name, k.n`,
	Indexes: `SELECT o.name, i.name, CASE WHEN i.status & 2 = 2 THEN 'YES' ELSE 'NO' END, index_col(o.name, i.indid, k.n), index_colorder(o.name, i.indid, k.n), NULL FROM sysobjects o JOIN sysindexes i ON i.id = o.id` +
		` JOIN (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8) k ON index_col(o.name, i.indid, k.n) IS NOT NULL` +
		` WHERE o.type = 'U' AND o.uid = user_id() AND i.indid BETWEEN 1 AND 254 AND i.status & 2048 = 0 ORDER BY o.name, i.name, k.n`,
}

// kinds are the errors that mean something to us (SAP ASE, Error Messages and
// Message Log).
var kinds = map[int]sqldb.Kind{
	2601: sqldb.Unique, 2615: sqldb.Unique, 2626: sqldb.Unique, 233: sqldb.NotNull, 515: sqldb.NotNull, 546: sqldb.ForeignKey, 547: sqldb.ForeignKey, 548: sqldb.Rule, 552: sqldb.Rule,
	9502: sqldb.TooLong, 247: sqldb.OutOfRange, 220: sqldb.OutOfRange, 241: sqldb.OutOfRange, 1205: sqldb.Again, 12205: sqldb.Again, 12207: sqldb.Again,
	4002: sqldb.Denied, 10330: sqldb.Denied, 229: sqldb.Denied, 911: sqldb.NoDatabase, 1601: sqldb.Crowded, 1105: sqldb.Full, 7412: sqldb.Full, 3906: sqldb.ReadOnly, 6005: sqldb.Refused,
}

// classify tells what an error of the driver means: Attempt to insert duplicate
// key row in object 't' with unique index 'i'.
func classify(err error) sqldb.Problem {
	var e tds.SybError
	if errors.As(err, &e) {
		return adapt.Problem(kinds, int(e.MsgNumber), e.Message, '\'', '\'')
	}
	return sqldb.Problem{}
}

var fits = adapt.Fits(map[schema.Kind][]string{
	schema.KindBool: {"TINYINT", "BIT", "SMALLINT", "INT"}, schema.KindInt: {"BIGINT", "INT", "SMALLINT", "TINYINT"}, schema.KindFloat: {"DOUBLE PRECISION", "DOUBLE PRECIS", "FLOAT", "REAL", "NUMERIC", "DECIMAL"},
	schema.KindDecimal: {"NUMERIC", "DECIMAL", "BIGINT", "INT"}, schema.KindTime: {"BIGDATETIME", "DATETIME", "DATE", "SMALLDATETIME"}, schema.KindText: {"VARCHAR", "CHAR"},
})

// connector makes connections of the driver, which has no connector of its own.
type connector struct{ dsn string }

func (c *connector) Connect(context.Context) (sqldriver.Conn, error) { return tds.NewConn(c.dsn) }
func (c *connector) Driver() sqldriver.Driver                        { return nil }

// Open connects to the database that an address names
// (sybase://user:password@host:port/database, tds:// too) and brings its tables
// in line with the catalog. Errors: those of sqldb.Open, INVALID_REQUEST for an
// address that is none.
func Open(ctx context.Context, address string, cat *schema.Catalog, o sqldb.Options) (driver.Conn, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "sybase" && u.Scheme != "tds" || u.Hostname() == "" || len(u.Path) < 2 {
		return nil, fault.New(fault.InvalidRequest, "the address of the database is written sybase://user:password@host:port/database; special characters in it as %%XX")
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "5000")
	}
	u.Scheme = "tds"
	q := u.Query()
	q.Set("charset", "utf8")
	u.RawQuery = q.Encode()
	e := &sqldb.Engine{Classify: classify, Database: strings.Trim(u.Path, "/"), Connector: &adapt.Connector{
		Connector: &connector{u.String()},
		Settings:  []string{"set quoted_identifier on", "set chained off", "set transaction isolation level 1", "set lock wait 10", "set string_rtruncation on"},
	}}
	e.Migrate = migrate.Engine{Dialect: Dialect(), Fits: fits}
	e.Tables = catalogue.Tables
	e.Begin, e.Commit, e.Rollback = []string{"begin transaction"}, "commit transaction", "rollback transaction set transaction isolation level 1"
	e.Snapshot = []string{"begin transaction", "set transaction isolation level 3"}
	e.Touch, e.LockRows, e.MaxIDs = true, true, 512
	e.Bind, e.Time = bind, adapt.Time
	e.Check = adapt.Digits(23, 15, "has more digits than the database keeps (23 before the point, 15 behind it)")
	e.Capabilities = adapt.Capabilities("sybase")
	return sqldb.Open(ctx, e, cat, o)
}

// bind makes of an instant what the driver takes for its column.
func bind(v schema.Value) sqldriver.Value {
	if v.Kind() == schema.KindTime {
		return time.UnixMilli(v.Int()).UTC()
	}
	return adapt.Bind(v)
}
