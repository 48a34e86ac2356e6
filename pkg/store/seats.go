package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
)

// seats bounds how many streams read a database at a time. Streams last as long
// as their readers want, so who finds no seat is told soon: it waits as long as
// others end and make room, and when none does for a while all who wait are sent
// away. A burst of streams that are read quickly comes through, and slow readers
// cost those who come after them nothing but an OVERLOADED.
type seats struct {
	patience time.Duration

	mu    sync.Mutex
	free  int
	moved time.Time // when a seat was last taken
	line  []*seat   // the longest wait is first
}

// seat is a stream's seat, or its wait for one.
type seat struct {
	of    *seats
	given chan struct{} // nil where there was one at once
}

func newSeats(n int, patience time.Duration) *seats {
	return &seats{free: max(n, 1), patience: patience}
}

const (
	// maxLine is how many streams may wait.
	maxLine = 1024
	// retryStream is when a stream that found no seat is worth another try.
	retryStream = 2 * time.Second
)

func errNoSeat() error {
	return fault.New(fault.Overloaded, "as many streams are open as the project's database serves, and their readers are slow; try again later, or ask for pages").After(retryStream)
}

// stand takes a seat or joins the line. Errors: OVERLOADED when the line does not
// move or is full.
func (p *seats) stand() (*seat, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	mine := &seat{of: p}
	switch {
	case p.free > 0:
		p.free--
		p.moved = time.Now()
	case time.Since(p.moved) >= p.patience || len(p.line) >= maxLine:
		return nil, errNoSeat()
	default:
		mine.given = make(chan struct{})
		p.line = append(p.line, mine)
	}
	return mine, nil
}

// wait returns when the seat is there; after an error it never will be. Errors:
// OVERLOADED when no other stream has ended for a while, the context's.
func (m *seat) wait(ctx context.Context) error {
	if m.given == nil {
		return nil
	}
	timer := time.NewTimer(m.of.left())
	defer timer.Stop()
	for {
		select {
		case <-m.given:
			return nil
		case <-ctx.Done():
			m.giveUp()
			return ctx.Err()
		case <-timer.C:
			left := m.of.left()
			if left <= 0 {
				m.giveUp()
				return errNoSeat()
			}
			timer.Reset(left)
		}
	}
}

// left is how long those in line wait if nothing happens.
func (p *seats) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.patience - time.Since(p.moved)
}

// giveUp leaves the line, or the seat if it was given meanwhile.
func (m *seat) giveUp() {
	p := m.of
	p.mu.Lock()
	i := slices.Index(p.line, m)
	if i >= 0 {
		p.line = slices.Delete(p.line, i, i+1)
	}
	p.mu.Unlock()
	if i < 0 {
		m.leave()
	}
}

// leave gives the seat to who waits longest.
func (m *seat) leave() {
	p := m.of
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.line) == 0 {
		p.free++
		return
	}
	close(p.line[0].given)
	p.line = slices.Delete(p.line, 0, 1)
	p.moved = time.Now()
}
