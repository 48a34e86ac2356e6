package parse

import "strings"

// transformations reads $apply: steps with slashes between them.
func (p *parser) transformations() []Transformation {
	p.enter()
	defer p.leave()
	var out []Transformation
	for {
		p.item()
		out = append(out, p.transformation())
		if !p.take('/') {
			return out
		}
	}
}

func (p *parser) transformation() Transformation {
	from := p.i
	t := Transformation{Name: p.qualified()}
	if t.Name == "identity" {
		return t
	}
	if p.at(0) != '(' {
		p.fail("expected the arguments of a transformation")
	}
	switch t.Name {
	case "filter":
		p.inside(func() { t.Filter = p.expression(0) })
	case "search":
		p.inside(func() { t.Search = p.searchExpression() })
	case "aggregate":
		p.inside(func() { t.Aggregate = p.aggregates() })
	case "groupby":
		p.inside(func() { p.groupBy(&t) })
	case "compute":
		p.inside(func() { t.Compute = p.computes() })
	case "orderby":
		p.inside(func() { t.Order = p.orders() })
	case "top", "skip":
		p.inside(func() { t.N = p.count() })
	case "concat":
		p.inside(func() {
			for t.Concat = append(t.Concat, p.transformations()); p.comma(); {
				t.Concat = append(t.Concat, p.transformations())
			}
			if len(t.Concat) < 2 {
				p.fail("concat has at least two arguments")
			}
		})
	case "topcount", "topsum", "toppercent", "bottomcount", "bottomsum", "bottompercent":
		if t.Args = p.arguments(); len(t.Args) != 2 {
			p.fail(t.Name + " has two arguments")
		}
	case "join", "outerjoin", "nest", "addnested", "ancestors", "descendants", "traverse":
		p.balanced()
	default:
		if !strings.Contains(t.Name, ".") {
			p.i = from
			p.fail("there is no transformation " + clip(t.Name))
		}
		for _, a := range p.namedArguments() {
			t.Args = append(t.Args, a.Value)
		}
	}
	return t
}

// inside reads what stands in parentheses.
func (p *parser) inside(read func()) {
	p.enter()
	defer p.leave()
	p.expect('(')
	p.skip()
	read()
	p.skip()
	p.expect(')')
}

// balanced passes over parentheses whose content is not looked at: of
// transformations that no database of ours can do.
func (p *parser) balanced() {
	from, depth := p.i, 0
	for !p.end() {
		switch p.s[p.i] {
		case '\'':
			p.text()
			continue
		case '(':
			depth++
		case ')':
			depth--
		}
		p.i++
		if depth == 0 {
			return
		}
	}
	p.i = from
	p.fail("a parenthesis has no end")
}

func (p *parser) aggregates() []Aggregate {
	var out []Aggregate
	for {
		p.item()
		if out = append(out, p.aggregate()); !p.comma() {
			return out
		}
	}
}

// aggregate reads $count as n, path/$count as n, x with method as n, or the name
// of a custom aggregate.
func (p *parser) aggregate() Aggregate {
	var a Aggregate
	if p.exact("$count") {
		p.from(&a)
		a.As = p.alias()
		return a
	}
	a.X = p.expression(0)
	from := p.i
	if p.skip() && p.exact("with") {
		if !p.skip() {
			p.fail("expected a blank behind with")
		}
		at := p.i
		a.With = p.qualified()
		switch a.With {
		case "sum", "min", "max", "average", "countdistinct":
		default:
			if !strings.Contains(a.With, ".") {
				p.i = at
				p.fail("there is no method " + clip(a.With))
			}
		}
		p.from(&a)
		a.As = p.alias()
		return a
	}
	p.i = from
	switch x := a.X.(type) {
	case *CountOf:
		p.from(&a)
		a.As = p.alias()
	case *Name: // a custom aggregate
		if p.from(&a); p.at(0) == ' ' {
			a.As = p.alias()
		}
	default:
		_ = x
		p.fail("expected with and a method")
	}
	return a
}

// from reads the from clauses, whose meaning nothing behind this parser has.
func (p *parser) from(a *Aggregate) {
	for {
		at := p.i
		if !p.skip() || !p.exact("from") || !p.skip() {
			p.i = at
			return
		}
		a.From = true
		for p.groupPath(); p.comma(); {
			p.groupPath()
		}
		at = p.i
		if p.skip() && p.exact("with") {
			if !p.skip() {
				p.fail("expected a blank behind with")
			}
			p.qualified()
		} else {
			p.i = at
		}
	}
}

func (p *parser) groupPath() []string {
	path := []string{p.qualified()}
	for p.take('/') {
		if path = append(path, p.qualified()); len(path) > 16 {
			p.fail("the path is too long")
		}
	}
	return path
}

// groupBy reads (a,b/c,rollup(…)) and the transformations behind it.
func (p *parser) groupBy(t *Transformation) {
	p.inside(func() {
		for {
			p.item()
			path := p.groupPath()
			if p.at(0) == '(' && (path[0] == "rollup" || path[0] == "rolluprecursive") {
				p.balanced()
			}
			if t.By = append(t.By, path); !p.comma() {
				return
			}
		}
	})
	if p.comma() {
		t.Within = p.transformations()
	}
}
