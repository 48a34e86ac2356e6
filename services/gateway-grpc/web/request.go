package web

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

const (
	// readTime is how long a request may take to arrive, writeTime how long a
	// client may take nothing of a message of ours; both are those of REST.
	readTime  = 15 * time.Second
	writeTime = 30 * time.Second
	// lastWords is how long a call that is over waits for a message that is
	// leaving.
	lastWords = time.Second

	// smallBody is what a request may always send, however many do so.
	smallBody = 64 << 10
	// allBodies is what all that send more may, in bytes.
	allBodies = 32 * rpc.MaxMessage
)

// bodies counts the bytes of all requests over smallBody that arrive or are
// worked on: connect reads a body before anybody is asked for a key.
type bodies struct{ used atomic.Int64 }

// request is what lies beneath a call.
type request struct {
	method string
	conn   *http.ResponseController
	bodies *bodies
	held   int64 // of bodies
}

// reserve makes n what the request holds, unless there is no room; what is small
// needs none.
func (q *request) reserve(n int64) bool {
	if n <= smallBody {
		n = 0
	}
	if more := n - q.held; q.bodies.used.Add(more) > allBodies && more > 0 {
		q.bodies.used.Add(-more)
		return false
	}
	q.held = n
	return true
}

// size is how many bytes the message of a request may have, and whether the head
// says that it is large.
func size(r *http.Request) (n int64, known bool) {
	for _, name := range []string{"Content-Encoding", "Connect-Content-Encoding", "Grpc-Encoding"} {
		if v := r.Header.Get(name); v != "" && v != "identity" {
			return rpc.MaxMessage, true // any size, once unpacked
		}
	}
	if r.ContentLength < 0 {
		return rpc.MaxMessage, false
	}
	return min(r.ContentLength, rpc.MaxMessage), true
}

type requestKey struct{}

// arrived is the call of a message that has been read: nothing more is waited for.
func arrived(ctx context.Context, m *message) *call {
	q := ctx.Value(requestKey{}).(*request)
	q.reserve(min(int64(len(m.bytes)), q.held))
	_ = q.conn.SetReadDeadline(time.Time{})
	return &call{request: q, in: m, json: m.json}
}

// crowded refuses a call for whose message there is no room.
func crowded(any, grpc.ServerStream) error {
	return fault.New(fault.Overloaded, "too many large requests are being worked on: try again").After(time.Second)
}
