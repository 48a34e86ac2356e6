package migrate

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// AppendWhere appends the WHERE of a partial index; nothing without conditions.
func AppendWhere(b []byte, d *sqlgen.Dialect, where []Condition) []byte {
	if len(where) == 0 {
		return b
	}
	return appendConditions(append(b, " WHERE "...), d, where)
}

func appendConditions(b []byte, d *sqlgen.Dialect, where []Condition) []byte {
	for i, c := range where {
		if i > 0 {
			b = append(b, " AND "...)
		}
		b = d.AppendIdent(b, c.Column)
		switch c.Op {
		case IsNull:
			b = append(b, " IS NULL"...)
		case IsNotNull:
			b = append(b, " IS NOT NULL"...)
		case Equals:
			b = d.AppendLiteral(append(b, " = "...), c.Text)
		}
	}
	return b
}

// ParseWhere reads the condition of a partial index (what follows WHERE) as
// databases show it: names quoted by ", [ ] or ` or not at all, brackets around
// parts, casts behind values, N before texts. A condition of another form gives
// one that equals none of ours, never an empty list.
func ParseWhere(text string) []Condition {
	p := whereParser{rest: text}
	var out []Condition
	for {
		c, ok := p.condition()
		if !ok {
			break
		}
		out = append(out, c)
		if p.rest == "" {
			if p.open != 0 {
				break
			}
			return out
		}
		if !p.word("AND") {
			break
		}
	}
	return []Condition{{Column: text, Op: Equals}}
}

type whereParser struct {
	rest string
	open int // brackets
}

// condition reads one condition and the brackets around it.
func (p *whereParser) condition() (c Condition, ok bool) {
	p.brackets('(', 1)
	if c.Column, ok = p.name(); !ok {
		return c, false
	}
	p.casts()
	switch {
	case p.word("IS"):
		not := p.word("NOT")
		if !p.word("NULL") {
			return c, false
		}
		if not {
			c.Op = IsNotNull
		}
	case p.word("="):
		p.brackets('(', 1)
		p.rest = strings.TrimPrefix(p.rest, "N")
		c.Op = Equals
		if c.Text, p.rest, ok = unquote(p.rest, '\'', '\''); !ok {
			return c, false
		}
		p.space()
		p.casts()
	default:
		return c, false
	}
	p.brackets(')', -1)
	return c, p.open >= 0
}

func (p *whereParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *whereParser) brackets(which byte, step int) {
	for p.space(); p.rest != "" && p.rest[0] == which; p.space() {
		p.rest = p.rest[1:]
		p.open += step
	}
}

// word takes a key word, in any case.
func (p *whereParser) word(w string) bool {
	p.space()
	if len(p.rest) < len(w) || !strings.EqualFold(p.rest[:len(w)], w) {
		return false
	}
	if after := p.rest[len(w):]; w == "=" || after == "" || !plain(after[0]) {
		p.rest = after
		p.space()
		return true
	}
	return false
}

func (p *whereParser) name() (name string, ok bool) {
	if p.rest == "" {
		return "", false
	}
	switch p.rest[0] {
	case '"', '`':
		name, p.rest, ok = unquote(p.rest, p.rest[0], p.rest[0])
		return name, ok
	case '[':
		name, p.rest, ok = unquote(p.rest, '[', ']')
		return name, ok
	}
	n := 0
	for n < len(p.rest) && plain(p.rest[n]) {
		n++
	}
	name, p.rest = p.rest[:n], p.rest[n:]
	return name, n > 0
}

// casts passes over ::text and the brackets that a cast needs.
func (p *whereParser) casts() {
	for p.brackets(')', -1); strings.HasPrefix(p.rest, "::"); p.brackets(')', -1) {
		p.rest = p.rest[2:]
		n := 0
		for n < len(p.rest) && plain(p.rest[n]) {
			n++
		}
		p.rest = p.rest[n:]
		p.rest = strings.TrimPrefix(p.rest, " varying")
	}
}

func plain(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// unquote reads a quoted name or text at the start of s, in which the closing
// quote is doubled.
func unquote(s string, first, last byte) (text, rest string, ok bool) {
	if s == "" || s[0] != first {
		return "", s, false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != last {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == last {
			b.WriteByte(last)
			i++
			continue
		}
		return b.String(), s[i+1:], true
	}
	return "", s, false
}
