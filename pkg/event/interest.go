package event

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// Guard is what a subscriber may see, compiled by access for one Catalog: the
// reading half of the worker's guard.
type Guard interface {
	// Rows restricts the records of e that can be read; nil = all.
	Rows(e *schema.Entity, class mesh.Class) query.Expr
	// Readable tells whether a column of e may be read.
	Readable(c *schema.Column) bool
	// View names the set of readable columns of e; equal sets, equal names.
	View(e *schema.Entity) string
}

// interest is what one subscription wants of one entity. Streams that want the
// same share it, and so share the decision on each message.
type interest struct {
	entity   *schema.Entity // nil for an entity that the catalog does not have
	where    query.Expr     // the filter and the guard's restriction; nil = every record
	readable func(*schema.Column) bool
	view     string

	last  *Message // what was decided last
	event *Event   // nil = not for these streams
}

// decide returns the event that the message is to the interest's streams, or
// nil.
func (in *interest) decide(m *Message, limit int) *Event {
	if in.last == m {
		return in.event
	}
	in.last, in.event = m, nil
	if match := in.match(m); match != none {
		in.event = m.encode(in, match, limit)
	}
	return in.event
}

func (in *interest) match(m *Message) Match {
	if in.where == nil {
		return Unfiltered
	}
	after, before := m.rows(in.entity)
	is := after != nil && query.Eval(in.where, after)
	was := before != nil && query.Eval(in.where, before)
	switch {
	case is && was:
		return Stay
	case is:
		return Enter
	case was:
		return Leave
	}
	return none
}

// compile makes the interest of a subscription in an entity, or finds that of
// an earlier one that is the same.
func (p *project) compile(e *schema.Entity, filter string, g Guard) (*interest, error) {
	in := &interest{entity: e}
	var rows query.Expr
	if g != nil {
		rows = g.Rows(e, mesh.Read)
		in.view = g.View(e)
		in.readable = readable(e, g)
	}
	key := interestKey{e.Name, in.view, filter}
	if rows == nil {
		if known := p.interests[key]; known != nil {
			return known, nil
		}
	}
	if filter != "" {
		doc, err := strictjson.Parse([]byte(filter))
		if err != nil {
			return nil, err
		}
		defer doc.Release()
		scope := query.Scope{Entity: e, Readable: in.readable}
		where, err := query.ParseFilter(scope, doc.Root)
		if err != nil {
			return nil, err
		}
		in.where = query.Visible(scope, where)
		if in.where == nil {
			in.where = query.Const(true)
		}
	}
	if rows != nil {
		if in.where == nil {
			in.where = rows
		} else {
			in.where = query.And{rows, in.where}
		}
		return in, nil
	}
	if len(p.interests) >= maxInterests {
		clear(p.interests)
	}
	p.interests[key] = in
	return in, nil
}

// maxInterests bounds how many interests are remembered to be shared; at the
// bound all are forgotten, and streams that have one keep it.
const maxInterests = 4096

type interestKey struct{ entity, view, filter string }

// readable returns nil if every column of e that is not hidden can be read.
func readable(e *schema.Entity, g Guard) func(*schema.Column) bool {
	for _, c := range e.Columns {
		if !c.Hidden && !g.Readable(c) {
			return g.Readable
		}
	}
	return nil
}

// wants compiles a whole subscription: one interest for each named entity, or
// none at all for a subscription to everything. Errors: UNKNOWN_ENTITY,
// INVALID_FILTER, INVALID_REQUEST, PARSE_ERROR.
func (p *project) wants(sub *Subscription, cat *schema.Catalog) (map[string]*interest, error) {
	filter := strings.TrimSpace(string(sub.Filter))
	if len(sub.Entities) == 0 {
		if filter != "" {
			return nil, fault.New(fault.InvalidRequest, "name the entity whose records the filter is about")
		}
		return nil, nil
	}
	g := sub.guard(cat)
	out := make(map[string]*interest, len(sub.Entities))
	for _, name := range sub.Entities {
		e := cat.Entity(name)
		if e == nil {
			return nil, fault.New(fault.UnknownEntity, "the project %s has no entity %q", sub.Project, clip(name))
		}
		in, err := p.compile(e, filter, g)
		if err != nil {
			return nil, err
		}
		out[e.Name] = in
	}
	return out, nil
}

func (sub *Subscription) guard(cat *schema.Catalog) Guard {
	if sub.Guard == nil {
		return nil
	}
	return sub.Guard(cat)
}

func clip(s string) string { return s[:min(len(s), 64)] }
