package sqldb

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// A number of the log that is missing belongs to a transaction that is still
// open, or to one that came to nothing. Which of both, the unique key tells: who
// inserts the number himself waits for its transaction; if that commits, the
// row is there and the insert does nothing; if not, the number is taken by a row
// of no verb, a tombstone, and can never come to life. A writer that drew the
// number but had not stored its row yet finds it taken, and runs again.
//
// So the reader takes all missing numbers of a batch in one statement, after a
// short wait in which most transactions end by themselves.

const (
	// tombstone is the verb of a number that nobody has.
	tombstone = ""
	// batchSize is how many rows Changes reads at once.
	batchSize = 256
	// patience is how long a hole is left to fill by itself.
	patience = 2 * time.Millisecond
	// maxFill is how many numbers one statement takes.
	maxFill = 500
)

// batch reads up to limit rows after a seq, tombstones included, and the numbers
// missing among them.
func (s *session) batch(ctx context.Context, after int64, limit int) (changes []*mesh.Change, missing []int64, err error) {
	s.begin()
	s.bind(after)
	if s.db.log.After.Params > 1 {
		s.bind(int64(limit))
	}
	next := after + 1
	err = s.query(ctx, s.db.log.After.SQL, nil, nil, func(r *row) error {
		seq := r.int(0)
		if len(changes) == 0 && seq > next {
			next = max(next, min(seq, s.db.proof.trimmed.Load()+1))
		}
		counted := s.db.engine.Migrate.Dialect.Counter // a counter leaves no holes
		for ; next < seq && len(missing) < maxFill && !counted; next++ {
			missing = append(missing, next)
		}
		next = seq + 1
		changes = append(changes, r.change())
		if len(changes) == limit {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return changes, missing, err
}

// whole cuts off what lies behind the first missing number.
func whole(changes []*mesh.Change, missing []int64) []*mesh.Change {
	if len(missing) == 0 {
		return changes
	}
	n, _ := slices.BinarySearchFunc(changes, missing[0], func(c *mesh.Change, seq int64) int { return int(c.Seq - seq) })
	return changes[:n]
}

// Changes implements driver.Reader. It reads the log itself, not a snapshot's
// view of it: what it gives is in order and has no holes in either.
func (db *DB) Changes(ctx context.Context, after int64, limit int, each func(*mesh.Change) error) error {
	for limit > 0 {
		n := min(limit, batchSize)
		changes, full, err := db.settled(ctx, after, n)
		if err != nil {
			return err
		}
		for _, c := range changes {
			after = c.Seq
			if c.Verb == tombstone {
				continue
			}
			limit--
			if err := each(c); err != nil {
				return err
			}
		}
		if !full {
			return nil
		}
	}
	return nil
}

// settled reads a batch and sees to its holes. full tells that there may be
// more behind it.
func (db *DB) settled(ctx context.Context, after int64, limit int) (changes []*mesh.Change, full bool, err error) {
	s, err := db.logs.get(ctx)
	if err != nil {
		return nil, false, err
	}
	defer db.logs.put(s)
	for try := 0; ; try++ {
		var missing []int64
		changes, missing, err = s.batch(uncancelled, after, limit)
		if err != nil {
			return nil, false, err
		}
		if len(missing) == 0 {
			return changes, len(changes) == limit, nil
		}
		if before := whole(changes, missing); len(before) > 0 {
			return before, false, nil // a hole may need a while: the next call's, which begins at it
		}
		switch try {
		case 0: // others may have trimmed
			if missing[0] == after+1 {
				if err := s.readTrimmed(ctx); err != nil {
					return nil, false, err
				}
			}
			if err := pause(ctx, patience); err != nil {
				return nil, false, err
			}
		case 1, 2, 3:
			err := s.fill(missing)
			if errors.Is(err, errAgain) { // a long transaction holds one of them
				return nil, false, nil
			}
			if err != nil {
				return nil, false, err
			}
		default:
			return nil, false, nil
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fill takes missing numbers.
func (s *session) fill(missing []int64) error {
	t := s.db.engine.Tombstone
	var b strings.Builder
	b.WriteString(t.Prefix)
	for i, seq := range missing {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strings.Replace(t.Row, "?", strconv.FormatInt(seq, 10), 1))
	}
	b.WriteString(t.Suffix)
	return s.simple(uncancelled, b.String())
}

func (s *session) newest(ctx context.Context) (int64, error) {
	s.begin()
	return s.scalar(ctx, s.db.log.Newest.SQL)
}

// oldest is the first number that was not trimmed: numbers that came to nothing
// leave no gap in what the log tells.
func (s *session) oldest(ctx context.Context) (int64, error) {
	s.begin()
	n, err := s.scalar(ctx, s.db.log.Oldest.SQL)
	if err != nil || n == 0 {
		return n, err
	}
	if n > s.db.proof.trimmed.Load()+1 {
		if err := s.readTrimmed(ctx); err != nil {
			return 0, err
		}
	}
	return min(n, s.db.proof.trimmed.Load()+1), nil
}

// Oldest implements driver.Reader.
func (db *DB) Oldest(ctx context.Context) (n int64, err error) {
	err = db.with(ctx, &db.logs, func(s *session) error {
		n, err = s.oldest(ctx)
		return err
	})
	return n, err
}

var metaKind = []schema.Kind{schema.KindText}

func (s *session) meta(ctx context.Context, key string) (value string, err error) {
	s.begin()
	s.bind(key)
	err = s.query(ctx, s.db.log.Meta.SQL, metaKind, nil, func(r *row) error {
		value = r.string(0)
		return nil
	})
	return value, err
}

// setMeta changes a value, or makes it where there is none yet.
func (s *session) setMeta(ctx context.Context, key, value string) error {
	old, err := s.meta(ctx, key)
	if err != nil || old == value && value != "" {
		return err
	}
	sql := s.db.log.SetMeta.SQL
	if old == "" {
		sql = s.db.log.AddMeta.SQL
	}
	s.begin()
	s.bind(value)
	s.bind(key)
	_, err = s.exec(ctx, sql, nil)
	return err
}

// numberTaken makes of "this number is taken" what it is: a reader has filled
// the hole, the unit is to be run again.
func (db *DB) numberTaken(err error) error {
	if !errors.Is(err, errTaken) || errors.Is(err, driverReplay) {
		return err
	}
	return fault.Wrap(errors.Join(errAgain, err), fault.Overloaded, "the records are being changed by others; try again").After(time.Second)
}

// replyTaken makes of "this key is taken" what it is for a stored reply.
func (db *DB) replyTaken(err error) error {
	if !errors.Is(err, errTaken) || errors.Is(err, driverReplay) {
		return err
	}
	return replayed(err)
}
