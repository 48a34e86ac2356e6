package wire_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/transporttest"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/mcp"
)

// noStream are the cases that have no place in a protocol whose results are one
// message.
var noStream = map[string]string{
	"a stream": "a result is one message", "a stream of nothing": "a result is one message",
	"a stream that is refused": "a result is one message", "a stream that breaks": "a result is one message",
}

// TestMCP puts JSON-RPC messages written by hand through the suite, with the
// compact tools and with Octonet's.
func TestMCP(t *testing.T) {
	for name, octonet := range map[string]bool{"mcp": false, "mcp-entity": true} {
		t.Run(name, func(t *testing.T) {
			wire := &record{}
			h := transporttest.Harness{
				Name: name, Wire: wire.take, Skip: map[string]string{},
				Serve: func(t *testing.T, behind mesh.Caller) mesh.Caller {
					var m *mcp.MCP
					h := houseOf(t, "mcp", behind, func(h *scripted.House, mux *httpserver.Mux) {
						m = mcp.New(h.Door, h.Hub, mcp.Options{PerEntity: octonet})
						m.Mount(mux)
					})
					t.Cleanup(func() { m.Close() })
					return &mcpClient{addr: h.Addr, octonet: octonet, wire: wire, sessions: map[string]string{}}
				},
			}
			for c, why := range noStream {
				h.Skip[c] = why
			}
			if octonet {
				h.Skip["transaction"] = "Octonet has tools of entities alone"
			}
			transporttest.Run(t, h)
		})
	}
}

// mcpClient speaks Streamable HTTP of revision 2025-11-25, with a session for
// each project.
type mcpClient struct {
	addr     string
	octonet  bool
	wire     *record
	sessions map[string]string
	n        int
}

const mcpHead = "Host: 127.0.0.1\r\nX-API-Key: " + scripted.Key + "\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"

func (c *mcpClient) post(ctx context.Context, path, head, body string) (*http.Response, string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return nil, "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	request := "POST " + path + " HTTP/1.1\r\n" + mcpHead + head + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	c.wire.add("> " + request + "\n")
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, "", err
	}
	res, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, writer(func(b []byte) { c.wire.add(string(b)) }))), nil)
	if err != nil {
		return nil, "", err
	}
	b, err := io.ReadAll(res.Body)
	c.wire.add("\n")
	return res, string(b), err
}

// session opens one as a client must: initialize, then initialized.
func (c *mcpClient) session(ctx context.Context, path string) (string, error) {
	if id := c.sessions[path]; id != "" {
		return id, nil
	}
	defer c.wire.take() // ids of sessions differ each time
	res, body, err := c.post(ctx, path, "", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"wire","version":"1"}}}`)
	if err != nil {
		return "", err
	}
	id := res.Header.Get("Mcp-Session-Id")
	if res.StatusCode != 200 || id == "" || !strings.Contains(body, `"protocolVersion":"2025-11-25"`) {
		return "", fmt.Errorf("initialize: %d %v %s", res.StatusCode, res.Header, body)
	}
	c.sessions[path] = id
	res, body, err = c.post(ctx, path, c.head(id), `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	if err == nil && (res.StatusCode != 202 || body != "") {
		err = fmt.Errorf("initialized: %d %s", res.StatusCode, body)
	}
	return id, err
}

func (c *mcpClient) head(session string) string {
	return "Mcp-Session-Id: " + session + "\r\nMcp-Protocol-Version: 2025-11-25\r\n"
}

func (c *mcpClient) Call(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	path := "/mcp"
	if r.Project != "default" {
		path = "/" + r.Project + "/mcp"
	}
	id, err := c.session(ctx, path)
	if err != nil {
		return nil, err
	}
	tool, args, err := c.tool(r)
	if err != nil {
		return nil, err
	}
	head := c.head(id) + "X-Request-Id: " + r.RequestID + "\r\n"
	if r.IdempotencyKey != "" {
		head += "Idempotency-Key: " + r.IdempotencyKey + "\r\n"
	}
	c.n++
	res, body, err := c.post(ctx, path, head, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, c.n, tool, args))
	if err != nil {
		return nil, err
	}
	for i, name := range []string{id} {
		c.wire.rename(name, fmt.Sprintf("<session %d>", i))
	}
	if res.StatusCode != 200 {
		return nil, fmt.Errorf("%d %s", res.StatusCode, body)
	}
	return c.reply(r, body)
}

// tool writes a request as a call of a tool.
func (c *mcpClient) tool(r *mesh.Request) (tool, args string, err error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(r.Args, &m); err != nil {
		return "", "", err
	}
	if v := take(m, "searchFields"); v != nil {
		m["fields"] = v
	}
	if c.octonet {
		for name, v := range m { // JSON as text, lists with commas
			switch name {
			case "filter", "sort", "data", "value", "stages":
				m[name] = json.RawMessage(quoted(string(v)))
			case "select", "relations", "fields":
				var list []string
				if err := json.Unmarshal(v, &list); err != nil {
					return "", "", err
				}
				m[name] = json.RawMessage(quoted(strings.Join(list, ",")))
			}
		}
		args, err := marshal(m)
		return r.Entity + "_" + r.Op, args, err
	}
	if r.Entity != mesh.ProjectEntity {
		m["entity"] = json.RawMessage(quoted(r.Entity))
	}
	tool = map[string]string{
		"findAll": "list", "findOne": "get", "findById": "get", "updateMany": "update_many", "deleteMany": "delete_many",
		"addToSet": "modify", "pull": "modify", "increment": "modify",
	}[r.Op]
	if tool == "" {
		tool = r.Op
	}
	if tool == "modify" {
		m["action"] = json.RawMessage(quoted(r.Op))
	}
	args, err = marshal(m)
	return tool, args, err
}

func quoted(s string) string {
	b, err := marshal(s)
	if err != nil {
		panic(err)
	}
	return b
}

// reply reads a result: of the compact tools the text is the reply, of Octonet's
// the structured content means the same.
func (c *mcpClient) reply(r *mesh.Request, message string) (*mesh.Reply, error) {
	var m struct {
		ID     int
		Error  json.RawMessage
		Result struct {
			IsError           bool
			Content           []struct{ Type, Text string }
			StructuredContent json.RawMessage
			Meta              struct{ Replayed bool } `json:"_meta"`
		}
	}
	if err := json.Unmarshal([]byte(message), &m); err != nil || m.ID != c.n || m.Error != nil || len(m.Result.Content) != 1 {
		return nil, fmt.Errorf("no result: %s (%w)", message, err)
	}
	if m.Result.IsError {
		var e struct {
			Code, Message string
			Details       any
			RetryAfter    int
		}
		if err := json.Unmarshal(m.Result.StructuredContent, &e); err != nil {
			return nil, err
		}
		if want := "Error: " + e.Code + ": " + e.Message; m.Result.Content[0].Text != want {
			return nil, fmt.Errorf("the text is %q, want %q", m.Result.Content[0].Text, want)
		}
		return nil, (&fault.Error{Code: fault.Code(e.Code), Message: e.Message, Details: e.Details}).After(time.Duration(e.RetryAfter) * time.Second)
	}
	body := []byte(m.Result.Content[0].Text)
	if c.octonet {
		// The SDK writes < and & of structured content as escapes.
		body = []byte(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(m.Result.StructuredContent)))
	}
	reply := &mesh.Reply{Body: body, Replayed: m.Result.Meta.Replayed}
	var b struct {
		Data     json.RawMessage
		Metadata struct{ Position string }
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, err
	}
	var record struct {
		Version int64 `json:"_version"`
	}
	if json.Unmarshal(b.Data, &record) == nil {
		reply.Version = record.Version
	}
	var err error
	if b.Metadata.Position != "" {
		reply.Position, err = mesh.ParsePosition(b.Metadata.Position)
	}
	return reply, err
}
