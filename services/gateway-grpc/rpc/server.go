package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/octomesh/octomesh/pkg/fault"
)

const (
	// MaxMessage is the largest message that a client may send, in bytes; HTTP
	// requests have the same limit.
	MaxMessage = 8<<20 - 64<<10
	// maxStreams is how many RPCs one connection may have open.
	maxStreams = 2000
	// workers serve calls one after another on stacks that have grown already; what
	// they cannot take at once gets a goroutine of its own.
	workers = 128
	// connWindow is how much may be on its way to us on one connection, in bytes: 8 MB a
	// second where a round trip takes 100 ms.
	connWindow = 1 << 20
	// writeBuffer is what a connection gathers before it asks the system to send
	// it: a batch of columns in two steps instead of twelve. A connection has it
	// only while there is something to be sent.
	writeBuffer = 256 << 10
	// maxHeader bounds the metadata of a call in bytes.
	maxHeader = 16 << 10
)

// NewServer returns a server whose calls pass the entrance. other gets the calls
// of methods that no registered service has; it reads and writes *Message. Services
// are registered by way of Streams. Windows are static: what a call sends before it is
// read is SmallMessage at most, and no connection is asked again and again how fast it
// is.
func NewServer(e *Entrance, other grpc.StreamHandler) *grpc.Server {
	return grpc.NewServer(
		grpc.ForceServerCodecV2(messages),
		grpc.StreamInterceptor(e.stream), grpc.UnknownServiceHandler(other),
		grpc.StaticStreamWindowSize(SmallMessage), grpc.StaticConnWindowSize(connWindow), grpc.MaxConcurrentStreams(maxStreams), grpc.MaxHeaderListSize(maxHeader),
		grpc.NumStreamWorkers(workers),
		grpc.WriteBufferSize(writeBuffer),
		grpc.ConnectionTimeout(20*time.Second),
		// A dead client is found within two minutes, and one may ask as often as
		// every ten seconds whether we are alive.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	)
}

// Shutdown stops accepting, waits for calls until ctx ends and then drops what is
// left. It reports whether nothing was dropped.
func Shutdown(ctx context.Context, s *grpc.Server) bool {
	done := make(chan struct{})
	go func() {
		s.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		s.Stop()
		<-done
		return false
	}
}

// Unknown answers a call of a method that there is not. Errors: UNKNOWN_OP.
func Unknown(any, grpc.ServerStream) error {
	return fault.New(fault.UnknownOp, "there is no such method; server reflection lists all")
}
