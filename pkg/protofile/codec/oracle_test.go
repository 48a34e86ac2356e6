package codec_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/protofile"
	"github.com/octomesh/octomesh/pkg/protofile/codec"
	"github.com/octomesh/octomesh/pkg/protofile/internal/drawn"
	"github.com/octomesh/octomesh/pkg/schema"
)

// The oracle is the same translation by protobuf's own reflection and by maps: it
// reads the kinds of the model, and shares no line of code with the codec.

// project is a file with what reads it.
type project struct {
	catalog *schema.Catalog
	file    *protofile.File
	codec   *codec.Codec
	desc    protoreflect.FileDescriptor
}

func newProject(t rapid.TB, c *schema.Catalog) *project {
	t.Helper()
	p := &project{catalog: c, file: protofile.New(c, nil, mesh.View{Read: true, Write: true})}
	p.codec = codec.New(p.file)
	var err error
	if p.desc, err = p.file.Compile("mostajs/p.proto"); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *project) message(m *protofile.Message) *dynamicpb.Message {
	return dynamicpb.NewMessage(p.desc.Messages().ByName(protoreflect.Name(m.Name)))
}

// scalarOf is a JSON value as a field's, its number still a text.
func scalarOf(f *protofile.Field, v any) protoreflect.Value {
	raw := func() []byte {
		if r, ok := v.(json.RawMessage); ok {
			return r
		}
		b := &bytes.Buffer{}
		enc := json.NewEncoder(b)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(v)
		return bytes.TrimSpace(b.Bytes())
	}
	switch f.Kind {
	case protofile.Double:
		n, _ := strconv.ParseFloat(string(v.(json.Number)), 64)
		return protoreflect.ValueOfFloat64(n)
	case protofile.Int64:
		n, _ := strconv.ParseInt(string(v.(json.Number)), 10, 64)
		return protoreflect.ValueOfInt64(n)
	case protofile.Bool:
		return protoreflect.ValueOfBool(v.(bool))
	case protofile.Binary:
		b, _ := base64.StdEncoding.DecodeString(v.(string))
		return protoreflect.ValueOfBytes(b)
	case protofile.Bytes:
		return protoreflect.ValueOfBytes(raw())
	case protofile.JSON, protofile.Decimal:
		return protoreflect.ValueOfString(string(raw()))
	case protofile.Ref:
		if o, ok := v.(map[string]any); ok {
			return protoreflect.ValueOfString(o["id"].(string))
		}
	}
	return protoreflect.ValueOfString(v.(string))
}

// fill sets the fields of a message from the members of an object.
func (p *project) fill(d *dynamicpb.Message, m *protofile.Message, object map[string]any) {
	for _, f := range m.Fields {
		v := object[f.Key]
		if v == nil || f.Key == "" {
			continue
		}
		fd := d.Descriptor().Fields().ByNumber(protoreflect.FieldNumber(f.Number))
		switch {
		case f.Kind == protofile.Record && f.Repeated:
			for _, x := range v.([]any) {
				r := p.message(f.Message)
				p.fill(r, f.Message, x.(map[string]any))
				d.Mutable(fd).List().Append(protoreflect.ValueOfMessage(r))
			}
		case f.Kind == protofile.Record:
			if o, ok := v.(map[string]any); ok {
				r := p.message(f.Message)
				p.fill(r, f.Message, o)
				d.Set(fd, protoreflect.ValueOfMessage(r))
			}
		case f.Repeated:
			for _, x := range v.([]any) {
				d.Mutable(fd).List().Append(scalarOf(f, x))
			}
		default:
			d.Set(fd, scalarOf(f, v))
		}
	}
}

var texts = rapid.SampledFrom([]string{"", "a", "é€😀", "line\nfeed \"quoted\" \\ \u0001", "2026-01-02T03:04:05.000Z", "<&>", string(bytes.Repeat([]byte("x"), 200))})

// drawRecord draws a record as workers write it.
func drawRecord(t *rapid.T, e *schema.Entity, depth int) []byte {
	b := []byte{'{'}
	for _, m := range e.Members {
		if m.Name != "id" && rapid.IntRange(0, 9).Draw(t, "left out") == 0 {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(schema.AppendString(b, m.Name), ':')
		b = append(b, drawMember(t, m, depth)...)
	}
	return append(b, '}')
}

func drawMember(t *rapid.T, m schema.Member, depth int) []byte {
	if m.Column == nil {
		b := []byte{'['}
		for i := range rapid.IntRange(0, min(depth, 2)).Draw(t, "many") {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, drawRecord(t, m.Relation.Target, depth-1)...)
		}
		return append(b, ']')
	}
	if m.Name != "id" && rapid.IntRange(0, 4).Draw(t, "null") == 0 {
		return []byte("null")
	}
	if m.Relation != nil && depth > 0 && rapid.Bool().Draw(t, "filled") {
		return drawRecord(t, m.Relation.Target, depth-1)
	}
	switch m.Column.Type.Kind() {
	case schema.KindFloat:
		f := rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(-1e300, 1e300), rapid.Map(rapid.IntRange(-1e6, 1e6), func(n int) float64 { return float64(n) })).Draw(t, "float")
		return strconv.AppendFloat(nil, f, 'f', -1, 64)
	case schema.KindInt:
		return strconv.AppendInt(nil, rapid.Int64().Draw(t, "int"), 10)
	case schema.KindDecimal:
		return []byte(rapid.SampledFrom([]string{"0", "-1.50", "12345678901234567890.123456789"}).Draw(t, "decimal"))
	case schema.KindBool:
		return strconv.AppendBool(nil, rapid.Bool().Draw(t, "bool"))
	case schema.KindJSON:
		return []byte(rapid.SampledFrom([]string{`[]`, `{"a":[1,"]",{"b\"":null}]}`, `"text"`, `-1.5e3`, `true`, `[[[]]]`}).Draw(t, "json"))
	}
	if m.Column.Type == schema.Binary {
		return schema.AppendString(nil, base64.StdEncoding.EncodeToString([]byte(texts.Draw(t, "bytes"))))
	}
	return schema.AppendString(nil, texts.Draw(t, "text"))
}

func decoded(t rapid.TB, b []byte) map[string]any {
	t.Helper()
	var v map[string]any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return v
}

func (p *project) same(t rapid.TB, m *protofile.Message, got []byte, object map[string]any) {
	t.Helper()
	have, want := p.message(m), p.message(m)
	if err := proto.Unmarshal(got, have); err != nil {
		t.Fatalf("%s: %v: %x", m.Name, err, got)
	}
	p.fill(want, m, object)
	if !proto.Equal(have, want) || len(have.GetUnknown()) > 0 {
		t.Fatalf("%s:\ngot  %v\nwant %v", m.Name, have, want)
	}
}

func TestRepliesAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawn.Catalog(t)
		if c == nil {
			return
		}
		p := newProject(t, c)
		e := rapid.SampledFrom(c.Entities).Draw(t, "entity")
		var service *protofile.Service
		for _, s := range p.file.Services {
			if s.Entity == e.Name {
				service = s
			}
		}
		method := func(name string) *codec.Method {
			return p.codec.Method("/mostajs." + service.Name + "/" + name)
		}
		record := drawRecord(t, e, 2)
		if rapid.Bool().Draw(t, "with blanks") {
			b := &bytes.Buffer{}
			if err := json.Indent(b, record, "", "  "); err != nil {
				t.Fatal(err)
			}
			record = b.Bytes()
		}
		object := decoded(t, record)
		find := method("FindById")
		got, found, err := find.Reply(nil, fmt.Appendf(nil, `{"status":"ok","data":%s,"metadata":{"count":1}}`, record))
		if err != nil || !found {
			t.Fatal(err, found)
		}
		raw := func(o map[string]any) map[string]any { return rawJSON(p.catalog.Entity(e.Name), record, o) }
		p.same(t, find.Out, got, raw(object))
		list := method("FindAll")
		got, _, err = list.Reply(nil, fmt.Appendf(nil, `{"status":"ok","data":[%s,%s],"metadata":{"count":2,"next":"n","more":{"x":[]}}}`, record, record))
		if err != nil {
			t.Fatal(err)
		}
		p.same(t, list.Out, got, map[string]any{"data": []any{raw(object), raw(object)}, "count": json.Number("2"), "next": "n"})
		watch := method("Watch")
		got, err = watch.Record(nil, fmt.Appendf(nil, `{"type":"event","event":"entity.updated","project":"p","entity":"E","id":"i","data":%s,"changed":["a","b"],"position":"e-1","at":"t"}`, record))
		if err != nil {
			t.Fatal(err)
		}
		p.same(t, watch.Out, got, map[string]any{
			"event": "updated", "id": "i", "data": raw(object), "changed": []any{"a", "b"}, "position": "e-1", "at": "t",
		})
	})
}

// rawJSON leaves json fields as they were written, which maps do not.
func rawJSON(e *schema.Entity, record []byte, o map[string]any) map[string]any {
	var raw map[string]json.RawMessage
	_ = json.Unmarshal(record, &raw)
	for _, m := range e.Members {
		v, there := o[m.Name]
		switch {
		case !there || v == nil:
		case m.Relation != nil && m.Column == nil:
			var parts []json.RawMessage
			_ = json.Unmarshal(raw[m.Name], &parts)
			for i, x := range v.([]any) {
				v.([]any)[i] = rawJSON(m.Relation.Target, parts[i], x.(map[string]any))
			}
		case m.Relation != nil:
			if x, ok := v.(map[string]any); ok {
				o[m.Name] = rawJSON(m.Relation.Target, raw[m.Name], x)
			}
		case m.Column.Type.Kind() == schema.KindJSON:
			if _, isText := v.(string); !isText {
				o[m.Name] = raw[m.Name]
			}
		}
	}
	return o
}

// draw sets random fields of a message.
func draw(t *rapid.T, p *project, m *protofile.Message, depth int) *dynamicpb.Message {
	d := p.message(m)
	taken := map[string]bool{} // keys
	for _, f := range m.Fields {
		fd := d.Descriptor().Fields().ByNumber(protoreflect.FieldNumber(f.Number))
		if rapid.IntRange(0, 2).Draw(t, "set") == 0 || f.Name == "clear" || f.Key != "" && taken[f.Key] && !f.ReadOnly || f.Kind == protofile.Record && depth == 0 {
			continue
		}
		taken[f.Key] = taken[f.Key] || !f.ReadOnly
		one := func() protoreflect.Value {
			switch f.Kind {
			case protofile.Record:
				return protoreflect.ValueOfMessage(draw(t, p, f.Message, depth-1))
			case protofile.Double:
				return protoreflect.ValueOfFloat64(rapid.Float64().Filter(func(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }).Draw(t, "double"))
			case protofile.Int32:
				return protoreflect.ValueOfInt32(rapid.Int32().Draw(t, "int32"))
			case protofile.Int64:
				return protoreflect.ValueOfInt64(rapid.Int64().Draw(t, "int64"))
			case protofile.Bool:
				return protoreflect.ValueOfBool(rapid.Bool().Draw(t, "bool"))
			case protofile.JSON:
				return protoreflect.ValueOfString(rapid.SampledFrom([]string{`{}`, `{"a":{"$in":[1,2.5,"é"]}}`, ` [1, null] `, `"x"`}).Draw(t, "json"))
			case protofile.Bytes, protofile.Binary:
				return protoreflect.ValueOfBytes([]byte(texts.Draw(t, "bytes")))
			case protofile.Decimal:
				return protoreflect.ValueOfString(rapid.SampledFrom([]string{"1.50", "-0.1", "x", "1e400000"}).Draw(t, "decimal"))
			case protofile.Sort:
				return protoreflect.ValueOfString(rapid.SampledFrom([]string{"-a,b", `{"a":1}`, ` [ "a" ]`}).Draw(t, "sort"))
			}
			return protoreflect.ValueOfString(texts.Draw(t, "text"))
		}
		if !f.Repeated {
			d.Set(fd, one())
			continue
		}
		for range rapid.IntRange(1, 3).Draw(t, "n") {
			d.Mutable(fd).List().Append(one())
		}
	}
	return d
}

// wanted is the object that a message stands for.
func wanted(m *protofile.Message, d protoreflect.Message) map[string]any {
	o := map[string]any{}
	for _, f := range m.Fields {
		fd := d.Descriptor().Fields().ByNumber(protoreflect.FieldNumber(f.Number))
		if !d.Has(fd) || f.Key == "" || f.ReadOnly {
			continue
		}
		one := func(v protoreflect.Value) any {
			var parsed any
			switch f.Kind {
			case protofile.Record:
				if f.Repeated {
					return v.Message().Get(fd.Message().Fields().ByNumber(1)).String()
				}
				return wanted(f.Message, v.Message())
			case protofile.Double:
				return v.Float()
			case protofile.Int32, protofile.Int64:
				return float64(v.Int())
			case protofile.Bool:
				return v.Bool()
			case protofile.Binary:
				return base64.StdEncoding.EncodeToString(v.Bytes())
			case protofile.JSON, protofile.Sort:
				if json.Unmarshal([]byte(v.String()), &parsed) == nil {
					return parsed
				}
			case protofile.Decimal:
				if n, err := strconv.ParseFloat(v.String(), 64); err == nil {
					return n
				}
			}
			return v.String()
		}
		if !f.Repeated {
			o[f.Key] = one(d.Get(fd))
			continue
		}
		list := []any{}
		for i := range d.Get(fd).List().Len() {
			list = append(list, one(d.Get(fd).List().Get(i)))
		}
		o[f.Key] = list
	}
	return o
}

func TestRequestsAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawn.Catalog(t)
		if c == nil {
			return
		}
		p := newProject(t, c)
		s := rapid.SampledFrom(p.file.Services[:len(p.file.Services)-1]).Draw(t, "service")
		m := rapid.SampledFrom(s.Methods).Draw(t, "method")
		d := draw(t, p, m.In, 3)
		b, err := proto.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		// Fields may come in any order, and again: the last one counts.
		if rapid.Bool().Draw(t, "twice") {
			half, err := proto.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			merged := p.message(m.In)
			if err := (proto.UnmarshalOptions{Merge: true}).Unmarshal(append(half, b...), merged); err != nil {
				t.Fatal(err)
			}
			d, b = merged, append(half, b...)
		}
		got, err := p.codec.Method("/mostajs."+s.Name+"/"+m.Name).Request(nil, b)
		if err != nil {
			t.Fatalf("%s: %v: %v", m.Name, err, d)
		}
		var have any
		if err := json.Unmarshal(got, &have); err != nil {
			t.Fatalf("%v: %s", err, got)
		}
		if want := wanted(m.In, d); !reflect.DeepEqual(have, any(want)) {
			t.Fatalf("%s:\ngot  %s\nwant %v", m.Name, got, want)
		}
	})
}
