package translate

import (
	"slices"
	"time"

	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
)

// Translator translates the options of one request. It is for one goroutine.
type Translator struct {
	Aliases map[string]parse.Expr
	Now     time.Time
	subs    int
	depth   int
	size    int // of what was walked over, aliases resolved
}

const (
	// maxSubs bounds the questions that one request asks before its own.
	maxSubs = 8
	// maxDepth bounds the walk, aliases resolved: they may refer to each other.
	maxDepth = 64
	// maxSize bounds the text that the options stand for, aliases resolved: a few
	// that name each other twice double it with each. A node is counted as nodeSize
	// bytes, a literal as its text besides.
	maxSize  = 1 << 20
	nodeSize = 16
)

// enter begins the walk over a node, leave ends it.
func (t *Translator) enter(x parse.Expr) error {
	t.depth++
	if t.depth > maxDepth {
		return invalid("the condition is nested too deep")
	}
	return t.walked(x)
}

func (t *Translator) leave() { t.depth-- }

func (t *Translator) walked(x parse.Expr) error {
	if t.size += sizeOf(x); t.size > maxSize {
		return invalid("the condition is too large, its aliases resolved")
	}
	return nil
}

func sizeOf(x parse.Expr) int {
	n := nodeSize
	switch x := x.(type) {
	case *parse.Literal:
		n += len(x.Text)
	case parse.List:
		for _, m := range x {
			n += sizeOf(m)
		}
	case parse.Object:
		for _, m := range x {
			n += len(m.Name) + sizeOf(m.Value)
		}
	}
	return n
}

// scope is what names mean at a place of an expression.
type scope struct {
	it    *metadata.Type // $it, and names without a variable before them
	vars  map[string]*metadata.Type
	inner bool // within a lambda: names belong to another entity than the filter
}

// Filter translates a condition on records of a type.
func (t *Translator) Filter(x parse.Expr, it *metadata.Type) (Cond, error) {
	return t.cond(x, scope{it: it}, false)
}

// cond translates a condition, or what makes it false: negations are carried
// down to the comparisons, since only there is known what null does.
func (t *Translator) cond(x parse.Expr, s scope, neg bool) (Cond, error) {
	defer t.leave()
	if err := t.enter(x); err != nil {
		return nil, err
	}
	switch x := x.(type) {
	case *parse.Not:
		return t.cond(x.X, s, !neg)
	case *parse.Alias:
		v, err := t.alias(x)
		if err != nil {
			return nil, err
		}
		return t.cond(v, s, neg)
	case *parse.Literal:
		switch {
		case x.Kind == parse.Boolean:
			return constant((x.Text == "true") != neg), nil
		case x.Kind == parse.Null:
			return never, nil
		}
		return nil, invalid("a condition must be true or false")
	case *parse.Operation:
		return t.operation(x, s, neg)
	case *parse.Lambda:
		return t.lambda(x, s, neg)
	case *parse.Call:
		return t.truth(x, s, neg)
	case *parse.Name:
		return t.flag(x, s, neg)
	}
	return nil, unsupported("this condition has no form in the query language")
}

func (t *Translator) alias(a *parse.Alias) (parse.Expr, error) {
	v, ok := t.Aliases[a.Name]
	if !ok {
		return &parse.Literal{Kind: parse.Null, Text: "null"}, nil // as the standard has it
	}
	return v, nil
}

func (t *Translator) operation(x *parse.Operation, s scope, neg bool) (Cond, error) {
	switch x.Op {
	case "and", "or":
		list := spine(x, func(op parse.Op) bool { return op == x.Op })
		conds := make([]Cond, len(list)+1)
		var err error
		if conds[0], err = t.cond(list[0].Left, s, neg); err != nil {
			return nil, err
		}
		for i, o := range list {
			if err = t.walked(o); err != nil {
				return nil, err
			}
			if conds[i+1], err = t.cond(o.Right, s, neg); err != nil {
				return nil, err
			}
		}
		if (x.Op == "and") != neg {
			return and(conds...), nil
		}
		return or(conds...), nil
	case "eq", "ne", "gt", "ge", "lt", "le":
		return t.comparison(x, s, neg)
	case "in":
		return t.in(x, s, neg)
	case "has":
		return t.comparison(&parse.Operation{Op: "eq", Left: x.Left, Right: x.Right}, s, neg)
	}
	return nil, invalid("a condition must be true or false, and %s makes a number", x.Op)
}

// spine lists the operations that x begins with, the innermost first, as far as
// their operators are of a kind: a long chain is no deep one.
func spine(x *parse.Operation, kind func(parse.Op) bool) []*parse.Operation {
	list := []*parse.Operation{x}
	for {
		left, ok := x.Left.(*parse.Operation)
		if !ok || !kind(left.Op) {
			slices.Reverse(list)
			return list
		}
		list, x = append(list, left), left
	}
}

// flag translates a boolean property that stands alone. Null is neither true nor
// false.
func (t *Translator) flag(x *parse.Name, s scope, neg bool) (Cond, error) {
	at, err := t.path(x, s)
	if err != nil {
		return nil, err
	}
	value := "true"
	if neg {
		value = "false"
	}
	return t.through(at, is(at.name, "$eq", value), false, nil)
}

// place is a property at the end of a path through to-one navigation.
type place struct {
	via  []*metadata.Navigation
	name string             // the member's name in records
	prop *metadata.Property // nil if it is not known
}

// path finds a property. A navigation property that is compared stands for its
// key, and so does nav/id.
func (t *Translator) path(x parse.Expr, s scope) (place, error) {
	it, steps, err := flatten(x, s)
	if err != nil {
		return place{}, err
	}
	return t.steps(it, steps)
}

// flatten returns the names of a path and the type that it begins at.
func flatten(x parse.Expr, s scope) (*metadata.Type, []string, error) {
	var steps []string
	it := s.it
	outer := false
	for x != nil {
		switch n := x.(type) {
		case *parse.Name:
			steps = append(steps, n.Name)
			x = n.On
			continue
		case *parse.Var:
			if n.Name != "$it" && (n.Name != "$this" || s.inner) {
				return nil, nil, unsupported("%s can't be asked here", n.Name)
			}
			outer = s.inner
			x = nil
			continue
		}
		return nil, nil, unsupported("this path has no form in the query language")
	}
	slices.Reverse(steps)
	switch {
	case len(steps) > 0 && s.vars[steps[0]] != nil:
		it, steps = s.vars[steps[0]], steps[1:]
	case s.inner:
		outer = true
	}
	if outer {
		return nil, nil, unsupported("within any and all, only what belongs to the lambda's variable can be asked")
	}
	return it, steps, nil
}

func (t *Translator) steps(it *metadata.Type, steps []string) (place, error) {
	var at place
	for i, name := range steps {
		last := i == len(steps)-1
		if nav := it.Navigation(name); nav != nil {
			switch {
			case nav.Many && last:
				return at, invalid("%s is a collection: ask with any, all or $count", name)
			case nav.Many:
				return at, invalid("%s is a collection: a path can't lead through it; ask with any or all", name)
			case last, len(steps) == i+2 && steps[i+1] == "id":
				at.name, at.prop = nav.Key.Column.Name, nav.Key
				return at, nil
			}
			if len(at.via) == 4 {
				return at, unsupported("a path leads through at most 4 records")
			}
			at.via, it = append(at.via, nav), nav.Target
			continue
		}
		p := it.Property(name)
		if !last && p != nil {
			return at, unsupported("what is within %s can't be asked", name)
		}
		if !last {
			return at, invalid("%s has no navigation property %s", it.Name, name)
		}
		at.name, at.prop = name, p
		if p != nil {
			at.name = p.Column.Name
		}
		return at, nil
	}
	return at, invalid("expected a property")
}

// through carries a condition on the last record of a path back to the first.
// onNull tells whether the condition holds where the path ends at null; then
// opposite, which does not hold there, is asked instead, and its answer left out.
func (t *Translator) through(at place, c Cond, onNull bool, opposite Cond) (Cond, error) {
	if len(at.via) == 0 {
		return c, nil
	}
	if onNull {
		c = opposite
	}
	for i := len(at.via) - 1; i >= 0; i-- {
		m, err := t.ask(at.via[i].Relation.Name, &Sub{Type: at.via[i].Target, Where: c})
		if err != nil {
			return nil, err
		}
		c = m
	}
	if onNull {
		c = negate(c)
	}
	return c, nil
}

func (t *Translator) ask(name string, sub *Sub) (member, error) {
	if t.subs++; t.subs > maxSubs {
		return member{}, invalid("one request may lead through at most %d other records and collections", maxSubs)
	}
	return member{name: name, sub: sub}, nil
}
