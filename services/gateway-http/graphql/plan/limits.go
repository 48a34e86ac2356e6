package plan

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/octomesh/octomesh/services/gateway-http/graphql/sdl"
)

// Limits bound what a document may ask.
type Limits struct {
	Bytes      int // of the text
	Tokens     int
	Depth      int // of selections, introspection apart
	Fields     int // selected, fragments written out
	Aliases    int
	Roots      int // fields of the root type
	Directives int // used
	Cost       int // values that a reply may have by estimate; see Plan.Cost
}

// DefaultLimits are in force unless a test changes them.
var DefaultLimits = Limits{
	Bytes: 64 << 10, Tokens: 10_000, Depth: 10, Fields: 1_000, Aliases: 100, Roots: 20, Directives: 50, Cost: 250_000,
}

// maxReflection bounds the depth of introspection, whose standard query has 13.
const maxReflection = 20

// measure is what a selection comes to, with its fragments written out. It
// saturates: fragments within fragments double at every step.
type measure struct{ fields, depth, reflection, aliases, roots, directives, repeated int }

// maxRepeated bounds how often a selection may name one field: validation
// compares each two of them.
const maxRepeated = 100

const saturated = 1 << 20

func (m *measure) add(o measure) {
	m.fields = min(saturated, m.fields+o.fields)
	m.aliases = min(saturated, m.aliases+o.aliases)
	m.roots = min(saturated, m.roots+o.roots)
	m.directives = min(saturated, m.directives+o.directives)
	m.depth, m.reflection, m.repeated = max(m.depth, o.depth), max(m.reflection, o.reflection), max(m.repeated, o.repeated)
}

// meter measures fragments once each. A cycle counts as nothing: validation
// refuses it.
type meter struct {
	fragments map[string]*ast.FragmentDefinition
	done      map[string]measure
	open      map[string]bool
}

func (m *meter) set(s ast.SelectionSet) measure {
	var sum measure
	times := map[string]int{}
	for _, sel := range s {
		switch sel := sel.(type) {
		case *ast.Field:
			inner := m.set(sel.SelectionSet)
			inner.roots = 1
			times[sel.Alias]++
			inner.repeated = max(inner.repeated, times[sel.Alias])
			inner.fields++
			inner.directives += len(sel.Directives)
			if sel.Alias != sel.Name {
				inner.aliases++
			}
			if sel.Name == "__schema" || sel.Name == "__type" {
				inner.reflection, inner.depth = max(inner.depth, inner.reflection)+1, 1
			} else {
				inner.depth++
				if inner.reflection > 0 {
					inner.reflection++
				}
			}
			sum.add(inner)
		case *ast.InlineFragment:
			inner := m.set(sel.SelectionSet)
			inner.directives += len(sel.Directives)
			sum.add(inner)
		case *ast.FragmentSpread:
			inner := m.fragment(sel.Name)
			inner.directives += len(sel.Directives)
			sum.add(inner)
		}
	}
	return sum
}

func (m *meter) fragment(name string) measure {
	if got, ok := m.done[name]; ok {
		return got
	}
	f := m.fragments[name]
	if f == nil || m.open[name] {
		return measure{}
	}
	m.open[name] = true
	got := m.set(f.SelectionSet)
	delete(m.open, name)
	if strings.HasPrefix(f.TypeCondition, "__") {
		got.depth, got.reflection = 0, max(got.depth, got.reflection)
	}
	m.done[name] = got
	return got
}

// check holds a document to the limits before it is validated: some rules take
// time in the square of what they are given.
func (l *Limits) check(doc *ast.QueryDocument) *Problem {
	m := meter{fragments: map[string]*ast.FragmentDefinition{}, done: map[string]measure{}, open: map[string]bool{}}
	var all measure
	for _, f := range doc.Fragments {
		m.fragments[f.Name] = f
	}
	for _, f := range doc.Fragments {
		got := m.fragment(f.Name) // used or not, the rules look at it
		got.roots = 0
		all.add(got)
	}
	for _, op := range doc.Operations {
		got := m.set(op.SelectionSet)
		got.directives += len(op.Directives)
		all.add(got)
	}
	for _, x := range []struct {
		what       string
		has, limit int
	}{
		{"levels of selections", all.depth, l.Depth},
		{"levels of introspection", all.reflection, maxReflection},
		{"selected fields, fragments written out", all.fields, l.Fields},
		{"aliases", all.aliases, l.Aliases},
		{"fields of the root type", all.roots, l.Roots},
		{"directives", all.directives, l.Directives},
		{"operations", len(doc.Operations), l.Roots},
		{"repetitions of one field", all.repeated, maxRepeated},
		{"fragments", len(doc.Fragments), l.Fields},
	} {
		if x.has > x.limit {
			return problem(Pos{}, "the document has too many %s: %d is the limit", x.what, x.limit)
		}
	}
	return nil
}

// Cost estimates how many values the reply has: a list counts with its limit,
// one that names none with 100 at the root and with 10 within a record, and
// representations each by themselves.
func (p *Plan) Cost(v *Vars) int {
	sum := 0
	for _, r := range p.Roots {
		if !v.Holds(r.Cond) {
			continue
		}
		sum++
		switch {
		case r.Means != nil && r.Means.Shape == sdl.Refs:
			sum += p.named(r, v)
		case r.Page != nil:
			sum += costOf(r.Page, v, r.rows(v))
		case r.Level != nil:
			sum += r.rows(v) * r.Level.cost(v)
		}
		if sum = min(sum, saturated<<8); sum < 0 {
			return saturated << 8
		}
	}
	return sum
}

// costOf is the cost of the parts of a page, whose records are so many.
func costOf(parts []Part, v *Vars, rows int) int {
	sum := 0
	for i := range parts {
		p := &parts[i]
		if !v.Holds(p.Cond) {
			continue
		}
		sum++
		switch {
		case p.Level != nil:
			sum += rows * p.Level.cost(v)
		case p.Name == "edges":
			sum += rows * costOf(p.Parts, v, 1)
		}
		if sum = min(sum, saturated<<8); sum < 0 {
			return saturated << 8
		}
	}
	return sum
}

// named is the cost of the records that representations name.
func (p *Plan) named(r *Root, v *Vars) int {
	list, err := r.List(v, "representations")
	if err != nil {
		return 0 // refused later
	}
	sum, costs := 0, map[string]int{}
	for i := range list {
		name := list[i].Member("__typename").Raw
		each, ok := costs[name]
		if !ok {
			if l := r.LevelOf(p.Schema, name); l != nil {
				each = l.cost(v)
			}
			costs[name] = each
		}
		sum = min(sum+each, saturated<<8)
	}
	return sum
}

// Rows that come at most: of a root field by the mesh's rule, and by a
// relation for all parents together.
const (
	maxRows   = 1000
	MaxJoined = 10_000
)

func (r *Root) rows(v *Vars) int {
	if r.Means == nil || r.Means.Op != "findAll" && r.Means.Op != "search" {
		return 1
	}
	if n := rows(v, r.args, 100, maxRows); n > 0 {
		return n
	}
	return maxRows // which 0 stands for
}

func rows(v *Vars, args []argument, without, most int) int {
	for _, name := range []string{"limit", "first"} {
		got, err := v.value(args, name)
		if err != nil || got.Kind != Scalar {
			continue
		}
		n := 0
		for i := 0; i < len(got.Raw) && n < most; i++ {
			if got.Raw[i] < '0' || got.Raw[i] > '9' {
				return 1 // refused later
			}
			n = 10*n + int(got.Raw[i]-'0')
		}
		return min(n, most)
	}
	return without
}

func (l *Level) cost(v *Vars) int {
	sum := 1
	for i := range l.Nodes {
		n := &l.Nodes[i]
		if !v.Holds(n.Cond) {
			continue
		}
		sum++
		if n.Level == nil {
			continue
		}
		times := 1
		if !n.Relation.Stored() {
			times = max(1, rows(v, n.Args, 10, MaxJoined))
		}
		if sum = sum + times*n.Level.cost(v); sum > saturated || sum < 0 {
			return saturated
		}
	}
	return sum
}
