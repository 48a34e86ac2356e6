package graphql

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// lineOf opens a reserved stream and reads frames of it, without idle ones.
func lineOf(t *testing.T, h *scripted.House, headers ...string) (res *http.Response, next func() string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+h.Addr+"/graphql", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	for _, s := range headers {
		name, value, _ := strings.Cut(s, ": ")
		if name == "token" {
			req.URL.RawQuery = "token=" + value
			continue
		}
		req.Header.Set(name, value)
	}
	if res, err = (&http.Transport{DisableKeepAlives: true}).RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	in := bufio.NewReader(res.Body)
	return res, func() string {
		for got := ""; ; {
			line, err := in.ReadString('\n')
			if err != nil {
				return got + err.Error()
			}
			if got += line; line == "\n" {
				if got != idleFrame {
					return got
				}
				got = ""
			}
		}
	}
}

// reserved is the token of a new stream.
func reserved(t *testing.T, h *scripted.House) string {
	t.Helper()
	status, head, token := send(t, h, "PUT", "/graphql", "")
	if status != 201 || len(token) < 26 || head.Get("Cache-Control") != "no-store" || !strings.HasPrefix(head.Get("Content-Type"), "text/plain") {
		t.Fatal(status, head, token)
	}
	return token
}

const tokenHeader = "X-GraphQL-Event-Stream-Token: "

// TestSingleConnection: what is posted is answered on the one stream, by the ids
// of the operations.
func TestSingleConnection(t *testing.T) {
	h := house(t)
	script(t, h, map[string]string{"Product.count": "7", "Product.delete": "true"})
	token := reserved(t, h)
	op := func(id, query string) (int, string) {
		t.Helper()
		status, _, body := post(t, h, `{"query":"`+query+`","extensions":{"operationId":"`+id+`"}}`, tokenHeader+token)
		return status, body
	}
	if status, body := op("early", "{ productCount }"); status != 202 || body != "" {
		t.Fatal(status, body)
	}
	res, next := lineOf(t, h, "token: "+token) // as a browser's EventSource
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Fatal(res.Status, res.Header)
	}
	want := func(frames ...string) {
		t.Helper()
		for _, f := range frames {
			if got := next(); got != f {
				t.Errorf("%q, want %q", got, f)
			}
		}
	}
	const complete = "event: complete\ndata: {\"id\":\"%\"}\n\n"
	want("event: next\ndata: {\"id\":\"early\",\"payload\":{\"data\":{\"productCount\":7}}}\n\n", strings.ReplaceAll(complete, "%", "early"))
	if status, body := op("m", "mutation { deleteProduct(id: 1) }"); status != 202 {
		t.Fatal(status, body)
	}
	want("event: next\ndata: {\"id\":\"m\",\"payload\":{\"data\":{\"deleteProduct\":true}}}\n\n", strings.ReplaceAll(complete, "%", "m"))
	for _, id := range []string{"a", "b"} {
		if status, body := op(id, "subscription { productChanged { event id } }"); status != 202 {
			t.Fatal(status, body)
		}
	}
	if status, body := op("a", "subscription { productChanged { event } }"); status != 409 || !strings.Contains(body, `"CONFLICT"`) {
		t.Error(status, body)
	}
	if status, _, body := send(t, h, "DELETE", "/graphql?operationId=b", "", tokenHeader+token); status != 200 {
		t.Fatal(status, body)
	}
	if status, body := op("b", "{ productCount }"); status != 202 { // its id is free
		t.Fatal(status, body)
	}
	want("event: next\ndata: {\"id\":\"b\",\"payload\":{\"data\":{\"productCount\":7}}}\n\n", strings.ReplaceAll(complete, "%", "b"))
	h.Feed.Publish(product("created", "1", "e-8", `"data":{"id":"1"},`), 10)
	want("event: next\ndata: {\"id\":\"a\",\"payload\":{\"data\":{\"productChanged\":{\"event\":\"created\",\"id\":\"1\"}}}}\n\n")
	h.Hub.Revoke("k:AAAAAAAA")
	want("event: next\ndata: {\"id\":\"a\",\"payload\":{\"errors\":[{\"message\":\"the subscription ends (revoked); go on from position\",\"extensions\":{\"code\":\"UNAUTHORIZED\",\"details\":{\"position\":\"e-8\",\"reason\":\"revoked\"}}}]}}\n\n",
		strings.ReplaceAll(complete, "%", "a"), io.EOF.Error())
	if status, body := op("late", "{ productCount }"); status != 404 {
		t.Error(status, body)
	}
}

// TestSingleConnectionRefuses: what is no operation of this stream, and whoever
// the stream does not belong to.
func TestSingleConnectionRefuses(t *testing.T) {
	h := house(t)
	token := reserved(t, h)
	const good = `{"query":"{ productCount }","extensions":{"operationId":"x"}}`
	for _, c := range []struct {
		what, method, target, body string
		headers                    []string
		status                     int
		code                       fault.Code
	}{
		{"no credential", "PUT", "/graphql", "", []string{"X-API-Key: "}, 401, fault.Unauthorized},
		{"no credential for an operation", "POST", "/graphql", good, []string{"X-API-Key: ", tokenHeader + token}, 401, fault.Unauthorized},
		{"another's stream", "POST", "/graphql", good, []string{"X-API-Key: " + scripted.Reader, tokenHeader + token}, 404, fault.NotFound},
		{"another project's stream", "POST", "/shop/graphql", good, []string{tokenHeader + token}, 404, fault.NotFound},
		{"an unknown stream", "POST", "/graphql", good, []string{tokenHeader + "x"}, 404, fault.NotFound},
		{"no id", "POST", "/graphql", `{"query":"{ productCount }"}`, []string{tokenHeader + token}, 400, fault.InvalidRequest},
		{"a long id", "POST", "/graphql", `{"query":"{ productCount }","extensions":{"operationId":"` + strings.Repeat("x", 129) + `"}}`, []string{tokenHeader + token}, 400, fault.InvalidRequest},
		{"a batch", "POST", "/graphql", "[" + good + "]", []string{tokenHeader + token}, 400, fault.InvalidRequest},
		{"no document", "POST", "/graphql", `{"query":"{ nothing }","extensions":{"operationId":"x"}}`, []string{tokenHeader + token}, 400, fault.InvalidRequest},
		{"a filter that is none", "POST", "/graphql", `{"query":"subscription { productChanged(filter: \"[\") { id } }","extensions":{"operationId":"x"}}`, []string{tokenHeader + token}, 400, fault.ParseError},
		{"to end nothing", "DELETE", "/graphql", "", []string{tokenHeader + token}, 400, fault.MissingParams},
		{"to end another's", "DELETE", "/graphql?operationId=x", "", []string{"X-API-Key: " + scripted.Reader, tokenHeader + token}, 404, fault.NotFound},
		{"to open another's", "GET", "/graphql", "", []string{"X-API-Key: " + scripted.Reader, tokenHeader + token, "Accept: text/event-stream"}, 404, fault.NotFound},
		{"to open what is not there", "GET", "/graphql?token=x", "", []string{"X-API-Key: ", "Accept: text/event-stream"}, 404, fault.NotFound},
	} {
		status, head, body := send(t, h, c.method, c.target, c.body, append(c.headers, "Content-Type: application/json")...)
		if status != c.status || !strings.Contains(body, `"code":"`+string(c.code)+`"`) || !strings.HasPrefix(head.Get("Content-Type"), "application/") {
			t.Errorf("%s: %d %s", c.what, status, body)
		}
	}
	if res, _ := lineOf(t, h, "token: "+token); res.StatusCode != 200 {
		t.Error(res.Status)
	}
	if status, _, body := send(t, h, "GET", "/graphql?token="+token, "", "Accept: text/event-stream"); status != 409 {
		t.Error("it opens twice:", status, body)
	}
}

// TestSingleConnectionIsBounded: in operations, and in streams that nobody opens.
// Who is gone leaves nothing behind.
func TestSingleConnectionIsBounded(t *testing.T) {
	h, g := furnished(t)
	g.Sockets.Operations = 2
	block := make(chan struct{})
	h.Mesh.Answer(func(ctx context.Context, _ *mesh.Request) (*mesh.Reply, error) {
		select {
		case <-block:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":7}`)}, nil
	})
	token := reserved(t, h)
	res, next := lineOf(t, h, tokenHeader+token, "X-API-Key: "+scripted.Key)
	for id, want := range []int{202, 202, 429} {
		if status, _, body := post(t, h, `{"query":"{ productCount }","extensions":{"operationId":"`+string(rune('a'+id))+`"}}`, tokenHeader+token); status != want {
			t.Error(status, body)
		}
	}
	close(block)
	for range 4 {
		if got := next(); !strings.Contains(got, `"id":"a"`) && !strings.Contains(got, `"id":"b"`) {
			t.Error(got)
		}
	}
	s := g.singles.find(token)
	res.Body.Close()
	<-s.ctx.Done()
	for range maxWaitingOfOne {
		reserved(t, h)
	}
	if status, head, body := send(t, h, "PUT", "/graphql", ""); status != 503 || head.Get("Retry-After") == "" {
		t.Error(status, body)
	}
	if status, _, body := send(t, h, "PUT", "/graphql", "", "X-API-Key: "+scripted.Reader); status != 201 {
		t.Error("somebody else:", status, body)
	}
	var waiting []*single
	g.singles.mu.Lock()
	for w := range g.singles.waiting {
		waiting = append(waiting, w)
	}
	g.singles.mu.Unlock()
	for _, w := range waiting {
		w.expires.Reset(0)
	}
	for _, w := range waiting {
		<-w.ctx.Done()
		w.close() // waits for who closes it
	}
	if n := h.Hub.Len(); n != 0 || len(g.singles.all) != 0 {
		t.Errorf("%d connections are known, %d streams", n, len(g.singles.all))
	}
}

// TestHeadOpensNothing: HEAD neither uses a reservation up nor listens.
func TestHeadOpensNothing(t *testing.T) {
	h := house(t)
	token := reserved(t, h)
	const asks = "/graphql?query=subscription%7BproductChanged%7Bid%7D%7D"
	for _, path := range []string{"/graphql?token=" + token, asks} {
		if status, head, _ := send(t, h, "HEAD", path, "", "Accept: text/event-stream"); status != 405 || head.Get("Content-Length") == "" {
			t.Errorf("%s: %d %v", path, status, head)
		}
	}
	if res, _ := lineOf(t, h, "token: "+token); res.StatusCode != 200 {
		t.Error(res.Status)
	}
}
