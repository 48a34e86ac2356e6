package trpc

import (
	"context"
	"encoding/json"
	"net/url"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

type nobody struct{}

func (nobody) Principal(context.Context, access.Credential) (*mesh.Principal, string, error) {
	return &mesh.Principal{ID: "k:x", Kind: mesh.Key}, "token", nil
}

// alone is a server whose mesh answers everything with reply.
func alone(t testing.TB, reply *mesh.Reply) func(method, uri, body string) *fasthttp.RequestCtx {
	projects := gateway.NewProjects()
	if err := projects.Apply("default", []byte(`{"id":"i","slug":"default","version":"v","schemas":`+scripted.Schemas+`}`), false); err != nil {
		t.Fatal(err)
	}
	caller := mesh.CallerFunc(func(context.Context, *mesh.Request) (*mesh.Reply, error) { return reply, nil })
	mux := httpserver.NewMux()
	d := &door.Door{Caller: caller, Identity: nobody{}, Projects: projects, Rates: access.NewLimiter(), Log: httpserver.Discard()}
	New(d, live.NewHub(nobody{}, nil)).Mount(mux)
	s := httpserver.New(mux, httpserver.Options{})
	var ctx fasthttp.RequestCtx
	var req fasthttp.Request
	req.Header.Set("X-API-Key", scripted.Key)
	ctx.Init(&req, nil, nil)
	return func(method, uri, body string) *fasthttp.RequestCtx {
		ctx.Request.Header.SetMethod(method)
		ctx.Request.SetRequestURI(uri)
		ctx.Request.Header.SetContentType("application/json")
		ctx.Request.SetBodyString(body)
		ctx.Response.Reset()
		s.Handle(&ctx)
		return &ctx
	}
}

// FuzzInput: whatever comes as an input, the answer is JSON of tRPC's form, and
// never a failure of ours.
func FuzzInput(f *testing.F) {
	for _, s := range []string{
		`{"filter":{"a":1}}`, `{"0":{"data":"{\"a\":1}"},"1":null}`, `{"json":{"a":null},"meta":{"values":{"a":["undefined"]}}}`, `{"json":null,"meta":{"values":["undefined"]}}`,
		`{"json":{"a":[{"b":1}]},"meta":{"values":{"a":["set",{"0.b":["undefined"]}]}}}`, `{"input":{"data":{}}}`, `{"input":1,"input":2}`, `[]`, `{"idempotencyKey":"k"}`, "\xff",
	} {
		for form := range byte(8) {
			f.Add(form, s)
		}
	}
	send := alone(f, &mesh.Reply{Body: []byte(`{"status":"ok","data":{"id":"1","added":"2026-01-02T03:04:05.006Z"}}`)})
	f.Fuzz(func(t *testing.T, form byte, in string) {
		method, uri, body := "GET", "/trpc/Product.findOne?input="+url.QueryEscape(in), ""
		if form&1 != 0 {
			method, uri, body = "POST", "/trpc/Product.update?", in
		}
		if form&2 != 0 {
			uri += "&batch=1"
		}
		if form&4 != 0 {
			uri += "&transformer=superjson"
		}
		ctx := send(method, uri, body)
		got := ctx.Response.Body()
		if status := ctx.Response.StatusCode(); !json.Valid(got) || status != 200 && (status < 400 || status > 499) {
			t.Fatalf("%d %s", status, got)
		}
	})
}

// BenchmarkCalls measures the gateway's own part of a request, as rest's
// BenchmarkRoutes does.
func BenchmarkCalls(b *testing.B) {
	send := alone(b, &mesh.Reply{Body: []byte(`{"status":"ok","data":{"id":"0192f3c1-7d1b-7c3a-9f10-aabbccddeeff","_version":4,"title":"Chair"}}`), Version: 4})
	id := url.QueryEscape(`{"id":"0192f3c1-7d1b-7c3a-9f10-aabbccddeeff"}`)
	for _, c := range []struct{ name, method, uri, body string }{
		{"findById", "GET", "/trpc/Product.findById?input=" + id, ""},
		{"create", "POST", "/trpc/Product.create", `{"data":{"title":"Chair","price":10.5,"stock":3,"active":true,"tags":["a","b"],"meta":{"a":1}}}`},
		{"batch of 4", "GET", "/trpc/Product.count,Product.count,Product.count,Product.count?batch=1&input=%7B%7D", ""},
		{"superjson", "GET", "/trpc/Product.findById?transformer=superjson&input=" + url.QueryEscape(`{"json":{"id":"1"}}`), ""},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ctx := send(c.method, c.uri, c.body); ctx.Response.StatusCode() != 200 {
					b.Fatalf("%s", ctx.Response.Body())
				}
			}
		})
	}
}
