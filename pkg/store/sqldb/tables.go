package sqldb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
)

const (
	// epochKey is the row of _octo_meta that holds the epoch.
	epochKey = "epoch"
	// schemaLock is the name of the lock under which tables are changed.
	schemaLock = "schema"
	// schemaWait is how long one worker waits for another's migration.
	schemaWait = 2 * time.Minute
	// lockWait is how long a unit waits for a lock of Tx.Lock.
	lockWait = 10 * time.Second
)

// prepare brings the tables in line with the catalog and reads the epoch, while
// no other worker does.
func (db *DB) prepare(ctx context.Context, cat *schema.Catalog) error {
	epoch := ""
	db.epoch.Store(&epoch)
	if db.strategy == driver.Inspect {
		return db.Ping(ctx)
	}
	return db.locked(ctx, func(s *session) error {
		if err := db.migrate(ctx, s, cat, db.strategy); err != nil {
			return err
		}
		if err := s.readTrimmed(ctx); err != nil {
			return err
		}
		epoch, err := s.meta(ctx, epochKey)
		if err == nil && epoch == "" {
			epoch = driver.NewEpoch()
			err = s.setMeta(ctx, epochKey, epoch)
		}
		db.epoch.Store(&epoch)
		return err
	})
}

// locked runs do on a connection that holds the lock of schema changes.
func (db *DB) locked(ctx context.Context, do func(*session) error) error {
	return db.with(ctx, &db.schemas, func(s *session) error {
		if db.engine.LockRows {
			return s.leased(ctx, do)
		}
		if err := s.lock(ctx, schemaLock, schemaWait); err != nil {
			if errors.Is(err, errAgain) {
				return errMigrating(err)
			}
			return err
		}
		err := do(s)
		if s.unlock(schemaLock) != nil {
			s.broken = true // the lock goes with it
		}
		return err
	})
}

func errMigrating(err error) error {
	return fault.Wrap(err, fault.Overloaded, "another worker has been changing the tables for long; try again").After(10 * time.Second)
}

// lockName is the name of a lock on the whole server: short, and the project's
// own.
func (db *DB) lockName(name string) string {
	sum := sha256.Sum256([]byte(db.engine.Database + "\x00" + name))
	return "octo_" + hex.EncodeToString(sum[:16])
}

// lock takes a lock that ends with the connection at the latest.
func (s *session) lock(ctx context.Context, name string, wait time.Duration) error {
	s.begin()
	s.bind(s.db.lockName(name))
	s.bind(int64(wait / time.Second))
	got, err := s.scalar(ctx, s.db.engine.Lock)
	if err != nil {
		return err
	}
	if got != 1 {
		s.lost = true
		return fault.Wrap(errAgain, fault.Overloaded, "the records are being changed by others; try again").After(time.Second)
	}
	return nil
}

func (s *session) unlock(name string) error {
	s.begin()
	s.bind(s.db.lockName(name))
	_, err := s.scalar(uncancelled, s.db.engine.Unlock)
	return err
}

// migrate runs the steps of a strategy.
func (db *DB) migrate(ctx context.Context, s *session, cat *schema.Catalog, strategy driver.Strategy) error {
	t := &tables{session: s}
	have, err := t.Tables(ctx)
	if err != nil {
		return err
	}
	if db.engine.Survey != nil {
		if strategy.Empties() {
			db.engine.Survey(cat, nil) // all of them will be our own
		} else {
			db.engine.Survey(cat, have)
		}
	}
	done, err := db.engine.Migrate.Run(ctx, t, strategy, cat)
	if err != nil {
		return err
	}
	if len(done.Steps) > 0 {
		t.known = nil
		if have, err = t.Tables(ctx); err != nil {
			return err
		}
		if db.engine.Survey != nil {
			db.engine.Survey(cat, have)
		}
	}
	db.indexes.Store(&indexes{tables: append(migrate.Wanted(cat, db.engine.Migrate.Dialect), have...)})
	return nil
}

// Apply implements driver.Conn.
func (db *DB) Apply(ctx context.Context, cat *schema.Catalog) error {
	err := db.locked(ctx, func(s *session) error { return db.migrate(ctx, s, cat, db.strategy.Later()) })
	if err == nil {
		db.catalog.Store(cat)
	}
	return err
}

// Examine implements driver.Examiner.
func (db *DB) Examine(ctx context.Context, cat *schema.Catalog) (x *driver.Examination, err error) {
	err = db.with(ctx, &db.logs, func(s *session) error {
		t := &tables{session: s}
		have, err := t.Tables(ctx)
		if err != nil {
			return err
		}
		if db.engine.Survey != nil {
			db.engine.Survey(cat, have)
		}
		x, err = db.engine.Migrate.Examine(ctx, t, cat)
		return err
	})
	return x, err
}

// drop removes the catalog's tables and the system's, when all connections are
// closed already.
func (db *DB) drop(cat *schema.Catalog) error {
	s, err := db.connect(uncancelled, db.engine.patient())
	if err != nil {
		return err
	}
	defer s.close()
	have, err := (&tables{session: s}).Tables(uncancelled)
	if err != nil {
		return err
	}
	g := db.engine.Migrate
	for _, step := range g.Drops(migrate.Wanted(cat, g.Dialect), have) {
		if err := s.simple(uncancelled, migrate.SQL(g.Dialect, step)); err != nil {
			return migrate.StepFault(step, err)
		}
	}
	return nil
}

// NewEpoch implements driver.Conn.
func (db *DB) NewEpoch(ctx context.Context) (string, error) {
	epoch := driver.NewEpoch()
	err := db.with(ctx, &db.writers, func(s *session) error { return s.setMeta(ctx, epochKey, epoch) })
	if err != nil {
		return "", err
	}
	db.epoch.Store(&epoch)
	return epoch, nil
}

// tables is a connection as a migration uses it.
type tables struct {
	*session
	known []migrate.Table // what Tables found last
}

var _ migrate.Database = (*tables)(nil)

// Tables implements migrate.Database.
func (t *tables) Tables(ctx context.Context) ([]migrate.Table, error) {
	if t.known != nil {
		return t.known, nil
	}
	found, err := t.db.engine.Tables(ctx, querier{t})
	if err != nil {
		return nil, t.db.classify(err, nil)
	}
	t.known = found
	return found, nil
}

// Exec implements migrate.Database.
func (t *tables) Exec(ctx context.Context, sql string, args ...any) error {
	if len(args) == 0 {
		return t.simple(ctx, sql)
	}
	t.begin()
	for _, a := range args {
		t.bind(a)
	}
	_, err := t.exec(ctx, sql, nil)
	return err
}

// errStop ends a query early.
var errStop = errors.New("sqldb: no more rows are wanted")

// Query implements migrate.Database.
func (t *tables) Query(ctx context.Context, sql string, columns int, each func(row []string) bool) error {
	t.begin()
	err := t.query(ctx, sql, nil, nil, func(r *row) error {
		out := make([]string, columns)
		for i := range out {
			out[i] = r.string(i)
		}
		if !each(out) {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

type querier struct{ *tables }

// Query implements Querier.
func (q querier) Query(ctx context.Context, sql string, each func(row []string) error) error {
	q.begin()
	return q.query(ctx, sql, nil, nil, func(r *row) error {
		out := make([]string, len(r.values))
		for i := range out {
			out[i] = r.string(i)
		}
		return each(out)
	})
}

// Ask runs a query of one row on a connection of its own, for what an engine
// must know before Open. The engine needs Connector and Classify alone.
func Ask(ctx context.Context, engine *Engine, sql string) (values []string, err error) {
	db := &DB{engine: engine}
	s, err := db.connect(ctx, engine.Connector)
	if err != nil {
		return nil, err
	}
	defer s.close()
	err = querier{&tables{session: s}}.Query(ctx, sql, func(row []string) error {
		values = row
		return nil
	})
	if err == nil && values == nil {
		err = fault.New(fault.Internal, "the database could not run the statement")
	}
	return values, err
}

// Takes tells which statements the server takes, on a connection of its own: for
// settings that not every server knows. Errors: those of the connection alone.
func Takes(ctx context.Context, engine *Engine, statements []string) (taken []string, err error) {
	db := &DB{engine: engine}
	s, err := db.connect(ctx, engine.Connector)
	if err != nil {
		return nil, err
	}
	defer s.close()
	for _, sql := range statements {
		err := s.simple(ctx, sql)
		if err == nil {
			taken = append(taken, sql)
		} else if s.broken {
			return nil, err
		}
	}
	return taken, nil
}
