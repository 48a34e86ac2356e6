package mongodb

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/query"
)

// test is a text test as MongoDB (PCRE2, in UTF mode) can do it.
type test struct {
	kind    testKind
	pattern string
	// asciiOnly: it is exact for texts of ASCII characters, with letters in both
	// cases; any other text has to be asked about in the worker, since PCRE2's
	// caseless matching is case folding and ours is simple lower case.
	asciiOnly bool
}

type testKind uint8

const (
	testPattern testKind = iota
	testAny              // every text passes
	testNone             // no text passes (no ASCII text, with asciiOnly)
	testUnknown          // only the worker can tell
)

// notASCII matches texts with a character outside ASCII.
const notASCII = `[^\x00-\x7F]`

// foldTest is the test of op search for a needle that is in lower case.
func foldTest(needle string) test {
	if !ascii(needle) {
		return test{kind: testNone, asciiOnly: true}
	}
	return test{pattern: regexp.QuoteMeta(needle), asciiOnly: true}
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// maxLoops bounds the .* of a pattern that MongoDB may run: PCRE2 tries again
// what fails, so that each more multiplies its time by the text's length, until
// its limit makes the whole statement fail. Ours takes linear time.
const maxLoops = 1

// translate writes a portable pattern for PCRE2. A pattern beyond the portable
// subset is RE2's, with differences that nobody has listed.
func translate(p *query.Pattern) test {
	if p == nil || !p.Portable {
		return test{kind: testUnknown}
	}
	var b strings.Builder
	if p.AtStart {
		b.WriteString(`\A`) // not ^, which a line may begin with in other options
	}
	loops := 0
	for _, a := range p.Atoms {
		switch a.Kind {
		case query.AtomLiteral:
			text := a.Text
			if p.Fold {
				if text = query.Fold(text); !ascii(text) {
					return test{kind: testNone, asciiOnly: true}
				}
			}
			b.WriteString(regexp.QuoteMeta(text))
		case query.AtomAny:
			b.WriteString(`[^\n]`)
		case query.AtomStar:
			loops++
			b.WriteString(`[^\n]*`)
		case query.AtomPlus:
			loops++
			b.WriteString(`[^\n]+`)
		case query.AtomClass:
			if !writeClass(&b, a, p.Fold) {
				return test{kind: testNone, asciiOnly: p.Fold}
			}
		}
	}
	if loops > maxLoops {
		return test{kind: testUnknown}
	}
	if p.AtEnd {
		b.WriteString(`\z`)
	}
	if b.Len() == 0 {
		return test{kind: testAny}
	}
	return test{pattern: b.String(), asciiOnly: p.Fold}
}

// writeClass writes a character class; false if no character is in it. Of a
// folded one only the ASCII part is written: caseless, other members could stand
// for ASCII letters.
func writeClass(b *strings.Builder, a query.Atom, fold bool) bool {
	last := rune(0x10FFFF)
	if fold {
		last = 0x7F
	}
	var ranges strings.Builder
	for i := 0; i+1 < len(a.Ranges); i += 2 {
		from, to := a.Ranges[i], min(a.Ranges[i+1], last)
		// Surrogates are no characters, and PCRE2 refuses them as bounds.
		if from >= 0xD800 && from <= 0xDFFF {
			from = 0xE000
		}
		if to >= 0xD800 && to <= 0xDFFF {
			to = 0xD7FF
		}
		if from > to {
			continue
		}
		ranges.WriteString(`\x{` + strconv.FormatInt(int64(from), 16) + `}-\x{` + strconv.FormatInt(int64(to), 16) + `}`)
	}
	switch {
	case ranges.Len() == 0 && !a.Negate:
		return false
	case ranges.Len() == 0:
		b.WriteString(`[\x{0}-\x{10ffff}]`)
	case a.Negate:
		b.WriteString("[^" + ranges.String() + "]")
	default:
		b.WriteString("[" + ranges.String() + "]")
	}
	return true
}
