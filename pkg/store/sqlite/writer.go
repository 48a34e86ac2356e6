package sqlite

import (
	"context"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/queue"
)

// maxGroup is the most units that share a commit; above 128 nothing is gained
// any more (measured: 51.6, 52.8, 53.1 k/s at 64, 128, 256).
const maxGroup = 256

// writer is the one goroutine that writes.
type writer struct {
	db      *DB
	session *session
	tx      tx
	queue   *queue.Queue
	group   []*queue.Job // at work
}

func newWriter(db *DB, s *session) *writer {
	w := &writer{db: db, session: s, queue: queue.New()}
	w.tx = tx{session: s, w: w, seq: db.committed.Load()}
	w.queue.Lane(maxGroup, w.serve, nil)
	return w
}

// Write implements driver.Conn.
func (db *DB) Write(ctx context.Context, u driver.Unit) error { return db.writer.queue.Write(ctx, u) }

// serve runs the group, together if it goes, otherwise one by one.
func (w *writer) serve(group []*queue.Job) {
	w.group = group
	if len(w.group) > 1 && w.together() {
		return
	}
	for i, j := range w.group {
		err := w.begin()
		if err != nil { // nobody behind need wait for the same
			for _, j := range w.group[i:] {
				j.Err = err
			}
			return
		}
		j.Err = w.alone(j)
	}
}

// begin opens a transaction that may write at once.
func (w *writer) begin() error {
	err := w.session.run(uncancelled, beginImmediate, nil, nil)
	if err != nil {
		w.undo(w.tx.seq)
	}
	return err
}

// together runs the group in one transaction. It is false when that failed as a
// whole: nothing has happened then, and each has to run by itself.
func (w *writer) together() bool {
	base := w.tx.seq
	if err := w.begin(); err != nil {
		for _, j := range w.group {
			j.Err = err
		}
		return true
	}
	done := 0
	for _, j := range w.group {
		before := w.tx.seq
		if j.Err = w.member(j); j.Err == nil {
			done++
			continue
		}
		if w.tx.lost {
			w.undo(base)
			return false
		}
		w.tx.seq = before
	}
	if w.session.run(uncancelled, commit, nil, nil) != nil {
		w.undo(base)
		return false
	}
	w.committed(done)
	return true
}

// committed takes over what a commit has made last.
func (w *writer) committed(writes int) {
	w.db.committed.Store(w.tx.seq)
	if w.db.told != nil && writes > 0 {
		w.db.told(writes)
	}
}

// member runs one unit inside the group's transaction. When it fails, either
// nothing of it is left, or tx.lost tells that the whole group is lost.
func (w *writer) member(j *queue.Job) error {
	t := &w.tx
	t.begin()
	if !j.Unit.Single {
		if err := w.session.run(uncancelled, savepoint, nil, nil); err != nil {
			t.lost = true
			return err
		}
	}
	err := t.do(j.Unit)
	switch {
	case t.lost:
	case err == nil && !j.Unit.Single:
		if err = w.session.run(uncancelled, releasePoint, nil, nil); err != nil {
			t.lost = true
		}
	case err == nil:
	case w.session.conn.AutocommitEnabled(): // the engine has rolled back by itself
		t.lost = true
	case j.Unit.Single:
		t.lost = t.wrote // what failed undid itself, what came before did not
	default:
		if w.session.run(uncancelled, rollbackTo, nil, nil) != nil || w.session.run(uncancelled, releasePoint, nil, nil) != nil {
			t.lost = true
		}
	}
	if t.lost && err == nil {
		err = fault.New(fault.Internal, "the transaction was lost")
	}
	return err
}

// alone runs one unit in the transaction that is open, which is its own.
func (w *writer) alone(j *queue.Job) error {
	base := w.tx.seq
	w.tx.begin()
	err := w.tx.do(j.Unit)
	if err == nil && w.tx.lost {
		err = fault.New(fault.Internal, "the transaction was lost")
	}
	if err == nil {
		err = w.session.run(uncancelled, commit, nil, nil)
	}
	if err != nil {
		w.undo(base)
		return err
	}
	w.committed(1)
	return nil
}

// undo rolls back what there may be and takes the numbers back.
func (w *writer) undo(base int64) {
	if !w.session.conn.AutocommitEnabled() {
		_ = w.session.run(uncancelled, rollback, nil, nil) // fails only if it has happened already
	}
	w.tx.seq = base
}

// do runs the unit; a panic in it must not take the neighbours along.
func (t *tx) do(u driver.Unit) error {
	defer func() { t.open = false }()
	return u.Guard(t)
}
