package plan

import (
	"github.com/valyala/fastjson"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/sdl"
)

// Plan is one compiled operation. It is read-only and shared.
type Plan struct {
	Schema *sdl.Schema
	Kind   ast.Operation
	Name   string
	Roots  []*Root
	// Reflects tells that nothing is asked but what the schema itself answers.
	Reflects bool
	// Weight is how many bytes it keeps, about; its schema apart.
	Weight int

	vars  []*ast.VariableDefinition
	names []string
}

// Pos is a place in the document, for errors.
type Pos struct{ Line, Column int }

// Cond is when a selection counts: one of its clauses has to hold; none at all
// means always.
type Cond []Clause

// Clause holds when each of its variables has its value.
type Clause []Test

// Test asks a Boolean variable; Name "" never holds.
type Test struct {
	Name string
	Want bool
}

// Root is one field of the operation's root type.
type Root struct {
	Key     []byte // "alias":
	Alias   string
	Cond    Cond
	Pos     Pos
	NonNull bool
	// Means is nil for __typename (Const) and for introspection (Field).
	Means *sdl.Root
	Const []byte
	Field *ast.Field // merged selections, for introspection
	// Level is what of each record is shown; for Refs see LevelOf, for Events
	// Page. Levels are those of types that a selection on Refs speaks of.
	Level  *Level
	Levels map[string]*Level
	Page   []Part // of Shape Page, Events and SDL
	args   []argument
	// fixed is the request object if nothing in it depends on variables.
	fixed []byte
}

type argument struct {
	name  string
	value *ast.Value
	typ   *ast.Type
	twin  bool // filter or where, the other of which came before
}

// Part is a field of a type that is no record: of a page or an event.
type Part struct {
	Key   []byte
	Alias string
	Name  string
	Cond  Cond
	Pos   Pos
	Const []byte
	Level *Level // nodes, data
	Parts []Part // pageInfo, edges
}

// Level is a selection on records of one entity.
type Level struct {
	Object *sdl.Object
	// Keys are the members that are read off a record, in record order; Heads
	// are the same with quotes and colon.
	Keys  []string
	Heads []string
	Nodes []Node
	// Conditional tells that some Node has a Cond, Joins that some node at any
	// depth is Joined.
	Conditional, Joins bool
}

// NodeKind tells where a Node's value comes from.
type NodeKind uint8

// The kinds of nodes.
const (
	Leaf   NodeKind = iota + 1 // a member as it is
	Typed                      // __typename
	RefID                      // a reference's id
	One                        // a record within the record
	Many                       // a list of records within the record
	Joined                     // records that a call of their own brings
)

// Node is one output field of a record.
type Node struct {
	Kind    NodeKind
	Key     []byte // "alias":
	Alias   string
	NonNull bool
	Cond    Cond
	Pos     Pos
	Slot    int // in Level.Keys
	Const   []byte
	Level   *Level
	// Relation, and for Joined its arguments.
	Relation *schema.Relation
	Args     []argument
}

// Holds tells whether a condition holds.
func (v *Vars) Holds(c Cond) bool {
	if len(c) == 0 {
		return true
	}
	for _, clause := range c {
		ok := true
		for _, t := range clause {
			got := v.c.variable(t.Name)
			if t.Name == "" || (got.Raw == "true") != t.Want {
				ok = false
				break
			}
		}
		if ok {
			return true
		}
	}
	return false
}

// Vars are the coerced variables of one request.
type Vars struct {
	c    coercer
	plan *Plan
}

// Bind coerces a request's variables, which may be nil. Errors: INVALID_REQUEST.
func (p *Plan) Bind(v *fastjson.Value) (*Vars, error) {
	out := &Vars{plan: p, c: coercer{types: p.Schema.AST.Types, open: p.Schema.Open, names: p.names}}
	if v != nil && v.Type() != fastjson.TypeNull && v.Type() != fastjson.TypeObject {
		return nil, fault.New(fault.InvalidRequest, "variables must be an object")
	}
	if len(p.vars) == 0 {
		return out, nil
	}
	got := make([]Value, len(p.vars))
	for i, d := range p.vars {
		var given *fastjson.Value
		if v != nil {
			given = v.Get(d.Variable)
		}
		var err error
		switch {
		case given != nil:
			got[i], err = out.c.input(given, d.Type)
		case d.DefaultValue != nil:
			got[i], err = out.c.literal(d.DefaultValue, d.Type)
		case d.Type.NonNull:
			err = fault.New(fault.InvalidRequest, "a value of type %s is needed", d.Type.String())
		}
		if err != nil {
			e := fault.From(err)
			return nil, fault.New(e.Code, "$%s: %s", d.Variable, e.Message)
		}
	}
	out.c.vars = got
	return out, nil
}

// value is an argument's value; Absent if it has none.
func (v *Vars) value(args []argument, name string) (Value, error) {
	for i := range args {
		if a := &args[i]; a.name == name {
			c := v.c
			c.keep = name == "where" || name == "filter"
			return c.literal(a.value, a.typ)
		}
	}
	return Value{}, nil
}

// Text is an argument of an introspection field as text, "" if it has none.
// Errors: INVALID_REQUEST.
func (v *Vars) Text(f *ast.Field, name string) (string, error) {
	a := f.Arguments.ForName(name)
	if a == nil {
		return "", nil
	}
	got, err := v.c.literal(a.Value, f.Definition.Arguments.ForName(name).Type)
	return got.Raw, err
}

// Selected tells whether @skip and @include let a selection of an introspection
// through.
func (v *Vars) Selected(list ast.DirectiveList) bool {
	for _, d := range list {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		got := Value{}
		if a := d.Arguments.ForName("if"); a != nil {
			got, _ = v.c.literal(a.Value, ast.NonNullNamedType("Boolean", nil))
		}
		if (got.Raw == "true") != (d.Name == "include") {
			return false
		}
	}
	return true
}
