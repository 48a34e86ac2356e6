package mcp_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/mcp"
)

// Octonet's tools answer in its words.
func TestOctonet(t *testing.T) {
	h := house(t, mcp.Options{PerEntity: true})
	s := connect(t, h, "/mcp", scripted.Key, nil)
	if list := names(t, s); strings.Count(list, " ")+1 != 60 || !strings.Contains(list, "shop_Maker_addToSet") || !strings.Contains(list, " Product_findById ") {
		t.Error(list)
	}
	if list := names(t, connect(t, h, "/shop/mcp", scripted.Key, nil)); strings.Count(list, " ")+1 != 30 || strings.Contains(list, "shop_") {
		t.Error(list)
	}
	for _, c := range []struct{ tool, args, reply, want string }{
		{"Product_findById", `{"id":"1"}`, `{"status":"ok","data":{"id":"1","tags":["a"]}}`, "{\n  \"id\": \"1\",\n  \"tags\": [\n    \"a\"\n  ]\n}"},
		{"Product_findById", `{"id":"1"}`, `{"status":"ok","data":null}`, "null"},
		{"Product_count", `{}`, `{"status":"ok","data":7,"metadata":{"total":7}}`, "7"},
		{"Product_delete", `{"id":"1"}`, `{"status":"ok","data":true}`, "Deleted"},
		{"Product_delete", `{"id":"1"}`, `{"status":"ok","data":false}`, "Not found"},
		{"Product_deleteMany", `{"filter":"{}"}`, `{"status":"ok","data":3,"metadata":{"count":3}}`, "Deleted: 3"},
		{"shop_Product_updateMany", `{"filter":"{}","data":"{}"}`, `{"status":"ok","metadata":{"count":4}}`, "Updated: 4"},
	} {
		h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
			return &mesh.Reply{Body: []byte(c.reply)}, nil
		})
		if got, r := call(t, s, c.tool, json.RawMessage(c.args)); got != c.want || r.IsError {
			t.Errorf("%s: %q", c.tool, got)
		}
	}
	if got := h.Mesh.Last(); got.Project != "shop" || got.Entity != "Product" {
		t.Errorf("%+v", got)
	}
}

// The same tools over plain HTTP.
func TestMirror(t *testing.T) {
	h := house(t, mcp.Options{})
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		if r.Op == "create" {
			return nil, fault.New(fault.Conflict, "taken")
		}
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":2,"metadata":{"total":2}}`)}, nil
	})
	const at = "/api/mcp-agent/"
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		want                     string
	}{
		{"info", "GET", at + "info", "", []string{key}, 200, `"mode":"compact","path":"/mcp","projects":[{"project":"default","entities":["Product","Maker"]},{"project":"shop"`},
		{"tools", "GET", at + "tools", "", []string{key}, 200, `"name":"create"`},
		{"tools of a project", "GET", "/shop" + at + "tools", "", []string{key}, 200, `"enum":["Product","Maker"]`},
		{"prompts", "GET", at + "prompts", "", []string{key}, 200, `"suggest-query"`},
		{"call", "POST", at + "call", `{"tool":"count","params":{"entity":"Product"}}`, []string{key}, 200, `"structuredContent":{"status":"ok","data":2`},
		{"a fault", "POST", at + "call", `{"tool":"create","params":{"entity":"Product","data":{}}}`, []string{key}, 409, `"text":"Error: CONFLICT: taken"`},
		{"no such tool", "POST", at + "call", `{"tool":"drop"}`, []string{key}, 400, "UNKNOWN_OP"},
		{"no tool", "POST", at + "call", `{}`, []string{key}, 400, "MISSING_PARAMS"},
		{"a tool beyond the key", "POST", at + "call", `{"tool":"create"}`, []string{reader}, 400, "UNKNOWN_OP"},
		{"no JSON", "POST", at + "call", `{`, []string{key}, 400, "PARSE_ERROR"},
		{"nobody", "GET", at + "tools", "", nil, 401, "UNAUTHORIZED"},
		{"another verb", "POST", at + "tools", "", []string{key}, 405, "METHOD_NOT_ALLOWED"},
		{"another path", "GET", at + "x", "", []string{key}, 404, "NOT_FOUND"},
		{"a foreign page", "GET", at + "info", "", []string{key, "Origin: https://evil.example"}, 403, "FORBIDDEN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if res, body := ask(t, h, c.method, c.path, c.body, c.headers...); res.StatusCode != c.status || !strings.Contains(body, c.want) {
				t.Errorf("%d %s, want %d %s", res.StatusCode, body, c.status, c.want)
			}
		})
	}
	if _, body := ask(t, h, "GET", at+"tools", "", reader); strings.Contains(body, `"create"`) {
		t.Error("a reader sees writing tools")
	}
}

// BenchmarkCall is one call of a tool in a session, over HTTP.
func BenchmarkCall(b *testing.B) {
	h := house(b, mcp.Options{})
	row := `{"id":"1","_version":1,"title":"Chair","price":49,"stock":3}`
	body := []byte(`{"status":"ok","data":[` + strings.TrimSuffix(strings.Repeat(row+",", 20), ",") + `],"metadata":{"count":20}}`)
	h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) { return &mesh.Reply{Body: body}, nil })
	s := session(b, h, "/mcp", key)
	name, id, _ := strings.Cut(s, ": ")
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	b.ReportAllocs()
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), "POST", "http://"+h.Addr+"/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","arguments":{"entity":"Product"}}}`))
		if err != nil {
			b.Fatal(err)
		}
		req.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "X-Api-Key": {scripted.Key}, name: {id}}
		res, err := client.Do(req)
		if err != nil || res.StatusCode != 200 {
			b.Fatal(res, err)
		}
		if err := json.NewDecoder(res.Body).Decode(&struct{}{}); err != nil {
			b.Fatal(err)
		}
		res.Body.Close()
	}
}
