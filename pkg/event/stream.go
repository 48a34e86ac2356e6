package event

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// Subscription is what a stream shall carry.
type Subscription struct {
	Project string
	// Entities are names or collections; none = every entity.
	Entities []string
	// Filter is a filter of the query language that the records of each of
	// Entities must match; empty = every record. Events then tell Enter, Stay
	// or Leave.
	Filter json.RawMessage
	// From is the position after which the stream begins; zero = now.
	From      mesh.Position
	Principal *mesh.Principal
	// Transport is the door, as access.Check and the metrics name it.
	Transport string
	// Guard compiles what the principal may see; nil = everything but hidden
	// fields.
	Guard func(*schema.Catalog) Guard
	// Buffer is how many events may wait to be taken; 0 = DefaultBuffer.
	Buffer int
	// Group, if set, is told when events wait, instead of Stream.Ready.
	Group *Group
	// Tag is the caller's own; Stream.Tag returns it.
	Tag any
}

// The bounds of what waits in a stream for its reader.
const (
	DefaultBuffer = 1024
	MaxBytes      = 8 << 20
)

// Slow ends a stream whose reader did not keep up. Resume after Position.
type Slow struct{ Position mesh.Position }

func (s *Slow) Error() string {
	return "the reader of the stream is too slow; resume after " + s.Position.String()
}

// Stream is an open subscription. Its events come in order of their positions,
// each once. It is read by one goroutine; Close can be called by any.
type Stream struct {
	// Start is the position after which the stream began, and Gap tells that
	// this is not where it was asked to begin: read the state anew.
	Start mesh.Position
	Gap   bool
	Tag   any

	project *project
	sub     Subscription
	buffer  int

	// Under the project's lock.
	pos    mesh.Position // up to where events were looked at
	live   bool          // false while the past is being read
	wants  map[string]*interest
	lazy   map[string]*interest // of a guarded stream to everything
	closed bool

	mu      sync.Mutex
	queue   []*Event
	first   int // of queue, not yet taken
	bytes   int
	taken   mesh.Position
	err     error // why it ended
	flagged bool  // told to its group, or on ready
	ready   chan struct{}
	room    chan struct{} // while the past is being read
}

func newStream(p *project, sub Subscription) *Stream {
	s := &Stream{project: p, sub: sub, Tag: sub.Tag, buffer: sub.Buffer}
	if s.buffer <= 0 {
		s.buffer = DefaultBuffer
	}
	s.buffer = max(s.buffer, 16)
	if sub.Group == nil {
		s.ready = make(chan struct{}, 1)
	}
	return s
}

// Ready receives when Pop may have something, or when the stream has ended. It
// is nil for a stream in a Group.
func (s *Stream) Ready() <-chan struct{} { return s.ready }

// Pop takes the next event that waits, without waiting itself.
func (s *Stream) Pop() (Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == len(s.queue) {
		return Event{}, false
	}
	e := s.queue[s.first]
	s.queue[s.first] = nil
	s.first++
	s.bytes -= len(e.JSON)
	s.taken = e.Position
	if s.first == len(s.queue) {
		s.first = 0
		if s.queue = s.queue[:0]; cap(s.queue) > 64 {
			s.queue = nil // an idle stream shall be small
		}
	}
	if s.room != nil && len(s.queue)-s.first <= s.buffer/2 {
		select {
		case s.room <- struct{}{}:
		default:
		}
	}
	return *e, true
}

// Next waits for the next event. After the last one it returns why the stream
// ended: io.EOF after Close, *Slow, or a *fault.Error (UNAUTHORIZED and
// FORBIDDEN when rights were withdrawn, INVALID_FILTER and UNKNOWN_ENTITY when
// a new schema no longer fits, UNKNOWN_PROJECT, UNAVAILABLE at shutdown).
func (s *Stream) Next(ctx context.Context) (Event, error) {
	for {
		if e, ok := s.Pop(); ok {
			return e, nil
		}
		if err := s.Err(); err != nil {
			return Event{}, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return Event{}, fault.From(ctx.Err())
		}
	}
}

// Err returns why the stream ended, nil while it is open. Events may still wait
// in Pop.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Position is where the reader stands: after everything that it has taken, and
// after what was not for it if nothing waits.
func (s *Stream) Position() mesh.Position {
	s.project.mu.Lock()
	defer s.project.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil || s.first < len(s.queue):
		return s.resume()
	case s.live && s.pos.Epoch == s.project.last.Epoch && s.pos.Seq < s.project.last.Seq:
		return s.project.last
	}
	return s.pos
}

// resume is called with mu held.
func (s *Stream) resume() mesh.Position {
	if s.taken.IsZero() {
		return s.Start
	}
	return s.taken
}

// Close ends the stream.
func (s *Stream) Close() { s.project.end(s, io.EOF) }

// push queues an event and reports false if the reader is too far behind. The
// project's lock is held.
func (s *Stream) push(e *Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return true
	}
	waiting := len(s.queue) - s.first
	if waiting >= s.buffer || waiting > 0 && s.bytes+len(e.JSON) > MaxBytes {
		return false
	}
	if s.first > 0 && len(s.queue) == cap(s.queue) {
		n := copy(s.queue, s.queue[s.first:])
		clear(s.queue[n:])
		s.queue, s.first = s.queue[:n], 0
	}
	s.queue = append(s.queue, e)
	s.bytes += len(e.JSON)
	s.wake()
	return true
}

// wake is called with mu held.
func (s *Stream) wake() {
	if g := s.sub.Group; g != nil {
		if !s.flagged {
			s.flagged = true
			g.add(s)
		}
		return
	}
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// finish marks the stream as ended. What waits is given up when the reader was
// too slow (err then says from where to resume) or has lost its rights, and
// stays to be taken otherwise.
func (s *Stream) finish(err error) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false
	}
	var slow *Slow
	if errors.As(err, &slow) {
		err = &Slow{Position: s.resume()}
	}
	if c := fault.CodeOf(err); slow != nil || c == fault.Unauthorized || c == fault.Forbidden {
		s.queue, s.first, s.bytes = nil, 0, 0
	}
	s.err = err
	s.wake()
	if s.room != nil {
		select {
		case s.room <- struct{}{}:
		default:
		}
	}
	return true
}

// waiting tells how many events wait.
func (s *Stream) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) - s.first
}

// Group lets one goroutine read many streams.
type Group struct {
	c     chan struct{}
	mu    sync.Mutex
	ready []*Stream
}

// NewGroup returns a Group.
func NewGroup() *Group { return &Group{c: make(chan struct{}, 1)} }

// C receives when Take has something.
func (g *Group) C() <-chan struct{} { return g.c }

// Take appends to dst the streams that got events, or ended, since the last
// Take. Pop each until it has no more; one that is left with events waiting is
// named again only when more come.
func (g *Group) Take(dst []*Stream) []*Stream {
	g.mu.Lock()
	n := len(dst)
	dst = append(dst, g.ready...)
	clear(g.ready)
	g.ready = g.ready[:0]
	g.mu.Unlock()
	for _, s := range dst[n:] {
		s.mu.Lock()
		s.flagged = false
		s.mu.Unlock()
	}
	return dst
}

func (g *Group) add(s *Stream) {
	g.mu.Lock()
	g.ready = append(g.ready, s)
	g.mu.Unlock()
	select {
	case g.c <- struct{}{}:
	default:
	}
}
