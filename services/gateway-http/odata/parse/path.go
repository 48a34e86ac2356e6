package parse

import "strings"

// arity of the standard's methods, by lower-case name: at least, at most.
var methods = map[string][2]int{
	"concat": {2, 2}, "contains": {2, 2}, "endswith": {2, 2}, "startswith": {2, 2}, "indexof": {2, 2}, "length": {1, 1},
	"matchespattern": {2, 2}, "substring": {2, 3}, "tolower": {1, 1}, "toupper": {1, 1}, "trim": {1, 1},
	"hassubset": {2, 2}, "hassubsequence": {2, 2},
	"year": {1, 1}, "month": {1, 1}, "day": {1, 1}, "hour": {1, 1}, "minute": {1, 1}, "second": {1, 1},
	"fractionalseconds": {1, 1}, "totalseconds": {1, 1}, "date": {1, 1}, "time": {1, 1}, "totaloffsetminutes": {1, 1},
	"mindatetime": {0, 0}, "maxdatetime": {0, 0}, "now": {0, 0}, "round": {1, 1}, "floor": {1, 1}, "ceiling": {1, 1},
	"geo.distance": {2, 2}, "geo.length": {1, 1}, "geo.intersects": {2, 2}, "isdefined": {1, 1},
}

// call reads the parentheses behind a name. on is nil for the first step of a
// path, where the standard's methods can stand.
func (p *parser) call(on Expr, name string, from int) Expr {
	p.enter()
	defer p.leave()
	lower := strings.ToLower(name)
	if on == nil {
		switch lower {
		case "cast", "isof":
			return p.typeCall(lower)
		case "case":
			return p.cases()
		case "any", "all":
			p.i = from
			p.fail(lower + " stands behind a collection and a slash")
		}
		if arity, ok := methods[lower]; ok {
			args := p.arguments()
			if len(args) < arity[0] || len(args) > arity[1] {
				p.i = from
				p.fail(lower + " has not that many arguments")
			}
			return &Call{Name: lower, Args: args}
		}
	}
	named := p.namedArguments()
	if len(named) > 0 && named[0].Name == "" {
		if len(named) > 1 || strings.Contains(name, ".") {
			p.i = from
			p.fail("there is no function " + clip(name))
		}
		return &Key{On: &Name{On: on, Name: name}, Args: named}
	}
	for _, a := range named {
		if a.Name == "" {
			p.i = from
			p.fail("every argument of a function has a name")
		}
	}
	return &Call{On: on, Name: name, Named: named}
}

func (p *parser) arguments() []Expr {
	p.expect('(')
	p.skip()
	if p.take(')') {
		return nil
	}
	var args []Expr
	for {
		if args = append(args, p.expression(0)); len(args) > 8 {
			p.fail("there are too many arguments")
		}
		p.skip()
		if p.take(')') {
			return args
		}
		p.expect(',')
		p.skip()
	}
}

// namedArguments reads (name=value,…), or (value) for a key.
func (p *parser) namedArguments() []Argument {
	p.expect('(')
	p.skip()
	if p.take(')') {
		return nil
	}
	var args []Argument
	for {
		a := Argument{}
		from := p.i
		if name := p.peekIdentifier(); name != "" {
			if p.i += len(name); p.take('=') {
				a.Name = name
			} else {
				p.i = from
			}
		}
		a.Value = p.expression(0)
		if args = append(args, a); len(args) > 32 {
			p.fail("there are too many arguments")
		}
		p.skip()
		if p.take(')') {
			return args
		}
		p.expect(',')
		p.skip()
	}
}

// typeCall reads cast(x,Type), cast(Type) and isof.
func (p *parser) typeCall(name string) Expr {
	p.expect('(')
	p.skip()
	from := p.i
	if t := p.typeName(); t != "" {
		if p.skip(); p.take(')') {
			return &TypeCall{Name: name, Type: t}
		}
	}
	p.i = from
	x := p.expression(0)
	p.skip()
	p.expect(',')
	p.skip()
	t := p.typeName()
	if t == "" {
		p.fail("expected a type")
	}
	p.skip()
	p.expect(')')
	return &TypeCall{Name: name, On: x, Type: t}
}

// typeName reads a type's name, also Collection(name); "" if there is none.
func (p *parser) typeName() string {
	if p.peekIdentifier() == "" {
		return ""
	}
	from := p.i
	if p.exact("Collection") {
		if !p.take('(') {
			return p.s[from:p.i]
		}
		p.qualified()
		p.expect(')')
		return p.s[from:p.i]
	}
	return p.qualified()
}

func (p *parser) cases() Expr {
	p.expect('(')
	c := &Case{}
	for {
		p.skip()
		c.When = append(c.When, p.expression(0))
		p.skip()
		p.expect(':')
		p.skip()
		c.Then = append(c.Then, p.expression(0))
		p.skip()
		if p.take(')') {
			return c
		}
		p.expect(',')
	}
}

// path reads the steps behind the first one.
func (p *parser) path(x Expr) Expr {
	for steps := 0; ; steps++ {
		if k, ok := x.(*Name); ok && k.On != nil && p.at(0) == '(' {
			x = &Key{On: x, Args: p.namedArguments()}
		}
		if p.at(0) != '/' || p.end() {
			return x
		}
		if steps == 16 {
			p.fail("the path is too long")
		}
		p.i++
		p.node()
		x = p.step(x)
		switch x.(type) {
		case *Lambda, *CountOf:
			return x
		}
	}
}

func (p *parser) step(on Expr) Expr {
	from := p.i
	switch {
	case p.at(0) == '@':
		p.i++
		return &Annotation{On: on, Name: p.qualified() + p.qualifier()}
	case p.exact("$count"):
		return p.countOf(on)
	case p.exact("$filter"):
		p.expect('(')
		p.skip()
		x := p.expression(0)
		p.skip()
		p.expect(')')
		return &Filtered{On: on, Cond: x}
	case p.at(0) == '$':
		p.fail("a path in an expression goes on with a name, $count or $filter")
	}
	name := p.qualified()
	if p.at(0) == '(' {
		if strings.EqualFold(name, "any") || strings.EqualFold(name, "all") {
			return p.lambda(on, strings.EqualFold(name, "all"))
		}
		return p.call(on, name, from)
	}
	return &Name{On: on, Name: name}
}

func (p *parser) countOf(on Expr) Expr {
	c := &CountOf{On: on}
	if p.at(0) != '(' {
		return c
	}
	o := p.options(GivenFilter | GivenSearch)
	c.Filter, c.Search = o.Filter, o.Search
	return c
}

func (p *parser) lambda(on Expr, all bool) Expr {
	p.enter()
	defer p.leave()
	p.expect('(')
	p.skip()
	if !all && p.take(')') {
		return &Lambda{On: on}
	}
	l := &Lambda{On: on, All: all, Var: p.identifier()}
	p.skip()
	p.expect(':')
	p.skip()
	l.Body = p.expression(0)
	p.skip()
	p.expect(')')
	return l
}
