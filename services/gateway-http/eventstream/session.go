package eventstream

import (
	"context"
	"net"
	"time"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// Frames are what a protocol of one-way streams writes. Each appends to b.
type Frames interface {
	Event(b []byte, e *event.Event) []byte
	// Idle tells a client that nothing has come for a while and how far it is.
	Idle(b []byte, at mesh.Position) []byte
	// Bye tells why the stream ends; nothing follows it.
	Bye(b []byte, e live.Ending) []byte
}

// Session is one open stream of events to a client that only listens. Its Run
// owns everything but the reading side of the connection.
type Session struct {
	Writer
	Frames
	Stream *live.Opened
	Client *live.Conn
	// Pause is after how long an idle stream gets a frame, which keeps proxies
	// from closing it and finds dead clients.
	Pause    time.Duration
	Stopping <-chan struct{}
}

// Close gives up what Run would have used.
func (s *Session) Close() {
	s.Stream.Close()
	s.Client.Remove()
}

// Run writes hello, and then events until the client goes, the stream ends or
// the server stops.
func (s *Session) Run(ctx context.Context, c net.Conn, hello []byte) {
	s.Conn = c
	defer s.Close()
	if s.Write(hello) != nil {
		return
	}
	gone := Gone(c)
	defer func() {
		_ = c.Close()
		<-gone
	}()
	tick := time.NewTicker(s.Pause)
	defer tick.Stop()
	pace := s.Client.Pace()
	defer pace.Stop()
	for {
		var err error
		due := false
		select {
		case <-gone:
			return
		case <-ctx.Done():
			return
		case <-s.Stopping:
			s.bye(live.Ending{Reason: "shutdown", Position: s.Stream.Position()})
			return
		case e := <-s.Client.Ended():
			e.Position = s.Stream.Position()
			s.bye(e)
			return
		case now := <-tick.C:
			if e, ok := s.Client.Check(ctx, now); !ok {
				e.Position = s.Stream.Position()
				s.bye(e)
				return
			}
			err = s.Write(s.Idle(nil, s.Stream.Position()))
		case <-s.Stream.Ready():
			due = pace.Now()
		case <-pace.Later():
			due = pace.Now()
		}
		if due {
			err = s.Drain(s.Stream, s.Event)
			if end := s.Stream.Err(); err == nil && end != nil {
				// Events that came between the last Pop and the end.
				if err = s.Drain(s.Stream, s.Event); err == nil {
					s.bye(live.EndingOf(end, s.Stream.Position()))
				}
				return
			}
		}
		if err != nil {
			return // it will resume after the last position that it got
		}
	}
}

// bye says why the stream ends; the client may be past hearing it.
func (s *Session) bye(e live.Ending) { _ = s.Write(s.Bye(nil, e)) }

// Gone is closed when the client closes. A client has nothing to say here: what
// it sends is dropped.
func Gone(c net.Conn) <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		var room [16]byte
		for {
			if _, err := c.Read(room[:]); err != nil {
				return
			}
		}
	}()
	return gone
}
