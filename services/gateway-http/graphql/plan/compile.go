package plan

import (
	"errors"
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/sdl"
)

// Compile makes a plan of an operation of a document; name may be "" where the
// document has one operation only. suggest allows messages that guess what was
// meant.
func Compile(s *sdl.Schema, text, name string, l Limits, suggest bool) (*Plan, []Problem) {
	if len(text) > l.Bytes {
		return nil, []Problem{*problem(Pos{}, "the document has %d bytes; %d is the limit", len(text), l.Bytes)}
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, l.Tokens)
	if err != nil {
		var g *gqlerror.Error
		if !errors.As(err, &g) {
			g = &gqlerror.Error{Message: "the document cannot be parsed"}
		}
		return nil, problems(fault.ParseError, gqlerror.List{g})
	}
	if p := l.check(doc); p != nil {
		return nil, []Problem{*p}
	}
	suggest = suggest && len(text) <= guessBytes && len(s.AST.Types) <= guessTypes
	if list := validator.ValidateWithRules(s.AST, doc, ruleSet(s, suggest)); len(list) > 0 {
		return nil, problems(fault.InvalidRequest, list)
	}
	op, p := pick(doc, name)
	if p != nil {
		return nil, []Problem{*p}
	}
	c := &compiler{schema: s, doc: doc, plan: &Plan{Schema: s, Kind: op.Operation, Name: op.Name, vars: op.VariableDefinitions}}
	for _, v := range op.VariableDefinitions {
		c.plan.names = append(c.plan.names, v.Variable)
		c.values(v.DefaultValue)
	}
	if p := c.roots(op); p != nil {
		return nil, []Problem{*p}
	}
	c.plan.Weight = planBytes + len(text) + itemBytes*(c.items+len(op.VariableDefinitions))
	return c.plan, nil
}

// What a plan weighs, about: by itself, and for each node, root field, value
// and field of an introspection that it holds.
const (
	planBytes = 1 << 10
	itemBytes = 240
)

// values counts what of the document's tree an argument keeps.
func (c *compiler) values(v *ast.Value) {
	if v == nil {
		return
	}
	c.items++
	for _, child := range v.Children {
		c.values(child.Value)
	}
}

// fields counts what of the document's tree an introspection keeps.
func (c *compiler) fields(set ast.SelectionSet) {
	for _, sel := range set {
		c.items++
		switch sel := sel.(type) {
		case *ast.Field:
			c.fields(sel.SelectionSet)
		case *ast.InlineFragment:
			c.fields(sel.SelectionSet)
		}
	}
}

// Guessing what was meant compares each wrong name with all that there are: it is
// left out where that could take long.
const (
	guessBytes = 2 << 10 // of the document
	guessTypes = 800
)

func pick(doc *ast.QueryDocument, name string) (*ast.OperationDefinition, *Problem) {
	if len(doc.Operations) == 0 {
		return nil, problem(Pos{}, "the document has no operation")
	}
	if name == "" {
		if len(doc.Operations) > 1 {
			return nil, problem(Pos{}, "the document has several operations: send operationName")
		}
		return doc.Operations[0], nil
	}
	if op := doc.Operations.ForName(name); op != nil {
		return op, nil
	}
	return nil, problem(Pos{}, "the document has no operation named %q", name)
}

type compiler struct {
	schema *sdl.Schema
	doc    *ast.QueryDocument
	plan   *Plan
	paths  int // relations that the call in hand fills in
	items  int // that the plan keeps
}

// merged is one output field with all its occurrences.
type merged struct {
	*ast.Field
	sets    []ast.SelectionSet
	clauses []Clause // of each occurrence; an empty one always holds
}

func (m *merged) cond() Cond {
	var out Cond
	for _, c := range m.clauses {
		if len(c) == 0 {
			return nil
		}
		out = append(out, c)
	}
	return out
}

func (m *merged) pos() Pos { return Pos{m.Position.Line, m.Position.Column} }

func (m *merged) key() []byte { return fmt.Appendf(nil, "%q:", m.Alias) }

// collect gathers the fields of a selection on a type in their order, with
// fragments written out (specification, section 6.3.2).
func (c *compiler) collect(list []*merged, set ast.SelectionSet, on string, clause Clause) []*merged {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			inner, ok := c.directives(clause, sel.Directives)
			if !ok {
				continue
			}
			var m *merged
			for _, old := range list {
				if old.Alias == sel.Alias {
					m = old
				}
			}
			if m == nil {
				m = &merged{Field: sel}
				list = append(list, m)
			}
			m.sets, m.clauses = append(m.sets, sel.SelectionSet), append(m.clauses, inner)
		case *ast.InlineFragment:
			if inner, ok := c.directives(clause, sel.Directives); ok && c.applies(sel.TypeCondition, on) {
				list = c.collect(list, sel.SelectionSet, on, inner)
			}
		case *ast.FragmentSpread:
			if inner, ok := c.directives(clause, sel.Directives); ok && c.applies(sel.Definition.TypeCondition, on) {
				list = c.collect(list, sel.Definition.SelectionSet, on, inner)
			}
		}
	}
	return list
}

// below gathers what is selected on the value of a field.
func (c *compiler) below(m *merged, on string) []*merged {
	var list []*merged
	for i, set := range m.sets {
		list = c.collect(list, set, on, m.clauses[i])
	}
	return list
}

func (c *compiler) applies(condition, on string) bool {
	if condition == "" || condition == on {
		return true
	}
	for _, d := range c.schema.AST.PossibleTypes[condition] {
		if d.Name == on {
			return true
		}
	}
	return false
}

// directives adds what @skip and @include ask; false when they never hold.
func (c *compiler) directives(clause Clause, list ast.DirectiveList) (Clause, bool) {
	for _, d := range list {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		arg := d.Arguments.ForName("if")
		if arg == nil {
			continue
		}
		want := d.Name == "include"
		if arg.Value.Kind == ast.Variable {
			clause = append(clause[:len(clause):len(clause)], Test{arg.Value.Raw, want})
		} else if (arg.Value.Raw == "true") != want {
			return clause, false
		}
	}
	return clause, true
}

func (c *compiler) arguments(m *merged) []argument {
	args := make([]argument, 0, len(m.Arguments))
	filtered := false
	for _, a := range m.Arguments {
		c.values(a.Value)
		arg := argument{name: a.Name, value: a.Value, typ: m.Definition.Arguments.ForName(a.Name).Type}
		if a.Name == "filter" || a.Name == "where" {
			arg.twin, filtered = filtered, true
		}
		args = append(args, arg)
	}
	return args
}

// level lays out a selection on records. deep is how many relations the call
// that brings them has filled in on the way; -1 means that it fills in none.
func (c *compiler) level(o *sdl.Object, list []*merged, deep int) *Level {
	l := &Level{Object: o}
	c.items += 1 + len(list)
	used := map[string]bool{}
	members := make([]string, 0, len(list)) // that each node reads
	for _, m := range list {
		n := Node{Kind: Leaf, Key: m.key(), Alias: m.Alias, Cond: m.cond(), Pos: m.pos()}
		if n.Cond != nil {
			l.Conditional = true
		}
		member := ""
		if m.Name == "__typename" {
			n.Kind, n.Const = Typed, fmt.Appendf(nil, "%q", o.Name)
		} else {
			f := o.Fields[m.Name]
			member = f.Member
			n.NonNull = m.Definition.Type.NonNull
			if f.Ref {
				n.Kind, n.Relation = RefID, f.Relation
			} else if f.Relation != nil {
				member = c.relation(&n, m, f, deep)
			}
		}
		if member != "" {
			used[member] = true
		}
		l.Joins = l.Joins || n.Kind == Joined || n.Level != nil && n.Level.Joins
		l.Nodes, members = append(l.Nodes, n), append(members, member)
	}
	at := map[string]int{}
	for _, m := range o.Entity.Members {
		if used[m.Name] {
			at[m.Name] = len(l.Keys)
			l.Keys, l.Heads = append(l.Keys, m.Name), append(l.Heads, `"`+m.Name+`":`)
		}
	}
	for i := range l.Nodes {
		l.Nodes[i].Slot = at[members[i]]
	}
	return l
}

// relation decides how the records of a relation are fetched, and returns the
// member of the record that leads to them: filled in by the call that brings
// the record, or joined by a call of their own, for all records at once, where
// the relation has arguments or the mesh fills in no further.
func (c *compiler) relation(n *Node, m *merged, f sdl.Field, deep int) string {
	target := c.schema.ByEntity[f.Relation.Target]
	n.Relation = f.Relation
	list := c.below(m, target.Name)
	if len(m.Arguments) == 0 && deep >= 0 && deep < maxPopulate && c.paths < maxPaths && shows(f.Relation, target, list) {
		c.paths++
		n.Kind = Many
		if f.Relation.Stored() {
			n.Kind = One
		}
		n.Level = c.level(target, list, deep+1)
		return f.Member
	}
	n.Kind, n.Args = Joined, c.arguments(m)
	paths := c.paths
	c.paths = 0
	below := 0
	if f.Relation.Type == schema.ManyToMany && len(m.Arguments) == 0 {
		below = 1
	}
	n.Level = c.level(target, list, below)
	c.paths = paths
	if f.Relation.Stored() {
		return f.Member
	}
	return "id"
}

// What the mesh fills in at most (pkg/store/populate): relations on a path, and
// paths of a request.
const (
	maxPopulate = 5
	maxPaths    = 24
)

// shows tells whether a relation's own selection covers what is asked.
func shows(r *schema.Relation, target *sdl.Object, list []*merged) bool {
	if len(r.Select) == 0 {
		return true
	}
	for _, m := range list {
		f := target.Fields[m.Name]
		if f.Member == "" || f.Member == "id" || f.Member == "_version" || f.Relation != nil && !f.Ref {
			continue
		}
		found := false
		for _, name := range r.Select {
			found = found || name == f.Member
		}
		if !found {
			return false
		}
	}
	return true
}
