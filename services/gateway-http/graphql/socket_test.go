package graphql

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// dial opens a WebSocket; headers are "Name: value".
func dial(t *testing.T, h *scripted.House, protocol string, headers ...string) *websocket.Conn {
	t.Helper()
	head := http.Header{}
	for _, s := range headers {
		name, value, _ := strings.Cut(s, ": ")
		head.Set(name, value)
	}
	d := websocket.Dialer{HandshakeTimeout: 10 * time.Second}
	if protocol != "" {
		d.Subprotocols = []string{protocol}
	}
	c, res, err := d.Dial("ws://"+h.Addr+"/graphql", head)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	t.Cleanup(func() { c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	return c
}

// exchange sends messages and reads one; a close is "close <code> <reason>".
func exchange(t *testing.T, c *websocket.Conn, messages ...string) string {
	t.Helper()
	for _, m := range messages {
		if err := c.WriteMessage(websocket.TextMessage, []byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	_, b, err := c.ReadMessage()
	if err != nil {
		return strings.TrimPrefix(err.Error(), "websocket: ")
	}
	return string(b)
}

const initMessage = `{"type":"connection_init","payload":{"apiKey":"` + scripted.Key + `"}}`

// product is an event as a Feed gives it.
func product(kind, id, position, rest string) event.Event {
	p, err := mesh.ParsePosition(position)
	if err != nil {
		panic(err)
	}
	return event.Event{Type: kind, Entity: "Product", ID: id, Position: p, JSON: []byte(`{"type":"event","event":"entity.` + kind + `","project":"default","entity":"Product","id":"` + id + `",` + rest + `"position":"` + position + `","at":"2026-01-02T03:04:05.006Z"}`)}
}

func TestSocket(t *testing.T) {
	h := house(t)
	script(t, h, map[string]string{
		"Product.count": "7", "Product.delete": "true",
		`Maker.findAll {"filter":{"id":{"$in":["m1"]}},"select":["id","name"],"limit":1000,"minPosition":"e-8"}`: `[{"id":"m1","name":"M"}]`,
	})
	c := dial(t, h, subprotocol)
	if got := exchange(t, c, `{"type":"ping","payload":{}}`); got != `{"type":"pong"}` {
		t.Error(got)
	}
	if got := exchange(t, c, initMessage); got != `{"type":"connection_ack"}` {
		t.Fatal(got)
	}
	if got := exchange(t, c, `{"type":"ping","payload":{"a":1}}`); got != `{"type":"pong","payload":{"a":1}}` {
		t.Error(got)
	}
	if got := exchange(t, c, `{"type":"subscribe","id":"q","payload":{"query":"{ productCount }"}}`); got != `{"type":"next","id":"q","payload":{"data":{"productCount":7}}}` {
		t.Error(got)
	}
	if got := exchange(t, c); got != `{"type":"complete","id":"q"}` {
		t.Error(got)
	}
	if got := exchange(t, c, `{"type":"subscribe","id":"m","payload":{"query":"mutation { deleteProduct(id: 1) }"}}`); got != `{"type":"next","id":"m","payload":{"data":{"deleteProduct":true}}}` {
		t.Error(got)
	}
	if got := exchange(t, c); got != `{"type":"complete","id":"m"}` {
		t.Error(got)
	}
	if got := exchange(t, c, `{"type":"subscribe","id":"e","payload":{"query":"{ nothing }"}}`); !strings.HasPrefix(got, `{"type":"error","id":"e","payload":[{"message":"Cannot query field`) {
		t.Error(got)
	}
	subscribe := `{"type":"subscribe","id":"s","payload":{"query":"subscription($w: ProductWhere, $p: String) { s: productChanged(where: $w, position: $p) { event id changed match position at data { name makerId maker { name } } __typename } }","variables":{"w":{"price":{"gt":1}},"p":"e-7"}}}`
	if err := c.WriteMessage(websocket.TextMessage, []byte(subscribe)); err != nil {
		t.Fatal(err)
	}
	<-h.Feed.Opened()
	if s := h.Feed.LastSub(); string(s.Filter) != `{"price":{"$gt":1}}` || s.From.String() != "e-7" || len(s.Entities) != 1 || s.Entities[0] != "Product" || s.Transport != "graphql" || s.Project != "default" {
		t.Errorf("%+v", s)
	}
	h.Feed.Publish(product("updated", "1", "e-8", `"data":{"id":"1","_version":2,"name":"x","maker":"m1"},"changed":["name"],"match":"enter",`), 10)
	if got := exchange(t, c); got != `{"type":"next","id":"s","payload":{"data":{"s":{"event":"updated","id":"1","changed":["name"],"match":"enter","position":"e-8","at":"2026-01-02T03:04:05.006Z","data":{"name":"x","makerId":"m1","maker":{"name":"M"}},"__typename":"ProductEvent"}}}}` {
		t.Error(got)
	}
	h.Feed.Publish(event.Event{Type: event.Gap, Position: mesh.Position{Epoch: "e", Seq: 90}}, 10)
	if got := exchange(t, c); got != `{"type":"next","id":"s","payload":{"data":{"s":{"event":"gap","id":null,"changed":null,"match":null,"position":"e-90","at":null,"data":null,"__typename":"ProductEvent"}}}}` {
		t.Error(got)
	}
	h.Feed.Publish(product("updated", "2", "e-91", `"match":"leave",`), 10)
	if got := exchange(t, c); !strings.Contains(got, `"match":"leave"`) || !strings.Contains(got, `"data":null`) {
		t.Error(got)
	}
	if err := c.WriteMessage(websocket.TextMessage, []byte(`{"type":"complete","id":"s"}`)); err != nil {
		t.Fatal(err)
	}
	if got := exchange(t, c, `{"type":"ping"}`); got != `{"type":"pong"}` {
		t.Error(got)
	}
	h.Hub.Revoke("k:AAAAAAAA")
	if got := exchange(t, c); got != "close 4403: revoked" {
		t.Error(got)
	}
}

func TestSocketRefuses(t *testing.T) {
	h := house(t)
	release := make(chan struct{})
	h.Mesh.Answer(func(ctx context.Context, _ *mesh.Request) (*mesh.Reply, error) {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil, fault.New(fault.Timeout, "late")
	})
	defer close(release)
	const key = "X-API-Key: " + scripted.Key
	slow := `{"type":"subscribe","id":"1","payload":{"query":"{ productCount }"}}`
	for _, c := range []struct {
		name, protocol string
		head, say      []string
		want           string
	}{
		{"another subprotocol", "graphql-ws", nil, nil, "close 4406: Subprotocol not acceptable"},
		{"no subprotocol", "", nil, nil, "close 4406: Subprotocol not acceptable"},
		{"no credential", subprotocol, nil, []string{`{"type":"connection_init"}`}, "close 4403: UNAUTHORIZED"},
		{"a wrong one", subprotocol, nil, []string{`{"type":"connection_init","payload":{"token":"wrong"}}`}, "close 4403: UNAUTHORIZED"},
		{"too early", subprotocol, []string{key}, []string{slow}, "close 4401: Unauthorized"},
		{"twice", subprotocol, []string{key}, []string{`{"type":"connection_init"}`, `{"type":"connection_init"}`}, "close 4429: Too many initialisation requests"},
		{"no JSON", subprotocol, nil, []string{`{`}, "close 4400: Invalid message: the text is no JSON"},
		{"no type", subprotocol, nil, []string{`{}`}, "close 4400: Invalid message: type is missing"},
		{"an unknown type", subprotocol, []string{key}, []string{`{"type":"connection_init"}`, `{"type":"start"}`}, "close 4400: Invalid message: there is no such type"},
		{"no id", subprotocol, []string{key}, []string{`{"type":"connection_init"}`, `{"type":"subscribe","payload":{}}`}, "close 4400: Invalid message: subscribe has id and payload"},
		{"an id twice", subprotocol, []string{key}, []string{`{"type":"connection_init"}`, slow, slow}, "close 4409: Subscriber for 1 already exists"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := dial(t, h, c.protocol, c.head...)
			got := exchange(t, conn, c.say...)
			if got == `{"type":"connection_ack"}` {
				got = exchange(t, conn)
			}
			if !strings.HasPrefix(got, strings.TrimSuffix(c.want, "the text is no JSON")) {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	if _, res, err := (&websocket.Dialer{}).Dial("ws://"+h.Addr+"/graphql", http.Header{"Origin": {"http://elsewhere"}}); err == nil || res.StatusCode != 403 {
		t.Errorf("another origin: %v", err)
	}
}

// TestSocketAfterTheEnd: what comes behind the end is not carried out.
func TestSocketAfterTheEnd(t *testing.T) {
	h := house(t)
	script(t, h, nil) // the mesh is asked for nothing
	c := dial(t, h, subprotocol)
	if got := exchange(t, c, initMessage); got != `{"type":"connection_ack"}` {
		t.Fatal(got)
	}
	got := exchange(t, c, `{"type":"start"}`,
		`{"type":"subscribe","id":"1","payload":{"query":"mutation { deleteProduct(id: 1) }"}}`,
		`{"type":"subscribe","id":"2","payload":{"query":"mutation { deleteProduct(id: 2) }"}}`)
	if got != "close 4400: Invalid message: there is no such type" {
		t.Error(got)
	}
	_ = c.WriteControl(websocket.CloseMessage, nil, time.Now().Add(time.Second))
	if _, err := io.Copy(io.Discard, c.NetConn()); err != nil {
		t.Logf("the connection ends: %v", err)
	}
}

// TestSocketTimes lets a connection wait for nothing.
func TestSocketTimes(t *testing.T) {
	hasty := func(change func(*Sockets)) *scripted.House {
		return scripted.New(t, httpserver.Options{}, func(h *scripted.House, m *httpserver.Mux) {
			g := New(h.Door, h.Hub)
			change(&g.Sockets)
			g.Mount(m)
		})
	}
	h := hasty(func(s *Sockets) { s.Init = 50 * time.Millisecond })
	if got := exchange(t, dial(t, h, subprotocol)); got != "close 4408: Connection initialisation timeout" {
		t.Error(got)
	}
	h = hasty(func(s *Sockets) { s.Init, s.Ping, s.Pong = time.Minute, 20*time.Millisecond, 20*time.Millisecond })
	c := dial(t, h, subprotocol)
	c.SetPingHandler(func(string) error { return nil }) // never answers
	if got := exchange(t, c, initMessage); got != `{"type":"connection_ack"}` {
		t.Error(got)
	}
	if got := exchange(t, c); got != "close 4001: heartbeat" {
		t.Error(got)
	}
}

// TestStream reads server-sent events in the distinct connections mode.
func TestStream(t *testing.T) {
	h := house(t)
	script(t, h, map[string]string{"Product.count": "7"})
	open := func(body string) (*http.Response, *bufio.Reader) {
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+h.Addr+"/graphql", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", scripted.Key)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "text/event-stream")
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res, bufio.NewReader(res.Body)
	}
	res, in := open(`{"query":"{ productCount }"}`)
	all, _ := io.ReadAll(in)
	if res.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" || string(all) != "event: next\ndata: {\"data\":{\"productCount\":7}}\n\nevent: complete\ndata:\n\n" {
		t.Errorf("%v %s", res.Header, all)
	}
	if res, _ = open(`{"query":"{ nothing }"}`); res.StatusCode != 400 || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/graphql-response+json") {
		t.Error(res.Status)
	}
	if res, _ = open(`{"query":"subscription { productChanged(position: \"x\") { event } }"}`); res.StatusCode != 400 {
		t.Error(res.Status)
	}
	h.Feed.Gap = true
	_, in = open(`{"query":"subscription { productChanged { event position data { name } } }"}`)
	next := func(want string) {
		t.Helper()
		got := ""
		for !strings.HasSuffix(got, "\n\n") {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("%v after %q", err, got)
			}
			got += line
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	next(":\n\n")
	next("id: e-7\nevent: next\ndata: {\"data\":{\"productChanged\":{\"event\":\"gap\",\"position\":\"e-7\",\"data\":null}}}\n\n")
	h.Feed.Publish(product("created", "1", "e-8", `"data":{"id":"1","name":"é\n"},`), 10)
	next("id: e-8\nevent: next\ndata: {\"data\":{\"productChanged\":{\"event\":\"created\",\"position\":\"e-8\",\"data\":{\"name\":\"é\\n\"}}}}\n\n")
	h.Feed.End(fault.New(fault.Forbidden, "revoked"))
	next("event: next\ndata: {\"errors\":[{\"message\":\"the subscription ends (revoked); go on from position\",\"extensions\":{\"code\":\"FORBIDDEN\",\"details\":{\"position\":\"e-8\",\"reason\":\"revoked\"}}}]}\n\n")
	next("event: complete\ndata:\n\n")
}
