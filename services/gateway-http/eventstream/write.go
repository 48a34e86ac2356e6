package eventstream

import (
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// MaxBatch is up to how many bytes of waiting events go out in one write.
const MaxBatch = 64 << 10

// batches are the buffers that events wait in; a connection that has nothing to
// send has none.
var batches = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// Writer writes to a connection with a deadline each time. Whole frames go out
// in one call, so writers of several goroutines do not mix.
type Writer struct {
	Conn     net.Conn
	Patience time.Duration
}

// Write writes p. A connection that cannot take it in time is closed at once.
func (w Writer) Write(p []byte) error {
	if err := w.Conn.SetWriteDeadline(time.Now().Add(w.Patience)); err != nil {
		return err
	}
	_, err := w.Conn.Write(p)
	if err != nil {
		httpserver.Abort(w.Conn)
	}
	return err
}

// Drain writes all events that wait in s, as frame appends them, with as few
// system calls as MaxBatch allows.
func (w Writer) Drain(s live.Stream, frame func(dst []byte, e *event.Event) []byte) error {
	e, ok := s.Pop()
	if !ok {
		return nil
	}
	room := batches.Get().(*[]byte)
	defer func() {
		if cap(*room) <= 4*MaxBatch {
			*room = (*room)[:0]
			batches.Put(room)
		}
	}()
	b := (*room)[:0]
	for ok {
		b = frame(b, &e)
		if e, ok = s.Pop(); !ok || len(b)+len(e.JSON) > MaxBatch {
			*room = b
			if err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	return nil
}

// EventStream is the media type of server-sent events.
const EventStream = "text/event-stream; charset=utf-8"

// Begin is the head of a reply that is a stream of server-sent events, for who
// writes it himself after Hijack.
func Begin(x *httpserver.Exchange) []byte {
	h := &x.Ctx.Response.Header
	h.SetStatusCode(fasthttp.StatusOK)
	h.SetContentType(EventStream)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	h.SetContentLength(-2)
	h.SetConnectionClose()
	return h.AppendBytes(make([]byte, 0, 1024))
}
