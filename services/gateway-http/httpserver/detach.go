package httpserver

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync/atomic"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// Detached is a connection that leaves HTTP for a protocol of its own. Shutdown
// waits for it. The connection may break before the protocol takes over: then
// fasthttp never calls the hijack handler, and what was opened for it is given
// back by abandon.
type Detached struct {
	server    *Server
	state     atomic.Int32
	abandoned func()
}

const (
	waiting int32 = iota
	begun
	ended
)

// Detach announces that the connection will leave HTTP. If it breaks before
// Begin, abandoned is called (nil: nothing to give back). Otherwise End must be
// called when the connection is closed. Errors: UNAVAILABLE when the server is
// stopping; abandoned is then not called.
func (x *Exchange) Detach(abandoned func()) (*Detached, error) {
	s := x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fault.New(fault.Unavailable, "the server is stopping")
	}
	s.streams.Add(1)
	x.detached = true
	d := &Detached{server: s, abandoned: abandoned}
	if p, ok := x.Ctx.Conn().(*patient); ok {
		p.detached.Store(d)
	}
	return d, nil
}

// Context ends when the server's patience does.
func (d *Detached) Context() context.Context { return d.server.life }

// Begin takes the connection over; false if it broke before.
func (d *Detached) Begin() bool { return d.state.CompareAndSwap(waiting, begun) }

// End tells that the connection is closed.
func (d *Detached) End() {
	if d.state.Swap(ended) != ended {
		d.server.streams.Done()
	}
}

// abandon is called when the connection is closed.
func (d *Detached) abandon() {
	if !d.state.CompareAndSwap(waiting, ended) {
		return
	}
	if d.abandoned != nil {
		d.abandoned()
	}
	d.server.streams.Done()
}

// Hijack takes the connection from HTTP without a reply and gives it to serve
// in a goroutine of its own; the connection is closed when serve returns. What
// the client sent beyond the request is dropped. The Exchange must not be used
// in serve. If serve is never called, also because Hijack fails, abandoned is.
// Errors: UNAVAILABLE.
func (x *Exchange) Hijack(serve func(ctx context.Context, c net.Conn), abandoned func()) error {
	d, err := x.Detach(abandoned)
	if err != nil {
		if abandoned != nil {
			abandoned()
		}
		return err
	}
	log, id := x.server.o.Log, x.RequestID
	x.Ctx.HijackSetNoResponse(true)
	x.Ctx.Hijack(func(c net.Conn) {
		if !d.Begin() {
			return
		}
		// The bare connection, so that fasthttp's read buffer can go.
		if u, ok := c.(interface{ UnsafeConn() net.Conn }); ok {
			c = u.UnsafeConn()
		}
		go func() {
			defer d.End()
			defer func() { _ = c.Close() }()
			defer Recover(log, id)
			serve(d.Context(), c)
		}()
	})
	return nil
}

// Recover ends a panic of a detached connection with a log line. It must be
// deferred directly.
func Recover(log *slog.Logger, requestID string) {
	if r := recover(); r != nil {
		log.Error("panic in a stream", telemetry.KeyRequestID, requestID, telemetry.KeyError, fmt.Sprint(r), "stack", string(debug.Stack()))
	}
}
