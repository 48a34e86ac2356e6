package graphql

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/transporttest"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// suiteSchemas have the fields that the suite's cases speak of.
const suiteSchemas = `[{"name":"Product","collection":"products","fields":{"name":"string","note":"json","price":"number","active":"boolean","tags":"array","sku":"string","stock":"number","role":"string",
 "a":"json","b":"json","c":"json","d":"json","e":"json","f":"json"}}]`

// shown are the selections of the cases, which the suite's requests have none
// of; "" = none.
var shown = map[string]string{
	`findAll`: "id _version name", `findOne`: "id", `search`: "id", `update`: "id _version", `upsert`: "id _version", `addToSet`: "id", `pull`: "id", `increment`: "id _version",
	`create`:                                   "id",
	`findById {"id":"a:b~c@d.e-f_g"}`:          "id _version",
	`findById {"id":"1"}`:                      "id",
	`findById {"id":"1","minPosition":"e1-7"}`: "id",
	`create {"data":{"name":"Chair","note":null,"price":12.5}}`:                                                "id _version name note price",
	`create {"data":{"a":9007199254740993,"b":0.1,"c":1e300,"d":-0.0,"e":123456789012345678901234567890.125}}`: "id a b c e",
	`update {"id":"1","data":{"a":null,"b":[],"c":{},"d":"","e":false,"f":0}}`:                                 "id a b c d e f",
}

// TestSuite puts documents written by hand through the suite of all transports.
func TestSuite(t *testing.T) {
	var wire bytes.Buffer
	skip := map[string]string{}
	for _, name := range []string{"a stream", "a stream of nothing", "a stream that is refused", "a stream that breaks"} {
		skip[name] = "a GraphQL response is one document; pages take the place of streams"
	}
	transporttest.Run(t, transporttest.Harness{
		Name: "graphql", Skip: skip,
		Wire: func() string { defer wire.Reset(); return wire.String() },
		Serve: func(t *testing.T, behind mesh.Caller) mesh.Caller {
			c := &suiteClient{wire: &wire}
			h := scripted.New(t, httpserver.Options{RequestTimeout: 10 * time.Second}, func(h *scripted.House, m *httpserver.Mux) {
				New(h.Door, h.Hub).Mount(m)
			})
			for _, slug := range []string{"default", "shop-2"} {
				value := `{"id":"id-` + slug + `","slug":"` + slug + `","version":"v2","dialect":"sqlite","schemas":` + suiteSchemas + `}`
				if err := h.Door.Projects.Apply(slug, []byte(value), false); err != nil {
					t.Fatal(err)
				}
			}
			h.Mesh.Answer(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
				if r.Transport != Transport || r.Token != "token-of-key" || r.CatalogVersion != "v2" || r.RequestID == "" {
					t.Errorf("the header arrived as %+v", r.Header)
				}
				q := *r
				q.Args = c.asked(t, r.Args)
				return behind.Call(ctx, &q)
			})
			c.addr = h.Addr
			return c
		},
	})
}

type suiteClient struct {
	addr string
	wire *bytes.Buffer
	// selects tells that the request itself names what is to be shown. Else the
	// door makes select of the document, which is looked at and taken out.
	selects atomic.Bool
}

func (c *suiteClient) asked(t *testing.T, args []byte) []byte {
	if c.selects.Load() {
		return args
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(args, &m); err != nil {
		t.Errorf("%s: %v", args, err)
	}
	delete(m, "select")
	b, err := json.Marshal(m)
	if err != nil {
		t.Error(err)
	}
	return b
}

// how tells how each op is asked: its field, and the types of its arguments.
var how = map[string]struct{ kind, field, args string }{
	"findAll":     {"query", "products", "filter: JSON, sort: JSON, limit: Int, skip: Int, select: [String!], relations: [String!]"},
	"findOne":     {"query", "productOne", "filter: JSON"},
	"findById":    {"query", "product", "id: ID!"},
	"count":       {"query", "productCount", "filter: JSON"},
	"search":      {"query", "productSearch", "query: String!, fields: [String!], limit: Int"},
	"aggregate":   {"query", "productAggregate", "stages: JSON!"},
	"create":      {"mutation", "createProduct", "input: ProductInput!"},
	"update":      {"mutation", "updateProduct", "id: ID!, input: ProductPatch!, expectedVersion: Int"},
	"delete":      {"mutation", "deleteProduct", "id: ID!"},
	"upsert":      {"mutation", "upsertProduct", "filter: JSON, input: ProductPatch!"},
	"updateMany":  {"mutation", "updateManyProducts", "filter: JSON, input: ProductPatch!"},
	"deleteMany":  {"mutation", "deleteManyProducts", "filter: JSON"},
	"addToSet":    {"mutation", "addToSetProduct", "id: ID!, field: String!, value: JSON"},
	"pull":        {"mutation", "pullProduct", "id: ID!, field: String!, value: JSON"},
	"increment":   {"mutation", "incrementProduct", "id: ID!, field: String!, amount: Float!"},
	"transaction": {"mutation", "_transaction", "operations: JSON!"},
}

// write makes an HTTP request of a call.
func (c *suiteClient) write(r *mesh.Request) (string, error) {
	var args map[string]json.RawMessage
	if err := json.Unmarshal(r.Args, &args); err != nil {
		return "", err
	}
	c.selects.Store(args["select"] != nil)
	head := "Host: octomesh\r\nX-API-Key: " + scripted.Key + "\r\nX-Request-Id: " + r.RequestID + "\r\nAccept: application/graphql-response+json\r\nContent-Type: application/json\r\n"
	if r.IdempotencyKey != "" {
		head += "Idempotency-Key: " + r.IdempotencyKey + "\r\n"
	}
	if p := args["minPosition"]; p != nil {
		head += "Octo-Min-Position: " + strings.Trim(string(p), `"`) + "\r\n"
		delete(args, "minPosition")
	}
	for from, to := range map[string]string{"data": "input", "searchFields": "fields"} {
		if v, ok := args[from]; ok {
			args[to] = v
			delete(args, from)
		}
	}
	op := how[r.Op]
	var declared, given, variables []string
	for part := range strings.SplitSeq(op.args, ", ") {
		name, typ, _ := strings.Cut(part, ": ")
		if v, ok := args[name]; ok {
			declared, given = append(declared, "$"+name+": "+typ), append(given, name+": $"+name)
			variables = append(variables, fmt.Sprintf("%q:%s", name, v))
			delete(args, name)
		}
	}
	if len(args) > 0 {
		return "", fmt.Errorf("%s: %v has no place", r.Op, args)
	}
	call := op.field
	if len(given) > 0 {
		call += "(" + strings.Join(given, ", ") + ")"
	}
	sel, ok := shown[r.Op+" "+string(r.Args)]
	if !ok && strings.Contains(string(r.Args), "😀") {
		sel, ok = "id name", true
	}
	if !ok {
		sel = shown[r.Op]
	}
	if sel != "" {
		call += " { " + sel + " }"
	}
	document := op.kind
	if len(declared) > 0 {
		document += "(" + strings.Join(declared, ", ") + ")"
	}
	document += " { r: " + call + " }"
	body := fmt.Sprintf(`{"query":%q,"variables":{%s}}`, document, strings.Join(variables, ","))
	target := "/graphql"
	if r.Project != "default" {
		target = "/" + r.Project + target
	}
	return "POST " + target + " HTTP/1.1\r\n" + head + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body, nil
}

func (c *suiteClient) Call(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
	request, err := c.write(r)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c.wire.WriteString("> " + request + "\n")
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, c.wire)), nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/graphql-response+json; charset=utf-8" {
		return nil, fmt.Errorf("%s %s: %s", res.Status, res.Header.Get("Content-Type"), body)
	}
	return c.reply(r, res.Header, body)
}

// reply turns a response back into a reply of the mesh.
func (c *suiteClient) reply(r *mesh.Request, h http.Header, body []byte) (*mesh.Reply, error) {
	var b struct {
		Data   struct{ R json.RawMessage }
		Errors []struct {
			Message    string
			Path       []any
			Extensions struct {
				Code       string
				Details    any
				RetryAfter int
			}
		}
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, err
	}
	if len(b.Errors) > 0 {
		e := b.Errors[0]
		wait, _ := strconv.Atoi(h.Get("Retry-After"))
		if len(b.Errors) > 1 || string(b.Data.R) != "null" || !slices.Equal(e.Path, []any{"r"}) || wait != e.Extensions.RetryAfter {
			return nil, fmt.Errorf("an error as %s, %v", body, h)
		}
		f := &fault.Error{Code: fault.Code(e.Extensions.Code), Message: e.Message, Details: e.Extensions.Details}
		return nil, f.After(time.Duration(wait) * time.Second)
	}
	reply := &mesh.Reply{Replayed: h.Get("Idempotency-Replayed") == "true"}
	var meta []string
	var list []json.RawMessage
	switch _ = json.Unmarshal(b.Data.R, &list); r.Op {
	case "findAll", "search":
		meta = append(meta, fmt.Sprintf(`"count":%d`, len(list)))
	case "count":
		meta = append(meta, `"total":`+string(b.Data.R))
	case "updateMany", "deleteMany":
		meta = append(meta, `"count":`+string(b.Data.R))
	}
	if p := h.Get("Octo-Position"); p != "" {
		meta = append(meta, fmt.Sprintf(`"position":%q`, p))
		var err error
		if reply.Position, err = mesh.ParsePosition(p); err != nil {
			return nil, err
		}
	}
	var record struct {
		Version int64 `json:"_version"`
	}
	if json.Unmarshal(b.Data.R, &record) == nil {
		reply.Version = record.Version
	}
	reply.Body = []byte(`{"status":"ok"`)
	if r.Op != "updateMany" {
		reply.Body = fmt.Appendf(reply.Body, `,"data":%s`, b.Data.R)
	}
	if len(meta) > 0 {
		reply.Body = fmt.Appendf(reply.Body, `,"metadata":{%s}`, strings.Join(meta, ","))
	}
	reply.Body = append(reply.Body, '}')
	return reply, nil
}
