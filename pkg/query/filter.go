package query

import (
	"strings"
	"unsafe"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/valyala/fastjson"
)

// ParseFilter reads a filter of the JSON filter language (docs/query.md) and
// returns it simplified. A filter that excludes nothing, an absent one (nil)
// included, is the nil Expr. It never adds what Visible adds.
// Errors: INVALID_FILTER with details {path, reason}.
func ParseFilter(s Scope, v *fastjson.Value) (Expr, error) {
	if v == nil {
		return nil, nil
	}
	p := newFilterParser(s.column, s.Limits)
	e, bad := p.filter(v, 1)
	if bad != nil {
		return nil, bad.in("filter").fault()
	}
	return Simplify(e), nil
}

// filterParser reads one filter. Names are found through column, so that the
// same language serves entities and the rows between aggregation stages.
type filterParser struct {
	column func(name string) (*schema.Column, *problem)
	limits Limits
	nodes  int
	list   int
}

func newFilterParser(column func(string) (*schema.Column, *problem), l Limits) *filterParser {
	return &filterParser{column: column, limits: l.OrDefault()}
}

// node counts one condition or logical operator.
func (p *filterParser) node() *problem {
	if p.nodes++; p.nodes > p.limits.Nodes {
		return bad("a filter has at most %d conditions", p.limits.Nodes)
	}
	return nil
}

// filter reads {field: condition, …, "$or": […], …}.
func (p *filterParser) filter(v *fastjson.Value, depth int) (Expr, *problem) {
	if depth > p.limits.Depth {
		return nil, bad("a filter is nested at most %d deep", p.limits.Depth)
	}
	o, err := v.Object()
	if err != nil {
		return nil, bad("expected an object of conditions, such as {\"name\":\"Ada\"}")
	}
	var wrong *problem
	all := make(And, 0, o.Len())
	o.Visit(func(key []byte, v *fastjson.Value) {
		if wrong != nil {
			return
		}
		name := view(key)
		e, err := p.member(name, v, depth)
		if err != nil {
			wrong = err.in(segment(name))
			return
		}
		all = append(all, e)
	})
	if wrong != nil {
		return nil, wrong
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return all, nil
}

// segment is a caller's name as part of a path: short, and never mistaken for
// the path's own punctuation.
func segment(name string) string {
	if name == "" {
		return `""`
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c == '-') || i == 64 {
			return clip(name)
		}
	}
	return strings.Clone(name)
}

// view is a key as text for as long as the JSON value is there: what only looks
// a name up need not copy it.
func view(key []byte) string { return unsafe.String(unsafe.SliceData(key), len(key)) }

func (p *filterParser) member(name string, v *fastjson.Value, depth int) (Expr, *problem) {
	if name == "" || name[0] != '$' {
		c, err := p.column(name)
		if err != nil {
			return nil, err
		}
		return p.condition(c, v)
	}
	if err := p.node(); err != nil {
		return nil, err
	}
	switch name {
	case "$and":
		list, err := p.filters(v, depth)
		return And(list), err
	case "$or":
		list, err := p.filters(v, depth)
		if len(list) == 0 { // no condition, as Octonet has it
			return Const(true), err
		}
		return Or(list), err
	case "$nor":
		list, err := p.filters(v, depth)
		return Not{Or(list)}, err
	case "$not":
		e, err := p.filter(v, depth+1)
		return Not{e}, err
	}
	return nil, bad("unknown operator; between fields there are $and, $or, $not and $nor")
}

func (p *filterParser) filters(v *fastjson.Value, depth int) ([]Expr, *problem) {
	list, err := v.Array()
	if err != nil {
		return nil, bad("expected an array of filters")
	}
	out := make([]Expr, 0, len(list))
	for i, m := range list {
		e, err := p.filter(m, depth+1)
		if err != nil {
			return nil, err.at(i)
		}
		out = append(out, e)
	}
	return out, nil
}

// condition reads what stands behind a field: a value, or an object of operators.
func (p *filterParser) condition(c *schema.Column, v *fastjson.Value) (Expr, *problem) {
	if v.Type() == fastjson.TypeObject && (!isDocument(c) || hasOperator(v)) {
		return p.operators(c, v)
	}
	return p.compare(c, Eq, v)
}

// isDocument tells the columns that hold JSON text: an object behind them is a
// value unless it has an operator in it.
func isDocument(c *schema.Column) bool { return c.Type == schema.JSON || c.Type == schema.Array }

func hasOperator(v *fastjson.Value) bool {
	o, found := v.GetObject(), false
	o.Visit(func(key []byte, _ *fastjson.Value) { found = found || len(key) > 0 && key[0] == '$' })
	return found
}

// Visible returns a filter with the conditions that every caller of the entity
// is under: the discriminator of a shared table, and no soft-deleted records,
// unless they were asked for or the filter itself names deletedAt. The result
// holds the given filter and is simplified.
func Visible(s Scope, where Expr) Expr {
	e := s.Entity
	all := And{where}
	if e.Discriminator != "" {
		if c := e.Column(e.Discriminator); c != nil {
			all = append(all, Compare{Column: c, Op: Eq, Value: schema.TextOf(e.DiscriminatorValue)})
		}
	}
	if e.SoftDelete && !s.IncludeDeleted {
		for _, c := range e.Columns {
			if c.Role == schema.RoleDeletedAt && !Names(where, c) {
				all = append(all, Compare{Column: c, Op: Eq})
			}
		}
	}
	return Simplify(all)
}

// Names reports whether the filter asks anything of the column.
func Names(e Expr, c *schema.Column) bool {
	switch e := e.(type) {
	case And:
		return anyNames(e, c)
	case Or:
		return anyNames(e, c)
	case Not:
		return Names(e.X, c)
	case Compare:
		return e.Column == c
	case In:
		return e.Column == c
	case Regex:
		return e.Column == c
	case Contains:
		for _, x := range e.Columns {
			if x == c {
				return true
			}
		}
	}
	return false
}

func anyNames(list []Expr, c *schema.Column) bool {
	for _, e := range list {
		if Names(e, c) {
			return true
		}
	}
	return false
}
