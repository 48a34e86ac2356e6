package parse

import "strings"

// searchExpression reads $search. NOT binds tighter than AND, AND tighter than
// OR; words beside each other are AND. The operators are in upper case alone.
func (p *parser) searchExpression() Search {
	p.enter()
	defer p.leave()
	left := p.searchAll()
	for {
		from := p.i
		if !p.skip() || !p.exact("OR") || !p.skip() {
			p.i = from
			return left
		}
		p.node()
		left = &SearchOr{left, p.searchAll()}
	}
}

func (p *parser) searchAll() Search {
	left := p.searchOne()
	for {
		from := p.i
		if !p.skip() || p.end() || p.at(0) == ')' || p.at(0) == ';' {
			p.i = from
			return left
		}
		at := p.i
		if p.exact("OR") && (p.end() || blank(p.at(0))) {
			p.i = from
			return left
		}
		p.i = at
		if p.exact("AND") {
			if !p.skip() {
				p.fail("expected a blank behind AND")
			}
		}
		p.node()
		left = &SearchAnd{left, p.searchOne()}
	}
}

func (p *parser) searchOne() Search {
	p.node()
	switch {
	case p.end():
		p.fail("expected a word, but the text ends")
	case p.at(0) == '(':
		p.i++
		p.skip()
		s := p.searchExpression()
		p.skip()
		p.expect(')')
		return s
	case p.at(0) == '"':
		return p.phrase('"')
	case p.at(0) == '\'':
		return p.phrase('\'')
	}
	word := p.searchWord()
	switch word {
	case "NOT":
		if !p.skip() {
			p.fail("expected a blank behind NOT")
		}
		p.enter()
		defer p.leave()
		return &SearchNot{p.searchOne()}
	case "AND", "OR":
		p.i -= len(word)
		p.fail("expected a word or a phrase; AND, OR and NOT as words stand in double quotes")
	}
	return Term(word)
}

func (p *parser) phrase(quote byte) Search {
	from := p.i
	p.i++
	end := strings.IndexByte(p.s[p.i:], quote)
	if end < 0 {
		p.i = from
		p.fail("the phrase has no end")
	}
	text := p.s[p.i : p.i+end]
	p.i += end + 1
	if text == "" {
		p.i = from
		p.fail("the phrase is empty")
	}
	if c := p.at(0); c != 0 && !blank(c) && c != ')' && c != ';' {
		p.fail("expected a blank behind the phrase")
	}
	return Term(text)
}

func (p *parser) searchWord() string {
	from := p.i
	for !p.end() {
		c := p.s[p.i]
		if blank(c) || c == '"' || c == '(' || c == ')' || c == ';' && p.within > 0 || c < 0x20 {
			break
		}
		p.i++
	}
	if p.i == from {
		p.fail("expected a word or a phrase")
	}
	return p.s[from:p.i]
}
