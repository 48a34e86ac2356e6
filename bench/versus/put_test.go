package versus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/metadata"

	"github.com/octomesh/octomesh/bench/load"
)

// users are n new records as columns, in batches.
func users(t *testing.T, n, each int, prefix string) (*arrow.Schema, []arrow.RecordBatch) {
	t.Helper()
	text := arrow.BinaryTypes.String
	at := &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"}
	s := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: text},
		{Name: "email", Type: text},
		{Name: "name", Type: text},
		{Name: "age", Type: arrow.PrimitiveTypes.Float64},
		{Name: "active", Type: arrow.FixedWidthTypes.Boolean},
		{Name: "role", Type: text},
		{Name: "bio", Type: text},
		{Name: "score", Type: arrow.PrimitiveTypes.Float64},
		{Name: "created", Type: at},
		{Name: "updated", Type: at},
	}, nil)
	bio := strings.Repeat("lorem ipsu", 10)
	when := arrow.Timestamp(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixMilli())
	var batches []arrow.RecordBatch
	for from := 0; from < n; from += each {
		b := array.NewRecordBuilder(memory.DefaultAllocator, s)
		for i := from; i < min(from+each, n); i++ {
			b.Field(0).(*array.StringBuilder).Append(fmt.Sprintf("%s%07d", prefix, i))
			b.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("%s%d@example.com", prefix, i))
			b.Field(2).(*array.StringBuilder).Append(fmt.Sprintf("New %d", i))
			b.Field(3).(*array.Float64Builder).Append(float64(18 + i%62))
			b.Field(4).(*array.BooleanBuilder).Append(true)
			b.Field(5).(*array.StringBuilder).Append("member")
			b.Field(6).(*array.StringBuilder).Append(bio)
			b.Field(7).(*array.Float64Builder).Append(float64(i%100) + 0.5)
			b.Field(8).(*array.TimestampBuilder).Append(when)
			b.Field(9).(*array.TimestampBuilder).Append(when)
		}
		batches = append(batches, b.NewRecordBatch())
		b.Release()
	}
	return s, batches
}

// put stores batches over DoPut and waits until all are acknowledged.
func (c *contender) put(t *testing.T, s *arrow.Schema, batches []arrow.RecordBatch) (acknowledged string) {
	t.Helper()
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "x-api-key", c.key))
	defer cancel()
	ss, err := flight.NewClientFromConn(c.dial(t), nil).DoPut(ctx)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() {
		for {
			r, err := ss.Recv()
			if errors.Is(err, io.EOF) {
				over <- nil
				return
			}
			if err != nil {
				over <- err
				return
			}
			acknowledged = string(r.AppMetadata)
		}
	}()
	w := flight.NewRecordWriter(ss, ipc.WithSchema(s))
	w.SetFlightDescriptor(&flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: []string{"User"}})
	for _, b := range batches {
		if err := w.Write(b); err != nil {
			break // the server says why
		}
	}
	_ = w.Close()
	_ = ss.CloseSend()
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	return acknowledged
}

// TestPutAgainstCreates stores records over DoPut, and over REST with 64
// connections. Only an acceptance run stores 100,000 and is judged.
func TestPutAgainstCreates(t *testing.T) {
	judged := os.Getenv("OCTOMESH_ACCEPT") != ""
	n, rounds := 5_000, 1
	if judged {
		n, rounds = 100_000, 3
	}
	p := product(t, "full")
	var puts, creates, ratios []float64
	create := &load.Load{Addr: p.addr, PID: p.pid, Conns: conns, Status: 201, Request: func(n int64, r *fasthttp.Request) {
		r.Header.Set("X-API-Key", p.key)
		post(r, "/api/v1/users", newUser(n))
	}}
	for round := range rounds {
		s, batches := users(t, n, 5000, fmt.Sprintf("p%d-", round))
		began := time.Now()
		acknowledged := p.put(t, s, batches)
		put := float64(n) / time.Since(began).Seconds()
		if !strings.Contains(acknowledged, fmt.Sprintf(`"rows":%d`, n)) {
			t.Fatalf("acknowledged %s of %d", acknowledged, n)
		}
		took := burst
		if !judged {
			took = time.Second
		}
		r, err := create.Burst(took)
		if err != nil {
			t.Fatal(err)
		}
		puts, creates, ratios = append(puts, put), append(creates, r.PerSecond()), append(ratios, put/r.PerSecond())
	}
	ratio := middle(ratios)
	figure(map[string]any{"rows": n, "rounds": rounds, "sync": "full", "put_rows_per_s": middle(puts), "creates_per_s": middle(creates), "conns": conns, "ratio": ratio})
	if judged && !busy() && ratio < putRate {
		t.Errorf("DoPut stores %.2f times the records a second of REST, promised %.0f", ratio, putRate)
	}
}
