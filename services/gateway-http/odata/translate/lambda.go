package translate

import (
	"maps"
	"math/big"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
)

// lambda translates any and all. Over a one-to-many relation they ask the other
// entity which records refer to one for which the condition holds.
func (t *Translator) lambda(x *parse.Lambda, s scope, neg bool) (Cond, error) {
	owner, nav, err := t.collection(x.On, s)
	if err != nil {
		return nil, err
	}
	if nav == nil { // a property with many values
		if x.Body != nil {
			return nil, unsupported("the members of %s can't be asked one by one", owner.name)
		}
		if neg {
			return t.through(owner, or(is(owner.name, "$eq", "[]"), is(owner.name, "$eq", "null")), true, and(is(owner.name, "$ne", "[]"), exists(owner.name)))
		}
		return t.through(owner, and(is(owner.name, "$ne", "[]"), exists(owner.name)), false, nil)
	}
	var where Cond
	if x.Body != nil {
		inner := scope{it: s.it, vars: map[string]*metadata.Type{}, inner: true}
		maps.Copy(inner.vars, s.vars)
		inner.vars[x.Var] = nav.Target
		// all(P) is: not any(not P).
		if where, err = t.cond(x.Body, lambdaScope(inner, x.Var), x.All); err != nil {
			return nil, err
		}
	}
	m, err := t.related(nav, where, nil)
	if err != nil {
		return nil, err
	}
	return t.settle(owner, m, false, neg != x.All)
}

// lambdaScope keeps only the innermost variable: the filter of another entity
// can name that entity's members and no others.
func lambdaScope(s scope, name string) scope {
	for other := range s.vars {
		if other != name {
			delete(s.vars, other)
		}
	}
	return s
}

// related is the condition that a record has some related one for which where
// holds, as many as having says.
func (t *Translator) related(nav *metadata.Navigation, where Cond, having *Having) (Cond, error) {
	inverse := nav.Relation.Inverse
	if inverse == nil || inverse.Column == nil {
		return nil, unsupported("the many-to-many relation %s can't be asked", nav.Name)
	}
	return t.ask("id", &Sub{Type: nav.Target, Where: where, By: inverse.Column.Name, Having: having})
}

// collection finds what any, all and $count are asked of: a to-many navigation
// property, or else a property.
func (t *Translator) collection(x parse.Expr, s scope) (place, *metadata.Navigation, error) {
	it, steps, err := flatten(x, s)
	at := place{name: "id"}
	if err != nil || len(steps) == 0 {
		return at, nil, errOr(err, unsupported("this collection can't be asked"))
	}
	for _, name := range steps[:len(steps)-1] {
		nav := it.Navigation(name)
		if nav == nil || nav.Many {
			return at, nil, invalid("%s has no navigation property %s to one record", it.Name, name)
		}
		if len(at.via) == 4 {
			return at, nil, unsupported("a path leads through at most 4 records")
		}
		at.via, it = append(at.via, nav), nav.Target
	}
	name := steps[len(steps)-1]
	if nav := it.Navigation(name); nav != nil {
		if !nav.Many {
			return at, nil, invalid("%s is no collection", name)
		}
		return at, nav, nil
	}
	p := it.Property(name)
	if p != nil && !p.Collection && p.Column.Type != schema.JSON {
		return at, nil, invalid("%s is no collection", name)
	}
	if at.name, at.prop = name, p; p != nil {
		at.name = p.Column.Name
	}
	return at, nil, nil
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// counted translates path/$count op n.
func (t *Translator) counted(x *parse.CountOf, op parse.Op, value parse.Expr, s scope, neg bool) (Cond, error) {
	if x.Search != nil {
		return nil, unsupported("$search can't be asked within $count")
	}
	on, filter := x.On, x.Filter
	if f, ok := on.(*parse.Filtered); ok && filter == nil {
		on, filter = f.On, f.Cond
	}
	owner, nav, err := t.collection(on, s)
	if err != nil {
		return nil, err
	}
	v, ok := value.(*parse.Literal)
	var n *big.Rat
	if ok {
		n, ok = rational(v)
	}
	if !ok {
		return nil, unsupported("$count is compared with a number")
	}
	zero := new(big.Rat)
	if nav == nil {
		return nil, unsupported("the members of %s can't be counted", owner.name)
	}
	var where Cond
	if filter != nil {
		if where, err = t.cond(filter, scope{it: nav.Target}, false); err != nil {
			return nil, err
		}
	}
	// Records without a related one are in no group: where 0 is what is asked
	// for, ask for the opposite and leave its answer out.
	if includes(op, zero.Cmp(n)) {
		op, neg = opposite[op], !neg
	}
	m, err := t.related(nav, where, &Having{Op: operators[op], N: number(n).Text})
	if err != nil {
		return nil, err
	}
	return t.settle(owner, m, false, neg)
}

var opposite = map[parse.Op]parse.Op{"eq": "ne", "ne": "eq", "gt": "le", "le": "gt", "lt": "ge", "ge": "lt"}

// includes tells whether a number that compares so with another fulfils op.
func includes(op parse.Op, d int) bool {
	switch op {
	case "eq":
		return d == 0
	case "ne":
		return d != 0
	case "gt":
		return d > 0
	case "ge":
		return d >= 0
	case "lt":
		return d < 0
	}
	return d <= 0
}
