package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

const (
	// maxBatch is how many requests, or units, go out together. More gained
	// nothing and makes the first wait for the last.
	maxBatch = 32
	// maxWaiting is how many may wait before there is OVERLOADED.
	maxWaiting = 4096
	// maxPipeline is how many bytes of requests are sent before answers are
	// read. The server stops reading when nobody reads what it writes.
	maxPipeline = 128 << 10
	// slow is how long a statement may keep its lane from the others. One that
	// took longer goes to a connection of its own for a while; one that names its
	// ids never does: if it is slow, all is.
	slow      = 100 * time.Millisecond
	slowFor   = 5 * time.Second
	slowPlans = 1024
	// pause is how long nobody tries to connect after it has failed.
	pause = 200 * time.Millisecond
)

// The states of a request, or a job. Whoever moves it out of waiting owns what
// follows; one that its caller has abandoned belongs to nobody.
const (
	waiting = iota
	begun
	finished
	abandoned
)

// lanes are the connections of short reads. Those that name the ids of their
// records have one for all: each takes microseconds, what costs is to wake the
// server, and on one connection more of them travel together. Measured on 64
// connections with two such lanes: half as many to a journey, 1.4 times the
// server's processor time. The change log has one for itself: the relay waits
// behind no list that takes its time.
type lanes struct {
	db     *DB
	points chan *request
	others chan *request
	logs   chan *request
	ended  sync.WaitGroup

	mu     sync.RWMutex // closed against sends
	closed bool

	slowMu sync.Mutex
	slow   map[*sqlgen.Plan]time.Time // until when
}

func (l *lanes) start(db *DB, n int) {
	l.db, l.slow = db, make(map[*sqlgen.Plan]time.Time)
	for _, queue := range l.queues() {
		*queue = make(chan *request, maxWaiting)
	}
	l.ended.Go((&lane{lanes: l, queue: l.points, gather: new(gathering)}).loop)
	l.ended.Go((&lane{lanes: l, queue: l.logs}).loop)
	for range n {
		l.ended.Go((&lane{lanes: l, queue: l.others}).loop)
	}
}

func (l *lanes) queues() []*chan *request { return []*chan *request{&l.points, &l.others, &l.logs} }

// stop ends the lanes after what waits.
func (l *lanes) stop() {
	l.mu.Lock()
	l.closed = true
	for _, queue := range l.queues() {
		close(*queue)
	}
	l.mu.Unlock()
	l.ended.Wait()
}

func (l *lanes) send(r *request) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return driver.ErrClosed
	}
	queue := l.others
	switch {
	case r.plan.Point && r.plan.Kinds != nil: // records
		queue = l.points
	case r.plan.Point:
		queue = l.logs
	}
	select {
	case queue <- r:
		return nil
	default:
		return fault.New(fault.Overloaded, "too many reads are waiting; try again").After(time.Second)
	}
}

// ask implements executor.
func (l *lanes) ask(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.isSlow(r.plan) {
		return l.db.alone(ctx, r)
	}
	r.state.Store(waiting)
	if err := l.send(r); err != nil {
		return err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, abandoned) || r.state.CompareAndSwap(begun, abandoned) {
			return ctx.Err()
		}
		<-r.done
	}
	return r.err
}

// stream implements executor.
func (l *lanes) stream(ctx context.Context, r *request, each func(*row) error) error {
	return l.db.reading(ctx, &l.db.long, readOnly, func(x *transaction) error { return x.stream(ctx, r, each) })
}

func (l *lanes) isSlow(p *sqlgen.Plan) bool {
	l.slowMu.Lock()
	defer l.slowMu.Unlock()
	if len(l.slow) == 0 {
		return false
	}
	until, ok := l.slow[p]
	if ok && time.Now().After(until) {
		delete(l.slow, p)
		return false
	}
	return ok
}

func (l *lanes) markSlow(p *sqlgen.Plan, now time.Time) {
	l.slowMu.Lock()
	if len(l.slow) >= slowPlans {
		clear(l.slow)
	}
	l.slow[p] = now.Add(slowFor)
	l.slowMu.Unlock()
}

// lane is one connection of the lanes, and the goroutine that has it.
type lane struct {
	*lanes
	queue   chan *request
	gather  *gathering // nil = each read has a statement of its own
	session *session
	resting time.Time // until when not to connect
	why     error
	batch   []*request
	again   []*request
}

func (l *lane) loop() {
	for r := range l.queue {
		l.take(r)
	more:
		for len(l.batch) < maxBatch {
			select {
			case r, open := <-l.queue:
				if !open {
					break more
				}
				l.take(r)
			default:
				break more
			}
		}
		for batch := l.gather.gather(l.batch); len(batch) > 0; {
			batch = batch[l.serve(batch):]
		}
		l.gather.done()
		for i := 0; i < len(l.again); i++ { // grows by those that fail once more
			l.serve(l.again[i : i+1])
		}
		clear(l.batch)
		clear(l.again)
		l.batch, l.again = l.batch[:0], l.again[:0]
	}
	if l.session != nil {
		l.session.close()
	}
}

func (l *lane) take(r *request) {
	if r.state.CompareAndSwap(waiting, begun) {
		l.batch = append(l.batch, r)
	}
}

// connected makes sure that there is a session.
func (l *lane) connected() error {
	if l.session != nil && l.session.broken == nil {
		return nil
	}
	if time.Now().Before(l.resting) {
		return l.why
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectPatience)
	defer cancel()
	role := reader
	if l.gather != nil {
		role = pointer
	}
	l.session, l.why = l.db.connect(ctx, role)
	if l.why != nil {
		l.resting = time.Now().Add(pause)
	}
	return l.why
}

// serve sends as many of the requests as fit, reads their answers and returns
// how many these were. What a neighbour's error or a lost connection has left
// undone goes to again, to be run by itself.
func (l *lane) serve(batch []*request) int {
	if err := l.connected(); err != nil {
		for _, r := range batch {
			r.end(err)
		}
		return len(batch)
	}
	s, n := l.session, 0
	for n < len(batch) && (n == 0 || len(s.out) < maxPipeline) {
		s.put(batch[n])
		n++
	}
	s.sync()
	err := s.flush()
	began := time.Now()
	for i, r := range batch[:n] {
		if err == nil {
			_, err = s.answer(r)
			now := time.Now()
			if now.Sub(began) > slow && !r.plan.Point {
				l.markSlow(r.plan, now)
			}
			began = now
		}
		if err == nil && len(r.parts) > 0 {
			if r.over { // together, not each
				l.again = append(l.again, r.parts...)
				continue
			}
			l.gather.hand(r, s.most)
		}
		if err == nil {
			r.end(nil)
			continue
		}
		if s.broken == nil {
			_ = s.settle()
			switch {
			case stale(err):
				s.forgetAll()
			case hasCode(err, serializationFailure): // CockroachDB's reads may meet writes
			case len(r.parts) > 0:
			default:
				r.finish(classify(err, r.entity))
				i++
			}
		}
		l.retry(batch[i:n], err)
		return n
	}
	_ = s.settle()
	return n
}

func (l *lane) retry(rest []*request, err error) {
	for _, r := range rest {
		if len(r.parts) > 0 {
			l.retry(r.parts, err)
			continue
		}
		if r.tries++; r.tries > 2 {
			r.finish(classify(err, r.entity))
			continue
		}
		l.again = append(l.again, r)
	}
}

// end finishes a request, or those that share it.
func (r *request) end(err error) {
	if len(r.parts) == 0 {
		r.finish(err)
		return // it is its caller's again
	}
	for _, p := range r.parts {
		p.finish(err)
	}
}

// finish gives the request back to its caller, if that still waits.
func (r *request) finish(err error) {
	r.err = err
	if r.state.CompareAndSwap(begun, finished) {
		r.done <- struct{}{}
	}
}
