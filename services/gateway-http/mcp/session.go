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
	mu   sync.Mutex
	open map[string]*session
	end  sync.WaitGroup
}

type session struct {
	*sdk.ServerSession
	principal string
	used      time.Time
}

// room refuses a new session where there are too many, after it has closed the
// principal's longest unused one if that has too many itself. Errors: OVERLOADED.
func (s *sessions) room(principal string) error {
	s.mu.Lock()
	mine, total := 0, len(s.open)
	var oldest *session
	for _, o := range s.open {
		if o.principal != principal {
			continue
		}
		if mine++; oldest == nil || o.used.Before(oldest.used) {
			oldest = o
		}
	}
	s.mu.Unlock()
	if mine >= maxSessionsOfOne {
		_ = oldest.Close()
		total--
	}
	if total >= maxSessions {
		return fault.New(fault.Overloaded, "too many sessions are open").After(time.Second)
	}
	return nil
}

// touch notes that a session is used.
func (s *sessions) touch(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.open[id]; o != nil {
		o.used = time.Now()
	}
}

// follow is middleware of the SDK: it learns of sessions when they begin.
func (s *sessions) follow(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, r sdk.Request) (sdk.Result, error) {
		res, err := next(ctx, method, r)
		if ss, ok := r.GetSession().(*sdk.ServerSession); ok && err == nil && method == "initialize" && ss.ID() != "" {
			if c := callerOf(r.GetExtra()); c != nil {
				s.add(ss, c.principal.ID)
			}
		}
		return res, err
	}
}

func (s *sessions) add(ss *sdk.ServerSession, principal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string]*session{}
	}
	id := ss.ID()
	s.open[id] = &session{ss, principal, time.Now()}
	s.end.Go(func() {
		_ = ss.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, id)
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
