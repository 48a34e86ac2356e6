package event

import (
	"context"
	"errors"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// stalled is how long a reader may take nothing while its past waits.
const stalled = 30 * time.Second

// join opens a stream: it is entered first and takes its past, if it asked for
// one, from the ring or the log afterwards, so that nothing falls in between.
func (p *project) join(ctx context.Context, sub Subscription, cat *schema.Catalog) (*Stream, error) {
	gap := false
	if from := sub.From; !from.IsZero() {
		if at := p.at(); from.Epoch != at.Epoch || from.Seq > at.Seq {
			// Ahead of what was seen here: a write's reply may be faster than its event.
			head, err := p.src.head(ctx, p.slug)
			if err != nil {
				return nil, err
			}
			if head.Epoch != at.Epoch {
				p.restart(at.Epoch, head, "epoch")
			}
			gap = from.Epoch != head.Epoch || from.Seq > head.Seq
		}
	}
	s := newStream(p, sub)
	p.mu.Lock()
	wants, err := p.wants(&sub, cat)
	if err != nil {
		p.mu.Unlock()
		return nil, err
	}
	s.wants, s.pos = wants, sub.From
	if sub.From.IsZero() || gap || sub.From.Epoch != p.last.Epoch {
		s.pos, s.live, s.Gap = p.last, true, !sub.From.IsZero()
	} else if s.pos.Seq >= p.last.Seq {
		s.live = true
	} else {
		s.room = make(chan struct{}, 1)
	}
	s.Start = s.pos
	p.enter(s)
	covered := s.live || p.ring.covers(s.pos)
	p.mu.Unlock()
	if !covered {
		// The first page now, so that a gap is told at once.
		page, err := p.src.log(ctx, p.slug, s.Start, s.buffer/2)
		if err != nil && fault.CodeOf(err) != fault.Gap {
			p.mu.Lock()
			defer p.mu.Unlock()
			if s.closed {
				return s, nil // ended meanwhile, and says why by itself
			}
			s.closed = true
			p.leave(s)
			return nil, err
		}
		p.mu.Lock()
		if err != nil && s.pos == s.Start {
			s.pos, s.Start, s.live, s.Gap = p.last, p.last, true, true
		}
		p.past(s, page)
		p.mu.Unlock()
	}
	return s, nil
}

// past gives a stream what was read from the log for it. The lock is held.
func (p *project) past(s *Stream, page []*Message) {
	for _, m := range page {
		if s.closed || m.Position.Epoch != s.pos.Epoch {
			return
		}
		if m.Position.Seq > s.pos.Seq && !p.give(s, m) {
			return
		}
	}
}

// catchUp brings a stream from its past to the present, as fast as its reader
// takes the events. A stream that gets nowhere for long, since the log is out of
// reach, ends: its reader knows the place to resume from, and may find another
// gateway.
func (p *project) catchUp(ctx context.Context, s *Stream) {
	wait, stuck := retryFirst, time.Time{}
	for p.roomFor(ctx, s) {
		done, err := p.advance(ctx, s)
		if done {
			return
		}
		if err == nil {
			wait, stuck = retryFirst, time.Time{}
			continue
		}
		if stuck.IsZero() {
			stuck = time.Now()
		}
		if time.Since(stuck) >= giveUp {
			p.log.Warn("events: a stream ends because the change log cannot be reached", "err", err.Error())
			p.drop(s, fault.Wrap(err, fault.Unavailable, "the change log cannot be reached; resume from the last position"), "log")
			return
		}
		if !pause(ctx, &wait) {
			return
		}
	}
}

// errEmpty: the log has nothing although the stream is not in the present.
var errEmpty = errors.New("the change log gave nothing")

// advance gives a stream the next part of its past. done: it has arrived in the
// present, or has ended. An error tells why it did not get on.
func (p *project) advance(ctx context.Context, s *Stream) (done bool, err error) {
	done, after := p.step(s)
	if done || after.IsZero() {
		return done, nil
	}
	page, err := p.src.log(ctx, p.slug, after, min(pageSize, s.buffer/2))
	p.mu.Lock()
	defer p.mu.Unlock()
	if fault.CodeOf(err) == fault.Gap && s.pos == after && !s.closed {
		p.gap(s)
		return false, nil
	}
	p.past(s, page)
	if err == nil && len(page) == 0 {
		err = errEmpty
	}
	return false, err
}

// step gives a stream a part of the ring, or tells after which position the
// log is to be read. done: the stream has arrived, or has ended.
func (p *project) step(s *Stream) (done bool, after mesh.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case s.closed || s.live:
		return true, mesh.Position{}
	case s.pos.Seq >= p.last.Seq:
		s.live = true
		return true, mesh.Position{}
	case !p.ring.covers(s.pos):
		return false, s.pos
	}
	i := p.ring.after(s.pos.Seq)
	for end := min(p.ring.n, i+s.buffer/2); i < end; i++ {
		if !p.give(s, p.ring.at(i)) {
			return true, mesh.Position{}
		}
	}
	return false, mesh.Position{}
}

// roomFor waits until half of a stream's buffer is free. A reader that takes
// nothing for long is too slow.
func (p *project) roomFor(ctx context.Context, s *Stream) bool {
	for s.Err() == nil {
		if s.waiting() <= s.buffer/2 {
			return true
		}
		t := time.NewTimer(stalled)
		select {
		case <-s.room:
			t.Stop()
		case <-t.C:
			p.drop(s, &Slow{}, "slow")
		case <-ctx.Done():
			t.Stop()
			return false
		}
	}
	return false
}
