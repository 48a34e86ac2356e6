package strictjson

import (
	"sync"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/valyala/fastjson"
)

// Doc is a checked JSON text. It is for one goroutine: fastjson resolves
// escapes at the first look at a value.
type Doc struct {
	// Root is the text's value; it and all that hangs on it, strings too, is
	// valid until Release. The text that was parsed may change meanwhile.
	Root   *fastjson.Value
	parser fastjson.Parser
	size   int
}

// A parser holds some fifty times the memory of the largest text that it has
// read, so those of ordinary texts (up to keepSize) and of large ones, such as a
// transaction's (up to keepLarge), are kept apart, and others not at all.
const (
	keepSize  = 64 << 10
	keepLarge = 512 << 10
)

var docs, larges = newDocs(), newDocs()

func newDocs() *sync.Pool { return &sync.Pool{New: func() any { return new(Doc) }} }

// pool is where the parser of a text of that size is kept; nil for nowhere.
func pool(size int) *sync.Pool {
	switch {
	case size <= keepSize:
		return docs
	case size <= keepLarge:
		return larges
	}
	return nil
}

// Parse checks b (with DefaultDepth and MaxValues) and parses it. Release the
// Doc when no value of it is needed any more. Errors: PARSE_ERROR.
func Parse(b []byte) (*Doc, error) {
	if err := check(b, DefaultDepth, MaxValues); err != nil {
		return nil, err
	}
	d := new(Doc)
	if p := pool(len(b)); p != nil {
		d = p.Get().(*Doc)
	}
	v, err := d.parser.ParseBytes(b)
	if err != nil {
		return nil, fault.Wrap(err, fault.ParseError, "the JSON text cannot be read")
	}
	d.Root, d.size = v, len(b)
	return d, nil
}

// Release gives the document's memory back. A second Release does nothing.
func (d *Doc) Release() {
	if d == nil || d.Root == nil {
		return
	}
	d.Root = nil
	if p := pool(d.size); p != nil {
		p.Put(d)
	}
}

// Compact appends v as JSON text without white space: keys in their given
// order, numbers with the text in which they came, strings escaped only where
// they must be. v must come from Parse.
func Compact(dst []byte, v *fastjson.Value) []byte {
	switch v.Type() {
	case fastjson.TypeObject:
		o, _ := v.Object()
		dst = append(dst, '{')
		first := true
		o.Visit(func(k []byte, v *fastjson.Value) {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = AppendString(dst, k)
			dst = append(dst, ':')
			dst = Compact(dst, v)
		})
		return append(dst, '}')
	case fastjson.TypeArray:
		a, _ := v.Array()
		dst = append(dst, '[')
		for i, v := range a {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = Compact(dst, v)
		}
		return append(dst, ']')
	case fastjson.TypeString:
		s, _ := v.StringBytes()
		return AppendString(dst, s)
	}
	return v.MarshalTo(dst) // a number's own text, true, false, null
}
