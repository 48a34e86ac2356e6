package mysql

import (
	"cmp"
	"context"
	sqldriver "database/sql/driver"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
)

// settings are made on each connection, or there is none: answers depend on
// them. An index holds at most 3,072 bytes of a text, but a sort compares
// max_sort_length bytes of it, and an average of integers has as many digits as
// div_precision_increment says.
var settings = map[string]string{
	"sql_mode":                "'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
	"time_zone":               "'+00:00'",
	"max_sort_length":         "32768",
	"div_precision_increment": "30",
}

// tuning is set where the server knows it: it decides how long something may
// take, and that the numbers of one statement have no gaps (a cluster has them). MySQL has no bound for what writes.
func tuning(statement time.Duration) map[string]string {
	return map[string]string{
		lockWait:            "10",
		"net_write_timeout": "600",
		"wait_timeout":      "28800",
		oneByOne:            "1",
		maxStatementTime:    strconv.FormatFloat(statement.Seconds(), 'f', 3, 64), // MariaDB
		maxExecutionTime:    strconv.FormatInt(statement.Milliseconds(), 10),      // MySQL
	}
}

const (
	maxStatementTime, maxExecutionTime = "max_statement_time", "max_execution_time"
	lockWait                           = "innodb_lock_wait_timeout"
	oneByOne                           = "auto_increment_increment"
	// connectTimeout bounds the making of a connection.
	connectTimeout = 10 * time.Second
	// grace is how much longer than a statement may take its answer is waited for.
	// Behind it the network is taken for dead: TCP itself would wait for hours.
	grace = 10 * time.Second
	// defaultStatement is how long a statement may take.
	defaultStatement = 30 * time.Second
)

// Open connects to the database that an address names (mysql:// or mariadb://
// user:password@host:port/database, ?tls=true or skip-verify) and brings its
// tables in line with the catalog. Errors: those of sqldb.Open, INVALID_REQUEST
// for an address that is none.
func Open(ctx context.Context, name, address string, cat *schema.Catalog, o sqldb.Options) (driver.Conn, error) {
	cfg, err := parse(address)
	if err != nil {
		return nil, err
	}
	return open(ctx, name, cfg, cat, o, grace)
}

// open is Open with another grace.
func open(ctx context.Context, name string, cfg *mysql.Config, cat *schema.Catalog, o sqldb.Options, grace time.Duration) (driver.Conn, error) {
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidRequest, "the address of the database can't be used; write %s://user:password@host:port/database", name)
	}
	e := &sqldb.Engine{Connector: connector, Classify: classify}
	facts, err := sqldb.Ask(ctx, e, "SELECT VERSION(), @@lower_case_table_names")
	if err != nil {
		return nil, err
	}
	sync, err := survives(ctx, e)
	if err != nil {
		return nil, err
	}
	known := new(columns)
	s := &server{name: name, mariadb: strings.Contains(facts[0], "MariaDB"), collation: "utf8mb4_0900_bin"}
	isolation := "transaction_isolation"
	if s.mariadb {
		s.collation, isolation = "utf8mb4_nopad_bin", "tx_isolation"
	}
	cfg.Params[isolation] = "'READ-COMMITTED'"
	if err := connectors(ctx, e, cfg, cmp.Or(o.Statement, defaultStatement), grace); err != nil {
		return nil, err
	}
	e.Migrate = migrate.Engine{Dialect: s.dialect(known), Fits: fits, FoldNames: true, FoldTables: facts[1] != "0"}
	e.Database = cfg.DBName
	e.Survey = known.survey
	e.Tables = s.introspect
	e.Begin = []string{"START TRANSACTION"}
	e.Snapshot = []string{"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"}
	e.Commit, e.Rollback = "COMMIT", "ROLLBACK"
	e.Share = " LOCK IN SHARE MODE"
	e.Lock, e.Unlock = "SELECT GET_LOCK(?, ?)", "SELECT RELEASE_LOCK(?)"
	e.Tombstone = sqldb.Tombstone{
		Prefix: "INSERT IGNORE INTO `_octo_changes` (`seq`, `tx`, `entity`, `rec_id`, `verb`, `version`, `principal`, `request_id`, `transport`, `at`) VALUES ",
		Row:    "(?, 0, '', '', '', 0, '', '', '', CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED))",
	}
	e.Bind, e.Time, e.Check = bind, parseTime, unkept
	e.Capabilities = driver.Capabilities{Dialect: name, Transactions: true, Sync: sync, Cells: true, Evidence: "engine"}
	if !s.mariadb { // no MySQL server was to be had, see the module standin
		e.Capabilities.Evidence = "emulator"
	}
	return sqldb.Open(ctx, e, cat, o)
}

// connectors gives the engine its two ways to connect, with as much of the
// tuning as the server knows.
func connectors(ctx context.Context, e *sqldb.Engine, cfg *mysql.Config, statement, grace time.Duration) error {
	texts := make(map[string]string)
	for name, value := range tuning(statement) {
		texts["SET SESSION "+name+" = "+value] = name
	}
	taken, err := sqldb.Takes(ctx, e, slices.Sorted(maps.Keys(texts)))
	if err != nil {
		return err
	}
	for _, sql := range taken {
		cfg.Params[texts[sql]] = tuning(statement)[texts[sql]]
	}
	patient := cfg.Clone()
	delete(patient.Params, maxStatementTime)
	delete(patient.Params, maxExecutionTime)
	// Who sends more than the other side takes for so long sends to nobody.
	cfg.WriteTimeout, patient.WriteTimeout = statement+grace, statement+grace
	cfg.ReadTimeout = statement + grace
	if e.Connector, err = mysql.NewConnector(cfg); err == nil {
		e.Patient, err = mysql.NewConnector(patient)
	}
	if cfg.Params[lockWait] != "" && cfg.Params[oneByOne] != "" && err == nil {
		grouped := cfg.Clone()
		grouped.Params[lockWait] = "1" // s, the least that MySQL takes
		e.Grouped, err = mysql.NewConnector(grouped)
	}
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the settings of the database connection can't be used")
	}
	return nil
}

// survives tells what a commit survives by the server's settings; a server that
// does not know them promises nothing.
func survives(ctx context.Context, e *sqldb.Engine) (string, error) {
	known, err := sqldb.Ask(ctx, e, "SELECT @@innodb_flush_log_at_trx_commit, @@global.sync_binlog, @@global.log_bin")
	switch {
	case fault.CodeOf(err) == fault.Internal:
		return "normal", nil
	case err == nil && known[0] == "1" && (known[2] == "0" || known[1] == "1"):
		return "full", nil
	}
	return "normal", err
}

// parse reads an address.
func parse(address string) (*mysql.Config, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "mysql" && u.Scheme != "mariadb" || u.Hostname() == "" || len(u.Path) < 2 || strings.Contains(u.Path[1:], "/") {
		return nil, fault.New(fault.InvalidRequest, "the address of the database is written mysql://user:password@host:port/database (or mariadb://…); special characters in it as %%XX")
	}
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.DBName = "tcp", u.Host, u.Path[1:]
	if u.Port() == "" {
		cfg.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.Collation = "utf8mb4_bin"
	cfg.ClientFoundRows = true
	cfg.Timeout = connectTimeout
	cfg.MaxAllowedPacket = 0 // as the server has it
	cfg.Logger = &mysql.NopLogger{}
	cfg.Params = maps.Clone(settings)
	for key, values := range u.Query() {
		switch value := values[0]; strings.ToLower(key) {
		case "tls", "ssl":
			cfg.TLSConfig = value
		case "ssl-mode", "sslmode":
			switch strings.ToLower(value) {
			case "disable", "disabled":
			case "preferred", "prefer":
				cfg.TLSConfig = "preferred"
			case "required", "require":
				cfg.TLSConfig = "skip-verify"
			default:
				cfg.TLSConfig = "true"
			}
		case "socket":
			cfg.Net, cfg.Addr = "unix", value
		case "charset", "collation", "parsetime": // ours to choose
		default:
			return nil, fault.New(fault.InvalidRequest, "the address of the database has the parameter %q; it takes tls, ssl-mode and socket", key)
		}
	}
	return cfg, nil
}

// bind turns a value into what the driver takes.
func bind(v schema.Value) sqldriver.Value {
	switch v.Kind() {
	case schema.KindBool:
		if v.Bool() {
			return int64(1)
		}
		return int64(0)
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

// parseTime reads a DATETIME(3) and its kin. It is false for the dates of MySQL
// that there are not, such as 2026-00-00.
func parseTime(b []byte) (int64, bool) {
	if len(b) == 23 {
		var instant [24]byte
		copy(instant[:], b)
		instant[10], instant[23] = 'T', 'Z'
		return schema.ParseTime(string(instant[:]))
	}
	for _, layout := range []string{"2006-01-02 15:04:05.999999999", "2006-01-02"} {
		if t, err := time.Parse(layout, string(b)); err == nil {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}
