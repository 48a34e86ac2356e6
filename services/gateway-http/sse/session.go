package sse

import (
	"context"
	"net"
	"time"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/live"
)

// session is one open stream. Its run owns everything but the reading side of
// the connection.
type session struct {
	live.Writer
	stream   *live.Opened
	conn     *live.Conn
	comment  time.Duration
	stopping <-chan struct{}
}

func (s *session) close() {
	s.stream.Close()
	s.conn.Remove()
}

// run writes until the client goes, the stream ends or the server stops.
func (s *session) run(ctx context.Context, hello []byte) {
	defer s.close()
	if s.Write(hello) != nil {
		return
	}
	gone := make(chan struct{})
	go await(s.Conn, gone)
	defer func() {
		_ = s.Conn.Close()
		<-gone
	}()
	tick := time.NewTicker(s.comment)
	defer tick.Stop()
	pace := s.conn.Pace()
	defer pace.Stop()
	for {
		var err error
		due := false
		select {
		case <-gone:
			return
		case <-ctx.Done():
			return
		case <-s.stopping:
			s.bye(live.Ending{Reason: "shutdown", Position: s.stream.Position()})
			return
		case e := <-s.conn.Ended():
			e.Position = s.stream.Position()
			s.bye(e)
			return
		case now := <-tick.C:
			if e, ok := s.conn.Check(ctx, now); !ok {
				e.Position = s.stream.Position()
				s.bye(e)
				return
			}
			// The id tells a client whose filter lets little through how far it
			// has come; without data it is no event.
			err = s.Write(append(appendID(nil, s.stream.Position()), ":\n\n"...))
		case <-s.stream.Ready():
			due = pace.Now()
		case <-pace.Later():
			due = pace.Now()
		}
		if due {
			err = s.Drain(s.stream, s.event)
			if end := s.stream.Err(); err == nil && end != nil {
				// Events that came between the last Pop and the end.
				if err = s.Drain(s.stream, s.event); err == nil {
					s.bye(live.EndingOf(end, s.stream.Position()))
				}
				return
			}
		}
		if err != nil {
			return // it will resume after the last id that it got
		}
	}
}

// await reads until the client closes. A client has nothing to say here: what
// it sends is dropped.
func await(c net.Conn, gone chan<- struct{}) {
	defer close(gone)
	var room [16]byte
	for {
		if _, err := c.Read(room[:]); err != nil {
			return
		}
	}
}

// event appends one server-sent event (HTML standard, section 9.2). JSON text
// has no line breaks, so one data line is enough.
func (s *session) event(b []byte, e *event.Event) []byte {
	if e.Type == event.Gap {
		return s.gap(b, e.Position)
	}
	b = appendID(b, e.Position)
	b = append(append(b, "event: entity."...), e.Type...)
	b = append(append(b, "\ndata: "...), e.JSON...)
	return append(b, "\n\n"...)
}

func appendID(b []byte, p mesh.Position) []byte {
	b = append(b, "id: "...)
	return append(p.Append(b), '\n')
}

// gap tells that changes were missed. It is no error: an EventSource that gets
// a status other than 200 never comes back.
func (s *session) gap(b []byte, p mesh.Position) []byte {
	b = appendID(b, p)
	b = append(b, "event: gap\ndata: {\"type\":\"gap\",\"position\":\""...)
	return append(p.Append(b), "\"}\n\n"...)
}

// bye says why the stream ends and from where to go on; the client may be past
// hearing it.
func (s *session) bye(e live.Ending) { _ = s.Write(appendBye(nil, e)) }

func appendBye(b []byte, e live.Ending) []byte {
	if !e.Position.IsZero() {
		b = appendID(b, e.Position)
	}
	b = append(b, `event: bye`+"\n"+`data: {"type":"bye","reason":"`...)
	b = append(b, e.Reason...)
	if e.Code != "" {
		b = append(append(b, `","code":"`...), e.Code...)
	}
	b = append(b, `","position":"`...)
	return append(append(b, e.Position.String()...), "\"}\n\n"...)
}
