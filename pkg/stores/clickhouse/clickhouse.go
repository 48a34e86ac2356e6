package clickhouse

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	chdriver "github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
	"github.com/octomesh/octomesh/pkg/stores/overlay"
)

// Options are the settings of Open. The zero value is ready for use.
type Options struct {
	Strategy driver.Strategy // default driver.Update
	// Committed, if set, is told after each commit how many changes it held. It
	// runs in the writer's goroutine and must not wait.
	Committed func(writes int)
	// Patience is how long Open waits for a process that serves the database to
	// go. Default: a little more than the time after which a dead one is gone.
	Patience time.Duration
}

// DB is a project's ClickHouse database. It implements driver.Conn.
type DB struct {
	conn     chdriver.Conn
	database string
	strategy driver.Strategy
	dialect  *sqlgen.Dialect
	gen      *sqlgen.Generator
	log      *sqlgen.Log
	told     func(writes int)
	patience time.Duration
	lease    *lease
	writer   *overlay.Writer

	catalog  atomic.Pointer[schema.Catalog]
	epoch    atomic.Pointer[string]
	last     atomic.Int64  // the last seq whose change is there
	rev      atomic.Uint64 // the last number given to rows
	doubtful atomic.Bool   // the last redo may not be there whole

	closeOnce sync.Once
	closeErr  error
}

var (
	_ driver.Conn     = (*DB)(nil)
	_ driver.Examiner = (*DB)(nil)
)

// plansKept bounds the compiled statements of a database.
const plansKept = 1024

const (
	// streaming is how many streams there are at a time.
	streaming = 8
	// maxConns leaves as many connections to other reads and to writes as streams
	// have, each of which reads its relations on a second one.
	maxConns = 4 * streaming
)

// settings are those of every statement, unless the address says otherwise.
var settings = clickhouse.Settings{
	"max_query_size": 64 << 20, // lists of a thousand long texts
	"async_insert":   0,        // an answer means that it is stored
	"mutations_sync": 1,
	"join_use_nulls": 1,
}

func parse(uri string) (*clickhouse.Options, error) {
	o, err := clickhouse.ParseDSN(uri)
	if err != nil {
		// The library's own error may hold the password.
		return nil, fault.New(fault.InvalidRequest, "the address of a ClickHouse database is clickhouse://USER:PASSWORD@HOST:9000/DATABASE, or http(s)://…:8123/DATABASE")
	}
	if len(o.Addr) != 1 {
		return nil, fault.New(fault.InvalidRequest, "a project in ClickHouse has one server: name one address")
	}
	if o.MaxOpenConns == 0 {
		o.MaxOpenConns = maxConns
	}
	if o.Settings == nil {
		o.Settings = make(clickhouse.Settings)
	}
	for k, v := range settings {
		if _, given := o.Settings[k]; !given {
			o.Settings[k] = v
		}
	}
	return o, nil
}

// Open connects to a database, which must exist, claims it for this process and
// brings its tables in line with the catalog. Errors: DB_NOT_CONNECTED when it
// can't be reached or another process serves it, CONFLICT when the tables do not
// fit, INVALID_REQUEST for a bad address or bad options.
func Open(ctx context.Context, uri string, cat *schema.Catalog, o Options) (driver.Conn, error) {
	var err error
	if o.Strategy, err = o.Strategy.OrDefault(); err != nil {
		return nil, err
	}
	if o.Patience == 0 {
		o.Patience = leaseTime + renewal
	}
	server, err := parse(uri)
	if err != nil {
		return nil, err
	}
	db := &DB{database: server.Auth.Database, strategy: o.Strategy, dialect: Dialect(), told: o.Committed, patience: o.Patience}
	db.gen, db.log = sqlgen.New(db.dialect, plansKept), sqlgen.NewLog(db.dialect)
	db.epoch.Store(new(string))
	if db.conn, err = clickhouse.Open(server); err != nil {
		return nil, classify(ctx, err, nil)
	}
	if o.Strategy != driver.Inspect {
		if err := db.prepare(ctx, cat); err != nil {
			db.hangUp()
			return nil, err
		}
	}
	db.writer = overlay.NewWriter(db.commit)
	return db, nil
}

func (db *DB) prepare(ctx context.Context, cat *schema.Catalog) error {
	if err := db.own(ctx); err != nil {
		return err
	}
	if err := db.acquire(ctx); err != nil {
		return err
	}
	if db.strategy.Empties() { // what was to be written goes as well
		if err := db.exec(ctx, "TRUNCATE TABLE `"+redoTable+"`"); err != nil {
			return err
		}
	}
	if err := db.migrate(ctx, db.strategy, cat); err != nil {
		return err
	}
	if err := db.recover(ctx); err != nil {
		return err
	}
	epoch, err := db.firstEpoch(ctx)
	if err != nil {
		return err
	}
	db.epoch.Store(&epoch)
	db.catalog.Store(cat)
	return nil
}

func (db *DB) hangUp() {
	if db.lease != nil {
		db.lease.release()
	}
	_ = db.conn.Close() // nothing is under way
}

func (db *DB) exec(ctx context.Context, sql string) error {
	return classify(ctx, db.conn.Exec(ctx, sql), nil)
}

// Capabilities implements driver.Conn. Transactions are whole by the redo, but not
// isolated. Sync is what MergeTree does by itself: it writes without fsync, so an
// answer survives the death of the processes, not a loss of power.
func (db *DB) Capabilities() driver.Capabilities {
	return driver.Capabilities{Dialect: "clickhouse", Transactions: true, Exposed: true, Sync: "normal", Exclusive: true, Streams: streaming, Cells: true, Evidence: "engine"}
}

// Epoch implements driver.Conn.
func (db *DB) Epoch() string { return *db.epoch.Load() }

// Committed implements driver.Conn.
func (db *DB) Committed(context.Context) (int64, error) { return db.last.Load(), nil }

// Ping implements driver.Conn.
func (db *DB) Ping(ctx context.Context) error {
	return db.query(ctx, "SELECT 1", nil, nil, func(*row) error { return nil })
}

// Close waits for the writes that have begun, refuses new ones, gives the lease
// back and hangs up.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		db.writer.Close()
		if db.strategy == driver.CreateDrop {
			db.closeErr = db.drop(context.Background())
		}
		db.hangUp()
	})
	return db.closeErr
}

// Write implements driver.Conn.
func (db *DB) Write(ctx context.Context, u driver.Unit) error { return db.writer.Write(ctx, u) }

// Snapshot implements driver.Conn, as far as that goes: ClickHouse has no
// snapshot that several statements share, so each read sees the state of its own
// moment.
func (db *DB) Snapshot(_ context.Context, fn func(driver.Reader) error) error { return fn(db) }

// Stream implements driver.Conn.
func (db *DB) Stream(ctx context.Context, fn func(driver.Reader) error) error {
	return db.Snapshot(ctx, fn)
}

// Trim implements driver.Conn. What it deletes is the beginning of the log, so
// it looks for the last change that may go.
func (db *DB) Trim(ctx context.Context, before time.Time, upTo int64) (int, error) {
	border := min(upTo, db.last.Load()-1)
	at := *num(before.UnixMilli())
	var first, count int64
	err := db.query(ctx, "SELECT minIf(`seq`, `at` >= "+at+"), countIf(`at` >= "+at+"), count() FROM `_octo_changes` WHERE `seq` <= "+*num(border), nil, nil, func(r *row) error {
		if first = r.num(0); r.num(1) == 0 {
			first = border + 1
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	err = db.query(ctx, "SELECT uniqExact(`seq`) FROM `_octo_changes` WHERE `seq` < "+*num(first), nil, nil, func(r *row) error {
		count = r.num(0)
		return nil
	})
	if err != nil || count == 0 {
		return 0, err
	}
	if err := db.exec(ctx, "DELETE FROM `_octo_changes` WHERE `seq` < "+*num(first)); err != nil {
		return 0, err
	}
	return int(count), db.exec(ctx, "DELETE FROM `_octo_replies` WHERE `at` < "+at)
}
