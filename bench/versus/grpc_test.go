package versus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/octomesh/octomesh/bench/load"
)

// What gRPC promises: CPU for a unary FindById beside REST's GET, and what the
// process of gateway and worker takes at most while a million records stream.
const (
	grpcCPU  = 1.3
	grpcPeak = 150 << 20
)

// bytesCodec passes messages through as they are on the wire.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (bytesCodec) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = append((*v.(*[]byte))[:0], b...)
	return nil
}
func (bytesCodec) Name() string { return "proto" }

// dial opens one connection for gRPC.
func (c *contender) dial(t *testing.T) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient(c.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithInitialWindowSize(1<<20), grpc.WithInitialConnWindowSize(4<<20),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

// findUser is the message of FindById: field 1 is the id.
func findUser(n int64, dst []byte) []byte { return fmt.Appendf(dst, "\x0a\x06u%05d", n%rows+1) }

// TestGRPCBesideREST reads the same records by id in both ways, in one server and
// one sitting. Only an acceptance run measures.
func TestGRPCBesideREST(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: requests to gRPC (go test without -short)")
	}
	p := product(t, "full")
	request, reply := findUser(6, nil), []byte(nil)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", p.key)
	const path = "/mostajs.UserService/FindById"
	if err := p.dial(t).Invoke(ctx, path, &request, &reply, grpc.ForceCodec(bytesCodec{})); err != nil || !bytes.Contains(reply, []byte("seed7@example.com")) {
		t.Fatalf("%q %v", reply, err)
	}
	if os.Getenv("OCTOMESH_ACCEPT") == "" {
		return
	}
	get := &load.Load{Addr: p.addr, PID: p.pid, Conns: conns, Status: 200, Request: func(n int64, r *fasthttp.Request) {
		r.Header.Set("X-API-Key", p.key)
		r.SetRequestURI(fmt.Sprintf("/api/v1/users/u%05d", n%rows+1))
	}}
	// As gRPC's clients do: few connections, many calls on each. The other extreme
	// is measured too, and judges nothing.
	for _, clients := range []int{4, conns} {
		calls := &load.Unary{Addr: p.grpc, PID: p.pid, Conns: clients, Each: conns / clients, Path: path, Header: map[string]string{"x-api-key": p.key}, Message: findUser}
		pairs := inTurn(t, calls, get)
		cpu := median(pairs, func(x pair) float64 { return float64(x.product.CPUPer()) / float64(x.floor.CPUPer()) })
		figure(map[string]any{
			"call": "FindById", "calls": conns, "connections": clients, "pairs": len(pairs), "cpu_ratio": round(cpu), "promised": grpcCPU,
			"grpc_us": micros(pairs, func(x pair) load.Result { return x.product }), "rest_us": micros(pairs, func(x pair) load.Result { return x.floor }),
			"grpc_rps": rps(pairs, func(x pair) load.Result { return x.product }), "rest_rps": rps(pairs, func(x pair) load.Result { return x.floor }),
			"grpc_body": pairs[0].product.Body, "rest_body": pairs[0].floor.Body,
		})
		if cpu > grpcCPU && clients < conns && !busy() {
			t.Errorf("FindById costs %.2f times the CPU of REST, promised %.2f", cpu, grpcCPU)
		}
	}
}

// stream reads all users over the service's Stream; messages are not decoded.
func (c *contender) stream(t *testing.T) (messages int, size int64) {
	t.Helper()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", c.key)
	s, err := c.dial(t).NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/mostajs.UserService/Stream", grpc.ForceCodec(bytesCodec{}))
	if err != nil {
		t.Fatal(err)
	}
	var message []byte
	if err := s.SendMsg(&message); err != nil {
		t.Fatal(err)
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for {
		err := s.RecvMsg(&message)
		if errors.Is(err, io.EOF) {
			return messages, size
		}
		if err != nil {
			t.Fatal(err)
		}
		messages++
		size += int64(len(message))
	}
}

// readFlight reads all users over DoGet and looks at each value.
func (c *contender) readFlight(t *testing.T) (read int, sum float64) {
	t.Helper()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", c.key)
	s, err := flight.NewClientFromConn(c.dial(t), nil).DoGet(ctx, &flight.Ticket{Ticket: []byte(`{"entity":"User","op":"stream"}`)})
	if err != nil {
		t.Fatal(err)
	}
	in, err := flight.NewRecordReader(s)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Release()
	for in.Next() {
		batch := in.RecordBatch()
		read += int(batch.NumRows())
		for _, column := range batch.Columns() {
			sum += total(t, column)
		}
	}
	if err := in.Err(); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return read, sum
}

// takeFlight receives all users over DoGet, and decodes nothing: the bytes of the
// batches' bodies, which a reader uses where they lie.
func (c *contender) takeFlight(t *testing.T) (size int64) {
	t.Helper()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", c.key)
	s, err := flight.NewClientFromConn(c.dial(t), nil).DoGet(ctx, &flight.Ticket{Ticket: []byte(`{"entity":"User","op":"stream"}`)})
	if err != nil {
		t.Fatal(err)
	}
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return size
		}
		if err != nil {
			t.Fatal(err)
		}
		size += int64(len(m.DataBody))
	}
}

// TestFlightAgainstJSON streams the same records over gRPC, over Flight and as
// JSON. Only an acceptance run has a million of them and is judged.
func TestFlightAgainstJSON(t *testing.T) {
	judged := os.Getenv("OCTOMESH_ACCEPT") != ""
	n, rounds := 10_000, 1
	if judged {
		n, rounds = 1_000_000, 3
	}
	p, _ := million(t, n)
	seconds := func(f func()) float64 {
		began := time.Now()
		f()
		return time.Since(began).Seconds()
	}
	var ratios, asJSON, asFlight, bodies []float64
	if got, _ := p.stream(t); got != n {
		t.Fatalf("gRPC's Stream gave %d of %d", got, n)
	}
	_, streamPeak := load.Memory(p.pid)
	for range rounds {
		var read, other int
		var sum, same float64
		flightTook := seconds(func() { read, sum = p.readFlight(t) })
		jsonTook := seconds(func() { other, same = p.readJSON(t) })
		if read != n || other != n || sum != same {
			t.Fatalf("%d records of Flight that sum up to %v, %d of JSON to %v; %d were stored", read, sum, other, same, n)
		}
		var size int64
		took := seconds(func() { size = p.takeFlight(t) })
		bodies = append(bodies, float64(size)/took/1e6)
		asFlight, asJSON = append(asFlight, float64(n)/flightTook), append(asJSON, float64(n)/jsonTook)
		ratios = append(ratios, jsonTook/flightTook)
	}
	_, peak := load.Memory(p.pid)
	ratio, body := middle(ratios), middle(bodies)
	figure(map[string]any{
		"rows": n, "rounds": rounds, "json_rows_per_s": middle(asJSON), "flight_rows_per_s": middle(asFlight), "ratio": ratio, "flight_body_mb_per_s": body,
		"grpc_stream_peak_mb": streamPeak >> 20, "peak_mb": peak >> 20,
	})
	if !judged || busy() {
		return
	}
	if ratio < flightRate {
		t.Errorf("Flight gives %.2f times the rows a second of JSON, promised %.0f", ratio, flightRate)
	}
	if peak > grpcPeak {
		t.Errorf("gateway and worker peaked at %d MB, promised %d", peak>>20, grpcPeak>>20)
	}
}

// What Flight promises: records a second as a Go client receives and decodes
// them, against the JSON stream, and records stored a second, against creates
// over REST; and what SQLite promises, MB of columns a second in process.
const (
	flightRate = 4.0
	arrowBody  = 100.0
	putRate    = 3.0
)

// newUser is the n-th record to be stored, as JSON.
func newUser(n int64) string {
	return fmt.Sprintf(`{"email":"new%d@example.com","name":"New %d","age":%d,"active":true,"role":"member","bio":%q,"score":%d.5,"created":"2026-01-02T03:04:05.000Z","updated":"2026-01-02T03:04:05.000Z"}`,
		n, n, 18+n%62, strings.Repeat("lorem ipsu", 10), n%100)
}
