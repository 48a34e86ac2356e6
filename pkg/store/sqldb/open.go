package sqldb

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// Options are the settings of Open. The zero value is ready for use.
type Options struct {
	Strategy driver.Strategy // default driver.Update
	// Writers and Readers are how many connections write, and serve short reads (as
	// many again scans, long ones, snapshots and streams); opened when first needed.
	// Default: 16 writers, readers twice the cores, 4 to 16.
	Writers, Readers int
	// Statement is how long a statement may take, where the engine can bound it.
	// Reads without a bound, snapshots, streams and changes of tables are not bounded.
	// Default: 30 s.
	Statement time.Duration
	// Committed, if set, is told after each commit how many writes it held. It
	// must not wait.
	Committed func(writes int)
}

// DB is a project's database. It implements driver.Conn.
type DB struct {
	engine   *Engine
	strategy driver.Strategy
	gen      *sqlgen.Generator
	log      *sqlgen.Log
	trims    trimming
	locks    lockTexts
	told     func(writes int) // Options.Committed

	catalog atomic.Pointer[schema.Catalog]
	epoch   atomic.Pointer[string]
	indexes atomic.Pointer[indexes]
	proof   proof

	writers pool
	short   pool // reads of a page or less
	scans   pool // reads that may go through a whole table and give little
	long    pool // reads without a bound
	states  pool // snapshots
	streams pool // those of slow readers, who may hold a connection for long
	logs    pool // the change log
	schemas pool // changes of tables
	groups  *groups

	streaming int // how many streams there are at a time

	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
}

var (
	_ driver.Conn     = (*DB)(nil)
	_ driver.Examiner = (*DB)(nil)
)

// plansKept bounds the compiled statements of a database.
const plansKept = 1024

// Open connects to a database and brings its tables in line with the catalog.
// Errors: DB_NOT_CONNECTED, CONFLICT when the tables do not fit,
// INVALID_REQUEST for bad options.
func Open(ctx context.Context, engine *Engine, cat *schema.Catalog, o Options) (*DB, error) {
	var err error
	if o.Strategy, err = o.Strategy.OrDefault(); err != nil {
		return nil, err
	}
	if o.Writers <= 0 {
		o.Writers = 16
	}
	if o.Readers <= 0 {
		o.Readers = min(max(2*runtime.GOMAXPROCS(0), 4), 16)
	}
	d := engine.Migrate.Dialect
	db := &DB{engine: engine, strategy: o.Strategy, told: o.Committed, streaming: o.Readers, closing: make(chan struct{})}
	db.gen, db.log, db.trims = sqlgen.New(d, plansKept), sqlgen.NewLog(d), newTrimming(d)
	db.locks = newLockTexts(d)
	db.proof.init(d)
	quick, patient := engine.Connector, engine.patient()
	db.writers.init(db, quick, o.Writers)
	db.short.init(db, quick, o.Readers)
	db.scans.init(db, quick, o.Readers)
	db.long.init(db, patient, o.Readers)
	db.states.init(db, patient, o.Readers)
	db.streams.init(db, patient, o.Readers)
	db.logs.init(db, quick, 2)
	db.schemas.init(db, patient, 1)
	db.catalog.Store(cat)
	if err := db.prepare(ctx, cat); err != nil {
		db.strategy = driver.None // nothing to drop
		_ = db.Close()
		return nil, err
	}
	if engine.Grouped != nil && o.Strategy != driver.Inspect {
		db.groups = new(groups)
		db.groups.start(db)
	}
	return db, nil
}

// Capabilities implements driver.Conn.
func (db *DB) Capabilities() driver.Capabilities {
	c := db.engine.Capabilities
	c.Streams = db.streaming
	return c
}

// Epoch implements driver.Conn.
func (db *DB) Epoch() string { return *db.epoch.Load() }

// Ping implements driver.Conn.
func (db *DB) Ping(ctx context.Context) error {
	return db.with(ctx, &db.short, func(s *session) error { return s.ping(ctx) })
}

// Close waits for the writes and reads that have begun, refuses new ones and
// closes the connections.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		close(db.closing)
		if db.groups != nil {
			db.groups.stop()
		}
		for _, p := range []*pool{&db.writers, &db.short, &db.scans, &db.long, &db.states, &db.streams, &db.logs, &db.schemas} {
			p.close()
		}
		if db.strategy == driver.CreateDrop {
			db.closeErr = db.drop(db.catalog.Load())
		}
	})
	return db.closeErr
}

// with runs do on a connection of a pool, and once more on another if the first
// one proves to be broken.
func (db *DB) with(ctx context.Context, p *pool, do func(*session) error) error {
	for try := 0; ; try++ {
		s, err := p.get(ctx)
		if err != nil {
			return err
		}
		err = do(s)
		p.put(s)
		if try == 0 && errors.Is(err, errBroken) {
			continue
		}
		return err
	}
}

// reading runs a read on a connection of a pool. It is tried again on a broken
// connection as long as each has not been called.
func (db *DB) reading(ctx context.Context, p *pool, each func(driver.Row) error, do func(*session, func(driver.Row) error) error) error {
	given := false
	var last error
	err := db.with(ctx, p, func(s *session) error {
		if given {
			return last
		}
		last = do(s, func(r driver.Row) error {
			given = true
			return each(r)
		})
		return last
	})
	return err
}

// longRead is the limit from which on a read counts as long.
const longRead = 2000

// scanning is the pool for a read that goes through all that a condition leaves.
func (db *DB) scanning(where query.Expr) *pool {
	if sqlgen.Pinned(where) {
		return &db.short
	}
	return &db.scans
}

// Select implements driver.Reader.
func (db *DB) Select(ctx context.Context, q *query.Select, each func(driver.Row) error) error {
	p := &db.short
	if q.Limit == 0 && !sqlgen.Pinned(q.Where) || q.Limit >= longRead {
		p = &db.long
	}
	return db.reading(ctx, p, each, func(s *session, each func(driver.Row) error) error { return s.Select(ctx, q, each) })
}

// Count implements driver.Reader.
func (db *DB) Count(ctx context.Context, q *query.Select) (n int64, err error) {
	err = db.with(ctx, db.scanning(q.Where), func(s *session) error {
		n, err = s.Count(ctx, q)
		return err
	})
	return n, err
}

// Aggregate implements driver.Reader.
func (db *DB) Aggregate(ctx context.Context, q *query.Aggregate, each func(driver.Row) error) error {
	return db.reading(ctx, db.scanning(q.Where), each, func(s *session, each func(driver.Row) error) error { return s.Aggregate(ctx, q, each) })
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

// Snapshot implements driver.Conn.
func (db *DB) Snapshot(ctx context.Context, fn func(driver.Reader) error) error {
	return db.state(ctx, &db.states, fn)
}

// Stream implements driver.Conn.
func (db *DB) Stream(ctx context.Context, fn func(driver.Reader) error) error {
	return db.state(ctx, &db.streams, fn)
}

func (db *DB) state(ctx context.Context, p *pool, fn func(driver.Reader) error) error {
	var s *session
	for try := 0; ; try++ {
		var err error
		if s, err = p.get(ctx); err != nil {
			return err
		}
		if err = s.start(db.engine.Snapshot, db.engine.Snapshots); err == nil {
			break
		}
		broken := s.broken
		p.put(s)
		if !broken || try > 0 {
			return err
		}
	}
	defer func() {
		if !s.broken && s.end(false) != nil {
			s.broken = true
		}
		p.put(s)
	}()
	return fn(snapshot{s})
}

// snapshot reads one state; the log is read as it is.
type snapshot struct{ *session }

// Changes implements driver.Reader.
func (s snapshot) Changes(ctx context.Context, after int64, limit int, each func(*mesh.Change) error) error {
	return s.db.Changes(ctx, after, limit, each)
}

// Oldest implements driver.Reader.
func (s snapshot) Oldest(ctx context.Context) (int64, error) { return s.db.Oldest(ctx) }
