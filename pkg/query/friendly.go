package query

import (
	"iter"
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
)

// reserved are the URL parameters that are no fields when they stand bare. A
// field of such a name is written with an operator: limit[eq]=5.
var reserved = map[string]bool{
	"filter": true, "sort": true, "limit": true, "skip": true, "select": true, "exclude": true,
	"relations": true, "include": true, "count": true, "cursor": true, "project": true,
	"apikey": true, "api_key": true, "fields": true, "q": true, "query": true,
	"position": true, "minPosition": true, "includeDeleted": true, "events": true, "entity": true,
	"ticket": true,
}

// Reserved reports whether a bare URL parameter of that name is no field.
func Reserved(name string) bool { return reserved[name] }

// ParseFriendly reads the short form of a filter that URLs have, with every
// condition required: field=value, and field[op]=value where op is eq, ne, gt,
// gte, lt, lte, in, nin (values between commas), regex, regexFlags or exists.
// Reserved names without an operator are passed over; every other name has to
// be a field. An empty value is an empty text; null is asked for with
// field[exists]=false. The result is simplified, nil when there is no
// condition. Errors: INVALID_FILTER.
func ParseFriendly(s Scope, args iter.Seq2[string, string]) (Expr, error) {
	p := friendlyParser{filterParser: newFilterParser(s.column, s.Limits)}
	for key, value := range args {
		if reserved[key] {
			continue
		}
		if err := p.arg(key, value); err != nil {
			return nil, err.in(segment(key)).fault()
		}
	}
	if err := p.finish(); err != nil {
		return nil, err.fault()
	}
	return Simplify(p.all), nil
}

type friendlyParser struct {
	*filterParser
	all  And
	seen []string
	// regexes wait for their flags, which may come before or after them.
	regexes []friendlyRegex
}

type friendlyRegex struct {
	key, source, flags string
	has                bool
	column             *schema.Column
}

func (p *friendlyParser) arg(key, value string) *problem {
	name, op := key, "eq"
	if i := strings.IndexByte(key, '['); i >= 0 {
		if key[len(key)-1] != ']' {
			return bad("expected field[operator]")
		}
		name, op = key[:i], key[i+1:len(key)-1]
	}
	c, err := p.column(name)
	if err != nil {
		return err
	}
	for _, k := range p.seen {
		if k == key || k == name && op == "eq" || key == name && k == name+"[eq]" {
			return bad("the condition is given twice; %s[in]=a,b asks for one of several values", name)
		}
	}
	p.seen = append(p.seen, key)
	e, err := p.friendly(c, name, op, value)
	if e != nil {
		p.all = append(p.all, e)
	}
	return err
}

func (p *friendlyParser) friendly(c *schema.Column, name, op, value string) (Expr, *problem) {
	switch op {
	case "regex", "regexFlags":
		return nil, p.regexPart(c, name, op, value)
	}
	if err := p.node(); err != nil {
		return nil, err
	}
	switch op {
	case "in", "nin":
		return p.members(c, value, op == "nin")
	case "exists":
		switch value {
		case "true", "1":
			return exists(c, true), nil
		case "false", "0":
			return exists(c, false), nil
		}
		return nil, bad("expected true or false")
	}
	cmp, ok := compareOps["$"+op]
	if !ok {
		return nil, bad("unknown operator; there are eq, ne, gt, gte, lt, lte, in, nin, regex, regexFlags and exists")
	}
	v, err := c.DecodeText(value)
	if err != nil {
		return nil, because(err)
	}
	return compareWith(c, cmp, v)
}

func (p *friendlyParser) members(c *schema.Column, text string, negate bool) (Expr, *problem) {
	in := In{Column: c, Negate: negate}
	if text == "" {
		return in, nil
	}
	if p.list += 1 + strings.Count(text, ","); p.list > p.limits.List {
		return nil, bad("the lists of a filter have at most %d members together", p.limits.List)
	}
	for part := range strings.SplitSeq(text, ",") {
		v, err := c.DecodeText(part)
		if err != nil {
			return nil, because(err).at(len(in.Values))
		}
		in.Values = append(in.Values, v)
	}
	return in, nil
}

func (p *friendlyParser) regexPart(c *schema.Column, name, op, value string) *problem {
	var r *friendlyRegex
	for i := range p.regexes {
		if p.regexes[i].column == c {
			r = &p.regexes[i]
		}
	}
	if r == nil {
		p.regexes = append(p.regexes, friendlyRegex{key: name, column: c})
		r = &p.regexes[len(p.regexes)-1]
	}
	if op == "regex" {
		r.source, r.has = value, true
		return nil
	}
	if value != "" && value != "i" {
		return bad("expected \"i\" (ignore case) or nothing")
	}
	r.flags = value
	return nil
}

func (p *friendlyParser) finish() *problem {
	for _, r := range p.regexes {
		if !r.has {
			return bad("there is no regex for it").in(r.key + "[regexFlags]")
		}
		e, err := p.pattern(r.column, r.source, r.flags == "i")
		if err != nil {
			return err.in(r.key + "[regex]")
		}
		p.all = append(p.all, e)
	}
	return nil
}
