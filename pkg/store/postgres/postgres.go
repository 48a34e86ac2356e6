package postgres

import (
	"context"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/queue"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// What Options.Sync may be.
const (
	SyncFull = "full" // a commit survives a loss of power, if the server has fsync on
	SyncOff  = "off"  // the last commits may be lost when the server dies
)

// Options are the settings of Open. The zero value is ready for use.
type Options struct {
	Sync     string          // SyncFull (default) or SyncOff
	Strategy driver.Strategy // default driver.Update
	// Lanes is how many connections serve the short reads, beside one for reads by
	// id and one for the change log, and as many the one-record writes. Default:
	// the cores, 2 to 4.
	Lanes int
	// Pool is how many connections serve snapshots, as many transactions of
	// several records, as many streams, and half as many (at least 2) long reads;
	// opened when needed, closed when idle for a minute. Default: twice the cores,
	// 4 to 8.
	Pool int
	// Statement is how long one statement may take. Default 30 s.
	Statement time.Duration
	// Idle is how long the server waits for the next statement of a transaction:
	// the longest that a worker that hangs can hold others up. Default 10 s.
	Idle time.Duration
	// StreamIdle is Idle for streams, whose readers may be slow. Default 100 s.
	StreamIdle time.Duration
	// Application is the name that the server shows. Default octomesh.
	Application string
	// Committed, if set, is told after each commit how many writes it held. It
	// must not wait.
	Committed func(writes int)

	most      int  // bytes of an answer that is not streamed; 0 = most
	cockroach bool // see cockroach.go
}

// DB is a project's schema in a PostgreSQL database. It implements driver.Conn.
type DB struct {
	options Options
	base    *pgconn.Config
	dialect *sqlgen.Dialect
	gen     *sqlgen.Generator
	log     *sqlgen.Log

	appendChange, storeReply, storeOwnReply *sqlgen.Plan

	appendChanges, proofs wide // by the logarithm of how many

	synced  string // Capabilities.Sync
	catalog atomic.Pointer[schema.Catalog]
	epoch   atomic.Pointer[string]
	settled atomic.Int64 // see holes.go
	rewound atomic.Int64 // how often settled was given up
	turns   sync.Mutex   // see cockroach.go
	fence   fence

	reads   reads
	lanes   lanes
	writes  *queue.Queue
	free    pool // snapshots, and reads that were slow
	long    pool // reads without a bound
	streams pool // those of slow readers, who may hold a connection for long
	units   pool // transactions of several records

	sharedMu sync.Mutex
	shared   map[*sqlgen.Plan]*sqlgen.Plan

	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
}

var (
	_ driver.Conn     = (*DB)(nil)
	_ driver.Examiner = (*DB)(nil)
)

var one = fixed("SELECT 1")

const (
	// plansKept bounds the compiled statements of a database.
	plansKept = 1024
	// connectPatience bounds one attempt to connect.
	connectPatience = 10 * time.Second
)

// role is what a connection is for.
type role uint8

const (
	reader  role = iota
	pointer      // reads by id only
	writer
	streamer
)

// Open connects to the database at uri, as libpq writes it (postgres:// or
// postgresql://), and brings its tables in line with the catalog. Several processes may serve one
// database. Beside the settings of a session (search_path, statement_timeout,
// synchronous_commit, …) the address takes schema, for a search_path of one name,
// and pool_max_conns, for Options.Pool. Errors: DB_NOT_CONNECTED, OVERLOADED when the server has no
// connection left, CONFLICT when the tables do not fit, INVALID_REQUEST for a
// bad address or bad options.
func Open(ctx context.Context, uri string, cat *schema.Catalog, o Options) (driver.Conn, error) {
	base, err := parse(uri, &o)
	if err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	db := &DB{options: o, base: base, closing: make(chan struct{}), shared: make(map[*sqlgen.Plan]*sqlgen.Plan)}
	prepare := db.prepare
	if o.cockroach {
		prepare = db.prepareCounted
	}
	if err := prepare(ctx, cat); err != nil {
		return nil, err
	}
	db.reads = reads{db: db, exec: &db.lanes, settled: -1}
	db.free.init(db, reader, o.Pool)
	db.long.init(db, reader, max(2, o.Pool/2))
	db.streams.init(db, streamer, o.Pool)
	db.units.init(db, writer, o.Pool)
	db.lanes.start(db, o.Lanes)
	if o.cockroach {
		db.startWriters(1)
	} else {
		db.startWriters(o.Lanes)
	}
	return db, nil
}

func (o *Options) check() error {
	switch o.Sync {
	case "":
		o.Sync = SyncFull
	case SyncFull, SyncOff:
	default:
		return fault.New(fault.InvalidRequest, "the PostgreSQL sync setting is full or off")
	}
	var err error
	if o.Strategy, err = o.Strategy.OrDefault(); err != nil {
		return err
	}
	if o.Lanes <= 0 {
		o.Lanes = min(max(runtime.GOMAXPROCS(0), 2), 4)
	}
	if o.Pool <= 0 {
		o.Pool = min(max(2*runtime.GOMAXPROCS(0), 4), 8)
	}
	if o.Statement <= 0 {
		o.Statement = 30 * time.Second
	}
	if o.Idle <= 0 {
		o.Idle = 10 * time.Second
	}
	if o.StreamIdle <= 0 {
		o.StreamIdle = 100 * time.Second
	}
	if o.most == 0 {
		o.most = most
	}
	if o.Application == "" {
		o.Application = "octomesh"
	}
	return nil
}

// parse reads an address, and from it what it says about the options. Whoever shows its error must not show the address,
// which holds the password.
func parse(uri string, o *Options) (*pgconn.Config, error) {
	c, err := pgconn.ParseConfig(uri)
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidRequest, "the address of the database is postgres://user:password@host:5432/database, with parameters as libpq has them")
	}
	if schema, ok := c.RuntimeParams["schema"]; ok {
		delete(c.RuntimeParams, "schema")
		c.RuntimeParams["search_path"] = `"` + strings.ReplaceAll(schema, `"`, `""`) + `"`
	}
	if text, ok := c.RuntimeParams["pool_max_conns"]; ok {
		delete(c.RuntimeParams, "pool_max_conns")
		if o.Pool, err = strconv.Atoi(text); err != nil || o.Pool < 1 {
			return nil, fault.New(fault.InvalidRequest, "pool_max_conns in the address of the database is a number from 1")
		}
	}
	switch c.RuntimeParams["synchronous_commit"] {
	case "", "on", "remote_apply":
	default:
		o.Sync = SyncOff
	}
	return c, nil
}

// config is the configuration of a connection.
func (db *DB) config(r role) *pgconn.Config {
	c := db.base.Copy()
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectPatience
	}
	set := func(name, value string) { c.RuntimeParams[name] = value }
	set("client_encoding", "UTF8")
	set("DateStyle", "ISO")
	set("TimeZone", "UTC")
	set("extra_float_digits", "1")
	set("bytea_output", "hex")
	// what the address says otherwise holds
	own := func(name, value string) {
		if _, ok := c.RuntimeParams[name]; !ok {
			set(name, value)
		}
	}
	own("application_name", db.options.Application)
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	own("statement_timeout", ms(db.options.Statement))
	idle := db.options.Idle
	if r == streamer {
		idle = db.options.StreamIdle
	}
	own("idle_in_transaction_session_timeout", ms(idle))
	if db.options.cockroach {
		set("default_transaction_isolation", "serializable")
	}
	if r == pointer && !db.options.cockroach {
		// Left to itself, the server plans a list of ids anew each time: it
		// takes the list for longer when it does not know it. That costs twice
		// what finding the rows does. The parameter is PostgreSQL 12's.
		set("plan_cache_mode", "force_generic_plan")
	}
	switch {
	case r != writer:
		set("default_transaction_read_only", "on")
	case db.options.cockroach: // each commit is replicated
	case db.options.Sync == SyncOff:
		own("synchronous_commit", "off")
	default:
		own("synchronous_commit", "on")
	}
	return c
}

// patience is how long a connection waits for an answer: somewhat longer than
// the server works on one.
func (db *DB) patience() time.Duration {
	if _, ok := db.base.RuntimeParams["statement_timeout"]; ok {
		return 0 // the server's affair
	}
	return db.options.Statement + 10*time.Second
}

// chance is a number below n.
func (db *DB) chance(n int) int { return rand.IntN(max(n, 1)) }

// committed tells of a commit.
func (db *DB) committed(writes int) {
	if writes > 0 && db.options.Committed != nil {
		db.options.Committed(writes)
	}
}

// sharing is the plan that also keeps others from deleting the rows it reads.
func (db *DB) sharing(p *sqlgen.Plan) *sqlgen.Plan {
	db.sharedMu.Lock()
	defer db.sharedMu.Unlock()
	if q := db.shared[p]; q != nil {
		return q
	}
	if len(db.shared) >= plansKept {
		clear(db.shared)
	}
	q := &sqlgen.Plan{SQL: p.SQL + " FOR KEY SHARE", Columns: p.Columns, Kinds: p.Kinds, Params: p.Params, Point: p.Point}
	db.shared[p] = q
	return q
}

// Capabilities implements driver.Conn.
func (db *DB) Capabilities() driver.Capabilities {
	c := driver.Capabilities{Dialect: db.dialect.Name, Transactions: true, Sync: db.synced, Streams: db.options.Pool, Cells: true, Evidence: "engine"}
	if db.options.cockroach {
		c.Evidence = "emulator"
	}
	return c
}

// Epoch implements driver.Conn.
func (db *DB) Epoch() string { return *db.epoch.Load() }

// Ping implements driver.Conn.
func (db *DB) Ping(ctx context.Context) error {
	_, err := db.scalar(ctx, one)
	return err
}

// Close waits for the writes and reads that have begun, refuses new ones and
// closes the connections.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		close(db.closing)
		db.writes.Close()
		db.lanes.stop()
		db.units.close()
		db.free.close()
		db.long.close()
		db.streams.close()
		if db.options.Strategy == driver.CreateDrop {
			db.closeErr = db.drop()
		}
	})
	return db.closeErr
}

// Select implements driver.Reader.
func (db *DB) Select(ctx context.Context, q *query.Select, each func(driver.Row) error) error {
	return db.reads.Select(ctx, q, each)
}

// Count implements driver.Reader.
func (db *DB) Count(ctx context.Context, q *query.Select) (int64, error) {
	return db.reads.Count(ctx, q)
}

// Aggregate implements driver.Reader.
func (db *DB) Aggregate(ctx context.Context, q *query.Aggregate, each func(driver.Row) error) error {
	return db.reads.Aggregate(ctx, q, each)
}

// Links implements driver.Reader.
func (db *DB) Links(ctx context.Context, r *schema.Relation, ids []string, reverse bool, each func(owner, target string) error) error {
	return db.reads.Links(ctx, r, ids, reverse, each)
}

// Changes implements driver.Reader.
func (db *DB) Changes(ctx context.Context, after int64, limit int, each func(*mesh.Change) error) error {
	return db.reads.Changes(ctx, after, limit, each)
}

// Oldest implements driver.Reader.
func (db *DB) Oldest(ctx context.Context) (int64, error) { return db.reads.Oldest(ctx) }

// Snapshot implements driver.Conn.
func (db *DB) Snapshot(ctx context.Context, fn func(driver.Reader) error) error {
	return db.snapshot(ctx, &db.free, fn)
}

// Stream implements driver.Conn.
func (db *DB) Stream(ctx context.Context, fn func(driver.Reader) error) error {
	return db.snapshot(ctx, &db.streams, fn)
}

func (db *DB) snapshot(ctx context.Context, p *pool, fn func(driver.Reader) error) error {
	settled := db.settled.Load()
	begin := repeatable
	if db.options.cockroach {
		begin = readOnly // all is serializable there
	}
	return db.reading(ctx, p, begin, func(x *transaction) error {
		return fn(&reads{db: db, exec: x, settled: settled})
	})
}
