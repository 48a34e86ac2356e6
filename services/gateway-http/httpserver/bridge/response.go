package bridge

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// What becomes of a response; it is decided once.
const (
	pending int32 = iota
	stream        // the handler flushed: it goes on the bare connection
	given         // it is complete, or was answered in its place
)

// response is the http.ResponseWriter. A handler may write from several
// goroutines, and from one that outlives it: what comes late is refused.
type response struct {
	state     atomic.Int32
	streaming chan struct{} // closed when state becomes stream
	taken     chan net.Conn // the connection; closed when it broke before
	done      chan struct{} // closed when the handler returned
	cancel    func()
	patience  time.Duration
	panicked  any
	head      []byte // set before taken receives

	header http.Header // the handler's
	sent   http.Header // what it was when the status was fixed

	mu     sync.Mutex
	status int
	body   []byte // what has not been sent
	conn   net.Conn
	over   bool
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begin(status)
}

// begin fixes the status and what the header is until then.
func (w *response) begin(status int) {
	if w.status == 0 && status >= 200 && !w.over {
		w.status, w.sent = status, w.header.Clone()
	}
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return 0, errGone
	}
	w.begin(http.StatusOK)
	w.body = append(w.body, p...)
	return len(p), nil
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError sends what was written. The first call waits until the connection
// is free for it.
func (w *response) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return errGone
	}
	w.begin(http.StatusOK)
	if w.conn == nil {
		if !w.state.CompareAndSwap(pending, stream) {
			w.over = true
			return errGone
		}
		close(w.streaming)
		conn, ok := <-w.taken
		if !ok {
			w.over = true
			return errGone
		}
		w.conn = conn
		w.body = append(w.head, w.body...)
	}
	return w.send()
}

func (w *response) send() error {
	if len(w.body) == 0 {
		return nil
	}
	err := w.conn.SetWriteDeadline(time.Now().Add(w.patience))
	if err == nil {
		_, err = w.conn.Write(w.body)
	}
	w.body = w.body[:0]
	if cap(w.body) > keep {
		w.body = nil
	}
	if err != nil {
		w.over = true
		w.cancel()
		httpserver.Abort(w.conn)
	}
	return err
}

// keep bounds the room that a quiet stream holds on to.
const keep = 16 << 10

// end closes the response when the handler has returned. It must be deferred
// directly.
func (w *response) end() {
	w.panicked = recover()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn != nil && !w.over {
		_ = w.send()
	}
	w.begin(http.StatusOK)
	w.over = true
	w.state.CompareAndSwap(pending, given)
}

// copyHeader puts the handler's header into x's reply, once w is streaming or
// done. What concerns the connection alone is the server's own affair.
func (w *response) copyHeader(x *httpserver.Exchange) {
	for name, values := range w.sent {
		switch name {
		case "Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Date":
			continue
		}
		for i, v := range values {
			if strings.ContainsAny(v, "\r\n\x00") {
				continue
			}
			if i == 0 {
				x.Ctx.Response.Header.Set(name, v)
			} else {
				x.Ctx.Response.Header.Add(name, v)
			}
		}
	}
}
