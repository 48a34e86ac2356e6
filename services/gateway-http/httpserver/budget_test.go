package httpserver

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Heads that announce large bodies and then stall must not make the server set
// memory aside without end: beyond the budget large bodies are refused, small
// ones are not, and the budget comes back when the stalled ones go.
func TestBodiesShareABudget(t *testing.T) {
	t.Parallel()
	const large = 900_000
	addr := serve(t, echoMux(), Options{MaxBody: 1 << 20, MaxBodies: 2 << 20, ReadTimeout: time.Minute})
	head := func(how string) string {
		return "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + how + "\r\n\r\n"
	}
	length := func(n int) string { return head(fmt.Sprintf("Content-Length: %d", n)) + strings.Repeat("x", n) }
	chunks := func(n int) string {
		return head("Transfer-Encoding: chunked") + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", n, strings.Repeat("x", n))
	}
	var stalled []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(c, head(fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d", large))); err != nil {
			t.Fatal(err)
		}
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 100 {
			t.Fatalf("%v %v", res, err)
		}
		stalled = append(stalled, c)
	}
	for _, c := range []struct {
		name, raw string
		status    int
	}{
		{"large", length(large), 503},
		{"large in chunks", chunks(large), 503},
		{"small", length(1000), 200},
		{"small in chunks", chunks(1000), 200},
		{"none", get("/api/v1/x"), 200},
		{"over the limit of one", length(2 << 20), 413},
	} {
		res, body := send(t, addr, c.raw)
		if res.StatusCode != c.status {
			t.Errorf("%s: %d %.100s, want %d", c.name, res.StatusCode, body, c.status)
		}
		if c.status == 503 && (!strings.Contains(body, "OVERLOADED") || res.Header.Get("Retry-After") == "") {
			t.Errorf("%s: %v %.100s", c.name, res.Header, body)
		}
	}
	for _, c := range stalled {
		c.Close()
	}
	for late := time.Now().Add(10 * time.Second); ; {
		res, body := send(t, addr, length(large))
		if res.StatusCode == 200 {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("the budget does not come back: %d %.100s", res.StatusCode, body)
		}
	}
}
