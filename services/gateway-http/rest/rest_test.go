package rest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/rest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func house(t testing.TB) *scripted.House {
	return scripted.New(t, httpserver.Options{}, func(h *scripted.House, m *httpserver.Mux) {
		r := rest.New(h.Door)
		r.Health = func(x *httpserver.Exchange) { x.JSON(200, []byte(`"health of `+x.Project+`"`)) }
		r.Mount(m)
	})
}

// do sends a request; headers are "Name: value".
func do(t testing.TB, h *scripted.House, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range headers {
		name, value, _ := strings.Cut(s, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return res, string(b)
}

// TestTranslation pins what each route becomes on the mesh.
func TestTranslation(t *testing.T) {
	h := house(t)
	const p = "/api/v1/products"
	for _, c := range []struct{ request, body, want string }{
		{"GET " + p, "", `default Product findAll {}`},
		{"GET /api/v1/Product", "", `default Product findAll {}`},
		{"GET " + p + "/", "", `default Product findAll {}`},
		{
			"GET " + p + "?limit=5&skip=2&sort=price,-title&select=title,price&exclude=tags&relations=maker&count=true&cursor=abc&includeDeleted=1&minPosition=e-3", "",
			`default Product findAll {"sort":"price,-title","limit":5,"skip":2,"cursor":"abc","count":true,"select":["title","price"],"exclude":["tags"],"relations":["maker"],"includeDeleted":true,"minPosition":"e-3"}`,
		},
		{"GET " + p + `?filter={"price":{"$gt":3}}&sort={"price":-1}&include=maker`, "", `default Product findAll {"filter":{"price":{"$gt":3}},"sort":{"price":-1},"relations":["maker"]}`},
		{"GET " + p + "?price[gte]=30&title=a%22b", "", `default Product findAll {"filter":{"$and":[{"price":{"$gte":30}},{"title":{"$eq":"a\"b"}}]}}`},
		{"GET " + p + `?active=true&filter={"price":1}`, "", `default Product findAll {"filter":{"$and":[{"price":1},{"active":{"$eq":true}}]}}`},
		{"GET " + p + "?stock[in]=1,2,x", "", `default Product findAll {"filter":{"stock":{"$in":[1,2,"x"]}}}`},
		{"GET " + p + "?limit[eq]=1", "", `default Product findAll {"filter":{"limit":{"$eq":"1"}}}`},
		{"GET " + p + "?title[exists]=false", "", `default Product findAll {"filter":{"title":{"$exists":false}}}`},
		{"GET " + p + "?title=null&price=null", "", `default Product findAll {"filter":{"$and":[{"title":{"$eq":"null"}},{"price":{"$eq":null}}]}}`},
		{"GET " + p + "/count?price[lt]=2", "", `default Product count {"filter":{"price":{"$lt":2}}}`},
		{"GET " + p + "/one?title=x", "", `default Product findOne {"filter":{"title":{"$eq":"x"}}}`},
		{"GET " + p + "/stream?sort=price", "", `default Product stream {"sort":"price"}`},
		{"GET " + p + "/search?q=caf%C3%A9&fields=title", "", `default Product search {"query":"café","searchFields":["title"]}`},
		{"POST " + p + "/search", `{"query":"x","fields":"title, meta","options":{"limit":3}}`, `default Product search {"query":"x","searchFields":["title","meta"],"options":{"limit":3}}`},
		{"POST " + p + "/search", `{"query":"x","fields":["title"]}`, `default Product search {"query":"x","searchFields":["title"]}`},
		{"POST " + p, ` {"title":"x"} `, `default Product create {"data": {"title":"x"} }`},
		{"POST " + p + "?relations=maker", `{"title":"x"}`, `default Product create {"relations":["maker"],"data":{"title":"x"}}`},
		{"POST " + p, ``, `default Product create {}`},
		{"GET " + p + "/a%40b", "", `default Product findById {"id":"a@b"}`},
		{"GET " + p + "/1?relations=maker&select=title", "", `default Product findById {"id":"1","select":["title"],"relations":["maker"]}`},
		{"PUT " + p + "/1", `{"price":2}`, `default Product update {"id":"1","data":{"price":2}}`},
		{"PATCH " + p + "/1", `{"price":2}`, `default Product update {"id":"1","data":{"price":2}}`},
		{"DELETE " + p + "/1", ``, `default Product delete {"id":"1"}`},
		{"POST " + p + "/1/addToSet", `{"field":"tags","value":"x"}`, `default Product addToSet {"id":"1","field":"tags","value":"x"}`},
		{"POST " + p + "/1/pull", `{"field":"tags","value":"x"}`, `default Product pull {"id":"1","field":"tags","value":"x"}`},
		{"POST " + p + "/1/increment", ` { "field":"stock","amount":1 } `, `default Product increment {"id":"1","field":"stock","amount":1}`},
		{"POST " + p + "/1/increment", `{}`, `default Product increment {"id":"1"}`},
		{"POST " + p + "/upsert", `{"filter":{},"data":{}}`, `default Product upsert {"filter":{},"data":{}}`},
		{"POST " + p + "/aggregate", `{"stages":[]}`, `default Product aggregate {"stages":[]}`},
		{"PUT " + p + "/bulk", `{"filter":{},"data":{}}`, `default Product updateMany {"filter":{},"data":{}}`},
		{"DELETE " + p + "/bulk", `{"filter":{}}`, `default Product deleteMany {"filter":{}}`},
		{"DELETE " + p + "/bulk?filter={}", ``, `default Product deleteMany {"filter":{}}`},
		{"DELETE " + p + "/bulk", ``, `default Product deleteMany {}`},
		{"POST " + p + "/updateMany", `{"filter":{},"data":{}}`, `default Product updateMany {"filter":{},"data":{}}`},
		{"POST " + p + "/deleteMany", `{"filter":{}}`, `default Product deleteMany {"filter":{}}`},
		{"GET " + p + "/updateMany", ``, `default Product findById {"id":"updateMany"}`},
		{"POST /api/v1/_transaction", `{"operations":[]}`, `default _project transaction {"operations":[]}`},
		{"GET /api/v1/_changes?position=e-0&limit=10", ``, `default _project changes {"position":"e-0","limit":10}`},
		{"GET /api/v1/_catalog", ``, `default _project catalog {}`},
		{"GET /shop/api/v1/products/1", ``, `shop Product findById {"id":"1"}`},
		{"GET /api/v1/shop/products/1", ``, `shop Product findById {"id":"1"}`},
		{"GET /api/v1/shop/products/count", ``, `shop Product count {}`},
		{"DELETE /api/v1/shop/products/bulk", `{"filter":{}}`, `shop Product deleteMany {"filter":{}}`},
		{"POST /api/v1/shop/_transaction", `{"operations":[]}`, `shop _project transaction {"operations":[]}`},
		{"GET /api/v1/_export", ``, `default _project export {}`},
		{"POST /api/v1/_restore", `{"records":[]}`, `default _project restore {"records":[]}`},
		{"GET /api/v1/products/1?project=shop", ``, `shop Product findById {"id":"1"}`},
		{"GET /api/v1/nothing", ``, `default nothing findAll {}`},
	} {
		t.Run(c.request, func(t *testing.T) {
			method, path, _ := strings.Cut(c.request, " ")
			h.Mesh.Forget()
			_, body := do(t, h, method, path, c.body)
			l := h.Mesh.Last()
			if got := strings.Join([]string{l.Project, l.Entity, l.Op, l.Args}, " "); got != c.want {
				t.Errorf("got  %s\nwant %s\n%s", got, c.want, body)
			}
		})
	}
}

// TestRefused lists what never reaches the mesh.
func TestRefused(t *testing.T) {
	h := house(t)
	const p = "/api/v1/products"
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	for _, c := range []struct {
		request, body, header string
		status                int
		code                  fault.Code
	}{
		{"GET " + p + "?limit=-1", "", "", 400, fault.InvalidRequest},
		{"GET " + p + "?limit=1e3", "", "", 400, fault.InvalidRequest},
		{"GET " + p + "?limit=99999999999999999999", "", "", 400, fault.InvalidRequest},
		{"GET " + p + "?limit=1&limit=2", "", "", 400, fault.InvalidRequest},
		{"GET " + p + "?count=maybe", "", "", 400, fault.InvalidRequest},
		{"GET " + p + "?minPosition=x", "", "", 400, fault.InvalidRequest},
		{"GET " + p + "?filter={", "", "", 400, fault.ParseError},
		{"GET " + p + `?filter={"a":1}%2C"op":"x"`, "", "", 400, fault.ParseError},
		{"GET " + p + `?filter={"a":1,"a":2}`, "", "", 400, fault.ParseError},
		{"GET " + p + "?filter=" + deep, "", "", 400, fault.ParseError},
		{"GET " + p + "?sort={", "", "", 400, fault.ParseError},
		{"GET " + p + "?title=%ff", "", "", 400, fault.InvalidRequest},
		{"GET " + p + "?%ff=1", "", "", 400, fault.InvalidRequest},
		{"GET " + p + "?title=%00", "", "", 400, fault.InvalidRequest},
		{"GET " + p + "?price[=1", "", "", 400, fault.InvalidRequest},
		{"GET " + p + "?[gt]=1", "", "", 400, fault.InvalidRequest},
		{"GET " + p + "/1?title=x", "", "", 400, fault.InvalidRequest},
		{"DELETE " + p + "/bulk?price[gt]=3", "", "", 400, fault.InvalidRequest},
		{"DELETE " + p + "/1?filter={}", "", "", 400, fault.InvalidRequest},
		{"POST " + p, "{", "", 400, fault.ParseError},
		{"POST " + p, `{"a":1}}`, "", 400, fault.ParseError},
		{"POST " + p, `{"a":1},"op":"deleteMany"`, "", 400, fault.ParseError},
		{"POST " + p, "{\"a\":\"\xff\"}", "", 400, fault.ParseError},
		{"POST " + p, `{"a":"\u0000"}`, "", 400, fault.ParseError},
		{"POST " + p, deep, "", 400, fault.ParseError},
		{"POST " + p + "/upsert", `[]`, "", 400, fault.InvalidRequest},
		{"POST " + p + "/search", `[]`, "", 400, fault.InvalidRequest},
		{"POST " + p + "/search", `{`, "", 400, fault.ParseError},
		{"POST " + p, `a=b`, "Content-Type: application/x-www-form-urlencoded", 415, fault.InvalidRequest},
		{"POST " + p, `{}`, "Content-Encoding: gzip", 415, fault.InvalidRequest},
		{"POST " + p, `{}`, "Idempotency-Key: a b", 400, fault.InvalidRequest},
		{"POST " + p, `{}`, "Idempotency-Key: " + strings.Repeat("k", 129), 400, fault.InvalidRequest},
		{"POST " + p, `{}`, `If-Match: "1"`, 400, fault.InvalidRequest},
		{"PUT " + p + "/1", `{}`, `If-Match: 1`, 400, fault.InvalidRequest},
		{"PUT " + p + "/1", `{}`, `If-Match: "1", "2"`, 409, fault.Conflict},
		{"PUT " + p + "/1", `{}`, `If-Match: "abc"`, 409, fault.Conflict},
		{"GET " + p, ``, `Octo-Min-Position: e`, 400, fault.InvalidRequest},
		{"GET " + p, ``, `X-Project: nothing`, 404, fault.UnknownProject},
		{"GET " + p, ``, `X-Project: a.b>*`, 404, fault.UnknownProject},
		{"GET /nothing" + p, ``, ``, 404, fault.UnknownProject},
		{"GET /shop" + p, ``, `X-Project: default`, 400, fault.InvalidRequest},
		{"GET " + p, ``, "Authorization: Digest x", 401, fault.AuthError},
		{"GET " + p, ``, "Authorization: Bearer", 401, fault.AuthError},
		{"GET " + p, ``, "X-API-Key: unknown", 401, fault.Unauthorized},
		{"GET " + p + "?apikey=" + scripted.Key, ``, ``, 401, fault.Unauthorized},
		{"GET /api/v1/a.b", ``, ``, 404, fault.UnknownEntity},
		{"GET /api/v1/*", ``, ``, 404, fault.UnknownEntity},
		{"GET /api/v1/%3E", ``, ``, 404, fault.UnknownEntity},
		{"GET /api/v1/a%20b", ``, ``, 404, fault.UnknownEntity},
		{"GET /api/v1/users'--", ``, ``, 404, fault.UnknownEntity},
		{"GET /api/v1/_nothing", ``, ``, 404, fault.NotFound},
		{"GET " + p + "/1/2", ``, ``, 404, fault.NotFound},
		{"GET " + p + "/1/2/3", ``, ``, 404, fault.NotFound},
		{"POST " + p + "/1", `{}`, ``, 405, fault.MethodNotAllowed},
		{"PUT " + p, `{}`, ``, 405, fault.MethodNotAllowed},
		{"POST " + p + "/count", ``, ``, 405, fault.MethodNotAllowed},
		{"GET " + p + "/1/pull", ``, ``, 405, fault.MethodNotAllowed},
		{"GET " + p + "/bulk", ``, ``, 405, fault.MethodNotAllowed},
		{"GET /api/v1/_transaction", ``, ``, 405, fault.MethodNotAllowed},
		{"TRACE " + p, ``, ``, 405, fault.MethodNotAllowed},
	} {
		t.Run(c.request+" "+c.header, func(t *testing.T) {
			method, path, _ := strings.Cut(c.request, " ")
			h.Mesh.Forget()
			headers := []string{}
			if c.header != "" {
				headers = append(headers, c.header)
			}
			res, body := do(t, h, method, path, c.body, headers...)
			if got := fault.ParseReply([]byte(body)).Code; res.StatusCode != c.status || got != c.code {
				t.Errorf("%d %s, want %d %s", res.StatusCode, body, c.status, c.code)
			}
			if h.Mesh.Last().Op != "" {
				t.Errorf("it reached the mesh: %+v", h.Mesh.Last())
			}
			if c.status == 405 && res.Header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
}

func TestHeadersGoIn(t *testing.T) {
	h := house(t)
	trace := "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	do(t, h, "PUT", "/api/v1/products/1", `{}`, "X-API-Key: "+scripted.Key, "X-Request-Id: r-1", "Traceparent: "+trace,
		"Idempotency-Key: k-1", `If-Match: W/"3"`, "X-Project: shop")
	l := h.Mesh.Last()
	want := mesh.Header{Transport: "rest", RequestID: "r-1", TraceParent: trace, IdempotencyKey: "k-1", CatalogVersion: "v1", Token: "token-of-key"}
	if l.Header != want || l.Project != "shop" || l.Args != `{"id":"1","data":{},"expectedVersion":3}` {
		t.Fatalf("%+v", l)
	}
	do(t, h, "GET", "/api/v1/products", ``, "Authorization: Bearer "+scripted.Reader, "Octo-Min-Position: e-9", "Traceparent: rubbish")
	if l = h.Mesh.Last(); l.Header.Token != "token-of-reader" || l.Header.TraceParent != "" || l.Args != `{"minPosition":"e-9"}` {
		t.Fatalf("%+v", l)
	}
}

const record = `{"status":"ok","data":{"id":"x:1","_version":4,"title":"Chair"},"metadata":{"position":"e-9"}}`

func TestReplies(t *testing.T) {
	h := house(t)
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		reply := &mesh.Reply{Body: []byte(record)}
		switch r.Op {
		case "create", "update":
			reply.Position = mesh.Position{Epoch: "e", Seq: 9}
			reply.Replayed = r.IdempotencyKey == "again"
		case "delete":
			reply.Body = []byte(`{"status":"ok","data":false}`)
		case "findAll":
			reply.Body = []byte(`{"status":"ok","data":[],"metadata":{"count":0}}`)
		}
		return reply, nil
	})
	res, body := do(t, h, "POST", "/shop/api/v1/products", `{}`, "Idempotency-Key: again")
	if res.StatusCode != 201 || body != record || res.Header.Get("Location") != "/shop/api/v1/products/x:1" || res.Header.Get("ETag") != `"4"` ||
		res.Header.Get("Octo-Position") != "e-9" || res.Header.Get("Idempotency-Replayed") != "true" || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("create: %d %v %s", res.StatusCode, res.Header, body)
	}
	res, body = do(t, h, "GET", "/api/v1/products/x:1", "")
	if res.StatusCode != 200 || body != record || res.Header.Get("ETag") != `"4"` || res.Header.Get("Octo-Position") != "" {
		t.Errorf("read: %d %v %s", res.StatusCode, res.Header, body)
	}
	for _, tag := range []string{`"4"`, `W/"4"`, `"1", "4"`, "*"} {
		if res, body = do(t, h, "GET", "/api/v1/products/x:1", "", "If-None-Match: "+tag); res.StatusCode != 304 || body != "" || res.Header.Get("ETag") != `"4"` {
			t.Errorf("If-None-Match %s: %d %q", tag, res.StatusCode, body)
		}
	}
	if res, _ = do(t, h, "GET", "/api/v1/products/x:1", "", `If-None-Match: "3"`); res.StatusCode != 200 {
		t.Errorf("another version: %d", res.StatusCode)
	}
	if res, body = do(t, h, "HEAD", "/api/v1/products/x:1", ""); res.StatusCode != 200 || body != "" || res.ContentLength != int64(len(record)) {
		t.Errorf("HEAD: %d %q %d", res.StatusCode, body, res.ContentLength)
	}
	if res, _ = do(t, h, "GET", "/api/v1/products", ""); res.Header.Get("ETag") != "" {
		t.Error("a list has an ETag")
	}
	if res, body = do(t, h, "DELETE", "/api/v1/products/x:1", "", "If-Match: *"); res.StatusCode != 409 {
		t.Errorf("delete of nothing with If-Match *: %d %s", res.StatusCode, body)
	}
	if res, _ = do(t, h, "OPTIONS", "/api/v1/products", ""); res.StatusCode != 204 || !strings.Contains(res.Header.Get("Allow"), "POST") {
		t.Errorf("OPTIONS: %d %v", res.StatusCode, res.Header)
	}
	if _, body = do(t, h, "GET", "/api/v1/health", ""); body != `"health of "` {
		t.Errorf("health: %s", body)
	}
	if _, body = do(t, h, "GET", "/shop/api/v1/health", ""); body != `"health of shop"` {
		t.Errorf("health: %s", body)
	}
}

func TestDescribe(t *testing.T) {
	h := house(t)
	res, body := do(t, h, "GET", "/api/v1/shop", "", "X-API-Key: "+scripted.Key)
	if res.StatusCode != 200 || body != `{"project":"shop","schemas":["Product","Maker"],"status":"ok"}` {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if res, _ = do(t, h, "GET", "/api/v1/shop", "", "X-API-Key: "+scripted.Reader); res.StatusCode != 403 {
		t.Errorf("%d", res.StatusCode)
	}
	if res, _ = do(t, h, "GET", "/api/v1/shop", ""); res.StatusCode != 401 {
		t.Errorf("%d", res.StatusCode)
	}
}

// TestEveryCode lets each code of the table cross.
func TestEveryCode(t *testing.T) {
	h := house(t)
	for _, image := range fault.Table {
		h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
			return nil, fault.Wrap(errors.New("pq: secret"), image.Code, "told").With(map[string]int{"n": 1})
		})
		res, body := do(t, h, "GET", "/api/v1/products", "")
		e := fault.ParseReply([]byte(body))
		if res.StatusCode != image.HTTP || e.Code != image.Code || !strings.HasPrefix(e.Message, "told") || strings.Contains(body, "secret") {
			t.Errorf("%s: %d %s", image.Code, res.StatusCode, body)
		}
		if image.Retry != (res.Header.Get("Retry-After") != "") {
			t.Errorf("%s: Retry-After %q", image.Code, res.Header.Get("Retry-After"))
		}
	}
	h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) { return nil, errors.New("pq: secret") })
	if res, body := do(t, h, "GET", "/api/v1/products", ""); res.StatusCode != 500 || strings.Contains(body, "secret") {
		t.Errorf("uncoded: %d %s", res.StatusCode, body)
	}
}

func TestStream(t *testing.T) {
	h := house(t)
	closed := make(chan struct{})
	var failing error
	h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Chunks: &scripted.Chunks{Parts: []string{"{\"id\":\"1\"}\n{\"id\"", ":\"2\"}\n"}, Err: failing, Closed: closed}}, nil
	})
	res, body := do(t, h, "GET", "/api/v1/products/stream", "")
	if res.StatusCode != 200 || body != "{\"id\":\"1\"}\n{\"id\":\"2\"}\n" || res.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%d %v %q", res.StatusCode, res.Header, body)
	}
	<-closed

	closed, failing = make(chan struct{}), fault.New(fault.Unavailable, "worker lost")
	req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+h.Addr+"/api/v1/products/stream", nil)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(res.Body); err == nil {
		t.Fatalf("a stream that broke looks whole: %q", b)
	}
	res.Body.Close()
	<-closed

	h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Chunks: &scripted.Chunks{Err: fault.New(fault.InvalidFilter, "no")}}, nil
	})
	if res, body := do(t, h, "GET", "/api/v1/products/stream", ""); res.StatusCode != 400 || !strings.Contains(body, "INVALID_FILTER") {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
}

// endless is a stream without an end.
type endless struct {
	ctx    context.Context
	part   []byte
	closed chan struct{}
}

func (e *endless) Next(context.Context) ([]byte, error) { return e.part, nil }
func (e *endless) Close() error                         { close(e.closed); return nil }

func TestStreamEndsWithItsClient(t *testing.T) {
	h := house(t)
	e := &endless{part: []byte(strings.Repeat("x", 64<<10)), closed: make(chan struct{})}
	h.Mesh.Answer(func(ctx context.Context, _ *mesh.Request) (*mesh.Reply, error) {
		e.ctx = ctx
		return &mesh.Reply{Chunks: e}, nil
	})
	req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+h.Addr+"/api/v1/products/stream", nil)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, res.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	select {
	case <-e.closed:
	case <-time.After(time.Minute):
		t.Fatal("the producer was not stopped")
	}
	<-e.ctx.Done()
}
