package postgres

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// pool lends connections to what may take long. The one used last is lent
// first; one that was idle for long is closed.
type pool struct {
	db     *DB
	role   role
	tokens chan struct{}

	mu   sync.Mutex
	idle []*session
}

// idleFor is how long a connection of a pool waits for work.
const idleFor = time.Minute

func (p *pool) init(db *DB, role role, n int) {
	p.db, p.role = db, role
	p.tokens = make(chan struct{}, n)
	for range n {
		p.tokens <- struct{}{}
	}
}

// get lends a session, fresh ones having been made for this use.
func (p *pool) get(ctx context.Context) (s *session, fresh bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	select {
	case <-p.tokens:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	case <-p.db.closing:
		return nil, false, driver.ErrClosed
	}
	select {
	case <-p.db.closing:
		p.tokens <- struct{}{}
		return nil, false, driver.ErrClosed
	default:
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		s := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return s, false, nil
	}
	p.mu.Unlock()
	if s, err = p.connect(ctx); err != nil {
		p.tokens <- struct{}{}
	}
	return s, true, err
}

func (p *pool) connect(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	return p.db.connect(ctx, p.role)
}

// put takes a session back; one that is broken, or in a transaction that could
// not be ended, is closed.
func (p *pool) put(s *session) {
	now := time.Now()
	var old *session
	p.mu.Lock()
	if s != nil && s.broken == nil && s.status == 'I' {
		s.since = now
		p.idle = append(p.idle, s)
		s = nil
	}
	if len(p.idle) > 0 && now.Sub(p.idle[0].since) > idleFor {
		old = p.idle[0]
		p.idle = append(p.idle[:0], p.idle[1:]...)
	}
	p.mu.Unlock()
	for _, s := range []*session{s, old} {
		if s != nil {
			s.close()
		}
	}
	p.tokens <- struct{}{}
}

// close waits until all sessions are back and closes them.
func (p *pool) close() {
	for range cap(p.tokens) {
		<-p.tokens
	}
	for _, s := range p.idle {
		s.close()
	}
}

var (
	readOnly   = &sqlgen.Plan{SQL: "BEGIN READ ONLY"}
	repeatable = &sqlgen.Plan{SQL: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}
)

// transaction is a reading transaction on a session. It implements executor.
type transaction struct {
	session *session
	begin   *sqlgen.Plan // sent with the first statement
	begun   bool
	again   func() (*session, error) // another session, for one that was dead when it came; may be nil
}

// reading runs fn in a reading transaction.
func (db *DB) reading(ctx context.Context, p *pool, begin *sqlgen.Plan, fn func(*transaction) error) error {
	s, fresh, err := p.get(ctx)
	if err != nil {
		return err
	}
	x := &transaction{session: s, begin: begin}
	if !fresh {
		x.again = func() (*session, error) { return p.connect(ctx) }
	}
	defer func() {
		if x.session != nil && x.session.status != 'I' && x.session.broken == nil {
			_ = x.session.exec("ROLLBACK") // nothing was written
		}
		p.put(x.session)
	}()
	return fn(x)
}

// alone answers one request on a connection of its own.
func (db *DB) alone(ctx context.Context, r *request) error {
	return db.reading(ctx, &db.free, nil, func(x *transaction) error { return x.ask(ctx, r) })
}

// round runs one pipeline: what put puts, and what answer reads of it.
func (x *transaction) round(ctx context.Context, put func(*session), answer func(*session) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := x.once(ctx, put, answer)
	if err != nil && x.again != nil && x.session.broken != nil && ctx.Err() == nil {
		s, failed := x.again()
		if failed != nil {
			return failed
		}
		x.session, x.again, x.begun = s, nil, false
		err = x.once(ctx, put, answer)
	}
	x.again = nil
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (x *transaction) once(ctx context.Context, put func(*session), answer func(*session) error) error {
	s := x.session
	first := x.begin != nil && !x.begun
	if first {
		s.command(x.begin)
	}
	put(s)
	s.sync()
	if ctx.Done() != nil {
		cancelled := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(cancelled)
			s.cancel()
		})
		defer func() {
			if !stop() { // or it could cancel what the session does next
				<-cancelled
				_ = s.failed(net.ErrClosed)
			}
		}()
	}
	if err := s.flush(); err != nil {
		return err
	}
	var err error
	if first {
		var r request
		_, err = s.answer(&r)
		x.begun = err == nil
	}
	if err == nil {
		err = answer(s)
	}
	if s.broken != nil {
		return err
	}
	if end := s.settle(); err == nil {
		err = end
	}
	return err
}

// ask implements executor.
func (x *transaction) ask(ctx context.Context, r *request) error {
	return classify(x.round(ctx, func(s *session) { s.put(r) }, func(s *session) error {
		_, err := s.answer(r)
		return err
	}), r.entity)
}

// A stream has one block of rows in memory: at most streamed, and of large ones
// so few that a block is about blockBytes. The first one is small, since nobody
// knows yet. A block whose rows are suddenly larger is kept all the same: the
// portal does not go back.
const (
	streamed   = 256
	firstBlock = 16
	blockBytes = 1 << 20
)

// nextBlock is how many rows to ask for after a block of n rows and size bytes.
func nextBlock(n, size int) int {
	return min(max(n*blockBytes/max(size, 1), 1), 4*n, streamed)
}

// stream implements executor: it reads a few rows at a time from a portal, so
// that memory is flat and other reads may go on between.
func (x *transaction) stream(ctx context.Context, r *request, each func(*row) error) error {
	x.session.portals++
	portal := "p" + strconv.Itoa(x.session.portals)
	more, n := false, firstBlock
	r.whole = true
	put := func(s *session) {
		s.ask(portal, r)
		s.execute(portal, n)
	}
	for {
		err := x.round(ctx, put, func(s *session) (err error) {
			more, err = s.answer(r)
			return err
		})
		if err == nil {
			err = r.each(r.plan.Kinds, each)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || !more {
			if x.session.broken == nil {
				x.session.forget('P', portal) // goes with the next pipeline
			}
			return classify(err, r.entity)
		}
		n = nextBlock(n, len(r.rows))
		put = func(s *session) { s.execute(portal, n) }
	}
}
