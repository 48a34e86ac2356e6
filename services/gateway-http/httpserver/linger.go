package httpserver

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	lingerTime  = time.Second
	lingerBytes = 16 << 20
	silenceTime = 250 * time.Millisecond
)

// lingering wraps a listener so that connections can close with patience.
type lingering struct {
	net.Listener
	silent *silentConns
}

func (l lingering) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	p := &patient{Conn: c, of: l.silent, reads: waits{since: now}, writes: waits{since: now}}
	l.silent.add(p)
	return p, nil
}

// silentConns are the connections that have not sent a byte yet. fasthttp counts
// them as busy, and a stop would wait for them until it runs out of patience;
// clients make such connections ahead of need.
type silentConns struct {
	mu  sync.Mutex
	set map[*patient]struct{}
}

func (s *silentConns) add(p *patient) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = map[*patient]struct{}{}
	}
	s.set[p] = struct{}{}
}

func (s *silentConns) remove(p *patient) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, p)
}

// closeUntil closes them every now and then until done is closed; what was
// accepted last has a moment to speak.
func (s *silentConns) closeUntil(done <-chan struct{}) {
	tick := time.NewTicker(silenceTime)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-done:
			return
		}
		s.mu.Lock()
		for p := range s.set {
			_ = p.Conn.Close() // nobody waits for an answer on it
		}
		s.mu.Unlock()
	}
}

// patient is a connection that, once marked, is closed in steps: our side ends,
// then what the client still sends is read and dropped for a moment. Closing at
// once with unread input would make the kernel reset the connection and the
// client lose the reply.
type patient struct {
	net.Conn
	detached atomic.Pointer[Detached]
	of       *silentConns
	spoke    atomic.Bool
	linger   atomic.Bool

	reads, writes waits
	remote        string // the client's address, once it was asked for
}

func (p *patient) Read(b []byte) (int, error) {
	defer p.reads.end()
	if err := p.reads.begin(p.Conn.SetReadDeadline); err != nil {
		return 0, err
	}
	n, err := p.Conn.Read(b)
	if !p.spoke.Load() {
		p.speak()
	}
	return n, err
}

func (p *patient) Write(b []byte) (int, error) {
	defer p.writes.end()
	if err := p.writes.begin(p.Conn.SetWriteDeadline); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}

func (p *patient) SetReadDeadline(t time.Time) error { return p.reads.want(t, p.Conn.SetReadDeadline) }

func (p *patient) SetWriteDeadline(t time.Time) error {
	return p.writes.want(t, p.Conn.SetWriteDeadline)
}

func (p *patient) SetDeadline(t time.Time) error {
	return errors.Join(p.SetReadDeadline(t), p.SetWriteDeadline(t))
}

func (p *patient) speak() {
	if !p.spoke.Swap(true) {
		p.of.remove(p)
	}
}

func linger(c net.Conn) {
	if p, ok := c.(*patient); ok {
		p.linger.Store(true)
	}
}

func (p *patient) Close() error {
	if d := p.detached.Load(); d != nil {
		d.abandon()
	}
	p.speak()
	if !p.linger.Swap(false) {
		return p.Conn.Close()
	}
	if half, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		if half.CloseWrite() == nil && p.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
			_, _ = io.CopyN(io.Discard, p, lingerBytes)
		}
	}
	return p.Conn.Close()
}

func (p *patient) abort() {
	if t, ok := p.Conn.(interface{ SetLinger(sec int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = p.Conn.Close()
}

// Abort closes a connection of this server, hijacked or not, and drops what it
// still had to send: a client that does not read would otherwise hold megabytes
// of the kernel for minutes.
func Abort(c net.Conn) {
	if u, ok := c.(interface{ UnsafeConn() net.Conn }); ok {
		c = u.UnsafeConn()
	}
	if p, ok := c.(*patient); ok {
		p.abort()
		return
	}
	_ = c.Close()
}

// ambiguous reports whether a request states both lengths, which two servers in
// a row may read differently (RFC 9112 section 6.3); fasthttp lets it pass and
// then forgets the encoding, so the raw lines are looked at.
func ambiguous(h *fasthttp.RequestHeader) bool {
	var length, encoding bool
	for raw := h.RawHeaders(); len(raw) > 0; {
		end := bytes.IndexByte(raw, '\n')
		if end < 0 {
			end = len(raw) - 1
		}
		switch raw[0] | 0x20 {
		case 'c':
			length = length || named(raw, "content-length:")
		case 't':
			encoding = encoding || named(raw, "transfer-encoding:")
		}
		raw = raw[end+1:]
	}
	return length && encoding
}

func named(line []byte, name string) bool {
	return len(line) >= len(name) && strings.EqualFold(text(line[:len(name)]), name)
}
