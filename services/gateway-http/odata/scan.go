package odata

import (
	"bytes"
	"strconv"
	"unsafe"

	"github.com/octomesh/octomesh/pkg/fault"
)

// The functions of this file walk over JSON that a worker wrote: it is well
// formed, without white space between its tokens, and is not checked again.

// skip returns the place behind the value at i.
func skip(b []byte, i int) int {
	if i >= len(b) {
		return i
	}
	switch b[i] {
	case '"':
		return skipText(b, i)
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				i = skipText(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			i++
			if depth == 0 {
				return i
			}
		}
		return i
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' {
		i++
	}
	return i
}

func skipText(b []byte, i int) int {
	// Keys and most values are short, and have no escape: a call that searches
	// costs more than a look at each byte.
	i++
	for end := min(len(b), i+24); i < end; i++ {
		if b[i] == '"' {
			return i + 1
		}
		if b[i] == '\\' {
			break
		}
	}
	for ; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		i += n
		back := i - 1
		for b[back] == '\\' {
			back--
		}
		if (i-1-back)%2 == 0 {
			return i + 1
		}
	}
	return i
}

// members walks over an object: next returns its keys, raw, and values.
type members struct {
	b []byte
	i int
}

func over(object []byte) members { return members{object, 1} }

func (m *members) next() (key, value []byte, ok bool) {
	if m.i >= len(m.b) || m.b[m.i] != '"' {
		return nil, nil, false
	}
	end := skipText(m.b, m.i)
	key = m.b[m.i+1 : end-1]
	from := end + 1
	to := skip(m.b, from)
	if to > len(m.b) || from > to {
		return nil, nil, false
	}
	if m.i = to; m.i < len(m.b) && m.b[m.i] == ',' {
		m.i++
	}
	return key, m.b[from:to], true
}

// elements walks over an array.
type elements struct {
	b []byte
	i int
}

func within(array []byte) elements { return elements{array, 1} }

func (e *elements) next() ([]byte, bool) {
	if e.i >= len(e.b) || e.b[e.i] == ']' {
		return nil, false
	}
	from := e.i
	to := skip(e.b, from)
	if to <= from {
		return nil, false
	}
	if e.i = to; e.i < len(e.b) && e.b[e.i] == ',' {
		e.i++
	}
	return e.b[from:to], true
}

// member returns a value of an object, nil if it is not there.
func member(object []byte, name string) []byte {
	if len(object) == 0 || object[0] != '{' {
		return nil
	}
	m := over(object)
	for {
		key, value, ok := m.next()
		if !ok {
			return nil
		}
		if string(key) == name {
			return value
		}
	}
}

// text is the inside of a JSON string that needs no escape, such as an id.
func text(value []byte) string {
	if len(value) < 2 || value[0] != '"' {
		return ""
	}
	return string(value[1 : len(value)-1])
}

var (
	okData      = []byte(`{"status":"ok","data":`)
	metadataKey = []byte(`,"metadata":{`)
)

// parts takes a reply's body apart.
func parts(body []byte) (data, meta []byte, err error) {
	if len(body) == 0 || body[0] != '{' {
		return nil, nil, fault.New(fault.Internal, "the worker's reply cannot be read")
	}
	// A worker writes status, data, metadata: the last one is found from behind,
	// without a walk over the rows.
	if at := bytes.LastIndex(body, metadataKey); at > 0 && bytes.HasPrefix(body, okData) {
		if from := at + len(metadataKey) - 1; skip(body, from) == len(body)-1 {
			return body[min(len(okData), at):at], body[from : len(body)-1], nil
		}
	}
	m := over(body)
	for {
		key, value, ok := m.next()
		switch {
		case !ok:
			return data, meta, nil
		case string(key) == "data":
			data = value
		case string(key) == "metadata":
			meta = value
		}
	}
}

func number(value []byte) int64 {
	n, _ := strconv.ParseInt(view(value), 10, 64)
	return n
}

func isNull(value []byte) bool { return len(value) == 0 || string(value) == "null" }

func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
