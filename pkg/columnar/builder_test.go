package columnar_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

const everything = `[
 {"name":"Thing","collection":"things","timestamps":true,"fields":{
  "s":{"type":"string"},"t":{"type":"text"},"n":{"type":"number"},"f":{"type":"float"},"i":{"type":"integer"},"d":{"type":"decimal"},
  "b":{"type":"boolean"},"w":{"type":"date"},"j":{"type":"json"},"x":{"type":"binary"},"e":{"type":"enum","enum":["a","b"]},"o":{"type":"objectId"},
  "tags":{"type":"array","arrayOf":"string"},"any":{"type":"array"},"ns":{"type":"array","arrayOf":"number"},"is":{"type":"array","arrayOf":"integer"},
  "bs":{"type":"array","arrayOf":"boolean"},"ws":{"type":"array","arrayOf":"date"},"ds":{"type":"array","arrayOf":"decimal"},
  "parts":{"type":"array","arrayOf":{"kind":"embedded","fields":{"p":{"type":"string"}}}},"secret":{"type":"string","hidden":true}},
  "relations":{"owner":{"target":"Owner","type":"many-to-one"},"marks":{"target":"Owner","type":"many-to-many"}}},
 {"name":"Owner","collection":"owners","fields":{"name":{"type":"string"}}}]`

func thing(t testing.TB) *schema.Entity {
	t.Helper()
	c, err := schema.Parse([]byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	return c.Entity("Thing")
}

// parts is a stream from memory.
type parts struct {
	left []string
	end  error
}

func (p *parts) Next(context.Context) ([]byte, error) {
	if len(p.left) == 0 {
		if p.end != nil {
			return nil, p.end
		}
		return nil, io.EOF
	}
	b := []byte(p.left[0])
	p.left = p.left[1:]
	return b, nil
}

// text is what becomes of parts: through real IPC bytes, each batch as arrow-go
// shows it in JSON.
func text(t testing.TB, s *columnar.Shape, rows int, lines ...string) (string, error) {
	t.Helper()
	e, err := columnar.NewEncoder(s, "")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	b, scan := columnar.NewBuilder(s, rows), columnar.NewScanner(&parts{left: lines})
	out := e.Schema(nil)
	for err == nil {
		var line []byte
		if line, err = scan.Next(t.Context()); err == nil {
			err = b.AddJSON(line)
		}
		if b.Full() || errors.Is(err, io.EOF) && b.Rows() > 0 {
			var werr error
			if out, werr = e.Batch(out, b); werr != nil {
				t.Fatal(werr)
			}
		}
	}
	if !errors.Is(err, io.EOF) {
		return "", err
	}
	return shown(t, e.End(out)), nil
}

// shown is an IPC stream as JSON, each batch in brackets.
func shown(t testing.TB, wire []byte) string {
	t.Helper()
	in, err := ipc.NewReader(bytes.NewReader(wire))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Release()
	var out strings.Builder
	for in.Next() {
		valid(t, in.RecordBatch())
		show(t, &out, in.RecordBatch())
	}
	if in.Err() != nil {
		t.Fatal(in.Err())
	}
	return out.String()
}

// show writes a batch as JSON, its columns in their order.
func show(t testing.TB, out *strings.Builder, b arrow.RecordBatch) {
	t.Helper()
	out.WriteByte('[')
	for row := range int(b.NumRows()) {
		for i, c := range b.Columns() {
			v, err := json.Marshal(c.GetOneForMarshal(row))
			if err != nil {
				t.Fatal(err)
			}
			mark := ","
			if i == 0 {
				mark = "{"
			}
			fmt.Fprintf(out, "%s%q:%s", mark, b.ColumnName(i), v)
		}
		out.WriteString("}\n")
	}
	out.WriteByte(']')
}

// valid checks what Arrow promises of a batch and arrow-go does not check on
// reading.
func valid(t testing.TB, b arrow.RecordBatch) {
	t.Helper()
	for i, c := range b.Columns() {
		if c.Len() != int(b.NumRows()) {
			t.Fatalf("column %s has %d values of %d", b.ColumnName(i), c.Len(), b.NumRows())
		}
		if l, ok := c.(*array.List); ok {
			c = l.ListValues()
		}
		if v, ok := c.(interface{ ValidateFull() error }); ok {
			if err := v.ValidateFull(); err != nil {
				t.Fatal(err)
			}
		}
		if s, ok := c.(*array.String); ok {
			for k := range s.Len() {
				if !utf8.ValidString(s.Value(k)) {
					t.Fatalf("column %s holds %q", b.ColumnName(i), s.Value(k))
				}
			}
		}
	}
}

const full = `{"id":"1","_version":3,"s":"é \"q\" 😀\u2028","t":"","n":0.1,"f":-0.5,"i":9007199254740993,"d":12345678901234567890.123,"b":true,"w":"2026-01-02T03:04:05.678Z",` +
	`"j":{"a":[1,null,"ü"]},"x":"AAH/","e":"a","o":"5f","tags":["x",null,""],"any":["x",1,{"a":2},null],"ns":[1.5,2],"is":[9007199254740993],"bs":[true,false,null],` +
	`"ws":["1969-12-31T23:59:59.999Z"],"ds":[1.50],"parts":[{"p":"q"}],"owner":"o1","marks":[],"createdAt":"2026-01-02T03:04:05.000Z","updatedAt":null}` + "\n"

const empty = `{"id":"2","_version":1,"s":null,"t":null,"n":null,"f":null,"i":null,"d":null,"b":null,"w":null,"j":null,"x":null,"e":null,"o":null,"tags":null,"any":null,"ns":null,"is":null,"bs":null,"ws":null,"ds":null,"parts":null,"owner":null,"marks":[],"createdAt":null,"updatedAt":null}` + "\n"

const fullColumns = `{"id":"1","_version":3,"s":"é \"q\" 😀\u2028","t":"","n":0.1,"f":-0.5,"i":9007199254740993,"d":"12345678901234567890.123","b":true,"w":"2026-01-02T03:04:05.678Z","j":"{\"a\":[1,null,\"ü\"]}","x":"AAH/","e":"a","o":"5f","tags":["x",null,""],"any":["x","1","{\"a\":2}",null],"ns":[1.5,2],"is":[9007199254740993],"bs":[true,false,null],"ws":["1969-12-31T23:59:59.999Z"],"ds":["1.50"],"parts":["{\"p\":\"q\"}"],"owner":"o1","marks":null,"createdAt":"2026-01-02T03:04:05Z","updatedAt":null}`

func plain(t testing.TB) *columnar.Shape {
	e := thing(t)
	return columnar.NewShape(e, e.Members, columnar.Options{DecimalScale: columnar.AsText})
}

func TestEveryType(t *testing.T) {
	t.Parallel()
	nulls := strings.NewReplacer(`"marks":[]`, `"marks":null`).Replace(strings.TrimSpace(empty))
	got, err := text(t, plain(t), 0, full+empty+full)
	want := "[" + fullColumns + "\n" + nulls + "\n" + fullColumns + "\n]"
	if err != nil || got != want {
		t.Errorf("%v\n got  %s\n want %s", err, got, want)
	}
	// Cut anywhere, in batches of one.
	cut := strings.Split(full+empty, "")
	got, err = text(t, plain(t), 1, cut...)
	if want := "[" + fullColumns + "\n][" + nulls + "\n]"; err != nil || got != want {
		t.Errorf("%v\n got  %s\n want %s", err, got, want)
	}
}

func TestFields(t *testing.T) {
	t.Parallel()
	e := thing(t)
	s := columnar.NewShape(e, e.Members, columnar.Options{DecimalScale: 2})
	var got []string
	for _, f := range s.Fields() {
		got = append(got, fmt.Sprintf("%s:%s:%t", f.Name, f.Type, f.Nullable))
	}
	const want = "id:utf8:false _version:int64:false s:utf8:true t:utf8:true n:float64:true f:float64:true i:int64:true d:decimal128(38,2):true b:bool:true " +
		"w:timestamp[ms]:true j:utf8:true x:binary:true e:utf8:true o:utf8:true tags:list<utf8>:true any:list<utf8>:true ns:list<float64>:true is:list<int64>:true " +
		"bs:list<bool>:true ws:list<timestamp[ms]>:true ds:list<decimal128(38,2)>:true parts:list<utf8>:true owner:utf8:true marks:list<utf8>:true createdAt:timestamp[ms]:true updatedAt:timestamp[ms]:true"
	if strings.Join(got, " ") != want {
		t.Errorf("\n got  %s\n want %s", strings.Join(got, " "), want)
	}
	if f, ok := s.Arrow().FieldsByName("j"); !ok || f[0].Metadata.String() != `["octomesh:type": "json"]` {
		t.Errorf("%v", f)
	}
}

func TestDecimals(t *testing.T) {
	t.Parallel()
	e := thing(t)
	of := func(scale int, number string) (string, error) {
		s := columnar.NewShape(e, []schema.Member{{Name: "d", Column: e.Column("d")}}, columnar.Options{DecimalScale: scale})
		return text(t, s, 0, `{"d":`+number+"}\n")
	}
	for number, want := range map[string]string{
		"1.5": "1.5", "-0.01": "-0.01", "0": "0", "123456789012345678901234567890123456.78": "123456789012345678901234567890123456.78",
		"-99999999999999999999": "-99999999999999999999",
	} {
		if got, err := of(2, number); err != nil || got != `[{"d":"`+want+"\"}\n]" {
			t.Errorf("%s: %s %v", number, got, err)
		}
	}
	for _, number := range []string{"0.001", "1234567890123456789012345678901234567"} {
		if got, err := of(2, number); fault.CodeOf(err) != fault.InvalidRequest {
			t.Errorf("%s: %s %v", number, got, err)
		}
	}
	if got, err := of(38, "0.00000000000000000000000000000000000001"); err != nil || !strings.Contains(got, "1e-38") {
		t.Errorf("%s %v", got, err)
	}
}

// A to-many relation that was asked for has the ids of its records.
func TestRelations(t *testing.T) {
	t.Parallel()
	e := thing(t)
	s := columnar.NewShape(e, e.Members, columnar.Options{DecimalScale: columnar.AsText, Filled: func(r *schema.Relation) bool { return r.Name == "marks" }}).
		Only(func(name string) bool {
			return name == "id" || name == "_version" || name == "owner" || name == "marks"
		})
	got, err := text(t, s, 0, `{"id":"1","_version":1,"owner":{"id":"o1","name":"x"},"marks":[{"id":"m1"},{"id":"m2"}]}`+"\n"+`{"id":"2","_version":1,"owner":null,"marks":[]}`+"\n")
	const want = `[{"id":"1","_version":1,"owner":"o1","marks":["m1","m2"]}` + "\n" + `{"id":"2","_version":1,"owner":null,"marks":[]}` + "\n]"
	if err != nil || got != want {
		t.Errorf("%s %v", got, err)
	}
}

// What a record lacks is null, what nobody knows is passed over, what comes twice
// counts once.
func TestMembers(t *testing.T) {
	t.Parallel()
	e := thing(t)
	some := columnar.NewShape(e, []schema.Member{{Name: "id", Column: e.Column("id")}, {Name: "s", Column: e.Column("s")}, {Name: "i", Column: e.Column("i")}}, columnar.Options{DecimalScale: columnar.AsText})
	got, err := text(t, some, 0, `{"s":"a","id":"1","later":{},"i":1,"i":2}`+"\n\n"+`{"id":"2","t":"b"}`+"\n")
	if want := `[{"id":"1","s":"a","i":1}` + "\n" + `{"id":"2","s":null,"i":null}` + "\n]"; err != nil || got != want {
		t.Errorf("%s %v", got, err)
	}
	if got, err := text(t, plain(t), 0); got != "" || err != nil {
		t.Errorf("nothing became %q, %v", got, err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		`{`, `[]`, `7`, `{"id":7}`, `{"n":"1"}`, `{"n":nan}`, `{"n":inf}`, `{"n":1e999}`, `{"i":1.5}`, `{"i":9223372036854775808}`, `{"b":1}`, `{"w":"soon"}`, `{"w":1}`,
		`{"x":"*"}`, `{"x":1}`, `{"tags":"x"}`, `{"tags":[1]}`, `{"owner":{}}`, `{"owner":[]}`, "{\"s\":\"\xff\"}",
	} {
		if got, err := text(t, plain(t), 0, line+"\n"); fault.CodeOf(err) != fault.Internal {
			t.Errorf("%s: %s %v", line, got, err)
		}
	}
	if _, err := text(t, plain(t), 0, `{"id":"1"}`); fault.CodeOf(err) != fault.Internal {
		t.Errorf("half a record: %v", err)
	}
}

// FuzzColumns: whatever lines hold, they become valid batches or are refused
// with a code.
func FuzzColumns(f *testing.F) {
	for _, s := range []string{full, empty, full + empty, `{"id":"\ud800"}` + "\n", `{"tags":[[],"a"]}` + "\n", `{"ds":[1e5,-0]}` + "\n", "{}\n{}\n", `{"any":[nan]}` + "\n"} {
		f.Add(s, 1, 7)
	}
	s := plain(f)
	f.Fuzz(func(t *testing.T, lines string, rows, cut int) {
		cut = min(max(cut, 0), len(lines))
		if _, err := text(t, s, rows&3, lines[:cut], lines[cut:]); err != nil {
			if c := fault.CodeOf(err); c != fault.Internal && c != fault.InvalidRequest {
				t.Fatal(err)
			}
		}
	})
}

// Compression takes memory, so only so many streams are compressed at a time; a
// place is free again when a stream is over.
func TestCompressionIsBounded(t *testing.T) {
	var open []*columnar.Encoder
	for range columnar.MaxCompressed {
		e, err := columnar.NewEncoder(plain(t), "zstd")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, e)
	}
	if _, err := columnar.NewEncoder(plain(t), "lz4"); fault.CodeOf(err) != fault.Overloaded {
		t.Errorf("one more: %v", err)
	}
	if _, err := columnar.NewEncoder(plain(t), ""); err != nil {
		t.Errorf("one without compression: %v", err)
	}
	for _, e := range open {
		e.Close()
		e.Close()
	}
	e, err := columnar.NewEncoder(plain(t), "lz4")
	if err != nil {
		t.Fatalf("after they are over: %v", err)
	}
	e.Close()
	if _, err := columnar.NewEncoder(plain(t), "gzip"); fault.CodeOf(err) != fault.InvalidRequest {
		t.Errorf("gzip: %v", err)
	}
}

// BenchmarkJSON is the cost of a record of 300 bytes, from JSON to IPC.
func BenchmarkJSON(b *testing.B) {
	c, err := schema.Parse([]byte(`[{"name":"U","collection":"us","fields":{"email":"string","name":"string","age":"number","active":"boolean","role":"string","bio":"text","score":"number","created":"date","updated":"date"}}]`))
	if err != nil {
		b.Fatal(err)
	}
	e := c.Entity("U")
	const n = 800
	var lines bytes.Buffer
	for i := range n {
		fmt.Fprintf(&lines, `{"id":"u%07d","_version":1,"email":"seed%d@example.com","name":"Name %d","age":%d,"active":%t,"role":"member","bio":%q,"score":%v,"created":"2026-01-02T03:04:05.000Z","updated":"2026-01-02T03:04:05.000Z"}`+"\n",
			i, i, i, 18+i%62, i%2 == 0, strings.Repeat("lorem ipsu", 10), float64(i)/8)
	}
	if !json.Valid(lines.Bytes()[:bytes.IndexByte(lines.Bytes(), '\n')]) {
		b.Fatal("no JSON")
	}
	shape := columnar.NewShape(e, e.Members, columnar.Options{DecimalScale: columnar.AsText})
	batch := columnar.NewBuilder(shape, 0)
	w, err := columnar.NewEncoder(shape, "")
	if err != nil {
		b.Fatal(err)
	}
	all := bytes.Split(bytes.TrimSpace(lines.Bytes()), []byte{'\n'})
	var out []byte
	b.ReportAllocs()
	b.SetBytes(int64(lines.Len() / n))
	for i := range b.N {
		if err := batch.AddJSON(all[i%n]); err != nil {
			b.Fatal(err)
		}
		if batch.Full() {
			if out, err = w.Batch(out[:0], batch); err != nil {
				b.Fatal(err)
			}
		}
	}
}
