// Package queue lets writes share commits: the units of a Conn's callers go in
// one by one and come out, to a lane that is free, as the group of those that
// wait by then. A lane never waits for more, so a lone caller loses nothing.
package queue

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// MaxWaiting is how many units may wait before Write says OVERLOADED.
const MaxWaiting = 4096

// Job is a unit whose caller waits.
type Job struct {
	Unit driver.Unit
	// Err is the unit's outcome, which serve sets.
	Err   error
	state atomic.Int32
	done  chan struct{} // cap 1
}

// The states of a job. Whoever moves it out of waiting owns what follows.
const (
	waiting = iota
	begun
	abandoned
)

var jobs = sync.Pool{New: func() any { return &Job{done: make(chan struct{}, 1)} }}

// Queue is the units that wait. The zero value is not ready; see New.
type Queue struct {
	jobs  chan *Job
	lanes sync.WaitGroup

	mu     sync.RWMutex // closed against sends
	closed bool
}

// New returns a queue that nobody serves yet; Close it.
func New() *Queue { return &Queue{jobs: make(chan *Job, MaxWaiting)} }

// Lane starts a goroutine that hands serve one group after the other, of 1 to
// most units, until Close. serve sets each job's Err and keeps no job; afterwards
// the callers are answered. last, which may be nil, runs when the lane ends.
func (q *Queue) Lane(most int, serve func([]*Job), last func()) {
	q.lanes.Go(func() {
		if last != nil {
			defer last()
		}
		group := make([]*Job, 0, most)
		for j := range q.jobs {
			group = q.gather(take(group[:0], j), most)
			if len(group) > 0 {
				serve(group)
			}
			for i, j := range group {
				group[i] = nil
				j.done <- struct{}{}
			}
		}
	})
}

// gather adds what waits.
func (q *Queue) gather(group []*Job, most int) []*Job {
	for len(group) < most {
		select {
		case j, open := <-q.jobs:
			if !open {
				return group
			}
			group = take(group, j)
		default:
			return group
		}
	}
	return group
}

func take(group []*Job, j *Job) []*Job {
	if j.state.CompareAndSwap(waiting, begun) {
		return append(group, j)
	}
	return group
}

// Write waits until u was served and returns its Err. ctx bounds only the wait
// before that. Errors of its own: OVERLOADED, DB_NOT_CONNECTED after Close.
func (q *Queue) Write(ctx context.Context, u driver.Unit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := jobs.Get().(*Job)
	j.Unit, j.Err = u, nil
	j.state.Store(waiting)
	if err := q.send(j); err != nil {
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
	err := j.Err
	j.Unit, j.Err = driver.Unit{}, nil
	jobs.Put(j)
	return err
}

func (q *Queue) send(j *Job) error {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed {
		return driver.ErrClosed
	}
	select {
	case q.jobs <- j:
		return nil
	default:
		return fault.New(fault.Overloaded, "too many writes are waiting; try again").After(time.Second)
	}
}

// Waiting is how many units wait.
func (q *Queue) Waiting() int { return len(q.jobs) }

// Close refuses new units and returns when those that wait are answered and the
// lanes have ended. Later calls only wait.
func (q *Queue) Close() {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.jobs)
	}
	q.mu.Unlock()
	q.lanes.Wait()
}
