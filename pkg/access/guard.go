package access

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// Policy restricts one entity, beyond what scopes do. Every policy that names an
// entity restricts it further; none ever opens anything.
type Policy struct {
	Entity string `json:"entity"`
	// Rows is a filter that a record must match; empty = every record.
	Rows json.RawMessage `json:"rows,omitempty"`
	// Hidden are fields that can be neither read nor used in a query.
	Hidden []string `json:"hidden,omitempty"`
	// Operations are the classes that Rows is for: read, write; empty = both.
	Operations []string `json:"operations,omitempty"`
}

// Guard is what policies leave of one Catalog. It fits the store's and the
// Feed's Guard. A nil Guard restricts nothing; use GuardFor's result only where
// it is not nil.
//
// Of entities and columns of another Catalog, even of one that differs by its
// version only, it lets nothing be seen or changed: a call that meets a new
// Catalog with the Guard of the former one must not find everything open.
type Guard struct {
	catalog  *schema.Catalog
	columns  map[*schema.Column]bool // those of the catalog
	entities map[*schema.Entity]*restriction
	hidden   map[*schema.Column]bool
}

type restriction struct {
	read, write query.Expr // nil = all
	view        string
}

// PoliciesOf returns the policies that a principal is under. Keys have none:
// they are limited by scopes alone. Roles will bring theirs here.
func PoliciesOf(*mesh.Principal) []Policy { return nil }

// GuardFor returns what a principal may see and change of a Catalog, nil when
// nothing is restricted. Errors: those of Compile.
func GuardFor(cat *schema.Catalog, p *mesh.Principal) (*Guard, error) {
	policies := PoliciesOf(p)
	if len(policies) == 0 {
		return nil, nil
	}
	return Compile(cat, policies)
}

// Compile makes a Guard of policies. One that does not fit the Catalog is an
// error rather than ignored: an unknown field must not leave the records open.
// Errors: VALIDATION_ERROR, INVALID_FILTER, PARSE_ERROR.
func Compile(cat *schema.Catalog, policies []Policy) (*Guard, error) {
	g := &Guard{
		catalog: cat, columns: map[*schema.Column]bool{},
		entities: map[*schema.Entity]*restriction{}, hidden: map[*schema.Column]bool{},
	}
	for _, e := range cat.Entities {
		for _, c := range e.Columns {
			g.columns[c] = true
		}
	}
	for _, p := range policies {
		e := cat.Entity(p.Entity)
		if e == nil {
			return nil, fault.New(fault.ValidationError, "a policy names the entity %q, which the project has not", p.Entity)
		}
		r := g.entities[e]
		if r == nil {
			r = &restriction{}
			g.entities[e] = r
		}
		if err := g.restrict(e, r, &p); err != nil {
			return nil, err
		}
	}
	for e, r := range g.entities {
		var names []string
		for _, c := range e.Columns {
			if g.hidden[c] {
				names = append(names, c.Name)
			}
		}
		r.view = strings.Join(names, ",")
	}
	return g, nil
}

func (g *Guard) restrict(e *schema.Entity, r *restriction, p *Policy) error {
	for _, name := range p.Hidden {
		c := e.Column(name)
		if c == nil || c.Role == schema.RoleID || c.Role == schema.RoleVersion {
			return fault.New(fault.ValidationError, "a policy cannot hide %s.%s", e.Name, name)
		}
		g.hidden[c] = true
	}
	for _, op := range p.Operations {
		if op != "read" && op != "write" {
			return fault.New(fault.ValidationError, "a policy's operations are read and write, not %q", op)
		}
	}
	if len(p.Rows) == 0 {
		return nil
	}
	doc, err := strictjson.Parse(p.Rows)
	if err != nil {
		return err
	}
	defer doc.Release()
	rows, err := query.ParseFilter(query.Scope{Entity: e, Limits: query.DefaultLimits}, doc.Root)
	if err != nil {
		return err
	}
	if len(p.Operations) == 0 || slices.Contains(p.Operations, "read") {
		r.read = both(r.read, rows)
	}
	if len(p.Operations) == 0 || slices.Contains(p.Operations, "write") {
		r.write = both(r.write, rows)
	}
	return nil
}

func both(a, b query.Expr) query.Expr {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return query.And{a, b}
}

// Rows restricts the records of e that can be read, or changed; nil = all. What
// may be changed must be readable too: else a change would tell what is there.
func (g *Guard) Rows(e *schema.Entity, class mesh.Class) query.Expr {
	r := g.entities[e]
	switch {
	case !g.knows(e):
		return query.Const(false)
	case r == nil:
		return nil
	case class == mesh.Read:
		return r.read
	}
	return both(r.read, r.write)
}

// Readable tells whether a column may be read, and so also be filtered, sorted,
// grouped or searched by.
func (g *Guard) Readable(c *schema.Column) bool { return g.columns[c] && !g.hidden[c] }

// knows reports whether an entity is one of the Guard's own Catalog.
func (g *Guard) knows(e *schema.Entity) bool { return e != nil && g.catalog.Entity(e.Name) == e }

// View names the set of readable columns of e; equal sets, equal names.
func (g *Guard) View(e *schema.Entity) string {
	if !g.knows(e) {
		return "\x00" // no set of names: it shares no plan with a Guard that knows e
	}
	if r := g.entities[e]; r != nil {
		return r.view
	}
	return ""
}

// After checks a record that is about to be stored: nobody writes a record that
// he could not change afterwards, nor sets a field that he may not read.
// Errors: FORBIDDEN; UNAVAILABLE for an entity of another Catalog.
func (g *Guard) After(e *schema.Entity, before, after schema.Row) error {
	if !g.knows(e) {
		return fault.New(fault.Unavailable, "the schema is just changing; nothing was stored, send the request again")
	}
	r := g.entities[e]
	if r == nil {
		return nil
	}
	rows := g.Rows(e, mesh.Write)
	if before != nil && !query.Eval(rows, before) || after != nil && !query.Eval(rows, after) {
		return fault.New(fault.Forbidden, "a policy does not let you store this %s", e.Name)
	}
	if after == nil {
		return nil
	}
	for i, c := range e.Columns {
		if !g.hidden[c] || c.Field == nil {
			continue
		}
		if before != nil && !after[i].Equal(before[i]) || before == nil && !after[i].IsNull() && c.Field.Default == nil {
			return fault.New(fault.Forbidden, "a policy does not let you set %s.%s", e.Name, c.Name)
		}
	}
	return nil
}
