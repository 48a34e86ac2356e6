package mcp_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/mcp"
)

const (
	hello = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	tools = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
)

// ask sends a message as a client does, with further headers "Name: value"; a
// header "-Name" is left out.
func ask(t testing.TB, h *scripted.House, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	res := open(t, h, method, path, body, headers...)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

func open(t testing.TB, h *scripted.House, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Content-Type", "application/json")
	for _, s := range headers {
		name, value, _ := strings.Cut(s, ": ")
		switch {
		case name == "Host":
			req.Host = value
		case name[0] == '-':
			req.Header.Del(name[1:])
		default:
			req.Header.Set(name, value)
		}
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

const key, reader = "X-API-Key: " + scripted.Key, "X-API-Key: " + scripted.Reader

// session opens one and returns the header that names it.
func session(t testing.TB, h *scripted.House, path string, headers ...string) string {
	t.Helper()
	res, body := ask(t, h, "POST", path, hello, headers...)
	id := res.Header.Get("Mcp-Session-Id")
	if res.StatusCode != 200 || id == "" {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	name := "Mcp-Session-Id: " + id
	if res, body = ask(t, h, "POST", path, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, append(headers, name)...); res.StatusCode != 202 {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	return name
}

// What never reaches a session is answered with a JSON-RPC error and its status.
func TestRefusals(t *testing.T) {
	h := house(t, mcp.Options{Hosts: []string{"mcp.example"}})
	local := h.Addr[strings.LastIndexByte(h.Addr, ':'):]
	s := session(t, h, "/mcp", key)
	nested := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		want                     string
	}{
		{"nobody", "POST", "/mcp", hello, nil, 401, "UNAUTHORIZED"},
		{"a wrong key", "POST", "/mcp", hello, []string{"X-API-Key: nope"}, 401, "UNAUTHORIZED"},
		{"an empty key", "POST", "/mcp", hello, []string{"X-API-Key: "}, 401, "UNAUTHORIZED"},
		{"a key in the URL", "POST", "/mcp?apikey=" + scripted.Key, hello, nil, 401, "UNAUTHORIZED"},
		{"no such project", "POST", "/nope/mcp", hello, []string{key}, 404, "UNKNOWN_PROJECT"},
		{"a project without rights", "POST", "/shop/mcp", hello, []string{reader}, 403, "FORBIDDEN"},
		{"two projects", "POST", "/shop/mcp", hello, []string{key, "X-Project: default"}, 400, "INVALID_REQUEST"},
		{"a foreign page", "POST", "/mcp", hello, []string{key, "Origin: https://evil.example"}, 403, "FORBIDDEN"},
		{"a foreign name for this machine", "POST", "/mcp", hello, []string{key, "Host: evil.example"}, 403, "FORBIDDEN"},
		{"a foreign page that took that name", "POST", "/mcp", hello, []string{key, "Host: evil.example" + local, "Origin: http://evil.example" + local}, 403, "FORBIDDEN"},
		{"a proxy's name", "POST", "/mcp", hello, []string{key, "Host: MCP.example:443"}, 200, "protocolVersion"},
		{"a page of this host", "POST", "/mcp", hello, []string{key, "Host: localhost" + local, "Origin: http://localhost" + local}, 200, "protocolVersion"},
		{"another method", "PUT", "/mcp", hello, []string{key}, 405, "METHOD_NOT_ALLOWED"},
		{"a longer path", "POST", "/mcp/x", hello, []string{key}, 404, "NOT_FOUND"},
		{"another type", "POST", "/mcp", hello, []string{key, "Content-Type: text/plain"}, 415, "INVALID_REQUEST"},
		{"accepts JSON alone", "POST", "/mcp", hello, []string{key, "Accept: application/json"}, 400, "Accept must contain"},
		{"no JSON", "POST", "/mcp", `{"jsonrpc":`, []string{key}, 400, "PARSE_ERROR"},
		{"keys twice", "POST", "/mcp", `{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}`, []string{key}, 400, "PARSE_ERROR"},
		{"nested deeply", "POST", "/mcp", nested, []string{key}, 400, "PARSE_ERROR"},
		{"nothing", "POST", "/mcp", "", []string{key}, 400, "non-empty body"},
		{"no message", "POST", "/mcp", `7`, []string{key}, 400, "malformed payload"},
		{"a batch", "POST", "/mcp", " [" + tools + "," + tools + "]", []string{key}, 400, "INVALID_REQUEST: batches"},
		{"a batch in a session", "POST", "/mcp", "[" + tools + "]", []string{key, s, "Mcp-Protocol-Version: 2025-03-26"}, 400, "INVALID_REQUEST: batches"},
		{"no such method", "POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"nope"}`, []string{key, s}, 400, "nope"},
		{"no such session", "POST", "/mcp", tools, []string{key, "Mcp-Session-Id: nope"}, 404, "session not found"},
		{"somebody else's session", "POST", "/mcp", tools, []string{reader, s}, 403, "FORBIDDEN"},
		{"a session of another project", "POST", "/shop/mcp", tools, []string{key, s}, 403, "FORBIDDEN"},
		{"somebody else's stream", "GET", "/mcp", "", []string{reader, s}, 403, "FORBIDDEN"},
		{"an end by somebody else", "DELETE", "/mcp", "", []string{reader, s}, 403, "FORBIDDEN"},
		{"a stream of no session", "GET", "/mcp", "", []string{key}, 400, "requires an Mcp-Session-Id"},
		{"an unknown revision", "POST", "/mcp", tools, []string{key, s, "Mcp-Protocol-Version: 1999-01-01"}, 400, "protocol version"},
		{"a bad idempotency key", "POST", "/mcp", tools, []string{key, "Idempotency-Key: " + strings.Repeat("k", 129)}, 400, "INVALID_REQUEST"},
		{"still there", "POST", "/mcp", tools, []string{key, s}, 200, `"tools":[`},
		{"without a session, as Octonet's clients ask", "POST", "/mcp", tools, []string{key}, 200, `"tools":[`},
		{"the same, through a bearer token", "POST", "/mcp", tools, []string{"Authorization: Bearer " + scripted.Key, s}, 200, `"tools":[`},
		{"the end", "DELETE", "/mcp", "", []string{key, s}, 204, ""},
		{"after the end", "POST", "/mcp", tools, []string{key, s}, 404, "session not found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, body := ask(t, h, c.method, c.path, c.body, c.headers...)
			if res.StatusCode != c.status || !strings.Contains(body, c.want) {
				t.Fatalf("%d %s, want %d %s", res.StatusCode, body, c.status, c.want)
			}
			if c.status >= 400 && c.path != "/mcp/x" && !strings.HasPrefix(body, `{"jsonrpc":"2.0","id":null,"error":{"code":-`) {
				t.Errorf("no JSON-RPC error: %s", body)
			}
		})
	}
}

// A key of the operator's choice counts for callers without any credential, and
// only for them.
func TestPublicKey(t *testing.T) {
	h := house(t, mcp.Options{PublicKey: scripted.Reader})
	if res, body := ask(t, h, "POST", "/mcp", tools); res.StatusCode != 200 || strings.Contains(body, `"create"`) || !strings.Contains(body, `"list"`) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	for _, c := range [][]string{
		{"X-API-Key: nope"}, {"X-API-Key: "}, {"Authorization: Bearer nope"}, {"Authorization: "}, {"Authorization: Digest x"}, {"Proxy-Authorization: Bearer x"},
	} {
		if res, body := ask(t, h, "POST", "/mcp", tools, c...); res.StatusCode != 401 {
			t.Errorf("%q: %d %s", c, res.StatusCode, body)
		}
	}
	for _, path := range []string{"/mcp?apikey=", "/mcp?api_key=x", "/mcp?ticket=x", "/mcp?apikey=" + scripted.Key} {
		if res, body := ask(t, h, "POST", path, tools); res.StatusCode != 401 {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
	if res, _ := ask(t, h, "POST", "/shop/mcp", tools); res.StatusCode != 403 {
		t.Errorf("another project: %d", res.StatusCode)
	}
	s := session(t, h, "/mcp")
	if res, body := ask(t, h, "POST", "/mcp", tools, s, key); res.StatusCode != 403 {
		t.Errorf("a key on the session of nobody: %d %s", res.StatusCode, body)
	}
}

// A changed catalog is told to the sessions that see it, over the stream of the
// session; a revoked key ends the stream.
func TestListChanged(t *testing.T) {
	h := house(t, mcp.Options{})
	s := session(t, h, "/mcp", key)
	other := session(t, h, "/shop/mcp", key)
	listen := func(path, s string) (*bufio.Reader, func()) {
		res := open(t, h, "GET", path, "", key, s)
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatal(res.Status, res.Header)
		}
		return bufio.NewReader(res.Body), func() { res.Body.Close() }
	}
	in, done := listen("/mcp", s)
	defer done()
	inOther, doneOther := listen("/shop/mcp", other)
	defer doneOther()
	wanted := func(in *bufio.Reader, list string) {
		t.Helper()
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(line, "notifications/"+list+"/list_changed") {
				return
			}
		}
	}
	apply := func(slug, entity string) {
		t.Helper()
		value := `{"id":"id-` + slug + `","slug":"` + slug + `","version":"` + entity + `","dialect":"sqlite","schemas":[{"name":"` + entity + `","collection":"` + entity + `","description":"All of ` + entity + `.","fields":{"x":{"type":"string"}}}]}`
		if err := h.Door.Projects.Apply(slug, []byte(value), false); err != nil {
			t.Fatal(err)
		}
	}
	apply("default", "Planet")
	wanted(in, "tools")
	_, body := ask(t, h, "POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"resources/list"}`, key, s)
	if !strings.Contains(body, `entity://Planet/schema"`) || strings.Contains(body, `entity://Product/schema"`) || !strings.Contains(body, "All of Planet.") {
		t.Error(body)
	}
	if _, body = ask(t, h, "POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"describe","arguments":{}}}`, key, s); !strings.Contains(body, "Planet") {
		t.Error(body)
	}
	// The other project's session hears of its own changes first.
	apply("shop", "Moon")
	wanted(inOther, "tools")
	if _, body = ask(t, h, "POST", "/shop/mcp", tools, key, other); !strings.Contains(body, "Moon") || strings.Contains(body, "Planet") {
		t.Error(body)
	}
	h.Identity.Revoke(scripted.Key)
	h.Hub.Revoke(access.KeyID("AAAAAAAA"))
	if rest, err := io.ReadAll(in); err != nil {
		t.Errorf("%q %v", rest, err)
	}
	if res, _ := ask(t, h, "POST", "/mcp", tools, key, s); res.StatusCode != 401 {
		t.Errorf("a revoked key: %d", res.StatusCode)
	}
}

// What a session missed while its stream was broken comes when it resumes.
func TestResume(t *testing.T) {
	h := house(t, mcp.Options{})
	s := session(t, h, "/mcp", key)
	next := func(in *bufio.Reader) (id string) {
		t.Helper()
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if v, ok := strings.CutPrefix(line, "id: "); ok {
				id = strings.TrimSpace(v)
			}
			if strings.Contains(line, "list_changed") && id != "" {
				return id
			}
		}
	}
	change := func(version string) {
		t.Helper()
		value := `{"id":"id-default","slug":"default","version":"` + version + `","dialect":"sqlite","schemas":[{"name":"E` + version + `","collection":"e","fields":{"x":{"type":"string"}}}]}`
		if err := h.Door.Projects.Apply("default", []byte(value), false); err != nil {
			t.Fatal(err)
		}
	}
	res := open(t, h, "GET", "/mcp", "", key, s)
	change("2")
	last := next(bufio.NewReader(res.Body))
	res.Body.Close()
	// The server may still hold the stream for the moment that it takes to see
	// the client go.
	change("3")
	for {
		res = open(t, h, "GET", "/mcp", "", key, s, "Last-Event-ID: "+last)
		if res.StatusCode != http.StatusConflict {
			break
		}
		res.Body.Close()
	}
	defer res.Body.Close()
	if id := next(bufio.NewReader(res.Body)); id == last {
		t.Error("the same event came again")
	}
}

// The revision without sessions: discovery, calls, and a stream of changes.
func TestSessionless(t *testing.T) {
	h := house(t, mcp.Options{})
	changed := make(chan struct{}, 8)
	s := connect(t, h, "/mcp", scripted.Key, &sdk.ClientOptions{ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}})
	if v := s.InitializeResult().ProtocolVersion; v != "2026-07-28" {
		t.Fatal(v)
	}
	if !strings.Contains(names(t, s), "describe") {
		t.Error("no tools")
	}
	value := `{"id":"id-default","slug":"default","version":"v9","dialect":"sqlite","schemas":[{"name":"New","collection":"new","fields":{"x":{"type":"string"}}}]}`
	if err := h.Door.Projects.Apply("default", []byte(value), false); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	case <-time.After(time.Minute):
		t.Fatal("nothing was told")
	}
}

// Sessions of one principal are bounded: the one that was unused for longest
// gives way.
func TestSessionsAreBounded(t *testing.T) {
	h := house(t, mcp.Options{})
	first := session(t, h, "/mcp", key)
	second := session(t, h, "/mcp", key)
	for range 255 {
		if res, body := ask(t, h, "POST", "/mcp", hello, key); res.StatusCode != 200 {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
	}
	if res, _ := ask(t, h, "POST", "/mcp", tools, key, first); res.StatusCode != 404 {
		t.Errorf("the oldest: %d", res.StatusCode)
	}
	if res, _ := ask(t, h, "POST", "/mcp", tools, key, second); res.StatusCode != 200 {
		t.Errorf("the second: %d", res.StatusCode)
	}
}
