package sqldb

import (
	"context"
	"strconv"
	"sync/atomic"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// trimmedKey is the row of _octo_meta that tells up to which seq the log was
// trimmed: what is missing up to there is no hole.
const trimmedKey = "trimmed"

// proof is what a worker knows of the log and need not ask again.
type proof struct {
	trimmed atomic.Int64 // up to this seq the log was trimmed
	whole   atomic.Int64 // up to this seq nothing is missing that may yet come
	count   string       // SQL: how many numbers are between two, the first one excluded
}

func (p *proof) init(d *sqlgen.Dialect) {
	seq := d.Ident("seq")
	p.count = "SELECT COUNT(*) FROM " + d.Ident(sqlgen.ChangesTable) +
		" WHERE " + seq + " > " + string(d.Placeholder(nil, 1)) + " AND " + seq + " <= " + string(d.Placeholder(nil, 2))
}

// forget begins anew: the log is another one than it was.
func (p *proof) forget() {
	p.trimmed.Store(0)
	p.whole.Store(0)
}

func raise(n *atomic.Int64, to int64) {
	for {
		old := n.Load()
		if to <= old || n.CompareAndSwap(old, to) {
			return
		}
	}
}

// Committed implements driver.Conn. It is the highest number below which nothing
// is missing that may yet come, so that who begins behind it loses nothing. Holes
// on the way are seen to as Changes does; the transaction of one that stays open
// for longer than a lock is waited for holds the number back.
func (db *DB) Committed(ctx context.Context) (int64, error) {
	for {
		low, top, err := db.firstHole(ctx)
		if err != nil || low == top {
			return low, err
		}
		changes, _, err := db.settled(ctx, low, batchSize)
		if err != nil || len(changes) == 0 {
			return low, err
		}
		raise(&db.proof.whole, changes[len(changes)-1].Seq)
	}
}

// firstHole returns the number before the lowest one that is missing, and the
// highest that is there. Both are equal where none is missing.
func (db *DB) firstHole(ctx context.Context) (low, top int64, err error) {
	err = db.with(ctx, &db.logs, func(s *session) error {
		if top, err = s.newest(uncancelled); err != nil {
			return err
		}
		if err := s.readEpoch(top); err != nil {
			return err
		}
		if db.engine.Migrate.Dialect.Counter { // it leaves no holes
			low = top
			return nil
		}
		low = min(top, max(db.proof.whole.Load(), db.proof.trimmed.Load()))
		for high := top; low < high; {
			n, err := s.count(low, high)
			switch {
			case err != nil:
				return err
			case n == high-low:
				raise(&db.proof.whole, high)
				if low = high; high == top {
					return nil
				}
				high = top
			case high == low+1:
				return nil
			default:
				high = low + (high-low)/2
			}
		}
		return nil
	})
	return low, top, err
}

func (s *session) count(after, upTo int64) (int64, error) {
	s.begin()
	s.bind(after)
	s.bind(upTo)
	return s.scalar(uncancelled, s.db.proof.count)
}

// readEpoch takes over what another worker has made of the epoch. A log of
// another epoch, or one that ends before what it had already, was restored, or
// is that of a server which lagged behind: nothing is known of it.
func (s *session) readEpoch(top int64) error {
	epoch, err := s.meta(uncancelled, epochKey)
	if err != nil {
		return err
	}
	changed := epoch != "" && epoch != s.db.Epoch()
	if p := &s.db.proof; !changed && top >= p.whole.Load() && top >= p.trimmed.Load() {
		return nil
	}
	s.db.proof.forget()
	if changed {
		s.db.epoch.Store(&epoch)
	}
	return s.readTrimmed(uncancelled)
}

// readTrimmed reads up to where the log was trimmed.
func (s *session) readTrimmed(ctx context.Context) error {
	value, err := s.meta(ctx, trimmedKey)
	if err != nil || value == "" {
		return err
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the row %q of the table %s is damaged", trimmedKey, sqlgen.MetaTable)
	}
	raise(&s.db.proof.trimmed, n)
	return nil
}
