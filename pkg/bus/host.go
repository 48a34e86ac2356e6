package bus

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/deadline"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// Project is what a Host serves.
type Project struct {
	Slug           string
	ID             string
	CatalogVersion string
	Dialect        string
}

// HostOptions configure a Host. Zero values take the defaults.
type HostOptions struct {
	// Concurrency is how many requests run at once (512: writes wait together
	// for one commit). Queue is how many more of each project may wait (1,024),
	// QueueBytes how large all that wait may be together (64 MiB).
	Concurrency, Queue, QueueBytes int
	// Timeout is the time for a request that names none (30 s).
	Timeout time.Duration
	// Working is how often a caller of the mesh is told that its request is
	// being worked on (500 ms), and half as often in a stream that stands still.
	Working time.Duration
	// Single is the largest reply in one message (512 KiB).
	Single int
	// StreamIdle is how long a stream waits for its reader (30 s).
	StreamIdle time.Duration
	// Discover answers mostajs.discover; nil leaves it to others. The header
	// tells who asks. It is called without Principal.
	Discover func(ctx context.Context, h mesh.Header) ([]byte, error)
	// Log takes panics and internal errors; nil discards them.
	Log *slog.Logger
}

// Host takes the requests of projects from NATS, hands them to a Caller and
// answers. Its methods are safe for concurrent use.
type Host struct {
	o         HostOptions
	d         Dialer
	nc        *nats.Conn // calls, and nothing else, so that its subscriptions can be counted
	bulk      *nats.Conn // streams
	pool      pool
	ctx       context.Context // ends every request
	stop      context.CancelFunc
	deadlines *deadline.Group

	mu       sync.Mutex
	projects map[string]*served
	discover *nats.Subscription
	ended    []micro.Service // to be stopped once there is a connection again
	draining bool
}

// patience is how long the server may take to answer.
const patience = 5 * time.Second

// served is one project.
type served struct {
	Project
	caller mesh.Caller
	share  *share
	svc    micro.Service
}

// NewHost connects. Nothing is served yet, except discover.
func NewHost(d Dialer, o HostOptions) (*Host, error) {
	o.defaults()
	h := &Host{o: o, d: d, projects: make(map[string]*served)}
	h.pool = pool{run: h.run, limit: o.Concurrency, maxQueue: o.Queue, maxBytes: o.QueueBytes}
	h.ctx, h.stop = context.WithCancel(context.Background())
	h.deadlines = deadline.NewGroup(h.ctx)
	var err error
	if h.nc, err = d.Dial("calls", nats.SkipSubjectValidation(), nats.ReconnectHandler(func(*nats.Conn) { h.reconnected() })); err == nil {
		h.bulk, err = d.Dial("streams")
	}
	if err == nil && o.Discover != nil {
		s := &served{share: new(share), caller: mesh.CallerFunc(h.discovered)}
		h.discover, err = h.nc.QueueSubscribe(subject.Discover, "octo-discover", func(m *nats.Msg) {
			h.accept(s, m.Subject, m.Reply, m.Header, m.Data)
		})
	}
	if err != nil {
		h.Close()
		return nil, fault.Wrap(err, fault.Unavailable, "NATS cannot be reached")
	}
	return h, nil
}

func (o *HostOptions) defaults() {
	set := func(to *int, v int) {
		if *to == 0 {
			*to = v
		}
	}
	set(&o.Concurrency, 512)
	set(&o.Queue, 1024)
	set(&o.QueueBytes, 64<<20)
	set(&o.Single, 512<<10)
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Working == 0 {
		o.Working = 500 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

func (h *Host) discovered(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	b, err := h.o.Discover(ctx, r.Header)
	if err != nil {
		return nil, err
	}
	return &mesh.Reply{Body: b}, nil
}

// Serve begins to serve a project, or serves it anew with another caller or
// catalog version: then the new endpoint is there before the old one goes.
// Errors: INVALID_REQUEST for a slug that no subject can hold, UNAVAILABLE.
func (h *Host) Serve(p Project, c mesh.Caller) error {
	if subject.Calls(p.Slug) == "" {
		return fault.New(fault.InvalidRequest, "%.80q cannot be a project's slug", p.Slug)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return errClosed
	}
	s := &served{Project: p, caller: c}
	old := h.projects[p.Slug]
	if old != nil {
		s.share = old.share
	} else {
		s.share = h.pool.join()
	}
	if err := h.announce(s); err != nil {
		if old == nil {
			h.pool.leave()
		}
		return fault.Wrap(err, fault.Unavailable, "the project cannot be served")
	}
	h.projects[p.Slug] = s
	if old != nil {
		_ = h.end(old.svc)
	}
	return nil
}

// announce subscribes a project's endpoints, in a queue group of its own: with
// micro's default group the requests of one project would reach others. After
// an error nothing of it is left.
func (h *Host) announce(s *served) error {
	// Without a connection nothing is begun that would have to be undone.
	if err := h.nc.FlushTimeout(patience); err != nil {
		return err
	}
	meta := map[string]string{"project": s.Slug, "id": s.ID, "catalog": s.CatalogVersion, "dialect": s.Dialect}
	svc, err := micro.AddService(h.nc, micro.Config{
		Name: "octomesh-" + s.Slug, Version: "1.0.0", Description: "entities of a project",
		Metadata: meta, QueueGroup: s.Slug,
	})
	if err != nil {
		return err
	}
	s.svc = svc
	endpoints := map[string]string{"calls": subject.Calls(s.Slug), "streams": subject.Streams(s.Slug)}
	if s.Slug == subject.DefaultProject {
		endpoints["default"] = subject.DefaultCalls
	}
	handle := micro.HandlerFunc(func(r micro.Request) {
		h.accept(s, r.Subject(), r.Reply(), nats.Header(r.Headers()), r.Data())
	})
	for name, subj := range endpoints {
		if err = svc.AddEndpoint(name, handle, micro.WithEndpointSubject(subj), micro.WithEndpointMetadata(meta)); err != nil {
			_ = h.end(svc)
			return err
		}
	}
	// The endpoints are there for every server of a cluster before anybody is
	// told so.
	if err = h.nc.FlushTimeout(patience); err != nil {
		_ = h.end(svc)
	}
	return err
}

// end stops a service; h.mu is held. One that is stopped without a connection
// nats.go subscribes again with the others when there is one, and forgets
// without telling the server, which then sends it requests that nobody answers:
// it is stopped after the reconnect.
func (h *Host) end(svc micro.Service) error {
	if !h.nc.IsConnected() {
		h.ended = append(h.ended, svc)
		return nil
	}
	return svc.Stop()
}

// reconnected stops what was to be stopped meanwhile.
func (h *Host) reconnected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	ended := h.ended
	h.ended = nil
	for _, svc := range ended {
		_ = h.end(svc)
	}
}

// Withdraw stops to serve a project; what has arrived is still answered.
func (h *Host) Withdraw(slug string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.projects[slug]
	if s == nil {
		return nil
	}
	delete(h.projects, slug)
	h.pool.leave()
	if err := h.end(s.svc); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fault.Wrap(err, fault.Unavailable, "the project cannot be withdrawn")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := flush(ctx, h.nc); err != nil && !errors.Is(err, nats.ErrDisconnected) {
		return fault.Wrap(err, fault.Unavailable, "the project cannot be withdrawn")
	}
	return nil
}

// Queued returns how many requests wait for a place.
func (h *Host) Queued() int { return h.pool.waitingJobs() }

// Drain ends the host without losing a request: nothing new is taken, all that
// arrived is answered, then the connections are closed. When ctx ends first,
// what still runs is cancelled, and Drain returns the context's error.
func (h *Host) Drain(ctx context.Context) error {
	h.mu.Lock()
	h.draining = true
	for slug, s := range h.projects {
		_ = h.end(s.svc)
		delete(h.projects, slug)
	}
	if h.discover != nil {
		_ = h.discover.Drain()
	}
	h.mu.Unlock()
	defer h.Close()
	if err := flush(ctx, h.nc); err != nil && !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrDisconnected) {
		return err
	}
	// Stop returns before its subscriptions are drained, and nothing tells when
	// they are: the connection is asked for their number.
	if err := until(ctx, h.nc, func() bool { return h.nc.NumSubscriptions() == 0 }); err != nil {
		return err
	}
	select {
	case <-h.pool.quiet():
	case <-ctx.Done():
		return ctx.Err()
	}
	return errors.Join(flush(ctx, h.nc), flush(ctx, h.bulk))
}

// until polls for the end of something that the server takes part in. Without a
// connection there is nothing to wait for: after a second it gives up.
func until(ctx context.Context, nc *nats.Conn, done func() bool) error {
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	heard := time.Now()
	for !done() && !nc.IsClosed() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if nc.IsConnected() {
			heard = time.Now()
		} else if time.Since(heard) > time.Second {
			return nil
		}
	}
	return nil
}

// flush returns when the server has all that was sent, and ErrDisconnected soon
// after the connection is lost, which nats.go's own waits out.
func flush(ctx context.Context, nc *nats.Conn) error {
	for ctx.Err() == nil {
		if !nc.IsConnected() {
			return nats.ErrDisconnected
		}
		if err := nc.FlushTimeout(250 * time.Millisecond); !errors.Is(err, nats.ErrTimeout) {
			return err
		}
	}
	return ctx.Err()
}

// Close ends the host at once: running requests are cancelled and not answered.
func (h *Host) Close() {
	h.mu.Lock()
	h.draining = true
	h.mu.Unlock()
	h.stop()
	h.pool.close()
	for _, nc := range []*nats.Conn{h.nc, h.bulk} {
		if nc != nil {
			nc.Close()
		}
	}
}
