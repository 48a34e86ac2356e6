package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// What Options.Sync may be.
const (
	SyncFull   = "full"   // a commit survives a loss of power
	SyncNormal = "normal" // a commit survives the death of the process
)

// Options are the settings of Open. The zero value is ready for use.
type Options struct {
	Sync     string          // SyncFull (default) or SyncNormal
	Strategy driver.Strategy // default driver.Update
	// Readers is how many connections serve short reads, as many long ones, and
	// twice as many streams; opened when first needed. Default: twice the cores,
	// 4 to 8.
	Readers int
	// Committed, if set, is told after each commit how many writes it held. It
	// runs in the writer's goroutine and must not wait.
	Committed func(writes int)

	busy time.Duration // default busyTimeout
}

// busyTimeout is how long a statement waits for another program that holds the
// file, such as a backup: no process of ours does, the lock file sees to that.
const busyTimeout = 5 * time.Second

// DB is a project's SQLite file. It implements driver.Conn.
type DB struct {
	path      string
	sync      string
	strategy  driver.Strategy
	dialect   *sqlgen.Dialect
	gen       *sqlgen.Generator
	log       *sqlgen.Log
	unlock    func()
	streaming int              // how many streams there are at a time
	busy      time.Duration    // how long to wait for another program's lock
	told      func(writes int) // Options.Committed

	catalog   atomic.Pointer[schema.Catalog]
	epoch     atomic.Pointer[string]
	committed atomic.Int64

	writer  *writer
	short   pool // reads of a page or less, and snapshots
	long    pool // reads that may go through a whole table
	streams pool // those of slow readers, who may hold a connection for long
	logs    pool // the change log, for which the relay waits behind nobody

	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
}

var _ driver.Conn = (*DB)(nil)

var errLocked = fault.New(fault.DBNotConnected, "another process serves this SQLite file; stop it, or let this one use another file (a SQLite project belongs to one process)")

// plansKept bounds the compiled statements of a database.
const plansKept = 1024

// Open opens, and if need be makes, the database at path, takes the lock beside
// it and brings its tables in line with the catalog. Errors: DB_NOT_CONNECTED
// when the file can't be opened or another process serves it, CONFLICT when the
// tables do not fit, INVALID_REQUEST for bad options.
func Open(ctx context.Context, path string, cat *schema.Catalog, o Options) (driver.Conn, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(path)
	if err == nil && o.Strategy != driver.Inspect {
		err = os.MkdirAll(filepath.Dir(path), 0o750)
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.DBNotConnected, "the folder of the database can't be made; check its path and rights")
	}
	if o.Strategy == driver.Inspect {
		return inspect(path, o)
	}
	unlock, err := acquire(path + ".lock")
	if err != nil {
		if err == errLocked {
			return nil, errLocked
		}
		return nil, fault.Wrap(err, fault.DBNotConnected, "the lock file beside the database can't be made; check the rights of its folder")
	}
	db := &DB{path: path, sync: o.Sync, strategy: o.Strategy, dialect: Dialect(), unlock: unlock, busy: o.busy, told: o.Committed, streaming: 2 * o.Readers, closing: make(chan struct{})}
	db.gen = sqlgen.New(db.dialect, plansKept)
	db.log = sqlgen.NewLog(db.dialect)
	session, err := db.connect(true)
	if err != nil {
		unlock()
		return nil, err
	}
	if err := db.prepare(ctx, session, cat); err != nil {
		_ = session.close()
		unlock()
		return nil, err
	}
	db.short.init(db, o.Readers)
	db.long.init(db, o.Readers)
	db.streams.init(db, db.streaming)
	db.logs.init(db, 1)
	db.writer = newWriter(db, session)
	return db, nil
}

// inspect opens a file that another process may serve, to read what tables it
// has. A file that is not there has none.
func inspect(path string, o Options) (driver.Conn, error) {
	if _, err := os.Stat(path); os.IsNotExist(err) {
		path = ":memory:"
	}
	db := &DB{path: path, strategy: o.Strategy, dialect: Dialect(), unlock: func() {}, busy: o.busy, streaming: 1, closing: make(chan struct{})}
	db.gen, db.log = sqlgen.New(db.dialect, plansKept), sqlgen.NewLog(db.dialect)
	db.epoch.Store(new(string))
	session, err := db.connect(false)
	if err != nil {
		return nil, err
	}
	for _, p := range db.pools() {
		p.init(db, 1)
	}
	db.writer = newWriter(db, session) // whose connection refuses to write
	return db, nil
}

func (o *Options) check() error {
	switch o.Sync {
	case "":
		o.Sync = SyncFull
	case SyncFull, SyncNormal:
	default:
		return fault.New(fault.InvalidRequest, "the SQLite sync setting is full or normal")
	}
	var err error
	if o.Strategy, err = o.Strategy.OrDefault(); err != nil {
		return err
	}
	if o.busy == 0 {
		o.busy = busyTimeout
	}
	if o.Readers <= 0 {
		o.Readers = min(max(2*runtime.GOMAXPROCS(0), 4), 8)
	}
	return nil
}

// Capabilities implements driver.Conn.
func (db *DB) Capabilities() driver.Capabilities {
	return driver.Capabilities{Dialect: db.dialect.Name, Transactions: true, Sync: db.sync, Exclusive: true, Streams: db.streaming, Cells: true, Evidence: "engine"}
}

// Epoch implements driver.Conn.
func (db *DB) Epoch() string { return *db.epoch.Load() }

// Committed implements driver.Conn.
func (db *DB) Committed(context.Context) (int64, error) { return db.committed.Load(), nil }

// Ping implements driver.Conn.
func (db *DB) Ping(ctx context.Context) error {
	s, err := db.short.get(ctx)
	if err != nil {
		return err
	}
	defer db.short.put(s)
	_, err = s.Oldest(ctx)
	return err
}

// Close waits for the writes and reads that have begun, refuses new ones and
// closes the file.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		close(db.closing)
		db.writer.queue.Close()
		for _, p := range db.pools() {
			p.close()
		}
		s := db.writer.session
		if db.strategy == driver.CreateDrop {
			db.closeErr = db.drop(s, db.catalog.Load())
		}
		if err := s.close(); db.closeErr == nil {
			db.closeErr = classify(err, nil)
		}
		db.unlock()
	})
	return db.closeErr
}

// longRead is the limit from which on a read counts as long.
const longRead = 2000

// pools are the reading connections.
func (db *DB) pools() []*pool { return []*pool{&db.short, &db.long, &db.streams, &db.logs} }

// bounded is the pool for a read of at most limit rows, 0 = all that there are.
func (db *DB) bounded(limit int) *pool {
	if limit == 0 || limit >= longRead {
		return &db.long
	}
	return &db.short
}

// scanning is the pool for a read that goes through all that a condition leaves.
func (db *DB) scanning(where query.Expr) *pool {
	if sqlgen.Pinned(where) {
		return &db.short
	}
	return &db.long
}

// Select implements driver.Reader.
func (db *DB) Select(ctx context.Context, q *query.Select, each func(driver.Row) error) error {
	limit := q.Limit
	if limit == 0 && sqlgen.Pinned(q.Where) {
		limit = 1
	}
	p := db.bounded(limit)
	s, err := p.get(ctx)
	if err != nil {
		return err
	}
	defer p.put(s)
	return s.Select(ctx, q, each)
}

// Count implements driver.Reader.
func (db *DB) Count(ctx context.Context, q *query.Select) (int64, error) {
	p := db.scanning(q.Where)
	s, err := p.get(ctx)
	if err != nil {
		return 0, err
	}
	defer p.put(s)
	return s.Count(ctx, q)
}

// Aggregate implements driver.Reader.
func (db *DB) Aggregate(ctx context.Context, q *query.Aggregate, each func(driver.Row) error) error {
	p := db.scanning(q.Where)
	s, err := p.get(ctx)
	if err != nil {
		return err
	}
	defer p.put(s)
	return s.Aggregate(ctx, q, each)
}

// Links implements driver.Reader.
func (db *DB) Links(ctx context.Context, r *schema.Relation, ids []string, reverse bool, each func(owner, target string) error) error {
	s, err := db.short.get(ctx)
	if err != nil {
		return err
	}
	defer db.short.put(s)
	return s.Links(ctx, r, ids, reverse, each)
}

// Changes implements driver.Reader.
func (db *DB) Changes(ctx context.Context, after int64, limit int, each func(*mesh.Change) error) error {
	s, err := db.logs.get(ctx)
	if err != nil {
		return err
	}
	defer db.logs.put(s)
	return s.Changes(ctx, after, limit, each)
}

// Oldest implements driver.Reader.
func (db *DB) Oldest(ctx context.Context) (int64, error) {
	s, err := db.logs.get(ctx)
	if err != nil {
		return 0, err
	}
	defer db.logs.put(s)
	return s.Oldest(ctx)
}

// Snapshot implements driver.Conn.
func (db *DB) Snapshot(ctx context.Context, fn func(driver.Reader) error) error {
	return db.short.snapshot(ctx, fn)
}

// Stream implements driver.Conn.
func (db *DB) Stream(ctx context.Context, fn func(driver.Reader) error) error {
	return db.streams.snapshot(ctx, fn)
}

var (
	begin          = &sqlgen.Plan{SQL: "BEGIN", Point: true}
	beginImmediate = &sqlgen.Plan{SQL: "BEGIN IMMEDIATE", Point: true}
	commit         = &sqlgen.Plan{SQL: "COMMIT", Point: true}
	rollback       = &sqlgen.Plan{SQL: "ROLLBACK", Point: true}
	savepoint      = &sqlgen.Plan{SQL: "SAVEPOINT unit", Point: true}
	rollbackTo     = &sqlgen.Plan{SQL: "ROLLBACK TO unit", Point: true}
	releasePoint   = &sqlgen.Plan{SQL: "RELEASE unit", Point: true}
)
