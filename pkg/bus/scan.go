package bus

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads the small JSON object of the header Octo without a map and,
// while nothing is escaped, without an allocation. It is strict: RFC 8259
// syntax, UTF-8, no NUL, nesting of what is skipped up to skipDepth.
type scanner struct {
	s string
	i int
}

const skipDepth = 8

func (p *scanner) space() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\t' || p.s[p.i] == '\n' || p.s[p.i] == '\r') {
		p.i++
	}
}

// take consumes c after white space.
func (p *scanner) take(c byte) bool {
	p.space()
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *scanner) end() bool { p.space(); return p.i == len(p.s) }

func (p *scanner) once(seen *uint, bit uint) bool {
	first := *seen&bit == 0
	*seen |= bit
	return first
}

// object calls member with each name; member consumes the value.
func (p *scanner) object(member func(name string) bool) bool {
	if !p.take('{') {
		return false
	}
	if p.take('}') {
		return true
	}
	for {
		var name string
		p.space()
		if !p.text(&name) || !p.take(':') || !member(name) {
			return false
		}
		if p.take(',') {
			continue
		}
		return p.take('}')
	}
}

// text consumes a string.
func (p *scanner) text(to *string) bool {
	if !p.take('"') {
		return false
	}
	start := p.i
	if n := strings.IndexByte(p.s[start:], '"'); n >= 0 && plain(p.s[start:start+n]) {
		*to = p.s[start : start+n]
		p.i += n + 1
		return true
	}
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == '"':
			*to = p.s[start:p.i]
			p.i++
			return utf8.ValidString(*to)
		case c == '\\':
			return p.escaped(start, to)
		case c < 0x20:
			return false
		}
		p.i++
	}
	return false
}

// escaped goes on where the first escape of a string stands.
func (p *scanner) escaped(start int, to *string) bool {
	var b strings.Builder
	b.WriteString(p.s[start:p.i])
	for p.i < len(p.s) {
		c := p.s[p.i]
		p.i++
		switch {
		case c == '"':
			*to = b.String()
			return utf8.ValidString(*to)
		case c < 0x20:
			return false
		case c != '\\':
			b.WriteByte(c)
			continue
		}
		if p.i == len(p.s) {
			return false
		}
		c = p.s[p.i]
		p.i++
		if k := strings.IndexByte(`"\/bfnrt`, c); k >= 0 {
			b.WriteByte("\"\\/\b\f\n\r\t"[k])
			continue
		}
		if c != 'u' {
			return false
		}
		r, ok := p.hex4()
		if ok && utf16.IsSurrogate(r) {
			if !strings.HasPrefix(p.s[p.i:], `\u`) {
				return false
			}
			p.i += 2
			var low rune
			if low, ok = p.hex4(); ok {
				r = utf16.DecodeRune(r, low)
				ok = r != utf8.RuneError
			}
		}
		if !ok || r == 0 {
			return false
		}
		b.WriteRune(r)
	}
	return false
}

func (p *scanner) hex4() (r rune, ok bool) {
	if p.i+4 > len(p.s) {
		return 0, false
	}
	for _, c := range []byte(p.s[p.i : p.i+4]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	p.i += 4
	return r, true
}

// integer consumes a whole number that fits an int64 without fraction or
// exponent.
func (p *scanner) integer(to *int64) bool {
	p.space()
	start := p.i
	if !p.number() {
		return false
	}
	text := p.s[start:p.i]
	neg := text[0] == '-'
	if neg {
		text = text[1:]
	}
	if len(text) > 18 {
		return false
	}
	var n int64
	for i := 0; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
		n = n*10 + int64(text[i]-'0')
	}
	if neg {
		n = -n
	}
	*to = n
	return true
}

// number consumes any JSON number.
func (p *scanner) number() bool {
	digits := func() bool {
		start := p.i
		for p.i < len(p.s) && '0' <= p.s[p.i] && p.s[p.i] <= '9' {
			p.i++
		}
		return p.i > start
	}
	is := func(set string) bool {
		if p.i < len(p.s) && strings.IndexByte(set, p.s[p.i]) >= 0 {
			p.i++
			return true
		}
		return false
	}
	is("-")
	if !is("0") && !digits() {
		return false
	}
	if is(".") && !digits() {
		return false
	}
	if is("eE") {
		is("+-")
		return digits()
	}
	return true
}

// skip consumes any value.
func (p *scanner) skip(depth int) bool {
	p.space()
	if p.i == len(p.s) || depth > skipDepth {
		return false
	}
	var ignored string
	switch p.s[p.i] {
	case '"':
		return p.text(&ignored)
	case '{':
		return p.object(func(string) bool { return p.skip(depth + 1) })
	case '[':
		p.i++
		if p.take(']') {
			return true
		}
		for p.skip(depth + 1) {
			if p.take(',') {
				continue
			}
			return p.take(']')
		}
		return false
	}
	for _, word := range []string{"true", "false", "null"} {
		if strings.HasPrefix(p.s[p.i:], word) {
			p.i += len(word)
			return true
		}
	}
	return p.number()
}
