package stdio_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/services/octomesh/stdio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a scripted /mcp that forgets its sessions when asked to.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	session int
	heard   []string
	streams chan chan string // each GET, to speak on
	hanging chan struct{}    // each request that is answered never
}

func serve(t *testing.T) *server {
	s := &server{streams: make(chan chan string, 8), hanging: make(chan struct{}, 1)}
	s.Server = httptest.NewServer(http.HandlerFunc(s.answer))
	t.Cleanup(s.Close)
	return s
}

func (s *server) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session++
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	id := fmt.Sprintf("s%d", s.session)
	s.heard = append(s.heard, fmt.Sprintf("%s %s %s %s %s%s", r.Method, r.Header.Get("X-API-Key"), r.Header.Get("Mcp-Session-Id"), r.Header.Get("Mcp-Protocol-Version"), r.Header.Get("Last-Event-ID"), b))
	s.mu.Unlock()
	message := string(b)
	if strings.Contains(message, `"initialize"`) {
		w.Header().Set("Mcp-Session-Id", id)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "{\"jsonrpc\":\"2.0\",\"id\":1,\n \"result\":{\"protocolVersion\":\"2025-11-25\"}}")
		return
	}
	if r.Header.Get("Mcp-Session-Id") != id {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	switch {
	case r.Method == http.MethodGet:
		said := make(chan string)
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		select {
		case s.streams <- said:
		case <-r.Context().Done():
			return
		}
		for {
			select {
			case text, ok := <-said:
				if !ok {
					return
				}
				fmt.Fprint(w, text)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	case strings.Contains(message, "hang"):
		s.hanging <- struct{}{}
		<-r.Context().Done()
	case strings.Contains(message, "refuse"):
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32003,"message":"FORBIDDEN: no"}}`)
	case strings.Contains(message, "stream"):
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		fmt.Fprint(w, ": hi\r\nid: 1\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\n", "event: message\ndata: {\"id\":3,\"result\":{}}\n\n")
	case strings.Contains(message, `"id"`):
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":2,"result":{}}`)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

// TestBridge follows a program's whole way: a session, calls, a server that was
// restarted, changes that are told, the end.
func TestBridge(t *testing.T) {
	s := serve(t)
	in, program := io.Pipe()
	out, writer := io.Pipe()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	done := make(chan error, 1)
	go func() {
		b := &stdio.Bridge{URL: s.URL, Key: "k", HTTP: &http.Client{Transport: transport}, In: in, Out: writer, Say: func(string, ...any) {}}
		done <- b.Run(context.Background())
		writer.Close()
	}()
	lines := bufio.NewReader(out)
	say := func(text string, want ...string) {
		t.Helper()
		if text != "" {
			if _, err := io.WriteString(program, text+"\n"); err != nil {
				t.Fatal(err)
			}
		}
		for _, w := range want {
			if got, err := lines.ReadString('\n'); strings.TrimSpace(got) != w {
				t.Fatalf("%s: %s %v, want %s", text, got, err, w)
			}
		}
	}
	say(`{"jsonrpc":"2.0","id":1,"method":"initialize"}`, `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}`)
	say(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	stream := <-s.streams
	stream <- "id: e1\ndata: {\"method\":\"changed\"}\n\n"
	say("", `{"method":"changed"}`)
	say(`{"jsonrpc":"2.0","id":2,"method":"ping"}`, `{"jsonrpc":"2.0","id":2,"result":{}}`)
	say(`{"jsonrpc":"2.0","id":3,"method":"stream"}`, `{"a":1}`, `{"id":3,"result":{}}`)
	say(`{"jsonrpc":"2.0","id":"x","method":"refuse"}`, `{"jsonrpc":"2.0","id":"x","error":{"code":-32003,"message":"FORBIDDEN: no"}}`)
	say(`{`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"PARSE_ERROR: unexpected end of JSON input"}}`)
	say(``)
	close(stream) // the line breaks: the stream resumes
	<-s.streams
	s.forget()
	say(`{"jsonrpc":"2.0","id":2,"method":"ping"}`, `{"jsonrpc":"2.0","id":2,"result":{}}`)
	stream = <-s.streams // that of the new session
	stream <- "data: {\"method\":\"again\"}\n\n"
	say("", `{"method":"again"}`)
	program.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := strings.Join(s.heard, "\n")
	for _, want := range []string{"POST k s0 2025-11-25", "GET k s0 2025-11-25 e1", "POST k s1 2025-11-25", "DELETE k s1 2025-11-25"} {
		if !strings.Contains(all, want) {
			t.Errorf("not heard: %s\n%s", want, all)
		}
	}
}

// Without a server each request is answered with what is wrong.
func TestUnreachable(t *testing.T) {
	s := serve(t)
	url := s.URL
	s.Close()
	var out strings.Builder
	var said strings.Builder
	b := &stdio.Bridge{
		URL: url, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		In: strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"initialize"}` + "\n" + `{"jsonrpc":"2.0","method":"n"}` + "\n"), Out: &out,
		Say: func(format string, args ...any) { fmt.Fprintf(&said, format, args...) },
	}
	if err := b.Run(t.Context()); err != nil {
		t.Error(err)
	}
	if want := `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"UNAVAILABLE: the server at ` + url + ` cannot be reached"}}` + "\n"; out.String() != want || said.Len() == 0 {
		t.Errorf("%s%s", out.String(), said.String())
	}
}

// watched is a client's transport that tells which streams are being read while
// a session is ended.
type watched struct {
	*http.Transport
	reading atomic.Int32
	atEnd   chan int32
}

type watchedBody struct {
	io.ReadCloser
	closed func()
}

func (b watchedBody) Close() error {
	b.closed()
	return b.ReadCloser.Close()
}

func (w *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodDelete {
		w.atEnd <- w.reading.Load()
	}
	res, err := w.Transport.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet {
		w.reading.Add(1)
		res.Body = watchedBody{res.Body, sync.OnceFunc(func() { w.reading.Add(-1) })}
	}
	return res, err
}

// However it ends, the session is ended on the server, after everything else: no
// stream is there any more that would find it gone and open another, and nothing
// is written afterwards.
func TestEnd(t *testing.T) {
	for _, cancelled := range []bool{false, true} {
		s := serve(t)
		in, program := io.Pipe()
		out, writer := io.Pipe()
		w := &watched{Transport: &http.Transport{}, atEnd: make(chan int32, 2)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			b := &stdio.Bridge{URL: s.URL, HTTP: &http.Client{Transport: w}, In: in, Out: writer, Say: func(string, ...any) {}}
			done <- b.Run(ctx)
		}()
		lines := bufio.NewReader(out)
		for _, text := range []string{`{"jsonrpc":"2.0","id":1,"method":"initialize"}`, `{"jsonrpc":"2.0","method":"notifications/initialized"}`} {
			if _, err := io.WriteString(program, text+"\n"); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(text, `"id"`) {
				if _, err := lines.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
		}
		stream := <-s.streams
		stream <- "data: {\"method\":\"changed\"}\n\n"
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if cancelled {
			if _, err := io.WriteString(program, `{"jsonrpc":"2.0","id":2,"method":"hang"}`+"\n"); err != nil {
				t.Fatal(err)
			}
			<-s.hanging
			cancel()
		} else {
			program.Close()
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		select {
		case n := <-w.atEnd:
			if n != 0 {
				t.Errorf("cancelled %v: %d streams were followed when the session ended", cancelled, n)
			}
		default:
			t.Errorf("cancelled %v: the session was not ended", cancelled)
		}
		cancel()
		program.Close()
		w.CloseIdleConnections()
	}
}
