package sqlite

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/octomesh/octomesh/pkg/store/driver"
)

// maxShared is how many reads share a snapshot: what another program writes is
// seen that many reads later, at most.
const maxShared = 16

// pool lends reading connections. Who finds none waits in a line, so that a
// reader in a loop yields to the writer: eight readers that do not would cut
// the writes to less than a third. The one used last is lent first, and another
// is opened only when all are out.
//
// A read that gets its connection while others wait for one keeps its snapshot
// for the next, who goes on in it if nothing was committed since: to begin and
// to end a snapshot takes SQLite a third of what a read by id does. A connection
// that rests has none, or it would keep the WAL from starting over.
type pool struct {
	db *DB

	mu      sync.Mutex
	room    int // connections that may still be opened
	out     int // those that are lent
	idle    []*session
	waiting []chan *session // each takes one; the longest wait is first
	spare   []chan *session
	back    chan struct{} // made by close, closed when none is out
}

func (p *pool) init(db *DB, n int) { p.db, p.room = db, n }

// get lends a connection; put takes it back. Errors: the context's,
// driver.ErrClosed, and those of opening the file.
func (p *pool) get(ctx context.Context) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-p.db.closing:
		return nil, driver.ErrClosed
	default:
	}
	p.mu.Lock()
	n := len(p.idle)
	switch {
	case p.back != nil:
		p.mu.Unlock()
		return nil, driver.ErrClosed
	case n > 0:
		s := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.out++
		p.mu.Unlock()
		return s, nil
	case p.room > 0:
		p.room--
		p.out++
		p.mu.Unlock()
		return p.open()
	}
	mine := p.line()
	p.mu.Unlock()
	var why error
	select {
	case s := <-mine:
		return p.join(s, mine)
	case <-ctx.Done():
		why = ctx.Err()
	case <-p.db.closing:
		why = driver.ErrClosed
	}
	p.mu.Lock()
	i := slices.Index(p.waiting, mine)
	if i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	p.mu.Unlock()
	if i < 0 { // it has come meanwhile
		p.put(<-mine)
	}
	return nil, why
}

// line joins those who wait.
func (p *pool) line() chan *session {
	mine := make(chan *session, 1)
	if n := len(p.spare); n > 0 {
		mine, p.spare = p.spare[n-1], p.spare[:n-1]
	}
	p.waiting = append(p.waiting, mine)
	return mine
}

// open makes a connection. After an error another may be made.
func (p *pool) open() (*session, error) {
	s, err := p.db.connect(false)
	if err != nil {
		p.put(nil)
		return nil, err
	}
	return s, nil
}

// join takes over what another read has handed on: a connection, or, where one
// could not be opened, the room for it.
func (p *pool) join(s *session, mine chan *session) (*session, error) {
	p.mu.Lock()
	p.spare = append(p.spare, mine)
	more := len(p.waiting) > 0
	p.mu.Unlock()
	if s == nil {
		return p.open()
	}
	now := p.db.commits.Load() // before the snapshot, which is taken by the first read
	if s.shared == maxShared || s.asOf != now {
		s.leave()
	}
	if s.shared == 0 {
		if !more {
			return s, nil
		}
		if err := s.run(uncancelled, begin, nil, nil); err != nil {
			p.put(s)
			return nil, err
		}
		s.asOf = now
	}
	s.shared++
	return s, nil
}

// leave ends the snapshot that reads share.
func (s *session) leave() {
	if s.shared > 0 {
		s.shared = 0
		_ = s.run(uncancelled, rollback, nil, nil) // nothing was written
	}
}

// put hands a connection on to who waits longest, or lays it down. nil is the
// room for one that could not be opened.
func (p *pool) put(s *session) {
	p.mu.Lock()
	for s != nil && s.shared > 0 && len(p.waiting) == 0 {
		p.mu.Unlock()
		s.leave()
		p.mu.Lock()
	}
	switch {
	case len(p.waiting) > 0:
		p.waiting[0] <- s
		p.waiting = slices.Delete(p.waiting, 0, 1)
	case s != nil:
		p.idle = append(p.idle, s)
		p.out--
	default:
		p.room++
		p.out--
	}
	if p.out == 0 && p.back != nil {
		close(p.back)
	}
	p.mu.Unlock()
	runtime.Gosched()
}

// close waits until all connections are back and closes them. Who waits for one
// is sent away by the end of the database.
func (p *pool) close() {
	p.mu.Lock()
	p.back = make(chan struct{})
	if p.out == 0 {
		close(p.back)
	}
	p.mu.Unlock()
	<-p.back
	for _, s := range p.idle {
		_ = s.close()
	}
}
