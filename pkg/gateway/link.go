package gateway

import (
	"context"
	"log/slog"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// Options say how a gateway is linked. Dialer is required and connects in the
// role gateway.
type Options struct {
	Dialer  bus.Dialer
	Log     *slog.Logger
	Metrics *telemetry.Metrics
	// Rates count the calls; gateways of one process share them, so that a key
	// has its rate once. Nil makes new ones.
	Rates *access.Limiter
}

// Link is a gateway's side of the mesh. Its fields are read-only.
type Link struct {
	Client   *bus.Client
	Projects *Projects
	Feed     *event.Feed
	Hub      *live.Hub
	Rates    *access.Limiter

	log        *slog.Logger
	metrics    *telemetry.Metrics
	identities identities
}

// Connect links with the mesh, waiting for a server that is not up yet. Without
// an error and a link, ctx ended first. Close the link.
func Connect(ctx context.Context, o Options) (*Link, error) {
	l := &Link{Projects: NewProjects(), Rates: o.Rates, log: o.Log, metrics: o.Metrics}
	if l.Rates == nil {
		l.Rates = access.NewLimiter()
	}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		client, err := bus.NewClient(o.Dialer, bus.ClientOptions{Log: o.Log})
		if err == nil {
			l.Client = client
			break
		}
		l.log.Warn("NATS cannot be reached yet", telemetry.KeyError, err.Error())
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(wait):
		}
	}
	var err error
	l.Feed, err = event.NewFeed(event.FeedOptions{
		Dialer: o.Dialer, Caller: feedCaller{l.Client}, Log: o.Log, Metrics: o.Metrics,
		Catalog: func(slug string) (*event.Project, bool) {
			p := l.Projects.Get(slug)
			if p == nil {
				return nil, false
			}
			return &event.Project{ID: p.ID, Slug: p.Slug, Catalog: p.Catalog}, true
		},
	})
	if err != nil {
		l.Client.Close()
		return nil, err
	}
	l.Hub = live.NewHub(l, live.FromEvents(l.Feed))
	l.Hub.Verify = l.identities.verify
	return l, nil
}

// Close closes the connections.
func (l *Link) Close() {
	l.Feed.Close()
	l.Client.Close()
}

// feedCaller marks the calls by which this gateway's Feed reads a change log.
// The worker knows them by a transport that no client can name.
type feedCaller struct{ mesh.Caller }

func (f feedCaller) Call(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	c := *r
	c.Transport, c.Token = "feed", ""
	return f.Caller.Call(ctx, &c)
}

// probeTime is how long a readiness probe waits for a worker.
const probeTime = 300 * time.Millisecond

// Check tells what is missing to serve calls on a link that has learnt all (see
// Follow). transport is the name that a
// worker may see for the probe. Errors: UNAVAILABLE.
func (l *Link) Check(ctx context.Context, transport string) error {
	if !l.Client.Conn().IsConnected() {
		return NotReady("there is no connection to NATS")
	}
	if !l.identities.trusted() {
		return NotReady("revocations cannot be followed")
	}
	all := l.Projects.All()
	if len(all) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	// Without a token a worker refuses; that it does shows that there is one.
	_, err := l.Client.Call(ctx, &mesh.Request{
		Project: all[0].Slug, Entity: mesh.ProjectEntity, Op: "catalog",
		Header: mesh.Header{Transport: transport, RequestID: telemetry.NewRequestID()},
	})
	switch fault.CodeOf(err) {
	case fault.NoHandler, fault.Timeout, fault.Unavailable, fault.Overloaded:
		return NotReady("no worker answers for the project " + all[0].Slug)
	}
	return nil
}

// NotReady says what is missing, in a way that a probe shows to an operator.
func NotReady(what string) error { return fault.New(fault.Unavailable, "not ready: %s", what) }
