package jsonrpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/jsonrpc"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func house(t testing.TB) *scripted.House {
	return scripted.New(t, httpserver.Options{}, func(h *scripted.House, m *httpserver.Mux) { jsonrpc.New(h.Door).Mount(m) })
}

// send sends a request with headers "Name: value" and returns status, headers
// and body.
func send(t testing.TB, h *scripted.House, method, target, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Addr+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", scripted.Key)
	req.Header.Set("X-Request-Id", "r")
	for _, s := range headers {
		name, value, _ := strings.Cut(s, ": ")
		req.Header.Set(name, value)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

func refusal(id string, number int, code string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":"…","data":{"code":"%s"`, id, number, code)
}

// shorten takes the message out of an error, and what follows its code.
func shorten(body string) string {
	for {
		from := strings.Index(body, `"message":"`)
		if from < 0 {
			return body
		}
		code := strings.Index(body[from:], `,"message":"`) + from
		end := strings.Index(body[code+1:], "}}}") + code + 1
		message := strings.Index(body[from:], `","data":`) + from
		body = body[:from] + `"MESSAGE":"…` + body[message:code] + body[end+3:]
	}
}

// The examples of the specification's section 7, and what else can be wrong with
// an envelope.
func TestEnvelope(t *testing.T) {
	h := house(t)
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: fmt.Appendf(nil, `{"status":"ok","data":"%s.%s %s"}`, r.Entity, r.Op, strings.ReplaceAll(string(r.Args), `"`, `'`))}, nil
	})
	const list = `"jsonrpc":"2.0","method":"Product.count"`
	ok := func(id string) string {
		return `{"jsonrpc":"2.0","id":` + id + `,"result":{"data":"Product.count "}}`
	}
	deep := strings.Repeat(`[`, 40) + strings.Repeat(`]`, 40)
	for _, c := range []struct{ name, body, want string }{
		{"a call", `{` + list + `,"id":1}`, ok("1")},
		{"an id that is a text", `{` + list + `,"id":"é\u00e9\"\\"}`, ok(`"é\u00e9\"\\"`)},
		{"an id that is null", `{` + list + `,"id":null}`, ok("null")},
		{"a number with a fraction", `{` + list + `,"id":1.50}`, ok("1.50")},
		{"params", ` {"id":1,"params": {"filter":{"title":null} },"method":"products.count","jsonrpc":"2.0"} `, `{"jsonrpc":"2.0","id":1,"result":{"data":"Product.count {'filter':{'title':null} }"}}`},
		{"params of none", `{` + list + `,"params":[ ],"id":1}`, ok("1")},
		{"a member of somebody else", `{` + list + `,"trace":{},"id":1}`, ok("1")},
		{"a notification", `{` + list + `}`, ""},
		{"a notification that fails", `{"jsonrpc":"2.0","method":"nothing"}`, ""},
		{"a notification with params that are none", `{` + list + `,"params":7}`, ""},
		{"no such method", `{"jsonrpc":"2.0","method":"foobar","id":"1"}`, refusal(`"1"`, -32601, "UNKNOWN_OP")},
		{"no such op", `{"jsonrpc":"2.0","method":"Product.fly","id":1}`, refusal("1", -32601, "UNKNOWN_OP")},
		{"an op of the project", `{"jsonrpc":"2.0","method":"Product.transaction","id":1}`, refusal("1", -32601, "UNKNOWN_OP")},
		{"no name of an entity", `{"jsonrpc":"2.0","method":"a b.count","id":1}`, refusal("1", -32601, "UNKNOWN_ENTITY")},
		{"another method of rpc", `{"jsonrpc":"2.0","method":"rpc.fly","id":1}`, refusal("1", -32601, "UNKNOWN_ENTITY")},
		{"no JSON", `{"jsonrpc":"2.0","method":"foobar,"params":"bar","baz]`, refusal("null", -32700, "PARSE_ERROR")},
		{"nothing", ``, refusal("null", -32700, "PARSE_ERROR")},
		{"a key twice", `{` + list + `,"id":1,"id":2}`, refusal("null", -32700, "PARSE_ERROR")},
		{"no UTF-8", "{" + list + ",\"id\":\"\xff\"}", refusal("null", -32700, "PARSE_ERROR")},
		{"too deep", `{` + list + `,"params":{"a":` + deep + `},"id":1}`, refusal("null", -32700, "PARSE_ERROR")},
		{"a method that is no text", `{"jsonrpc":"2.0","method":1,"params":"bar"}`, refusal("null", -32600, "INVALID_REQUEST")},
		{"no version", `{"method":"Product.count","id":3}`, refusal("3", -32600, "INVALID_REQUEST")},
		{"the first version", `{"jsonrpc":"1.0","method":"Product.count","id":3}`, refusal("3", -32600, "INVALID_REQUEST")},
		{"an id that is an object", `{` + list + `,"id":{}}`, refusal("null", -32600, "INVALID_REQUEST")},
		{"an id that is true", `{` + list + `,"id":true}`, refusal("null", -32600, "INVALID_REQUEST")},
		{"a long id", `{` + list + `,"id":"` + strings.Repeat("x", 2000) + `"}`, refusal("null", -32600, "INVALID_REQUEST")},
		{"params by position", `{` + list + `,"params":[1],"id":1}`, refusal("1", -32602, "INVALID_REQUEST")},
		{"params that are none", `{` + list + `,"params":"bar","id":1}`, refusal("1", -32600, "INVALID_REQUEST")},
		{"a text", `"x"`, refusal("null", -32600, "INVALID_REQUEST")},
		{"a batch", `[{` + list + `,"id":1},{` + list + `},{` + list + `,"id":"2"}]`, `[` + ok("1") + `,` + ok(`"2"`) + `]`},
		{"a batch of nothing", `[]`, refusal("null", -32600, "INVALID_REQUEST")},
		{"a batch that is no JSON", `[{` + list + `,"id":1},{"jsonrpc":"2.0","method"]`, refusal("null", -32700, "PARSE_ERROR")},
		{"a batch of something else", `[1,{` + list + `,"id":1}]`, `[` + refusal("null", -32600, "INVALID_REQUEST") + `,` + ok("1") + `]`},
		{"a batch of notifications", `[{` + list + `},{` + list + `}]`, ""},
		{"a batch of 100", `[` + strings.Repeat(`{`+list+`,"id":1},`, 99) + `{` + list + `,"id":1}]`, `[` + strings.Repeat(ok("1")+`,`, 99) + ok("1") + `]`},
		{"a batch of 101", `[` + strings.Repeat(`{`+list+`,"id":1},`, 100) + `{` + list + `,"id":1}]`, refusal("null", -32600, "INVALID_REQUEST")},
		{"a flood", `[` + strings.Repeat(`{},`, 1_000_000) + `{}]`, refusal("null", -32600, "INVALID_REQUEST")},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, got := send(t, h, "POST", "/rpc", c.body, "Content-Type: application/json")
			want := map[bool]int{true: 204, false: 200}[c.want == ""]
			if status != want || shorten(got) != strings.ReplaceAll(c.want, `"message":"…"`, `"MESSAGE":"…"`) {
				t.Errorf("%d %.300s, want %d %.300s", status, shorten(got), want, c.want)
			}
		})
	}
}

// What HTTP has to say beside the envelope.
func TestHTTP(t *testing.T) {
	h := house(t)
	const call = `{"jsonrpc":"2.0","method":"Product.update","params":{"id":"1","data":{}},"id":1}`
	for _, c := range []struct {
		name, method, target, body string
		headers                    []string
		status                     int
		want                       string // in the body
		project, args, key         string
	}{
		{name: "a project in the path", target: "/shop/rpc", project: "shop"},
		{name: "a project in a header", headers: []string{"X-Project: shop"}, project: "shop"},
		{name: "a project in the query", target: "/rpc?project=shop", project: "shop"},
		{name: "two projects", target: "/shop/rpc", headers: []string{"X-Project: default"}, want: `"code":-32602`},
		{name: "no such project", target: "/nowhere/rpc", want: `"code":-32004`},
		{name: "no key", headers: []string{"X-API-Key: "}, project: "default"},
		{name: "a wrong key", headers: []string{"X-API-Key: wrong"}, want: `"code":-32001`},
		{name: "a version", headers: []string{`If-Match: "4"`}, project: "default", args: `{"id":"1","data":{},"expectedVersion":4}`},
		{name: "a version that is none", headers: []string{`If-Match: 4`}, want: `"code":-32602`},
		{name: "a position", headers: []string{"Octo-Min-Position: e1-7"}, project: "default", args: `{"id":"1","data":{},"minPosition":"e1-7"}`},
		{name: "a position that is none", headers: []string{"Octo-Min-Position: x"}, want: `"error"`},
		{name: "a key in a header", headers: []string{"Idempotency-Key: once"}, project: "default", key: "once"},
		{name: "a key in params", body: strings.Replace(call, `"id":"1",`, `"id":"1","idempotencyKey":"k","expectedVersion":1,`, 1), headers: []string{"Idempotency-Key: once", `If-Match: "4"`}, project: "default", key: "k", args: `{"id":"1","expectedVersion":1,"data":{}}`},
		{name: "a key that is none", body: strings.Replace(call, `"id":"1",`, `"id":"1","idempotencyKey":7,`, 1), want: `"code":-32602`},
		{name: "another type", headers: []string{"Content-Type: text/plain"}, status: 415, want: `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,`},
		{name: "compressed", headers: []string{"Content-Encoding: gzip"}, status: 415, want: `"code":-32600`},
		{name: "another verb", method: "PUT", status: 405, want: `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,`},
		{name: "a path below", target: "/rpc/x", status: 404, want: `NOT_FOUND`},
	} {
		t.Run(c.name, func(t *testing.T) {
			method, target, body, status := c.method, c.target, c.body, c.status
			for p, standard := range map[*string]string{&method: "POST", &target: "/rpc", &body: call} {
				if *p == "" {
					*p = standard
				}
			}
			if status == 0 {
				status = 200
			}
			h.Mesh.Forget()
			gotStatus, _, got := send(t, h, method, target, body, c.headers...)
			last := h.Mesh.Last()
			if gotStatus != status || !strings.Contains(got, c.want) || last.Project != c.project || last.Header.IdempotencyKey != c.key || c.args != "" && last.Args != c.args {
				t.Errorf("%d %s %+v", gotStatus, got, last)
			}
		})
	}
	status, head, _ := send(t, h, "OPTIONS", "/rpc", "")
	if status != 204 || head.Get("Allow") != "GET, HEAD, POST, OPTIONS" {
		t.Error(status, head)
	}
}

// TestBatch: each call has its own fate, its own key and its own place in the
// rate, and all of them together have a limit.
func TestBatch(t *testing.T) {
	h := house(t)
	big := `{"status":"ok","data":"` + strings.Repeat("x", 9<<20) + `"}`
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		switch r.Op {
		case "create":
			return nil, fault.New(fault.Conflict, "taken")
		case "count":
			return &mesh.Reply{Body: []byte(big)}, nil
		case "stream":
			return &mesh.Reply{Chunks: &scripted.Chunks{Parts: []string{`{"id":`, "\"1\"}\n{}", "\n"}}}, nil
		case "findOne":
			panic("worker")
		case "delete":
			return nil, errors.New("secret")
		case "updateMany":
			return &mesh.Reply{Body: []byte(`{"status":"ok"}`)}, nil
		}
		return &mesh.Reply{Body: fmt.Appendf(nil, `{"status":"ok","data":%q}`, r.IdempotencyKey)}, nil
	})
	ask := func(ops ...string) string {
		b := make([]string, len(ops))
		for i, op := range ops {
			b[i] = fmt.Sprintf(`{"jsonrpc":"2.0","method":"Product.%s","id":%d}`, op, i)
		}
		return "[" + strings.Join(b, ",") + "]"
	}
	_, _, got := send(t, h, "POST", "/rpc", ask("create", "stream", "update", "findOne", "delete", "updateMany"), "Idempotency-Key: k")
	for _, want := range []string{
		`{"jsonrpc":"2.0","id":0,"error":{"code":-32009,"message":"taken","data":{"code":"CONFLICT","message":"taken","requestId":"r"}}}`,
		`{"jsonrpc":"2.0","id":1,"result":{"data":[{"id":"1"},{}]}}`, `{"jsonrpc":"2.0","id":2,"result":{"data":"k.2"}}`,
		`"id":3,"error":{"code":-32603,`, `"id":4,"error":{"code":-32603,`, `{"jsonrpc":"2.0","id":5,"result":{}}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\n lacks %s", got, want)
		}
	}
	if strings.Contains(got, "secret") || !json.Valid([]byte(got)) {
		t.Error(got)
	}
	if _, _, got = send(t, h, "POST", "/rpc", ask("count", "count")); strings.Count(got, `"code":-32013`) != 1 || len(got) < 9<<20 {
		t.Errorf("%d bytes, %.200s", len(got), got)
	}
	_, head, got := send(t, h, "POST", "/rpc", ask("findAll", "findAll", "findAll"), "X-API-Key: "+scripted.Slow)
	if strings.Count(got, "RATE_LIMITED") != 1 || head.Get("RateLimit-Limit") != "2" {
		t.Error(got, head)
	}
	if _, _, got = send(t, h, "POST", "/rpc", ask("findAll"), `If-Match: "1"`); !strings.Contains(got, "expectedVersion") {
		t.Error(got)
	}
}

// TestBatchOfDescriptions: rpc.discover counts in a batch as any call does.
func TestBatchOfDescriptions(t *testing.T) {
	h := house(t)
	wide := make([]string, 60)
	for i := range wide {
		wide[i] = fmt.Sprintf(`{"name":"Wide%d","collection":"wides%d","fields":{"a":"string","b":"string","c":"string"}}`, i, i)
	}
	if err := h.Door.Projects.Apply("wide", []byte(`{"id":"w","slug":"wide","version":"1","schemas":[`+strings.Join(wide, ",")+`]}`), false); err != nil {
		t.Fatal(err)
	}
	const ask, tell = `{"jsonrpc":"2.0","method":"rpc.discover","id":1}`, `{"jsonrpc":"2.0","method":"rpc.discover"}`
	many := func(n int, one string) string { return strings.Repeat(one+",", n-1) + one }
	_, _, got := send(t, h, "POST", "/wide/rpc", "["+many(100, ask)+"]")
	if refused := strings.Count(got, `"code":"PAYLOAD_TOO_LARGE"`); refused == 0 || refused == 100 || len(got) > 17<<20 || !json.Valid([]byte(got)) {
		t.Errorf("%d of 100 refused, %d bytes", refused, len(got))
	}
	_, _, got = send(t, h, "POST", "/wide/rpc", "["+many(90, tell)+","+ask+"]")
	if !strings.HasPrefix(got, `[{"jsonrpc":"2.0","id":1,"result":{"components":`) {
		t.Errorf("after notifications that took the room: %.200s", got)
	}
	send(t, h, "POST", "/rpc", "["+many(2, tell)+"]", "X-API-Key: "+scripted.Slow)
	if _, _, got = send(t, h, "POST", "/rpc", ask, "X-API-Key: "+scripted.Slow); !strings.Contains(got, "RATE_LIMITED") {
		t.Errorf("descriptions did not count: %.200s", got)
	}
	if status, _, body := send(t, h, "POST", "/rpc", tell); status != 204 || body != "" {
		t.Error(status, body)
	}
}

// TestNotifications: nobody reads what they reply, so it is neither gathered nor
// counted, however much it is.
func TestNotifications(t *testing.T) {
	h := house(t)
	unread := &scripted.Chunks{}
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		if r.Op == "stream" {
			unread = &scripted.Chunks{Parts: []string{"{}"}, Closed: make(chan struct{})}
			return &mesh.Reply{Chunks: unread}, nil
		}
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":"` + strings.Repeat("x", 9<<20) + `"}`)}, nil
	})
	const stream, count = `{"jsonrpc":"2.0","method":"Product.stream"}`, `{"jsonrpc":"2.0","method":"Product.count"}`
	for _, body := range []string{stream, "[" + stream + "]"} {
		if status, _, got := send(t, h, "POST", "/rpc", body); status != 204 || len(unread.Parts) != 1 {
			t.Errorf("%s: %d %s, of the reply is left %v", body, status, got, unread.Parts)
		}
		select {
		case <-unread.Closed:
		default:
			t.Errorf("%s: the reply was not given up", body)
		}
	}
	_, _, got := send(t, h, "POST", "/rpc", "["+count+","+count+`,{"jsonrpc":"2.0","method":"Product.count","id":1}]`)
	if !strings.HasPrefix(got, `[{"jsonrpc":"2.0","id":1,"result":`) {
		t.Errorf("after notifications that took the room: %.200s", got)
	}
}

// Descriptions show what the key may use, and nothing to nobody.
func TestDescriptions(t *testing.T) {
	h := house(t)
	methods := func(key string) []string {
		status, head, body := send(t, h, "GET", "/rpc", "", "X-API-Key: "+key)
		var list struct{ Methods []string }
		if err := json.Unmarshal([]byte(body), &list); err != nil || status != 200 || head.Get("Cache-Control") != "private, no-cache" {
			t.Fatal(status, head, body, err)
		}
		if s, _, _ := send(t, h, "GET", "/rpc", "", "X-API-Key: "+key, "If-None-Match: "+head.Get("ETag")); s != 304 {
			t.Error(s)
		}
		_, _, body = send(t, h, "POST", "/rpc", `{"jsonrpc":"2.0","method":"rpc.discover","id":1}`, "X-API-Key: "+key)
		var document struct {
			Result struct {
				Methods    []struct{ Name string }
				Components struct{ Schemas map[string]any }
			}
		}
		if err := json.Unmarshal([]byte(body), &document); err != nil {
			t.Fatal(body)
		}
		var names []string
		for _, m := range document.Result.Methods {
			names = append(names, m.Name)
		}
		if !slices.Equal(names, list.Methods) || strings.Contains(body, "secret") && key == scripted.Reader || (len(document.Result.Components.Schemas) > 0) != (len(names) > 1) {
			t.Errorf("%v\n%v\n%.500s", names, list.Methods, body)
		}
		return names
	}
	if all := methods(scripted.Key); len(all) != 1+2*16+5 || all[1] != "Product.findAll" || !slices.Contains(all, "_project.transaction") {
		t.Error(all)
	}
	if read := methods(scripted.Reader); len(read) != 1+2*7+2 || slices.Contains(read, "Product.create") {
		t.Error(read)
	}
	if nothing := methods(""); len(nothing) != 1 {
		t.Error(nothing)
	}
	_, _, body := send(t, h, "POST", "/rpc", `[{"jsonrpc":"2.0","method":"rpc.discover","id":1}]`)
	if !strings.HasPrefix(body, `[{"jsonrpc":"2.0","id":1,"result":{"components":`) {
		t.Errorf("%.100s", body)
	}
	if status, _, body := send(t, h, "GET", "/nowhere/rpc", ""); status != 404 || !strings.Contains(body, "-32004") {
		t.Error(status, body)
	}
}
