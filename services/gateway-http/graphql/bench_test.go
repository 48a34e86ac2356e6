package graphql

import (
	"strconv"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// BenchmarkRequests measures the gateway's own part of a request: from a parsed
// HTTP request to the call, and from the reply to the response.
func BenchmarkRequests(b *testing.B) {
	list := []byte(`{"status":"ok","data":[`)
	for i := range 20 {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, `{"id":"0192f3c1-7d1b-7c3a-9f10-aabbccdd`+strconv.Itoa(1000+i)+`","_version":4,"name":"Chair number `+strconv.Itoa(i)+`","price":12.5,"stock":300,"maker":{"id":"m1","_version":1,"name":"Maker"}}`...)
	}
	list = append(list, `],"metadata":{"count":20}}`...)
	s := server(b, schemas, func(r *mesh.Request) []byte {
		if r.Op == "findAll" {
			return list
		}
		return []byte(`{"status":"ok","data":{"id":"0192f3c1-7d1b-7c3a-9f10-aabbccddeeff","_version":4,"name":"Chair","price":12.5,"stock":3}}`)
	})
	for _, c := range []struct{ name, body string }{
		{"list of 20", `{"query":"{ products(limit: 20, orderBy: [{price: asc}]) { id name price stock } }"}`},
		{"list of 20 by variables", `{"query":"query($w: ProductWhere, $n: Int) { products(where: $w, limit: $n) { id name price stock } }","variables":{"w":{"price":{"gt":3}},"n":20}}`},
		{"list of 20 with a relation", `{"query":"{ products(limit: 20) { id name price maker { name } } }"}`},
		{"one", `{"query":"query($id: ID!) { product(id: $id) { id name price stock } }","variables":{"id":"0192f3c1-7d1b-7c3a-9f10-aabbccddeeff"}}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			var ctx fasthttp.RequestCtx
			var req fasthttp.Request
			req.Header.SetMethod("POST")
			req.SetRequestURI("/graphql")
			req.Header.Set("X-API-Key", scripted.Key)
			req.Header.SetContentType("application/json")
			req.SetBodyString(c.body)
			ctx.Init(&req, nil, nil)
			b.ReportAllocs()
			for b.Loop() {
				ctx.Response.Reset()
				s.Handle(&ctx)
				if ctx.Response.StatusCode() != 200 || ctx.Response.Body()[2] != 'd' {
					b.Fatalf("%s", ctx.Response.Body())
				}
			}
		})
	}
}
