package store

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/store/populate"
	"github.com/valyala/fastjson"
)

// plan returns what the request's records look like in the reply: from the
// cache, if a request like it came lately. The extra columns are read, but not
// shown. Errors: INVALID_FILTER, INVALID_REQUEST.
func (c *call) plan(extra []query.Order) (*populate.Plan, error) {
	relations, err := paths(c.args.relations)
	if err != nil {
		return nil, err
	}
	key := c.planKey(c.key[:0], relations, extra)
	c.key = key
	if p := c.state.plans.get(key); p != nil {
		return p, nil
	}
	scope := c.scope()
	members, err := query.ParseMembers(scope, c.args.selected, c.args.excluded)
	if err != nil {
		return nil, err
	}
	spec := populate.Spec{Scope: scope, Members: members, Paths: relations, Eager: true}
	for _, o := range extra {
		spec.Extra = append(spec.Extra, o.Column)
	}
	p, err := populate.New(spec)
	if err != nil {
		return nil, err
	}
	c.state.plans.put(key, p)
	return p, nil
}

// view returns what the caller may see of a record as the change log has it:
// nothing is filled in.
func (c *call) view() (*populate.Plan, error) {
	key := append([]byte("\x00"+c.model.entity.Name+"\x00"), c.guard.View(c.model.entity)...)
	if p := c.state.plans.get(key); p != nil {
		return p, nil
	}
	scope := c.scope()
	members, err := query.ParseMembers(scope, nil, nil)
	if err != nil {
		return nil, err
	}
	p, err := populate.New(populate.Spec{Scope: scope, Members: members})
	if err == nil {
		c.state.plans.put(key, p)
	}
	return p, err
}

// planKey appends all that a plan depends on: the entity, the selection, and
// the names of the views of every entity whose records it can show.
func (c *call) planKey(key []byte, relations []string, extra []query.Order) []byte {
	e := c.model.entity
	key = append(append(key, e.Name...), 0)
	for _, v := range [...]*fastjson.Value{c.args.selected, c.args.excluded, c.args.relations} {
		if v != nil {
			key = v.MarshalTo(key)
		}
		key = append(key, 0)
	}
	for _, o := range extra {
		key = append(append(key, o.Column.Name...), ',')
	}
	if c.guard == nil {
		return key
	}
	key = append(append(key, 0), c.guard.View(e)...)
	for _, r := range e.Relations {
		if r.Eager {
			key = append(append(key, 0), c.guard.View(r.Target)...)
		}
	}
	for _, path := range relations {
		for at, name := e, ""; at != nil; {
			name, path, _ = strings.Cut(path, ".")
			r := at.Relation(strings.TrimSpace(name))
			if r == nil {
				break
			}
			at = r.Target
			key = append(append(key, 0), c.guard.View(at)...)
		}
	}
	return key
}

// missing returns those sort columns that a plan does not read.
func missing(p *populate.Plan, order []query.Order) []query.Order {
	var out []query.Order
	for _, o := range order {
		if p.Column(o.Column) < 0 {
			out = append(out, o)
		}
	}
	return out
}

// places returns where a plan reads the sort columns.
func places(p *populate.Plan, order []query.Order) []int {
	out := make([]int, len(order))
	for i, o := range order {
		out[i] = p.Column(o.Column)
	}
	return out
}
