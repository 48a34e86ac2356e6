package octomesh

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	client "github.com/octomesh/octomesh/clients/go"
)

const blobSchema = `[{"name":"Blob","collection":"blobs","fields":{"n":{"type":"integer"},"body":{"type":"text"}}}]`

// memory reads a line of the process's status, in bytes.
func (s *server) memory(name string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Skipf("skipped: memory of a process (needs Linux's /proc)")
	}
	for l := range strings.Lines(string(b)) {
		if f := strings.Fields(l); len(f) > 1 && f[0] == name+":" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// resetPeak makes the kernel forget the peak so far.
func (s *server) resetPeak() {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0); err != nil {
		s.t.Skipf("skipped: peak memory (the kernel does not let it be reset: %v)", err)
	}
}

// TestStreamMemory streams few and many records of 1 KB and compares the peaks
// of the whole process, gateway and worker together.
func TestStreamMemory(t *testing.T) {
	few, many := 10_000, 60_000
	if long() {
		many = 1_000_000
	}
	s := serve(t, schemaFile(t, blobSchema))
	fill(t, s, 0, many)
	if long() {
		// JetStream keeps the ids of the events of two minutes in memory.
		forget := time.NewTimer(130 * time.Second)
		<-forget.C
	}
	s.stop()
	s.start()
	for range 5 { // the collector's rhythm under streaming, not its first cycle
		peak(t, s, few)
	}
	small := peak(t, s, few)
	large := peak(t, s, many)
	figure(map[string]any{"few": few, "many": many, "few_mb": small >> 20, "many_mb": large >> 20, "difference_mb": (large - small) >> 20})
	if large-small > 20<<20 {
		t.Errorf("streaming %d records peaked at %d MB, %d at %d MB: memory is not flat", many, large>>20, few, small>>20)
	}
}

func fill(t *testing.T, s *server, from, to int) {
	t.Helper()
	c, body := s.client(), strings.Repeat("0123456789abcdef", 64)
	for from < to {
		ops := make([]client.Operation, 0, 500)
		for ; from < to && len(ops) < 500; from++ {
			ops = append(ops, client.Operation{Op: "create", Entity: "Blob", Data: map[string]any{"n": from, "body": body}})
		}
		if _, err := c.Transaction(within(t, time.Minute), ops); err != nil {
			t.Fatal(err)
		}
	}
}

// peak streams everything once, counts the lines and returns the peak.
func peak(t *testing.T, s *server, want int) int64 {
	t.Helper()
	s.resetPeak()
	req, err := http.NewRequestWithContext(within(t, 10*time.Minute), http.MethodGet, fmt.Sprintf("http://%s/api/v1/blobs/stream?limit=%d", s.HTTP, want), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", s.Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, r := 0, bufio.NewReaderSize(resp.Body, 256<<10)
	for {
		line, err := r.ReadSlice('\n')
		if len(line) > 0 && line[len(line)-1] == '\n' {
			n++
		}
		if err == io.EOF {
			break
		}
		if err != nil && err != bufio.ErrBufferFull {
			t.Fatal(err)
		}
	}
	if n != want || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d records, want %d (status %d)", n, want, resp.StatusCode)
	}
	return s.memory("VmHWM")
}
