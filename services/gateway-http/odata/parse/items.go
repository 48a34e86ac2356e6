package parse

// orders reads $orderby.
func (p *parser) orders() []Order {
	var out []Order
	for {
		p.item()
		o := Order{By: p.expression(0)}
		from := p.i
		if p.skip() {
			switch {
			case p.word("desc"):
				o.Desc = true
			case p.word("asc"):
			default:
				p.i = from
			}
		}
		if out = append(out, o); !p.comma() {
			return out
		}
	}
}

// computes reads $compute.
func (p *parser) computes() []Compute {
	var out []Compute
	for {
		p.item()
		c := Compute{X: p.expression(0), As: p.alias()}
		if out = append(out, c); !p.comma() {
			return out
		}
	}
}

// alias reads the name behind as.
func (p *parser) alias() string {
	if !p.skip() || !p.word("as") || !p.skip() {
		p.fail("expected as and a name")
	}
	return p.identifier()
}

const (
	expandOptions = GivenFilter | GivenSearch | GivenOrderBy | GivenSkip | GivenTop | GivenCount | GivenSelect | GivenExpand |
		GivenCompute | GivenLevels | GivenApply
	refOptions    = GivenFilter | GivenSearch | GivenOrderBy | GivenSkip | GivenTop | GivenCount
	countOptions  = GivenFilter | GivenSearch
	selectOptions = refOptions | GivenCompute | GivenSelect
)

// selects reads $select.
func (p *parser) selects() []SelectItem {
	var out []SelectItem
	for {
		p.item()
		if out = append(out, p.selectItem()); !p.comma() {
			return out
		}
	}
}

func (p *parser) selectItem() SelectItem {
	if p.take('*') {
		return SelectItem{Path: []string{"*"}}
	}
	var s SelectItem
	for {
		s.Path = append(s.Path, p.member())
		if p.at(0) == '.' && p.at(1) == '*' {
			p.i += 2
			s.Path[len(s.Path)-1] += ".*"
			return s
		}
		if p.at(0) == '(' {
			if from := p.i; !p.parameterNames() {
				p.i = from
				s.Options = p.options(selectOptions)
			}
			return s
		}
		if !p.take('/') {
			return s
		}
		if len(s.Path) == 16 {
			p.fail("the path is too long")
		}
	}
}

// member reads a name of a path, also an annotation's.
func (p *parser) member() string {
	if p.take('@') {
		return "@" + p.qualified() + p.qualifier()
	}
	return p.qualified()
}

// parameterNames reads (a,b), which tells the overloads of a function apart.
func (p *parser) parameterNames() bool {
	p.expect('(')
	for {
		if p.peekIdentifier() == "" {
			return false
		}
		p.identifier()
		if p.take(')') {
			return true
		}
		if !p.take(',') {
			return false
		}
	}
}

// expands reads $expand.
func (p *parser) expands() []ExpandItem {
	var out []ExpandItem
	for {
		p.item()
		if out = append(out, p.expandItem()); !p.comma() {
			return out
		}
	}
}

func (p *parser) expandItem() ExpandItem {
	var e ExpandItem
	if p.exact("$value") {
		return ExpandItem{Path: []string{"$value"}}
	}
	for {
		switch {
		case p.take('*'):
			e.Path = append(e.Path, "*")
			p.star(&e)
			return e
		case e.Path != nil && p.exact("$ref"):
			e.Ref = true
		case e.Path != nil && p.exact("$count"):
			e.Count = true
		default:
			e.Path = append(e.Path, p.member())
			if len(e.Path) > 16 {
				p.fail("the path is too long")
			}
			if p.take('/') {
				continue
			}
		}
		break
	}
	if p.at(0) == '(' {
		switch {
		case e.Ref:
			e.Options = p.options(refOptions)
		case e.Count:
			e.Options = p.options(countOptions)
		default:
			e.Options = p.options(expandOptions)
		}
	}
	return e
}

// star reads what may stand behind *.
func (p *parser) star(e *ExpandItem) {
	switch {
	case p.take('/'):
		if !p.exact("$ref") {
			p.fail("expected $ref")
		}
		e.Ref = true
	case p.at(0) == '(':
		e.Options = p.options(GivenLevels)
	}
}
