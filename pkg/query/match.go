package query

import (
	"math/bits"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
	"unsafe"
)

// Fold returns the text in Unicode simple lower case, code point by code point:
// what flag i and search compare. It is idempotent.
func Fold(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' {
			return string(AppendFold(make([]byte, 0, len(s)), s))
		}
	}
	return s
}

// AppendFold appends Fold of s.
func AppendFold(dst []byte, s string) []byte {
	for _, r := range s {
		if r < utf8.RuneSelf {
			if r >= 'A' && r <= 'Z' {
				r += 'a' - 'A'
			}
			dst = append(dst, byte(r))
		} else {
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		}
	}
	return dst
}

var foldBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// containsFold reports whether the folded text holds a needle that is folded
// already, in linear time and, for all but huge texts, without allocating.
func containsFold(text, needle string) bool {
	buf := foldBuffers.Get().(*[]byte)
	folded := AppendFold((*buf)[:0], text)
	found := strings.Contains(unsafe.String(unsafe.SliceData(folded), len(folded)), needle)
	if cap(folded) <= 64<<10 {
		*buf = folded
		foldBuffers.Put(buf)
	}
	return found
}

// A point is one position of a portable pattern: what its code point must be.
type point struct {
	atom Atom // AtomLiteral stands for the one code point r
	r    rune
	// loop: before this point any code points but line feeds may be passed over.
	loop bool
}

func (p *point) takes(r rune) bool {
	switch p.atom.Kind {
	case AtomLiteral:
		return r == p.r
	case AtomAny:
		return r != '\n'
	}
	in := false
	for i := 0; i < len(p.atom.Ranges); i += 2 {
		if r >= p.atom.Ranges[i] && r <= p.atom.Ranges[i+1] {
			in = true
			break
		}
	}
	return in != p.atom.Negate
}

// compile spells the atoms out as points.
func (p *Pattern) compile() {
	loop := false
	add := func(a Atom, r rune) {
		p.points = append(p.points, point{atom: a, r: r, loop: loop})
		loop = false
	}
	for _, a := range p.Atoms {
		switch a.Kind {
		case AtomLiteral:
			for _, r := range a.Text {
				add(a, r)
			}
		case AtomStar:
			loop = true
		case AtomPlus:
			add(Atom{Kind: AtomAny}, 0)
			loop = true
		default:
			add(a, 0)
		}
	}
	p.endLoop = loop
	p.plain = !p.Fold && !slices.ContainsFunc(p.Atoms, func(a Atom) bool { return a.Kind != AtomLiteral })
}

// Match reports whether the text matches, in time linear in its length. It does
// not allocate for a portable pattern.
func (p *Pattern) Match(text string) bool {
	if !p.Portable {
		return p.re.MatchString(text)
	}
	if p.plain {
		return p.matchLiteral(text)
	}
	return p.run(text)
}

func (p *Pattern) matchLiteral(text string) bool {
	literal := ""
	if len(p.Atoms) > 0 {
		literal = p.Atoms[0].Text
	}
	switch {
	case p.AtStart && p.AtEnd:
		return text == literal
	case p.AtStart:
		return strings.HasPrefix(text, literal)
	case p.AtEnd:
		return strings.HasSuffix(text, literal)
	}
	return strings.Contains(text, literal)
}

// setWords makes a set of 320 states: more than a pattern of 256 bytes has.
const setWords = 5

// states is the set of points before which the pattern may stand; the bit
// behind the last point means that everything was found.
type states [setWords]uint64

func (s *states) add(i int)      { s[i>>6] |= 1 << (i & 63) }
func (s *states) has(i int) bool { return s[i>>6]&(1<<(i&63)) != 0 }

// run moves the set of possible states on code point by code point (Thompson's
// simulation), so that no text can make it try anything twice.
func (p *Pattern) run(text string) bool {
	var now, next states
	end := len(p.points)
	words := end>>6 + 1 // as many as the pattern needs
	now.add(0)
	for _, r := range text {
		if !p.AtEnd && now.has(end) {
			return true
		}
		if p.Fold {
			r = unicode.ToLower(r)
		}
		alive := uint64(0)
		clear(next[:words])
		for w, word := range now[:words] {
			for ; word != 0; word &= word - 1 {
				i := w<<6 + bits.TrailingZeros64(word)
				if i == end {
					if p.endLoop && r != '\n' {
						next.add(i)
					}
					continue
				}
				at := &p.points[i]
				if at.loop && r != '\n' {
					next.add(i)
				}
				if at.takes(r) {
					next.add(i + 1)
				}
			}
		}
		if !p.AtStart {
			next.add(0)
		}
		for _, word := range next[:words] {
			alive |= word
		}
		if alive == 0 {
			return false
		}
		now, next = next, now
	}
	return now.has(end)
}
