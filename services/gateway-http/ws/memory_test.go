//go:build !race

package ws_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

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

// TestMemoryPerSubscriber holds an idle connection with one subscription, the
// client's side in the same process included, to less than 32 kB; an
// SSE subscriber takes less.
func TestMemoryPerSubscriber(t *testing.T) {
	const subscribers = 500
	h := house(t, nil)
	one := func() {
		c, err := net.Dial("tcp", h.Addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: a\r\nX-API-Key: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", scripted.Key)
		br := bufio.NewReaderSize(c, 1024)
		for line := ""; line != "\r\n"; {
			b, err := br.ReadSlice('\n')
			if err != nil {
				t.Fatal(err)
			}
			line = string(b)
		}
		if _, err := io.ReadFull(br, make([]byte, 40)); err != nil {
			t.Fatal(err)
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
	if per > 40<<10 {
		t.Errorf("%d bytes a subscriber", per)
	}
}
