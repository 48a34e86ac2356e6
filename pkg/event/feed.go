package event

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// Project is what a Feed must know of a project.
type Project struct {
	ID      string // immutable
	Slug    string
	Catalog *schema.Catalog
}

// FeedOptions are what a Feed works with. Dialer, Caller and Catalog are
// required.
type FeedOptions struct {
	// Dialer gives the one connection for events.
	Dialer bus.Dialer
	// Caller answers op changes, for what the stream no longer has.
	Caller mesh.Caller
	// Token is the principal token of this service for those calls, which must
	// read the log whole; nil where Caller adds one itself.
	Token func() string
	// Catalog returns a project as it is now.
	Catalog func(project string) (*Project, bool)
	Log     *slog.Logger
	Metrics *telemetry.Metrics
	// RingEvents and RingBytes bound what is kept of a project for streams that
	// resume; 0 = 1024 events, 4 MB. The change log has the others.
	RingEvents, RingBytes int
	// MaxEvent is the most bytes of one event; a larger one is truncated;
	// 0 = 1 MB.
	MaxEvent int
}

// Feed gives the changes of projects to streams. It is safe for concurrent use.
type Feed struct {
	o      FeedOptions
	src    source
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	projects map[string]*project
	closed   bool
}

// NewFeed returns a Feed with a connection of its own; Close it. Errors:
// UNAVAILABLE.
func NewFeed(o FeedOptions) (*Feed, error) {
	o = o.withDefaults()
	src, err := newNATSSource(o.Dialer, &o)
	if err != nil {
		return nil, err
	}
	f := newFeed(o, src)
	f.done.Go(func() {
		<-f.ctx.Done()
		src.close()
	})
	return f, nil
}

func (o FeedOptions) withDefaults() FeedOptions {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.RingEvents <= 0 {
		o.RingEvents = 1024
	}
	if o.RingBytes <= 0 {
		o.RingBytes = 4 << 20
	}
	if o.MaxEvent <= 0 {
		o.MaxEvent = 1 << 20
	}
	return o
}

func newFeed(o FeedOptions, src source) *Feed {
	f := &Feed{o: o.withDefaults(), src: src, projects: map[string]*project{}}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// Subscribe opens a stream; Close it. Errors: UNKNOWN_PROJECT, UNAUTHORIZED,
// FORBIDDEN, UNKNOWN_ENTITY, INVALID_FILTER, INVALID_REQUEST, PARSE_ERROR,
// UNAVAILABLE or TIMEOUT when the project cannot be followed. A position that
// is out of reach is no error: Stream.Gap tells it.
func (f *Feed) Subscribe(ctx context.Context, sub Subscription) (*Stream, error) {
	proj, ok := f.o.Catalog(sub.Project)
	if !ok {
		return nil, unknown(sub.Project)
	}
	if err := access.Check(sub.Principal, ask(proj, &sub)); err != nil {
		return nil, err
	}
	p, err := f.acquire(proj)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.started:
	case <-f.ctx.Done():
		f.release(p)
		return nil, shutdown()
	case <-ctx.Done():
		f.release(p)
		return nil, fault.Wrap(ctx.Err(), fault.Unavailable, "the events of %s cannot be followed right now", sub.Project)
	}
	f.o.Metrics.FeedSubscribers(sub.Transport, 1)
	s, err := p.join(ctx, sub, proj.Catalog)
	if err != nil {
		f.o.Metrics.FeedSubscribers(sub.Transport, -1)
		f.release(p)
		return nil, err
	}
	f.mu.Lock()
	closed := f.closed
	if s.room != nil && !closed {
		f.done.Go(func() { p.catchUp(f.ctx, s) })
	}
	f.mu.Unlock()
	if closed { // Close may have looked at the streams before this one was there
		p.drop(s, shutdown(), "shutdown")
	}
	return s, nil
}

func ask(p *Project, sub *Subscription) access.Ask {
	return access.Ask{ProjectID: p.ID, Project: p.Slug, Class: mesh.Read, Transport: sub.Transport}
}

func unknown(slug string) error {
	return fault.New(fault.UnknownProject, "there is no project %q", clip(slug))
}

func shutdown() error {
	return fault.New(fault.Unavailable, "the gateway is shutting down; resume elsewhere")
}

// acquire returns the project's live end and counts the caller in.
func (f *Feed) acquire(proj *Project) (*project, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, shutdown()
	}
	p := f.projects[proj.Slug]
	if p == nil {
		p = newProject(f, proj.Slug, proj.Catalog)
		ctx, cancel := context.WithCancel(f.ctx)
		p.cancel = cancel
		f.projects[proj.Slug] = p
		f.done.Go(func() { p.run(ctx) })
	}
	p.refs++
	return p, nil
}

func (f *Feed) release(p *project) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.refs--; p.refs == 0 {
		p.idle = time.Now()
	}
}

// left counts a stream out that has ended.
func (f *Feed) left(p *project, s *Stream) {
	f.o.Metrics.FeedSubscribers(s.sub.Transport, -1)
	f.release(p)
}

// retire forgets a project that nobody has watched for a while.
func (f *Feed) retire(p *project) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.refs > 0 || p.idle.IsZero() || time.Since(p.idle) < linger {
		return false
	}
	delete(f.projects, p.slug)
	p.cancel()
	return true
}

func (f *Feed) all() []*project {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]*project, 0, len(f.projects))
	for _, p := range f.projects {
		out = append(out, p)
	}
	return out
}

// Revoke ends the streams of a principal, or of those that have it as a
// parent. Streams that begin later are the verifier's to refuse.
func (f *Feed) Revoke(id string) {
	for _, p := range f.all() {
		p.endIf(func(s *Stream) error {
			if access.Covers(id, s.sub.Principal) {
				return fault.New(fault.Unauthorized, "the credential was revoked")
			}
			return nil
		}, "revoked")
	}
}

// Renew checks a principal's streams against its present rights, and ends those
// that it may not have any more.
func (f *Feed) Renew(now *mesh.Principal) {
	for _, p := range f.all() {
		proj, ok := f.o.Catalog(p.slug)
		if !ok {
			continue
		}
		p.endIf(func(s *Stream) error {
			if s.sub.Principal == nil || s.sub.Principal.ID != now.ID {
				return nil
			}
			return access.Check(now, ask(proj, &s.sub))
		}, "narrowed")
	}
}

// Close ends all streams with UNAVAILABLE and waits for what works for them.
func (f *Feed) Close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	for _, p := range f.all() {
		p.endIf(func(*Stream) error { return shutdown() }, "shutdown")
	}
	f.cancel()
	f.done.Wait()
}
