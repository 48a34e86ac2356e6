package plan

import (
	"fmt"
	"iter"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/sdl"
)

// roots lays out the fields of the root type.
func (c *compiler) roots(op *ast.OperationDefinition) *Problem {
	of := c.schema.AST.Query
	switch op.Operation {
	case ast.Mutation:
		of = c.schema.AST.Mutation
	case ast.Subscription:
		of = c.schema.AST.Subscription
	}
	c.plan.Reflects = true
	for _, m := range c.collect(nil, op.SelectionSet, of.Name, nil) {
		c.items++
		r := &Root{Key: m.key(), Alias: m.Alias, Cond: m.cond(), Pos: m.pos(), NonNull: m.Definition.Type.NonNull}
		switch m.Name {
		case "__typename":
			r.Const = fmt.Appendf(nil, "%q", of.Name)
		case "__schema", "__type":
			r.Field = c.whole(m)
		default:
			c.plan.Reflects = false
			if p := c.root(r, m, of.Name); p != nil {
				return p
			}
		}
		c.plan.Roots = append(c.plan.Roots, r)
	}
	if op.Operation == ast.Subscription && (len(c.plan.Roots) != 1 || c.plan.Roots[0].Means == nil) {
		return problem(Pos{op.Position.Line, op.Position.Column}, "a subscription has one field")
	}
	return nil
}

func (c *compiler) root(r *Root, m *merged, of string) *Problem {
	r.Means = c.schema.Roots[of+"."+m.Name]
	if r.Means == nil {
		return problem(r.Pos, "%s.%s cannot be asked", of, m.Name)
	}
	r.args = c.arguments(m)
	c.paths = 0
	switch r.Means.Shape {
	case sdl.Records, sdl.Record:
		object := c.schema.ByEntity[r.Means.Entity]
		r.Level = c.level(object, c.below(m, object.Name), 0)
	case sdl.Page, sdl.Connection, sdl.Events, sdl.SDL:
		deep := 0
		if r.Means.Shape == sdl.Events {
			deep = -1
		}
		r.Page = c.parts(m, r.Means, deep)
		if !r.pages() {
			break
		}
		for l := range levels(r.Page) {
			c.items += len(l.Nodes)
			r.Level = merge(r.Level, l)
		}
		if r.Level == nil {
			r.Level = &Level{Object: c.schema.ByEntity[r.Means.Entity]}
		}
	case sdl.Refs:
		c.refs(r, m)
	}
	r.fix(c.schema)
	return nil
}

// refs lays out what is shown of each type of records that the selection
// speaks of; the others share what is selected on the union.
func (c *compiler) refs(r *Root, m *merged) {
	union := m.Definition.Type.Name()
	common := c.below(m, union)
	r.Level = c.level(&sdl.Object{Name: union, Entity: &schema.Entity{}}, common, 0)
	r.Levels = map[string]*Level{}
	for _, o := range c.schema.Objects {
		if list := c.below(m, o.Name); occurrences(list) != occurrences(common) {
			c.paths = 0
			r.Levels[o.Name] = c.level(o, list, 0)
		}
	}
}

func occurrences(list []*merged) int {
	n := 0
	for _, m := range list {
		n += len(m.sets)
	}
	return n
}

// LevelOf is what a field of Shape Refs shows of the records of a type, nil if
// there is no such type.
func (r *Root) LevelOf(s *sdl.Schema, name string) *Level {
	o := s.Objects[name]
	if o == nil || r.Levels[name] != nil {
		return r.Levels[name]
	}
	l := &Level{Object: o, Conditional: r.Level.Conditional, Nodes: slices.Clone(r.Level.Nodes)}
	for i := range l.Nodes { // __typename, the one field of a union
		l.Nodes[i].Const = fmt.Appendf(nil, "%q", name)
	}
	return l
}

// merge joins the selections of several fields "nodes" of a page for the one
// call that brings them all.
func merge(a, b *Level) *Level {
	if a == nil {
		return b
	}
	joint := &Level{Object: a.Object, Conditional: true, Joins: a.Joins || b.Joins}
	for _, m := range a.Object.Entity.Members {
		for _, l := range []*Level{a, b} {
			for _, k := range l.Keys {
				if k == m.Name && (len(joint.Keys) == 0 || joint.Keys[len(joint.Keys)-1] != k) {
					joint.Keys = append(joint.Keys, k)
				}
			}
		}
	}
	for _, l := range []*Level{a, b} {
		for _, n := range l.Nodes {
			if n.Kind == Typed {
				continue
			}
			for i, k := range joint.Keys {
				if k == l.Keys[n.Slot] {
					n.Slot = i
					break
				}
			}
			joint.Nodes = append(joint.Nodes, n)
		}
	}
	return joint
}

// fix writes the request object once and for all if no variable is in it. What
// cannot be written is left to the call, where the error has its path.
func (r *Root) fix(s *sdl.Schema) {
	for _, a := range r.args {
		if varies(a.value) {
			return
		}
	}
	if r.Level != nil && r.Level.varies() || r.Means.Shape == sdl.Refs || r.Means.Shape == sdl.Events || r.Means.Shape == sdl.SDL {
		return
	}
	if conditional(r.Page) {
		return
	}
	o := newObject(nil)
	if r.write(&o, &Vars{c: coercer{types: s.AST.Types, open: s.Open}}) == nil {
		r.fixed = o.b
	}
}

func varies(v *ast.Value) bool {
	if v == nil {
		return false
	}
	if v.Kind == ast.Variable {
		return true
	}
	for _, child := range v.Children {
		if varies(child.Value) {
			return true
		}
	}
	return false
}

func (l *Level) varies() bool {
	if l.Conditional {
		return true
	}
	for i := range l.Nodes {
		if n := &l.Nodes[i]; n.Level != nil && (n.Kind == One || n.Kind == Many) && n.Level.varies() {
			return true
		}
	}
	return false
}

// parts lays out the fields of a page, of an event or of _Service.
func (c *compiler) parts(m *merged, means *sdl.Root, deep int) []Part {
	on := m.Definition.Type.Name()
	var out []Part
	for _, f := range c.below(m, on) {
		c.items++
		p := Part{Key: f.key(), Alias: f.Alias, Name: f.Name, Cond: f.cond(), Pos: f.pos()}
		switch {
		case f.Name == "__typename":
			p.Const = fmt.Appendf(nil, "%q", on)
		case f.Name == "nodes" || f.Name == "node" || f.Name == "data":
			object := c.schema.ByEntity[means.Entity]
			p.Level = c.level(object, c.below(f, object.Name), deep)
		case f.Name == "pageInfo" || f.Name == "edges":
			p.Parts = c.parts(f, means, deep)
		}
		out = append(out, p)
	}
	return out
}

// Shown are the selections of records on a page, also those of its edges.
func (r *Root) Shown() iter.Seq[*Level] { return levels(r.Page) }

func levels(parts []Part) iter.Seq[*Level] {
	return func(yield func(*Level) bool) {
		for i := range parts {
			if l := parts[i].Level; l != nil && !yield(l) {
				return
			}
			for l := range levels(parts[i].Parts) {
				if !yield(l) {
					return
				}
			}
		}
	}
}

func conditional(parts []Part) bool {
	return slices.ContainsFunc(parts, func(p Part) bool { return p.Cond != nil || conditional(p.Parts) })
}

// whole makes one field of all occurrences, for introspection, which reads the
// tree itself. Its conditions stay where they are.
func (c *compiler) whole(m *merged) *ast.Field {
	f := *m.Field
	f.SelectionSet = nil
	for _, def := range c.doc.Fragments {
		c.fields(def.SelectionSet)
	}
	for _, set := range m.sets {
		c.fields(set)
		f.SelectionSet = append(f.SelectionSet, set...)
	}
	return &f
}
