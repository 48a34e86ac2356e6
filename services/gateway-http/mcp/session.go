package mcp

import (
	"context"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/octomesh/octomesh/pkg/fault"
)

// How many sessions there may be: of one principal, whose oldest gives way to a
// new one, and of all.
const (
	maxSessionsOfOne = 256
	maxSessions      = 8192
)

// sessions knows the open sessions, so that they are bounded and end with the
// server.
type sessions struct {
	mu      sync.Mutex
	open    map[string]*session
	opening map[*caller]struct{} // whose initialize is under way
	end     sync.WaitGroup
}

type session struct {
	*sdk.ServerSession
	principal   string
	named, sees string // as its opener's
	used        time.Time
}

// reserve takes the place of a session that c is about to open; it is his until
// the session is there or release gives it back. The principal's longest unused
// session makes room if he has too many. Errors: OVERLOADED.
func (s *sessions) reserve(c *caller) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine, total := 0, len(s.open)+len(s.opening)
	id, oldest := "", (*session)(nil)
	for k, o := range s.open {
		if o.principal != c.principal.ID {
			continue
		}
		if mine++; oldest == nil || o.used.Before(oldest.used) {
			id, oldest = k, o
		}
	}
	for o := range s.opening {
		if o.principal.ID == c.principal.ID {
			mine++
		}
	}
	switch {
	case mine >= maxSessionsOfOne && oldest != nil:
		// It counts no more from now on; closing it takes as long as its calls
		// under way do, and nobody waits for that.
		delete(s.open, id)
		s.end.Go(func() { _ = oldest.Close() })
	case mine >= maxSessionsOfOne || total >= maxSessions:
		return fault.New(fault.Overloaded, "too many sessions are open").After(time.Second)
	}
	if s.opening == nil {
		s.opening = map[*caller]struct{}{}
	}
	s.opening[c] = struct{}{}
	return nil
}

// release gives back the place that c reserved, if he has opened nothing there.
func (s *sessions) release(c *caller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.opening, c)
}

// touch notes that a session is used. To a principal who may see other things
// than when he opened it, it is gone: clients then open another, and learn what
// there is now. Errors: NOT_FOUND.
func (s *sessions) touch(id string, c *caller) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.open[id]
	if o == nil || o.principal == c.principal.ID && o.named == c.named && o.sees != c.sees {
		return fault.New(fault.NotFound, "session not found: open a new one")
	}
	o.used = time.Now()
	return nil
}

// follow is middleware of the SDK: it learns of sessions when they begin.
func (s *sessions) follow(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, r sdk.Request) (sdk.Result, error) {
		res, err := next(ctx, method, r)
		if ss, ok := r.GetSession().(*sdk.ServerSession); ok && err == nil && method == "initialize" && ss.ID() != "" {
			if c := callerOf(r.GetExtra()); c != nil {
				s.add(ss, c)
			}
		}
		return res, err
	}
}

func (s *sessions) add(ss *sdk.ServerSession, c *caller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string]*session{}
	}
	delete(s.opening, c)
	id, o := ss.ID(), &session{ss, c.principal.ID, c.named, c.sees, time.Now()}
	s.open[id] = o
	s.end.Go(func() {
		_ = ss.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[id] == o {
			delete(s.open, id)
		}
	})
}

// close ends all sessions and waits for them.
func (s *sessions) close() {
	s.mu.Lock()
	list := make([]*session, 0, len(s.open))
	for _, o := range s.open {
		list = append(list, o)
	}
	s.mu.Unlock()
	for _, o := range list {
		_ = o.Close()
	}
	s.end.Wait()
}
