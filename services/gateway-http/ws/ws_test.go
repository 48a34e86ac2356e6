package ws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/ws"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func house(t testing.TB, change func(*ws.Limits)) *scripted.House {
	o := httpserver.Options{Origins: []string{"https://app.example"}}
	return scripted.New(t, o, func(h *scripted.House, m *httpserver.Mux) {
		w := ws.New(h.Door, h.Hub)
		w.Limits.Request, w.Limits.Auth, w.Limits.Ping = time.Minute, time.Minute, time.Minute // however busy the machine is
		if change != nil {
			change(&w.Limits)
		}
		w.Mount(m)
	})
}

type client struct {
	t testing.TB
	c *websocket.Conn
}

func dial(t testing.TB, h *scripted.House, path string, headers ...string) (*client, *http.Response, error) {
	head := http.Header{}
	for _, s := range headers {
		name, value, _ := strings.Cut(s, ": ")
		head.Set(name, value)
	}
	c, res, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+h.Addr+path, head)
	if err != nil {
		return nil, res, err
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	return &client{t, c}, res, nil
}

func connect(t testing.TB, h *scripted.House, path string) *client {
	t.Helper()
	c, _, err := dial(t, h, path, "X-API-Key: "+scripted.Key)
	if err != nil {
		t.Fatal(err)
	}
	c.greeted()
	return c
}

func (c *client) greeted() {
	c.t.Helper()
	if got := c.read(); !strings.HasPrefix(got, `{"type":"connected","entities":["Product","Maker"],"connectedAt":"`) {
		c.t.Fatal(got)
	}
}

func (c *client) read() string {
	c.t.Helper()
	_, b, err := c.c.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

func (c *client) say(text string) {
	c.t.Helper()
	if err := c.c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// madeID is a request id that the gateway made.
var madeID = regexp.MustCompile(`"requestId":"[0-9a-f-]{36}",`)

// want reads a message, which is compared without the request id that the
// gateway made.
func (c *client) want(text string) {
	c.t.Helper()
	if got := madeID.ReplaceAllString(c.read(), ""); got != text {
		c.t.Fatalf("got  %s\nwant %s", got, text)
	}
}

// closed reads until the close frame.
func (c *client) closed(code int, reason string) {
	c.t.Helper()
	for {
		_, _, err := c.c.ReadMessage()
		if err == nil {
			continue
		}
		var e *websocket.CloseError
		if !errors.As(err, &e) || e.Code != code || e.Text != reason {
			c.t.Fatalf("%v, want close %d %q", err, code, reason)
		}
		return
	}
}

func made(seq int64) event.Event {
	return event.Event{
		Type: "created", Entity: "Product", ID: "1", Position: mesh.Position{Epoch: "e", Seq: seq},
		JSON: fmt.Appendf(nil, `{"type":"event","event":"entity.created","position":"e-%d"}`, seq),
	}
}

func TestRequests(t *testing.T) {
	h := house(t, nil)
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		switch r.Op {
		case "create":
			return nil, fault.New(fault.Conflict, "taken")
		case "findAll":
			return &mesh.Reply{Chunks: &scripted.Chunks{Parts: []string{`{"status":"ok",`, `"data":[]}`}}}, nil
		case "stream":
			return &mesh.Reply{Chunks: &scripted.Chunks{Parts: []string{"{\"id\":\"1\"}\n{\"id\"", ":\"2\"}\n{\"id\":\"3\"}"}}}, nil
		case "count":
			return nil, errors.New("pq: secret")
		}
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":null}`)}, nil
	})
	c := connect(t, h, "/ws")
	for _, x := range []struct{ say, want string }{
		{`{"op":"findById","entity":"products","id":"1","reqId":"a"}`, `{"type":"response","reqId":"a","status":"ok","data":null}`},
		{`{"op":"findById","entity":"Product","id":"1"}`, `{"type":"response","status":"ok","data":null}`},
		{`{"op":"findById","entity":"Product","id":"1","reqId":7}`, `{"type":"response","reqId":7,"status":"ok","data":null}`},
		{`{"op":"create","entity":"Product","data":{},"reqId":"b"}`, `{"type":"response","reqId":"b","status":"error","error":{"code":"CONFLICT","message":"taken"}}`},
		{`{"op":"findAll","entity":"Product","reqId":"c"}`, `{"type":"response","reqId":"c","status":"ok","data":[]}`},
		{`{"type":"ping","reqId":1}`, `{"type":"pong","reqId":1}`},
	} {
		c.say(x.say)
		c.want(x.want)
	}
	c.say(`{"op":"stream","entity":"Product","reqId":"s"}`)
	c.want(`{"type":"chunk","reqId":"s","data":[{"id":"1"}]}`)
	c.want(`{"type":"chunk","reqId":"s","data":[{"id":"2"}]}`)
	c.want(`{"type":"chunk","reqId":"s","data":[{"id":"3"}]}`)
	c.want(`{"type":"response","reqId":"s","status":"ok","metadata":{"count":3}}`)

	c.say(`{"op":"count","entity":"Product"}`)
	if got := c.read(); !strings.Contains(got, "INTERNAL") || strings.Contains(got, "secret") || !strings.Contains(got, "request id") {
		t.Error(got)
	}
	c.say(`{"op":"update","entity":"makers","project":"shop","id":"1","data":{"a":1.50},"options":{"sort":{"a":1}},"idempotencyKey":"k","reqId":"d"}`)
	c.read()
	l := h.Mesh.Last()
	if l.Project != "shop" || l.Entity != "Maker" || l.Op != "update" || l.Args != `{"id":"1","data":{"a":1.50},"options":{"sort":{"a":1}}}` ||
		l.Header.IdempotencyKey != "k" || l.Header.Token != "token-of-key" || l.Header.Transport != "ws" || len(l.Header.RequestID) != 36 {
		t.Errorf("%+v", l)
	}
}

func TestHostileMessages(t *testing.T) {
	h := house(t, nil)
	c := connect(t, h, "/ws")
	for say, code := range map[string]fault.Code{
		`{`:                      fault.ParseError,
		"{\"op\":\"\xff\"}":      fault.ParseError,
		`{"op":"a","op":"b"}`:    fault.ParseError,
		`{"a":"\u0000"}`:         fault.ParseError,
		strings.Repeat("[", 100): fault.ParseError,
		`[]`:                     fault.InvalidRequest,
		`"x"`:                    fault.InvalidRequest,
		`{"reqId":{}}`:           fault.InvalidRequest,
		`{"reqId":"` + strings.Repeat("x", 200) + `"}`: fault.InvalidRequest,
		`{"type":7}`:                                                              fault.InvalidRequest,
		`{"type":"nothing"}`:                                                      fault.InvalidRequest,
		`{"type":"auth","apiKey":"x"}`:                                            fault.InvalidRequest,
		`{"op":"drop","entity":"Product"}`:                                        fault.UnknownOp,
		`{"op":"transaction","entity":"Product"}`:                                 fault.UnknownOp,
		`{"entity":"Product"}`:                                                    fault.UnknownOp,
		`{"op":"count"}`:                                                          fault.UnknownEntity,
		`{"op":"count","entity":"a.>"}`:                                           fault.UnknownEntity,
		`{"op":"count","entity":"_other"}`:                                        fault.UnknownEntity,
		`{"op":"count","entity":"A","project":"a*"}`:                              fault.UnknownProject,
		`{"op":"create","entity":"A","idempotencyKey":"a b"}`:                     fault.InvalidRequest,
		`{"type":"subscribe","position":"x"}`:                                     fault.InvalidRequest,
		`{"type":"subscribe","entity":7}`:                                         fault.InvalidRequest,
		`{"op":"create","entity":"A","idempotencyKey":7}`:                         fault.InvalidRequest,
		`{"op":"create","entity":"A","idempotencyKey":""}`:                        fault.InvalidRequest,
		`{"op":"count","entity":"A","project":7}`:                                 fault.InvalidRequest,
		`{"type":"subscribe","position":7}`:                                       fault.InvalidRequest,
		`{"type":"subscribe","project":["shop"]}`:                                 fault.InvalidRequest,
		`{"type":"subscribe","entity":"` + strings.Repeat("Product,", 257) + `"}`: fault.InvalidRequest,
		`{"type":"unsubscribe","sub":1}`:                                          fault.InvalidRequest,
		`{"type":"subscribe","project":"nothing"}`:                                "",
		`{"type":"unsubscribe","sub":"9"}`:                                        fault.NotFound,
	} {
		c.say(say)
		got := c.read()
		if code != "" && fault.ParseReply([]byte(got)).Code != code {
			t.Errorf("%.80s: %s, want %s", say, got, code)
		}
	}
	if h.Mesh.Last().Op != "" {
		t.Errorf("it reached the mesh: %+v", h.Mesh.Last())
	}
	// A header that announces 2 MB is enough: nothing of them need be sent.
	if _, err := c.c.NetConn().Write([]byte{0x81, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0, 1, 2, 3, 4}); err != nil {
		t.Fatal(err)
	}
	c.closed(websocket.CloseMessageTooBig, "")

	c = connect(t, h, "/ws")
	_ = c.c.WriteMessage(websocket.BinaryMessage, []byte("{}"))
	c.closed(websocket.CloseUnsupportedData, "text frames only")
}

func TestHandshake(t *testing.T) {
	h := house(t, nil)
	for _, c := range []struct {
		path, header string
		status       int
	}{
		{"/ws", "X-API-Key: wrong", 401},
		{"/ws?apikey=wrong", "", 401},
		{"/nothing/ws", "X-API-Key: " + scripted.Key, 404},
		{"/ws/x", "X-API-Key: " + scripted.Key, 404},
		{"/ws", "Origin: https://evil.example", 403},
		{"/ws?apikey=" + scripted.Key, "Origin: https://app.example", 101},
		{"/ws?apikey=" + scripted.Key, "Origin: http://" + h.Addr, 101},
		{"/ws?ticket=" + scripted.Ticket, "", 101},
		{"/shop/ws", "X-API-Key: " + scripted.Key, 101},
	} {
		var headers []string
		if c.header != "" {
			headers = []string{c.header}
		}
		_, res, err := dial(t, h, c.path, headers...)
		if res == nil || res.StatusCode != c.status {
			t.Errorf("%s %s: %v %v, want %d", c.path, c.header, res, err, c.status)
		}
	}
	res, err := http.Get("http://" + h.Addr + "/ws")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if res.StatusCode != 426 || res.Header.Get("Upgrade") != "websocket" {
		t.Errorf("no upgrade: %d", res.StatusCode)
	}
}

func TestFirstFrame(t *testing.T) {
	h := house(t, func(l *ws.Limits) { l.Auth = time.Minute })
	for _, frame := range []string{
		`{"type":"auth","apiKey":"` + scripted.Key + `"}`, `{"type":"auth","key":"` + scripted.Key + `"}`,
		`{"type":"auth","token":"` + scripted.Key + `"}`, `{"type":"auth","ticket":"` + scripted.Ticket + `"}`,
	} {
		c, _, err := dial(t, h, "/ws")
		if err != nil {
			t.Fatal(err)
		}
		c.say(frame)
		c.greeted()
		c.say(`{"op":"count","entity":"Product"}`)
		c.want(`{"type":"response","status":"ok"}`)
	}
	for _, frame := range []string{`{"op":"count","entity":"Product"}`, `{"type":"auth"}`, `{"type":"auth","apiKey":"wrong"}`} {
		c, _, err := dial(t, h, "/ws")
		if err != nil {
			t.Fatal(err)
		}
		c.say(frame)
		c.closed(ws.CloseUnauthorized, "UNAUTHORIZED")
	}
	c, _, err := dial(t, h, "/ws")
	if err != nil {
		t.Fatal(err)
	}
	c.say(`{`)
	c.closed(ws.CloseUnauthorized, "PARSE_ERROR")

	hasty := house(t, func(l *ws.Limits) { l.Auth = time.Millisecond })
	if c, _, err = dial(t, hasty, "/ws"); err != nil {
		t.Fatal(err)
	}
	c.closed(ws.CloseUnauthorized, "UNAUTHORIZED") // it says nothing
}

func TestSubscriptions(t *testing.T) {
	h := house(t, nil)
	c := connect(t, h, "/ws")
	for seq := int64(8); seq < 12; seq++ {
		h.Feed.Publish(made(seq), 100)
	}
	for seq := int64(8); seq < 12; seq++ {
		c.want(string(made(seq).JSON))
	}
	c.say(`{"type":"subscribe","reqId":"a","project":"shop","entity":["Product"],"filter":{"price":{"$gt":1}},"position":"e-11"}`)
	c.want(`{"type":"subscribed","reqId":"a","sub":"1","position":"e-11"}`)
	s := h.Feed.LastSub()
	if s.Project != "shop" || s.Transport != "ws" || len(s.Entities) != 1 || string(s.Filter) != `{"price":{"$gt":1}}` || s.From.Seq != 11 {
		t.Errorf("%+v", s)
	}
	h.Feed.Publish(made(12), 100)
	c.want(`{"sub":"1","type":"event","event":"entity.created","position":"e-12"}`) // and not once more without sub
	h.Feed.Publish(event.Event{Type: event.Gap, Position: mesh.Position{Epoch: "f", Seq: 2}}, 100)
	c.want(`{"sub":"1","type":"gap","position":"f-2"}`)
	h.Feed.Gap = true
	c.say(`{"type":"subscribe","entity":"Product, Maker"}`)
	c.want(`{"type":"subscribed","sub":"2","position":"e-7"}`)
	c.want(`{"sub":"2","type":"gap","position":"e-7"}`)
	c.say(`{"type":"unsubscribe","sub":"1","reqId":2}`)
	c.want(`{"type":"unsubscribed","sub":"1","reqId":2}`)
	h.Feed.End(fault.New(fault.InvalidFilter, "no such field"))
	c.want(`{"type":"unsubscribed","sub":"2","position":"e-7","error":{"code":"INVALID_FILTER","message":"no such field"}}`)
	c.say(`{"type":"ping"}`)
	c.want(`{"type":"pong"}`)

	q := connect(t, h, "/ws?events=0")
	if h.Feed.Len() != 1 { // only the one that ended, until its connection goes
		t.Logf("%d streams", h.Feed.Len())
	}
	q.say(`{"type":"ping"}`)
	q.want(`{"type":"pong"}`)
}

func TestEndings(t *testing.T) {
	for _, c := range []struct {
		name   string
		do     func(h *scripted.House)
		code   int
		reason string
	}{
		{"revoked", func(h *scripted.House) { h.Hub.Revoke("k:AAAAAAAA") }, ws.CloseRevoked, "revoked"},
		{"narrowed", func(h *scripted.House) { h.Feed.End(fault.New(fault.Forbidden, "")) }, ws.CloseRevoked, "revoked"},
		{"shutdown", func(h *scripted.House) { h.Server.Stop() }, ws.CloseRestart, "shutdown"},
		{"slow", func(h *scripted.House) { h.Feed.End(&event.Slow{Position: mesh.Position{Epoch: "e", Seq: 7}}) }, ws.CloseSlow, "e-7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := house(t, nil)
			conn := connect(t, h, "/ws")
			c.do(h)
			conn.closed(c.code, c.reason)
		})
	}
}

// TestHeartbeat: who answers is asked again, and who does not is cut off. On a
// machine that is busy an answer can come too late: then it gets more time.
func TestHeartbeat(t *testing.T) {
	for wait := 40 * time.Millisecond; ; wait *= 2 {
		pings := heartbeat(t, wait)
		if pings == 4 {
			return
		}
		if wait > time.Second {
			t.Fatalf("cut off after %d pings, three of them answered within %s", pings, wait)
		}
	}
}

// heartbeat answers three pings, is silent then, and returns how many came until
// the connection was cut off.
func heartbeat(t *testing.T, wait time.Duration) (pings int) {
	h := house(t, func(l *ws.Limits) { l.Ping, l.Pong = wait, wait })
	alive := connect(t, h, "/ws?events=0")
	alive.c.SetPingHandler(func(string) error {
		if pings++; pings < 4 {
			_ = alive.c.WriteControl(websocket.PongMessage, nil, time.Now().Add(time.Minute))
		}
		return nil
	})
	alive.closed(ws.CloseHeartbeat, "heartbeat")
	return pings
}

func TestConcurrencyIsBounded(t *testing.T) {
	h := house(t, func(l *ws.Limits) { l.Concurrent = 2 })
	begun, release := make(chan struct{}, 10), make(chan struct{})
	h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		begun <- struct{}{}
		<-release
		return &mesh.Reply{Body: []byte(`{"status":"ok"}`)}, nil
	})
	c := connect(t, h, "/ws?events=0")
	for range 6 {
		c.say(`{"op":"count","entity":"Product"}`)
	}
	<-begun
	<-begun
	select {
	case <-begun:
		t.Fatal("a third request runs")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	for range 6 {
		c.want(`{"type":"response","status":"ok"}`)
	}
}

// What HTTP tells in headers, a response tells beside its body.
func TestResponsesTellWhatHeadersTell(t *testing.T) {
	h := house(t, nil)
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		switch r.Op {
		case "create":
			return &mesh.Reply{Body: []byte(`{"status":"ok","data":null}`), Replayed: true}, nil
		case "count":
			return nil, fault.New(fault.Overloaded, "busy").After(1500 * time.Millisecond)
		case "delete":
			return nil, fault.New(fault.Overloaded, "busy")
		}
		return nil, fault.New(fault.Conflict, "taken")
	})
	c := connect(t, h, "/ws?events=0")
	const failed = `"status":"error","error":{"code":`
	for _, x := range []struct{ say, want string }{
		{`{"op":"create","entity":"Product","requestId":"mine-\"1\"","reqId":1}`, `"reqId":1,"requestId":"mine-\"1\"","replayed":true,"status":"ok","data":null}`},
		{`{"op":"count","entity":"Product","requestId":"mine"}`, `"requestId":"mine","retryAfter":2,` + failed + `"OVERLOADED","message":"busy"}}`},
		{`{"op":"delete","entity":"Product","requestId":"mine"}`, `"requestId":"mine","retryAfter":1,` + failed + `"OVERLOADED","message":"busy"}}`},
		{`{"op":"update","entity":"Product","requestId":"mine"}`, `"requestId":"mine",` + failed + `"CONFLICT","message":"taken"}}`},
		{`{"op":"none","entity":"Product","requestId":"mine"}`, `"requestId":"mine",` + failed + `"UNKNOWN_OP","message":"there is no such operation"}}`},
	} {
		c.say(x.say)
		c.want(`{"type":"response",` + x.want)
	}
	if got := h.Mesh.Last(); got.Header.RequestID != "mine" || got.Args != "{}" {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{`"requestId":"with space"`, `"requestId":7`, `"requestId":""`, `"reqId":1`} {
		c.say(`{"op":"create","entity":"Product",` + bad + `}`)
		if got := c.read(); !madeID.MatchString(got) {
			t.Errorf("%s is answered with %s", bad, got)
		}
	}
}

func TestRateIsBounded(t *testing.T) {
	h := house(t, func(l *ws.Limits) { l.Rate, l.Burst = 1, 3 })
	c := connect(t, h, "/ws?events=0")
	for range 3 {
		c.say(`{"type":"ping"}`)
		c.want(`{"type":"pong"}`)
	}
	c.say(`{"type":"ping","reqId":4}`)
	if got := c.read(); !strings.Contains(got, `"reqId":4`) || !strings.Contains(got, "RATE_LIMITED") {
		t.Fatal(got)
	}
}

func TestSubscriptionsAreBounded(t *testing.T) {
	h := house(t, func(l *ws.Limits) { l.Subscriptions = 1 })
	c := connect(t, h, "/ws?events=0")
	c.say(`{"type":"subscribe"}`)
	c.want(`{"type":"subscribed","sub":"1","position":"e-7"}`)
	c.say(`{"type":"subscribe"}`)
	if got := c.read(); !strings.Contains(got, "RATE_LIMITED") {
		t.Fatal(got)
	}
}

func TestSlowReaderIsCutOff(t *testing.T) {
	h := house(t, func(l *ws.Limits) { l.Patience = 100 * time.Millisecond })
	stuck := connect(t, h, "/ws")
	healthy := connect(t, h, "/ws")
	big := strings.Repeat("x", 64<<10)
	for seq := int64(8); h.Feed.Len() == 2; seq++ {
		e := made(seq)
		e.JSON = []byte(`{"big":"` + big + `"}`)
		h.Feed.Publish(e, 1000)
		if got := healthy.read(); len(got) != len(e.JSON) {
			t.Fatalf("%.80s", got)
		}
	}
	healthy.say(`{"type":"ping"}`)
	healthy.want(`{"type":"pong"}`)
	if h.Feed.Len() != 1 {
		t.Errorf("%d streams are left, not that of who reads", h.Feed.Len())
	}
	for { // what was on its way to the other, and then its end
		if _, _, err := stuck.c.ReadMessage(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("who does not read is still connected")
			}
			return
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	h := house(b, func(l *ws.Limits) { l.Rate, l.Burst = 1<<30, 1<<30 })
	c := connect(b, h, "/ws?events=0")
	b.ReportAllocs()
	for b.Loop() {
		c.say(`{"op":"findById","entity":"Product","id":"1","reqId":"a"}`)
		c.read()
	}
}
