package bus

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// HeaderName is the one NATS header of a mesh call. One header costs about 1 µs
// of CPU, six cost 8, so everything beside the arguments travels in it:
//
//	{"v":1,"ttl":ms left,"t":transport,"r":request id,"tp":traceparent,
//	 "ik":idempotency key,"cat":catalog version,"tok":principal token}
//
// Empty members are left out.
const HeaderName = "Octo"

// MaxHeader is the limit of the header's value, in bytes.
const MaxHeader = 4096

// The versions of the header: what is written, and the oldest that is still
// understood (always the one before, so that gateways and workers can be
// replaced one after another; there is none before 1).
const (
	headerVersion = 1
	headerOldest  = 1
)

// maxTTL bounds the time left that a header may claim.
const maxTTL = time.Hour

// AppendHeader appends the value of the header Octo. A ttl of zero or below is
// left out. Native never travels: the server alone writes that identity.
func AppendHeader(dst []byte, h *mesh.Header, ttl time.Duration) []byte {
	dst = append(dst, `{"v":1`...)
	if ttl > 0 {
		dst = append(dst, `,"ttl":`...)
		dst = strconv.AppendInt(dst, max(1, ttl.Milliseconds()), 10)
	}
	dst = appendMember(dst, `,"t":`, h.Transport)
	dst = appendMember(dst, `,"r":`, h.RequestID)
	dst = appendMember(dst, `,"tp":`, h.TraceParent)
	dst = appendMember(dst, `,"ik":`, h.IdempotencyKey)
	dst = appendMember(dst, `,"cat":`, h.CatalogVersion)
	dst = appendMember(dst, `,"tok":`, h.Token)
	return append(dst, '}')
}

func appendMember(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(append(dst, name...), '"')
	if plain(value) {
		return append(append(dst, value...), '"')
	}
	start := 0
	for i := 0; i < len(value); {
		c := value[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(value[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		dst = append(dst, value[start:i]...)
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= utf8.RuneSelf:
			dst = append(dst, `\ufffd`...) // a byte that is no UTF-8
		default: // a line end must never reach the header as such
			const hex = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, value[start:]...), '"')
}

// plain reports whether s is ASCII that JSON shows as it is. It looks at eight
// bytes at a time, because a principal token has hundreds.
func plain(s string) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; len(s) >= 8; s = s[8:] {
		x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		// A top bit is set where a byte is below space, zero after the exclusive
		// or, or beyond ASCII (a borrow can only set further ones above such a byte).
		if ((x-ones*' ')|(quote-ones)|(slash-ones)|x)&tops != 0 {
			return false
		}
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// parseHeader reads a header and the time left, zero if it has none; parts alias
// s where nothing is escaped. Unknown members are ignored; a member that appears
// twice, one of the wrong type or a version that is not understood are refused:
// INVALID_REQUEST, PARSE_ERROR.
func parseHeader(s string) (mesh.Header, time.Duration, error) {
	if len(s) > MaxHeader {
		return mesh.Header{}, 0, fault.New(fault.InvalidRequest, "the header %s is longer than %d bytes", HeaderName, MaxHeader)
	}
	var h mesh.Header
	var version, ttl int64
	var seen uint
	p := scanner{s: s}
	ok := p.object(func(name string) bool {
		bit, text := uint(0), (*string)(nil)
		switch name {
		case "v":
			return p.once(&seen, 1) && p.integer(&version)
		case "ttl":
			return p.once(&seen, 2) && p.integer(&ttl)
		case "t":
			bit, text = 4, &h.Transport
		case "r":
			bit, text = 8, &h.RequestID
		case "tp":
			bit, text = 16, &h.TraceParent
		case "ik":
			bit, text = 32, &h.IdempotencyKey
		case "cat":
			bit, text = 64, &h.CatalogVersion
		case "tok":
			bit, text = 128, &h.Token
		default:
			return p.skip(0)
		}
		return p.once(&seen, bit) && p.text(text)
	})
	if !ok || !p.end() {
		return mesh.Header{}, 0, fault.New(fault.ParseError, "the header %s cannot be read", HeaderName)
	}
	if version < headerOldest || version > headerVersion {
		return mesh.Header{}, 0, fault.New(fault.InvalidRequest,
			"version %d of the header %s is not understood here; this side speaks %d to %d: upgrade the older one",
			version, HeaderName, headerOldest, headerVersion)
	}
	if ttl < 0 {
		return mesh.Header{}, 0, fault.New(fault.InvalidRequest, "the time left in the header %s is negative", HeaderName)
	}
	return h, min(time.Duration(min(ttl, maxTTL.Milliseconds()))*time.Millisecond, maxTTL), nil
}
