package strictjson

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string whose opening quote is behind i, up to its closing quote,
// and reports whether it has escapes.
func (c *checker) text() (escaped, ok bool) {
	b, i := c.b, c.i
	for {
		for i+8 <= len(b) {
			n := plain(binary.LittleEndian.Uint64(b[i:]))
			if i += n; n < 8 {
				break
			}
		}
		if i >= len(b) {
			c.i = i
			return escaped, false
		}
		switch x := b[i]; {
		case x == '"':
			c.i = i + 1
			return escaped, true
		case x == '\\':
			c.i, escaped = i, true
			if !c.escape() {
				return escaped, false
			}
			i = c.i
		case x < 0x20:
			c.i = i
			return escaped, c.no("a control character in a text must be escaped")
		case x < utf8.RuneSelf:
			i++
		default:
			r, size := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && size == 1 {
				c.i = i
				return escaped, c.no("the text is not valid UTF-8")
			}
			i += size
		}
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain counts the bytes at the beginning of w that are neither a quote, a
// backslash, a control character nor beyond ASCII. x-k sets a byte's high bit
// if x is below k (or beyond ASCII, which is sought too); a borrow can spoil
// only the bytes above the first one found.
func plain(w uint64) int {
	quote, slash := w^(ones*'"'), w^(ones*'\\')
	found := (w - ones*0x20) | (quote - ones) | (slash - ones) | w
	return bits.TrailingZeros64(found&highs) / 8
}

// escape reads an escape at i.
func (c *checker) escape() bool {
	at := c.i
	c.i++
	if c.i >= len(c.b) {
		return false
	}
	switch c.b[c.i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		c.i++
		return true
	case 'u':
	default:
		return c.no("there is no such escape")
	}
	c.i++
	r, ok := c.hex()
	switch {
	case !ok:
		return false
	case r == 0:
		c.i = at
		return c.no("NUL is not allowed in a text")
	case !utf16.IsSurrogate(r):
		return true
	case c.i+1 < len(c.b) && c.b[c.i] == '\\' && c.b[c.i+1] == 'u':
		c.i += 2
		low, ok := c.hex()
		if !ok {
			return false
		}
		if utf16.DecodeRune(r, low) != utf8.RuneError {
			return true
		}
	}
	c.i = at
	return c.no("a surrogate stands alone")
}

func (c *checker) hex() (rune, bool) {
	r := rune(0)
	for range 4 {
		if c.i >= len(c.b) {
			return 0, false
		}
		d := unhex(c.b[c.i])
		if d < 0 {
			return 0, c.no("four hexadecimal digits are expected")
		}
		r = r<<4 | d
		c.i++
	}
	return r, true
}

func unhex(x byte) rune {
	switch {
	case x-'0' <= 9:
		return rune(x - '0')
	case x|0x20 >= 'a' && x|0x20 <= 'f':
		return rune(x|0x20-'a') + 10
	}
	return -1
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. Only what RFC 8259 section 7 demands
// is escaped; s must be valid UTF-8, which every way in checks.
func AppendString[S ~string | ~[]byte](dst []byte, s S) []byte {
	dst = append(dst, '"')
	at := len(dst)
	dst = append(dst, s...)
	start := Special(dst[at:])
	if start < 0 { // as most texts are
		return append(dst, '"')
	}
	dst = dst[:at+start]
	for i := start; i < len(s); i++ {
		x := s[i]
		if x >= 0x20 && x != '"' && x != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch x {
		case '"', '\\':
			dst = append(dst, '\\', x)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[x>>4], hexDigits[x&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// Special returns where the first byte of b stands that a JSON string cannot show
// as it is (RFC 8259 section 7), or -1.
func Special(b []byte) int {
	i, _ := special(b)
	return i
}

// special is Special; ascii tells that no byte before it is beyond ASCII. It looks
// at eight bytes at a time.
func special(b []byte) (at int, ascii bool) {
	i, all := 0, uint64(0)
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		// A top bit is set where a byte is below space, or zero after the exclusive
		// or; a borrow can set further ones, but only above such a byte.
		if ((x-ones*' ')&^x|(quote-ones)&^quote|(slash-ones)&^slash)&highs != 0 {
			break
		}
		all |= x
	}
	for ; i < len(b); i++ {
		c := b[i]
		if c < 0x20 || c == '"' || c == '\\' {
			return i, all&highs == 0
		}
		all |= uint64(c)
	}
	return -1, all&highs == 0
}

// unescape appends a checked string to resolved, without its escapes.
func (c *checker) unescape(s []byte) {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			c.resolved = append(c.resolved, s[i])
			continue
		}
		i++
		switch s[i] {
		case 'b':
			c.resolved = append(c.resolved, '\b')
		case 'f':
			c.resolved = append(c.resolved, '\f')
		case 'n':
			c.resolved = append(c.resolved, '\n')
		case 'r':
			c.resolved = append(c.resolved, '\r')
		case 't':
			c.resolved = append(c.resolved, '\t')
		case 'u':
			r := hex4(s[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				r = utf16.DecodeRune(r, hex4(s[i+3:]))
				i += 6
			}
			c.resolved = append(c.resolved, string(r)...)
		default:
			c.resolved = append(c.resolved, s[i])
		}
	}
}

func hex4(s []byte) rune {
	return unhex(s[0])<<12 | unhex(s[1])<<8 | unhex(s[2])<<4 | unhex(s[3])
}
