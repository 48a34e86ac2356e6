// Package bridge lets a net/http handler answer requests of this gateway: an
// Exchange becomes an http.Request that shares no byte with it, what the handler
// writes becomes the reply. A reply that the handler flushes leaves HTTP's
// request and reply and becomes a stream on the bare connection, whose end, on
// either side, ends the request's context.
//
// Libraries that speak net/http keep strings of a request, wait on its context
// and look at its local address; all three have to be what they are there.
package bridge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// Call is one request on its way through a handler.
type Call struct {
	// Request may be changed, or replaced by one of a context below its own,
	// before Serve.
	Request *http.Request
	// Patience is how long the handler may take to finish or to flush.
	Patience time.Duration
	// Fail replies with an error where the handler did not: too late, or the
	// server is stopping. The default is x.Fail.
	Fail func(error)
	// Edit, unless it is nil, changes a reply that is no stream before it goes
	// out; it may change the header.
	Edit func(status int, h http.Header, body []byte) []byte

	x      *httpserver.Exchange
	cancel context.CancelFunc
}

// New copies the request of x. Errors: INVALID_REQUEST for a target that is no
// URL. Serve must be called if there is none.
func New(x *httpserver.Exchange) (*Call, error) {
	target := string(x.Ctx.RequestURI())
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, fault.New(fault.InvalidRequest, "the request's target is malformed")
	}
	header := make(http.Header, 16)
	for k, v := range x.Ctx.Request.Header.All() {
		header.Add(string(k), string(v))
	}
	host := string(x.Ctx.Host())
	header.Del("Host")
	body := bytes.Clone(x.Body())
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), http.LocalAddrContextKey, x.Ctx.LocalAddr()))
	r := &http.Request{
		Method: string(x.Ctx.Method()), URL: u, RequestURI: target, Host: host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		RemoteAddr: x.Ctx.RemoteAddr().String(),
	}
	return &Call{
		Request: r.WithContext(ctx), Patience: time.Minute, Fail: x.Fail, x: x, cancel: cancel,
	}, nil
}

// Cancel ends the request's context. It may be called at any time, also after
// Serve returned.
func (c *Call) Cancel() { c.cancel() }

// Serve has h answer the request. It returns when the reply is complete, or has
// become a stream, which goes on without the Exchange. ended, unless it is nil,
// is called once when h is through and nothing more will be written.
func (c *Call) Serve(h http.Handler, ended func()) {
	w := &response{header: http.Header{}, streaming: make(chan struct{}), taken: make(chan net.Conn, 1), done: make(chan struct{}), cancel: c.cancel, patience: c.x.WriteTimeout()}
	go func() {
		defer close(w.done)
		defer c.cancel()
		if ended != nil {
			defer ended()
		}
		defer w.end()
		h.ServeHTTP(w, c.Request)
	}()
	timer := time.NewTimer(c.Patience)
	defer timer.Stop()
	select {
	case <-w.done:
	case <-w.streaming:
	case <-timer.C:
		if w.state.CompareAndSwap(pending, given) {
			c.cancel()
			c.Fail(fault.New(fault.Timeout, "the request took too long"))
			return
		}
		select { // it has just done one or the other
		case <-w.done:
		case <-w.streaming:
		}
	}
	if w.state.Load() == stream {
		c.stream(w)
		return
	}
	if w.panicked != nil {
		panic(w.panicked)
	}
	if c.Edit != nil {
		w.body = c.Edit(w.status, w.sent, w.body)
	}
	w.copyHeader(c.x)
	c.x.Ctx.SetStatusCode(w.status)
	c.x.Ctx.Response.SetBodyRaw(w.body)
}

// stream hands the connection over to w.
func (c *Call) stream(w *response) {
	w.copyHeader(c.x)
	h := &c.x.Ctx.Response.Header
	h.SetStatusCode(w.status)
	h.SetContentLength(-2) // until the connection closes
	h.SetConnectionClose()
	head := h.AppendBytes(make([]byte, 0, 512))
	stopping := c.x.Stopping()
	err := c.x.Hijack(func(ctx context.Context, conn net.Conn) {
		defer context.AfterFunc(ctx, c.cancel)()
		gone := make(chan struct{})
		go await(conn, gone)
		w.head = head
		w.taken <- conn
		for open := true; open; {
			select {
			case <-gone:
				c.cancel()
				gone = nil
			case <-stopping:
				c.cancel()
				stopping = nil
			case <-w.done:
				open = false
			}
		}
		_ = conn.Close()
		if gone != nil {
			<-gone
		}
		if w.panicked != nil {
			panic(w.panicked) // logged by the server
		}
	}, func() {
		c.cancel()
		close(w.taken)
	})
	if err != nil {
		h.ResetConnectionClose()
		c.Fail(err)
	}
}

// await reads until the client closes; what it sends is dropped.
func await(c net.Conn, gone chan<- struct{}) {
	defer close(gone)
	var room [16]byte
	for {
		if _, err := c.Read(room[:]); err != nil {
			return
		}
	}
}

var errGone = errors.New("the client is gone, or the reply is complete")
