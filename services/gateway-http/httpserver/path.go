package httpserver

import (
	"unicode/utf8"
	"unsafe"

	"github.com/octomesh/octomesh/pkg/fault"
)

// maxSegments bounds a path; the longest route has six.
const maxSegments = 10

var errPath = fault.New(fault.InvalidRequest, "the path is malformed: it must be absolute, without empty, \".\" or \"..\" segments, and no segment may hold an encoded slash, backslash or control character")

// split cuts the path of a request line into its decoded segments. It is the
// only place where a path is interpreted, so what is authorised is what is
// routed. One trailing slash is allowed. Segments without an escape alias path,
// the others alias buf, which is returned grown. Errors: INVALID_REQUEST.
func split(dst []string, buf, path []byte) ([]string, []byte, error) {
	if len(path) == 0 || path[0] != '/' {
		return dst, buf, errPath
	}
	path = path[1:]
	for len(path) > 0 {
		end, escaped := 0, false
		for end < len(path) && path[end] != '/' {
			c := path[end]
			if c < 0x20 || c == 0x7f || c == '\\' {
				return dst, buf, errPath
			}
			escaped = escaped || c == '%' || c >= 0x80
			end++
		}
		segment := path[:end]
		if escaped {
			var ok bool
			if segment, buf, ok = unescape(buf, segment); !ok {
				return dst, buf, errPath
			}
		}
		if len(segment) == 0 || len(dst) == maxSegments || string(segment) == "." || string(segment) == ".." {
			return dst, buf, errPath
		}
		dst = append(dst, text(segment))
		if end == len(path) {
			break
		}
		path = path[end+1:]
	}
	return dst, buf, nil
}

// unescape decodes %XX into fresh room of buf. Growing buf leaves earlier
// segments on the old array, which they keep alive.
func unescape(buf, s []byte) (segment, grown []byte, ok bool) {
	start := len(buf)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			if i+2 >= len(s) {
				return nil, buf, false
			}
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi < 0 || lo < 0 {
				return nil, buf, false
			}
			c = byte(hi<<4 | lo)
			i += 2
			if c < 0x20 || c == 0x7f || c == '/' || c == '\\' {
				return nil, buf, false
			}
		}
		buf = append(buf, c)
	}
	return buf[start:len(buf):len(buf)], buf, utf8.Valid(buf[start:])
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// text views bytes of the request as a string; it lives as long as the request.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
