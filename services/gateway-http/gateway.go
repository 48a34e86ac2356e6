package gatewayhttp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/gateway-http/admin"
	"github.com/octomesh/octomesh/services/gateway-http/docspage"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/grpcapi"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/natsapi"
	"github.com/octomesh/octomesh/services/gateway-http/openapi"
)

// Deps are what the gateway gets from its main. Dialer is required and connects
// in the role gateway.
type Deps struct {
	Dialer  bus.Dialer
	Log     *slog.Logger
	Metrics *telemetry.Metrics
	Rates   *access.Limiter // see gateway.Options
	// Beside are protocols that others serve in this process, for /health.
	Beside []string
}

// Service is one gateway.
type Service struct {
	cfg  Config
	deps Deps
	log  *slog.Logger

	link   *gateway.Link
	door   *door.Door
	admin  *admin.Admin
	server *httpserver.Server
	// closers end what protocols keep between requests.
	closers []func()

	listener net.Listener
	ready    chan struct{}
}

// New returns a gateway that is not running. It takes its port at once, so that
// a port in use is told before anything else starts.
func New(cfg Config, deps Deps) (*Service, error) {
	if deps.Log == nil {
		deps.Log = httpserver.Discard()
	}
	ln, err := net.Listen("tcp", cfg.addr())
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d is in use: set MOSTA_NET_PORT (or --port) to another one, 0 for any: %w", cfg.Port, err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s (MOSTA_NET_HOST, MOSTA_NET_PORT): %w", cfg.addr(), err)
	}
	return &Service{cfg: cfg, deps: deps, log: deps.Log, listener: ln, ready: make(chan struct{})}, nil
}

// Name returns "gateway-http".
func (s *Service) Name() string { return "gateway-http" }

// Ready is closed when the gateway serves: it knows the projects, hears of
// revocations and trusts the auth service's keys.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Addr is the address that it listens on.
func (s *Service) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx ends, then finishes what it has begun.
func (s *Service) Run(ctx context.Context) error {
	defer func() { _ = s.listener.Close() }()
	link, err := gateway.Connect(ctx, gateway.Options{Dialer: s.deps.Dialer, Log: s.log, Metrics: s.deps.Metrics, Rates: s.deps.Rates})
	if err != nil || link == nil {
		return err
	}
	defer link.Close()
	s.link = link
	s.door = &door.Door{
		Caller: link.Client, Identity: link, Control: link.Client, Projects: link.Projects,
		KeyInURL: door.KeyInURL(s.cfg.KeyInURL), Rates: link.Rates, Log: s.log, Metrics: s.deps.Metrics,
	}

	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	link.Follow(background, &work, func() { close(s.ready) })

	s.mount()
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(s.listener) }()
	s.log.Info("listening", "addr", s.Addr().String(), "transports", Transports(&s.cfg))
	select {
	case err := <-served:
		return fmt.Errorf("the HTTP server ended: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(background, s.cfg.DrainTimeout)
	defer cancel()
	if err := s.server.Shutdown(drain); err != nil {
		s.log.Warn("requests were cut off at shutdown", telemetry.KeyError, err.Error())
	}
	for _, end := range s.closers {
		end()
	}
	return <-served
}

func (s *Service) mount() {
	mux := httpserver.NewMux()
	s.admin = admin.New(s.door, append(Transports(&s.cfg), s.deps.Beside...), s.Check)
	s.admin.Mount(mux)
	openapi.New(s.door).Mount(mux)
	natsapi.New(s.door).Mount(mux)
	grpcapi.New(s.door).Mount(mux)
	docspage.New(s.door, Transports(&s.cfg)).Mount(mux)
	for _, t := range transports {
		if t.enabled(&s.cfg) {
			t.mount(s, mux)
		}
	}
	s.server = httpserver.New(mux, httpserver.Options{
		Log: s.log, Metrics: s.deps.Metrics, Origins: s.cfg.Origins, RequestTimeout: s.cfg.RequestTimeout,
	})
}

// Check tells what is missing to serve calls.
func (s *Service) Check(ctx context.Context) error {
	select {
	case <-s.ready:
		return s.link.Check(ctx, admin.Transport)
	default:
		return gateway.NotReady("the projects or the auth service's keys have not arrived")
	}
}
