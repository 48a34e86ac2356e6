package wire_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/transporttest"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/jsonrpc"
	"github.com/octomesh/octomesh/services/gateway-http/rest"
	"github.com/octomesh/octomesh/services/gateway-http/sse"
	"github.com/octomesh/octomesh/services/gateway-http/trpc"
	"github.com/octomesh/octomesh/services/gateway-http/ws"
)

// house is a gateway with all its protocols over behind, and with the project
// that the suite names.
func house(t *testing.T, transport string, behind mesh.Caller) *scripted.House {
	t.Helper()
	return houseOf(t, transport, behind, func(h *scripted.House, m *httpserver.Mux) {
		rest.New(h.Door).Mount(m)
		ws.New(h.Door, h.Hub).Mount(m)
		sse.New(h.Door, h.Hub).Mount(m)
		jsonrpc.New(h.Door).Mount(m)
		trpc.New(h.Door, h.Hub).Mount(m)
	})
}

// houseOf is house with what mount mounts.
func houseOf(t *testing.T, transport string, behind mesh.Caller, mount func(*scripted.House, *httpserver.Mux)) *scripted.House {
	t.Helper()
	h := scripted.New(t, httpserver.Options{}, mount)
	value := `{"id":"id-shop-2","slug":"shop-2","version":"v1","dialect":"sqlite","schemas":` + scripted.Schemas + `}`
	if err := h.Door.Projects.Apply("shop-2", []byte(value), false); err != nil {
		t.Fatal(err)
	}
	h.Mesh.Answer(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
		if r.Transport != transport || r.Token != "token-of-key" || r.CatalogVersion != "v1" || r.RequestID == "" {
			t.Errorf("the header arrived as %+v", r.Header)
		}
		return behind.Call(ctx, r)
	})
	return h
}

// record is what crossed the connections, in order.
type record struct {
	mu sync.Mutex
	b  strings.Builder
}

func (r *record) add(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.b.WriteString(s)
}

// rename shows what differs from run to run by a name.
func (r *record) rename(old, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := strings.ReplaceAll(r.b.String(), old, name)
	r.b.Reset()
	r.b.WriteString(s)
}

func (r *record) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.b.Reset()
	return r.b.String()
}

// The ways to name a project over HTTP.
var forms = map[string]func(project, path string) (target, header string){
	"rest": func(project, path string) (string, string) { // as short as can be
		if project == "default" {
			return "/api/v1" + path, ""
		}
		return "/" + project + "/api/v1" + path, ""
	},
	"X-Project": func(project, path string) (string, string) { return "/api/v1" + path, "X-Project: " + project + "\r\n" },
	"before":    func(project, path string) (string, string) { return "/" + project + "/api/v1" + path, "" },
	"behind":    func(project, path string) (string, string) { return "/api/v1/" + project + path, "" },
	"parameter": func(project, path string) (string, string) {
		mark := "?"
		if strings.Contains(path, "?") {
			mark = "&"
		}
		return "/api/v1" + path + mark + "project=" + project, ""
	},
}

// TestREST puts requests written by hand through the suite, in every way to
// name a project.
func TestREST(t *testing.T) {
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			wire := &record{}
			h := transporttest.Harness{Name: name, Serve: func(t *testing.T, behind mesh.Caller) mesh.Caller {
				return &restClient{addr: house(t, "rest", behind).Addr, form: form, wire: wire}
			}}
			if name == "rest" {
				h.Wire = wire.take
			}
			transporttest.Run(t, h)
		})
	}
}

// restClient writes each request into a connection of its own.
type restClient struct {
	addr string
	form func(project, path string) (string, string)
	wire *record
}

func (c *restClient) Call(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	request, err := c.write(r)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	c.wire.add("> " + request + "\n")
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, writer(func(b []byte) { c.wire.add(string(b)) }))), nil)
	if err != nil {
		conn.Close()
		return nil, err
	}
	if len(res.TransferEncoding) > 0 {
		return &mesh.Reply{Chunks: &restChunks{res.Body, conn}}, nil
	}
	defer stop()
	defer conn.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	c.wire.add("\n")
	if res.StatusCode >= 300 {
		return nil, refusal(res.Header, body)
	}
	if want := map[bool]int{true: 201, false: 200}[r.Op == "create"]; res.StatusCode != want {
		return nil, fmt.Errorf("status %d, want %d", res.StatusCode, want)
	}
	return answer(res.Header, body)
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

// answer reads a reply's headers.
func answer(h http.Header, body []byte) (*mesh.Reply, error) {
	reply := &mesh.Reply{Body: body, Replayed: h.Get("Idempotency-Replayed") == "true"}
	var err error
	if text := h.Get("Octo-Position"); text != "" {
		if reply.Position, err = mesh.ParsePosition(text); err != nil {
			return nil, err
		}
	}
	if tag := h.Get("ETag"); tag != "" {
		if reply.Version, err = strconv.ParseInt(strings.Trim(tag, `"`), 10, 64); err != nil {
			return nil, err
		}
	}
	return reply, nil
}

// refusal reads an error body.
func refusal(h http.Header, body []byte) error {
	var b struct {
		Status string `json:"status"`
		Error  struct {
			Code, Message string
			Details       any
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &b); err != nil || b.Status != "error" {
		return fmt.Errorf("no error body: %s (%w)", body, err)
	}
	e := &fault.Error{Code: fault.Code(b.Error.Code), Message: b.Error.Message, Details: b.Error.Details}
	if s, err := strconv.Atoi(h.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
}

type restChunks struct {
	body io.Reader
	conn net.Conn
}

func (c *restChunks) Next(context.Context) ([]byte, error) {
	b := make([]byte, 1<<10)
	n, err := c.body.Read(b)
	if n > 0 {
		return b[:n], nil
	}
	return nil, err
}

func (c *restChunks) Close() error { return c.conn.Close() }

// write makes HTTP of a request, route by route as docs list them.
func (c *restClient) write(r *mesh.Request) (string, error) {
	var args map[string]json.RawMessage
	if err := json.Unmarshal(r.Args, &args); err != nil {
		return "", err
	}
	head := "Host: octomesh\r\nX-API-Key: " + scripted.Key + "\r\nX-Request-Id: " + r.RequestID + "\r\n"
	if r.IdempotencyKey != "" {
		head += "Idempotency-Key: " + r.IdempotencyKey + "\r\n"
	}
	if v := take(args, "expectedVersion"); v != nil {
		head += `If-Match: "` + string(v) + "\"\r\n"
	}
	if v := take(args, "minPosition"); v != nil {
		head += "Octo-Min-Position: " + text(v) + "\r\n"
	}
	method, path, body := route(r, args)
	target, project := c.form(r.Project, path)
	head += project
	if body != "" {
		head += "Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	return method + " " + target + " HTTP/1.1\r\n" + head + "\r\n" + body, nil
}

func route(r *mesh.Request, args map[string]json.RawMessage) (method, path, body string) {
	base := "/" + r.Entity
	rest := func() string { b, _ := marshal(args); return b }
	switch r.Op {
	case "findAll":
		return "GET", base + query(args), ""
	case "findOne":
		return "GET", base + "/one" + query(args), ""
	case "count", "stream":
		return "GET", base + "/" + r.Op + query(args), ""
	case "findById":
		return "GET", base + "/" + text(take(args, "id")) + query(args), ""
	case "search":
		if v := take(args, "searchFields"); v != nil {
			args["fields"] = v
		}
		return "POST", base + "/search", rest()
	case "aggregate", "upsert":
		return "POST", base + "/" + r.Op, rest()
	case "create":
		return "POST", base, string(args["data"])
	case "update":
		return "PUT", base + "/" + text(args["id"]), string(args["data"])
	case "delete":
		return "DELETE", base + "/" + text(args["id"]), ""
	case "updateMany":
		return "PUT", base + "/bulk", rest()
	case "deleteMany":
		return "DELETE", base + "/bulk", rest()
	case "addToSet", "pull", "increment":
		id := text(take(args, "id"))
		return "POST", base + "/" + id + "/" + r.Op, rest()
	case "transaction":
		return "POST", "/_transaction", rest()
	}
	return "GET", "/no-route-for-" + r.Op, ""
}

// query writes parameters in the order of the alphabet, lists with commas.
func query(args map[string]json.RawMessage) string {
	v := url.Values{}
	for name, raw := range args {
		switch raw[0] {
		case '"':
			v.Set(name, text(raw))
		case '[':
			var list []string
			if json.Unmarshal(raw, &list) == nil {
				v.Set(name, strings.Join(list, ","))
			}
		default:
			v.Set(name, string(raw))
		}
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

func take(args map[string]json.RawMessage, name string) json.RawMessage {
	v := args[name]
	delete(args, name)
	return v
}

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}

// marshal keeps what is in the members as it is.
func marshal(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}
