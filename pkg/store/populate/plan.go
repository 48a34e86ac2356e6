// Package populate turns rows into records: typed rows go in, the JSON of
// records with their relations filled in comes out. Relations are read with one
// query for each relation and level, however many records a page has.
package populate

import (
	"strings"
	"sync/atomic"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// MaxDepth is how many relations a dotted path may have: "lines.track.album"
// has three.
const MaxDepth = 5

// maxPaths bounds the relations that one request names.
const maxPaths = 32

// Plan is what records of an entity look like for one caller: the columns that
// are read, the members that are shown and the relations that are filled in. It
// is made once for each kind of request, shared, and read-only.
type Plan struct {
	Entity     *schema.Entity
	Projection *query.Projection
	// Whole tells that the record shows every member that is not hidden and
	// populates nothing: the form in which the change log keeps it.
	Whole bool

	members  []member
	children []*child
	id       int // where the projection has the id
	version  int // where it has _version, or -1
	room     atomic.Int64
}

// member is one key of the record: its JSON up to the value, and where the
// value comes from.
type member struct {
	of     schema.Member
	key    []byte // {"id": for the first, ,"name": for the others
	column int    // of the projection; -1 for a relation that is not populated
	child  int    // of the plan's children; -1 for what is not populated
}

// child is a relation that is filled in.
type child struct {
	relation *schema.Relation
	plan     *Plan
	column   int // of the parent's projection: the reference, or the parent's id
	match    int // of the child's projection: what the parent's column finds it by
}

// Spec says what a plan is to show.
type Spec struct {
	Scope   query.Scope     // the entity, and what may be read of any entity
	Members []schema.Member // what is shown, in record order
	Paths   []string        // relations to fill in, dotted
	// Eager fills in those shown relations too that say so themselves (fetch
	// eager), of the entity itself, not of those that it leads to.
	Eager bool
	Extra []*schema.Column // read, but not shown
}

// New makes a plan. Errors: INVALID_FILTER for a path that leads nowhere.
func New(s Spec) (*Plan, error) {
	if len(s.Paths) > maxPaths {
		return nil, fault.New(fault.InvalidFilter, "relations: a request fills in at most %d relations", maxPaths)
	}
	tree := &node{}
	for _, m := range s.Members {
		if s.Eager && m.Relation != nil && m.Relation.Eager {
			tree.at(m.Relation.Name)
		}
	}
	for _, path := range s.Paths {
		parts := strings.Split(path, ".")
		if len(parts) > MaxDepth {
			return nil, fault.New(fault.InvalidFilter, "relations: a path has at most %d relations", MaxDepth)
		}
		at := tree
		for _, name := range parts {
			at = at.at(strings.TrimSpace(name))
		}
	}
	return compile(s.Scope, s.Members, s.Extra, tree)
}

// node is the tree of relations that the paths make together.
type node struct {
	name string
	next []*node
}

func (n *node) at(name string) *node {
	for _, x := range n.next {
		if x.name == name {
			return x
		}
	}
	x := &node{name: name}
	n.next = append(n.next, x)
	return x
}

func (n *node) find(name string) *node {
	for _, x := range n.next {
		if x.name == name {
			return x
		}
	}
	return nil
}

func compile(scope query.Scope, members []schema.Member, extra []*schema.Column, tree *node) (*Plan, error) {
	e := scope.Entity
	p := &Plan{Entity: e, Projection: &query.Projection{}, Whole: len(tree.next) == 0}
	shown := make(map[string]bool, len(members))
	for _, m := range members {
		shown[m.Name] = true
	}
	readable, err := query.ParseMembers(scope, nil, nil)
	if err != nil {
		return nil, err
	}
	for _, n := range tree.next { // a relation that is asked for is shown, selected or not
		if r := e.Relation(n.name); r == nil || !named(readable, n.name) {
			return nil, fault.New(fault.InvalidFilter, "relations: %s has no relation %q that you can read", e.Name, clip(n.name))
		}
		shown[n.name] = true
	}
	p.id = p.read(column(e, schema.RoleID))
	for _, m := range e.Members {
		if m.Column != nil && !m.Column.Hidden && !shown[m.Name] {
			p.Whole = false
		}
		if !shown[m.Name] || !named(readable, m.Name) {
			continue
		}
		out := member{of: m, key: schema.AppendString([]byte{','}, m.Name), column: -1, child: -1}
		if len(p.members) == 0 {
			out.key[0] = '{'
		}
		out.key = append(out.key, ':')
		if m.Column != nil {
			out.column = p.read(m.Column)
		}
		if n := tree.find(m.Name); n != nil {
			c, err := p.child(scope, m.Relation, n)
			if err != nil {
				return nil, err
			}
			out.child = len(p.children)
			p.children = append(p.children, c)
		}
		p.members = append(p.members, out)
	}
	for _, c := range extra {
		p.read(c)
	}
	p.version = p.Column(column(e, schema.RoleVersion))
	var key strings.Builder
	for _, c := range p.Projection.Columns {
		key.WriteString(c.Name)
		key.WriteByte(',')
	}
	p.Projection.Key = key.String()
	return p, nil
}

// child compiles a relation's own records.
func (p *Plan) child(scope query.Scope, r *schema.Relation, n *node) (*child, error) {
	scope.Entity = r.Target
	members, err := query.ParseMembers(scope, nil, nil)
	if err != nil {
		return nil, err
	}
	if len(r.Select) > 0 {
		members = keep(members, r.Select)
	}
	c := &child{relation: r, column: p.id}
	match := column(r.Target, schema.RoleID)
	switch {
	case r.Stored():
		c.column = p.read(r.Column)
	case r.Type == schema.OneToMany:
		match = r.Inverse.Column
	}
	if c.plan, err = compile(scope, members, []*schema.Column{match}, n); err != nil {
		return nil, err
	}
	c.match = c.plan.Column(match)
	return c, nil
}

// keep leaves the named members, id and _version.
func keep(members []schema.Member, names []string) []schema.Member {
	out := make([]schema.Member, 0, len(members))
	for _, m := range members {
		always := m.Column != nil && (m.Column.Role == schema.RoleID || m.Column.Role == schema.RoleVersion)
		for _, name := range names {
			if always = always || name == m.Name; always {
				break
			}
		}
		if always {
			out = append(out, m)
		}
	}
	return out
}

func named(members []schema.Member, name string) bool {
	for _, m := range members {
		if m.Name == name {
			return true
		}
	}
	return false
}

func column(e *schema.Entity, role schema.Role) *schema.Column {
	for _, c := range e.Columns {
		if c.Role == role {
			return c
		}
	}
	return nil
}

// read has the column among those that are read, and returns its place.
func (p *Plan) read(c *schema.Column) int {
	if i := p.Column(c); i >= 0 {
		return i
	}
	p.Projection.Columns = append(p.Projection.Columns, c)
	return len(p.Projection.Columns) - 1
}

// Column returns the place of a column in the projection, or -1.
func (p *Plan) Column(c *schema.Column) int {
	for i, x := range p.Projection.Columns {
		if x == c {
			return i
		}
	}
	return -1
}

// Shown are the record's members, with the places in the projection of those that
// are read from there; -1 for others.
func (p *Plan) Shown() (members []schema.Member, places []int) {
	for i := range p.members {
		members, places = append(members, p.members[i].of), append(places, p.members[i].column)
	}
	return members, places
}

// Fills reports whether a relation is filled in.
func (p *Plan) Fills(r *schema.Relation) bool {
	for _, c := range p.children {
		if c.relation == r {
			return true
		}
	}
	return false
}

// Populates reports whether relations are filled in, which takes a Page.
func (p *Plan) Populates() bool { return len(p.children) > 0 }

// Version returns the record's _version, where it is read; else 0.
func (p *Plan) Version(row driver.Row) int64 {
	if p.version < 0 {
		return 0
	}
	return row.Value(p.version).Int()
}

// Room is how many bytes the last result of the plan took, as far as Took was
// told: what to make room for now. It is at most 1 MB.
func (p *Plan) Room() int { return int(p.room.Load()) }

// Took remembers the size of a result.
func (p *Plan) Took(n int) { p.room.Store(int64(min(n, 1<<20))) }

// Append appends a row's record. Relations that a Page would fill in show their
// id, or [].
func (p *Plan) Append(dst []byte, row driver.Row) []byte {
	for i := range p.members {
		m := &p.members[i]
		dst = append(dst, m.key...)
		if m.column < 0 {
			dst = append(dst, '[', ']')
			continue
		}
		dst = row.AppendJSON(dst, m.column)
	}
	return append(dst, '}')
}

// Row gives a row that is aligned to the entity's columns as the plan's
// projection has it.
func (p *Plan) Row(row schema.Row) driver.Row { return projected{row: row, plan: p} }

type projected struct {
	row  schema.Row
	plan *Plan
}

func (r projected) Value(i int) schema.Value { return r.row[r.plan.Projection.Columns[i].Index] }
func (r projected) Null(i int) bool          { return r.Value(i).IsNull() }
func (r projected) Text(i int) []byte        { return []byte(r.Value(i).Text()) }
func (r projected) AppendJSON(dst []byte, i int) []byte {
	return r.Value(i).AppendJSON(dst)
}

// clip keeps a caller's text short in a message.
func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
