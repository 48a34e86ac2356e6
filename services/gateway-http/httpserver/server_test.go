package httpserver

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/fault"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, // fasthttp's own: they end some time after the server, or never
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// lockedBuffer collects log lines of several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve runs a server and returns its address.
func serve(t *testing.T, m *Mux, o Options) string {
	t.Helper()
	s := New(m, o)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// send writes raw bytes and reads one response.
func send(t *testing.T, addr, raw string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	go func() { _, _ = io.WriteString(c, raw) }()
	req := &http.Request{Method: strings.SplitN(raw, " ", 2)[0]}
	res, err := http.ReadResponse(bufio.NewReader(c), req)
	if err != nil {
		t.Fatalf("no response to %.60q: %v", raw, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("the body of the response to %.60q: %v", raw, err)
	}
	res.Body.Close()
	return res, string(body)
}

func echoMux() *Mux {
	m := NewMux()
	m.ScopedBelow("api", "v1", func(x *Exchange) {
		x.JSON(200, fmt.Appendf(nil, `{"path":%q,"project":%q,"len":%d}`, strings.Join(x.Segments, "|"), x.Project, len(x.Body())))
	})
	m.Scoped("ws", func(x *Exchange) { x.JSON(200, []byte(`"ws of `+x.Project+`"`)) })
	m.Mount("panic", func(*Exchange) { panic("secret text") })
	m.Mount("fail", func(x *Exchange) { x.Fail(errors.New("pq: secret")) })
	m.Mount("busy", func(x *Exchange) { x.Fail(fault.New(fault.Overloaded, "wait").After(2500 * time.Millisecond)) })
	m.Mount("deadline", func(x *Exchange) {
		<-x.Context().Done()
		x.Fail(x.Context().Err())
	})
	return m
}

func get(path string, headers ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + strings.Join(append(headers, ""), "\r\n") + "Connection: close\r\n\r\n"
}

func TestScenarios(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	addr := serve(t, echoMux(), Options{
		MaxBody: 1000, RequestTimeout: 50 * time.Millisecond,
		Log: slog.New(slog.NewJSONHandler(&log, nil)), Origins: []string{"https://app.example"},
	})
	hasty := serve(t, echoMux(), Options{ReadTimeout: time.Second})
	bad := "INVALID_REQUEST"
	for _, c := range []struct {
		name, raw string
		status    int
		want      string
		header    string
	}{
		{"plain", get("/api/v1/users"), 200, `"api|v1|users"`, ""},
		{"trailing slash", get("/api/v1/users/"), 200, `"api|v1|users"`, ""},
		{"escaped id", get("/api/v1/users/a%40b%3A1"), 200, `"api|v1|users|a@b:1"`, ""},
		{"escaped once", get("/api/v1/users/%252e%252e"), 200, `"api|v1|users|%2e%2e"`, ""},
		{"utf-8", get("/api/v1/%C3%A9"), 200, `"api|v1|é"`, ""},
		{"absolute form", get("http://a/api/v1/users?x=1"), 200, `"api|v1|users"`, ""},
		{"project", get("/shop/ws"), 200, `ws of shop`, ""},
		{"project of an api", get("/shop/api/v1/users"), 200, `"project":"shop"`, ""},
		{"not scoped", get("/shop/panic"), 404, "NOT_FOUND", ""},
		{"unknown", get("/nothing"), 404, "NOT_FOUND", ""},
		{"below api", get("/api/v2/users"), 404, "NOT_FOUND", ""},
		{"root", get("/"), 404, "NOT_FOUND", ""},
		{"encoded slash", get("/api/v1/a%2fb"), 400, bad, ""},
		{"encoded backslash", get("/api/v1/a%5cb"), 400, bad, ""},
		{"backslash", get(`/api/v1/a\b`), 400, bad, ""},
		{"dots", get("/api/v1/../../panic"), 400, bad, ""},
		{"encoded dots", get("/api/v1/%2e%2e/x"), 400, bad, ""},
		{"dot", get("/api/./v1"), 400, bad, ""},
		{"empty segment", get("/api//v1/users"), 400, bad, ""},
		{"NUL", get("/api/v1/a%00"), 400, bad, ""},
		{"CRLF", get("/api/v1/a%0d%0aX:1"), 400, bad, ""},
		{"bad escape", get("/api/v1/%zz"), 400, bad, ""},
		{"cut escape", get("/api/v1/%4"), 400, bad, ""},
		{"bad UTF-8", get("/api/v1/%ff"), 400, bad, ""},
		{"long path", get("/api/v1/" + strings.Repeat("a/", 12)), 400, bad, ""},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 400, bad, ""},
		{"no host", "GET /api/v1/x HTTP/1.1\r\nConnection: close\r\n\r\n", 400, bad, ""},
		{"no HTTP", "hello\r\n\r\n", 400, bad, ""},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, bad, ""},
		{"two lengths", "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, bad, ""},
		{"length and chunks", "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, bad, ""},
		{"chunks and length", "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\ncontent-LENGTH: 5\r\n\r\n0\r\n\r\n", 400, bad, ""},
		{"chunks", "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200, `"len":3`, ""},
		{"negative length", "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400, bad, ""},
		{"large body", "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n" + strings.Repeat("x", 2000000), 413, "PAYLOAD_TOO_LARGE", ""},
		{"large chunks", "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + strings.Repeat("x", 2000) + "\r\n0\r\n\r\n", 413, "PAYLOAD_TOO_LARGE", ""},
		{"body at the limit", "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n" + strings.Repeat("x", 1000), 200, `"len":1000`, ""},
		{"large headers", get("/api/v1/x", "X-Big: "+strings.Repeat("x", 20000)), 431, "PAYLOAD_TOO_LARGE", ""},
		{"many headers", get("/api/v1/x", strings.Repeat("X-A: b\r\n", 3000)+"X-B: c"), 431, "PAYLOAD_TOO_LARGE", ""},
		{"two keys", get("/api/v1/x", "X-API-Key: a", "X-Api-Key: b"), 400, bad, ""},
		{"two authorizations", get("/api/v1/x", "Authorization: Bearer a", "authorization: Bearer b"), 400, bad, ""},
		{"two projects", get("/api/v1/x", "X-Project: a", "X-PROJECT: b"), 400, bad, ""},
		{"two idempotency keys", get("/api/v1/x", "Idempotency-Key: a", "Idempotency-Key: b"), 400, bad, ""},
		{"one project twice", get("/api/v1/x", "X-Project: a", "X-Project: a"), 200, "x", ""},
		{"two lengths alike", "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", 400, bad, ""},
		{"length with a sign", "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\nab", 400, bad, ""},
		{"length as a list", "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\nab", 400, bad, ""},
		{"unknown coding", "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, bad, ""},
		{"chunks with bare line feeds", "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\n0\n\n", 400, bad, ""},
		{"chunk of negative size", "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n", 400, bad, ""},
		{"chunk of huge size", "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nab\r\n0\r\n\r\n", 400, bad, ""},
		{"space before a colon", get("/api/v1/x", "X-Project : a"), 400, bad, ""},
		{"NUL in a header", get("/api/v1/x", "X-A: a\x00b"), 400, bad, ""},
		{"carriage return in a header", get("/api/v1/x", "X-A: a\rX-Project: b"), 400, bad, ""},
		{"two hosts", get("/api/v1/x", "Host: b"), 400, bad, ""},
		{"slow header", "GET /api/v1/x HTTP/1.1\r\nHo", 408, "TIMEOUT", ""},
		{"slow body", "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", 408, "TIMEOUT", ""},
		{"panic", get("/panic"), 500, "INTERNAL", ""},
		{"uncoded error", get("/fail"), 500, "INTERNAL", ""},
		{"busy", get("/busy"), 503, "OVERLOADED", "Retry-After: 3"},
		{"deadline", get("/deadline"), 504, "TIMEOUT", "Retry-After: 1"},
		{"request id", get("/api/v1/x", "X-Request-Id: abc-1"), 200, "x", "X-Request-Id: abc-1"},
		{"request id of an error", get("/nothing", "X-Request-Id: abc-2"), 404, "", "X-Request-Id: abc-2"},
		{"no origin", get("/api/v1/x"), 200, "x", "Access-Control-Allow-Origin: "},
		{"origin", get("/api/v1/x", "Origin: https://app.example"), 200, "x", "Access-Control-Allow-Origin: https://app.example"},
		{"origin of an error", get("/nothing", "Origin: https://app.example"), 404, "", "Access-Control-Allow-Origin: https://app.example"},
		{"other origin", get("/api/v1/x", "Origin: https://evil.example"), 200, "x", "Access-Control-Allow-Origin: "},
		{"preflight", "OPTIONS /api/v1/x HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: PUT\r\nConnection: close\r\n\r\n", 204, "", "Access-Control-Max-Age: 600"},
		{"preflight of another", "OPTIONS /api/v1/x HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: PUT\r\nConnection: close\r\n\r\n", 204, "", "Access-Control-Allow-Methods: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			at := addr
			if c.status == http.StatusRequestTimeout {
				at = hasty
			}
			res, body := send(t, at, c.raw)
			if res.StatusCode != c.status || !strings.Contains(body, c.want) {
				t.Fatalf("%d %s, want %d %s", res.StatusCode, body, c.status, c.want)
			}
			if name, value, ok := strings.Cut(c.header, ": "); ok && res.Header.Get(name) != value {
				t.Errorf("%s: %q, want %q", name, res.Header.Get(name), value)
			}
			id := res.Header.Get("X-Request-Id")
			if id == "" {
				t.Error("no X-Request-Id")
			}
			if c.status >= 400 {
				var reply struct{ Status string }
				if err := json.Unmarshal([]byte(body), &reply); err != nil || reply.Status != "error" {
					t.Errorf("%q is no error body", body)
				}
			}
			if c.status == 500 {
				if strings.Contains(body, "secret") || !strings.Contains(body, id) {
					t.Errorf("an internal error must show the request id %s and no cause: %s", id, body)
				}
				if l := log.String(); !strings.Contains(l, "secret") || !strings.Contains(l, id) {
					t.Errorf("the log lacks the cause: %s", l)
				}
			}
		})
	}
}

// A file goes packed to who takes it so, and not at all to who has it.
func TestFiles(t *testing.T) {
	text := strings.Repeat("let a = 1;\n", 100)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	files := Files(fstest.MapFS{"a.js.gz": {Data: packed.Bytes()}, "b.css": {Data: []byte("b{}")}})
	m := NewMux()
	m.Scoped("page", func(x *Exchange) {
		if len(x.Segments) == 1 && !x.WithoutSlash() {
			x.File(files["b.css"], "default-src 'none'")
		} else if len(x.Segments) == 2 {
			x.File(files[x.Segments[1]], "default-src 'none'")
		}
	})
	at := "http://" + serve(t, m, Options{})
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	tag := ""
	for _, c := range []struct {
		path, header, value string
		status              int
		body                string
	}{
		{"/page/a.js", "", "", 200, text},
		{"/page/a.js", "Accept-Encoding", "br, gzip", 200, packed.String()},
		{"/page/a.js", "If-None-Match", "", 304, ""},
		{"/page", "", "", 200, "b{}"},
		{"/page/", "", "", 301, ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.header == "If-None-Match" {
			c.value = tag
		}
		if c.header != "" {
			req.Header.Set(c.header, c.value)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		tag = resp.Header.Get("ETag")
		if resp.StatusCode != c.status || string(body) != c.body {
			t.Errorf("GET %s %s: %d %.60q", c.path, c.header, resp.StatusCode, body)
		}
		if got := resp.Header.Get("Content-Security-Policy"); c.status == 200 && got != "default-src 'none'" {
			t.Errorf("GET %s: the policy is %q", c.path, got)
		}
	}
}

func TestHostileRequestIDIsReplaced(t *testing.T) {
	t.Parallel()
	addr := serve(t, echoMux(), Options{})
	for _, id := range []string{strings.Repeat("x", 129), "a b", "\xff"} {
		res, _ := send(t, addr, get("/api/v1/x", "X-Request-Id: "+id))
		if got := res.Header.Get("X-Request-Id"); got == id || len(got) != 36 {
			t.Errorf("%q became %q", id, got)
		}
	}
}

func TestKeepAliveAndHead(t *testing.T) {
	t.Parallel()
	addr := serve(t, echoMux(), Options{})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	br := bufio.NewReader(c)
	for _, method := range []string{"GET", "HEAD", "GET"} {
		fmt.Fprintf(c, "%s /api/v1/x HTTP/1.1\r\nHost: a\r\n\r\n", method)
		res, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		if res.StatusCode != 200 || (len(b) == 0) != (method == "HEAD") || res.ContentLength == 0 {
			t.Fatalf("%s: %d %q %d", method, res.StatusCode, b, res.ContentLength)
		}
	}
}

func TestShutdownEndsStreams(t *testing.T) {
	t.Parallel()
	m := NewMux()
	up := make(chan struct{})
	m.Mount("stream", func(x *Exchange) {
		stopping := x.Stopping()
		err := x.Hijack(func(_ context.Context, c net.Conn) {
			_, _ = io.WriteString(c, "hello\n")
			close(up)
			<-stopping
			_, _ = io.WriteString(c, "bye\n")
		}, nil)
		if err != nil {
			t.Error(err)
		}
	})
	s := New(m, Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
	<-up
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil || string(b) != "hello\nbye\n" {
		t.Fatalf("%q %v", b, err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
}

// TestBrokenBeforeTheStream: a client that resets the connection at the wrong
// moment leaves nothing behind, and Shutdown, at the end of the test, does not
// wait for it.
func TestBrokenBeforeTheStream(t *testing.T) {
	t.Parallel()
	var opened, closed atomic.Int64
	m := NewMux()
	m.Mount("livez", func(x *Exchange) { x.JSON(200, []byte(`"ok"`)) })
	m.Mount("stream", func(x *Exchange) {
		opened.Add(1)
		_ = x.Hijack(func(_ context.Context, c net.Conn) {
			defer closed.Add(1)
			_, _ = io.Copy(io.Discard, c)
		}, func() { closed.Add(1) })
	})
	addr := serve(t, m, Options{})
	for range 100 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, strings.Repeat("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n", 20)+"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	for end := time.Now().Add(time.Minute); opened.Load() != closed.Load(); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d opened, %d closed", opened.Load(), closed.Load())
		}
	}
}

func TestPanicInAStreamIsLogged(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	m := NewMux()
	m.Mount("stream", func(x *Exchange) {
		_ = x.Hijack(func(context.Context, net.Conn) { panic("oh") }, nil)
	})
	addr := serve(t, m, Options{Log: slog.New(slog.NewJSONHandler(&log, nil))})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, err := io.ReadAll(c); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "oh") {
		t.Fatal("the panic is not logged")
	}
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{"/", "/a/b", "/a%2fb", "/%2e%2e/", "/a//b", "/%C3%A9", "/%", "*"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, path []byte) {
		segments, _, err := split(nil, nil, path)
		if err != nil {
			if fault.CodeOf(err) != fault.InvalidRequest {
				t.Fatal(err)
			}
			return
		}
		for _, s := range segments {
			if s == "" || s == "." || s == ".." || strings.ContainsAny(s, "/\\\x00\r\n") {
				t.Fatalf("%q has the segment %q", path, s)
			}
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	path := []byte("/api/v1/products/0192f3c1-7d1b-7c3a-9f10-aabbccddeeff")
	var room [maxSegments]string
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := split(room[:0], nil, path); err != nil {
			b.Fatal(err)
		}
	}
}
