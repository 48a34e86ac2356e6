package strictjson

import "bytes"

// Members, Elements and Text look into a text without parsing it, for who passes
// most of it on as it is. The text must have passed Check.

// Members calls f with each key of the object that b is, its escapes resolved,
// and with the value's own text, in their order, until f returns false. Both are
// valid as long as b. It returns false if b is no object.
func Members(b []byte, f func(key, value []byte) bool) bool {
	i := blank(b, 0)
	if i >= len(b) || b[i] != '{' {
		return false
	}
	for i = blank(b, i+1); i < len(b) && b[i] == '"'; {
		end := skip(b, i)
		key, _ := Text(b[i:end])
		i = blank(b, end) + 1 // behind the colon
		i = blank(b, i)
		end = skip(b, i)
		if end <= i || !f(key, b[i:end]) {
			break
		}
		if i = blank(b, end); i < len(b) && b[i] == ',' {
			i = blank(b, i+1)
		}
	}
	return true
}

// Elements calls f with the text of each element of the array that b is, until f
// returns false. It returns false if b is no array.
func Elements(b []byte, f func(value []byte) bool) bool {
	i := blank(b, 0)
	if i >= len(b) || b[i] != '[' {
		return false
	}
	for i = blank(b, i+1); i < len(b) && b[i] != ']'; {
		end := skip(b, i)
		if end <= i || !f(b[i:end]) {
			break
		}
		if i = blank(b, end); i < len(b) && b[i] == ',' {
			i = blank(b, i+1)
		}
	}
	return true
}

// Text returns what the string b says, false if b is no string. Without escapes
// in it the result aliases b.
func Text(b []byte) ([]byte, bool) {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return nil, false
	}
	b = b[1 : len(b)-1]
	if bytes.IndexByte(b, '\\') < 0 {
		return b, true
	}
	var c checker
	c.unescape(b)
	return c.resolved, true
}

// AppendText appends what the string b says; b must begin and end with quotes.
func AppendText(dst, b []byte) []byte {
	b = b[1 : len(b)-1]
	if bytes.IndexByte(b, '\\') < 0 {
		return append(dst, b...)
	}
	c := checker{resolved: dst}
	c.unescape(b)
	return c.resolved
}

// Trim is b without the white space around it.
func Trim(b []byte) []byte {
	from, to := blank(b, 0), len(b)
	for to > from && isBlank(b[to-1]) {
		to--
	}
	return b[from:to]
}

func blank(b []byte, i int) int {
	for i < len(b) && isBlank(b[i]) {
		i++
	}
	return i
}

func isBlank(x byte) bool { return x == ' ' || x == '\n' || x == '\t' || x == '\r' }

// skip returns the end of the value that begins at i.
func skip(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = quote(b, i+1)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
			i++
		case ',', ':', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
			i++
			continue
		default:
			i = word(b, i)
		}
		if depth == 0 {
			return i
		}
	}
	return i
}

// quote returns what lies behind the end of a string whose first byte is at i.
func quote(b []byte, i int) int {
	for i < len(b) {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		i += n + 1
		slashes := 0
		for j := i - 2; j >= 0 && b[j] == '\\'; j-- {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
	}
	return len(b)
}

func word(b []byte, i int) int {
	for i < len(b) {
		switch b[i] {
		case ',', ':', '}', ']', '"', '{', '[', ' ', '\n', '\t', '\r':
			return i
		}
		i++
	}
	return i
}
