package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// writerLanes take the writes: single units in groups on a few lanes, others each
// on a connection of its own.
type writerLanes struct {
	db    *DB
	queue chan *job
	ended sync.WaitGroup

	mu     sync.RWMutex // closed against sends
	closed bool
}

var jobs = sync.Pool{New: func() any { return &job{done: make(chan struct{}, 1)} }}

func (w *writerLanes) start(db *DB, n int) {
	w.db, w.queue = db, make(chan *job, maxWaiting)
	for range n {
		w.ended.Go(w.loop)
	}
}

// stop ends the lanes after all units that wait.
func (w *writerLanes) stop() {
	w.mu.Lock()
	w.closed = true
	close(w.queue)
	w.mu.Unlock()
	w.ended.Wait()
}

func (w *writerLanes) send(j *job) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return errClosed
	}
	select {
	case w.queue <- j:
		return nil
	default:
		return fault.New(fault.Overloaded, "too many writes are waiting; try again").After(time.Second)
	}
}

// Write implements driver.Conn.
func (db *DB) Write(ctx context.Context, u driver.Unit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !u.Single {
		return db.writeAlone(ctx, u, false)
	}
	j := jobs.Get().(*job)
	j.unit, j.err = u, nil
	j.state.Store(waiting)
	if err := db.writer.send(j); err != nil {
		jobs.Put(j)
		return err
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err() // the lane lets it fall; not for the pool
		}
		<-j.done
	}
	err := j.err
	j.unit, j.err = driver.Unit{}, nil
	jobs.Put(j)
	return err
}

// writeAlone runs a unit of several records, or one that changes tables.
func (db *DB) writeAlone(ctx context.Context, u driver.Unit, unhurried bool) error {
	s, _, err := db.units.get(ctx) // a dead one is found by its first statement, which has done nothing then
	if err != nil {
		return err
	}
	g := &group{db: db, session: s, unhurried: unhurried}
	defer func() {
		if g.session != nil {
			g.session.patience = db.patience()
		}
		db.units.put(g.session)
	}()
	return g.alone(u, false)
}

func (w *writerLanes) loop() {
	g := &group{db: w.db}
	defer g.close()
	var taken []*job
	take := func(j *job) {
		if j.state.CompareAndSwap(waiting, begun) {
			taken = append(taken, j)
		}
	}
	for j := range w.queue {
		take(j)
	more:
		for len(taken) < maxBatch {
			select {
			case j, open := <-w.queue:
				if !open {
					break more
				}
				take(j)
			default:
				break more
			}
		}
		if len(taken) < 2 || !g.together(taken) {
			for _, j := range taken {
				j.err = g.alone(j.unit, len(taken) < 2)
			}
		}
		for i, j := range taken {
			taken[i] = nil
			j.done <- struct{}{}
		}
		taken = taken[:0]
	}
}
