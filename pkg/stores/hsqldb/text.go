package hsqldb

import (
	"unicode/utf16"
	"unicode/utf8"
)

// The server reads and writes texts in modified UTF-8: a code point above U+FFFF
// is two surrogates of three bytes each
// (java.io.DataInput, "Modified UTF-8").

// modified appends text as the server reads it.
func modified(dst []byte, text string) []byte {
	start := 0
	for i := 0; i < len(text); i++ {
		if text[i] < 0xF0 {
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		if n != 4 {
			continue
		}
		dst = append(dst, text[start:i]...)
		high, low := utf16.EncodeRune(r)
		dst = appendSurrogate(appendSurrogate(dst, high), low)
		i += n - 1
		start = i + 1
	}
	return append(dst, text[start:]...)
}

func appendSurrogate(dst []byte, r rune) []byte {
	return append(dst, byte(0xE0|r>>12), byte(0x80|r>>6&0x3F), byte(0x80|r&0x3F))
}

// plain turns modified UTF-8 into UTF-8, in place: it only gets shorter.
func plain(b []byte) []byte {
	for i := 0; i+5 < len(b); i++ {
		if b[i] != 0xED || b[i+1]&0xF0 != 0xA0 {
			continue
		}
		out := b[:i]
		for i < len(b) {
			if i+5 < len(b) && b[i] == 0xED && b[i+1]&0xF0 == 0xA0 && b[i+3] == 0xED && b[i+4]&0xF0 == 0xB0 {
				out = utf8.AppendRune(out, utf16.DecodeRune(surrogate(b[i:]), surrogate(b[i+3:])))
				i += 6
				continue
			}
			out = append(out, b[i])
			i++
		}
		return out
	}
	return b
}

func surrogate(b []byte) rune { return rune(b[0]&0x0F)<<12 | rune(b[1]&0x3F)<<6 | rune(b[2]&0x3F) }
