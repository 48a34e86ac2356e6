package sql

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/octomesh/octomesh/pkg/query"
)

// maxPattern bounds a pattern in bytes.
const maxPattern = 1024

// pattern is the right side of LIKE: texts between %, in each of which _ stands
// for one code point. Standard SQL has no escape unless ESCAPE names one.
type pattern struct {
	parts []part // what stands between the %
	open  bool   // there is a %
	fold  bool   // LOWER(field) LIKE …
}

// part is a run of code points; any marks a _.
type part struct {
	runes []rune
	any   []bool
	text  string // all of it, if it has no _
	// sets are, if it has one, the places at which a code point may stand, as bits;
	// those that are not named stand where the _ are, which is at others.
	sets map[rune][]uint64
}

// others is no code point.
const others = -1

// like reads a pattern. Errors: INVALID_REQUEST for an escape at the end, or
// before what is neither a wildcard nor the escape.
func like(text string, escape rune, fold bool) (*pattern, error) {
	if len(text) > maxPattern {
		return nil, invalid("a pattern of LIKE has at most %d bytes", maxPattern)
	}
	p := &pattern{parts: []part{{}}, fold: fold}
	rs := []rune(text)
	for i := 0; i < len(rs); i++ {
		last := &p.parts[len(p.parts)-1]
		r, any := rs[i], false
		switch {
		case escape != 0 && r == escape:
			if i++; i == len(rs) || rs[i] != escape && rs[i] != '%' && rs[i] != '_' {
				return nil, invalid("in the pattern %s the escape stands before neither %%, _ nor itself", quote(text))
			}
			r = rs[i]
		case r == '%':
			p.open = true
			p.parts = append(p.parts, part{})
			continue
		case r == '_':
			any = true
		}
		last.runes, last.any = append(last.runes, r), append(last.any, any)
	}
	for i := 1; i < len(p.parts)-1; i++ { // the first and the last have their place
		p.parts[i].prepare()
	}
	return p, nil
}

// Matches reports whether a name fits a search pattern: % stands for any text, _
// for one character, and a backslash before either for that character.
func Matches(pattern, name string) bool {
	p, err := like(pattern, '\\', false)
	return err == nil && p.match(name)
}

// match reports whether the whole text fits, in time of the text, times a 64th of the
// longest part with a _ in it.
func (p *pattern) match(text string) bool {
	if p.fold {
		text = query.Fold(text)
	}
	first := &p.parts[0]
	n, ok := first.prefix(text)
	if !ok {
		return false
	}
	text = text[n:]
	if !p.open {
		return text == ""
	}
	last := len(p.parts) - 1
	for i := 1; i < last; i++ { // the leftmost place leaves the most for the rest
		if plain := p.parts[i].text; plain != "" {
			at := strings.Index(text, plain)
			if at < 0 {
				return false
			}
			text = text[at+len(plain):]
			continue
		}
		if n, ok = p.parts[i].find(text); !ok {
			return false
		}
		text = text[n:]
	}
	return p.parts[last].suffix(text)
}

// find returns where the part's leftmost place in the text ends. It looks at each
// code point once, with a bit for each beginning of the part that ends there.
func (t *part) find(text string) (int, bool) {
	last := len(t.runes) - 1
	if last < 0 {
		return 0, true
	}
	fits := make([]uint64, len(t.sets[others]))
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		at += size
		set, named := t.sets[r]
		if !named {
			set = t.sets[others]
		}
		first := uint64(1)
		for i, bits := range fits {
			fits[i] = (bits<<1 | first) & set[i]
			first = bits >> 63
		}
		if fits[last/64]&(1<<(last%64)) != 0 {
			return at, true
		}
	}
	return 0, false
}

// prepare makes what a search for the part needs.
func (t *part) prepare() {
	plain := false
	if t.text, plain = t.plain(); plain {
		return
	}
	t.sets = map[rune][]uint64{others: make([]uint64, (len(t.runes)+63)/64)}
	for i, any := range t.any {
		if any {
			t.sets[others][i/64] |= 1 << (i % 64)
		}
	}
	for i, r := range t.runes {
		if t.any[i] {
			continue
		}
		if _, have := t.sets[r]; !have {
			t.sets[r] = slices.Clone(t.sets[others])
		}
		t.sets[r][i/64] |= 1 << (i % 64)
	}
}

// prefix reports whether the text begins with the part, and how many bytes that
// is.
func (t *part) prefix(text string) (int, bool) {
	n := 0
	for i, want := range t.runes {
		r, size := utf8.DecodeRuneInString(text[n:])
		if size == 0 || !t.any[i] && r != want {
			return 0, false
		}
		n += size
	}
	return n, true
}

func (t *part) suffix(text string) bool {
	at := len(text)
	for range t.runes {
		_, size := utf8.DecodeLastRuneInString(text[:at])
		if size == 0 {
			return false
		}
		at -= size
	}
	_, ok := t.prefix(text[at:])
	return ok
}

// plain is the part's text; false if it has a _ in it.
func (t *part) plain() (string, bool) {
	for _, any := range t.any {
		if any {
			return "", false
		}
	}
	return string(t.runes), true
}

// exact returns the one $regex that means the same: there is one for x, x%, %x
// and %x%. The dot of pkg/query's patterns matches no line feed, % and _ do.
func (p *pattern) exact() (source string, ok bool) {
	inner := 0
	for i := range p.parts {
		if len(p.parts[i].runes) > 0 {
			inner++
		}
	}
	if inner > 1 {
		return "", false
	}
	start, end := len(p.parts[0].runes) > 0 || !p.open, len(p.parts[len(p.parts)-1].runes) > 0 || !p.open
	for i := range p.parts {
		text, ok := p.parts[i].plain()
		if !ok {
			return "", false
		}
		source += escaped(text)
	}
	if start {
		source = "^" + source
	}
	if end {
		source += "$"
	}
	return source, true
}

// near returns patterns all of which match wherever p does: what the worker can
// leave out before the rest is decided here.
func (p *pattern) near() (sources []string) {
	for i := range p.parts {
		runes := p.parts[i].runes
		lead := 0 // plain code points at the beginning of the part
		for lead < len(runes) && !p.parts[i].any[lead] {
			lead++
		}
		if lead == 0 {
			continue
		}
		source := escaped(string(runes[:lead]))
		if i == 0 {
			source = "^" + source
		}
		if i == len(p.parts)-1 && lead == len(runes) {
			source += "$"
		}
		sources = append(sources, source)
	}
	return sources
}

// escaped is a text as a pattern of RE2 that matches it.
func escaped(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(`\.+*?()|[]{}^$`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
