package entity

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/identity"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/entity/projects"
	"github.com/octomesh/octomesh/services/entity/relay"
)

// drainTime is how long a stop waits for the calls under way.
const drainTime = 10 * time.Second

// Service is one worker.
type Service struct {
	config Config
	deps   Deps
	log    *slog.Logger
	// metrics counts what it sees; nil does nothing.
	metrics   *telemetry.Metrics
	cursorKey []byte
	ready     chan struct{}
	readyOnce sync.Once

	client   *bus.Client
	identity Identifier
	rates    *access.Limiter
	set      *projects.Set
}

// New returns a worker that does not run yet. Its error is one of settings.
func New(c Config, d Deps) (*Service, error) {
	if d.Dialer == nil || d.Relay == nil {
		return nil, errors.New("the worker needs connections in the roles entity and relay")
	}
	if d.Dialects == nil {
		d.Dialects = projects.BuiltIn()
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	key, err := c.cursorKey()
	if err != nil {
		return nil, err
	}
	return &Service{config: c, deps: d, log: d.Log, metrics: d.Metrics, cursorKey: key, ready: make(chan struct{}), identity: d.Identity, rates: access.NewLimiter()}, nil
}

// Name returns "entity".
func (s *Service) Name() string { return "entity" }

// Ready is closed when every project that the auth service names is served, or
// has failed to be once and is tried again.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Check tells what keeps a ready worker from serving just now.
func (s *Service) Check(context.Context) error {
	if !s.client.Conn().IsConnected() {
		return errors.New("there is no connection to NATS")
	}
	if id, ok := s.identity.(*identity.Identity); ok && !id.Trusted() {
		return errors.New("revocations cannot be followed")
	}
	return nil
}

// Run serves until ctx ends, then answers what it has taken and closes the
// databases. Errors: UNAVAILABLE when the mesh cannot be reached.
func (s *Service) Run(ctx context.Context) error {
	if bus.Await(ctx, s.deps.Dialer, s.log) != nil {
		return nil
	}
	client, err := bus.NewClient(s.deps.Dialer, bus.ClientOptions{Log: s.log})
	if err != nil {
		return err
	}
	defer client.Close()
	s.client = client
	if s.identity == nil {
		who, err := identity.Start(ctx, client.Conn(), client, s.log)
		if err != nil {
			return unlessDone(ctx, err)
		}
		who.Count(s.metrics.AuthCache)
		defer who.Close()
		s.identity = who
	}
	publisher, err := relay.Connect(s.deps.Relay)
	if err != nil {
		return err
	}
	defer publisher.Close()
	discovery := &late{}
	host, err := bus.NewHost(s.deps.Dialer, bus.HostOptions{Log: s.log, Discover: discovery.answer})
	if err != nil {
		return err
	}
	s.metrics.WorkerQueue(host.Queued)
	s.set = projects.New(projects.Options{
		Dialects: s.deps.Dialects, DataDir: s.config.DataDir, SQLiteSync: s.config.SQLiteSync, CursorKey: s.cursorKey, Retention: s.config.Retention,
		Replicas: s.config.Replicas,
		Owner:    owner(), Host: host, Relay: publisher, Caller: s.caller, Log: s.log, Metrics: s.metrics,
		Bell: func(slug string) { _ = client.Conn().Publish(subject.Bell(slug), nil) }, // a lost one costs a tick
		Ask:  func(ctx context.Context) ([]projects.Definition, error) { return definitions(ctx, client) },
	})
	discovery.set(s.discover)
	// The databases close last: a call that was taken still needs its own.
	defer s.set.Close()
	defer s.drain(host)
	if err := s.begin(ctx); err != nil {
		return unlessDone(ctx, err)
	}
	catalogs, err := bus.OpenBucket(ctx, client.Conn(), bus.BucketCatalogs, bus.BucketConfig{})
	if err != nil {
		return unlessDone(ctx, err)
	}
	s.readyOnce.Do(func() { close(s.ready) })
	catalogs.Watch(ctx, func(_ string, value []byte, deleted bool) {
		if !deleted {
			s.set.Changed(value)
		}
	}, nil)
	return nil
}

func (s *Service) drain(host *bus.Host) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := host.Drain(ctx); err != nil {
		s.log.Warn("calls were cut off at the stop", telemetry.KeyError, err.Error())
	}
}

// begin serves what the auth service names, asking until it answers. A default
// project whose settings are wrong ends it.
func (s *Service) begin(ctx context.Context) error {
	for {
		err := s.set.Sync(ctx)
		switch {
		case err == nil:
			return s.set.Unfit()
		case ctx.Err() != nil:
			return err
		}
		s.log.Warn("the auth service does not name the projects yet", telemetry.KeyError, err.Error())
		t := time.NewTimer(100 * time.Millisecond)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// definitions asks the auth service for all projects.
func definitions(ctx context.Context, c *bus.Client) ([]projects.Definition, error) {
	out, err := c.Control(ctx, "auth.projects", []byte("{}"), mesh.Header{Transport: "entity"})
	if err != nil {
		return nil, err
	}
	var defs []projects.Definition
	if err := json.Unmarshal(out, &defs); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the auth service's list of projects cannot be read")
	}
	return defs, nil
}

func unlessDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// owner names this process in leases.
func owner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	return host + "/" + strconv.Itoa(os.Getpid()) + "/" + telemetry.NewRequestID()
}

// late answers discover once there is something to tell.
type late struct {
	mu sync.Mutex
	fn func(context.Context, mesh.Header) ([]byte, error)
}

func (l *late) set(fn func(context.Context, mesh.Header) ([]byte, error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fn = fn
}

func (l *late) answer(ctx context.Context, h mesh.Header) ([]byte, error) {
	l.mu.Lock()
	fn := l.fn
	l.mu.Unlock()
	if fn == nil {
		return nil, fault.New(fault.NoHandler, "the worker is starting")
	}
	return fn(ctx, h)
}
