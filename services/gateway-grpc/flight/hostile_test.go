package flight_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	af "github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// record takes the messages that a writer makes.
type record struct{ list []*af.FlightData }

func (r *record) Send(d *af.FlightData) error {
	r.list = append(r.list, &af.FlightData{DataHeader: append([]byte(nil), d.DataHeader...), DataBody: append([]byte(nil), d.DataBody...)})
	return nil
}

// messages are a schema and a batch as they cross the wire.
func messages(t testing.TB, s *arrow.Schema, b arrow.RecordBatch, o ...ipc.Option) []*af.FlightData {
	t.Helper()
	var r record
	w := af.NewRecordWriter(&r, append(o, ipc.WithSchema(s))...)
	if err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return r.list
}

// raw sends messages as they are and returns how the server ends the call.
func raw(c af.Client, ctx context.Context, list ...*af.FlightData) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ss, err := c.DoPut(ctx)
	if err != nil {
		return err
	}
	for _, d := range list {
		if ss.Send(d) != nil {
			break // the server says why
		}
	}
	_ = ss.CloseSend()
	for {
		if _, err := ss.Recv(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// What is no Arrow is refused with a code, at once, and stores nothing.
func TestDamagedPuts(t *testing.T) {
	h := serve(t, shop)
	c := h.client()
	s := fields(nullable("name", text), nullable("tags", arrow.ListOf(text)), nullable("stock", arrow.PrimitiveTypes.Int64))
	d := path("Item")
	good := func(o ...ipc.Option) []*af.FlightData {
		list := messages(t, s, batch(t, s, `[{"name":"a","tags":["x"],"stock":1},{"name":"b","tags":null,"stock":2}]`), o...)
		list[0].FlightDescriptor = d
		return list
	}
	if err := raw(c, as(t, master), good()...); err != nil {
		t.Fatal(err)
	}
	if err := raw(c, as(t, master), good(ipc.WithZstd())...); err != nil {
		t.Fatal(err)
	}
	before := h.do("default", "count", "Item", `{}`)
	cases := map[string][]*af.FlightData{
		"nothing":               nil,
		"no schema":             {{FlightDescriptor: d}},
		"a header of noise":     {{FlightDescriptor: d, DataHeader: []byte("noise noise noise")}},
		"a batch first":         {{FlightDescriptor: d, DataHeader: good()[1].DataHeader, DataBody: good()[1].DataBody}},
		"a body that is short":  {good()[0], {DataHeader: good()[1].DataHeader, DataBody: good()[1].DataBody[:8]}},
		"no body":               {good()[0], {DataHeader: good()[1].DataHeader}},
		"two schemas":           {good()[0], good()[0]},
		"a header of one byte":  {good()[0], {DataHeader: []byte{1}}},
		"another schema's rows": {good()[0], messages(t, fields(nullable("x", text)), batch(t, fields(nullable("x", text)), `[{"x":"y"}]`))[1]},
	}
	for name, list := range cases {
		code, about := refused(t, raw(c, as(t, master), list...))
		if code != "INVALID_REQUEST" || about.Stored != 0 {
			t.Errorf("%s: %s %+v", name, code, about)
		}
	}
	// Every byte of the header and of the body turned round: an answer, a code, and
	// no more records than were sent.
	for part, list := range map[string][]*af.FlightData{"header": good(), "body": good(), "compressed": good(ipc.WithLZ4())} {
		b := list[1].DataBody
		if part == "header" {
			b = list[1].DataHeader
		}
		for i := 0; i < len(b); i += 3 {
			b[i] ^= 0xff
			err := raw(c, as(t, master), list...)
			if code := status.Code(err); err != nil && code != codes.InvalidArgument && code != codes.ResourceExhausted && code != codes.FailedPrecondition && code != codes.OutOfRange {
				t.Fatalf("byte %d of the %s: %v", i, part, err)
			}
			b[i] ^= 0xff
		}
	}
	h.do("default", "deleteMany", "Item", `{"filter":{}}`)
	_ = before
}

// A message that claims to become much larger than memory is refused.
func TestBombs(t *testing.T) {
	h := serve(t, shop)
	c := h.client()
	s := fields(nullable("name", text))
	list := messages(t, s, batch(t, s, `[{"name":"`+strings.Repeat("x", 4096)+`"}]`), ipc.WithZstd())
	list[0].FlightDescriptor = path("Item")
	body := list[1].DataBody
	large := 0
	for at := 0; at+8 <= len(body); at += 8 { // one of them is the length of what was compressed
		was := binary.LittleEndian.Uint64(body[at:])
		for _, claim := range []uint64{200 << 20, 1 << 40, 1<<63 - 1} {
			binary.LittleEndian.PutUint64(body[at:], claim)
			code, _ := refused(t, raw(c, as(t, master), list...))
			if code == "PAYLOAD_TOO_LARGE" {
				large++
			} else if code != "INVALID_REQUEST" && code != "VALIDATION_ERROR" && code != "<nil>" { // other bytes may be another text
				t.Errorf("%d at %d: %s", claim, at, code)
			}
		}
		binary.LittleEndian.PutUint64(body[at:], was)
	}
	if large == 0 {
		t.Error("nothing was too large")
	}
}

// A few bytes of indices may stand for a row without end, which is refused as it
// grows; one that is large goes alone.
func TestLargeRows(t *testing.T) {
	h := serve(t, shop)
	c := h.client()
	of := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: text}
	s := fields(nullable("id", text), nullable("name", text), nullable("tags", arrow.ListOf(of)))
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	add := func(id string, tags int) {
		b.Field(0).(*array.StringBuilder).Append(id)
		b.Field(1).(*array.StringBuilder).Append("n")
		list := b.Field(2).(*array.ListBuilder)
		list.Append(true)
		for range tags {
			if err := list.ValueBuilder().(*array.BinaryDictionaryBuilder).AppendString(strings.Repeat("x", 20_000)); err != nil {
				t.Fatal(err)
			}
		}
	}
	stored := 0
	h.calls = func(r *mesh.Request) {
		if len(r.Args) > rpc.MaxMessage {
			t.Errorf("a transaction of %d bytes", len(r.Args))
		}
		stored++
	}
	for i, tags := range []int{1, 40, 415} { // 0.8 MB and 8.3 MB
		add(fmt.Sprint("a", i), tags)
	}
	told, err := put(c, as(t, master), path("Item"), s, b.NewRecordBatch())
	if err != nil || !strings.HasPrefix(last(told), `{"rows":3`) || stored != 2 {
		t.Errorf("%v in %d transactions, %v", told, stored, err)
	}
	add("b", 500) // 10 MB
	_, err = put(c, as(t, master), path("Item"), s, b.NewRecordBatch())
	if code, about := refused(t, err); code != "PAYLOAD_TOO_LARGE" || about.Row == nil || *about.Row != 0 {
		t.Error(err)
	}
}

// A long compressed stream takes no more than its batches do one by one.
func TestPutCompressed(t *testing.T) {
	h := serve(t, shop)
	c := h.client()
	s := fields(nullable("id", text), nullable("name", text), nullable("meta", text))
	list := messages(t, s, batch(t, s, `[{"id":"a","name":"n","meta":"\"`+strings.Repeat("x", 4<<20)+`\""}]`), ipc.WithZstd())
	list[0].FlightDescriptor = path("Item")
	for range 50 {
		list = append(list, list[1])
	}
	if err := raw(c, as(t, master), list...); err != nil {
		t.Error(err)
	}
}

// Clients that go away, or never read, leave nothing behind: TestMain looks for
// goroutines, and the stores close.
func TestAbandoned(t *testing.T) {
	h := serve(t, shop)
	h.stock("default", 3000)
	c := h.client()
	s := fields(nullable("id", text), nullable("name", text))
	for i := range 20 {
		ctx, cancel := context.WithCancel(as(t, master))
		ss, err := c.DoGet(ctx, &af.Ticket{Ticket: []byte(`{"entity":"Item","batchSize":10}`)})
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if _, err := ss.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		ctx, cancel = context.WithCancel(as(t, master))
		put, err := c.DoPut(ctx)
		if err != nil {
			t.Fatal(err)
		}
		list := messages(t, s, batch(t, s, fmt.Sprintf(`[{"id":"x%d","name":"a"}]`, i)))
		list[0].FlightDescriptor = path("Item")
		for _, d := range list[:i%3] {
			_ = put.Send(d)
		}
		cancel()
	}
}

// A client that sends without listening is not stopped by what it is told.
func TestPutUnheard(t *testing.T) {
	h := serve(t, shop)
	h.within = func(ctx context.Context) {
		if !rpc.ExchangeOf(ctx).Unread.Load() {
			t.Error("it would be ended for not being read")
		}
	}
	c := h.client()
	s := fields(nullable("id", text), nullable("name", text))
	ctx, cancel := context.WithCancel(as(t, master))
	defer cancel()
	ss, err := c.DoPut(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w := af.NewRecordWriter(ss, ipc.WithSchema(s))
	w.SetFlightDescriptor(path("Item"))
	const n = 2000
	for i := range n {
		if err := w.Write(batch(t, s, fmt.Sprintf(`[{"id":"x%04d","name":"a"}]`, i))); err != nil {
			t.Fatal(err)
		}
	}
	_ = w.Close()
	_ = ss.CloseSend()
	told := ""
	for {
		r, err := ss.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		told = string(r.AppMetadata)
	}
	if want := fmt.Sprintf(`{"rows":%d,"position"`, n); !strings.HasPrefix(told, want) {
		t.Errorf("the last word is %s", told)
	}
}

// A gateway that stops ends a DoPut between two transactions and says where.
func TestPutWhenStopping(t *testing.T) {
	h := serve(t, shop)
	c := h.client()
	s := fields(nullable("id", text), nullable("name", text))
	ctx, cancel := context.WithCancel(as(t, master))
	defer cancel()
	ss, err := c.DoPut(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w := af.NewRecordWriter(ss, ipc.WithSchema(s))
	w.SetFlightDescriptor(path("Item"))
	if err := w.Write(batch(t, s, `[{"id":"a","name":"a"},{"id":"b","name":"b"}]`)); err != nil {
		t.Fatal(err)
	}
	if r, err := ss.Recv(); err != nil || !strings.HasPrefix(string(r.AppMetadata), `{"rows":2,`) {
		t.Fatal(r, err)
	}
	close(h.stop)
	_, err = ss.Recv()
	if code, about := refused(t, err); code != "UNAVAILABLE" || about.Stored != 2 {
		t.Errorf("%v", err)
	}
}

// A thousand streams at once, on one connection.
func TestThousandStreams(t *testing.T) {
	h := serve(t, shop)
	h.stock("default", 50)
	c := h.client()
	before := runtime.NumGoroutine()
	var work sync.WaitGroup
	var wrong atomic.Int64
	var first atomic.Value
	const ticket = `{"entity":"Item","batchSize":7}`
	var want []arrow.RecordBatch // what one alone reads
	keep := func(batch arrow.RecordBatch) error { batch.Retain(); want = append(want, batch); return nil }
	if _, rows, err := taken(c, as(t, master), ticket, keep); err != nil || rows != 50 {
		t.Fatal(rows, err)
	}
	for range 1000 {
		work.Go(func() {
			if _, rows, err := taken(c, as(t, reader, "x-project", "shop"), `{"entity":"Item","select":"name"}`, func(arrow.RecordBatch) error { return nil }); err != nil || rows != 0 {
				wrong.Add(1)
				first.CompareAndSwap(nil, fmt.Sprint(rows, err))
			}
			at := 0
			same := func(batch arrow.RecordBatch) error {
				if at++; at > len(want) || !array.RecordEqual(batch, want[at-1]) {
					return fmt.Errorf("batch %d is not what one alone reads: %v", at, batch)
				}
				return nil
			}
			if _, rows, err := taken(c, as(t, master), ticket, same); err != nil || rows != 50 {
				wrong.Add(1)
				first.CompareAndSwap(nil, fmt.Sprint(rows, err))
			}
		})
	}
	work.Wait()
	if n := wrong.Load(); n > 0 {
		t.Errorf("%d streams failed, the first with %v", n, first.Load())
	}
	t.Logf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}
