package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// Exchange is one RPC while it is served: what logs and metrics say of it, and
// what its client is told beside messages. It belongs to the handler.
type Exchange struct {
	// RequestID is the caller's or a new one.
	RequestID string
	// Transport and Op must come from closed lists; an Op of "" is not counted.
	Transport, Op string
	Project       string
	Entity        string
	Principal     string
	// Long marks a call whose length says nothing of its quality, as a watch's.
	Long bool
	// Unread tells that the client need not take what it is sent for now: the handler
	// does not wait for that, and the call does not end after Patience.
	Unread atomic.Bool

	started time.Time
	sent    metadata.MD
	header  metadata.MD
	who     *Caller // once it has been found out
}

type exchangeKey struct{}

// ExchangeOf returns the exchange of the RPC whose context, or a child of it, that
// is. A context from elsewhere has none, and gets one that nobody looks at.
func ExchangeOf(ctx context.Context) *Exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*Exchange); ok {
		return x
	}
	return &Exchange{}
}

// Sent is the metadata that the client of an RPC sent. It is not to be changed:
// gRPC makes a copy each time it is asked, so this one serves all who read it.
func Sent(ctx context.Context) metadata.MD {
	if x := ExchangeOf(ctx); x.sent != nil {
		return x.sent
	}
	md, _ := metadata.FromIncomingContext(ctx)
	return md
}

// Tell adds header metadata. It leaves with the first message or with the
// status, whichever comes first.
func (x *Exchange) Tell(key, value string) {
	if x.header == nil {
		x.header = metadata.MD{}
	}
	x.header[key] = []string{value}
}

func begin(ctx context.Context) *Exchange {
	x := &Exchange{started: time.Now()}
	x.sent, _ = metadata.FromIncomingContext(ctx)
	if ids := x.sent["x-request-id"]; len(ids) == 1 && telemetry.ValidRequestID(ids[0]) {
		x.RequestID = ids[0]
	} else {
		x.RequestID = telemetry.NewRequestID()
	}
	x.header = metadata.MD{"x-request-id": []string{x.RequestID}}
	return x
}

// stream serves an RPC.
func (e *Entrance) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	x := begin(ss.Context())
	s := e.open(ss, x, info != nil && !info.IsClientStream)
	defer func() {
		if r := recover(); r != nil {
			err = panicked(r)
		}
		s.close()
		err = e.finish(x, err)
		s.head()
	}()
	return handler(srv, s)
}

// Serve serves a call that did not come through gRPC's own server as if it had.
// Its error is a status.
func (e *Entrance) Serve(ss grpc.ServerStream, handler grpc.StreamHandler) error {
	return e.stream(nil, ss, nil, handler)
}

func panicked(r any) error {
	return fault.Wrap(fmt.Errorf("panic: %v\n%s", r, debug.Stack()), fault.Internal, "something went wrong on our side")
}

// finish counts and logs an exchange and makes its error a status.
func (e *Entrance) finish(x *Exchange, err error) error {
	took, code := time.Since(x.started), "ok"
	var out error
	if err != nil {
		code, out = status(err, x.RequestID)
	}
	if x.Op != "" && !x.Long {
		e.Metrics.Request(x.Transport, x.Op, code, took)
	}
	if err != nil || took > telemetry.Slow && !x.Long {
		e.log(x, err, code, took)
	}
	return out
}

func (e *Entrance) log(x *Exchange, err error, code string, took time.Duration) {
	level, msg := slog.LevelInfo, "slow call"
	switch {
	case err != nil && fault.Code(code).HTTP() >= 500:
		level, msg = slog.LevelError, "call failed"
	case err != nil:
		msg = "call refused"
	}
	args := []any{
		telemetry.KeyRequestID, x.RequestID, telemetry.KeyProject, x.Project, telemetry.KeyEntity, x.Entity,
		telemetry.KeyOp, x.Op, telemetry.KeyTransport, x.Transport, telemetry.KeyPrincipal, x.Principal,
		telemetry.KeyCode, code, telemetry.KeyMillis, took.Milliseconds(),
	}
	if err != nil {
		args = append(args, telemetry.KeyError, strings.ToValidUTF8(err.Error(), "?"))
	}
	e.Log.Log(context.Background(), level, msg, args...)
}
