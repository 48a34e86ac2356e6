package overlay

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

const (
	// maxGroup is the most units that one commit may hold.
	maxGroup = 256
	// maxWaiting is how many units may wait before Write says OVERLOADED.
	maxWaiting = 4096
)

// Commit calls fill with what the database holds and the last seq of its log,
// and stores the Group that it returns. It may call fill again, from the start,
// when the engine asks for that. Whoever calls Commit waits for it.
type Commit func(fill func(base Base, last int64) (*Group, error)) error

// Writer is the one goroutine of a Conn that writes. It takes what waits, never
// waits for more, and answers after the commit, so that one commit serves all.
type Writer struct {
	commit Commit
	queue  chan *job
	ended  chan struct{}

	mu     sync.RWMutex // closed against sends
	closed bool
}

// job is a unit that waits for the writer.
type job struct {
	unit  driver.Unit
	state atomic.Int32
	err   error
	done  chan struct{} // cap 1
}

// The states of a job. Whoever moves it out of waiting owns what follows.
const (
	waiting = iota
	begun
	abandoned
)

// errClosed is the answer of a Conn that was closed.
var errClosed = fault.New(fault.DBNotConnected, "the project's database is closed")

// NewWriter starts a writer; Close ends it.
func NewWriter(commit Commit) *Writer {
	w := &Writer{commit: commit, queue: make(chan *job, maxWaiting), ended: make(chan struct{})}
	go w.loop()
	return w
}

// Close ends the writer after all units that wait.
func (w *Writer) Close() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.ended
}

// Write does what driver.Conn's Write promises.
func (w *Writer) Write(ctx context.Context, u driver.Unit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{unit: u, done: make(chan struct{}, 1)}
	if err := w.send(j); err != nil {
		return err
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err() // the writer lets it fall
		}
		<-j.done
	}
	return j.err
}

// Waiting is how many units wait.
func (w *Writer) Waiting() int { return len(w.queue) }

func (w *Writer) send(j *job) error {
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

func (w *Writer) loop() {
	defer close(w.ended)
	var group []*job
	for j := range w.queue {
		group = take(group[:0], j)
	more:
		for len(group) < maxGroup {
			select {
			case j, open := <-w.queue:
				if !open {
					break more
				}
				group = take(group, j)
			default:
				break more
			}
		}
		w.serve(group)
		clear(group)
	}
}

func take(group []*job, j *job) []*job {
	if j.state.CompareAndSwap(waiting, begun) {
		group = append(group, j)
	}
	return group
}

// serve runs the group, together as far as it goes, otherwise one by one.
func (w *Writer) serve(group []*job) {
	together := len(group)
	for len(group) > 0 {
		together = min(together, len(group))
		n, err := w.together(group[:together])
		if err != nil && together > 1 && !hopeless(err) {
			together = 1 // some one of them may be what the engine refuses
			continue
		}
		for _, j := range group[:n] {
			if err != nil {
				j.err = err
			}
			j.done <- struct{}{}
		}
		group = group[n:]
	}
}

// hopeless reports whether an error would meet each unit alone as well, or
// whether the units may have been stored.
func hopeless(err error) bool {
	f := fault.From(err)
	return f.Code == fault.DBNotConnected || f.Code == fault.Overloaded || f.Code == fault.Timeout
}

// together runs the group in one commit and tells how many of its units are
// done with: those up to one whose unique value turned out to be taken.
func (w *Writer) together(group []*job) (done int, err error) {
	err = w.commit(func(base Base, last int64) (*Group, error) {
		g := NewGroup(base, last)
		for _, j := range group {
			j.err = g.Run(j.unit)
		}
		done = len(group)
		unit, conflict, err := g.Check()
		if err != nil {
			return nil, err
		}
		if unit >= 0 {
			done, group[unit].err = unit+1, conflict
		}
		return g, nil
	})
	if err != nil {
		done = len(group)
	}
	return done, err
}
