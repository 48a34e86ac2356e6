package httpserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/mesh"
)

// Stream replies with status 200 and what head, the chunks and tail make
// together, in memory that stays flat however much it is. The first chunk is
// awaited, so that a refusal can still get a reply of its own: then the error is
// returned and nothing has been written. A producer that breaks later breaks
// the connection, by which the client sees that the reply is not whole. cancel,
// unless it is nil, is called and the chunks are closed in every case. head and
// tail must outlive the handler, as the contexts of an Exchange do.
func (x *Exchange) Stream(ctx context.Context, cancel context.CancelFunc, contentType string, head []byte, chunks mesh.Chunks, tail []byte) error {
	first, err := chunks.Next(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		_ = (&stream{cancel: cancel, chunks: chunks}).Close()
		return err
	}
	x.Ctx.SetStatusCode(fasthttp.StatusOK)
	x.Ctx.Response.Header.SetContentType(contentType)
	x.SetBody(&stream{
		ctx: ctx, cancel: cancel, chunks: chunks, conn: x.Ctx.Conn(), patience: x.WriteTimeout(),
		head: head, tail: tail, next: first, ended: err != nil,
	})
	return nil
}

// Body is a reply of unknown length that writes itself, sets the deadlines of its
// connection and is closed in every case.
type Body interface {
	io.ReadCloser
	io.WriterTo
}

// SetBody replies with a body of unknown length: in chunks, or, to a client of
// HTTP/1.0, which knows none (RFC 9112 section 6.1), as it is until the
// connection's end.
func (x *Exchange) SetBody(b Body) {
	if x.Ctx.Request.Header.IsHTTP11() {
		x.Ctx.Response.SetBodyStream(b, -1)
		return
	}
	x.Ctx.SetConnectionClose()
	if x.Ctx.IsHead() {
		_ = b.Close() // a producer given up is no failure
		return
	}
	x.SetHeader("X-Content-Type-Options", "nosniff")
	head := bytes.Clone(x.Ctx.Response.Header.Header())
	over := func() { _ = b.Close() } // nobody is left to tell
	err := x.Hijack(func(_ context.Context, c net.Conn) {
		defer over()
		if _, err := c.Write(head); err != nil {
			return
		}
		if _, err := b.WriteTo(c); err != nil {
			Abort(c) // so that the end does not look like the whole
		}
	}, over)
	if err != nil {
		x.Fail(err)
		return
	}
	x.detached = false // it counts like any other reply
}

// stream is a chunked reply as fasthttp takes it: each chunk of the mesh becomes
// one chunk of HTTP, and a client who went away is noticed at the next write.
type stream struct {
	ctx        context.Context
	cancel     context.CancelFunc
	chunks     mesh.Chunks
	conn       net.Conn
	patience   time.Duration
	head, tail []byte
	next       []byte
	ended      bool
}

// SupportsBodyWriteTo makes fasthttp call WriteTo.
func (b *stream) SupportsBodyWriteTo() bool { return true }

// WriteTo writes all chunks. An error breaks the connection without the last
// chunk of HTTP.
func (b *stream) WriteTo(w io.Writer) (int64, error) {
	var total int64
	write := func(p []byte) error {
		if len(p) == 0 {
			return nil
		}
		if err := b.conn.SetWriteDeadline(time.Now().Add(b.patience)); err != nil {
			return err
		}
		n, err := w.Write(p)
		total += int64(n)
		return err
	}
	if err := write(b.head); err != nil {
		return total, err
	}
	for !b.ended {
		if err := write(b.next); err != nil {
			return total, err
		}
		var err error
		if b.next, err = b.chunks.Next(b.ctx); err != nil {
			b.ended = true
			if !errors.Is(err, io.EOF) {
				return total, err
			}
		}
	}
	return total, write(b.tail)
}

// Read is for the io.Reader that fasthttp asks for; WriteTo is what it uses.
func (b *stream) Read([]byte) (int, error) { return 0, io.ErrNoProgress }

// Close gives the producer up.
func (b *stream) Close() error {
	err := b.chunks.Close()
	if b.cancel != nil {
		b.cancel()
	}
	return err
}
