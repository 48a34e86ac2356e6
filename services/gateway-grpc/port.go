package gatewaygrpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"google.golang.org/grpc"

	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
	"github.com/octomesh/octomesh/services/gateway-grpc/web"
)

// port is a listener with what is served there.
type port struct {
	net.Listener
	grpc *grpc.Server
	web  *http.Server // for HTTP/1.1; nil where it finds nothing
}

// open takes a port; setting is what moves it.
func open(addr string, number int, setting string) (*port, error) {
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d is in use: set %s to another one, 0 for any: %w", number, setting, err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s (MOSTA_NET_GRPC_HOST, %s): %w", addr, setting, err)
	}
	return &port{Listener: ln}, nil
}

// serve accepts connections until shutdown.
func (p *port) serve() error {
	if p.web == nil {
		return late(p.grpc.Serve(p))
	}
	split := web.Split(p)
	defer split.Close()
	browsers := make(chan error, 1)
	go func() { browsers <- p.web.Serve(split.HTTP1()) }()
	err := late(p.grpc.Serve(split.HTTP2()))
	_ = split.HTTP1().Close() // what ends one ends both
	if other := <-browsers; err == nil && !errors.Is(other, http.ErrServerClosed) && !errors.Is(other, net.ErrClosed) {
		err = other
	}
	return err
}

// late passes over that a server was stopped before it began, or that the port
// was closed by the other server's end. Run tells an end that nobody wanted.
func late(err error) error {
	if errors.Is(err, grpc.ErrServerStopped) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// shutdown stops accepting, waits for calls until ctx ends and then drops what is
// left. It reports whether nothing was dropped.
func (p *port) shutdown(ctx context.Context) bool {
	whole := make(chan bool, 1)
	go func() { whole <- p.web == nil || p.web.Shutdown(ctx) == nil }()
	graceful := rpc.Shutdown(ctx, p.grpc)
	if <-whole {
		return graceful
	}
	_ = p.web.Close()
	return false
}
