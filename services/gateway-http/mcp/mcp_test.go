package mcp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/mcp"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// house is a gateway with MCP alone.
func house(t testing.TB, o mcp.Options) *scripted.House {
	t.Helper()
	if o.CallTimeout == 0 {
		o.CallTimeout = time.Minute // however busy the machine is
	}
	var m *mcp.MCP
	h := scripted.New(t, httpserver.Options{}, func(h *scripted.House, mux *httpserver.Mux) {
		m = mcp.New(h.Door, h.Hub, o)
		m.Mount(mux)
	})
	t.Cleanup(func() { m.Close() }) // before the server stops
	return h
}

// keyed sends a key along.
type keyed struct {
	key   string
	inner *http.Transport
}

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if k.key != "" {
		r.Header.Set("X-API-Key", k.key)
	}
	return k.inner.RoundTrip(r)
}

// connect opens a session of the SDK's client.
func connect(t testing.TB, h *scripted.House, path, key string, o *sdk.ClientOptions) *sdk.ClientSession {
	t.Helper()
	s, err := dial(t, h, path, key, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func dial(t testing.TB, h *scripted.House, path, key string, o *sdk.ClientOptions) (*sdk.ClientSession, error) {
	inner := &http.Transport{}
	t.Cleanup(inner.CloseIdleConnections)
	c := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, o)
	return c.Connect(context.Background(), &sdk.StreamableClientTransport{
		Endpoint: "http://" + h.Addr + path, HTTPClient: &http.Client{Transport: keyed{key, inner}}, MaxRetries: -1,
	}, nil)
}

func call(t testing.TB, s *sdk.ClientSession, tool string, args any) (text string, r *sdk.CallToolResult) {
	t.Helper()
	r, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	for i, c := range r.Content {
		if i > 0 {
			text += "\n---\n"
		}
		text += c.(*sdk.TextContent).Text
	}
	return text, r
}

func names(t testing.TB, s *sdk.ClientSession) string {
	t.Helper()
	r, err := s.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, tool := range r.Tools {
		list = append(list, tool.Name)
	}
	return strings.Join(list, " ")
}

func TestCompact(t *testing.T) {
	h := house(t, mcp.Options{})
	s := connect(t, h, "/mcp", scripted.Key, nil)
	if got := names(t, s); got != "aggregate count create delete delete_many describe get list modify search transaction update update_many upsert" {
		t.Error(got)
	}
	reader := connect(t, h, "/mcp", scripted.Reader, nil)
	if got := names(t, reader); got != "aggregate count describe get list search" {
		t.Error(got)
	}
	h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":[{"id":"1","title":"<b>&é"}],"metadata":{"count":1}}`)}, nil
	})
	text, r := call(t, reader, "list", map[string]any{"entity": "products", "filter": `{"price":{"$gt":1}}`, "sort": "-price", "select": "title, price"})
	if text != `{"status":"ok","data":[{"id":"1","title":"<b>&é"}],"metadata":{"count":1}}` || r.IsError {
		t.Error(text)
	}
	if b, _ := json.Marshal(r.StructuredContent); !strings.Contains(string(b), `"count":1`) {
		t.Errorf("%s", b)
	}
	got := h.Mesh.Last()
	if got.Project != "default" || got.Entity != "Product" || got.Op != "findAll" || got.Args != `{"filter":{"price":{"$gt":1}},"select":["title","price"],"sort":"-price","limit":20}` ||
		got.Header.Token != "token-of-reader" || got.Header.Transport != "mcp" || got.Header.CatalogVersion != "v1" || got.Header.RequestID == "" {
		t.Errorf("%+v", got)
	}
	text, _ = call(t, s, "describe", map[string]any{"project": "shop"})
	if !strings.Contains(text, `"entities":[{"name":"Product","fields":["title"`) || strings.Contains(text, "secret") {
		t.Error(text)
	}
	text, _ = call(t, s, "describe", map[string]any{"entity": "Product"})
	if !strings.Contains(text, `"title":{"type":"string","required":true}`) || strings.Contains(text, "secret") {
		t.Error(text)
	}
}

// Every fault is a result that a model can read.
func TestFaults(t *testing.T) {
	h := house(t, mcp.Options{})
	s := connect(t, h, "/mcp", scripted.Key, nil)
	h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return nil, fault.New(fault.ValidationError, "title is required").With(map[string]string{"field": "title"})
	})
	text, r := call(t, s, "create", map[string]any{"entity": "Product", "data": map[string]any{}})
	if b, _ := json.Marshal(r.StructuredContent); text != "Error: VALIDATION_ERROR: title is required" || !r.IsError || string(b) != `{"code":"VALIDATION_ERROR","details":{"field":"title"},"message":"title is required"}` {
		t.Errorf("%s %s", text, b)
	}
	for _, c := range []struct {
		tool, args, want string
	}{
		{"list", `{}`, "Error: MISSING_PARAMS: name the entity"},
		{"list", `{"entity":"Product","flter":{}}`, `Error: INVALID_REQUEST: list takes no argument "flter"; it takes entity,`},
		{"list", `{"entity":"Product","filter":7}`, "Error: INVALID_REQUEST: the argument filter must be a JSON object"},
		{"list", `{"entity":"Product","filter":"{\"a\":1,\"a\":2}"}`, "Error: PARSE_ERROR: the argument filter: "},
		{"list", `{"entity":"Product","limit":"many"}`, "Error: INVALID_REQUEST: the argument limit must be a whole number"},
		{"list", `{"entity":"_project"}`, "Error: UNKNOWN_ENTITY"},
		{"list", `{"entity":"Product","project":"nope"}`, "Error: UNKNOWN_PROJECT"},
		{"get", `{"entity":"Product"}`, "Error: MISSING_ID"},
		{"get", `{"entity":"Product","id":"1","filter":{}}`, "Error: INVALID_REQUEST"},
		{"modify", `{"entity":"Product","id":"1"}`, "Error: MISSING_PARAMS"},
		{"describe", `{"entity":"Nobody"}`, "Error: UNKNOWN_ENTITY"},
	} {
		h.Mesh.Forget()
		text, r := call(t, s, c.tool, json.RawMessage(c.args))
		if !r.IsError || !strings.HasPrefix(text, c.want) || h.Mesh.Last().Op != "" {
			t.Errorf("%s %s: %s", c.tool, c.args, text)
		}
	}
	if _, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: "nothing"}); err == nil || !strings.Contains(err.Error(), "unknown tool") {
		t.Error(err)
	}
}

// A list that is longer than a result is cut at a record, with the cursor of
// what follows.
func TestTruncation(t *testing.T) {
	h := house(t, mcp.Options{})
	s := connect(t, h, "/mcp", scripted.Key, nil)
	var asked []string
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		asked = append(asked, string(r.Args))
		var q struct{ Limit int }
		if err := json.Unmarshal(r.Args, &q); err != nil {
			t.Error(err)
		}
		row := `{"id":"1","title":"` + strings.Repeat(`]}\"`, 500) + `"}`
		body := `{"status":"ok","data":[` + strings.TrimSuffix(strings.Repeat(row+",", q.Limit), ",") + fmt.Sprintf(`],"metadata":{"count":%d,"next":"c%d"}}`, q.Limit, q.Limit)
		if q.Limit > 90 {
			return &mesh.Reply{Chunks: &scripted.Chunks{Parts: []string{body[:1000], body[1000:]}}}, nil
		}
		return &mesh.Reply{Body: []byte(body)}, nil
	})
	text, r := call(t, s, "list", map[string]any{"entity": "Product", "limit": 5000})
	if len(asked) != 2 || asked[0] != `{"limit":100}` || asked[1] != `{"limit":30}` {
		t.Errorf("%v", asked)
	}
	if r.IsError || len(text) > 70<<10 || !strings.HasSuffix(text, `cursor "c30".`) || !strings.Contains(text, "Truncated") {
		t.Errorf("%d %s", len(text), text[len(text)-200:])
	}
	h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":{"id":"1","_version":2,"title":"` + strings.Repeat("x", 100<<10) + `"},"metadata":{"position":"e1-7"}}`), Position: mesh.Position{Epoch: "e1", Seq: 7}}, nil
	})
	if text, r = call(t, s, "get", map[string]any{"entity": "Product", "id": "1"}); !r.IsError || !strings.Contains(text, "PAYLOAD_TOO_LARGE") {
		t.Error(text)
	}
	if text, r = call(t, s, "update", map[string]any{"entity": "Product", "id": "1", "data": map[string]any{}}); r.IsError || text != `{"status":"ok","data":{"id":"1"},"metadata":{"truncated":true,"position":"e1-7"}}` {
		t.Error(text)
	}
}
