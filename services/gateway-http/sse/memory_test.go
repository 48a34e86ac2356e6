//go:build !race

package sse_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// resident is the process's resident memory in bytes.
func resident(t testing.TB) int {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("skipped: resident memory is read from /proc (run it on Linux)")
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// TestMemoryPerSubscriber holds an idle subscriber, the client's side in the
// same process included, to less than 25 kB.
func TestMemoryPerSubscriber(t *testing.T) {
	const subscribers = 1000
	h := house(t, time.Minute, 5*time.Second)
	one := func() {
		c, err := net.Dial("tcp", h.Addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "GET /events HTTP/1.1\r\nHost: a\r\nX-API-Key: %s\r\n\r\n", scripted.Key)
		br := bufio.NewReaderSize(c, 1024)
		for {
			line, err := br.ReadSlice('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(string(line), "data: ") {
				return
			}
		}
	}
	for range 20 {
		one()
	}
	runtime.GC()
	debug.FreeOSMemory()
	before := resident(t)
	for range subscribers {
		one()
	}
	runtime.GC()
	debug.FreeOSMemory()
	per := (resident(t) - before) / subscribers
	t.Logf("%d bytes a subscriber", per)
	if per > 25<<10 {
		t.Errorf("%d bytes a subscriber", per)
	}
}
