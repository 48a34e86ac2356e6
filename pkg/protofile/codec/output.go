package codec

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"unsafe"

	"github.com/octomesh/octomesh/pkg/protofile"
	"github.com/octomesh/octomesh/pkg/schema"
)

// output is the plan by which a JSON object becomes a message.
type output struct {
	members []member // in the order in which they are expected
	index   map[string]int
}

// member is one member of an object, and the fields that it becomes.
type member struct {
	key    []byte // with quotes and colon
	fields []taken
	inner  *output // an object whose members become fields of the same message
}

// taken is one field of a message that goes out.
type taken struct {
	tag                []byte
	kind               protofile.Kind
	repeated, optional bool
	record             *output // of a Record; of a Ref, the plan that takes the id
}

func (o *output) add(key string, t taken) {
	i, ok := o.index[key]
	if !ok {
		i = len(o.members)
		o.index[key] = i
		o.members = append(o.members, member{key: append(schema.AppendString(nil, key), ':')})
	}
	if t.tag != nil {
		o.members[i].fields = append(o.members[i].fields, t)
	}
}

// newOutput plans a message whose fields are members of one object.
func newOutput(m *protofile.Message, made map[*protofile.Message]*output) *output {
	if o := made[m]; o != nil {
		return o
	}
	o := &output{index: map[string]int{}}
	made[m] = o
	for _, key := range m.Keys {
		o.add(key, taken{})
	}
	for _, f := range m.Fields {
		if f.Key != "" {
			o.add(f.Key, newTaken(f, made))
		}
	}
	return o
}

func newTaken(f *protofile.Field, made map[*protofile.Message]*output) taken {
	t := taken{tag: tag(f), kind: f.Kind, repeated: f.Repeated, optional: f.Optional}
	switch f.Kind {
	case protofile.Record:
		t.record = newOutput(f.Message, made)
	case protofile.Ref:
		t.record = &output{index: map[string]int{}}
		t.record.add("id", taken{tag: t.tag, kind: protofile.Text, optional: true})
	}
	return t
}

// newReply plans a message whose fields are members of a reply: status and data,
// the others of its metadata.
func newReply(m *protofile.Message, made map[*protofile.Message]*output) *output {
	o, meta := &output{index: map[string]int{}}, &output{index: map[string]int{}}
	o.add("status", taken{})
	o.add("data", taken{})
	for _, f := range m.Fields {
		switch f.Key {
		case "":
		case "status", "data":
			o.add(f.Key, newTaken(f, made))
		default:
			meta.add(f.Key, newTaken(f, made))
		}
	}
	o.add("metadata", taken{})
	o.members[len(o.members)-1].inner = meta
	return o
}

// maxDepth is how deep records may lie in records; relations are filled in up to
// five deep.
const maxDepth = 32

// object appends the fields of the object at b[i] and returns what follows it;
// -1 where it is none, or is not what the schema says.
func (o *output) object(dst, b []byte, i, depth int) ([]byte, int) {
	if i >= len(b) || b[i] != '{' || depth == 0 {
		return dst, -1
	}
	if i = blank(b, i+1); i < len(b) && b[i] == '}' {
		return dst, i + 1
	}
	for expected := 0; ; {
		var m *member
		if expected < len(o.members) && bytes.HasPrefix(b[i:], o.members[expected].key) {
			m = &o.members[expected]
			i += len(m.key)
			expected++
		} else {
			end := quote(b, i)
			if end < 0 {
				return dst, -1
			}
			if at, ok := o.index[string(b[i+1:end-1])]; ok {
				m, expected = &o.members[at], at+1
			}
			if i = blank(b, end); i >= len(b) || b[i] != ':' {
				return dst, -1
			}
			i++
		}
		i = blank(b, i)
		switch {
		case m == nil || len(m.fields) == 0 && m.inner == nil:
			i = skip(b, i)
		case m.inner != nil:
			dst, i = m.inner.object(dst, b, i, depth-1)
		default:
			dst, i = m.value(dst, b, i, depth)
		}
		if i < 0 {
			return dst, -1
		}
		i = blank(b, i)
		switch {
		case i < len(b) && b[i] == ',':
			i = blank(b, i+1)
		case i < len(b) && b[i] == '}':
			return dst, i + 1
		default:
			return dst, -1
		}
	}
}

// value appends what the value at b[i] becomes.
func (m *member) value(dst, b []byte, i, depth int) ([]byte, int) {
	if bytes.HasPrefix(b[i:], nullText) {
		return dst, i + len(nullText)
	}
	end := -1
	for k := range m.fields {
		t := &m.fields[k]
		if t.kind == protofile.Record && !t.repeated && len(m.fields) > 1 && b[i] != '{' {
			continue // a relation that was not asked for
		}
		if t.repeated {
			dst, end = t.list(dst, b, i, depth)
		} else {
			dst, end = t.append(dst, b, i, depth)
		}
		if end < 0 {
			return dst, -1
		}
	}
	return dst, end
}

func (t *taken) list(dst, b []byte, i, depth int) ([]byte, int) {
	if i >= len(b) || b[i] != '[' {
		return dst, -1
	}
	if i = blank(b, i+1); i < len(b) && b[i] == ']' {
		return dst, i + 1
	}
	for {
		if dst, i = t.append(dst, b, i, depth); i < 0 {
			return dst, -1
		}
		i = blank(b, i)
		switch {
		case i < len(b) && b[i] == ',':
			i = blank(b, i+1)
		case i < len(b) && b[i] == ']':
			return dst, i + 1
		default:
			return dst, -1
		}
	}
}

// keeps reports whether a zero value has to be written.
func (t *taken) keeps() bool { return t.optional || t.repeated }

// append appends one value that is not null.
func (t *taken) append(dst, b []byte, i, depth int) ([]byte, int) {
	if i >= len(b) {
		return dst, -1
	}
	switch t.kind {
	case protofile.Text:
		return t.text(dst, b, i, 0)
	case protofile.Verb:
		end := quote(b, i)
		if end < 0 {
			return dst, -1
		}
		return t.text(dst, b, i, bytes.LastIndexByte(b[i+1:end], '.')+1)
	case protofile.Ref:
		if b[i] != '{' {
			return t.text(dst, b, i, 0)
		}
		return t.record.object(dst, b, i, 1) // one that was filled in
	case protofile.JSON, protofile.Bytes, protofile.Decimal, protofile.Sort:
		end := skip(b, i)
		if end < 0 {
			return dst, -1
		}
		return t.bytes(dst, b[i:end]), end
	case protofile.Bool:
		switch {
		case bytes.HasPrefix(b[i:], trueText):
			return append(append(dst, t.tag...), 1), i + len(trueText)
		case !bytes.HasPrefix(b[i:], falseText):
			return dst, -1
		case t.keeps():
			dst = append(append(dst, t.tag...), 0)
		}
		return dst, i + len(falseText)
	case protofile.Binary:
		return t.binary(dst, b, i)
	case protofile.Record:
		dst = append(dst, t.tag...)
		at := len(dst)
		dst, end := t.record.object(append(dst, make([]byte, lengthRoom)...), b, i, depth-1)
		if end < 0 {
			return dst, -1
		}
		return closeLength(dst, at), end
	}
	return t.number(dst, b, i)
}

func (t *taken) bytes(dst, value []byte) []byte {
	if len(value) == 0 && !t.keeps() {
		return dst
	}
	dst = append(dst, t.tag...)
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}

// text appends a text from its byte from on.
func (t *taken) text(dst, b []byte, i, from int) ([]byte, int) {
	end := quote(b, i)
	if end < 0 {
		return dst, -1
	}
	s := b[i+1+from : end-1]
	if bytes.IndexByte(s, '\\') < 0 {
		return t.bytes(dst, s), end
	}
	dst = append(dst, t.tag...)
	at := len(dst)
	dst, ok := unescape(append(dst, make([]byte, lengthRoom)...), s)
	if !ok {
		return dst, -1
	}
	return closeLength(dst, at), end
}

func (t *taken) binary(dst, b []byte, i int) ([]byte, int) {
	end := quote(b, i)
	if end < 0 {
		return dst, -1
	}
	dst = append(dst, t.tag...)
	at := len(dst)
	dst, err := base64.StdEncoding.AppendDecode(append(dst, make([]byte, lengthRoom)...), b[i+1:end-1])
	if err != nil {
		return dst, -1
	}
	return closeLength(dst, at), end
}

var (
	nullText  = []byte("null")
	trueText  = []byte("true")
	falseText = []byte("false")
)

func (t *taken) number(dst, b []byte, i int) ([]byte, int) {
	n, whole := i, true
digits:
	for n < len(b) {
		switch d := b[n]; {
		case '0' <= d && d <= '9', d == '-' && n == i:
		case d == '.', d|0x20 == 'e', d == '-', d == '+':
			whole = false
		default:
			break digits
		}
		n++
	}
	s := unsafe.String(unsafe.SliceData(b[i:]), n-i)
	if n == i {
		return dst, -1
	}
	if t.kind == protofile.Double {
		var f float64
		if v, ok := schema.SmallInt(s); ok && whole {
			f = float64(v)
		} else {
			var err error
			if f, err = strconv.ParseFloat(s, 64); err != nil {
				return dst, -1
			}
		}
		if f != 0 || math.Signbit(f) || t.keeps() {
			dst = binary.LittleEndian.AppendUint64(append(dst, t.tag...), math.Float64bits(f))
		}
		return dst, n
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return dst, -1
	}
	if v != 0 || t.keeps() {
		dst = binary.AppendUvarint(append(dst, t.tag...), uint64(v))
	}
	return dst, n
}
