// Package scripted is the rest of the house as the tests of gateways need it: a
// mesh that answers by a script, identities that are known by heart and a feed
// whose events a test publishes. Requests that went into the mesh can be read
// back.
package scripted

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// Schemas are the entities of the scripted projects.
const Schemas = `[
 {"name":"Product","collection":"products","fields":{"title":{"type":"string","required":true},"price":{"type":"number"},"stock":{"type":"integer"},
  "active":{"type":"boolean"},"added":{"type":"date"},"tags":{"type":"array"},"meta":{"type":"json"},"secret":{"type":"string","hidden":true}},
  "relations":{"maker":{"target":"Maker","type":"many-to-one"}},"timestamps":true,"softDelete":true},
 {"name":"Maker","collection":"makers","fields":{"name":{"type":"string"}}}]`

// Key is known to Identity with every right; Reader may read the default
// project alone; Slow has every right, twice a day.
const (
	Key    = "sk_test_AAAAAAAA_0000000000000000000000000000000000000000000"
	Reader = "sk_test_BBBBBBBB_0000000000000000000000000000000000000000000"
	Slow   = "sk_test_CCCCCCCC_0000000000000000000000000000000000000000000"
	Ticket = "ticket-1"
)

// Call is a request that the mesh got, copied.
type Call struct {
	Project, Entity, Op string
	Args                string
	Header              mesh.Header
}

// Mesh answers every call with Answer and keeps the calls.
type Mesh struct {
	mu     sync.Mutex
	calls  []Call
	answer func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error)
}

// Answer sets the script.
func (m *Mesh) Answer(f func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = f
}

// Call implements mesh.Caller. Without a script it answers {"status":"ok"}.
func (m *Mesh) Call(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	m.mu.Lock()
	h := r.Header
	m.calls = append(m.calls, Call{r.Project, r.Entity, r.Op, string(r.Args), h})
	f := m.answer
	m.mu.Unlock()
	if f == nil {
		return &mesh.Reply{Body: []byte(`{"status":"ok"}`)}, nil
	}
	return f(ctx, r)
}

// Last is the latest call; the zero Call if there was none.
func (m *Mesh) Last() Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.calls) == 0 {
		return Call{}
	}
	return m.calls[len(m.calls)-1]
}

// Forget drops the calls.
func (m *Mesh) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = nil
}

// Chunks is a chunked reply made of parts; Err ends it instead of io.EOF.
type Chunks struct {
	Parts  []string
	Err    error
	Closed chan struct{}
}

// Next implements mesh.Chunks.
func (c *Chunks) Next(context.Context) ([]byte, error) {
	if len(c.Parts) == 0 {
		if c.Err != nil {
			return nil, c.Err
		}
		return nil, io.EOF
	}
	p := c.Parts[0]
	c.Parts = c.Parts[1:]
	return []byte(p), nil
}

// Close implements mesh.Chunks.
func (c *Chunks) Close() error {
	if c.Closed != nil {
		close(c.Closed)
	}
	return nil
}

// Identity knows the keys above.
type Identity struct {
	mu      sync.Mutex
	revoked map[string]bool
	// Life is how long a principal lasts; 0 = five minutes.
	Life time.Duration
}

// Revoke makes a key unknown.
func (i *Identity) Revoke(key string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.revoked == nil {
		i.revoked = map[string]bool{}
	}
	i.revoked[key] = true
}

// Principal implements door.Identifier.
func (i *Identity) Principal(_ context.Context, c access.Credential) (*mesh.Principal, string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	shown := c.Key + c.Bearer + c.Ticket
	p := &mesh.Principal{Kind: mesh.Key, Expires: time.Now().Add(5 * time.Minute)}
	if i.Life != 0 {
		p.Expires = time.Now().Add(i.Life)
	}
	switch {
	case i.revoked[shown]:
		return nil, "", fault.New(fault.Unauthorized, "the credential is unknown or revoked")
	case shown == Key || shown == Ticket:
		p.ID, p.Scopes = "k:AAAAAAAA", mesh.Scopes{access.Projects: {"*"}, access.Operations: {"read", "write", "admin"}, access.Transports: {"*"}}
		return p, "token-of-key", nil
	case shown == Reader:
		p.ID, p.Scopes = "k:BBBBBBBB", mesh.Scopes{access.Projects: {"id-default"}, access.Operations: {"read"}, access.Transports: {"*"}}
		return p, "token-of-reader", nil
	case shown == Slow:
		p.ID, p.Scopes = "k:CCCCCCCC", mesh.Scopes{access.Projects: {"*"}, access.Operations: {"read", "write"}, access.Transports: {"*"}}
		p.Rate = mesh.Rate{Calls: 2, Seconds: 86400, Burst: 2}
		return p, "token-of-slow", nil
	}
	return nil, "", fault.New(fault.Unauthorized, "the credential is unknown or revoked")
}

// Feed hands published events to its streams.
type Feed struct {
	mu      sync.Mutex
	streams []*Stream
	subs    []event.Subscription
	opened  chan struct{}
	Gap     bool // what the next subscriptions find
	Err     error
	Opening func() // called while a subscription opens
}

// NewFeed returns a Feed.
func NewFeed() *Feed { return &Feed{opened: make(chan struct{}, 4096)} }

// Opened receives once for each subscription.
func (f *Feed) Opened() <-chan struct{} { return f.opened }

// Subscribe implements live.Feed.
func (f *Feed) Subscribe(_ context.Context, s event.Subscription) (*live.Opened, error) {
	if f.Opening != nil {
		f.Opening()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := access.Check(s.Principal, access.Ask{ProjectID: "id-" + s.Project, Project: s.Project, Class: mesh.Read, Transport: s.Transport}); err != nil {
		return nil, err
	}
	if f.Err != nil {
		return nil, f.Err
	}
	st := &Stream{feed: f, ready: make(chan struct{}, 1), at: mesh.Position{Epoch: "e", Seq: 7}}
	if !s.From.IsZero() && !f.Gap {
		st.at = s.From
	}
	f.streams = append(f.streams, st)
	f.subs = append(f.subs, s)
	f.opened <- struct{}{}
	return &live.Opened{Stream: st, Start: st.at, Gap: f.Gap}, nil
}

// Renew implements live.Feed.
func (f *Feed) Renew(*mesh.Principal) {}

// LastSub is the latest subscription.
func (f *Feed) LastSub() event.Subscription {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.subs[len(f.subs)-1]
}

// Len is how many streams are open.
func (f *Feed) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.streams)
}

// Publish gives an event to every open stream; a full one ends as too slow.
func (f *Feed) Publish(e event.Event, buffer int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.streams {
		s.push(e, buffer)
	}
}

// End ends every open stream with err.
func (f *Feed) End(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.streams {
		s.mu.Lock()
		s.err = err
		s.wake()
		s.mu.Unlock()
	}
}

// Stream is a scripted live.Stream.
type Stream struct {
	feed  *Feed
	mu    sync.Mutex
	queue []event.Event
	ready chan struct{}
	at    mesh.Position
	err   error
}

func (s *Stream) push(e event.Event, buffer int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	if len(s.queue) >= buffer {
		s.err, s.queue = &event.Slow{Position: s.at}, nil
	} else {
		s.queue = append(s.queue, e)
	}
	s.wake()
}

func (s *Stream) wake() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// Ready implements live.Stream, as do the methods below.
func (s *Stream) Ready() <-chan struct{} { return s.ready }

// Pop takes an event.
func (s *Stream) Pop() (event.Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return event.Event{}, false
	}
	e := s.queue[0]
	s.queue = s.queue[1:]
	s.at = e.Position
	return e, true
}

// Err tells why the stream ended.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Position is that of the last event taken.
func (s *Stream) Position() mesh.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// Close takes the stream out of the feed.
func (s *Stream) Close() {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	s.feed.streams = slices.DeleteFunc(s.feed.streams, func(o *Stream) bool { return o == s })
}

// Projects are those named, each with Schemas.
func Projects(slugs ...string) (*gateway.Projects, error) {
	projects := gateway.NewProjects()
	for _, slug := range slugs {
		value := `{"id":"id-` + slug + `","slug":"` + slug + `","version":"v1","dialect":"sqlite","schemas":` + Schemas + `}`
		if err := projects.Apply(slug, []byte(value), false); err != nil {
			return nil, err
		}
	}
	projects.SetLoaded()
	return projects, nil
}
