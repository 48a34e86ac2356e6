package run

import "bytes"

// The bytes that are scanned here were written by a worker, which writes valid
// JSON; a body that is none is noticed, but not explained.

// space returns the first place behind i that is no white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// text returns the place behind the string that begins at i, -1 if it has no end.
func text(b []byte, i int) int {
	for j := i + 1; j < len(b) && j < i+12 && b[j] != '\\'; j++ { // most are short
		if b[j] == '"' {
			return j + 1
		}
	}
	for j := i + 1; ; {
		n := bytes.IndexByte(b[min(j, len(b)):], '"')
		if n < 0 {
			return -1
		}
		j += n
		back := j - 1
		for b[back] == '\\' {
			back--
		}
		if (j-back)%2 == 1 {
			return j + 1
		}
		j++
	}
}

// value returns the place behind the value that begins at i, -1 if it is none.
func value(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return text(b, i)
	case '{', '[':
		for depth := 0; i < len(b); {
			switch b[i] {
			case '"':
				if i = text(b, i); i < 0 {
					return -1
				}
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return -1
	}
	j := i
	for j < len(b) && b[j] != ',' && b[j] != '}' && b[j] != ']' && b[j] > ' ' {
		j++
	}
	if j == i {
		return -1
	}
	return j
}

// members reads the members of an object that keys name into out, which has as
// many places; what is absent is nil. Their names must need no escape.
func members(b []byte, keys []string, out [][]byte) bool {
	var few [4]span
	spans := few[:]
	if len(keys) > len(few) {
		spans = make([]span, len(keys))
	}
	spans = spans[:len(keys)]
	ok := scan(b, 0, keys, nil, spans) >= 0
	for i, s := range spans {
		out[i] = s.of(b)
	}
	return ok
}

// span is where a value lies; the zero span is none. It spares the collector
// what a slice for each value of each record would cost.
type span struct{ from, to int }

func (s span) of(b []byte) []byte {
	if s.to == 0 {
		return nil
	}
	return b[s.from:s.to]
}

// scan is members for the object that begins at i, and returns the place behind
// it, -1 if it is none. heads, if not nil, are the keys with quotes and colon:
// keys in the order of the object are then found by one comparison.
func scan(b []byte, i int, keys, heads []string, out []span) int {
	clear(out)
	i = space(b, i)
	if i >= len(b) || b[i] != '{' {
		return -1
	}
	if i = space(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for next := 0; i < len(b) && b[i] == '"'; {
		var end int
		if next < len(heads) && len(b)-i > len(heads[next]) && string(b[i:i+len(heads[next])]) == heads[next] {
			i = space(b, i+len(heads[next]))
			if end = value(b, i); end < 0 {
				return -1
			}
			out[next] = span{i, end}
			next++
		} else {
			if end = text(b, i); end < 0 {
				return -1
			}
			name := b[i+1 : end-1]
			if i = space(b, end); i >= len(b) || b[i] != ':' {
				return -1
			}
			i = space(b, i+1)
			if end = value(b, i); end < 0 {
				return -1
			}
			for k, key := range keys {
				if string(name) == key {
					out[k], next = span{i, end}, k+1
					break
				}
			}
		}
		if i = space(b, end); i < len(b) && b[i] == '}' {
			return i + 1
		}
		if i >= len(b) || b[i] != ',' {
			return -1
		}
		i = space(b, i+1)
	}
	return -1
}

func isNull(b []byte) bool { return len(b) == 0 || b[0] == 'n' }

var idKey = []string{"id"}

// idOf is the id that a reference holds: itself, or that of the record which was
// filled in. Ids need no escape. nil if there is none.
func idOf(b []byte) []byte {
	if len(b) > 0 && b[0] == '{' {
		var room [1][]byte
		if !members(b, idKey, room[:]) {
			return nil
		}
		b = room[0]
	}
	if len(b) < 2 || b[0] != '"' {
		return nil
	}
	return b[1 : len(b)-1]
}
