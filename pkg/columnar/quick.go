package columnar

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"

	"github.com/octomesh/octomesh/pkg/schema"
)

// quick reads a record as workers write them: the columns' members in their
// order, nothing between the tokens. It costs a third of parsing. Where anything
// is otherwise it stops and returns false; the columns that it has filled by
// then hold what a parser would have found, so that one can fill the others.
func (b *Builder) quick(line []byte) bool {
	for i, c := range b.columns {
		if !bytes.HasPrefix(line, b.keys[i]) {
			return false
		}
		line = line[len(b.keys[i]):]
		n := c.quick(line)
		if n == 0 {
			return false
		}
		line = line[n:]
	}
	return len(line) == 1 && line[0] == '}'
}

// quick takes the value at the start of b in and returns its length; 0 means
// that it is none of the plain forms, and that nothing was taken in.
func (c *column) quick(b []byte) int {
	if bytes.HasPrefix(b, nullText) {
		c.null()
		return len(nullText)
	}
	if c.hollow {
		n := span(b)
		if n > 0 {
			c.null()
		}
		return n
	}
	switch c.kind {
	case floats, integers, decimals:
		return c.quickNumber(b)
	case truths:
		return c.quickTruth(b)
	case lists:
		return c.quickList(b)
	case documents:
		return c.quickRaw(b)
	case loose:
		if len(b) > 0 && b[0] != '"' {
			return c.quickRaw(b)
		}
	}
	s, n := plainText(b)
	if n == 0 {
		return 0
	}
	switch c.kind {
	case instants:
		ms, ok := schema.ParseTime(view(s))
		if !ok {
			return 0
		}
		c.word(uint64(ms))
		return n
	case binaries:
		at := len(c.data)
		data, err := base64.StdEncoding.AppendDecode(c.data, s)
		if err != nil {
			c.data = c.data[:at]
			return 0
		}
		c.data = data
	default:
		c.data = append(c.data, s...)
	}
	c.done()
	return n
}

var (
	nullText  = []byte("null")
	trueText  = []byte("true")
	falseText = []byte("false")
)

// plainText returns a text without escapes, and its length with the quotes; 0 if
// b does not begin with one.
func plainText(b []byte) (s []byte, n int) {
	if len(b) == 0 || b[0] != '"' {
		return nil, 0
	}
	end := bytes.IndexByte(b[1:], '"')
	if end < 0 || bytes.IndexByte(b[1:1+end], '\\') >= 0 {
		return nil, 0
	}
	return b[1 : 1+end], end + 2
}

// quickRaw takes JSON as it is. With space around it, which span takes in, it is
// the parser's.
func (c *column) quickRaw(b []byte) int {
	n := span(b)
	if n == 0 || b[0] <= ' ' || b[n-1] <= ' ' {
		return 0
	}
	c.data = append(c.data, b[:n]...)
	c.done()
	return n
}

func (c *column) quickTruth(b []byte) int {
	n := len(falseText)
	yes := bytes.HasPrefix(b, trueText)
	switch {
	case yes:
		n = len(trueText)
	case !bytes.HasPrefix(b, falseText):
		return 0
	}
	c.data = appendBit(c.data, c.n, yes)
	c.done()
	return n
}

func (c *column) quickNumber(b []byte) int {
	n, whole := 0, true
digits:
	for n < len(b) {
		switch d := b[n]; {
		case '0' <= d && d <= '9', d == '-' && n == 0:
		case d == '.', d|0x20 == 'e', d == '-', d == '+':
			whole = false
		default:
			break digits
		}
		n++
	}
	s := view(b[:n])
	switch {
	case n == 0:
	case c.kind == decimals:
		if c.decimal(s) != nil {
			return 0
		}
	case c.kind == integers:
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0
		}
		c.word(uint64(v))
	default:
		if v, ok := schema.SmallInt(s); whole && ok {
			c.word(math.Float64bits(float64(v)))
			return n
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return 0
		}
		c.word(math.Float64bits(f))
	}
	return n
}

// quickList takes a list of plain values in, all of them or none.
func (c *column) quickList(b []byte) int {
	n := span(b)
	if n < 2 || b[0] != '[' || b[n-1] != ']' {
		return 0
	}
	had := c.elem.n
	for i := 1; n > 2 && i < n; i++ { // behind each value a comma, at last the bracket
		taken := c.elem.quick(b[i:n])
		if i += taken; taken == 0 || i < n-1 && b[i] != ',' {
			c.elem.cut(had)
			return 0
		}
	}
	c.done()
	return n
}

// span is the length of the value at the start of b; 0 if it does not end.
func span(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i++
			for i < len(b) && b[i] != '"' {
				if b[i] == '\\' {
					i++
				}
				i++
			}
			if i >= len(b) {
				return 0
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return 0
}
