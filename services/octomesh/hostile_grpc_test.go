package octomesh

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// goroutines asks a process for their number.
func goroutines(ctx context.Context, probes string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+probes+"/debug/pprof/goroutine?debug=1", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	n := 0
	_, err = fmt.Sscanf(string(b), "goroutine profile: total %d", &n)
	return n, err
}

// TestHostileGRPC sends what must be refused to a running server, over gRPC,
// Flight and Flight SQL, and then opens a thousand streams and leaves them: each
// call is answered with its code, and nothing stays behind.
func TestHostileGRPC(t *testing.T) {
	probes := "127.0.0.1:" + freePort(t)
	s := serve(t, schemaFile(t, blobSchema), "--metrics-addr", probes)
	fill(t, s, 0, 2000)
	cc, err := grpc.NewClient(s.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(1<<30), grpc.MaxCallRecvMsgSize(1<<30)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	ctx := within(t, callDeadline*3)
	known := metadata.AppendToOutgoingContext(ctx, "x-api-key", s.Key)
	unknown := metadata.AppendToOutgoingContext(ctx, "x-api-key", s.Key[:len(s.Key)-8]+"00000000")
	text := func(field byte, value string) string { // a member of a message
		length := len(value)
		varint := ""
		for ; length >= 0x80; length >>= 7 {
			varint += string([]byte{byte(length) | 0x80})
		}
		return string([]byte{field<<3 | 2}) + varint + string([]byte{byte(length)}) + value
	}
	deep := strings.Repeat(`{"$and":[`, 100) + `{"n":1}` + strings.Repeat(`]}`, 100)
	const service = "/mostajs.BlobService/"
	refused := 0
	call := func(ctx context.Context, method, message string) codes.Code {
		request, reply := []byte(message), []byte(nil)
		err := cc.Invoke(ctx, method, &request, &reply, grpc.ForceCodec(bytesCodec{}))
		if err != nil {
			refused++
		}
		return status.Code(err)
	}
	for _, c := range []struct {
		name, method, message string
		ctx                   context.Context
		want                  codes.Code
	}{
		{"half a field", service + "FindById", "\x0a\x20x", known, codes.InvalidArgument},
		{"an endless number", service + "FindById", strings.Repeat("\xff", 20), known, codes.InvalidArgument},
		{"a wire type that is none", service + "FindById", "\x0f\x01", known, codes.InvalidArgument},
		{"no UTF-8", service + "FindById", text(1, "\xff\xfe"), known, codes.InvalidArgument},
		{"a filter a hundred deep", service + "FindAll", text(1, deep), known, codes.InvalidArgument},
		{"no JSON", service + "FindAll", text(1, `{"n":`), known, codes.InvalidArgument},
		{"an id that is none", service + "FindById", text(1, "../x"), known, codes.InvalidArgument},
		{"40 MB", service + "Create", text(2, strings.Repeat("x", 40<<20)), known, codes.ResourceExhausted},
		{"no key", service + "FindById", text(1, "x"), ctx, codes.Unauthenticated},
		{"another key", service + "FindById", text(1, "x"), unknown, codes.Unauthenticated},
		{"no method", service + "DropTable", "", known, codes.Unimplemented},
		{"no service", "/mostajs.NobodyService/FindAll", "", known, codes.NotFound},
		{"no entity", "/mostajs.EntityService/Execute", text(1, "findAll") + text(2, "Nobody"), known, codes.NotFound},
		{"another project", service + "FindAll", "", metadata.AppendToOutgoingContext(known, "x-project", "nobody"), codes.NotFound},
		{"a project that is a path", service + "FindAll", "", metadata.AppendToOutgoingContext(known, "x-project", "../x"), codes.NotFound},
	} {
		if got := call(c.ctx, c.method, c.message); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	arrow := flight.NewClientFromConn(cc, nil)
	for _, ticket := range []string{"", "{", `{"entity":"Blob","filter":` + deep + `}`, `{"entity":7}`, `[]`, strings.Repeat("[", 1000)} {
		in, err := arrow.DoGet(known, &flight.Ticket{Ticket: []byte(ticket)})
		if err == nil {
			_, err = in.Recv()
		}
		if refused++; status.Code(err) != codes.InvalidArgument {
			t.Errorf("the ticket %.40s: %v", ticket, err)
		}
	}
	sql := &flightsql.Client{Client: arrow}
	for _, query := range []string{
		"", ";", "SELECT", "DROP TABLE blobs", "DELETE FROM blobs", "SELECT * FROM blobs; SELECT 1", "SELECT * FROM sqlite_master", "SELECT * FROM blobs WHERE n = 1 UNION SELECT * FROM blobs",
		"SELECT " + strings.Repeat("(", 100) + "n" + strings.Repeat(")", 100) + "+ FROM blobs", "SELECT * FROM blobs WHERE " + strings.Repeat("NOT (", 100) + "n = 1" + strings.Repeat(")", 100),
		"SELECT load_extension('x') FROM blobs", "SELECT '\x00' FROM blobs", strings.Repeat("SELECT ", 1<<17),
	} {
		_, err := sql.Execute(known, query)
		if refused++; status.Code(err) != codes.InvalidArgument && status.Code(err) != codes.NotFound && status.Code(err) != codes.ResourceExhausted {
			t.Errorf("the query %.60q: %v", query, err)
		}
	}
	// All of it was answered, and what was answered left the server as it was.
	if got := call(known, service+"Count", ""); got != codes.OK {
		t.Errorf("after all that: %s", got)
	}
	before, err := goroutines(ctx, probes)
	if err != nil {
		t.Fatal(err)
	}
	const streams = 1000
	// The first round makes what a busy server keeps: goroutines that wait for
	// work, readers of the database.
	busy, most := leave(t, cc, known, probes, streams, before+streams/5)
	after, _ := leave(t, cc, known, probes, streams, busy+20)
	if got := call(known, service+"Count", ""); got != codes.OK {
		t.Errorf("after two thousand streams: %s", got)
	}
	peak := s.memory("VmHWM")
	figure(map[string]any{"refused": refused, "streams": streams, "goroutines_before": before, "goroutines_with_streams": most, "goroutines_after_once": busy, "goroutines_after_twice": after, "peak_mb": peak >> 20})
	if strings.Contains(s.errs.String(), "panic") {
		t.Error("the server panicked")
	}
}

// leave opens streams of all blobs, reads one message where there is one at once,
// and leaves them all; then it waits until no more goroutines are there than
// limit. It returns how many those are, and how many there were.
func leave(t *testing.T, cc *grpc.ClientConn, known context.Context, probes string, streams, limit int) (after, most int) {
	t.Helper()
	held := make([]context.CancelFunc, streams)
	var opening, ending sync.WaitGroup
	opening.Add(streams)
	began := make(chan struct{}, streams)
	for i := range streams {
		var stream context.Context
		stream, held[i] = context.WithCancel(known)
		ending.Go(func() {
			var message []byte
			one, err := cc.NewStream(stream, &grpc.StreamDesc{ServerStreams: true}, "/mostajs.BlobService/Stream", grpc.ForceCodec(bytesCodec{}))
			if err == nil {
				err = one.SendMsg(&message)
			}
			if err == nil {
				err = one.CloseSend()
			}
			opening.Done()
			if err == nil {
				err = one.RecvMsg(&message)
			}
			if err == nil {
				began <- struct{}{}
				return // and reads no more
			}
			// The others wait for a reader of the database until they are left.
			if c := status.Code(err); c != codes.ResourceExhausted && c != codes.Unavailable && c != codes.Canceled {
				t.Errorf("stream %d: %v", i, err)
			}
		})
	}
	opening.Wait()
	<-began
	most, err := goroutines(known, probes)
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range held {
		end()
	}
	ending.Wait()
	eventually(t, "streams that were left are still there", func(ctx context.Context) error {
		n, err := goroutines(ctx, probes)
		if after = n; err == nil && n > limit {
			err = fmt.Errorf("%d goroutines, %d are expected", n, limit)
		}
		return err
	})
	return after, most
}
