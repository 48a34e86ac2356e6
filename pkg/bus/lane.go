package bus

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/octomesh/octomesh/pkg/bus/credit"
	"github.com/octomesh/octomesh/pkg/fault"
)

// lane is one connection with one wildcard inbox: whatever is answered to its
// calls arrives in one subscription and finds its caller by the last token of
// the subject. A token is used again once its call has been answered for good;
// that of a call which was given up never is, so a late reply finds nobody. To
// the server each new subject is a search among subscriptions and permissions,
// which it remembers for those that come again.
type lane struct {
	nc     *nats.Conn
	prefix string // of the inbox, with the final dot
	next   atomic.Uint64
	shards [16]shard

	isDown atomic.Bool
	mu     sync.Mutex
	up     chan struct{} // closed while connected
}

type shard struct {
	mu   sync.Mutex
	m    map[uint64]*pending
	free []token
	_    [24]byte // one shard a cache line
}

// token is what a call is answered under.
type token struct {
	id      uint64
	subject string
}

// maxFree is how many tokens of a shard wait for another call: together as many
// as the server remembers.
const maxFree = 64

// pending is a call that waits.
type pending struct {
	ch     chan *nats.Msg
	broken atomic.Bool // a message was dropped
	timer  *time.Timer
	// The message and its header are kept to be filled again.
	msg    nats.Msg
	header [1]string
	buf    []byte
}

var pendings = sync.Pool{New: func() any {
	p := &pending{ch: make(chan *nats.Msg, credit.Queue), timer: time.NewTimer(time.Hour)}
	p.timer.Stop()
	p.msg.Header = nats.Header{HeaderName: p.header[:]}
	return p
}}

// openLane dials and subscribes. What is published while there is no
// connection fails at once instead of being kept, for only then is it known
// that it was not executed.
func openLane(d Dialer, purpose string) (*lane, error) {
	l := &lane{up: make(chan struct{})}
	close(l.up)
	for i := range l.shards {
		l.shards[i].m = make(map[uint64]*pending)
	}
	nc, err := d.Dial(purpose, nats.ReconnectBufSize(-1), nats.SkipSubjectValidation(), // pkg/bus/subject made them
		nats.DisconnectErrHandler(func(*nats.Conn, error) { l.down() }),
		nats.ReconnectHandler(func(*nats.Conn) { l.back() }),
		// It comes after that of the disconnect. Who waits for a connection goes
		// on, and learns from it that it is closed.
		nats.ClosedHandler(func(*nats.Conn) { l.back(); l.sweep() }))
	if err != nil {
		return nil, err
	}
	l.nc = nc
	inbox := nc.NewInbox()
	l.prefix = inbox + "."
	sub, err := nc.Subscribe(inbox+".*", l.deliver)
	if err == nil {
		// Bounded by the credit of each stream, not by nats.go.
		err = sub.SetPendingLimits(-1, -1)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return l, nil
}

// dialled is a lane that one goroutine opens for all who wait.
type dialled struct {
	done chan struct{} // closed when lane or err is there
	lane *lane
	err  error
}

// bulkLane waits for the lane of the streams, no longer than ctx.
func (c *Client) bulkLane(ctx context.Context) (*lane, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, errClosed
	}
	d := c.bulk
	if d == nil {
		d = &dialled{done: make(chan struct{})}
		c.bulk = d
		go c.dial(d)
	}
	c.mu.Unlock()
	select {
	case <-d.done:
		return d.lane, d.err
	case <-ctx.Done():
		return nil, fault.From(ctx.Err())
	}
}

// dial opens the lane of the streams; after an error the next call tries anew.
func (c *Client) dial(d *dialled) {
	l, err := openLane(c.d, "streams")
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed: // which has been told
		if err == nil {
			l.nc.Close()
		}
		return
	case err != nil:
		c.bulk, d.err = nil, fault.Wrap(err, fault.Unavailable, "NATS cannot be reached")
	default:
		d.lane = l
	}
	close(d.done)
}

func (l *lane) shard(id uint64) *shard { return &l.shards[id%uint64(len(l.shards))] }

// register gives p a token.
func (l *lane) register(p *pending) token {
	id := l.next.Add(1)
	s := l.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	var t token
	if n := len(s.free) - 1; n >= 0 {
		t = s.free[n]
		s.free = s.free[:n]
	} else {
		var b [80]byte
		t = token{id, string(strconv.AppendUint(append(b[:0], l.prefix...), id, 36))}
	}
	s.m[t.id] = p
	return t
}

// answered gives back the token of a call whose last message has come.
func (l *lane) answered(t token) {
	s := l.shard(t.id)
	s.mu.Lock()
	delete(s.m, t.id)
	if len(s.free) < maxFree {
		s.free = append(s.free, t)
	}
	s.mu.Unlock()
}

// release forgets the token; afterwards nothing more is put into p.ch.
func (l *lane) release(id uint64) {
	s := l.shard(id)
	s.mu.Lock()
	delete(s.m, id)
	s.mu.Unlock()
}

// forget releases the token of a call that was given up, with what came for it.
func (l *lane) forget(id uint64, p *pending) {
	l.release(id)
	p.drain()
}

// drain throws away what has come. No token may lead to p any more.
func (p *pending) drain() {
	for len(p.ch) > 0 {
		<-p.ch
	}
}

// await waits for a connection, as long as the call has time left. Errors:
// errUnsent, or the context's when the caller went away.
func (l *lane) await(ctx context.Context, timer *time.Timer, left time.Duration) error {
	timer.Reset(left)
	select {
	case <-l.connected():
		return nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
	case <-timer.C:
	}
	return errUnsent
}

// deliver runs in the subscription's goroutine and never blocks.
func (l *lane) deliver(m *nats.Msg) {
	if len(m.Subject) <= len(l.prefix) {
		return
	}
	id, err := strconv.ParseUint(m.Subject[len(l.prefix):], 36, 64)
	if err != nil {
		return
	}
	s := l.shard(id)
	s.mu.Lock()
	p := s.m[id]
	if p != nil {
		p.put(m)
	}
	s.mu.Unlock()
	if p == nil && len(m.Reply) > len(creditSubject) && m.Reply[:len(creditSubject)+1] == creditSubject+"." {
		credit.Cancel(l.nc, m.Reply) // a stream to a caller who has left
	}
}

// put is called under the lock of p's shard.
func (p *pending) put(m *nats.Msg) {
	if len(p.ch) > 0 {
		if part := credit.Part(m); part == credit.Beat || part == credit.Working {
			return // what waits shows already that the worker lives
		}
	}
	select {
	case p.ch <- m:
	default:
		p.broken.Store(true)
	}
}

// down marks the lane as disconnected and tells every waiting call.
func (l *lane) down() {
	l.mu.Lock()
	if l.isDown.CompareAndSwap(false, true) {
		l.up = make(chan struct{})
	}
	l.mu.Unlock()
	l.sweep()
}

func (l *lane) sweep() {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		for _, p := range s.m {
			p.put(credit.Lost)
		}
		s.mu.Unlock()
	}
}

func (l *lane) back() {
	l.mu.Lock()
	if l.isDown.CompareAndSwap(true, false) {
		close(l.up)
	}
	l.mu.Unlock()
}

// connected returns a channel that is closed while there is a connection.
func (l *lane) connected() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.up
}

// waiting counts the calls in the table.
func (l *lane) waiting() int {
	n := 0
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += len(s.m)
		s.mu.Unlock()
	}
	return n
}

// recycle empties p for its next call. Its token must be released.
func (p *pending) recycle() {
	p.timer.Stop()
	p.drain()
	p.broken.Store(false)
	p.msg.Subject, p.msg.Reply, p.msg.Data, p.header[0] = "", "", nil, ""
	if cap(p.buf) > 2*MaxHeader {
		p.buf = nil
	}
	pendings.Put(p)
}
