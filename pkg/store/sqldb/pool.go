package sqldb

import (
	"context"
	sqldriver "database/sql/driver"
	"sync"
	"sync/atomic"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// maxWaiting is how many callers may wait for a connection of one pool.
const maxWaiting = 4096

// fresh is how long a connection that lies idle needs no look whether it lives.
const fresh = time.Second

// pool lends connections, the one used last first, and opens another only when
// all are out. Who waits, waits in a channel.
type pool struct {
	db      *DB
	to      sqldriver.Connector
	tokens  chan struct{}
	waiting atomic.Int64

	mu   sync.Mutex
	idle []*session
}

func (p *pool) init(db *DB, to sqldriver.Connector, n int) {
	p.db, p.to = db, to
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
		if p.waiting.Add(1) > maxWaiting {
			p.waiting.Add(-1)
			return nil, fault.New(fault.Overloaded, "too many requests wait for the database; try again").After(time.Second)
		}
		select {
		case <-p.tokens:
			p.waiting.Add(-1)
		case <-ctx.Done():
			p.waiting.Add(-1)
			return nil, ctx.Err()
		case <-p.db.closing:
			p.waiting.Add(-1)
			return nil, driver.ErrClosed
		}
	}
	select {
	case <-p.db.closing:
		p.tokens <- struct{}{}
		return nil, driver.ErrClosed
	default:
	}
	for {
		s := p.pop()
		if s == nil {
			break
		}
		if s.alive(ctx) {
			return s, nil
		}
		s.close()
	}
	s, err := p.db.connect(ctx, p.to)
	if err != nil {
		p.tokens <- struct{}{}
		return nil, err
	}
	return s, nil
}

func (p *pool) pop() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	s := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return s
}

// alive looks, without a round trip, whether the server has closed a connection
// that lay idle.
func (s *session) alive(ctx context.Context) bool {
	if time.Since(s.used) < fresh {
		return true
	}
	r, ok := s.conn.(sqldriver.SessionResetter)
	return !ok || r.ResetSession(ctx) == nil
}

// put gives a connection back. When the server broke it, all that lie idle go:
// they are most likely broken too.
func (p *pool) put(s *session) {
	if s.broken {
		s.close()
		if s.gone {
			p.purge()
		}
	} else {
		s.used = time.Now()
		p.mu.Lock()
		p.idle = append(p.idle, s)
		p.mu.Unlock()
	}
	p.tokens <- struct{}{}
}

func (p *pool) purge() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, s := range idle {
		s.close()
	}
}

// close waits until all connections are back and closes them.
func (p *pool) close() {
	for range cap(p.tokens) {
		<-p.tokens
	}
	p.purge()
}
