package overlay

import (
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/queue"
)

// maxGroup is the most units that one commit may hold.
const maxGroup = 256

// Commit calls fill with what the database holds and the last seq of its log,
// and stores the Group that it returns. It may call fill again, from the start,
// when the engine asks for that. Whoever calls Commit waits for it.
type Commit func(fill func(base Base, last int64) (*Group, error)) error

// Writer is the one goroutine of a Conn that writes. It takes what waits, never
// waits for more, and answers after the commit, so that one commit serves all.
type Writer struct {
	*queue.Queue
	commit Commit
}

// NewWriter starts a writer; Close ends it.
func NewWriter(commit Commit) *Writer {
	w := &Writer{queue.New(), commit}
	w.Lane(maxGroup, w.serve, nil)
	return w
}

// serve runs the group, together as far as it goes, otherwise one by one.
func (w *Writer) serve(group []*queue.Job) {
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
				j.Err = err
			}
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
func (w *Writer) together(group []*queue.Job) (done int, err error) {
	err = w.commit(func(base Base, last int64) (*Group, error) {
		g := NewGroup(base, last)
		for _, j := range group {
			j.Err = g.Run(j.Unit)
		}
		done = len(group)
		unit, conflict, err := g.Check()
		if err != nil {
			return nil, err
		}
		if unit >= 0 {
			done, group[unit].Err = unit+1, conflict
		}
		return g, nil
	})
	if err != nil {
		done = len(group)
	}
	return done, err
}
