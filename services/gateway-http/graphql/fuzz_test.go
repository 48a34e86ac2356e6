package graphql

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// everybody may do everything.
type everybody struct{}

func (everybody) Principal(context.Context, access.Credential) (*mesh.Principal, string, error) {
	all := []string{"*"}
	return &mesh.Principal{ID: "k:x", Kind: mesh.Key, Scopes: mesh.Scopes{access.Projects: all, access.Operations: all, access.Transports: all}}, "token", nil
}

// server is the door without a network, over a mesh that answers as told.
func server(t testing.TB, schemas string, answer func(r *mesh.Request) []byte) *httpserver.Server {
	t.Helper()
	projects := gateway.NewProjects()
	if err := projects.Apply("default", []byte(`{"id":"i","slug":"default","version":"v","schemas":`+schemas+`}`), false); err != nil {
		t.Fatal(err)
	}
	caller := mesh.CallerFunc(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: answer(r)}, nil
	})
	d := &door.Door{Caller: caller, Identity: everybody{}, Projects: projects, Rates: access.NewLimiter(), Log: httpserver.Discard()}
	mux := httpserver.NewMux()
	New(d, nil).Mount(mux)
	return httpserver.New(mux, httpserver.Options{})
}

// FuzzGraphQL: whatever a body holds, the answer is a GraphQL response and no
// 5xx; and what goes into the mesh is JSON.
func FuzzGraphQL(f *testing.F) {
	for _, s := range []string{
		`{"query":"{ products { id name maker { name } } }"}`,
		`{"query":"query($w: ProductWhere, $o: [ProductOrderBy!]) { productsPage(where: $w, orderBy: $o, first: 2) { nodes { name groups(limit: 1) { id } } pageInfo { endCursor } totalCount } }","variables":{"w":{"name":{"contains":"é","ignoreCase":true}},"o":[{"name":"asc"}]}}`,
		`{"query":"mutation($i: ProductInput!) { createProduct(input: $i) { id lines { n product { makerId } } } }","variables":{"i":{"name":"x","meta":{"a":[1,null,"\ud83d\ude00"]}}}}`,
		`{"query":"{ products(filter: \"{\\\"a\\\":1}\", sort: {name: -1}) { ...F } } fragment F on Product { t: __typename name @include(if: true) }"}`,
		`{"query":"query($y: Boolean!) { product(id: 1) { name @skip(if: $y) } __schema { types { name } } }","variables":{"y":false},"operationName":null}`,
		`[{"query":"{ productCount }"},{"query":"{"}]`,
		`{"query":"{ _entities(representations: [{__typename: \"Product\", id: 1}]) { ... on Product { name } } _service { sdl } }"}`,
		`{"extensions":{"persistedQuery":{"sha256Hash":"x"}}}`,
		`{"query":"mutation { pullProduct(id: \"1\", field: \"tags\", value: \"[\") { id } deleteManyProducts(where: {_or: []}) }"}`,
		`{"query":"{ a: products(where: {price: {gt: 1.5e3}, _not: {name: null}}) { id } \"\"\"block\"\"\" }"}`,
	} {
		f.Add([]byte(s))
	}
	const record = `{"id":"1","_version":1,"name":"x","price":1.5,"tags":["a",null],"meta":{"a":"}\\\""},"maker":{"id":"m","name":null,"products":[]},"groups":[{"id":"g","name":"\u00e9","parent":null}],"lines":[],"product":"1","n":1,"parent":"g"}`
	s := server(f, schemas, func(r *mesh.Request) []byte {
		if !json.Valid(r.Args) || r.Args[0] != '{' {
			f.Errorf("%s.%s was asked with %s", r.Entity, r.Op, r.Args)
		}
		switch r.Op {
		case "findAll", "search", "aggregate", "changes", "transaction":
			return []byte(`{"status":"ok","data":[` + record + `,` + record + `],"metadata":{"count":2,"next":null,"total":2}}`)
		case "count", "deleteMany", "updateMany":
			return []byte(`{"status":"ok","data":2,"metadata":{"count":2}}`)
		}
		return []byte(`{"status":"ok","data":` + record + `}`)
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		var ctx fasthttp.RequestCtx
		var req fasthttp.Request
		req.Header.SetMethod("POST")
		req.SetRequestURI("/graphql")
		req.Header.Set("X-API-Key", scripted.Key)
		req.Header.SetContentType("application/json")
		req.SetBody(body)
		ctx.Init(&req, nil, nil)
		s.Handle(&ctx)
		got := ctx.Response.Body()
		if status := ctx.Response.StatusCode(); status >= 500 {
			t.Fatalf("%d %s", status, got)
		}
		if !json.Valid(got) || !strings.HasPrefix(string(got), `{"data":`) && !strings.HasPrefix(string(got), `{"errors":`) && !strings.HasPrefix(string(got), `[`) {
			t.Fatalf("%s", got)
		}
		if strings.Contains(string(got), "something went wrong") {
			t.Fatalf("%s", got)
		}
	})
}
