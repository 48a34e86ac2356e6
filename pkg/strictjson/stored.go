package strictjson

import (
	"math"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// StoredDepth is how many arrays and objects may be open at once in a text that
// a database keeps: more than come in, and few enough for who parses the reply
// around it.
const StoredDepth = 64

// AppendStored appends a JSON text that a database keeps as it may stand in a
// reply. Ours passes as it is; another program's loses the white space between
// its parts, which would break a line of a stream. For what is no JSON (RFC 8259,
// in UTF-8, a key may be there twice) it returns false, with dst as it was: this
// could end the reply or forge the rest of it. For null it does so too.
func AppendStored[S ~string | ~[]byte](dst []byte, s S) ([]byte, bool) {
	at := len(dst)
	return Settle(append(dst, s...), at)
}

// Settle is AppendStored for a text that stands in dst already, from at on.
func Settle(dst []byte, at int) ([]byte, bool) {
	c := stored(dst[at:])
	if !c.whole() {
		return dst[:at], false
	}
	if c.spaced {
		dst = dst[:at+squeeze(dst[at:])]
	}
	return dst, true
}

// Stored is AppendStored for a text by itself, which it copies only to change
// it.
func Stored(s string) (string, bool) {
	c := stored(unsafe.Slice(unsafe.StringData(s), len(s))) // it is only read
	if !c.whole() {
		return "", false
	}
	if c.spaced {
		b := []byte(s)
		s = string(b[:squeeze(b)])
	}
	return s, true
}

// SettleText makes a JSON string of the text that stands in dst from at on, behind
// a quote. An engine that takes any bytes for a text may have some of another
// program that are no UTF-8: U+FFFD stands for these, as no reader of the reply
// would take any of it.
func SettleText(dst []byte, at int) []byte {
	i, ascii := special(dst[at:])
	if i < 0 && (ascii || utf8.Valid(dst[at:])) { // as most texts are
		return append(dst, '"')
	}
	return AppendString(dst[:at-1], strings.ToValidUTF8(string(dst[at:]), "\uFFFD"))
}

func stored(b []byte) checker {
	return checker{b: b, depth: StoredDepth, values: math.MaxInt, stored: true}
}

// whole reports whether the text is one value, and not null.
func (c *checker) whole() bool {
	return c.space() && c.b[c.i] != 'n' && c.value() && !c.space()
}

// squeeze takes the white space out of a checked text, in place, and returns its
// new length.
func squeeze(b []byte) int {
	n := 0
	for i := 0; i < len(b); {
		end := i + 1
		switch {
		case isBlank(b[i]):
			i = end
			continue
		case b[i] == '"':
			end = quote(b, end)
		}
		n += copy(b[n:], b[i:end])
		i = end
	}
	return n
}
