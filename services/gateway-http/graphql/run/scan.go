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
// many places; what is absent is nil. Keys in the order of the object are found
// at once. Their names must need no escape.
func members(b []byte, keys []string, out [][]byte) bool {
	clear(out)
	i := space(b, 0)
	if i >= len(b) || b[i] != '{' {
		return false
	}
	if i = space(b, i+1); i < len(b) && b[i] == '}' {
		return true
	}
	for next := 0; i < len(b) && b[i] == '"'; {
		end := text(b, i)
		if end < 0 {
			return false
		}
		name := b[i+1 : end-1]
		if i = space(b, end); i >= len(b) || b[i] != ':' {
			return false
		}
		i = space(b, i+1)
		if end = value(b, i); end < 0 {
			return false
		}
		if next < len(keys) && string(name) == keys[next] {
			out[next] = b[i:end]
			next++
		} else {
			for k, key := range keys {
				if string(name) == key {
					out[k], next = b[i:end], k+1
					break
				}
			}
		}
		if i = space(b, end); i < len(b) && b[i] == '}' {
			return true
		}
		if i >= len(b) || b[i] != ',' {
			return false
		}
		i = space(b, i+1)
	}
	return false
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
