package versus

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/octomesh/octomesh/bench/load"
	"github.com/valyala/fasthttp"
)

const (
	subscribers  = 1000
	subscriberKB = 25
)

// audience is a thousand SSE streams of one server, and who makes events for them.
type audience struct {
	*contender
	mark    []byte // what each record holds that is created for them
	conns   []net.Conn
	client  *fasthttp.HostClient
	created int
	got     atomic.Int64
	last    atomic.Int64 // ns since the epoch
	wg      sync.WaitGroup
	kb      float64 // resident memory of one subscriber
}

// gather opens the audience, with the memory settled before and after.
func gather(t *testing.T, c *contender, path string) *audience {
	t.Helper()
	settle := func() { <-time.NewTimer(5 * time.Second).C } // the protocol of the figure
	a := &audience{contender: c, mark: []byte(`@fan.example`), client: &fasthttp.HostClient{Addr: c.addr, MaxConns: 1}}
	t.Cleanup(a.close)
	// The first subscriber brings the code of all into memory; he is not counted.
	a.listen(t, path, nil)
	settle()
	before, _ := load.Memory(c.pid)
	for range subscribers {
		a.listen(t, path, a.mark)
	}
	settle()
	after, _ := load.Memory(c.pid)
	a.kb = float64(after-before) / subscribers / 1000
	return a
}

// listen opens a stream and counts its "data:" lines that hold mark; none if it is
// nil.
func (a *audience) listen(t *testing.T, path string, mark []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", a.addr)
	if err != nil {
		t.Fatal(err)
	}
	a.conns = append(a.conns, conn)
	key := ""
	if a.key != "" {
		key = "X-API-Key: " + a.key + "\r\n"
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n%s\r\n", path, key)
	br := bufio.NewReaderSize(conn, 4096)
	if line, err := br.ReadString('\n'); err != nil || !bytes.Contains([]byte(line), []byte(" 200 ")) {
		t.Fatalf("%s: the stream answered %q, %v", a.name, line, err)
	}
	a.wg.Go(func() { a.count(br, mark) })
}

func (a *audience) count(br *bufio.Reader, mark []byte) {
	for {
		line, err := br.ReadSlice('\n')
		if mark != nil && bytes.HasPrefix(line, []byte("data:")) && bytes.Contains(line, mark) {
			a.got.Add(1)
			a.last.Store(time.Now().UnixNano())
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (a *audience) close() {
	for _, c := range a.conns {
		c.Close()
	}
	a.wg.Wait()
}

// Burst creates back to back for d and waits until all of it is delivered, or
// nothing has come for two seconds. It counts deliveries, up to the last.
func (a *audience) Burst(d time.Duration) (load.Result, error) {
	var failed error
	before, start := a.got.Load(), time.Now()
	r := load.Measure(func() time.Duration { return load.CPU(a.pid) }, func() {
		for time.Since(start) < d && failed == nil {
			failed = a.create()
		}
		a.drain()
	})
	r.Requests = int(a.got.Load() - before)
	r.Wall = time.Duration(a.last.Load() - start.UnixNano())
	return r, failed
}

func (a *audience) create() error {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	a.fill("create")(0, req)
	req.SetHost(a.addr)
	req.SetBody(bytes.Replace(req.Body(), []byte("new0@example.com"), fmt.Appendf(nil, "n%d%s", a.created, a.mark), 1))
	if err := a.client.Do(req, resp); err != nil || resp.StatusCode() != 201 {
		return fmt.Errorf("%s: create %d: %w %d %s", a.name, a.created, err, resp.StatusCode(), resp.Body())
	}
	a.created++
	return nil
}

func (a *audience) drain() {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for quiet := 0; a.missing() > 0 && quiet < 200; quiet++ {
		n := a.got.Load()
		<-tick.C
		if a.got.Load() != n {
			quiet = 0
		}
	}
}

func (a *audience) missing() int64 { return int64(subscribers*a.created) - a.got.Load() }

// TestAgainstFloorFanOut holds deliveries to a thousand SSE subscribers against
// the floor's, whose losses are counted.
func TestAgainstFloorFanOut(t *testing.T) {
	if os.Getenv("OCTOMESH_ACCEPT") == "" {
		t.Skip("skipped: comparison with the floor (go run ./bench/accept house.8)")
	}
	f := gather(t, floor(t, "full"), "/events")
	p := gather(t, product(t, "full"), "/events?entity=User")
	pairs := inTurn(t, p, f)
	ratio := median(pairs, func(x pair) float64 { return x.product.PerSecond() / x.floor.PerSecond() })
	figure(map[string]any{
		"subscribers": subscribers, "pairs": len(pairs), "ratio": round(ratio),
		"cpu_ratio":     round(median(pairs, func(x pair) float64 { return float64(x.product.CPUPer()) / float64(x.floor.CPUPer()) })),
		"product_per_s": rps(pairs, func(x pair) load.Result { return x.product }), "floor_per_s": rps(pairs, func(x pair) load.Result { return x.floor }),
		"product_created": p.created, "floor_created": f.created, "product_missing": p.missing(), "floor_missing": f.missing(),
		"product_kb": round(p.kb), "floor_kb": round(f.kb),
	})
	if n := p.missing(); n != 0 {
		t.Errorf("%d deliveries are missing", n)
	}
	if ratio < 1 {
		t.Errorf("%.2f times the deliveries a second that the floor makes, promised 1", ratio)
	}
	if p.kb > subscriberKB {
		t.Errorf("a subscriber takes %.1f KB, promised %d", p.kb, subscriberKB)
	}
}
