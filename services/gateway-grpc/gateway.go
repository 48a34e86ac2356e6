package gatewaygrpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// Deps are what the gateway gets from its main. Dialer is required and connects
// in the role gateway.
type Deps struct {
	Dialer  bus.Dialer
	Log     *slog.Logger
	Metrics *telemetry.Metrics
	Rates   *access.Limiter // see gateway.Options
}

// Service is one gateway.
type Service struct {
	cfg  Config
	deps Deps
	log  *slog.Logger

	link  *gateway.Link
	ports []*port // that of gRPC first, then Flight's own if it has one
	ready chan struct{}
}

// New returns a gateway that is not running. It takes its ports at once, so that
// a port in use is told before anything else starts.
func New(cfg Config, deps Deps) (*Service, error) {
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg, deps: deps, log: deps.Log, ready: make(chan struct{})}
	settings := []struct {
		number int
		name   string
	}{{cfg.Port, "MOSTA_NET_GRPC_PORT (or --grpc-port)"}, {cfg.ArrowPort, "MOSTA_NET_ARROW_PORT (or --arrow-port)"}}
	if cfg.ArrowPort < 0 || !cfg.Flight {
		settings = settings[:1]
	}
	for _, x := range settings {
		p, err := open(cfg.addr(x.number), x.number, x.name)
		if err != nil {
			s.close()
			return nil, err
		}
		s.ports = append(s.ports, p)
	}
	return s, nil
}

func (s *Service) close() {
	for _, p := range s.ports {
		_ = p.Close()
	}
}

// Name returns "gateway-grpc".
func (s *Service) Name() string { return "gateway-grpc" }

// Ready is closed when the gateway serves: it knows the projects, hears of
// revocations and trusts the auth service's keys.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Addr is the address on which gRPC listens.
func (s *Service) Addr() net.Addr { return s.ports[0].Addr() }

// Check tells what is missing to serve calls.
func (s *Service) Check(ctx context.Context) error {
	select {
	case <-s.ready:
		return s.link.Check(ctx, "grpc")
	default:
		return gateway.NotReady("the projects or the auth service's keys have not arrived")
	}
}

// Run serves until ctx ends, then finishes what it has begun.
func (s *Service) Run(ctx context.Context) error {
	defer s.close()
	link, err := gateway.Connect(ctx, gateway.Options{Dialer: s.deps.Dialer, Log: s.log, Metrics: s.deps.Metrics, Rates: s.deps.Rates})
	if err != nil || link == nil {
		return err
	}
	defer link.Close()
	s.link = link

	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	link.Follow(background, &work, func() { close(s.ready) })

	stopping := make(chan struct{})
	s.doors(&rpc.Entrance{
		Caller: link.Client, Identity: link, Projects: link.Projects, Hub: link.Hub, Rates: link.Rates,
		Log: s.log, Metrics: s.deps.Metrics, Timeout: s.cfg.RequestTimeout, Ready: s.ready, Stopping: stopping,
	})
	served := make(chan error, len(s.ports))
	for _, p := range s.ports {
		go func() { served <- p.serve() }()
	}
	s.log.Info("listening", "addr", s.Addr().String(), "transports", Transports(&s.cfg))
	var failed error
	select {
	case err := <-served:
		failed = fmt.Errorf("the gRPC server ended: %w", err)
		served <- nil // its place among those that are waited for
	case <-ctx.Done():
	}
	close(stopping)
	drain, cancel := context.WithTimeout(background, s.cfg.DrainTimeout)
	defer cancel()
	var stops sync.WaitGroup
	for _, p := range s.ports {
		stops.Go(func() {
			if !p.shutdown(drain) {
				s.log.Warn("calls were cut off at shutdown", "addr", p.Addr().String())
			}
		})
	}
	stops.Wait()
	for range s.ports {
		failed = errors.Join(failed, <-served)
	}
	return failed
}
