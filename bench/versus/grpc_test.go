package versus

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"

	"github.com/octomesh/octomesh/bench/load"
)

// grpcCPU is what a unary FindById may cost beside REST's GET of the record, in
// CPU of the server.
const grpcCPU = 1.3

// TestGRPCFindByID holds FindById against REST's GET in the same server and the
// same sitting: 64 calls at a time on the connections of four clients.
func TestGRPCFindByID(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: a server (go test without -short)")
	}
	p := product(t, "full")
	g := newGRPC(t, p)
	if err := g.find(0); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("OCTOMESH_ACCEPT") == "" {
		return
	}
	rest := &load.Load{Addr: p.addr, PID: p.pid, Conns: conns, Status: 200, Request: func(n int64, r *fasthttp.Request) {
		r.Header.Set("X-API-Key", p.key)
		r.SetRequestURI(fmt.Sprintf("/api/v1/users/u%05d", n%rows+1))
	}}
	quiet := os.Getenv("OCTOMESH_BUSY") == "" // a busy machine gives figures to compare, and no judgement
	var pairs []pair
	for tries := 0; len(pairs) < bursts && tries < 3*bursts; tries++ {
		f, err := rest.Burst(burst)
		if err != nil {
			t.Fatal(err)
		}
		x := pair{floor: f, product: g.burst(t, burst)}
		if tries > 0 && (!quiet || max(x.floor.Others, x.product.Others) <= others) {
			pairs = append(pairs, x)
		}
	}
	if len(pairs) < bursts {
		t.Fatalf("the machine is too busy: only %d quiet pairs", len(pairs))
	}
	cpu := median(pairs, func(x pair) float64 { return float64(x.product.CPUPer()) / float64(x.floor.CPUPer()) })
	figure(map[string]any{
		"door": "grpc FindById", "conns": conns, "pairs": len(pairs), "cpu_ratio": round(cpu), "promised": grpcCPU,
		"door_us": micros(pairs, func(x pair) load.Result { return x.product }), "rest_us": micros(pairs, func(x pair) load.Result { return x.floor }),
		"door_rps": rps(pairs, func(x pair) load.Result { return x.product }), "rest_rps": rps(pairs, func(x pair) load.Result { return x.floor }),
	})
	if cpu > grpcCPU && quiet {
		t.Errorf("FindById costs %.2f times the CPU of REST, promised %.2f", cpu, grpcCPU)
	}
}

// grpcClients are four connections, as of four clients.
type grpcClients struct {
	p    *contender
	cc   []*grpc.ClientConn
	ctx  context.Context
	sent atomic.Int64
}

func newGRPC(t *testing.T, p *contender) *grpcClients {
	g := &grpcClients{p: p, ctx: metadata.AppendToOutgoingContext(t.Context(), "x-api-key", p.key)}
	for range 4 {
		cc, err := grpc.NewClient(p.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(bytesCodec{})))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cc.Close() })
		g.cc = append(g.cc, cc)
	}
	return g
}

func (g *grpcClients) find(n int64) error {
	id := fmt.Sprintf("u%05d", n%rows+1)
	in := append([]byte{1<<3 | 2, byte(len(id))}, id...)
	var out []byte
	if err := g.cc[n%int64(len(g.cc))].Invoke(g.ctx, "/mostajs.UserService/FindById", in, &out); err != nil {
		return err
	}
	if !strings.Contains(string(out), id) {
		return fmt.Errorf("%q has not %s", out, id)
	}
	return nil
}

func (g *grpcClients) burst(t *testing.T, d time.Duration) load.Result {
	t.Helper()
	var res load.Result
	var mu sync.Mutex
	var work sync.WaitGroup
	cpu, busy, self, start := load.CPU(g.p.pid), load.Busy(), load.CPU(os.Getpid()), time.Now()
	for range conns {
		work.Go(func() {
			var took []time.Duration
			for {
				began := time.Now()
				if began.Sub(start) > d {
					break
				}
				if err := g.find(g.sent.Add(1)); err != nil {
					t.Error(err)
					break
				}
				took = append(took, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			res.Latency = append(res.Latency, took...)
		})
	}
	work.Wait()
	res.Wall, res.CPU = time.Since(start), load.CPU(g.p.pid)-cpu
	res.Others = (load.Busy() - busy - res.CPU - (load.CPU(os.Getpid()) - self)).Seconds() / res.Wall.Seconds()
	res.Requests = len(res.Latency)
	slices.Sort(res.Latency)
	return res
}

// bytesCodec sends and receives messages as their bytes.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }

func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (bytesCodec) Unmarshal(b mem.BufferSlice, v any) error {
	*v.(*[]byte) = b.Materialize()
	return nil
}
