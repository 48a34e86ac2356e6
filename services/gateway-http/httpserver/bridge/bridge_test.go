package bridge_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver/bridge"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// serve answers /x with h; ended receives when h is through.
func serve(t *testing.T, patience time.Duration, h http.HandlerFunc) (addr string, ended chan struct{}, stop func()) {
	t.Helper()
	ended = make(chan struct{}, 4096)
	mux := httpserver.NewMux()
	mux.Mount("x", func(x *httpserver.Exchange) {
		x.SetHeader("X-Ours", "1")
		c, err := bridge.New(x)
		if err != nil {
			x.Fail(err)
			return
		}
		c.Patience = patience
		c.Serve(h, func() { ended <- struct{}{} })
	})
	s := httpserver.New(mux, httpserver.Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		<-done
	}
	t.Cleanup(stop)
	return ln.Addr().String(), ended, stop
}

func dial(t *testing.T, addr, request string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

func read(t *testing.T, in *bufio.Reader) (*http.Response, string) {
	t.Helper()
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// A reply that is not flushed is an ordinary one: the connection stays.
func TestReply(t *testing.T) {
	addr, _, _ := serve(t, time.Minute, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		w.Header().Set("X-Theirs", "a\r\nX-Bad: b")
		w.Header().Add("X-Two", "1")
		w.Header().Add("X-Two", "2")
		w.Header().Set("Connection", "upgrade")
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("X-Late", "1")
		fmt.Fprintf(w, "%s %s %s %s %v %v", r.Method, r.URL.Path, r.Host, r.Header.Get("A"), string(b), local != nil)
	})
	const request = "POST /x/y?q=1 HTTP/1.1\r\nHost: h\r\nA: é\r\nContent-Length: 2\r\n\r\nhi"
	c, in := dial(t, addr, request)
	for range 2 {
		res, body := read(t, in)
		if body != "POST /x/y h é hi true" || res.StatusCode != 418 || res.Close {
			t.Errorf("%d %s %v", res.StatusCode, body, res.Close)
		}
		h := res.Header
		if h.Get("X-Ours") != "1" || strings.Join(h["X-Two"], ",") != "1,2" || h.Get("X-Theirs") != "" || h.Get("X-Bad") != "" || h.Get("X-Late") != "" || h.Get("Connection") != "" {
			t.Errorf("%v", h)
		}
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
	}
}

// What a handler keeps of a request stays what it was.
func TestNothingIsShared(t *testing.T) {
	kept := make(chan *http.Request, 200)
	addr, _, _ := serve(t, time.Minute, func(_ http.ResponseWriter, r *http.Request) { kept <- r })
	c, in := dial(t, addr, "")
	for i := range 200 {
		fmt.Fprintf(c, "GET /x/%d?n=%d HTTP/1.1\r\nHost: h%d\r\nA: %d\r\n\r\n", i, i, i, i)
		read(t, in)
	}
	for i := range 200 {
		r := <-kept
		if want := fmt.Sprintf("/x/%d %d h%d %d", i, i, i, i); fmt.Sprintf("%s %s %s %s", r.URL.Path, r.URL.Query().Get("n"), r.Host, r.Header.Get("A")) != want {
			t.Fatalf("%s became %v %v", want, r.URL, r.Header)
		}
	}
}

// A stream arrives part by part, and its end ends the connection.
func TestStream(t *testing.T) {
	next := make(chan string)
	addr, _, _ := serve(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for s := range next {
			io.WriteString(w, s)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		}
		io.WriteString(w, "last")
	})
	_, in := dial(t, addr, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
	next <- "one\n"
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if h := res.Header; h.Get("Content-Type") != "text/event-stream" || h.Get("X-Ours") != "1" || h.Get("X-Request-Id") == "" || !res.Close {
		t.Errorf("%v", h)
	}
	body := bufio.NewReader(res.Body)
	for _, want := range []string{"one\n", "two\n"} {
		if got, err := body.ReadString('\n'); got != want {
			t.Fatalf("%q %v", got, err)
		}
		if want == "one\n" {
			next <- "two\n"
		}
	}
	close(next)
	if rest, err := io.ReadAll(body); string(rest) != "last" || err != nil {
		t.Errorf("%q %v", rest, err)
	}
}

// The request's context ends when its client goes.
func TestClientGone(t *testing.T) {
	started := make(chan struct{}, 64)
	addr, ended, _ := serve(t, time.Minute, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		started <- struct{}{}
		<-r.Context().Done()
		for { // writes fail from some point on, and never block
			if _, err := w.Write([]byte("x")); err != nil {
				return
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
		}
	})
	for range 50 {
		c, _ := dial(t, addr, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
		<-started
		c.Close()
	}
	for range 50 {
		<-ended
	}
}

// The context ends too when the server stops.
func TestStop(t *testing.T) {
	started := make(chan struct{})
	addr, ended, stop := serve(t, time.Minute, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		close(started)
		<-r.Context().Done()
	})
	dial(t, addr, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
	<-started
	stop()
	<-ended
}

func TestTooLate(t *testing.T) {
	late := make(chan error, 1)
	addr, ended, _ := serve(t, time.Millisecond, func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		late <- http.NewResponseController(w).Flush()
	})
	_, in := dial(t, addr, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
	if res, body := read(t, in); res.StatusCode != 504 || !strings.Contains(body, "TIMEOUT") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if err := <-late; err == nil {
		t.Error("a reply that was given was flushed")
	}
	<-ended
}

func TestPanic(t *testing.T) {
	addr, _, _ := serve(t, time.Minute, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/x/stream" {
			w.(http.Flusher).Flush()
		}
		panic("boo")
	})
	_, in := dial(t, addr, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
	if res, body := read(t, in); res.StatusCode != 500 || strings.Contains(body, "boo") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	_, in = dial(t, addr, "GET /x/stream HTTP/1.1\r\nHost: h\r\n\r\n")
	if res, body := read(t, in); res.StatusCode != 200 || body != "" {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func BenchmarkReply(b *testing.B) {
	// The bridge alone is measured, against what the server does anyway: see
	// BenchmarkCall of the rooms that use it.
	mux := httpserver.NewMux()
	mux.Mount("x", func(x *httpserver.Exchange) {
		c, err := bridge.New(x)
		if err != nil {
			b.Error(err)
			return
		}
		c.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }), nil)
	})
	s := httpserver.New(mux, httpserver.Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	in := bufio.NewReader(c)
	b.ReportAllocs()
	for b.Loop() {
		io.WriteString(c, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
	}
	c.Close()
	if err := s.Shutdown(context.Background()); err != nil {
		b.Error(err)
	}
	<-done
}
