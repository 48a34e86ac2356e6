package trpc_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/trpc"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func house(t testing.TB) *scripted.House {
	h := scripted.New(t, httpserver.Options{}, func(h *scripted.House, m *httpserver.Mux) { trpc.New(h.Door, h.Hub).Mount(m) })
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: fmt.Appendf(nil, `{"status":"ok","data":%q}`, r.Entity+"."+r.Op+" "+string(r.Args))}, nil
	})
	return h
}

func open(t testing.TB, h *scripted.House, method, target, body string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Addr+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", scripted.Key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, s := range headers {
		name, value, _ := strings.Cut(s, ": ")
		req.Header.Set(name, value)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func send(t testing.TB, h *scripted.House, method, target, body string, headers ...string) (int, string) {
	t.Helper()
	res := open(t, h, method, target, body, headers...)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func input(s string) string { return "?input=" + url.QueryEscape(s) }

func batch(s string) string { return "?batch=1&input=" + url.QueryEscape(s) }

// TestCalls: what requests become, and how each wrong one is refused.
func TestCalls(t *testing.T) {
	h := house(t)
	ok := func(s string) string { return fmt.Sprintf(`{"result":{"data":{"status":"ok","data":%q}}}`, s) }
	const count, create = "/trpc/Product.count", "/trpc/Product.create"
	deep := strings.Repeat(`[`, 40) + strings.Repeat(`]`, 40)
	for _, c := range []struct {
		name, request, body string
		headers             []string
		status              int
		want                string // whole, or the tRPC code of an error
	}{
		{"no input", "GET " + count, "", nil, 200, ok("Product.count ")},
		{"null", "GET " + count + input(`null`), "", nil, 200, ok("Product.count ")},
		{"an input", "GET " + count + input(`{"filter":{"title":"é"}}`), "", nil, 200, ok(`Product.count {"filter":{"title":"é"}}`)},
		{"a collection's name", "GET /trpc/products.count", "", nil, 200, ok("Product.count ")},
		{"a mutation", "POST " + create, `{"data":{}}`, nil, 200, ok(`Product.create {"data":{}}`)},
		{"a mutation without input", "POST " + create, ``, nil, 200, ok("Product.create ")},
		{"a query by POST", "POST " + count, `{"filter":{}}`, nil, 200, ok(`Product.count {"filter":{}}`)},
		{"Octonet's frame", "POST " + create, `{"input":{"data":{}}}`, nil, 200, ok(`Product.create {"data":{}}`)},
		{"Octonet's texts", "POST " + create, `{"input":{"data":"{\"a\":\"b\"}","value":"{}"}}`, nil, 200, ok(`Product.create {"data":{"a":"b"},"value":"{}"}`)},
		{"a text that is no JSON", "POST " + create, `{"data":"{"}`, nil, 400, "PARSE_ERROR"},
		{"a sort that is a text", "GET " + count + input(`{"sort":"a,-b"}`), "", nil, 200, ok(`Product.count {"sort":"a,-b"}`)},
		{"a project", "GET /shop/trpc/Product.count", "", nil, 200, ok("Product.count ")},
		{"a version", "POST /trpc/Product.update", `{}`, []string{`If-Match: "3"`}, 200, ok(`Product.update {"expectedVersion":3}`)},
		{"an input that is no object", "GET " + count + input(`[1]`), "", nil, 400, "BAD_REQUEST"},
		{"an input that is no JSON", "GET " + count + input(`{`), "", nil, 400, "PARSE_ERROR"},
		{"a key twice", "POST " + create, `{"data":{"a":1,"a":1}}`, nil, 400, "PARSE_ERROR"},
		{"too deep", "GET " + count + input(`{"filter":`+deep+`}`), "", nil, 400, "PARSE_ERROR"},
		{"no UTF-8", "GET " + count + "?input=%7B%22%ff", "", nil, 400, "PARSE_ERROR"},
		{"no such procedure", "GET /trpc/Product.fly", "", nil, 404, "NOT_FOUND"},
		{"no procedure at all", "GET /trpc/fly", "", nil, 404, "NOT_FOUND"},
		{"no entity's name", "GET /trpc/a%20b.count", "", nil, 404, "NOT_FOUND"},
		{"deeper", "GET /trpc/Product.count/x", "", nil, 404, "NOT_FOUND"},
		{"a mutation by GET", "GET " + create, "", nil, 405, "METHOD_NOT_SUPPORTED"},
		{"another verb", "PUT " + create, `{}`, nil, 405, "METHOD_NOT_SUPPORTED"},
		{"a subscription by POST", "POST /trpc/Product.events", `{}`, nil, 405, "METHOD_NOT_SUPPORTED"},
		{"another type", "POST " + create, `{}`, []string{"Content-Type: text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"an unknown key", "GET " + count, "", []string{"X-API-Key: no"}, 401, "UNAUTHORIZED"},
		{"no such project", "GET /nowhere/trpc/Product.count", "", nil, 404, "NOT_FOUND"},
		{"lines of one call", "GET " + count, "", []string{"trpc-accept: application/jsonl"}, 400, "BAD_REQUEST"},

		{"a batch", "GET /trpc/Product.count,Maker.findAll" + batch(`{"1":{"limit":1},"7":{}}`), "", nil, 200, "[" + ok("Product.count ") + "," + ok(`Maker.findAll {"limit":1}`) + "]"},
		{"a batch by POST", "POST /trpc/Product.create?batch=1", `{"0":{"data":{}}}`, nil, 200, "[" + ok(`Product.create {"data":{}}`) + "]"},
		{"a batch without input", "GET /trpc/Product.count?batch=1", "", nil, 200, "[" + ok("Product.count ") + "]"},
		{"a batch of an array", "GET /trpc/Product.count" + batch(`[]`), "", nil, 400, "BAD_REQUEST"},
		{"a batch of 101", "GET /trpc/" + strings.Repeat("Product.count,", 100) + "Product.count?batch=1", "", nil, 400, "BAD_REQUEST"},
		{"a flood of commas", "GET /trpc/" + strings.Repeat(",", 7000) + "?batch=1", "", nil, 400, "BAD_REQUEST"},

		{"superjson", "POST " + create + "?transformer=superjson", `{"json":{"data":{"a":null,"b":{"c.d":null,"e":[null,1]}},"limit":null},"meta":{"values":{"limit":["undefined"],"data.b.c\\.d":["undefined"],"data.a":["Date"]},"v":1}}`, nil, 200, `{"result":{"data":{"json":{"status":"ok","data":"Product.create {\"data\":{\"a\":null,\"b\":{\"e\":[null,1]}}}"}}}}`},
		{"superjson of undefined", "GET " + count + input(`{"json":null,"meta":{"values":["undefined"]}}`) + "&transformer=superjson", "", nil, 200, `{"result":{"data":{"json":{"status":"ok","data":"Product.count "}}}}`},
		{"superjson of nothing", "GET " + count + "?transformer=superjson", "", nil, 200, `{"result":{"data":{"json":{"status":"ok","data":"Product.count "}}}}`},
		{"superjson by a header", "GET " + count, "", []string{"trpc-transformer: superjson"}, 200, `{"result":{"data":{"json":{"status":"ok","data":"Product.count "}}}}`},
		{"superjson without its frame", "GET " + count + input(`{}`) + "&transformer=superjson", "", nil, 400, "BAD_REQUEST"},
	} {
		t.Run(c.name, func(t *testing.T) {
			method, target, _ := strings.Cut(c.request, " ")
			status, got := send(t, h, method, target, c.body, c.headers...)
			if strings.HasPrefix(c.want, "{") || strings.HasPrefix(c.want, "[") {
				if status != c.status || got != c.want {
					t.Errorf("%d %s, want %d %s", status, got, c.status, c.want)
				}
				return
			}
			type shape struct {
				Message string
				Code    int
				Data    struct {
					Code       string
					HTTPStatus int
					Error      struct{ Code string }
				}
			}
			var r struct {
				Error struct {
					shape
					JSON shape
				}
			}
			if err := json.Unmarshal([]byte(got), &r); err != nil {
				t.Fatal(got, err)
			}
			e := r.Error.shape
			if strings.Contains(c.request, "superjson") {
				e = r.Error.JSON
			}
			if status != c.status || e.Data.Code != c.want || e.Data.HTTPStatus != status || e.Code >= 0 || e.Message == "" || e.Data.Error.Code == "" {
				t.Errorf("%d %s, want %d %s", status, got, c.status, c.want)
			}
		})
	}
	if status, body := send(t, h, "HEAD", count, ""); status != 204 || body != "" {
		t.Error(status, body)
	}
	if res := open(t, h, "OPTIONS", count, ""); res.StatusCode != 204 || res.Header.Get("Allow") != "GET, POST, OPTIONS" {
		t.Error(res.Status, res.Header)
	}
}

// TestStreamOfAnyLength: a single call's reply is passed on as it comes, but for
// superjson's, which is made of the whole.
func TestStreamOfAnyLength(t *testing.T) {
	h := house(t)
	long := make([]string, 17)
	for i := range long {
		long[i] = `{"title":"` + strings.Repeat("x", 1<<20) + `"}` + "\n"
	}
	h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Chunks: &scripted.Chunks{Parts: long}}, nil
	})
	if status, body := send(t, h, "GET", "/trpc/Product.stream", ""); status != 200 || len(body) < 17<<20 || !strings.HasSuffix(body, `"}]}}}`) {
		t.Errorf("%d, %d bytes, %.100s", status, len(body), body)
	}
	if status, body := send(t, h, "GET", "/trpc/Product.stream?transformer=superjson", ""); status != 413 || !strings.Contains(body, "PAYLOAD_TOO_LARGE") {
		t.Errorf("%d, %d bytes, %.100s", status, len(body), body)
	}
}

// TestBrowsers: what tRPC's links send is allowed to pages of other origins, and
// caches learn that a reply depends on it.
func TestBrowsers(t *testing.T) {
	h := scripted.New(t, httpserver.Options{Origins: []string{"https://shop.example"}}, func(h *scripted.House, m *httpserver.Mux) { trpc.New(h.Door, h.Hub).Mount(m) })
	res := open(t, h, "OPTIONS", "/trpc/Product.count", "", "Origin: https://shop.example", "Access-Control-Request-Method: GET")
	allowed := strings.ToLower(res.Header.Get("Access-Control-Allow-Headers"))
	if !strings.Contains(allowed, "trpc-accept") || !strings.Contains(allowed, "x-api-key") {
		t.Error(allowed)
	}
	res = open(t, h, "GET", "/trpc/Product.count", "", "Origin: https://shop.example")
	defer res.Body.Close()
	if vary := strings.Join(res.Header.Values("Vary"), ", "); vary != "Origin, trpc-accept, accept" {
		t.Error(vary)
	}
}

// TestBatchStatus: mixed fates give 207, one fate gives its own status.
func TestBatchStatus(t *testing.T) {
	h := house(t)
	for path, want := range map[string]int{
		"Product.count,Product.fly": 207, "Product.fly,Maker.fly": 404, "Product.count,Product.events": 207, "Product.create": 405, "Product.create,Product.fly": 207,
	} {
		status, body := send(t, h, "GET", "/trpc/"+path+"?batch=1", "")
		if status != want || !strings.HasPrefix(body, "[") || !json.Valid([]byte(body)) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) { panic("worker") })
	if status, body := send(t, h, "GET", "/trpc/Product.count?batch=1", ""); status != 500 || !strings.Contains(body, "INTERNAL_SERVER_ERROR") {
		t.Error(status, body)
	}
}

// TestLines: a call that is done is told while another is not.
func TestLines(t *testing.T) {
	h := house(t)
	release := make(chan struct{})
	h.Mesh.Answer(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
		if r.Entity == "Maker" {
			select {
			case <-release:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":[{"id":"1","added":"2026-01-02T03:04:05.006Z","maker":{"id":"m"}}]}`)}, nil
	})
	read := func(super string) {
		res := open(t, h, "GET", "/trpc/Maker.findAll,Product.findAll,Product.fly?batch=1"+super, "", "trpc-accept: application/jsonl")
		defer res.Body.Close()
		in := bufio.NewReader(res.Body)
		line := func() string {
			s, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		if first := line(); !strings.Contains(first, `{"0":[[0],[null,0,0]],"1":[[0],[null,0,1]],"2":[[0],[null,0,2]]}`) {
			t.Error(first)
		}
		second := line() + line()
		for _, want := range []string{`[1,0,[[{"result":{"data":{"status":"ok"`, `[2,0,[[{"error":{"message"`} {
			if !strings.Contains(second, want) {
				t.Errorf("%s lacks %s", second, want)
			}
		}
		if super != "" && !strings.Contains(second, `"meta":{"values":{"2.0.0.result.data.data.0.added":["Date"]},"v":1}`) {
			t.Error(second)
		}
		release <- struct{}{}
		if last := line(); !strings.Contains(last, `[0,0,[[{"result":`) {
			t.Error(last)
		}
		if _, err := in.ReadByte(); err != io.EOF {
			t.Error(err)
		}
	}
	read("")
	read("&transformer=superjson")
	res := open(t, h, "GET", "/trpc/Maker.findAll,Product.findAll?batch=1", "", "accept: application/jsonl")
	res.Body.Close() // goes away while a call is under way; TestMain sees what is left
	release <- struct{}{}
}

// TestLinesOfWhatTookTooLong: the calls whose time is over have their lines, too.
func TestLinesOfWhatTookTooLong(t *testing.T) {
	h := scripted.New(t, httpserver.Options{RequestTimeout: 50 * time.Millisecond}, func(h *scripted.House, m *httpserver.Mux) { trpc.New(h.Door, h.Hub).Mount(m) })
	h.Mesh.Answer(func(ctx context.Context, _ *mesh.Request) (*mesh.Reply, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	const calls = 30
	_, body := send(t, h, "GET", "/trpc/"+strings.Repeat("Product.count,", calls-1)+"Product.count?batch=1", "", "trpc-accept: application/jsonl")
	if lines := strings.Count(body, "\n"); lines != calls+1 || strings.Count(body, `"code":"TIMEOUT"`) < calls {
		t.Errorf("%d lines of %d\n%.300s", lines, calls+1, body)
	}
}

// TestSubscriptionErrors come as events, since an EventSource hides a status.
func TestSubscriptionErrors(t *testing.T) {
	h := house(t)
	for _, c := range []struct {
		name, target string
		header       string
		code         string
	}{
		{"nobody", "/trpc/Product.events", "X-API-Key: ", "UNAUTHORIZED"},
		{"no such project", "/nowhere/trpc/Product.events", "", "NOT_FOUND"},
		{"a position that is none", "/trpc/Product.events" + input(`{"lastEventId":"?"}`), "", "BAD_REQUEST"},
		{"an unknown member", "/trpc/Product.events" + input(`{"colour":1}`), "", "BAD_REQUEST"},
		{"an entity of an entity", "/trpc/Product.events" + input(`{"entity":"Maker"}`), "", "BAD_REQUEST"},
		{"entities that are none", "/trpc/_project.events" + input(`{"entity":[1]}`), "", "BAD_REQUEST"},
		{"an array", "/trpc/Product.events" + input(`[]`), "", "BAD_REQUEST"},
		{"a filter that is no JSON", "/trpc/Product.events" + input(`{"filter":"{"}`), "", "PARSE_ERROR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var headers []string
			if c.header != "" {
				headers = append(headers, c.header)
			}
			status, body := send(t, h, "GET", c.target, "", headers...)
			if status != 200 || !strings.HasPrefix(body, "retry: 1000\n\nevent: connected\ndata: {}\n\nevent: serialized-error\ndata: {\"message\":") || !strings.Contains(body, `"code":"`+c.code+`"`) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	h.Feed.Err = fault.New(fault.Overloaded, "later").After(3 * time.Second)
	if _, body := send(t, h, "GET", "/trpc/Product.events", ""); !strings.HasPrefix(body, "retry: 3000\n") || !strings.Contains(body, "SERVICE_UNAVAILABLE") {
		t.Error(body)
	}
}

// TestConnectionParams: a subscription may have its credential there, by the rules
// of URLs; one in a header goes before it.
func TestConnectionParams(t *testing.T) {
	h := house(t)
	h.Feed.Err = fault.New(fault.Overloaded, "let in")
	params := func(s string) string { return "/trpc/Product.events?connectionParams=" + url.QueryEscape(s) }
	const nobody, in = "X-API-Key: ", "SERVICE_UNAVAILABLE"
	for _, c := range []struct{ name, target, header, code string }{
		{"a ticket", params(`{"ticket":"` + scripted.Ticket + `"}`), nobody, in},
		{"a key", params(`{"apiKey":"` + scripted.Key + `","other":null}`), nobody, in},
		{"a ticket that is none", params(`{"ticket":"x"}`), nobody, "UNAUTHORIZED"},
		{"nothing in it", params(`{}`), nobody, "UNAUTHORIZED"},
		{"null", params(`null`), nobody, "UNAUTHORIZED"},
		{"no object", params(`[1]`), nobody, "BAD_REQUEST"},
		{"no JSON", params(`{`), nobody, "PARSE_ERROR"},
		{"a header goes before", params(`{"ticket":"x"}`), "X-API-Key: " + scripted.Key, in},
		{"a header that is no key goes before", params(`{"apiKey":"` + scripted.Key + `"}`), "X-API-Key: x", "UNAUTHORIZED"},
	} {
		if status, body := send(t, h, "GET", c.target, "", c.header); status != 200 || !strings.Contains(body, `"code":"`+c.code+`"`) {
			t.Errorf("%s: %d %s", c.name, status, body)
		}
	}
	h.Door.KeyInURL = door.KeyInOff
	if _, body := send(t, h, "GET", params(`{"apiKey":"`+scripted.Key+`"}`), "", nobody); !strings.Contains(body, `"code":"UNAUTHORIZED"`) {
		t.Error("a key where none may stand:", body)
	}
}

// TestSubscriptionEnds: what passes only ends the stream, what does not is told.
func TestSubscriptionEnds(t *testing.T) {
	for _, super := range []bool{false, true} {
		for _, c := range []struct {
			name string
			end  func(h *scripted.House)
			want string
		}{
			{"too slow", func(h *scripted.House) { h.Feed.End(&event.Slow{}) }, ""},
			{"stopped", func(h *scripted.House) { h.Server.Stop() }, ""},
			{"revoked", func(h *scripted.House) { h.Hub.Revoke("k:AAAAAAAA") }, "UNAUTHORIZED"},
			{"forbidden from now on", func(h *scripted.House) { h.Feed.End(fault.New(fault.Forbidden, "no")) }, "FORBIDDEN"},
		} {
			t.Run(c.name, func(t *testing.T) {
				h := house(t)
				h.Feed.Gap = true
				target := "/trpc/_project.events" + input(`{"entity":["Product","Maker"]}`)
				if super {
					target = "/trpc/_project.events" + input(`{"json":{"entity":"Product, Maker","lastEventId":null},"meta":{"values":{"lastEventId":["undefined"]}}}`) + "&transformer=superjson"
				}
				res := open(t, h, "GET", target, "")
				defer res.Body.Close()
				<-h.Feed.Opened()
				if sub := h.Feed.LastSub(); strings.Join(sub.Entities, ",") != "Product,Maker" {
					t.Errorf("%+v", sub)
				}
				in := bufio.NewReader(res.Body)
				for range 5 { // retry, connected, and what belongs to it
					if _, err := in.ReadString('\n'); err != nil {
						t.Fatal(err)
					}
				}
				c.end(h)
				b, err := io.ReadAll(in)
				rest := string(b)
				if err != nil || !strings.Contains(rest, `{"type":"gap","position":"e-7"}`) || strings.Contains(rest, "serialized-error") != (c.want != "") || !strings.Contains(rest, c.want) {
					t.Errorf("%s, %v", rest, err)
				}
			})
		}
	}
}

// TestRevokedWhileItOpens: a revocation that comes before there is a stream ends
// the subscription all the same.
func TestRevokedWhileItOpens(t *testing.T) {
	h := house(t)
	h.Feed.Opening = func() { h.Hub.Revoke("k:AAAAAAAA") }
	h.Feed.Err = fault.New(fault.UnknownEntity, "no")
	if _, body := send(t, h, "GET", "/trpc/Product.events", ""); !strings.Contains(body, "NOT_FOUND") || h.Hub.Len() != 0 {
		t.Error(body, h.Hub.Len())
	}
	h.Feed.Err = nil
	if _, body := send(t, h, "GET", "/trpc/Product.events", ""); !strings.Contains(body, "UNAUTHORIZED") {
		t.Error(body)
	}
}

func TestDescriptions(t *testing.T) {
	h := house(t)
	for key, want := range map[string][2]string{
		scripted.Key:    {`"name":"Product.create","type":"mutation","entity":"Product","operation":"create"`, "export interface ProductInput<D>"},
		scripted.Reader: {`"name":"Product.events","type":"subscription"`, "export interface Product<D> {\n  id: string;\n  _version: number;\n  title?: string;\n  price?: number | null;"},
		"":              {`{"procedures":[],"types":`, "type Procedures<D> = {\n};"},
	} {
		status, list := send(t, h, "GET", "/trpc", "", "X-API-Key: "+key)
		res := open(t, h, "GET", "/trpc/types.d.ts", "", "X-API-Key: "+key)
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || status != 200 || !json.Valid([]byte(list)) || !strings.Contains(list, want[0]) || !strings.Contains(string(b), want[1]) || res.Header.Get("ETag") == "" {
			t.Errorf("%.600s\n%.200s", list, b[min(len(b), 3000):])
		}
		if key != scripted.Key && (strings.Contains(list, "Product.create") || strings.Contains(string(b), "secret")) {
			t.Errorf("%q shows too much", key)
		}
		if status, _ := send(t, h, "GET", "/trpc/types.d.ts", "", "X-API-Key: "+key, "If-None-Match: "+res.Header.Get("ETag")); status != 304 {
			t.Error(status)
		}
	}
	if status, body := send(t, h, "POST", "/trpc", "{}"); status != 405 || !strings.Contains(body, "METHOD_NOT_SUPPORTED") {
		t.Error(status, body)
	}
	if status, body := send(t, h, "GET", "/nowhere/trpc", ""); status != 404 || !strings.Contains(body, "NOT_FOUND") {
		t.Error(status, body)
	}
}
