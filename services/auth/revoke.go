package auth

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/identity"
	"github.com/octomesh/octomesh/services/auth/callout"
)

// Revoke ends, everywhere, what was issued to a principal until now: tokens at
// once by the watched bucket, native connections by the servers. It implements
// keys.Revoker; the record was changed before. Errors: UNAVAILABLE.
func (s *Service) Revoke(ctx context.Context, id string) error {
	at := s.Now()
	s.verifier.Revoke(id, at)
	key, value := identity.Revocation(id, at)
	if err := s.revocations.Put(ctx, key, value); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the change is stored, but could not be told to all services: repeat it; without that it holds within %s", access.MaxTTL)
	}
	return nil
}

// expiries revoke keys at the moment of their expiry.
type expiries struct {
	mu     sync.Mutex
	timers map[string]*time.Timer
	closed bool
	wg     sync.WaitGroup
}

// expire notes when a key ends. A later call for the same key replaces the
// earlier one.
func (s *Service) expire(id string, at time.Time) {
	e := &s.expiries
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	if old := e.timers[id]; old != nil && old.Stop() {
		e.wg.Done()
	}
	if e.timers == nil {
		e.timers = map[string]*time.Timer{}
	}
	e.wg.Add(1)
	var own *time.Timer
	own = time.AfterFunc(at.Sub(s.Now()), func() {
		defer e.wg.Done()
		e.mu.Lock()
		if e.timers[id] == own {
			delete(e.timers, id)
		}
		e.mu.Unlock()
		s.expired(id)
	})
	e.timers[id] = own
}

func (s *Service) expired(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	k, err := s.keys.Find(ctx, id)
	if err == nil && k.ExpiresAt != nil {
		s.expire(id, *k.ExpiresAt) // it was given more time, or the clock was set back meanwhile
	}
	if fault.CodeOf(err) != fault.Unauthorized {
		return
	}
	if err := s.Revoke(ctx, access.KeyID(id)); err != nil {
		s.Log.Warn("the expiry of a key could not be told; its tokens end by themselves", "key", id, "err", err)
	}
}

func (e *expiries) close() {
	e.mu.Lock()
	e.closed = true
	for _, t := range e.timers {
		if t.Stop() {
			e.wg.Done()
		}
	}
	e.mu.Unlock()
	e.wg.Wait()
}

// kicks disconnect native clients whose rights ended: at once, and once more
// after 2 s for a connection that was being made in the same moment.
type kicks struct {
	kicker *callout.Kicker
	log    *slog.Logger
	room   chan struct{}
	ctx    context.Context
	stop   context.CancelFunc
	mu     sync.Mutex
	wg     sync.WaitGroup
}

const (
	sweepAfter  = 2 * time.Second
	kicksAtOnce = 64
)

func newKicks(k *callout.Kicker, log *slog.Logger) *kicks {
	ctx, stop := context.WithCancel(context.Background())
	return &kicks{kicker: k, log: log, room: make(chan struct{}, kicksAtOnce), ctx: ctx, stop: stop}
}

func (k *kicks) revoked(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ctx.Err() != nil {
		return
	}
	before := time.Now()
	k.wg.Go(func() {
		k.kick(id, before)
		sweep := time.NewTimer(sweepAfter)
		defer sweep.Stop()
		select {
		case <-sweep.C:
			k.kick(id, before)
		case <-k.ctx.Done():
		}
	})
}

func (k *kicks) kick(id string, before time.Time) {
	select {
	case k.room <- struct{}{}:
	case <-k.ctx.Done():
		return
	}
	defer func() { <-k.room }()
	n, err := k.kicker.Kick(k.ctx, id, before)
	if err != nil && k.ctx.Err() == nil {
		k.log.Warn("native clients could not be disconnected; their connections end within 30 min", "principal", id, "err", err)
	}
	if n > 0 {
		k.log.Info("native clients disconnected", "principal", id, "connections", n)
	}
}

func (k *kicks) close() {
	k.mu.Lock()
	k.stop()
	k.mu.Unlock()
	k.wg.Wait()
}
