package versus

import (
	"bufio"
	"bytes"
	"context"
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
	fanCreates   = 300
	subscriberKB = 25
)

// audience is a thousand SSE streams of one server.
type audience struct {
	conns []net.Conn
	got   atomic.Int64
	last  atomic.Int64 // ns since the epoch
	wg    sync.WaitGroup
}

// listen opens the streams and begins to count "data:" lines that hold mark.
func listen(t *testing.T, c *contender, path string, mark []byte, n int) *audience {
	t.Helper()
	a := &audience{}
	for range n {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			t.Fatal(err)
		}
		a.conns = append(a.conns, conn)
		key := ""
		if c.key != "" {
			key = "X-API-Key: " + c.key + "\r\n"
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n%s\r\n", path, key)
		br := bufio.NewReaderSize(conn, 4096)
		if line, err := br.ReadString('\n'); err != nil || !bytes.Contains([]byte(line), []byte(" 200 ")) {
			t.Fatalf("%s: the stream answered %q, %v", c.name, line, err)
		}
		a.wg.Go(func() { a.count(br, mark) })
	}
	t.Cleanup(a.close)
	return a
}

func (a *audience) count(br *bufio.Reader, mark []byte) {
	for {
		line, err := br.ReadSlice('\n')
		if bytes.HasPrefix(line, []byte("data:")) && bytes.Contains(line, mark) {
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

// fan is what one server made of the creates.
type fan struct {
	perSecond float64
	missing   int64
	kb        float64 // resident memory of one subscriber
}

// measure opens the audience, waits until memory has settled, and creates back
// to back.
func measure(t *testing.T, c *contender, path string) fan {
	t.Helper()
	settle := func() { <-time.NewTimer(5 * time.Second).C } // the protocol of the figure
	// The first subscriber brings the code of all into memory; he is not counted.
	listen(t, c, path, nil, 1)
	settle()
	before, _ := load.Memory(c.pid)
	a := listen(t, c, path, []byte(`@fan.example`), subscribers)
	settle()
	after, _ := load.Memory(c.pid)
	client := &fasthttp.HostClient{Addr: c.addr, MaxConns: 1}
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	fill := c.fill("create")
	first := time.Now()
	for i := range fanCreates {
		req.Reset()
		fill(0, req)
		req.SetHost(c.addr)
		req.SetBody(bytes.Replace(req.Body(), []byte("new0@example.com"), fmt.Appendf(nil, "n%d@fan.example", i), 1))
		if err := client.Do(req, resp); err != nil || resp.StatusCode() != 201 {
			t.Fatalf("%s: create %d: %v %d %s", c.name, i, err, resp.StatusCode(), resp.Body())
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	const want = subscribers * fanCreates
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for quiet := 0; a.got.Load() < want && ctx.Err() == nil && quiet < 200; quiet++ {
		n := a.got.Load()
		<-tick.C
		if a.got.Load() != n {
			quiet = 0
		}
	}
	took := time.Duration(a.last.Load() - first.UnixNano())
	return fan{perSecond: float64(a.got.Load()) / took.Seconds(), missing: want - a.got.Load(), kb: float64(after-before) / subscribers / 1000}
}

// TestAgainstFloorFanOut holds deliveries to a thousand SSE subscribers against
// the floor's, whose losses are counted.
func TestAgainstFloorFanOut(t *testing.T) {
	if os.Getenv("OCTOMESH_ACCEPT") == "" {
		t.Skip("skipped: comparison with the floor (go run ./bench/accept house.8)")
	}
	var f, p fan
	t.Run("floor", func(t *testing.T) { f = measure(t, floor(t, "full"), "/events") })
	t.Run("product", func(t *testing.T) { p = measure(t, product(t, "full"), "/events?entity=User") })
	figure(map[string]any{
		"subscribers": subscribers, "creates": fanCreates, "product_per_s": round(p.perSecond), "floor_per_s": round(f.perSecond),
		"ratio": round(p.perSecond / f.perSecond), "product_missing": p.missing, "floor_missing": f.missing, "product_kb": round(p.kb), "floor_kb": round(f.kb),
	})
	if p.missing != 0 {
		t.Errorf("%d deliveries are missing", p.missing)
	}
	if p.perSecond < f.perSecond {
		t.Errorf("%.0f deliveries a second, the floor makes %.0f", p.perSecond, f.perSecond)
	}
	if p.kb > subscriberKB {
		t.Errorf("a subscriber takes %.1f KB, promised %d", p.kb, subscriberKB)
	}
}
