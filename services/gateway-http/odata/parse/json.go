package parse

import (
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// json reads arrayOrObject: JSON whose values may be expressions too.
func (p *parser) json() Expr {
	p.enter()
	defer p.leave()
	p.skip()
	if p.take('[') {
		list := List{}
		p.skip()
		if p.take(']') {
			return list
		}
		for {
			if list = append(list, p.jsonValue()); len(list) > p.limits.List {
				p.fail("the list is too long")
			}
			p.skip()
			if p.take(']') {
				return list
			}
			p.expect(',')
			p.skip()
		}
	}
	p.expect('{')
	o := Object{}
	p.skip()
	if p.take('}') {
		return o
	}
	for {
		name := p.jsonString()
		p.skip()
		p.expect(':')
		p.skip()
		if o = append(o, Argument{name, p.jsonValue()}); len(o) > 100 {
			p.fail("the object is too large")
		}
		p.skip()
		if p.take('}') {
			return o
		}
		p.expect(',')
		p.skip()
	}
}

func (p *parser) jsonValue() Expr {
	switch p.at(0) {
	case '"':
		return &Literal{Kind: String, Text: p.jsonString()}
	case '[', '{':
		p.node()
		return p.json()
	}
	if l := p.primitive(); l != nil {
		if c := p.at(0); c == ',' || c == ']' || c == '}' || blank(c) && p.ends() {
			return l
		}
		p.fail("expected a comma or the end of the list")
	}
	return p.expression(0)
}

// ends looks behind blanks for the end of a value.
func (p *parser) ends() bool {
	k := 0
	for blank(p.at(k)) {
		k++
	}
	c := p.at(k)
	return c == ',' || c == ']' || c == '}'
}

// jsonString reads a string in double quotes.
func (p *parser) jsonString() string {
	from := p.i
	p.expect('"')
	for !p.end() && p.s[p.i] != '"' {
		if p.s[p.i] == '\\' {
			p.i++
		}
		p.i++
	}
	if p.end() {
		p.i = from
		p.fail("the string has no end")
	}
	p.i++
	doc, err := strictjson.Parse([]byte(p.s[from:p.i]))
	if err != nil {
		p.i = from
		p.fail("the string is no JSON string")
	}
	defer doc.Release()
	b, _ := doc.Root.StringBytes()
	return string(b)
}
