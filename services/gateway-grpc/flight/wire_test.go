package flight

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"testing"

	af "github.com/apache/arrow-go/v18/arrow/flight"
	"google.golang.org/protobuf/proto"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// stream is a whole IPC stream of a few records.
func stream(t testing.TB) []byte {
	t.Helper()
	c, err := schema.Parse([]byte(`[{"name":"U","collection":"us","fields":{"name":"string","n":"number"}}]`))
	if err != nil {
		t.Fatal(err)
	}
	e := c.Entity("U")
	s := columnar.NewShape(e, e.Members, columnar.Options{DecimalScale: columnar.AsText})
	w, err := columnar.NewEncoder(s, "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	b := columnar.NewBuilder(s, 2)
	out := w.Schema(nil)
	for range 5 {
		if err := b.AddJSON([]byte(`{"id":"1","_version":1,"name":"x","n":1.5}`)); err != nil {
			t.Fatal(err)
		}
		if b.Full() {
			if out, err = w.Batch(out, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, err = w.Batch(out, b); err != nil {
		t.Fatal(err)
	}
	return w.End(out)
}

// cut is a stream in parts of so many bytes.
type cut struct {
	left []byte
	n    int
}

func (c *cut) Next(context.Context) ([]byte, error) {
	if len(c.left) == 0 {
		return nil, io.EOF
	}
	p := c.left[:min(max(1, c.n), len(c.left))]
	c.left = c.left[len(p):]
	return p, nil
}

func (c *cut) Close() error { return nil }

// passed reads a stream as Pass does.
func passed(t testing.TB, text []byte, n int) (list []*af.FlightData, err error) {
	m := messages{chunks: &cut{text, n}}
	for {
		body, err := m.next(t.Context())
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		out, err := m.data(t.Context(), body)
		if err != nil {
			return list, err
		}
		var d af.FlightData
		if err := proto.Unmarshal(out.Bytes, &d); err != nil || len(d.DataBody) != body {
			t.Fatalf("%v: %d bytes of %d", err, len(d.DataBody), body)
		}
		list = append(list, &d)
	}
}

func TestMessages(t *testing.T) {
	text := stream(t)
	for _, n := range []int{1, 7, 64, 1000, 1 << 20} {
		list, err := passed(t, text, n)
		if err != nil || len(list) != 4 {
			t.Fatalf("%d messages, %v", len(list), err)
		}
		var back []byte
		for _, d := range list {
			back = binary.LittleEndian.AppendUint32(append(back, 0xff, 0xff, 0xff, 0xff), uint32(len(d.DataHeader)))
			back = append(append(back, d.DataHeader...), d.DataBody...)
		}
		if string(back) != string(text[:len(text)-8]) {
			t.Error("the messages are not those of the stream")
		}
		if string(list[3].AppMetadata) != `{"rows":5}` || list[0].AppMetadata != nil {
			t.Errorf("%s", list[3].AppMetadata)
		}
	}
	for n := range len(text) - 1 {
		if _, err := passed(t, text[:n], 64); fault.CodeOf(err) != fault.Internal {
			t.Fatalf("%d bytes of the stream: %v", n, err)
		}
	}
}

// FuzzMessages: whatever a worker sends, it becomes messages or an error.
func FuzzMessages(f *testing.F) {
	text := stream(f)
	f.Add(text, 64)
	f.Add(text[:100], 1)
	f.Add([]byte("\xff\xff\xff\xff\x08\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00"), 3)
	f.Fuzz(func(t *testing.T, text []byte, n int) {
		if _, err := passed(t, text, n); err != nil && fault.CodeOf(err) != fault.Internal {
			t.Fatal(err)
		}
	})
}

// FuzzTicket: whatever a ticket holds, it becomes one JSON object for the worker,
// or is refused with a code.
func FuzzTicket(f *testing.F) {
	for _, s := range []string{
		`{"entity":"A"}`, `{"project":"p","entity":"A","op":"stream","filter":{"a":1},"count":true,"from":7}`, `{"entity":"A","filter":"{}"}`, `{"entity":"A","filter":null,"minPosition":"e-1"}`,
		`{"entity":"A","format":"arrow","options":{"limit":1}}`, `{"entity":1}`, `[]`, ``, `{"entity":"A","from":1.5}`, `{"entity":"\ud83d","x":"\u0000"}`,
	} {
		f.Add([]byte(s), "e-1")
	}
	f.Fuzz(func(t *testing.T, text []byte, position string) {
		a, err := describe(&af.FlightDescriptor{Type: af.DescriptorCMD, Cmd: text})
		if err != nil {
			if c := fault.CodeOf(err); c != fault.ParseError && c != fault.InvalidRequest && c != fault.PayloadTooLarge {
				t.Fatal(err)
			}
			return
		}
		for _, b := range [][]byte{a.args("e-1", false), a.args("", true), a.ticket("p", "A")} {
			if !json.Valid(b) {
				t.Fatalf("%q became %q", text, b)
			}
		}
		again, err := read(a.ticket(a.project, a.entity))
		if err != nil || string(again.args("", false)) != string(a.args("", false)) {
			t.Fatalf("%q: its ticket says something else: %v", text, err)
		}
	})
}

// What streams take while they are decoded is counted, together too, and is given
// back when they end.
func TestMemoryOfStreams(t *testing.T) {
	refused := func(b *bounded, n int) (code fault.Code) {
		defer func() {
			if f, ok := recover().(*fault.Error); ok {
				code = f.Code
			}
		}()
		b.take(n)
		return ""
	}
	var streams []*bounded
	for range maxTotal / maxMemory {
		b := &bounded{}
		streams = append(streams, b)
		if code := refused(b, maxMemory); code != "" {
			t.Fatal(code)
		}
	}
	more := &bounded{}
	if code := refused(more, 1<<20); code != fault.Overloaded {
		t.Errorf("one more: %q", code)
	}
	if code := refused(streams[0], 1); code != fault.PayloadTooLarge {
		t.Errorf("too much for one: %q", code)
	}
	for _, b := range append(streams, more) {
		b.close()
		b.close()
	}
	if n := decoding.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

func TestForSQL(t *testing.T) {
	s := &Server{sql: nil}
	const of = "type.googleapis.com/arrow.flight.protocol.sql.CommandGetTables"
	any := append([]byte{1<<3 | 2, byte(len(of))}, of...)
	if s.forSQL(any) {
		t.Error("there is no Flight SQL")
	}
	s.sql = af.BaseFlightServer{}
	for text, want := range map[string]bool{string(any): true, string(any[:20]): false, "": false, "\n": false, "\n\x7f": false, `{"entity":"x"}`: false, "\n{}": false} {
		if s.forSQL([]byte(text)) != want {
			t.Errorf("%q: want %t", text, want)
		}
	}
}
