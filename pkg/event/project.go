package event

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// project is the live end of one project: what it has seen last, the newest
// messages, and the streams that want them. One goroutine, run, takes in the
// messages; streams join and leave under the lock.
type project struct {
	slug string
	feed *Feed
	src  source
	log  *slog.Logger

	started chan struct{} // closed when last is known
	refs    int           // under the feed's lock: open streams and joins under way
	idle    time.Time     // under the feed's lock: since when refs is 0
	cancel  context.CancelFunc

	mu        sync.Mutex
	last      mesh.Position // everything up to here was delivered
	ring      ring
	catalog   *schema.Catalog
	interests map[interestKey]*interest
	plain     *interest // everything about an entity, without a guard
	streams   map[*Stream]struct{}
	all       map[*Stream]struct{}            // those that want every entity
	index     map[string]map[*Stream]struct{} // the others, by entity
}

// The pace of a project's own checks.
const (
	silence    = time.Second            // without a message, before the stream's tail is looked at
	retryFirst = 20 * time.Millisecond  // between attempts to read the log, doubling
	retryMost  = time.Second            //
	giveUp     = 15 * time.Second       // before a hole that cannot be read becomes a gap, and a replay that stands still ends
	pageSize   = 256                    // changes in one read of the log
	liveBuffer = 4096                   // messages between the connection and run
	linger     = 30 * time.Second       // of a project that nobody watches any more
	checkMost  = 5 * time.Second        // for one look at the stream's tail
	startRetry = 100 * time.Millisecond // between attempts to begin
)

func newProject(f *Feed, slug string, cat *schema.Catalog) *project {
	return &project{
		slug: slug, feed: f, src: f.src, log: f.o.Log.With("project", slug), catalog: cat,
		started:   make(chan struct{}),
		ring:      ring{most: f.o.RingEvents, max: f.o.RingBytes},
		interests: map[interestKey]*interest{},
		plain:     &interest{},
		streams:   map[*Stream]struct{}{}, all: map[*Stream]struct{}{},
		index: map[string]map[*Stream]struct{}{},
	}
}

// run takes in messages until ctx ends.
func (p *project) run(ctx context.Context) {
	live := make(chan *Message, liveBuffer)
	resync, stop := p.begin(ctx, live)
	if stop == nil {
		return
	}
	defer stop()
	close(p.started)
	quiet := time.NewTimer(silence)
	defer quiet.Stop()
	for {
		select {
		case m := <-live:
			p.receive(ctx, m)
			quiet.Reset(silence)
		case <-resync:
			p.checkTail(ctx)
			quiet.Reset(silence)
		case <-quiet.C:
			p.checkCatalog()
			p.checkTail(ctx)
			if p.feed.retire(p) {
				return
			}
			quiet.Reset(silence)
		case <-ctx.Done():
			return
		}
	}
}

// begin subscribes and finds out where the project stands, as often as it
// takes: from the stream's newest messages, or from the log if there are none.
func (p *project) begin(ctx context.Context, live chan<- *Message) (<-chan struct{}, func()) {
	for {
		resync, stop, err := p.src.live(p.slug, live)
		if err == nil {
			if err = p.position(ctx); err == nil {
				return resync, stop
			}
			stop()
		}
		if ctx.Err() == nil {
			p.log.Warn("events: cannot follow the project yet", "err", err.Error())
		}
		select {
		case <-time.After(startRetry):
		case <-ctx.Done():
			return nil, nil
		}
	}
}

func (p *project) position(ctx context.Context) error {
	recent, err := p.src.recent(ctx, p.slug, p.ring.most)
	if err != nil {
		recent = nil // the ring may be empty, the position may not be wrong
	}
	p.mu.Lock()
	p.ring.clear()
	for _, m := range recent {
		if p.ring.n > 0 && (m.Position.Epoch != p.last.Epoch || m.Prev != p.last.Seq) {
			if m.Position.Epoch == p.last.Epoch && m.Position.Seq <= p.last.Seq {
				continue // published again
			}
			p.ring.clear()
		}
		p.ring.add(m)
		p.last = m.Position
	}
	known := p.ring.n > 0
	p.mu.Unlock()
	if known {
		return nil
	}
	at, err := p.src.tail(ctx, p.slug)
	if err != nil || at.IsZero() {
		at, err = p.src.head(ctx, p.slug)
	}
	p.mu.Lock()
	p.last = at
	p.mu.Unlock()
	return err
}

// receive takes in one live message, and what is missing before it.
func (p *project) receive(ctx context.Context, m *Message) {
	p.feed.o.Metrics.Events(1)
	at := p.at()
	if m.Position.Epoch != at.Epoch {
		if !p.confirm(ctx, m.Position.Epoch, mesh.Position{Epoch: m.Position.Epoch, Seq: m.Prev}) {
			return
		}
		at = p.at()
	}
	if m.Position.Epoch != at.Epoch || m.Position.Seq <= at.Seq {
		return
	}
	hole := m.Prev
	if m.Truncated && p.judged(m.Entity) {
		hole = m.Position.Seq // the log has the whole record, which filters need
	}
	if hole > at.Seq && !p.fill(ctx, hole) && m.Prev > at.Seq {
		p.restart(at.Epoch, mesh.Position{Epoch: m.Position.Epoch, Seq: m.Prev}, "hole")
	}
	p.deliver(m)
}

func (p *project) at() mesh.Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// deliver hands a message on if it is the next one. It is the only place where
// last moves forward.
func (p *project) deliver(m *Message) {
	p.checkCatalog()
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.Position.Epoch != p.last.Epoch || m.Position.Seq <= p.last.Seq {
		return
	}
	m.Prev = p.last.Seq // nothing lies between, so the ring's links stay whole
	p.last = m.Position
	p.ring.add(m)
	for s := range p.all {
		p.offer(s, m)
	}
	for s := range p.index[m.Entity] {
		p.offer(s, m)
	}
}

// offer gives a message to a live stream.
func (p *project) offer(s *Stream, m *Message) {
	if s.live && m.Position.Seq > s.pos.Seq {
		p.give(s, m)
	}
}

// give gives a message to a stream, if it is for it. The lock is held.
func (p *project) give(s *Stream, m *Message) bool {
	s.pos = m.Position
	in := p.interestOf(s, m.Entity)
	if in == nil {
		return true
	}
	e := in.decide(m, p.feed.o.MaxEvent)
	if e == nil || s.push(e) {
		return true
	}
	p.endLocked(s, &Slow{}, "slow")
	return false
}

// interestOf returns what a stream wants of an entity, nil for nothing.
func (p *project) interestOf(s *Stream, entity string) *interest {
	switch {
	case s.wants != nil:
		return s.wants[entity]
	case s.sub.Guard == nil:
		return p.plain
	}
	in, ok := s.lazy[entity]
	if !ok {
		if e := p.catalog.Entity(entity); e != nil {
			in, _ = p.compile(e, "", s.sub.guard(p.catalog))
		}
		if s.lazy == nil {
			s.lazy = map[string]*interest{}
		}
		s.lazy[entity] = in
	}
	return in
}

// judged tells whether somebody's events of the entity depend on the record.
func (p *project) judged(entity string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.streams {
		if in := p.interestOf(s, entity); in != nil && in.where != nil {
			return true
		}
	}
	return false
}

// fill reads the log and delivers until upTo. It tries as long as the log is
// out of reach, and reports false if what is missing cannot be had.
func (p *project) fill(ctx context.Context, upTo int64) bool {
	deadline, wait := time.Now().Add(giveUp), retryFirst
	for {
		at := p.at()
		if at.Seq >= upTo {
			return true
		}
		page, err := p.src.log(ctx, p.slug, at, pageSize)
		for _, m := range page {
			p.deliver(m)
			wait = retryFirst
		}
		if len(page) > 0 && err == nil {
			deadline = time.Now().Add(giveUp)
			continue
		}
		if fault.CodeOf(err) == fault.Gap || ctx.Err() != nil || time.Now().After(deadline) {
			return false
		}
		if !pause(ctx, &wait) {
			return false
		}
	}
}

func pause(ctx context.Context, wait *time.Duration) bool {
	t := time.NewTimer(*wait)
	defer t.Stop()
	*wait = min(2**wait, retryMost)
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// checkTail compares with the stream's newest message: a loss at the end shows
// in no later message.
func (p *project) checkTail(ctx context.Context) {
	short, cancel := context.WithTimeout(ctx, checkMost)
	tail, err := p.src.tail(short, p.slug)
	cancel()
	at := p.at()
	switch {
	case err != nil || tail.IsZero():
		return // asked again after the next silence
	case tail.Epoch != at.Epoch:
		p.confirm(ctx, tail.Epoch, tail)
	case tail.Seq > at.Seq:
		if !p.fill(ctx, tail.Seq) && ctx.Err() == nil {
			p.restart(at.Epoch, tail, "hole")
		}
	}
}

// confirm asks the log whether it really has that epoch now, since a message
// may also be left over from an old one. If so everybody gets a gap and the
// project goes on after begin. It reports whether the epoch is the present one.
func (p *project) confirm(ctx context.Context, epoch string, begin mesh.Position) bool {
	short, cancel := context.WithTimeout(ctx, checkMost)
	defer cancel()
	head, err := p.src.head(short, p.slug)
	if err != nil {
		return false // the next silence asks again
	}
	at := p.at()
	if head.Epoch == at.Epoch {
		return false
	}
	if head.Epoch != epoch {
		begin = head
	}
	p.restart(at.Epoch, begin, "epoch")
	return head.Epoch == epoch
}

// restart moves everybody to a position, with a gap, unless another restart
// was first.
func (p *project) restart(from string, at mesh.Position, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.Epoch != from || p.last == at || p.last.Epoch == at.Epoch && p.last.Seq > at.Seq {
		return
	}
	p.log.Warn("events: a gap for every stream", "reason", reason, "from", p.last.String(), "to", at.String())
	p.last = at
	p.ring.clear()
	for s := range p.streams {
		if s.pos.Epoch == at.Epoch && s.pos.Seq >= at.Seq {
			continue
		}
		p.gap(s)
	}
}

// gap moves a stream to the newest position. The lock is held.
func (p *project) gap(s *Stream) {
	s.pos = p.last
	p.feed.o.Metrics.FeedDropped("gap")
	if !s.push(&Event{Type: Gap, Position: p.last}) {
		p.endLocked(s, &Slow{}, "slow")
	}
}
