package hsqldb

import (
	"context"
	sqldriver "database/sql/driver"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// connectTimeout bounds the making of a connection.
const connectTimeout = 10 * time.Second

// factsQuery asks for how the database runs.
const factsQuery = `SELECT MAX(CASE PROPERTY_NAME WHEN 'hsqldb.tx' THEN PROPERTY_VALUE END), MAX(CASE PROPERTY_NAME WHEN 'sql.pad_space' THEN PROPERTY_VALUE END),` +
	` MAX(CASE PROPERTY_NAME WHEN 'hsqldb.write_delay' THEN PROPERTY_VALUE END) FROM INFORMATION_SCHEMA.SYSTEM_PROPERTIES`

// Open connects to the database that an address names
// (hsqldb://user:password@host:port/database) and brings its tables in line with
// the catalog. A database that does not run as the package says is set to, which
// needs an administrator. Errors: those of sqldb.Open, INVALID_REQUEST for an
// address that is none.
func Open(ctx context.Context, address string, cat *schema.Catalog, o sqldb.Options) (driver.Conn, error) {
	return open(ctx, address, Dialect(), cat, o)
}

func open(ctx context.Context, address string, d *sqlgen.Dialect, cat *schema.Catalog, o sqldb.Options) (driver.Conn, error) {
	cfg, err := parse(address)
	if err != nil {
		return nil, err
	}
	e := &sqldb.Engine{Connector: &connector{config: cfg}, Classify: classify}
	facts, err := sqldb.Ask(ctx, e, factsQuery)
	if err != nil {
		return nil, err
	}
	if err := prepare(ctx, e, facts); err != nil {
		return nil, err
	}
	e.Connector = &connector{config: cfg, settings: []string{"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED"}}
	e.Migrate = migrate.Engine{Dialect: d, Fits: fits}
	e.Database = cfg.Database
	e.Tables = introspect
	// COMMIT and ROLLBACK switch back to one transaction for each statement. Locks
	// are tables': whoever has the log's first gets the others without a deadlock.
	e.Begin = []string{"SET AUTOCOMMIT FALSE", `LOCK TABLE "_octo_changes" WRITE`}
	e.Snapshot = []string{"SET AUTOCOMMIT FALSE", "SET TRANSACTION READ ONLY, ISOLATION LEVEL REPEATABLE READ"}
	e.Commit, e.Rollback = "COMMIT", "ROLLBACK"
	e.Ping = "SELECT 1 FROM (VALUES(0)) AS v"
	e.Touch, e.LockRows = true, true
	e.Tombstone = sqldb.Tombstone{
		Prefix: `MERGE INTO "_octo_changes" USING (VALUES `,
		Row:    "(?)",
		Suffix: `) AS v("n") ON "seq" = "n" WHEN NOT MATCHED THEN INSERT ("seq", "tx", "entity", "rec_id", "verb", "version", "principal", "request_id", "transport", "at")` +
			` VALUES ("n", 0, '', '', '', 0, '', '', '', UNIX_MILLIS())`,
	}
	e.Bind, e.Time = bind, parseTime
	e.Capabilities = driver.Capabilities{Dialect: "hsqldb", Transactions: true, Sync: "normal", Cells: true, Evidence: "engine"}
	if facts[2] == "false" {
		e.Capabilities.Sync = "full"
	}
	return sqldb.Open(ctx, e, cat, o)
}

// prepare sets the database to the transactions and the comparison of texts
// that we need.
func prepare(ctx context.Context, e *sqldb.Engine, facts []string) error {
	var settings []string
	if !strings.EqualFold(facts[0], "MVLOCKS") {
		settings = append(settings, "SET DATABASE TRANSACTION CONTROL MVLOCKS")
	}
	if facts[1] != "false" {
		settings = append(settings, "SET DATABASE COLLATION SQL_TEXT NO PAD")
	}
	if len(settings) == 0 {
		return nil
	}
	c := e.Connector.(*connector)
	conn, err := (&connector{config: c.config, settings: settings}).Connect(ctx)
	if err != nil {
		return fault.Wrap(err, fault.DBNotConnected, "the database must run with SET DATABASE TRANSACTION CONTROL MVLOCKS and SET DATABASE COLLATION SQL_TEXT NO PAD, and could not be set so; let its administrator do it")
	}
	return conn.Close()
}

// parse reads an address.
func parse(address string) (*pgconn.Config, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "hsqldb" || u.Hostname() == "" || len(u.Path) < 2 || strings.Contains(u.Path[1:], "/") || u.RawQuery != "" {
		return nil, fault.New(fault.InvalidRequest, "the address of the database is written hsqldb://user:password@host:port/database, without parameters; special characters in it as %%XX")
	}
	if password, _ := u.User.Password(); password == "" {
		return nil, fault.New(fault.InvalidRequest, "the address of the database has no password: HSQLDB's network endpoint lets nobody in without one; give the user one")
	}
	port := u.Port()
	if port == "" {
		port = "9001"
	}
	u.Scheme, u.Host, u.RawQuery = "postgres", net.JoinHostPort(u.Hostname(), port), "sslmode=disable"
	cfg, err := pgconn.ParseConfig(u.String())
	if err != nil {
		return nil, fault.New(fault.InvalidRequest, "the address of the database can't be used; write hsqldb://user:password@host:port/database")
	}
	cfg.ConnectTimeout = connectTimeout
	cfg.RuntimeParams = map[string]string{}
	cfg.Fallbacks = nil
	return cfg, nil
}

// bind turns a value into what the connector takes.
func bind(v schema.Value) sqldriver.Value {
	switch v.Kind() {
	case schema.KindBool:
		return v.Bool()
	case schema.KindInt:
		return v.Int()
	case schema.KindFloat:
		return v.Float()
	case schema.KindTime: // 2006-01-02T15:04:05.000Z to 2006-01-02 15:04:05.000
		b := schema.AppendTime(make([]byte, 0, 32), v.Int())
		b[10] = ' '
		return string(b[:len(b)-1])
	}
	return v.Text()
}

// parseTime reads a TIMESTAMP or a DATE.
func parseTime(b []byte) (int64, bool) {
	for _, layout := range []string{"2006-01-02 15:04:05.999999999", "2006-01-02"} {
		if t, err := time.Parse(layout, string(b)); err == nil {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}
