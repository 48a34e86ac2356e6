package run

import (
	"context"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/plan"
)

// eventKeys are the members of an event, as docs/events.md orders them.
var eventKeys = []string{"event", "id", "data", "changed", "inserted", "match", "truncated", "position", "at"}

// Event appends the response that a subscription sends for an event. Relations
// are read as they are now, not before the event.
func Event(ctx context.Context, r Request, e *event.Event, dst []byte) Result {
	s := states.Get().(*state)
	defer s.release()
	s.Request, s.ctx, s.dst, s.start = r, ctx, dst, len(dst)
	s.MinPosition = e.Position.String()
	root := r.Plan.Roots[0]
	s.path = append(s.path, step{name: root.Alias})
	s.dst = append(append(s.dst, `{"data":{`...), root.Key...)
	at := len(s.dst)
	if s.event(root.Page, e) {
		s.dst = append(s.dst, '}')
	} else { // what an event must have is missing: null reaches data
		s.dst = append(s.dst[:at-len(root.Key)-1], "null"...)
	}
	if len(s.errs) > 0 {
		s.dst = append(append(append(s.dst, `,"errors":[`...), s.errs...), ']')
	}
	s.dst = append(s.dst, '}')
	return s.result()
}

func (s *state) event(parts []plan.Part, e *event.Event) bool {
	got := make([][]byte, len(eventKeys))
	if e.Type != event.Gap && !members(e.JSON, eventKeys, got) {
		s.fail(errBroken, plan.Pos{})
		return false
	}
	s.dst = append(s.dst, '{')
	first := true
	for i := range parts {
		p := &parts[i]
		if !s.Vars.Holds(p.Cond) {
			continue
		}
		if !first {
			s.dst = append(s.dst, ',')
		}
		first = false
		s.dst = append(s.dst, p.Key...)
		var v []byte
		for k, key := range eventKeys {
			if key == p.Name {
				v = got[k]
			}
		}
		switch {
		case p.Const != nil:
			s.dst = append(s.dst, p.Const...)
		case p.Name == "event":
			s.dst = schema.AppendString(s.dst, e.Type)
		case p.Name == "position":
			s.dst = schema.AppendString(s.dst, e.Position.String())
		case isNull(v):
			s.dst = append(s.dst, "null"...)
		case p.Level != nil:
			s.after(p, v)
		default:
			s.dst = append(s.dst, v...)
		}
	}
	s.dst = append(s.dst, '}')
	return true
}

// after writes the record after the change.
func (s *state) after(p *plan.Part, data []byte) {
	if p.Level.Joins {
		g := gatherer{state: s, min: s.MinPosition}
		g.gather(p.Level, [][]byte{data})
		s.joins = g.joins
	}
	at := len(s.dst)
	s.path = append(s.path, step{name: p.Alias})
	if _, ok := s.record(p.Level, data, 0); !ok {
		s.over, s.dst = false, append(s.dst[:at], "null"...)
	}
	s.path = s.path[:1]
}
