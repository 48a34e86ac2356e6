package run

import (
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/plan"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/sdl"
)

var errBroken = fault.New(fault.Internal, "the reply could not be understood")

// root writes the value of a root field; false for a null that an error caused.
func (s *state) root(r *plan.Root, f *fetched) bool {
	switch {
	case r.Const != nil:
		s.dst = append(s.dst, r.Const...)
		return true
	case r.Field != nil:
		return s.reflect(r)
	case f.err != nil:
		s.fail(f.err, r.Pos)
		return false
	}
	if f.reply != nil {
		if p := f.reply.Position; !p.IsZero() && (s.out.Position.IsZero() || p.Seq > s.out.Position.Seq) {
			s.out.Position = p
		}
		s.out.Replayed = s.out.Replayed || f.reply.Replayed
	}
	s.joins = f.joins
	switch r.Means.Shape {
	case sdl.Records:
		return s.list(r.Level, f.data, r.Pos)
	case sdl.Record:
		if isNull(f.data) {
			s.dst = append(s.dst, "null"...)
			return true
		}
		_, ok := s.record(r.Level, f.data, 0)
		return ok
	case sdl.Page, sdl.Connection:
		return s.page(r, f)
	case sdl.SDL:
		return s.service(r.Page)
	case sdl.Refs:
		return s.refs(r, f)
	case sdl.Touched:
		var room [1][]byte
		if members(f.meta, countKey, room[:]) && room[0] != nil {
			s.dst = append(s.dst, room[0]...)
			return true
		}
		s.dst = append(s.dst, "null"...)
		return true
	}
	if isNull(f.data) {
		s.dst = append(s.dst, "null"...)
	} else {
		s.dst = append(s.dst, f.data...)
	}
	return true
}

var (
	countKey = []string{"count"}
	metaKeys = []string{"next", "total", "cursors"}
)

// list writes records, each of which must be there. data may go on behind it.
func (s *state) list(l *plan.Level, data []byte, at plan.Pos) bool {
	i := space(data, 0)
	if i >= len(data) || data[i] != '[' {
		s.fail(errBroken, at)
		return false
	}
	s.dst = append(s.dst, '[')
	if i = space(data, i+1); i < len(data) && data[i] == ']' {
		s.dst = append(s.dst, ']')
		return true
	}
	depth := len(s.path)
	for n := 0; ; n++ {
		s.path = append(s.path[:depth], step{index: n})
		end, ok := s.record(l, data, i)
		if !ok {
			s.path = s.path[:depth]
			return false
		}
		i = space(data, end)
		if i < len(data) && data[i] == ']' {
			break
		}
		if i >= len(data) || data[i] != ',' {
			s.fail(errBroken, at)
			s.path = s.path[:depth]
			return false
		}
		s.dst = append(s.dst, ',')
		i = space(data, i+1)
	}
	s.path = s.path[:depth]
	s.dst = append(s.dst, ']')
	return true
}

// record writes the record that begins at i and returns the place behind it;
// false when null reaches it from below.
func (s *state) record(l *plan.Level, raw []byte, i int) (int, bool) {
	base := len(s.room)
	need := base + len(l.Keys)
	for cap(s.room) < need {
		s.room = append(s.room[:cap(s.room)], span{})
	}
	s.room = s.room[:need]
	end := scan(raw, i, l.Keys, l.Heads, s.room[base:need])
	ok := end >= 0
	if !ok {
		s.fail(errBroken, plan.Pos{})
	}
	ok = ok && s.fits(0, plan.Pos{}) && s.nodes(l, base, raw)
	s.room = s.room[:base]
	return end, ok
}

// nodes writes the fields of a record whose members are in the room at base.
func (s *state) nodes(l *plan.Level, base int, raw []byte) bool {
	s.dst = append(s.dst, '{')
	first := true
	for i := range l.Nodes {
		n := &l.Nodes[i]
		if n.Cond != nil && !s.Vars.Holds(n.Cond) {
			continue
		}
		if !first {
			s.dst = append(s.dst, ',')
		}
		first = false
		s.dst = append(s.dst, n.Key...)
		if n.Kind == plan.Typed {
			s.dst = append(s.dst, n.Const...)
			continue
		}
		// Deeper records may have moved the room.
		v := s.room[base+n.Slot].of(raw)
		if n.Kind == plan.Leaf && !isNull(v) {
			if !s.fits(len(v), n.Pos) {
				return false
			}
			s.dst = append(s.dst, v...)
			continue
		}
		if !s.node(n, v) {
			return false
		}
	}
	s.dst = append(s.dst, '}')
	return true
}

// node writes a value that is more than a member as it is.
func (s *state) node(n *plan.Node, v []byte) bool {
	at := len(s.dst)
	s.path = append(s.path, step{name: n.Alias})
	ok := true
	switch n.Kind {
	case plan.RefID:
		if id := idOf(v); id != nil {
			s.dst = append(append(append(s.dst, '"'), id...), '"')
			break
		}
		s.dst = append(s.dst, "null"...)
	case plan.One:
		if len(v) > 0 && v[0] == '{' {
			_, ok = s.record(n.Level, v, 0)
			break
		}
		s.dst = append(s.dst, "null"...)
	case plan.Many:
		if isNull(v) {
			v = empty
		}
		ok = s.list(n.Level, v, n.Pos)
	case plan.Joined:
		ok = s.joined(n, v)
	default:
		s.dst = append(s.dst, "null"...)
		if n.NonNull {
			if v == nil {
				s.fail(fault.New(fault.InvalidRequest, "%s is selected, but select or exclude leave it out", n.Alias), n.Pos)
			} else {
				s.fail(fault.New(fault.Internal, "the record has no value where the schema promises one"), n.Pos)
			}
			s.path = s.path[:len(s.path)-1]
			return false
		}
	}
	s.path = s.path[:len(s.path)-1]
	if !ok {
		s.dst = append(s.dst[:at], "null"...)
		return !n.NonNull && !s.over
	}
	return true
}

var empty = []byte("[]")

// service writes what a federation gateway asks for.
func (s *state) service(parts []plan.Part) bool {
	s.dst = append(s.dst, '{')
	for i := range parts {
		p := &parts[i]
		if !s.Vars.Holds(p.Cond) {
			continue
		}
		if s.dst[len(s.dst)-1] != '{' {
			s.dst = append(s.dst, ',')
		}
		s.dst = append(s.dst, p.Key...)
		if p.Const != nil {
			s.dst = append(s.dst, p.Const...)
		} else {
			s.dst = schema.AppendString(s.dst, s.Plan.Schema.Subgraph())
		}
	}
	s.dst = append(s.dst, '}')
	return true
}
