package rest

import (
	"context"
	"encoding/json"
	"net/url"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// FuzzParams: whatever a query string holds, it becomes one JSON object or is
// refused with a code.
func FuzzParams(f *testing.F) {
	for _, s := range []string{
		"limit=5&sort=a,-b", `filter={"a":1}&b[gt]=3`, "a[in]=1,2&active=true", "price=1e3&stock=-0&meta={}", "a[]=1", "x=%00", "q=a&fields=b", "count=1&count=2",
	} {
		f.Add(s)
	}
	e := scripted.Catalog(f).Entity("Product")
	f.Fuzz(func(t *testing.T, query string) {
		var args fasthttp.Args
		args.Parse(query)
		for _, takes := range []accept{takesList, takesFind, takesByID, takesFilter, 0} {
			p := params{}
			p.friendly = p.room[:0]
			var err error
			for k, v := range args.All() {
				if err = p.add(string(k), string(v), takes); err != nil {
					break
				}
			}
			o := newObject(nil)
			if err == nil {
				err = p.read(&o, e)
			}
			if err != nil {
				if c := fault.CodeOf(err); c != fault.ParseError && c != fault.InvalidRequest && c != fault.InvalidFilter {
					t.Fatal(err)
				}
				continue
			}
			if b := o.end(); !json.Valid(b) {
				t.Fatalf("%q became %q", query, b)
			}
		}
	})
}

type nobody struct{}

func (nobody) Principal(context.Context, access.Credential) (*mesh.Principal, string, error) {
	return &mesh.Principal{ID: "k:x", Kind: mesh.Key}, "token", nil
}

// BenchmarkRoutes measures the gateway's own part of a request: from a parsed
// HTTP request to the call, and from the reply to the response.
func BenchmarkRoutes(b *testing.B) {
	projects := gateway.NewProjects()
	if err := projects.Apply("default", []byte(`{"id":"i","slug":"default","version":"v","schemas":`+scripted.Schemas+`}`), false); err != nil {
		b.Fatal(err)
	}
	reply := &mesh.Reply{Body: []byte(`{"status":"ok","data":{"id":"0192f3c1-7d1b-7c3a-9f10-aabbccddeeff","_version":4,"title":"Chair"}}`), Version: 4}
	caller := mesh.CallerFunc(func(context.Context, *mesh.Request) (*mesh.Reply, error) { return reply, nil })
	mux := httpserver.NewMux()
	New(&door.Door{Caller: caller, Identity: nobody{}, Projects: projects, Log: httpserver.Discard()}).Mount(mux)
	s := httpserver.New(mux, httpserver.Options{})
	filter := url.QueryEscape(`{"price":{"$gt":3}}`)
	for _, c := range []struct{ name, method, uri, body string }{
		{"findById", "GET", "/api/v1/products/0192f3c1-7d1b-7c3a-9f10-aabbccddeeff", ""},
		{"findAll", "GET", "/api/v1/products?limit=20&sort=price&filter=" + filter, ""},
		{"create", "POST", "/api/v1/products", `{"title":"Chair","price":10.5,"stock":3,"active":true,"tags":["a","b"],"meta":{"a":1}}`},
		{"update", "PUT", "/api/v1/products/0192f3c1-7d1b-7c3a-9f10-aabbccddeeff", `{"price":10.5}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			var ctx fasthttp.RequestCtx
			var req fasthttp.Request
			req.Header.SetMethod(c.method)
			req.SetRequestURI(c.uri)
			req.Header.Set("X-API-Key", scripted.Key)
			req.SetBodyString(c.body)
			ctx.Init(&req, nil, nil)
			b.ReportAllocs()
			for b.Loop() {
				ctx.Response.Reset()
				s.Handle(&ctx)
				if ctx.Response.StatusCode() >= 400 {
					b.Fatalf("%s", ctx.Response.Body())
				}
			}
		})
	}
}
