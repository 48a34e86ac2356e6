package sqldb

import (
	"cmp"
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

const (
	// maxRuns is how often a unit is run because the database gave it up.
	maxRuns = 30
	// maxBroken is how often it is run because the connection broke.
	maxBroken = 3
	// maxTaken is how often it is run because a value that it has looked for, and
	// not found, was taken when it stored it.
	maxTaken = 3
	// longestRest bounds the random rest before another run.
	longestRest = 20 * time.Millisecond
)

// errUnknown is the cause of the fault of a commit without an answer.
var errUnknown = errors.New("sqldb: it is not known whether the commit was done")

// Write implements driver.Conn: a transaction for each unit, or for several units
// of one row that wait together (group.go). A unit whose commit got no answer is
// run again if it has an idempotency key, by which it finds what it did; else,
// and if it can't be run again, the fault is TIMEOUT, which says that nobody
// knows.
func (db *DB) Write(ctx context.Context, u driver.Unit) error {
	if !u.Single || db.groups == nil {
		return db.alone(ctx, u, nil)
	}
	err := db.groups.queue.Write(ctx, u)
	switch {
	case errors.Is(err, errUnknown) && errors.Is(err, errAlone):
		return db.alone(ctx, u, fault.From(err))
	case errors.Is(err, errAlone):
		return db.alone(ctx, u, nil)
	}
	return err
}

// alone runs a unit in a transaction of its own. unsure is the fault of a commit
// before that got no answer, nil if there was none.
func (db *DB) alone(ctx context.Context, u driver.Unit, unsure error) error {
	var given, broken, taken int
	for {
		s, err := db.writers.get(ctx)
		if err != nil {
			return cmp.Or(unsure, err)
		}
		t := &tx{session: s}
		err = db.run(t, u)
		db.writers.put(s)
		switch {
		case err == nil:
			if db.told != nil {
				db.told(1)
			}
			return nil
		case errors.Is(err, errUnknown) && !t.keyed:
			return err
		case errors.Is(err, errBroken) && broken < maxBroken:
			broken++
			if errors.Is(err, errUnknown) {
				unsure = err
			}
		case errors.Is(err, errAgain) && given < maxRuns:
			given++
			if err := rest(ctx, given); err != nil {
				return cmp.Or(unsure, err)
			}
		case t.looked && taken < maxTaken && fault.CodeOf(err) == fault.Conflict && db.unique(err):
			taken++
		case unsure != nil && fault.CodeOf(err).Image().Retry: // such as OVERLOADED, which says that nothing was executed
			return unsure
		default:
			return err
		}
	}
}

// unique reports whether an error stands for a unique value that is taken.
func (db *DB) unique(err error) bool {
	return !errors.Is(err, driver.ErrReplay) && errors.Is(err, errTaken)
}

// rest waits a little, at random, so that those who stood in each other's way
// do not meet again.
func rest(ctx context.Context, n int) error {
	t := time.NewTimer(time.Duration(rand.Int64N(int64(min(longestRest, time.Duration(n)*time.Millisecond)))))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run runs a unit in a transaction of its own.
func (db *DB) run(t *tx, u driver.Unit) error {
	s := t.session
	s.lost, s.share = false, true
	err := s.start(db.engine.Begin, db.engine.Units)
	if err == nil {
		t.open = true
		err = t.do(u)
	}
	s.share = false
	switch {
	case err == nil && s.lost: // the unit has passed over the error
		err = fault.Wrap(errAgain, fault.Overloaded, "the records are being changed by others; try again")
	case err == nil && s.broken:
		err = s.ready()
	}
	if err == nil {
		err = t.count()
	}
	if err == nil {
		if err = s.end(true); errors.Is(err, errBroken) {
			err = unanswered(err)
		}
	}
	if err != nil && !s.broken {
		if s.end(false) != nil {
			s.broken = true // with the connection goes what was done
		}
	}
	for _, name := range t.locks {
		if !s.broken && s.unlock(name) != nil {
			s.broken = true
		}
	}
	return err
}

// unanswered is the fault of a commit that got no answer.
func unanswered(err error) error {
	return fault.Wrap(errors.Join(errUnknown, err), fault.Timeout, "the connection to the database broke during the commit: look whether the change was made before it is tried again")
}

// start begins a transaction.
func (s *session) start(statements []string, o *sqldriver.TxOptions) error {
	if o != nil {
		if err := s.ready(); err != nil {
			return err
		}
		tx, err := s.conn.(sqldriver.ConnBeginTx).BeginTx(uncancelled, *o)
		if err != nil {
			return s.fail(err, nil)
		}
		s.tx = tx
	}
	for _, sql := range statements {
		if err := s.simple(uncancelled, sql); err != nil {
			return err
		}
	}
	return nil
}

// end ends a transaction.
func (s *session) end(commit bool) error {
	tx := s.tx
	s.tx = nil
	switch {
	case tx == nil && commit:
		return s.simple(uncancelled, s.db.engine.Commit)
	case tx == nil:
		return s.simple(uncancelled, s.db.engine.Rollback)
	}
	err := s.ready()
	if err == nil && commit {
		err = tx.Commit()
	} else if err == nil {
		err = tx.Rollback()
	}
	if err != nil {
		err = s.fail(err, nil)
	}
	return err
}

// do runs the unit; a panic in it ends its transaction.
func (t *tx) do(u driver.Unit) error {
	defer func() { t.open = false }()
	return u.Guard(t)
}
