package event

import "encoding/json"

// members calls each for the members of the JSON object in b, with the key's
// text and the value's bytes as they stand there, and reports whether b was
// such an object. It finds where values end and no more: what it is given was
// written by this house or is checked elsewhere.
func members(b []byte, each func(key string, value []byte)) bool {
	i := space(b, 0)
	if i >= len(b) || b[i] != '{' {
		return false
	}
	if i = space(b, i+1); i < len(b) && b[i] == '}' {
		return space(b, i+1) == len(b)
	}
	for i < len(b) {
		end := skip(b, i)
		if end < 0 || b[i] != '"' {
			return false
		}
		key, ok := text(b[i:end])
		if i = space(b, end); !ok || i >= len(b) || b[i] != ':' {
			return false
		}
		i = space(b, i+1)
		if end = skip(b, i); end < 0 {
			return false
		}
		each(key, b[i:end])
		if i = space(b, end); i >= len(b) {
			return false
		}
		if b[i] == '}' {
			return space(b, i+1) == len(b)
		}
		if b[i] != ',' {
			return false
		}
		i = space(b, i+1)
	}
	return false
}

// values calls each for the members of the JSON array in b.
func values(b []byte, each func([]byte)) bool {
	i := space(b, 0)
	if i >= len(b) || b[i] != '[' {
		return false
	}
	if i = space(b, i+1); i < len(b) && b[i] == ']' {
		return true
	}
	for i < len(b) {
		end := skip(b, i)
		if end < 0 {
			return false
		}
		each(b[i:end])
		if i = space(b, end); i >= len(b) || b[i] != ',' {
			return i < len(b) && b[i] == ']'
		}
		i = space(b, i+1)
	}
	return false
}

// text returns the text of a JSON string.
func text(b []byte) (string, bool) {
	if len(b) < 2 || b[0] != '"' {
		return "", false
	}
	for _, c := range b {
		if c == '\\' {
			var s string
			err := json.Unmarshal(b, &s)
			return s, err == nil
		}
	}
	return string(b[1 : len(b)-1]), true
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skip returns where the value that begins at i ends, or -1.
func skip(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if i >= len(b) {
				return -1
			}
			i++
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			if depth--; depth < 0 {
				return -1
			}
			i++
		case ',', ':', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return -1
			}
			i++
			continue
		default:
			for i < len(b) && literal(b[i]) {
				i++
			}
			if i < len(b) && b[i] < 0x20 && b[i] != '\n' && b[i] != '\t' && b[i] != '\r' {
				return -1
			}
		}
		if depth == 0 {
			return i
		}
	}
	return -1
}

func literal(c byte) bool {
	switch c {
	case ',', ':', ']', '}', '[', '{', '"', ' ', '\n', '\t', '\r':
		return false
	}
	return c >= 0x20
}
