package mcp_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/mcp"
)

// narrowing takes the project shop from everybody once it is told to.
type narrowing struct {
	*scripted.Identity
	now atomic.Bool
}

func (n *narrowing) Principal(ctx context.Context, c access.Credential) (*mesh.Principal, string, error) {
	p, token, err := n.Identity.Principal(ctx, c)
	if err == nil && n.now.Load() {
		p.Scopes = mesh.Scopes{access.Projects: {"id-default"}, access.Operations: {"read"}, access.Transports: {"*"}}
	}
	return p, token, err
}

// A session ends with the rights that it was opened with: it would go on showing
// what its key may see no more.
func TestNarrowedKey(t *testing.T) {
	h := house(t, mcp.Options{})
	id := &narrowing{Identity: h.Identity}
	h.Door.Identity = id
	s := session(t, h, "/mcp", key)
	messages := []struct{ body, want string }{
		{`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"entity://Product/schema?project=shop"}}`, "title"},
		{`{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"list-entities"}}`, "project shop"},
		{`{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"describe-schema"},"argument":{"name":"entity","value":"pro"}}}`, "Product"},
		{tools, `"create"`},
	}
	for _, m := range messages {
		if res, body := ask(t, h, "POST", "/mcp", m.body, key, s); res.StatusCode != 200 || !strings.Contains(body, m.want) {
			t.Errorf("%s: %d %s", m.body, res.StatusCode, body)
		}
	}
	id.now.Store(true)
	for _, m := range messages {
		if res, body := ask(t, h, "POST", "/mcp", m.body, key, s); res.StatusCode != 404 || !strings.Contains(body, "session not found") {
			t.Errorf("narrowed, %s: %d %s", m.body, res.StatusCode, body)
		}
	}
	stream := open(t, h, "GET", "/mcp", "", key, s)
	if stream.Body.Close(); stream.StatusCode != 404 {
		t.Errorf("narrowed, its stream: %s", stream.Status)
	}
	s = session(t, h, "/mcp", key)
	if _, body := ask(t, h, "POST", "/mcp", messages[1].body, key, s); strings.Contains(body, "shop") {
		t.Errorf("a new session: %s", body)
	}
}

// What is asked below a project's own path concerns that project alone.
func TestOneProject(t *testing.T) {
	h := house(t, mcp.Options{})
	h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":{"id":"1"}}`)}, nil
	})
	s := session(t, h, "/shop/mcp", key)
	read := func(path, uri string, headers ...string) (*http.Response, string) {
		return ask(t, h, "POST", path, `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"`+uri+`"}}`, append(headers, key)...)
	}
	for _, uri := range []string{"entity://Product/records/1?project=default", "entity://Product/schema?project=default"} {
		if _, body := read("/shop/mcp", uri, s); !strings.Contains(body, `"error"`) || h.Mesh.Last().Op != "" {
			t.Errorf("%s: %s", uri, body)
		}
	}
	for _, c := range []struct {
		path, uri, project, args string
		headers                  []string
	}{
		{"/shop/mcp", "entity://Product/records/1", "shop", `{"id":"1"}`, []string{s}},
		{"/mcp", "entity://Product/records/1?project=shop", "shop", `{"id":"1"}`, nil},
		{"/mcp", "entity://Product/records/1", "default", `{"id":"1","minPosition":"e1-7"}`, []string{"Octo-Min-Position: e1-7"}},
	} {
		_, body := read(c.path, c.uri, c.headers...)
		if got := h.Mesh.Last(); got.Project != c.project || got.Args != c.args {
			t.Errorf("%s %s: %s %s %s", c.path, c.uri, got.Project, got.Args, body)
		}
	}
	for path, want := range map[string]bool{"/mcp": true, "/shop/mcp": false} {
		if _, body := ask(t, h, "POST", path, `{"jsonrpc":"2.0","id":1,"method":"resources/templates/list"}`, key); strings.Contains(body, "{?project}") != want || !strings.Contains(body, "records/{+id}") {
			t.Errorf("%s: %s", path, body)
		}
	}
}

// A session that gives way is gone at once, and nobody waits for its calls.
func TestEvictionWaitsForNobody(t *testing.T) {
	h := house(t, mcp.Options{CallTimeout: time.Minute})
	arrived, answer := make(chan struct{}), make(chan struct{})
	h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		close(arrived)
		<-answer
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":1}`)}, nil
	})
	first := session(t, h, "/mcp", key)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ask(t, h, "POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"count","arguments":{"entity":"Product"}}}`, key, first)
	}()
	<-arrived
	for range 256 {
		if res, body := ask(t, h, "POST", "/mcp", hello, key); res.StatusCode != 200 {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
	}
	if res, body := ask(t, h, "POST", "/mcp", tools, key, first); res.StatusCode != 404 {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	close(answer)
	<-done
}
