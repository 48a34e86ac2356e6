package parse

import "strings"

// The binding power of operators, by part 2 section 5.1.1.17 of the protocol:
// in and has bind tighter than not and -, which bind tighter than mul.
var power = map[string]int{
	"or": 1, "and": 2, "eq": 3, "ne": 3, "gt": 4, "ge": 4, "lt": 4, "le": 4,
	"add": 5, "sub": 5, "mul": 6, "div": 6, "divby": 6, "mod": 6, "in": 8, "has": 8,
}

const unary = 7

// expression reads a commonExpr with operators that bind at least as tight as
// least.
func (p *parser) expression(least int) Expr {
	p.enter()
	defer p.leave()
	left := p.prefix()
	for {
		op, bind := p.operator()
		if bind == 0 || bind < least {
			return left
		}
		p.skip()
		p.i += len(op)
		if !p.skip() && !(op == "in" && p.at(0) == '(') {
			p.fail("expected a blank behind " + op)
		}
		p.node()
		o := &Operation{Op: Op(op), Left: left}
		switch op {
		case "in":
			o.Right = p.list()
		case "has":
			o.Right = p.expression(bind + 1)
			if l, ok := o.Right.(*Literal); !ok || l.Kind != Enum && l.Kind != String {
				p.fail("has takes a value of an enumeration")
			}
		default:
			o.Right = p.expression(bind + 1)
		}
		left = o
	}
}

// operator looks for an operator with the blanks that it needs before it.
func (p *parser) operator() (string, int) {
	if !blank(p.at(0)) {
		return "", 0
	}
	from := p.i
	p.skip()
	word := strings.ToLower(p.peekIdentifier())
	p.i = from
	bind, ok := power[word]
	if !ok {
		return "", 0
	}
	return word, bind
}

// prefix reads an operand, with not and - before it.
func (p *parser) prefix() Expr {
	from := p.i
	if p.word("not") {
		if p.skip() || p.at(0) == '(' {
			p.node()
			return &Not{p.expression(unary)}
		}
		p.i = from
	}
	if p.at(0) == '-' && !digit(p.at(1)) && !strings.HasPrefix(p.s[p.i:], "-INF") {
		p.i++
		p.skip()
		p.node()
		return &Negate{p.expression(unary)}
	}
	return p.operand()
}

func (p *parser) operand() Expr {
	p.node()
	c := p.at(0)
	switch {
	case p.end():
		p.fail("expected an expression, but the text ends")
	case c == '(':
		p.i++
		p.skip()
		x := p.expression(0)
		p.skip()
		p.expect(')')
		return x
	case c == '\'':
		return &Literal{Kind: String, Text: p.text()}
	case digit(c), (c == '-' || c == '+') && (digit(p.at(1)) || p.at(1) == 'I'):
		if l := p.digits(); l != nil {
			return l
		}
	case c == '[', c == '{':
		return p.json()
	case c == '@':
		return p.atSign()
	case c == '$':
		return p.variable()
	case letter(c):
		if hex(c) {
			if g := guidForm.FindString(p.s[p.i:]); g != "" {
				return p.literal(GUID, g)
			}
		}
		return p.named()
	}
	p.fail("expected an expression")
	return nil
}

// atSign reads a parameter alias, or an annotation at the beginning of a path.
func (p *parser) atSign() Expr {
	p.i++
	name := p.qualified()
	if strings.Contains(name, ".") {
		return p.path(&Annotation{Name: name + p.qualifier()})
	}
	return p.path(&Alias{name})
}

func (p *parser) qualifier() string {
	if !p.take('#') {
		return ""
	}
	return "#" + p.identifier()
}

func (p *parser) variable() Expr {
	for _, name := range [...]string{"$it", "$this", "$root", "$these"} {
		if !p.exact(name) {
			continue
		}
		if name == "$root" && p.at(0) != '/' {
			p.fail("$root must be followed by a path")
		}
		return p.path(&Var{name})
	}
	p.fail("there is no such variable; there are $it, $this and $root")
	return nil
}

// constants are the literals that are written as a name. null and the numbers
// have one case; the grammar lets true and false have any.
func constant(name string) *Literal {
	switch name {
	case "null":
		return &Literal{Kind: Null, Text: "null"}
	case "NaN", "INF":
		return &Literal{Kind: Number, Text: name}
	}
	if strings.EqualFold(name, "true") || strings.EqualFold(name, "false") {
		return &Literal{Kind: Boolean, Text: strings.ToLower(name)}
	}
	return nil
}

// named reads what begins with a name: a constant, a prefixed literal, a call or
// a path.
func (p *parser) named() Expr {
	from := p.i
	name := p.qualified()
	switch p.at(0) {
	case '\'':
		return p.prefixed(name)
	case '(':
		return p.path(p.call(nil, name, from))
	case '/':
	default:
		if l := constant(name); l != nil {
			return l
		}
	}
	return p.path(&Name{Name: name})
}

// list reads what may follow in: a list in parentheses, or an expression that is
// a collection.
func (p *parser) list() Expr {
	from := p.i
	if !p.take('(') {
		return p.expression(power["in"] + 1)
	}
	list := List{}
	p.skip()
	if p.take(')') {
		return list
	}
	for {
		l := p.primitive()
		if l == nil { // an expression in parentheses
			p.i = from
			return p.expression(power["in"] + 1)
		}
		if list = append(list, l); len(list) > p.limits.List {
			p.fail("the list is too long")
		}
		p.skip()
		if p.take(')') {
			return list
		}
		if !p.take(',') {
			p.i = from
			return p.expression(power["in"] + 1)
		}
		p.skip()
	}
}

// primitive reads a primitive literal, or returns nil.
func (p *parser) primitive() *Literal {
	c := p.at(0)
	switch {
	case c == '\'':
		return &Literal{Kind: String, Text: p.text()}
	case digit(c), c == '-', c == '+':
		return p.digits()
	case letter(c):
		if g := guidForm.FindString(p.s[p.i:]); g != "" {
			return p.literal(GUID, g)
		}
		from := p.i
		name := p.qualified()
		if p.at(0) == '\'' {
			return p.prefixed(name)
		}
		if l := constant(name); l != nil {
			return l
		}
		p.i = from
	}
	return nil
}
