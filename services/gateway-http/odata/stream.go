package odata

import (
	"errors"
	"io"
	"net"
	"time"
)

// chunks passes a chunked reply on.
func (r *request) chunks(s *streamed) {
	x := r.x
	x.Ctx.SetStatusCode(r.res.status)
	x.Ctx.Response.Header.SetContentType("application/x-ndjson")
	x.SetBody(&lines{streamed: s, conn: x.Ctx.Conn(), patience: x.WriteTimeout()})
}

// lines is a chunked reply as fasthttp takes it: each chunk of the mesh becomes
// one of HTTP, so that memory stays flat and a client who went away is noticed at
// the next write.
type lines struct {
	*streamed
	conn     net.Conn
	patience time.Duration
}

// SupportsBodyWriteTo makes fasthttp call WriteTo.
func (l *lines) SupportsBodyWriteTo() bool { return true }

// WriteTo writes all chunks. An error breaks the connection without the last
// chunk of HTTP, by which the client sees that the reply is not whole.
func (l *lines) WriteTo(w io.Writer) (total int64, err error) {
	next := l.first
	for !l.ended {
		if len(next) > 0 {
			if err := l.conn.SetWriteDeadline(time.Now().Add(l.patience)); err != nil {
				return total, err
			}
			n, err := w.Write(next)
			if total += int64(n); err != nil {
				return total, err
			}
		}
		if next, err = l.reply.Chunks.Next(l.ctx); err != nil {
			l.ended = true
			if !errors.Is(err, io.EOF) {
				return total, err
			}
		}
	}
	return total, nil
}

// Read is for the io.Reader that fasthttp asks for; WriteTo is what it uses.
func (l *lines) Read([]byte) (int, error) { return 0, io.ErrNoProgress }

// Close gives the producer up.
func (l *lines) Close() error {
	err := l.reply.Chunks.Close()
	l.cancel()
	return err
}
