package scripted

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Within runs f and holds it to most processor time of this process. Unlike the
// clock's, it does not grow with what else the machine has to do; nothing else
// may run in the process.
func Within(t *testing.T, most time.Duration, what string, f func()) {
	t.Helper()
	before := processor(t)
	f()
	if took := processor(t) - before; took > most {
		t.Errorf("%s took %v of a processor, over %v", what, took, most)
	}
}

func processor(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// MemoryPer holds each of n subscribers, the client's side in the same process
// included, to most bytes of resident memory. A subscriber is a connection to
// the house that has sent request, whose headers end with Key's and a blank
// line, and has read with greeted what it is greeted with.
func (h *House) MemoryPer(t *testing.T, n, most int, request string, greeted func(*bufio.Reader) error) {
	t.Helper()
	one := func() {
		c, err := net.Dial("tcp", h.Addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "%sX-API-Key: %s\r\n\r\n", request, Key)
		if err := greeted(bufio.NewReaderSize(c, 1024)); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 { // what the first ones need belongs to the server
		one()
	}
	before := resident(t)
	for range n {
		one()
	}
	per := (resident(t) - before) / n
	t.Logf("%d bytes a subscriber", per)
	if per > most {
		t.Errorf("%d bytes a subscriber, over %d", per, most)
	}
}

// resident is the process's resident memory in bytes, after a collection.
func resident(t *testing.T) int {
	runtime.GC()
	debug.FreeOSMemory()
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
