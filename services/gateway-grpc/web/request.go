package web

import (
	"context"
	"net/http"
	"time"

	"google.golang.org/grpc"

	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

const (
	// readTime is how long a request may take to arrive, writeTime how long a
	// client may take nothing of a message of ours.
	readTime, writeTime = rpc.Arrival, rpc.Patience
	// lastWords is how long a call that is over waits for a message that is
	// leaving.
	lastWords = time.Second
)

// request is what lies beneath a call. Connect reads a body before anybody is asked
// for a key, so that what may be large takes its share of the room first.
type request struct {
	method string
	conn   *http.ResponseController
	share  rpc.Share
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
	q.share.Keep(int64(len(m.bytes)))
	_ = q.conn.SetReadDeadline(time.Time{})
	return &call{request: q, in: m, json: m.json}
}

// crowded refuses a call for whose message there is no room.
func crowded(any, grpc.ServerStream) error {
	return rpc.Crowded()
}
