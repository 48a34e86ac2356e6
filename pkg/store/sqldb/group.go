package sqldb

import (
	"errors"

	"github.com/octomesh/octomesh/pkg/store/queue"
)

// Units of one row that wait at the same time share a transaction, and so its
// statements and its commit: with 64 callers that takes 0.6 of the processor time
// of a transaction each. A unit that fails before it has written leaves the
// others alone; after any other failure nothing of the group has happened, and
// each caller runs his unit by himself.

const (
	// maxGroup is how many units share a transaction.
	maxGroup = 32
	// groupLanes is how many groups run side by side. More make smaller groups.
	groupLanes = 2
)

// errAlone tells a caller to run his unit by himself.
var errAlone = errors.New("sqldb: the unit is to be run by itself")

// groups takes units and runs those that wait together.
type groups struct {
	db    *DB
	pool  pool
	queue *queue.Queue
}

// lane runs one group after the other.
type lane struct {
	*groups
	txs    [maxGroup]tx
	shared appends
}

func (g *groups) start(db *DB) {
	g.db, g.queue = db, queue.New()
	g.pool.init(db, db.engine.Grouped, groupLanes)
	for range groupLanes {
		g.queue.Lane(maxGroup, (&lane{groups: g}).serve, nil)
	}
}

// stop ends the lanes after what waits.
func (g *groups) stop() {
	g.queue.Close()
	g.pool.close()
}

// serve runs a group. A job's error is errAlone if its unit is to be run by
// itself: it did not happen or, with errUnknown, may have.
func (l *lane) serve(batch []*queue.Job) {
	s, err := l.pool.get(uncancelled)
	if err == nil {
		err = l.run(s, batch)
		l.pool.put(s)
	}
	done := 0
	for i, j := range batch {
		t := &l.txs[i]
		switch {
		case err == nil && j.Err == nil:
			done++
		case err == nil && t.looked && l.db.unique(j.Err): // see Write
			j.Err = errAlone
		case errors.Is(err, errUnknown) && !t.keyed && (j.Err == nil || t.wrote):
			j.Err = err
		case errors.Is(err, errUnknown) && j.Err == nil:
			j.Err = errors.Join(errAlone, err)
		case s == nil: // no connection
			j.Err = err
		case err != nil:
			j.Err = errAlone
		}
	}
	if done > 0 && l.db.told != nil {
		l.db.told(done)
	}
}

// run runs a group's units in one transaction. What a unit fails with before it
// has written is its own affair, and holds if the transaction is committed: it
// may be due to what its neighbours did.
func (l *lane) run(s *session, batch []*queue.Job) error {
	s.lost, s.share = false, true
	defer l.shared.clear()
	err := s.start(l.db.engine.Begin, l.db.engine.Units)
	for i := 0; i < len(batch) && err == nil; i++ {
		t := &l.txs[i]
		*t = tx{session: s, open: true, group: &l.shared}
		batch[i].Err = t.do(batch[i].Unit)
		switch {
		case s.lost || s.broken, batch[i].Err != nil && t.wrote:
			err = errAlone
		}
	}
	s.share = false
	if err == nil && l.shared.store(s) != nil {
		err = errAlone
	}
	if err == nil {
		if err = s.end(true); errors.Is(err, errBroken) {
			return unanswered(err)
		}
	}
	if err != nil && !s.broken && s.end(false) != nil {
		s.broken = true
	}
	return err
}
