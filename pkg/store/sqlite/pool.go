package sqlite

import (
	"context"
	"runtime"
	"sync"

	"github.com/octomesh/octomesh/pkg/store/driver"
)

// pool lends reading connections. Who wants one waits in a channel, so that a
// reader in a loop yields to the writer: eight readers that do not would cut
// the writes to less than a third. The one used last is lent first, and another
// is opened only when all are out.
type pool struct {
	db     *DB
	tokens chan struct{}

	mu   sync.Mutex
	idle []*session
}

func (p *pool) init(db *DB, n int) {
	p.db = db
	p.tokens = make(chan struct{}, n)
	for range n {
		p.tokens <- struct{}{}
	}
}

func (p *pool) get(ctx context.Context) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-p.tokens:
	default:
		select {
		case <-p.tokens:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-p.db.closing:
			return nil, driver.ErrClosed
		}
	}
	select {
	case <-p.db.closing:
		p.tokens <- struct{}{}
		return nil, driver.ErrClosed
	default:
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		s := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return s, nil
	}
	p.mu.Unlock()
	s, err := p.db.connect(false)
	if err != nil {
		p.tokens <- struct{}{}
		return nil, err
	}
	return s, nil
}

func (p *pool) put(s *session) {
	p.mu.Lock()
	p.idle = append(p.idle, s)
	p.mu.Unlock()
	p.tokens <- struct{}{}
	runtime.Gosched()
}

// snapshot runs fn on a connection whose reads all see one state.
func (p *pool) snapshot(ctx context.Context, fn func(driver.Reader) error) error {
	s, err := p.get(ctx)
	if err != nil {
		return err
	}
	defer p.put(s)
	if err := s.run(uncancelled, begin, nil, nil); err != nil {
		return err
	}
	defer func() { _ = s.run(uncancelled, rollback, nil, nil) }() // nothing was written
	return fn(s)
}

// close waits until all connections are back and closes them.
func (p *pool) close() {
	for range cap(p.tokens) {
		<-p.tokens
	}
	for _, s := range p.idle {
		_ = s.close()
	}
}
