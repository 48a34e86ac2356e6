package codec

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

func blank(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' {
		i++
	}
	return i
}

// quote returns the end of the string that begins at b[i], -1 if there is none.
func quote(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for i++; ; {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		end := i + n
		slashes := 0
		for slashes < n && b[end-1-slashes] == '\\' {
			slashes++
		}
		i = end + 1
		if slashes%2 == 0 {
			return i
		}
		// What follows the escaped quote cannot be escaped by it.
	}
}

// skip returns the end of the value that begins at b[i], -1 if it does not end.
func skip(b []byte, i int) int {
	from := i
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			if i = quote(b, i); i < 0 {
				return -1
			}
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			if depth == 0 {
				return ended(from, i)
			}
			depth--
			i++
		case ',', ':', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return ended(from, i)
			}
			i++
			continue
		default:
			i++
			if depth > 0 || i < len(b) && !ends[b[i]] {
				continue
			}
		}
		if depth == 0 {
			return i
		}
	}
	return -1
}

// ends are the bytes that may follow a number or a word.
var ends = [256]bool{',': true, ']': true, '}': true, ' ': true, '\n': true, '\t': true, '\r': true, ':': true}

func ended(from, i int) int {
	if i == from {
		return -1
	}
	return i
}

// unescape appends what a string says, without its escapes.
func unescape(dst, s []byte) ([]byte, bool) {
	for {
		n := bytes.IndexByte(s, '\\')
		if n < 0 {
			return append(dst, s...), true
		}
		dst = append(dst, s[:n]...)
		if s = s[n+1:]; len(s) == 0 {
			return dst, false
		}
		c := s[0]
		s = s[1:]
		switch c {
		case '"', '\\', '/':
			dst = append(dst, c)
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, ok := hex4(s)
			if !ok {
				return dst, false
			}
			s = s[4:]
			if utf16.IsSurrogate(r) {
				if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
					return dst, false
				}
				low, ok := hex4(s[2:])
				if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
					return dst, false
				}
				s = s[6:]
			}
			dst = utf8.AppendRune(dst, r)
		default:
			return dst, false
		}
	}
}

func hex4(s []byte) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(s[:4]), 16, 16)
	return rune(n), err == nil
}
