package flight_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	af "github.com/apache/arrow-go/v18/arrow/flight"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

var update = flag.Bool("update", false, "rewrite the wire file")

// wire is a message's fields in the order of their numbers, as the reader of the
// file can check them against Flight.proto.
func wire(t testing.TB, m proto.Message) string {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		b = b[n:]
		n = protowire.ConsumeFieldValue(number, kind, b)
		value := b[:n]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		fmt.Fprintf(&out, " %d:%x", number, value)
		b = b[n:]
	}
	return out.String()
}

// TestWire holds what crosses the wire against what has been read and recorded.
func TestWire(t *testing.T) {
	h := serve(t, `[{"name":"Word","collection":"words","fields":{"text":{"type":"string","maxLength":3},"n":"integer","d":"date"}}]`)
	c := h.client()
	s := fields(nullable("id", text), nullable("text", text), nullable("n", arrow.PrimitiveTypes.Int64), nullable("d", arrow.FixedWidthTypes.Date32))
	var got strings.Builder
	ended := func(err error) {
		if err != nil && !errors.Is(err, io.EOF) {
			code, about := refused(t, err)
			row := ""
			if about.Row != nil {
				row = fmt.Sprint(" row ", *about.Row)
			}
			fmt.Fprintf(&got, "%s %s: %s (stored %d%s)\n", status.Code(err), code, status.Convert(err).Message(), about.Stored, row)
		}
	}
	for _, rows := range []string{`[{"id":"a","text":"é","n":9007199254740993,"d":"2026-01-02"},{"id":"b","text":null,"n":null,"d":null}]`, `[{"id":"c","text":"long","n":1,"d":null}]`} {
		fmt.Fprintf(&got, "### DoPut default/Word %s\n", rows)
		told, err := put(c, as(t, master), path("default", "Word"), s, batch(t, s, rows))
		for _, line := range told {
			fmt.Fprintln(&got, last([]string{line}))
		}
		ended(err)
	}
	for _, d := range []*af.FlightDescriptor{path("default", "words"), path("Nobody"), {Type: af.DescriptorCMD, Cmd: []byte(`{"entity":"Word","select":"n","count":true}`)}, {Type: af.DescriptorCMD, Cmd: []byte(`{"entity":`)}} {
		fmt.Fprintf(&got, "### GetFlightInfo %q %q\n", d.Path, d.Cmd)
		info, err := c.GetFlightInfo(as(t, master), d)
		if err == nil {
			fmt.Fprintln(&got, wire(t, info))
		}
		ended(err)
	}
	for _, ticket := range []string{`{"entity":"Word"}`, `{"entity":"Word","select":"text","batchSize":1,"sort":"-id"}`, `{"entity":"Word","filter":{"n":{"$gt":"x"}}}`, `{"entity":"Word","op":"create"}`, `{"entity":"Word","project":"nowhere"}`} {
		fmt.Fprintf(&got, "### DoGet %s\n", ticket)
		ss, err := c.DoGet(as(t, master), &af.Ticket{Ticket: []byte(ticket)})
		for err == nil {
			var d *af.FlightData
			if d, err = ss.Recv(); err == nil {
				fmt.Fprintln(&got, wire(t, d))
			}
		}
		ended(err)
	}
	const file = "testdata/flight.wire"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got.String() != string(want) {
		t.Errorf("the wire differs from %s (-update rewrites it): %v\n%s", file, err, got.String())
	}
}
