package octomesh

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/octomesh/octomesh/examples/shop"
	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/schema"
)

// TestFlight asks for every entity of a data set over Flight and over REST, and
// wants the same: Chinook where OCTOMESH_CHINOOK names its folder, else the shop.
func TestFlight(t *testing.T) {
	schemas, records := shop.Schemas(), bytes.Join(shopLines(), nil)
	if dir := os.Getenv("OCTOMESH_CHINOOK"); dir != "" {
		var err error
		if schemas, err = os.ReadFile(filepath.Join(dir, "schemas.json")); err != nil {
			t.Fatal(err)
		}
		if records, err = os.ReadFile(filepath.Join(dir, "records.ndjson")); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	for name, b := range map[string][]byte{"schemas.json": schemas, "records.ndjson": records} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, filepath.Join(dir, "schemas.json"))
	transfer(t, s, "import", filepath.Join(dir, "records.ndjson"))
	c, err := flight.NewClientWithMiddleware(s.GRPC, nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, err := c.AuthenticateBasicToken(t.Context(), "", s.Key)
	if err != nil {
		t.Fatal(err)
	}
	cat, err := schema.Parse(schemas)
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.ListFlights(ctx, &flight.Criteria{})
	if err != nil {
		t.Fatal(err)
	}
	entities, total := 0, 0
	for {
		info, err := list.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		e := cat.Entity(info.FlightDescriptor.Path[1])
		total += sameOverFlight(t, ctx, s, c, info, e)
		entities++
	}
	if entities != len(cat.Entities) || total == 0 {
		t.Errorf("%d entities of %d, %d records", entities, len(cat.Entities), total)
	}
	figure(map[string]any{"entities": entities, "records": total, "same_bytes": !t.Failed()})
	refusedOverFlight(t, c, ctx, cat.Entities[0].Name)
	stored(t, ctx, s, c, cat.Entities[0])
}

func shopLines() (out [][]byte) {
	for line := range shop.Lines(7) {
		out = append(out, bytes.Clone(line))
	}
	return out
}

// sameOverFlight compares the bytes of an entity's stream with what REST's lines
// make in columns.
func sameOverFlight(t *testing.T, ctx context.Context, s *server, c flight.Client, info *flight.FlightInfo, e *schema.Entity) (rows int) {
	t.Helper()
	found, err := c.GetFlightInfo(ctx, info.FlightDescriptor)
	if err != nil {
		t.Fatal(err)
	}
	ss, err := c.DoGet(ctx, found.Endpoint[0].Ticket)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for {
		d, err := ss.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = binary.LittleEndian.AppendUint32(append(got, 0xff, 0xff, 0xff, 0xff), uint32(len(d.DataHeader)))
		got = append(append(got, d.DataHeader...), d.DataBody...)
	}
	_, body := s.send(t, "GET", "/api/v1/"+e.Name+"/stream", "", "X-API-Key", s.Key)
	shape := columnar.NewShape(e, e.Members, columnar.Options{DecimalScale: columnar.AsText, Filled: func(r *schema.Relation) bool { return r.Eager }})
	w, err := columnar.NewEncoder(shape, "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	want, batch := w.Schema(nil), columnar.NewBuilder(shape, 0)
	for line := range strings.Lines(body) {
		rows++
		if err := batch.AddJSON([]byte(strings.TrimSuffix(line, "\n"))); err != nil {
			t.Fatal(err)
		}
		if batch.Full() {
			if want, err = w.Batch(want, batch); err != nil {
				t.Fatal(err)
			}
		}
	}
	if batch.Rows() > 0 {
		if want, err = w.Batch(want, batch); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes over Flight, %d of REST's %d records", e.Name, len(got), len(want), rows)
	}
	return rows
}

// refusedOverFlight asks what must not be answered.
func refusedOverFlight(t *testing.T, c flight.Client, ctx context.Context, entity string) {
	t.Helper()
	for _, row := range []struct {
		ctx    context.Context
		entity string
		want   codes.Code
	}{
		{t.Context(), entity, codes.Unauthenticated},
		{metadata.AppendToOutgoingContext(t.Context(), "x-api-key", "sk_live_AAAAAAAA_"+strings.Repeat("0", 43)), entity, codes.Unauthenticated},
		{ctx, "Nobody", codes.NotFound},
		{metadata.AppendToOutgoingContext(ctx, "x-project", "nowhere"), entity, codes.NotFound},
	} {
		d := &flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: []string{row.entity}}
		if _, err := c.GetFlightInfo(row.ctx, d); status.Code(err) != row.want {
			t.Errorf("GetFlightInfo %s: %v, want %s", row.entity, err, row.want)
		}
		ss, err := c.DoGet(row.ctx, &flight.Ticket{Ticket: fmt.Appendf(nil, `{"entity":%q}`, row.entity)})
		if err == nil {
			_, err = ss.Recv()
		}
		if status.Code(err) != row.want {
			t.Errorf("DoGet %s: %v, want %s", row.entity, err, row.want)
		}
	}
}

// stored puts an entity's own records again: none of them changes.
func stored(t *testing.T, ctx context.Context, s *server, c flight.Client, e *schema.Entity) {
	t.Helper()
	_, before := s.send(t, "GET", "/api/v1/"+e.Name+"/stream", "", "X-API-Key", s.Key)
	ss, err := c.DoGet(ctx, &flight.Ticket{Ticket: fmt.Appendf(nil, `{"entity":%q}`, e.Name)})
	if err != nil {
		t.Fatal(err)
	}
	in, err := flight.NewRecordReader(ss)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Release()
	put, err := c.DoPut(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w := flight.NewRecordWriter(put, ipc.WithSchema(in.Schema()))
	w.SetFlightDescriptor(&flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: []string{e.Name}})
	rows := int64(0)
	for in.Next() {
		var b arrow.RecordBatch = in.RecordBatch()
		rows += b.NumRows()
		if err := w.Write(b); err != nil {
			break
		}
	}
	_ = w.Close()
	_ = put.CloseSend()
	var told struct{ Rows int64 }
	for {
		r, err := put.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(r.AppMetadata, &told); err != nil {
			t.Fatal(err)
		}
	}
	_, after := s.send(t, "GET", "/api/v1/"+e.Name+"/stream", "", "X-API-Key", s.Key)
	if told.Rows != rows || rows == 0 || before != after {
		t.Errorf("%d rows of %d were stored, the records are the same: %t", told.Rows, rows, before == after)
	}
}
