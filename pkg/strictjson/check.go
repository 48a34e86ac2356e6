// Package strictjson is the one door through which JSON text comes in: bytes
// are checked in one pass for everything that fast JSON libraries let through
// (RFC 8259 syntax to the letter, UTF-8, lone surrogates, duplicate keys, NUL,
// nesting) and become a fastjson document, which the rooms behind may then
// trust.
package strictjson

import (
	"bytes"
	"math"
	"slices"
	"sync"

	"github.com/octomesh/octomesh/pkg/fault"
)

// DefaultDepth is how many arrays and objects may be open at once in what Parse
// reads. It stays far below fastjson's own limit of 300.
const DefaultDepth = 32

// MaxValues bounds how many values Parse takes in one text: a parsed value
// costs some hundred bytes, so a small text of small values would otherwise
// take fifty times its size.
const MaxValues = 1 << 20

// linearKeys is up to how many keys of an object duplicates are sought by
// comparing each with each; beyond it the keys are sorted once at the end, so
// that hostile objects cost n log n.
const linearKeys = 16

// Check reports whether b is one JSON value by RFC 8259 and by the rules of
// this house: valid UTF-8 with no lone surrogate in an escape, no key twice in
// an object (escapes resolved), no NUL in any text, at most maxDepth arrays and
// objects open at once. It allocates nothing for texts of ordinary size.
// Errors: PARSE_ERROR, whose message names the byte offset.
func Check(b []byte, maxDepth int) error { return check(b, maxDepth, math.MaxInt) }

func check(b []byte, maxDepth, maxValues int) error {
	if len(b) > math.MaxInt32 {
		return fault.New(fault.ParseError, "the JSON text is longer than 2 GB")
	}
	c := checkers.Get().(*checker)
	*c = checker{b: b, keys: c.keys[:0], resolved: c.resolved[:0], depth: maxDepth, values: maxValues}
	defer c.release()
	if !c.space() {
		return fault.New(fault.ParseError, "the JSON text is empty")
	}
	if !c.value() {
		return c.fail()
	}
	if c.space() {
		return fault.New(fault.ParseError, "byte %d: nothing may follow the JSON value", c.i)
	}
	return nil
}

// key is where a key of an open object lies: in the text, or resolved in
// checker.resolved if it has escapes.
type key struct {
	from, to uint32
	at       uint32 // offset in the text, for messages
	resolved bool
}

// checker walks over b once. Its methods return false after noting reason and
// leaving i at the offending byte.
type checker struct {
	b        []byte
	i        int
	depth    int // how many more containers may be opened
	values   int // how many more values may come
	keys     []key
	resolved []byte
	reason   string
	stored   bool // keys may be there twice
	spaced   bool // white space was skipped
}

var checkers = sync.Pool{New: func() any { return &checker{keys: make([]key, 0, 64)} }}

func (c *checker) release() {
	c.b = nil
	if cap(c.keys) <= 4096 && cap(c.resolved) <= keepSize {
		checkers.Put(c)
	}
}

func (c *checker) fail() error {
	if c.reason == "" && c.i >= len(c.b) {
		return fault.New(fault.ParseError, "byte %d: the JSON text ends too early", len(c.b))
	}
	if c.reason == "" {
		c.reason = "a JSON value is expected"
	}
	return fault.New(fault.ParseError, "byte %d: %s", c.i, c.reason)
}

func (c *checker) no(reason string) bool {
	if c.i < len(c.b) {
		c.reason = reason
	}
	return false
}

// space skips white space and reports whether anything follows.
func (c *checker) space() bool {
	for c.i < len(c.b) {
		switch c.b[c.i] {
		case ' ', '\n', '\t', '\r':
			c.i++
			c.spaced = true
		default:
			return true
		}
	}
	return false
}

func (c *checker) value() bool {
	if c.i >= len(c.b) {
		return false
	}
	if c.values--; c.values < 0 {
		return c.no("there are too many values in one text")
	}
	switch c.b[c.i] {
	case '"':
		c.i++
		_, ok := c.text()
		return ok
	case '{':
		return c.object()
	case '[':
		return c.array()
	case 't':
		return c.literal("true")
	case 'f':
		return c.literal("false")
	case 'n':
		return c.literal("null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return c.number()
	}
	return c.no("a JSON value is expected")
}

func (c *checker) literal(word string) bool {
	for j := 0; j < len(word); j++ {
		if c.i >= len(c.b) || c.b[c.i] != word[j] {
			return c.no("true, false or null is expected")
		}
		c.i++
	}
	return true
}

func (c *checker) digits() bool {
	from := c.i
	for c.i < len(c.b) && c.b[c.i]-'0' <= 9 {
		c.i++
	}
	if c.i == from {
		return c.no("a digit is expected")
	}
	return true
}

func (c *checker) number() bool {
	if c.b[c.i] == '-' {
		c.i++
	}
	if c.i < len(c.b) && c.b[c.i] == '0' {
		c.i++
		if c.i < len(c.b) && c.b[c.i]-'0' <= 9 {
			return c.no("a number may not begin with 0")
		}
	} else if !c.digits() {
		return false
	}
	if c.i < len(c.b) && c.b[c.i] == '.' {
		c.i++
		if !c.digits() {
			return false
		}
	}
	if c.i < len(c.b) && c.b[c.i]|0x20 == 'e' {
		c.i++
		if c.i < len(c.b) && (c.b[c.i] == '+' || c.b[c.i] == '-') {
			c.i++
		}
		return c.digits()
	}
	return true
}

func (c *checker) open() bool {
	if c.depth == 0 {
		return c.no("arrays and objects are nested too deeply")
	}
	c.depth--
	c.i++
	return true
}

func (c *checker) array() bool {
	if !c.open() || !c.space() {
		return false
	}
	if c.b[c.i] == ']' {
		c.i++
		c.depth++
		return true
	}
	for {
		if !c.space() || !c.value() || !c.space() {
			return false
		}
		switch c.b[c.i] {
		case ',':
			c.i++
		case ']':
			c.i++
			c.depth++
			return true
		default:
			return c.no("a comma or ] is expected")
		}
	}
}

func (c *checker) object() bool {
	if !c.open() || !c.space() {
		return false
	}
	if c.b[c.i] == '}' {
		c.i++
		c.depth++
		return true
	}
	base, scratch := len(c.keys), len(c.resolved)
	for {
		if !c.space() {
			return false
		}
		if c.b[c.i] != '"' {
			return c.no("a key in quotes is expected")
		}
		if !c.key(base) || !c.space() {
			return false
		}
		if c.b[c.i] != ':' {
			return c.no("a colon is expected")
		}
		c.i++
		if !c.space() || !c.value() || !c.space() {
			return false
		}
		switch c.b[c.i] {
		case ',':
			c.i++
		case '}':
			if len(c.keys)-base > linearKeys && !c.distinct(c.keys[base:]) {
				return false
			}
			c.keys, c.resolved = c.keys[:base], c.resolved[:scratch]
			c.i++
			c.depth++
			return true
		default:
			return c.no("a comma or } is expected")
		}
	}
}

// key reads a key and, in a small object, compares it with those before it.
func (c *checker) key(base int) bool {
	at := c.i
	c.i++
	escaped, ok := c.text()
	if !ok || c.stored {
		return ok
	}
	k := key{from: uint32(at + 1), to: uint32(c.i - 1), at: uint32(at)}
	if escaped {
		from := len(c.resolved)
		c.unescape(c.b[at+1 : c.i-1])
		k = key{from: uint32(from), to: uint32(len(c.resolved)), at: uint32(at), resolved: true}
	}
	if len(c.keys)-base < linearKeys {
		text := c.bytes(k)
		for _, o := range c.keys[base:] {
			if o.to-o.from == k.to-k.from && bytes.Equal(c.bytes(o), text) {
				return c.twice(k)
			}
		}
	}
	c.keys = append(c.keys, k)
	return true
}

func (c *checker) bytes(k key) []byte {
	if k.resolved {
		return c.resolved[k.from:k.to]
	}
	return c.b[k.from:k.to]
}

func (c *checker) twice(k key) bool {
	c.i = int(k.at)
	c.reason = "the object has this key twice"
	return false
}

// distinct sorts the keys of a large object to find equal ones.
func (c *checker) distinct(keys []key) bool {
	slices.SortFunc(keys, func(x, y key) int {
		if d := bytes.Compare(c.bytes(x), c.bytes(y)); d != 0 {
			return d
		}
		return int(x.at) - int(y.at)
	})
	for j := 1; j < len(keys); j++ {
		if bytes.Equal(c.bytes(keys[j-1]), c.bytes(keys[j])) {
			return c.twice(keys[j])
		}
	}
	return true
}
