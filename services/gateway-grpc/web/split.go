package web

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// preface is how a connection of HTTP/2 begins (RFC 9113, section 3.4), as far as
// it needs to be seen: no method of HTTP/1.1 does.
const preface = "PRI * HTTP/2"

// patience is how long a connection may take to say what it speaks.
const patience = 10 * time.Second

// Splitter parts the connections of a listener by what they speak.
type Splitter struct {
	ln     net.Listener
	one    *branch // HTTP/1.1
	two    *branch // HTTP/2
	done   chan struct{}
	once   sync.Once
	undone sync.WaitGroup // connections that have not said what they speak

	mu      sync.Mutex
	waiting map[net.Conn]struct{}
}

// Split starts to part ln's connections; Close ends it and ln.
func Split(ln net.Listener) *Splitter {
	s := &Splitter{ln: ln, done: make(chan struct{}), waiting: map[net.Conn]struct{}{}}
	s.one, s.two = &branch{s, make(chan net.Conn)}, &branch{s, make(chan net.Conn)}
	s.undone.Go(s.accept)
	return s
}

// HTTP1 gives the connections that speak HTTP/1.1, or nothing that is known.
func (s *Splitter) HTTP1() net.Listener { return s.one }

// HTTP2 gives the connections that speak HTTP/2 at once, as gRPC's do.
func (s *Splitter) HTTP2() net.Listener { return s.two }

// Close closes the listener and what has not been given away.
func (s *Splitter) Close() {
	s.end()
	s.undone.Wait()
}

func (s *Splitter) end() {
	s.once.Do(func() {
		close(s.done)
		_ = s.ln.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.waiting {
			_ = c.Close()
		}
	})
}

func (s *Splitter) accept() {
	for {
		c, err := s.ln.Accept()
		switch {
		case err == nil:
			s.undone.Go(func() { s.look(c) })
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ECONNABORTED):
			select { // until others have closed some
			case <-time.After(5 * time.Millisecond):
			case <-s.done:
				return
			}
		default:
			s.end()
			return
		}
	}
}

// look reads as much as tells which protocol it is, and gives the connection away.
func (s *Splitter) look(c net.Conn) {
	s.wait(c)
	seen := make([]byte, len(preface))
	_ = c.SetReadDeadline(time.Now().Add(patience))
	n, to := 0, s.two
	for n < len(preface) {
		m, err := c.Read(seen[n:])
		n += m
		if string(seen[:n]) != preface[:n] {
			to = s.one
			break
		}
		if err != nil {
			to = nil
			break
		}
	}
	_ = c.SetReadDeadline(time.Time{})
	s.mu.Lock()
	delete(s.waiting, c)
	s.mu.Unlock()
	if to != nil {
		select {
		case to.conns <- &replayed{Conn: c, seen: seen[:n]}:
			return
		case <-s.done:
		}
	}
	_ = c.Close()
}

// wait notes that a connection has not said anything yet; one that comes after
// the end is closed.
func (s *Splitter) wait(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[c] = struct{}{}
	select {
	case <-s.done:
		_ = c.Close()
	default:
	}
}

// branch is one of the listeners.
type branch struct {
	s     *Splitter
	conns chan net.Conn
}

// Accept implements net.Listener.
func (b *branch) Accept() (net.Conn, error) {
	select {
	case c := <-b.conns:
		return c, nil
	case <-b.s.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It closes both branches: they are one port.
func (b *branch) Close() error {
	b.s.end()
	return nil
}

// Addr implements net.Listener.
func (b *branch) Addr() net.Addr { return b.s.ln.Addr() }

// replayed is a connection whose first bytes have been read already.
type replayed struct {
	net.Conn
	seen []byte
}

// Read implements net.Conn.
func (r *replayed) Read(p []byte) (int, error) {
	if len(r.seen) > 0 {
		n := copy(p, r.seen)
		r.seen = r.seen[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}
