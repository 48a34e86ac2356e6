package codec

import (
	"encoding/base64"
	"math"
	"strconv"
	"sync"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/protofile"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// input is the plan by which a message becomes a JSON object.
type input struct {
	fields []given
	near   [64]int16 // place in fields + 1, by number
	far    map[int32]int16
	// clear is the place of the field that names members to become null, and
	// record that of the record that they belong to; -1 = none.
	clear, record int
}

// given is one field of a message that comes in.
type given struct {
	*protofile.Field
	key    []byte // with quotes and colon
	wire   uint8
	rival  int    // another field with the same key; -1 = none
	record *input // of a Record
	skip   bool
}

func newInput(m *protofile.Message, made map[*protofile.Message]*input) *input {
	if p := made[m]; p != nil {
		return p
	}
	p := &input{clear: -1, record: -1, far: map[int32]int16{}}
	made[m] = p
	for i, f := range m.Fields {
		g := given{Field: f, wire: wireType(f.Kind), rival: -1, skip: f.ReadOnly}
		if f.Key != "" {
			g.key = append(schema.AppendString(nil, f.Key), ':')
		}
		if f.Kind == protofile.Record && !f.ReadOnly {
			g.record = newInput(f.Message, made)
		}
		for j := range p.fields {
			if o := &p.fields[j]; o.Key == f.Key && f.Key != "" && !f.ReadOnly && !o.skip {
				o.rival, g.rival = i, j
			}
		}
		switch {
		case f.Name == "clear" && f.Key == "":
			p.clear = i
		case f.Name == "record" && f.Key == "data":
			p.record = i
		}
		p.fields = append(p.fields, g)
		if int(f.Number) < len(p.near) {
			p.near[f.Number] = int16(i + 1)
		} else {
			p.far[f.Number] = int16(i + 1)
		}
	}
	if p.clear >= 0 && p.record < 0 {
		p.clear = -1
	}
	return p
}

func (p *input) find(number int32) int {
	if int(number) < len(p.near) {
		return int(p.near[number]) - 1
	}
	return int(p.far[number]) - 1
}

// value is what a message has of a field: the last one that came, or that some
// came if it is repeated.
type value struct {
	set  bool
	own  bool // data has been put together from parts
	num  uint64
	data []byte
}

type scratch struct{ values []value }

var scratches = sync.Pool{New: func() any { return &scratch{} }}

// scan reads a message whole. Whoever gets a scratch releases it.
// Errors: INVALID_REQUEST.
func (p *input) scan(msg []byte) (*scratch, error) {
	s := scratches.Get().(*scratch)
	if n := len(p.fields); cap(s.values) < n {
		s.values = make([]value, n)
	} else {
		s.values = s.values[:n]
	}
	var f field
	for len(msg) > 0 {
		var err error
		if msg, err = next(msg, &f); err == nil {
			err = p.take(s.values, &f)
		}
		if err != nil {
			s.release()
			return nil, err
		}
	}
	return s, nil
}

func (s *scratch) release() {
	clear(s.values) // they hold messages
	scratches.Put(s)
}

func (p *input) take(values []value, f *field) error {
	i := p.find(f.number)
	if i < 0 || p.fields[i].skip {
		return nil
	}
	g, v := &p.fields[i], &values[i]
	if f.wire != g.wire {
		return fault.New(fault.InvalidRequest, "%s: the field has another type", g.Name)
	}
	v.num = f.num
	if g.wire == wireLength {
		switch g.Kind {
		case protofile.Record:
			if v.set && !g.Repeated { // parts of one message
				if !v.own { // the request goes on behind the first
					v.own, v.data = true, v.data[:len(v.data):len(v.data)]
				}
				v.data = append(v.data, f.data...)
				return nil
			}
		case protofile.Bytes, protofile.Binary:
		default:
			if err := text(g.Name, f.data); err != nil {
				return err
			}
		}
		v.data = f.data
	}
	v.set = true
	return nil
}

// says reports whether a field says anything: without presence, zero and the
// empty text do not.
func (g *given) says(v *value) bool {
	if !v.set || g.Optional || g.Repeated {
		return v.set
	}
	if g.wire == wireLength {
		return len(v.data) > 0
	}
	return v.num != 0
}

// object appends the JSON object that a message stands for. Errors:
// INVALID_REQUEST, PARSE_ERROR for JSON in a field, PAYLOAD_TOO_LARGE.
func (p *input) object(dst, msg []byte) ([]byte, error) {
	s, err := p.scan(msg)
	if err != nil {
		return dst, err
	}
	defer s.release()
	dst = append(dst, '{')
	start := len(dst)
	cleared := p.clear >= 0 && s.values[p.clear].set
	for i := range p.fields {
		g, v := &p.fields[i], &s.values[i]
		if i == p.record && cleared {
			if s.values[p.fields[i].rival].set {
				return dst, fault.New(fault.InvalidRequest, "clear: it goes with record, not with %s", p.fields[g.rival].Name)
			}
		} else if g.key == nil || !g.says(v) {
			continue
		}
		if g.rival > i && p.fields[g.rival].says(&s.values[g.rival]) {
			return dst, fault.New(fault.InvalidRequest, "give %s or %s, not both", g.Name, p.fields[g.rival].Name)
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, g.key...)
		switch {
		case i == p.record:
			dst, err = p.data(dst, msg, g, v)
		case g.Repeated:
			dst, err = g.list(dst, msg)
		default:
			dst, err = g.append(dst, v)
		}
		if err != nil {
			return dst, err
		}
		if len(dst)-start > MaxRequest {
			return dst, fault.New(fault.PayloadTooLarge, "the request is over %d bytes", MaxRequest)
		}
	}
	return append(dst, '}'), nil
}

// data appends the record of a write, and null for the members that are cleared.
func (p *input) data(dst, msg []byte, g *given, v *value) ([]byte, error) {
	dst, err := g.record.object(dst, v.data)
	if err != nil || p.clear < 0 {
		return dst, err
	}
	set, err := g.record.scan(v.data)
	if err != nil {
		return dst, err
	}
	defer set.release()
	err = each(msg, p.fields[p.clear].Number, func(name []byte) error {
		i := g.record.named(name)
		if i < 0 {
			return fault.New(fault.InvalidRequest, "clear: the record has no field %q that can be written", name)
		}
		if set.values[i].set {
			return fault.New(fault.InvalidRequest, "clear: %s is set in the record, or stands here twice", name)
		}
		set.values[i].set = true
		if dst = dst[:len(dst)-1]; dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(dst, g.record.fields[i].key...)
		if g.record.fields[i].Repeated {
			dst = append(dst, "[]}"...)
		} else {
			dst = append(dst, "null}"...)
		}
		return nil
	})
	return dst, err
}

// named finds a field that can be written by its name, or by its member's.
func (p *input) named(name []byte) int {
	for i := range p.fields {
		if g := &p.fields[i]; !g.skip && g.Number > 1 && (g.Name == string(name) || g.Key == string(name)) {
			return i
		}
	}
	return -1
}

// each calls f with the data of each field of that number, in a message that has
// been scanned.
func each(msg []byte, number int32, f func(data []byte) error) error {
	var x field
	for len(msg) > 0 {
		var err error
		if msg, err = next(msg, &x); err != nil {
			return err
		}
		if x.number == number {
			if err = f(x.data); err != nil {
				return err
			}
		}
	}
	return nil
}

// list appends a repeated field as an array: texts, or the ids of records.
func (g *given) list(dst, msg []byte) ([]byte, error) {
	dst = append(dst, '[')
	start := len(dst)
	err := each(msg, g.Number, func(data []byte) error {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		if g.Kind != protofile.Record {
			dst = schema.AppendString(dst, data)
			return nil
		}
		s, err := g.record.scan(data)
		if err != nil {
			return err
		}
		defer s.release()
		dst = schema.AppendString(dst, s.values[0].data) // the id is the first field
		return nil
	})
	return append(dst, ']'), err
}

func (g *given) append(dst []byte, v *value) ([]byte, error) {
	switch g.Kind {
	case protofile.JSON, protofile.Bytes:
		return g.json(dst, v.data)
	case protofile.Sort:
		if t := strictjson.Trim(v.data); len(t) > 0 && (t[0] == '{' || t[0] == '[') {
			return g.json(dst, v.data)
		}
	case protofile.Decimal:
		if _, ok := schema.CanonicalDecimal(string(v.data)); ok && strictjson.Check(v.data, 1) == nil {
			return append(dst, v.data...), nil
		}
	case protofile.Double:
		f := math.Float64frombits(v.num)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return dst, fault.New(fault.InvalidRequest, "%s: a number must be finite", g.Name)
		}
		return strconv.AppendFloat(dst, f, 'g', -1, 64), nil
	case protofile.Int32:
		return strconv.AppendInt(dst, int64(int32(v.num)), 10), nil
	case protofile.Int64:
		return strconv.AppendInt(dst, int64(v.num), 10), nil
	case protofile.Bool:
		return strconv.AppendBool(dst, v.num != 0), nil
	case protofile.Binary:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v.data)
		return append(dst, '"'), nil
	case protofile.Record:
		return g.record.object(dst, v.data)
	}
	return schema.AppendString(dst, v.data), nil
}

func (g *given) json(dst, b []byte) ([]byte, error) {
	if err := strictjson.Check(b, strictjson.DefaultDepth); err != nil {
		f := fault.From(err)
		return dst, fault.New(f.Code, "%s must be JSON: %s", g.Name, f.Message)
	}
	return append(dst, b...), nil
}
