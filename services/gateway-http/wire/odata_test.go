package wire_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/transporttest"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/odata"
)

// TestOData puts OData requests written by hand through the suite.
func TestOData(t *testing.T) {
	wire := &record{}
	transporttest.Run(t, transporttest.Harness{Name: "odata", Wire: wire.take, Serve: func(t *testing.T, behind mesh.Caller) mesh.Caller {
		h := houseOf(t, "odata", behind, func(h *scripted.House, m *httpserver.Mux) { odata.New(h.Door).Mount(m) })
		return &odataClient{addr: h.Addr, wire: wire}
	}})
}

// odataClient writes each request into a connection of its own.
type odataClient struct {
	addr string
	wire *record
}

func (c *odataClient) Call(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	request, err := odataRequest(r)
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
	if v := res.Header.Get("OData-Version"); v != "4.01" {
		return nil, fmt.Errorf("OData-Version %q", v)
	}
	return odataAnswer(r, res, body)
}

// odataRequest makes HTTP of a request, as docs/odata.md lists the forms.
func odataRequest(r *mesh.Request) (string, error) {
	var args map[string]json.RawMessage
	if err := json.Unmarshal(r.Args, &args); err != nil {
		return "", err
	}
	head := "Host: octomesh\r\nX-API-Key: " + scripted.Key + "\r\nX-Request-Id: " + r.RequestID + "\r\nAccept: application/json\r\n"
	if r.IdempotencyKey != "" {
		head += "Idempotency-Key: " + r.IdempotencyKey + "\r\n"
	}
	if v := take(args, "expectedVersion"); v != nil {
		head += `If-Match: W/"` + string(v) + "\"\r\n"
	}
	if v := take(args, "minPosition"); v != nil {
		head += "Octo-Min-Position: " + text(v) + "\r\n"
	}
	method, path, body := odataRoute(r, args)
	prefix := "/odata/"
	if r.Project != "default" {
		prefix = "/" + r.Project + prefix
	}
	if body != "" {
		head += "Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	return method + " " + prefix + path + " HTTP/1.1\r\n" + head + "\r\n" + body, nil
}

func odataRoute(r *mesh.Request, args map[string]json.RawMessage) (method, path, body string) {
	key := func() string { return r.Entity + "('" + text(take(args, "id")) + "')" }
	rest := func() string { b, _ := marshal(args); return b }
	switch r.Op {
	case "findAll":
		return "GET", r.Entity + odataOptions(args), ""
	case "search":
		return "GET", r.Entity + odataOptions(args), ""
	case "findOne", "stream":
		return "GET", r.Entity + "/MostaJS." + r.Op + odataOptions(args), ""
	case "count":
		return "GET", r.Entity + "/$count" + odataOptions(args), ""
	case "findById":
		return "GET", key(), ""
	case "aggregate":
		return "GET", r.Entity + "?$apply=" + escape("groupby((role),aggregate($count as n))/orderby(n desc)"), ""
	case "create":
		return "POST", r.Entity, string(args["data"])
	case "update":
		return "PATCH", key(), string(args["data"])
	case "delete":
		return "DELETE", key(), ""
	case "upsert", "updateMany", "deleteMany":
		return "POST", r.Entity + "/MostaJS." + r.Op, rest()
	case "addToSet", "pull", "increment":
		return "POST", key() + "/MostaJS." + r.Op, rest()
	case "transaction":
		return "POST", "transaction", rest()
	}
	return "GET", "no-route-for-" + r.Op, ""
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// odataOptions writes the options in a fixed order.
func odataOptions(args map[string]json.RawMessage) string {
	var out []string
	add := func(name, value string) { out = append(out, name+"="+escape(value)) }
	if v := args["filter"]; v != nil {
		var fields map[string]json.RawMessage
		_ = json.Unmarshal(v, &fields)
		for name, v := range fields {
			op := "eq"
			var inner map[string]json.RawMessage
			if json.Unmarshal(v, &inner) == nil {
				op, v = "ge", inner["$gte"]
			}
			add("$filter", name+" "+op+" "+strings.ReplaceAll(string(v), `"`, "'"))
		}
	}
	if v := args["query"]; v != nil {
		add("$search", string(v))
	}
	if v := args["searchFields"]; v != nil {
		add("searchFields", odataList(v))
	}
	if v := args["sort"]; v != nil {
		sort := strings.NewReplacer(`{`, "", `}`, "", `"`, "", ":-1", " desc", ":1", "").Replace(string(v))
		add("$orderby", sort)
	}
	for _, name := range [][2]string{{"limit", "$top"}, {"skip", "$skip"}} {
		if v := args[name[0]]; v != nil {
			add(name[1], string(v))
		}
	}
	for _, name := range [][2]string{{"select", "$select"}, {"relations", "$expand"}} {
		if v := args[name[0]]; v != nil {
			add(name[1], odataList(v))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "?" + strings.Join(out, "&")
}

func odataList(v json.RawMessage) string {
	var list []string
	_ = json.Unmarshal(v, &list)
	return strings.Join(list, ",")
}

// odataAnswer makes the mesh's reply of a response: control information goes,
// what headers say comes back into metadata.
func odataAnswer(r *mesh.Request, res *http.Response, body []byte) (*mesh.Reply, error) {
	reply := &mesh.Reply{Replayed: res.Header.Get("Idempotency-Replayed") == "true"}
	var err error
	meta := ""
	if p := res.Header.Get("Octo-Position"); p != "" {
		if reply.Position, err = mesh.ParsePosition(p); err != nil {
			return nil, err
		}
		meta = `"position":"` + p + `"`
	}
	if tag := strings.TrimPrefix(res.Header.Get("ETag"), "W/"); tag != "" {
		if reply.Version, err = strconv.ParseInt(strings.Trim(tag, `"`), 10, 64); err != nil {
			return nil, err
		}
	}
	data := strings.TrimPrefix(string(body), "{")
	if at := strings.Index(data, `"@odata.context":"`); at == 0 {
		_, data, _ = strings.Cut(data[len(`"@odata.context":"`):], `",`)
	}
	if at := strings.Index(data, `"@odata.etag":"W/\"`); at >= 0 {
		_, rest, _ := strings.Cut(data[at+len(`"@odata.etag":"W/\"`):], `\"",`)
		data = data[:at] + rest
	}
	value := strings.TrimSuffix(strings.TrimPrefix(data, `"value":`), "}")
	switch {
	case res.StatusCode == http.StatusNoContent && r.Op == "delete":
		data = "true"
	case res.StatusCode == http.StatusNoContent:
		data = "null"
	case res.StatusCode == http.StatusNotFound && r.Op != "create":
		data = "null"
	case res.StatusCode >= 300:
		return nil, odataRefusal(res.Header, body)
	case r.Op == "count":
		data, meta = string(body), `"total":`+string(body)
	case r.Op == "updateMany":
		data, meta = "", `"count":`+value+","+meta
	case r.Op == "deleteMany":
		data, meta = value, `"count":`+value+","+meta
	case r.Op == "findAll", r.Op == "search":
		var list []json.RawMessage
		if err := json.Unmarshal([]byte(value), &list); err != nil {
			return nil, err
		}
		data, meta = value, `"count":`+strconv.Itoa(len(list))
	case r.Op == "aggregate", r.Op == "transaction":
		data = value
	default:
		data = "{" + data
	}
	out := `{"status":"ok"`
	if data != "" {
		out += `,"data":` + data
	}
	if meta != "" {
		out += `,"metadata":{` + meta + "}"
	}
	reply.Body = []byte(out + "}")
	return reply, nil
}

// odataRefusal reads an error body.
func odataRefusal(h http.Header, body []byte) error {
	var b struct {
		Error struct {
			Code, Message string
			Inner         struct{ Details any } `json:"innererror"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &b); err != nil || b.Error.Code == "" {
		return fmt.Errorf("no error body: %s (%w)", body, err)
	}
	e := &fault.Error{Code: fault.Code(b.Error.Code), Message: b.Error.Message, Details: b.Error.Inner.Details}
	if s, err := strconv.Atoi(h.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
}
