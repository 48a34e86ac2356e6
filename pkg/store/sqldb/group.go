package sqldb

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/driver"
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
	queue chan *job
	ended sync.WaitGroup

	mu     sync.RWMutex // closed against sends
	closed bool
}

// job is a unit that waits for its turn.
type job struct {
	unit   driver.Unit
	tx     tx
	err    error
	begun  atomic.Bool // by a lane, or given up by its caller
	result chan error  // cap 1
}

func (g *groups) start(db *DB) {
	g.db, g.queue = db, make(chan *job, maxWaiting)
	g.pool.init(db, db.engine.Grouped, groupLanes)
	for range groupLanes {
		g.ended.Go(g.lane)
	}
}

// stop ends the lanes after what waits.
func (g *groups) stop() {
	g.mu.Lock()
	g.closed = true
	close(g.queue)
	g.mu.Unlock()
	g.ended.Wait()
	g.pool.close()
}

func (g *groups) send(j *job) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return errClosed
	}
	select {
	case g.queue <- j:
		return nil
	default:
		return fault.New(fault.Overloaded, "too many requests wait for the database; try again").After(time.Second)
	}
}

// write has a unit run in a group. The error is errAlone if it did not happen
// and is to be run by itself.
func (g *groups) write(ctx context.Context, u driver.Unit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{unit: u, result: make(chan error, 1)}
	if err := g.send(j); err != nil {
		return err
	}
	select {
	case err := <-j.result:
		return err
	case <-ctx.Done():
		if j.begun.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		return <-j.result
	}
}

// lane runs one group after the other, of what waits by then.
func (g *groups) lane() {
	batch := make([]*job, 0, maxGroup)
	var shared appends
	for j := range g.queue {
		batch = batch[:0]
		for more := true; more; {
			if j.begun.CompareAndSwap(false, true) {
				batch = append(batch, j)
			}
			if more = len(batch) < maxGroup; more {
				select {
				case j, more = <-g.queue:
				default:
					more = false
				}
			}
		}
		if len(batch) > 0 {
			g.serve(batch, &shared)
		}
		clear(batch)
	}
}

func (g *groups) serve(batch []*job, shared *appends) {
	s, err := g.pool.get(uncancelled)
	if err == nil {
		err = g.run(s, batch, shared)
		g.pool.put(s)
	}
	done := 0
	for _, j := range batch {
		switch {
		case err == nil && j.err == nil:
			done++
		case err == nil && j.tx.looked && g.db.unique(j.err): // see Write
			j.err = errAlone
		case errors.Is(err, errUnknown) && !j.tx.keyed && (j.err == nil || j.tx.wrote):
			j.err = err
		case s == nil: // no connection
			j.err = err
		case err != nil:
			j.err = errAlone
		}
	}
	if done > 0 && g.db.told != nil {
		g.db.told(done)
	}
	for _, j := range batch {
		j.result <- j.err
	}
}

// run runs a group's units in one transaction. What a unit fails with before it
// has written is its own affair, and holds if the transaction is committed: it
// may be due to what its neighbours did.
func (g *groups) run(s *session, batch []*job, shared *appends) error {
	s.lost, s.share = false, true
	defer shared.clear()
	err := s.start(g.db.engine.Begin, g.db.engine.Units)
	for i := 0; i < len(batch) && err == nil; i++ {
		j := batch[i]
		j.tx = tx{session: s, open: true, group: shared}
		j.err = j.tx.do(j.unit)
		switch {
		case s.lost || s.broken, j.err != nil && j.tx.wrote:
			err = errAlone
		}
	}
	s.share = false
	if err == nil && shared.store(s) != nil {
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
