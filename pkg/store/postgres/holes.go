package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// A number of the change log is drawn by a transaction that holds a lock on the
// log's table (ROW EXCLUSIVE, which every INSERT takes before it begins and keeps
// to its end). So whoever may still fill a hole below a number that was seen is
// among those who hold that lock afterwards. When none of them is left, every
// hole below is dead. Other transactions, however long, make no difference.

// errHole ends a read of the log at a hole that may yet be filled.
var errHole = errors.New("postgres: a hole in the change log")

// fence is a moment in the log's life.
type fence struct {
	mu      sync.Mutex
	top     int64           // the highest number seen by then; 0 = no fence stands
	writers map[string]bool // who held the lock
	rewound int64           // DB.rewound by then
}

var (
	ends = fixed(`SELECT COALESCE((SELECT MAX("seq") FROM "` + sqlgen.ChangesTable + `"), 0), (SELECT COUNT(*) FROM "` + sqlgen.ChangesTable + `" WHERE "seq" > $1)`)
	// epochNow also shows what another worker has made of the epoch.
	epochNow = fixed(`SELECT "value" FROM "` + sqlgen.MetaTable + `" WHERE "key" = 'epoch'`)
	writers  = fixed(`SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND relation = '"` + sqlgen.ChangesTable + `"'::regclass
AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND mode = 'RowExclusiveLock' AND granted`)
)

// patience is how long Committed waits for the writers of holes.
const patience = 5 * time.Second

// Committed implements driver.Conn. Where a number below is still out, it waits
// for who has it: that takes as long as a transaction, and tells a reader that
// nothing below will appear any more. Errors: TIMEOUT after 5 s.
func (db *DB) Committed(ctx context.Context) (int64, error) {
	if err := db.readEpoch(ctx); err != nil {
		return 0, err
	}
	if db.options.cockroach {
		return db.scalar(ctx, counter)
	}
	top, n, err := db.ends(ctx)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return db.settled.Load(), nil
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		if err := db.look(ctx, top); err != nil {
			return 0, err
		}
		if settled := db.settled.Load(); settled >= top {
			return settled, nil
		}
		again := time.NewTimer(time.Millisecond)
		select {
		case <-again.C:
		case <-deadline.C:
			return 0, fault.New(fault.Timeout, "a write has kept the change log for more than %s; try again", patience).After(time.Second)
		case <-ctx.Done():
			again.Stop()
			return 0, ctx.Err()
		}
	}
}

func (db *DB) readEpoch(ctx context.Context) error {
	r := newRequest()
	defer db.reads.release(r)
	r.plan = epochNow
	r.begin(0)
	if err := db.lanes.ask(ctx, r); err != nil {
		return err
	}
	return r.each(nil, func(row *row) error {
		if epoch := row.string(0); epoch != *db.epoch.Load() {
			db.epoch.Store(&epoch)
			db.rewind(db.settled.Load())
		}
		return nil
	})
}

// rewind gives up what is settled, unless that has changed: the log is not the
// one that was seen, or another program has made it shorter.
func (db *DB) rewind(settled int64) {
	if db.settled.CompareAndSwap(settled, 0) {
		db.rewound.Add(1)
	}
}

// ends reads the highest number, and how many there are above what is settled.
// Where these make an unbroken row, it settles them. Trim leaves the highest
// number; so a log that ends below what is settled was put back (a backup was
// restored, or a replica took over that lacked the last commits).
func (db *DB) ends(ctx context.Context) (top, n int64, err error) {
	settled := db.settled.Load()
	r := newRequest()
	defer db.reads.release(r)
	r.plan = ends
	r.begin(1)
	r.int(settled)
	if err := db.lanes.ask(ctx, r); err != nil {
		return 0, 0, err
	}
	_ = r.each(nil, func(row *row) error {
		top, n = row.int(0), row.int(1)
		return nil
	})
	if top < settled {
		db.rewind(settled)
		return db.ends(ctx)
	}
	if n > 0 && n == top-settled {
		db.settle(top)
	}
	return top, n, nil
}

// settle raises what is settled.
func (db *DB) settle(seq int64) {
	for {
		old := db.settled.Load()
		if seq <= old || db.settled.CompareAndSwap(old, seq) {
			return
		}
	}
}

// look looks once at who writes the log, for the sake of numbers up to upTo: it
// puts up a fence, or finds that those behind it are gone.
func (db *DB) look(ctx context.Context, upTo int64) error {
	f := &db.fence
	f.mu.Lock()
	defer f.mu.Unlock()
	for db.settled.Load() < upTo {
		top, n, err := db.ends(ctx) // before the look at the writers, never after
		if err != nil || n == 0 || db.settled.Load() >= top {
			return err
		}
		now := make(map[string]bool)
		r := newRequest()
		r.plan = writers
		r.begin(0)
		if err = db.lanes.ask(ctx, r); err == nil {
			err = r.each(nil, func(row *row) error {
				now[row.string(0)] = true
				return nil
			})
		}
		db.reads.release(r)
		if err != nil {
			return err
		}
		if rewound := db.rewound.Load(); f.top == 0 || f.rewound != rewound {
			f.top, f.writers, f.rewound = top, now, rewound
		} else {
			for w := range f.writers {
				if !now[w] {
					delete(f.writers, w)
				}
			}
		}
		if len(f.writers) > 0 {
			return nil
		}
		db.settle(f.top)
		f.top = 0
	}
	return nil
}
