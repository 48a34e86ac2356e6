package flight_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	af "github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// batch makes a record batch of JSON.
func batch(t testing.TB, s *arrow.Schema, rows string) arrow.RecordBatch {
	t.Helper()
	b, _, err := array.RecordFromJSON(memory.DefaultAllocator, s, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put sends batches and returns what the server told.
func put(c af.Client, ctx context.Context, d *af.FlightDescriptor, s *arrow.Schema, batches ...arrow.RecordBatch) (told []string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ss, err := c.DoPut(ctx)
	if err != nil {
		return nil, err
	}
	w := af.NewRecordWriter(ss, ipc.WithSchema(s))
	w.SetFlightDescriptor(d)
	for _, b := range batches {
		if err := w.Write(b); err != nil {
			break // the server says why
		}
	}
	_ = w.Close()
	_ = ss.CloseSend()
	for {
		r, err := ss.Recv()
		if errors.Is(err, io.EOF) {
			return told, nil
		}
		if err != nil {
			return told, err
		}
		told = append(told, string(r.AppMetadata))
	}
}

func path(of ...string) *af.FlightDescriptor {
	return &af.FlightDescriptor{Type: af.DescriptorPATH, Path: of}
}

func fields(list ...arrow.Field) *arrow.Schema { return arrow.NewSchema(list, nil) }

func nullable(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

var text = arrow.BinaryTypes.String

// last is what the server told last, without the position.
func last(told []string) string {
	if len(told) == 0 {
		return ""
	}
	s, _, _ := strings.Cut(told[len(told)-1], `,"position"`)
	return strings.TrimSuffix(s, "}")
}

// Every type of Arrow that has a form here.
func TestPutTypes(t *testing.T) {
	h := serve(t, shop)
	h.stock("shop", 0)
	c := h.client()
	for n, row := range []struct {
		member string
		of     arrow.DataType
		in     string // as arrow-go reads JSON
		want   string // as the store shows it; "" = as it came
	}{
		{"stock", arrow.PrimitiveTypes.Int64, `9007199254740993`, ""},
		{"stock", arrow.PrimitiveTypes.Int64, `-9223372036854775808`, ""},
		{"stock", arrow.PrimitiveTypes.Uint64, `9223372036854775807`, ""},
		{"stock", arrow.PrimitiveTypes.Int8, `-7`, ""},
		{"stock", arrow.PrimitiveTypes.Int16, `-7`, ""},
		{"stock", arrow.PrimitiveTypes.Int32, `-7`, ""},
		{"stock", arrow.PrimitiveTypes.Uint8, `7`, ""},
		{"stock", arrow.PrimitiveTypes.Uint16, `7`, ""},
		{"stock", arrow.PrimitiveTypes.Uint32, `4294967295`, ""},
		{"price", arrow.PrimitiveTypes.Float64, `0.1`, ""},
		{"price", arrow.PrimitiveTypes.Float32, `0.5`, ""},
		{"price", arrow.FixedWidthTypes.Float16, `0.5`, ""},
		{"price", arrow.PrimitiveTypes.Int32, `3`, ""},
		{"cost", &arrow.Decimal128Type{Precision: 38, Scale: 3}, `"123456789012345678901234567890.125"`, `123456789012345678901234567890.125`},
		{"cost", &arrow.Decimal256Type{Precision: 50, Scale: 2}, `"-1.50"`, `-1.5`},
		{"cost", &arrow.Decimal64Type{Precision: 10, Scale: 2}, `"7.25"`, `7.25`},
		{"cost", text, `"12345678901234567890.5"`, `12345678901234567890.5`},
		{"cost", arrow.PrimitiveTypes.Int64, `9007199254740993`, ""},
		{"active", arrow.FixedWidthTypes.Boolean, `true`, ""},
		{"added", &arrow.TimestampType{Unit: arrow.Second, TimeZone: "UTC"}, `"2026-01-02T03:04:05Z"`, `"2026-01-02T03:04:05.000Z"`},
		{"added", &arrow.TimestampType{Unit: arrow.Millisecond}, `"1969-12-31T23:59:59.999"`, `"1969-12-31T23:59:59.999Z"`},
		{"added", &arrow.TimestampType{Unit: arrow.Microsecond}, `"1969-12-31T23:59:59.999999"`, `"1969-12-31T23:59:59.999Z"`},
		{"added", &arrow.TimestampType{Unit: arrow.Nanosecond}, `"2026-01-02T03:04:05.123456789"`, `"2026-01-02T03:04:05.123Z"`},
		{"added", arrow.FixedWidthTypes.Date32, `"2026-01-02"`, `"2026-01-02T00:00:00.000Z"`},
		{"added", arrow.FixedWidthTypes.Date64, `"2026-01-02"`, `"2026-01-02T00:00:00.000Z"`},
		{"added", text, `"2026-01-02T03:04:05+01:00"`, `"2026-01-02T02:04:05.000Z"`},
		{"meta", text, `"{\"a\":[1,null]}"`, `{"a":[1,null]}`},
		{"meta", text, `"\"x\""`, `"x"`},
		{"meta", arrow.StructOf(nullable("a", arrow.PrimitiveTypes.Int64), nullable("b", text)), `{"a":9007199254740993,"b":null}`, ""},
		{"meta", arrow.ListOf(arrow.PrimitiveTypes.Int32), `[1,null]`, ""},
		{"meta", arrow.PrimitiveTypes.Float64, `1.5`, ""},
		{"blob", arrow.BinaryTypes.Binary, `"AAH/"`, ""},
		{"blob", arrow.BinaryTypes.LargeBinary, `"AAH/"`, ""},
		{"blob", &arrow.FixedSizeBinaryType{ByteWidth: 3}, `"AAH/"`, ""},
		{"blob", text, `"AAH/"`, ""},
		{"name", arrow.BinaryTypes.LargeString, `"é \"q\" 😀"`, ""},
		{"name", arrow.BinaryTypes.StringView, `"a long text, longer than twelve bytes"`, ""},
		{"name", &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: text}, `"word"`, ""},
		{"tags", arrow.ListOf(text), `["a",""]`, ""},
		{"tags", arrow.LargeListOf(text), `["a"]`, ""},
		{"tags", arrow.FixedSizeListOf(2, text), `["a","b"]`, ""},
		{"tags", arrow.ListOf(text), `[]`, ""},
		{"sizes", arrow.ListOf(arrow.PrimitiveTypes.Int64), `[9007199254740993]`, ""},
		{"maker", text, `"m1"`, ""},
		{"kin", arrow.ListOf(text), `["m1"]`, ""},
		{"price", arrow.Null, `null`, ""},
		{"stock", arrow.PrimitiveTypes.Int64, `null`, ""},
		{"tags", arrow.ListOf(text), `null`, ""},
	} {
		s := fields(arrow.Field{Name: "id", Type: text}, nullable(row.member, row.of))
		if row.member != "name" {
			s = fields(append(s.Fields(), arrow.Field{Name: "name", Type: text})...)
		}
		in := fmt.Sprintf(`[{"id":"t%d","name":"n",%q:%s}]`, n, row.member, row.in)
		if row.member == "name" {
			in = fmt.Sprintf(`[{"id":"t%d","name":%s}]`, n, row.in)
		}
		told, err := put(c, as(t, master), path("shop", "Item"), s, batch(t, s, in))
		if err != nil || last(told) != `{"rows":1` {
			t.Errorf("%s as %s: %q %v", row.member, row.of, told, err)
			continue
		}
		want := row.want
		if want == "" {
			want = row.in
		}
		args := fmt.Sprintf(`{"id":"t%d","select":%q}`, n, row.member)
		if row.member == "kin" {
			args, want = fmt.Sprintf(`{"id":"t%d","select":"id","relations":"kin"}`, n), `[{"id":"m1","_version":1,"name":"M"}]`
		}
		if got := h.do("shop", "findById", "Item", args); !strings.Contains(got, fmt.Sprintf(`%q:%s}`, row.member, want)) {
			t.Errorf("%s as %s: %s became %s", row.member, row.of, row.in, got)
		}
	}
}

// refused is the code of an error of DoPut, and the details in it.
func refused(t testing.TB, err error) (code string, about struct {
	Stored  int64
	Row     *int64
	Details any
},
) {
	t.Helper()
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			if text := info.Metadata["details"]; text != "" {
				if err := json.Unmarshal([]byte(text), &about); err != nil {
					t.Fatalf("%s: %v", text, err)
				}
			}
			return info.Reason, about
		}
	}
	return fmt.Sprint(err), about
}

// What cannot be stored is refused, and its transaction leaves nothing.
func TestPutRefused(t *testing.T) {
	h := serve(t, shop)
	h.stock("shop", 0)
	c := h.client()
	item := path("shop", "Item")
	two := fields(nullable("id", text), nullable("name", text))
	row := batch(t, two, `[{"id":"a","name":"x"}]`)
	for _, r := range []struct {
		key  string
		d    *af.FlightDescriptor
		s    *arrow.Schema
		b    arrow.RecordBatch
		want string
	}{
		{"", item, two, row, "UNAUTHORIZED"},
		{reader, item, two, row, "FORBIDDEN"},
		{rested, item, two, row, "FORBIDDEN"},
		{other, item, two, row, "FORBIDDEN"},
		{master, path("shop", "Nobody"), two, row, "UNKNOWN_ENTITY"},
		{master, path("nowhere", "Item"), two, row, "UNKNOWN_PROJECT"},
		{master, path(), two, row, "INVALID_REQUEST"},
		{master, nil, two, row, "INVALID_REQUEST"},
		{master, &af.FlightDescriptor{Type: af.DescriptorCMD, Cmd: []byte(`{"entity":"Item","filter":{}}`)}, two, row, "INVALID_REQUEST"},
		{master, &af.FlightDescriptor{Type: af.DescriptorCMD, Cmd: []byte(`{"entity":"Item","from":-1}`)}, two, row, "INVALID_REQUEST"},
		{master, item, fields(nullable("nope", text)), batch(t, fields(nullable("nope", text)), `[{"nope":"x"}]`), "INVALID_REQUEST"},
		{master, item, fields(nullable("name", text), nullable("name", text)), nil, "INVALID_REQUEST"},
		{master, item, fields(nullable("added", arrow.FixedWidthTypes.Time32ms)), batch(t, fields(nullable("added", arrow.FixedWidthTypes.Time32ms)), `[{"added":"03:04:05"}]`), "INVALID_REQUEST"},
		{master, item, fields(nullable("price", text), nullable("name", text)), batch(t, fields(nullable("price", text), nullable("name", text)), `[{"price":"1","name":"n"}]`), "VALIDATION_ERROR"},
		{master, item, fields(nullable("stock", arrow.PrimitiveTypes.Uint64), nullable("name", text)), batch(t, fields(nullable("stock", arrow.PrimitiveTypes.Uint64), nullable("name", text)), `[{"stock":18446744073709551615,"name":"n"}]`), "VALIDATION_ERROR"},
		{master, item, fields(nullable("meta", text), nullable("name", text)), batch(t, fields(nullable("meta", text), nullable("name", text)), `[{"meta":"{","name":"n"}]`), "VALIDATION_ERROR"},
		{master, item, fields(nullable("cost", text), nullable("name", text)), batch(t, fields(nullable("cost", text), nullable("name", text)), `[{"cost":"x","name":"n"}]`), "VALIDATION_ERROR"},
		{master, item, fields(nullable("stock", arrow.PrimitiveTypes.Int64)), batch(t, fields(nullable("stock", arrow.PrimitiveTypes.Int64)), `[{"stock":1}]`), "VALIDATION_ERROR"},
		{master, item, fields(nullable("id", text), nullable("name", text)), batch(t, two, `[{"id":"a b","name":"x"}]`), "INVALID_FILTER"},
	} {
		var all []arrow.RecordBatch
		if r.b != nil {
			all = append(all, r.b)
		}
		_, err := put(c, as(t, r.key), r.d, r.s, all...)
		if code, _ := refused(t, err); code != r.want {
			t.Errorf("%v %v as %.16s: %v, want %s", r.d, r.s.Fields(), r.key, err, r.want)
		}
	}
	if got := h.do("shop", "count", "Item", `{}`); !strings.Contains(got, `"data":0`) {
		t.Errorf("something was stored: %s", got)
	}
}

// numbered is n rows from first on; the name of bad is too long.
func numbered(t testing.TB, s *arrow.Schema, first, n, bad int) arrow.RecordBatch {
	var b strings.Builder
	for i := first; i < first+n; i++ {
		name := fmt.Sprintf("Item %d", i)
		if i == bad {
			name = strings.Repeat("x", 101)
		}
		fmt.Fprintf(&b, `,{"id":"i%06d","name":%q,"stock":%d}`, i, name, i)
	}
	return batch(t, s, "["+b.String()[1:]+"]")
}

// A stream that fails is stored up to the transaction before, says so, and is
// resumed from there; one that comes again changes nothing.
func TestPutResumes(t *testing.T) {
	h := serve(t, shop)
	c := h.client()
	s := fields(arrow.Field{Name: "id", Type: text}, nullable("name", text), nullable("stock", arrow.PrimitiveTypes.Int64), nullable("_version", arrow.PrimitiveTypes.Int64))
	keys := map[string]int{}
	h.calls = func(r *mesh.Request) { keys[r.IdempotencyKey]++ }
	told, err := put(c, as(t, master, "idempotency-key", "load"), path("shop", "Item"), s, numbered(t, s, 0, 700, -1), numbered(t, s, 700, 700, 1250))
	code, about := refused(t, err)
	if code != "VALIDATION_ERROR" || about.Stored != 1200 || about.Row == nil || *about.Row != 1250 || !strings.Contains(fmt.Sprint(about.Details), "name") {
		t.Fatalf("%v %+v, told %v", err, about, told)
	}
	if got := h.do("shop", "count", "Item", `{}`); !strings.Contains(got, `"data":1200`) {
		t.Errorf("stored: %s", got)
	}
	if fmt.Sprint(keys) != "map[load:0:1 load:1200:1 load:500:1 load:700:1]" {
		t.Errorf("keys: %v", keys)
	}
	from := &af.FlightDescriptor{Type: af.DescriptorCMD, Cmd: []byte(`{"project":"shop","entity":"Item","from":1200}`)}
	if told, err = put(c, as(t, master, "idempotency-key", "load"), from, s, numbered(t, s, 1200, 200, -1)); err != nil || last(told) != `{"rows":1400` {
		t.Errorf("%v %v", told, err)
	}
	// The whole again: every row is there, and not one is changed.
	if told, err = put(c, as(t, master), path("shop", "Item"), s, numbered(t, s, 0, 1400, -1)); err != nil || last(told) != `{"rows":1400` {
		t.Errorf("%v %v", told, err)
	}
	if got := h.do("shop", "count", "Item", `{"filter":{"_version":1}}`); !strings.Contains(got, `"data":1400`) {
		t.Errorf("unchanged: %s", got)
	}
	// A key of any length that is allowed makes keys that are.
	long := strings.Repeat("k", 128)
	clear(keys)
	if told, err = put(c, as(t, master, "idempotency-key", long), path("shop", "Item"), s, numbered(t, s, 0, 600, -1)); err != nil || last(told) != `{"rows":600` {
		t.Errorf("%v %v", told, err)
	}
	for key := range keys {
		if !telemetry.ValidIdempotencyKey(key) || len(keys) != 2 {
			t.Errorf("keys: %v", keys)
		}
	}
	// Without ids each row is a new record.
	fresh := fields(nullable("name", text))
	if told, err = put(c, as(t, master), path("Item"), fresh, batch(t, fresh, `[{"name":"a"},{"name":"b"}]`)); err != nil || last(told) != `{"rows":2` {
		t.Errorf("%v %v", told, err)
	}
	// Nothing at all.
	if told, err = put(c, as(t, master), path("Item"), fresh); err != nil || last(told) != `{"rows":0` {
		t.Errorf("%v %v", told, err)
	}
}

// TestPutPaced: each transaction counts for the key's rate, while the client is
// being told of those before it.
func TestPutPaced(t *testing.T) {
	h := serve(t, shop)
	s := fields(arrow.Field{Name: "id", Type: text}, nullable("name", text), nullable("stock", arrow.PrimitiveTypes.Int64), nullable("_version", arrow.PrimitiveTypes.Int64))
	var batches []arrow.RecordBatch
	for i := range 100 {
		batches = append(batches, numbered(t, s, 5*i, 5, -1))
	}
	if told, err := put(h.client(), as(t, paced), path("shop", "Item"), s, batches...); err != nil || last(told) != `{"rows":500` {
		t.Errorf("%v %v", told, err)
	}
}

// What one project gives, another takes.
func TestGetAndPut(t *testing.T) {
	h := serve(t, shop)
	h.stock("shop", 1200)
	h.do("default", "create", "Maker", `{"data":{"id":"m1","name":"M"}}`)
	c := h.client()
	ss, err := c.DoGet(as(t, master), &af.Ticket{Ticket: []byte(`{"project":"shop","entity":"Item"}`)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := af.NewRecordReader(ss)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	var all []arrow.RecordBatch
	for r.Next() {
		b := r.RecordBatch()
		b.Retain()
		all = append(all, b)
	}
	if told, err := put(c, as(t, master), path("default", "Item"), r.Schema(), all...); err != nil || last(told) != `{"rows":1200` {
		t.Fatalf("%v %v", told, err)
	}
	const args = `{"sort":"id","limit":1000,"exclude":"createdAt,updatedAt"}`
	if a, b := h.do("shop", "findAll", "Item", args), h.do("default", "findAll", "Item", args); a == "" || records(a) != records(b) {
		t.Errorf("the records differ:\n%.600s\n%.600s", a, b)
	}
}

func records(body string) string {
	data, _, _ := strings.Cut(body, `"metadata"`)
	return data
}
