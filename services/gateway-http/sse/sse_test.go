package sse_test

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

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/sse"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func house(t testing.TB, comment, patience time.Duration) *scripted.House {
	o := httpserver.Options{Origins: []string{"https://app.example"}}
	return scripted.New(t, o, func(h *scripted.House, m *httpserver.Mux) {
		s := sse.New(h.Door, h.Hub)
		s.Comment, s.Patience = comment, patience
		s.Mount(m)
	})
}

// client is an open stream.
type client struct {
	t   testing.TB
	res *http.Response
	br  *bufio.Reader
}

func open(t testing.TB, h *scripted.House, query string, headers ...string) *client {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+h.Addr+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range headers {
		name, value, _ := strings.Cut(s, ": ")
		req.Header.Set(name, value)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return &client{t, res, bufio.NewReader(res.Body)}
}

// frame reads up to the next blank line, without what has no event or data.
func (c *client) frame() string {
	c.t.Helper()
	var lines []string
	for {
		line, err := c.br.ReadString('\n')
		if err != nil {
			c.t.Fatalf("the stream ended: %v after %q", err, lines)
		}
		if line = strings.TrimSuffix(line, "\n"); line != "" {
			lines = append(lines, line)
			continue
		}
		return strings.Join(lines, "\n")
	}
}

func (c *client) want(frame string) {
	c.t.Helper()
	if got := c.frame(); got != frame {
		c.t.Fatalf("got  %q\nwant %q", got, frame)
	}
}

func (c *client) greeted() *client {
	c.t.Helper()
	if c.res.StatusCode != 200 {
		b, _ := io.ReadAll(c.res.Body)
		c.t.Fatalf("%d %s", c.res.StatusCode, b)
	}
	if got := c.frame(); got != "retry: 1000\n:ok" {
		c.t.Fatalf("the stream begins with %q", got)
	}
	if got := c.frame(); !strings.Contains(got, "event: connected\ndata: {\"entities\":[\"Product\",\"Maker\"],\"connectedAt\":\"") {
		c.t.Fatalf("%q", got)
	}
	return c
}

func made(seq int64) event.Event {
	return event.Event{
		Type: "created", Entity: "Product", ID: "1", Position: mesh.Position{Epoch: "e", Seq: seq},
		JSON: fmt.Appendf(nil, `{"type":"event","event":"entity.created","entity":"Product","id":"1","position":"e-%d"}`, seq),
	}
}

func frameOf(seq int64) string {
	return fmt.Sprintf("id: e-%d\nevent: entity.created\ndata: %s", seq, made(seq).JSON)
}

func TestEventsFlow(t *testing.T) {
	h := house(t, time.Minute, 5*time.Second)
	c := open(t, h, "/events?entity=Product,%20Maker&filter=%7B%22price%22%3A1%7D", "X-API-Key: "+scripted.Key, "Origin: https://app.example").greeted()
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no",
		"Access-Control-Allow-Origin": "https://app.example", "Content-Length": "",
	} {
		if got := c.res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if c.res.Header.Get("X-Request-Id") == "" {
		t.Error("no X-Request-Id")
	}
	sub := h.Feed.LastSub()
	if sub.Project != "default" || strings.Join(sub.Entities, "|") != "Product|Maker" || string(sub.Filter) != `{"price":1}` || sub.Transport != "sse" || sub.Principal.ID != "k:AAAAAAAA" || !sub.From.IsZero() {
		t.Errorf("%+v", sub)
	}
	for seq := int64(8); seq < 20; seq++ {
		h.Feed.Publish(made(seq), 100)
	}
	for seq := int64(8); seq < 20; seq++ {
		c.want(frameOf(seq))
	}
	h.Feed.Publish(event.Event{Type: event.Gap, Position: mesh.Position{Epoch: "f", Seq: 1}}, 100)
	c.want("id: f-1\nevent: gap\ndata: {\"type\":\"gap\",\"position\":\"f-1\"}")
}

func TestCredentialsAndProjects(t *testing.T) {
	h := house(t, time.Minute, 5*time.Second)
	for _, c := range []struct {
		query, header string
		status        int
		code          fault.Code
		project       string
	}{
		{"/events", "", 401, fault.Unauthorized, ""},
		{"/events?apikey=" + scripted.Key, "", 200, "", "default"},
		{"/events?api_key=" + scripted.Reader, "", 200, "", "default"},
		{"/events?ticket=" + scripted.Ticket, "", 200, "", "default"},
		{"/events?ticket=wrong", "", 401, fault.Unauthorized, ""},
		{"/shop/events", "X-API-Key: " + scripted.Key, 200, "", "shop"},
		{"/events?project=shop", "X-API-Key: " + scripted.Key, 200, "", "shop"},
		{"/events", "X-Project: shop", 401, fault.Unauthorized, ""},
		{"/events?project=shop", "X-API-Key: " + scripted.Reader, 403, fault.Forbidden, ""},
		{"/events?project=nothing", "X-API-Key: " + scripted.Key, 404, fault.UnknownProject, ""},
		{"/events?position=x", "X-API-Key: " + scripted.Key, 400, fault.InvalidRequest, ""},
		{"/events?entity=" + strings.Repeat("a,", 300), "X-API-Key: " + scripted.Key, 400, fault.InvalidRequest, ""},
		{"/events?entity=Product&entity=Maker", "X-API-Key: " + scripted.Key, 400, fault.InvalidRequest, ""},
		{"/events?entity=Product&filter=&filter={}", "X-API-Key: " + scripted.Key, 400, fault.InvalidRequest, ""},
		{"/events?position=e-1&position=e-2", "X-API-Key: " + scripted.Key, 400, fault.InvalidRequest, ""},
		{"/events?project=default&project=shop", "X-API-Key: " + scripted.Key, 400, fault.InvalidRequest, ""},
		{"/events/x", "X-API-Key: " + scripted.Key, 404, fault.NotFound, ""},
	} {
		var headers []string
		if c.header != "" {
			headers = []string{c.header}
		}
		o := open(t, h, c.query, headers...)
		if c.status == 200 {
			o.greeted()
			if got := h.Feed.LastSub().Project; got != c.project {
				t.Errorf("%s: project %s", c.query, got)
			}
			continue
		}
		b, _ := io.ReadAll(o.res.Body)
		if got := fault.ParseReply(b).Code; o.res.StatusCode != c.status || got != c.code {
			t.Errorf("%s %s: %d %s, want %d %s", c.query, c.header, o.res.StatusCode, b, c.status, c.code)
		}
	}
	for _, method := range []string{"POST", "HEAD"} {
		req, _ := http.NewRequestWithContext(t.Context(), method, "http://"+h.Addr+"/events", nil)
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 405 || res.Header.Get("Allow") != "GET, OPTIONS" {
			t.Errorf("%s: %d", method, res.StatusCode)
		}
	}
}

func TestResume(t *testing.T) {
	h := house(t, time.Minute, 5*time.Second)
	open(t, h, "/events?position=e-3", "X-API-Key: "+scripted.Key, "Last-Event-ID: e-5").greeted()
	if from := h.Feed.LastSub().From; from != (mesh.Position{Epoch: "e", Seq: 5}) {
		t.Errorf("Last-Event-ID goes first: %v", from)
	}
	h.Feed.Gap = true
	c := open(t, h, "/events?position=e-3", "X-API-Key: "+scripted.Key).greeted()
	c.want("id: e-7\nevent: gap\ndata: {\"type\":\"gap\",\"position\":\"e-7\"}")
}

// At any status but 200 a browser's EventSource never comes back, so what passes
// is told to one that reconnects as a stream that ends.
func TestReconnectingBrowserIsToldToComeAgain(t *testing.T) {
	h := house(t, time.Minute, 5*time.Second)
	ask := func(headers ...string) (int, string, string) {
		t.Helper()
		c := open(t, h, "/events", append(headers, "X-API-Key: "+scripted.Key)...)
		b, err := io.ReadAll(c.br)
		if err != nil {
			t.Fatal(err)
		}
		return c.res.StatusCode, c.res.Header.Get("Content-Type"), string(b)
	}
	h.Feed.Err = fault.New(fault.Unavailable, "not yet").After(1500 * time.Millisecond)
	status, kind, body := ask("Last-Event-ID: e-3")
	want := "retry: 2000\n\nid: e-3\nevent: bye\ndata: {\"type\":\"bye\",\"reason\":\"ended\",\"code\":\"UNAVAILABLE\",\"position\":\"e-3\"}\n\n"
	if status != 200 || !strings.HasPrefix(kind, "text/event-stream") || body != want {
		t.Errorf("%d %s %q", status, kind, body)
	}
	if status, _, body = ask(); status != 503 || !strings.Contains(body, "UNAVAILABLE") {
		t.Errorf("whoever does not reconnect: %d %s", status, body)
	}
	if status, _, body = ask("Last-Event-ID: nonsense"); status != 400 {
		t.Errorf("a position that is none: %d %s", status, body)
	}
	h.Feed.Err = fault.New(fault.UnknownEntity, "no") // it does not pass
	if status, _, body = ask("Last-Event-ID: e-3"); status != 404 {
		t.Errorf("for good: %d %s", status, body)
	}
}

func TestHeartbeatTellsThePosition(t *testing.T) {
	h := house(t, 10*time.Millisecond, 5*time.Second)
	open(t, h, "/events", "X-API-Key: "+scripted.Key).greeted().want("id: e-7\n:")
}

func TestEndings(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(h *scripted.House)
		want string
	}{
		{"revoked", func(h *scripted.House) { h.Hub.Revoke("k:AAAAAAAA") }, `"reason":"revoked","code":"UNAUTHORIZED"`},
		{"shutdown", func(h *scripted.House) { h.Server.Stop() }, `"reason":"shutdown"`},
		{"narrowed", func(h *scripted.House) { h.Feed.End(fault.New(fault.Forbidden, "")) }, `"reason":"revoked","code":"FORBIDDEN"`},
		{"slow", func(h *scripted.House) { h.Feed.End(&event.Slow{Position: mesh.Position{Epoch: "e", Seq: 7}}) }, `"reason":"slow","code":"OVERLOADED"`},
		{"schema", func(h *scripted.House) { h.Feed.End(fault.New(fault.InvalidFilter, "")) }, `"reason":"ended","code":"INVALID_FILTER"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := house(t, time.Minute, 5*time.Second)
			s := open(t, h, "/events", "X-API-Key: "+scripted.Key).greeted()
			c.do(h)
			s.want("id: e-7\nevent: bye\ndata: {\"type\":\"bye\"," + c.want + `,"position":"e-7"}`)
			if b, err := io.ReadAll(s.br); err != nil && err != io.ErrUnexpectedEOF || len(b) > 0 {
				t.Errorf("after bye: %q %v", b, err)
			}
		})
	}
}

// TestRevokedWhileItOpens: whom a revocation does not find among the streams, it
// finds among the connections.
func TestRevokedWhileItOpens(t *testing.T) {
	h := house(t, time.Minute, 5*time.Second)
	h.Feed.Opening = func() { h.Hub.Revoke("k:AAAAAAAA") }
	h.Feed.Err = fault.New(fault.UnknownEntity, "no")
	if refused := open(t, h, "/events", "X-API-Key: "+scripted.Key); refused.res.StatusCode != 404 || h.Hub.Len() != 0 {
		t.Error(refused.res.Status, h.Hub.Len())
	}
	h.Feed.Err = nil
	s := open(t, h, "/events", "X-API-Key: "+scripted.Key).greeted()
	s.want("id: e-7\nevent: bye\ndata: {\"type\":\"bye\",\"reason\":\"revoked\",\"code\":\"UNAUTHORIZED\",\"position\":\"e-7\"}")
}

// eventually waits for a state that another goroutine brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal(what)
		}
		<-time.After(time.Millisecond)
	}
}

func TestRevokedAtTheNextLook(t *testing.T) {
	h := house(t, 10*time.Millisecond, 5*time.Second)
	h.Identity.Life = -time.Hour // due at once
	s := open(t, h, "/events", "X-API-Key: "+scripted.Key).greeted()
	h.Identity.Revoke(scripted.Key)
	for {
		if f := s.frame(); strings.Contains(f, "event: bye") {
			if !strings.Contains(f, `"reason":"revoked"`) {
				t.Fatal(f)
			}
			return
		}
	}
}

func TestClosedClientIsForgotten(t *testing.T) {
	h := house(t, time.Minute, 5*time.Second)
	s := open(t, h, "/events", "X-API-Key: "+scripted.Key).greeted()
	s.res.Body.Close()
	eventually(t, "the stream is still open", func() bool { return h.Feed.Len() == 0 && h.Hub.Len() == 0 })
}

// TestNeverReadingClient lets one client never read its socket: it is cut off,
// while another one gets everything.
func TestNeverReadingClient(t *testing.T) {
	h := house(t, time.Minute, 100*time.Millisecond)
	stuck, err := net.Dial("tcp", h.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	_ = stuck.(*net.TCPConn).SetReadBuffer(4 << 10)
	fmt.Fprintf(stuck, "GET /events HTTP/1.1\r\nHost: a\r\nX-API-Key: %s\r\n\r\n", scripted.Key)
	<-h.Feed.Opened()
	s := open(t, h, "/events", "X-API-Key: "+scripted.Key).greeted()
	<-h.Feed.Opened()
	big := strings.Repeat("x", 64<<10)
	for seq := int64(8); h.Feed.Len() == 2; seq++ {
		e := made(seq)
		e.JSON = []byte(`{"big":"` + big + `"}`)
		h.Feed.Publish(e, 1000)
		if got := s.frame(); !strings.HasPrefix(got, fmt.Sprintf("id: e-%d\n", seq)) {
			t.Fatalf("the healthy client got %.80q instead of event %d", got, seq)
		}
	}
	_ = stuck.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.Copy(io.Discard, stuck); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Fatalf("the stuck connection is still open: %v", err)
	}
}

func BenchmarkBroadcast(b *testing.B) {
	h := house(b, time.Minute, 5*time.Second)
	const subscribers = 100
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	got := make(chan struct{}, subscribers)
	for range subscribers {
		c, err := net.Dial("tcp", h.Addr)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /events HTTP/1.1\r\nHost: a\r\nX-API-Key: %s\r\n\r\n", scripted.Key)
		<-h.Feed.Opened()
		go func() {
			br := bufio.NewReader(c)
			for ctx.Err() == nil {
				line, err := br.ReadSlice('\n')
				if err != nil {
					return
				}
				if strings.HasPrefix(string(line), "data: {\"type\":\"event\"") {
					got <- struct{}{}
				}
			}
		}()
	}
	e := made(9)
	b.ReportAllocs()
	for b.Loop() {
		h.Feed.Publish(e, 1000)
		for range subscribers {
			<-got
		}
	}
	b.ReportMetric(float64(b.N*subscribers)/b.Elapsed().Seconds(), "deliveries/s")
}
