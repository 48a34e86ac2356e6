package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/gateway-http/admin"
	"github.com/octomesh/octomesh/services/gateway-http/docspage"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/live"
	"github.com/octomesh/octomesh/services/gateway-http/natsapi"
	"github.com/octomesh/octomesh/services/gateway-http/openapi"
)

// Deps are what the gateway gets from its main. Dialer is required and connects
// in the role gateway.
type Deps struct {
	Dialer  bus.Dialer
	Log     *slog.Logger
	Metrics *telemetry.Metrics
}

// Service is one gateway.
type Service struct {
	cfg  Config
	deps Deps
	log  *slog.Logger

	door   *door.Door
	admin  *admin.Admin
	hub    *live.Hub
	server *httpserver.Server
	// closers end what protocols keep between requests.
	closers []func()

	client     *bus.Client
	identities identities
	feed       *event.Feed

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
	if err := s.connect(ctx); err != nil || s.client == nil {
		return err
	}
	defer s.client.Close()
	defer s.feed.Close()

	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	s.follow(background, &work, func() { close(s.ready) })

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

// connect makes what works over NATS, waiting for a server that is not up yet.
// s.client is nil when ctx ended first.
func (s *Service) connect(ctx context.Context) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		client, err := bus.NewClient(s.deps.Dialer, bus.ClientOptions{Log: s.log})
		if err == nil {
			s.client = client
			break
		}
		s.log.Warn("NATS cannot be reached yet", telemetry.KeyError, err.Error())
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
	projects := door.NewProjects()
	var err error
	s.feed, err = event.NewFeed(event.FeedOptions{
		Dialer: s.deps.Dialer, Caller: feedCaller{s.client}, Log: s.log, Metrics: s.deps.Metrics,
		Catalog: func(slug string) (*event.Project, bool) {
			p := projects.Get(slug)
			if p == nil {
				return nil, false
			}
			return &event.Project{ID: p.ID, Slug: p.Slug, Catalog: p.Catalog}, true
		},
	})
	if err != nil {
		s.client.Close()
		return err
	}
	s.door = &door.Door{
		Caller: s.client, Identity: &s.identities, Control: s.client, Projects: projects,
		KeyInURL: door.KeyInURL(s.cfg.KeyInURL), Rates: access.NewLimiter(), Log: s.log, Metrics: s.deps.Metrics,
	}
	s.hub = live.NewHub(&s.identities, live.FromEvents(s.feed))
	s.hub.Verify = s.identities.verify
	return nil
}

// feedCaller marks the calls by which this gateway's Feed reads a change log.
// The worker knows them by a transport that no client can name.
type feedCaller struct{ mesh.Caller }

func (f feedCaller) Call(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	c := *r
	c.Transport, c.Token = "feed", ""
	return f.Caller.Call(ctx, &c)
}

func (s *Service) mount() {
	mux := httpserver.NewMux()
	s.admin = admin.New(s.door, Transports(&s.cfg), s.Check)
	s.admin.Mount(mux)
	openapi.New(s.door).Mount(mux)
	natsapi.New(s.door).Mount(mux)
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

// probeTime is how long a readiness probe waits for a worker.
const probeTime = 300 * time.Millisecond

// Check tells what is missing to serve calls.
func (s *Service) Check(ctx context.Context) error {
	select {
	case <-s.ready:
	default:
		return admin.NotReady("the projects or the auth service's keys have not arrived")
	}
	if !s.client.Conn().IsConnected() {
		return admin.NotReady("there is no connection to NATS")
	}
	if !s.identities.trusted() {
		return admin.NotReady("revocations cannot be followed")
	}
	all := s.door.Projects.All()
	if len(all) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	// Without a token a worker refuses; that it does shows that there is one.
	_, err := s.client.Call(ctx, &mesh.Request{
		Project: all[0].Slug, Entity: mesh.ProjectEntity, Op: "catalog",
		Header: mesh.Header{Transport: admin.Transport, RequestID: telemetry.NewRequestID()},
	})
	switch fault.CodeOf(err) {
	case fault.NoHandler, fault.Timeout, fault.Unavailable, fault.Overloaded:
		return admin.NotReady("no worker answers for the project " + all[0].Slug)
	}
	return nil
}
