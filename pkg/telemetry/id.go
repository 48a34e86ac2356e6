package telemetry

import (
	"math/rand/v2"
	"time"
)

// MaxRequestID is the length up to which a caller's request id is taken over.
const MaxRequestID = 128

const hexDigits = "0123456789abcdef"

// AppendRequestID appends a new request id: a UUIDv7 (RFC 9562 section 5.7).
// Its random part need not be secret, so it comes from math/rand/v2.
func AppendRequestID(dst []byte) []byte {
	ms := uint64(time.Now().UnixMilli())
	hi := ms<<16 | 0x7000 | rand.Uint64()&0x0fff
	lo := 0x8000000000000000 | rand.Uint64()>>2
	for i := 60; i >= 0; i -= 4 {
		dst = append(dst, hexDigits[hi>>uint(i)&15])
		if i == 32 || i == 16 {
			dst = append(dst, '-')
		}
	}
	dst = append(dst, '-')
	for i := 60; i >= 0; i -= 4 {
		dst = append(dst, hexDigits[lo>>uint(i)&15])
		if i == 48 {
			dst = append(dst, '-')
		}
	}
	return dst
}

// NewRequestID is AppendRequestID as a string.
func NewRequestID() string { return string(AppendRequestID(make([]byte, 0, 36))) }

// ValidRequestID reports whether a caller's request id can be taken over: 1 to
// 128 visible ASCII characters, so that it can stand in a header and a log.
func ValidRequestID(s string) bool { return visible(s, MaxRequestID) }

// ValidIdempotencyKey reports whether s is 1 to 128 visible ASCII characters.
func ValidIdempotencyKey(s string) bool { return visible(s, 128) }

func visible(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// Trace is a parsed W3C traceparent header.
type Trace struct {
	ID      string // 32 lower-case hex digits
	Span    string // 16 lower-case hex digits
	Sampled bool
}

// ParseTraceParent reads a traceparent header (https://www.w3.org/TR/trace-context/,
// section 3.2). A later version is read as far as version 00 goes.
func ParseTraceParent(s string) (Trace, bool) {
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' || len(s) > 55 && (s[:2] == "00" || s[55] != '-') || len(s) > 256 {
		return Trace{}, false
	}
	version, id, span, flags := s[:2], s[3:35], s[36:52], s[53:55]
	if !lowerHex(version) || version == "ff" || !lowerHex(id) || !lowerHex(span) || !lowerHex(flags) ||
		zeros(id) || zeros(span) || !visible(s, 256) {
		return Trace{}, false
	}
	odd := flags[1] >= 'a' && (flags[1]-'a')%2 == 1 || flags[1] <= '9' && (flags[1]-'0')%2 == 1
	return Trace{ID: id, Span: span, Sampled: odd}, true
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func zeros(s string) bool {
	for i := range len(s) {
		if s[i] != '0' {
			return false
		}
	}
	return true
}
