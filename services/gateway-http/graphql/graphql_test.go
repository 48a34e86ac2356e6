package graphql

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// schemas are the entities of these tests.
const schemas = `[
 {"name":"Product","collection":"products","softDelete":true,"timestamps":true,"fields":{"name":{"type":"string","required":true},"price":"number","stock":"integer","note":"text","active":"boolean","tags":{"type":"array","arrayOf":"string"},"meta":"json","secret":{"type":"string","hidden":true}},
  "relations":{"maker":{"target":"Maker","type":"many-to-one"},"groups":{"target":"Group","type":"many-to-many"},"lines":{"target":"Line","type":"one-to-many","mappedBy":"product"}}},
 {"name":"Maker","collection":"makers","fields":{"name":"string"},"relations":{"products":{"target":"Product","type":"one-to-many","mappedBy":"maker"}}},
 {"name":"Group","collection":"groups","fields":{"name":"string"},"relations":{"parent":{"target":"Group","type":"many-to-one"}}},
 {"name":"Line","collection":"lines","fields":{"n":"integer"},"relations":{"product":{"target":"Product","type":"many-to-one"}}}]`

// house is a gateway with this door, over a mesh that a script answers.
func house(t testing.TB) *scripted.House {
	t.Helper()
	h, _ := furnished(t)
	return h
}

// furnished is house, with the door itself.
func furnished(t testing.TB) (*scripted.House, *GraphQL) {
	t.Helper()
	var g *GraphQL
	h := scripted.New(t, httpserver.Options{}, func(h *scripted.House, m *httpserver.Mux) {
		g = New(h.Door, h.Hub)
		g.Sockets.Request, g.Sockets.Ping = time.Minute, time.Minute // however busy the machine is
		g.Mount(m)
	})
	for _, slug := range []string{"default", "shop"} {
		value := `{"id":"id-` + slug + `","slug":"` + slug + `","version":"v2","dialect":"sqlite","schemas":` + schemas + `}`
		if err := h.Door.Projects.Apply(slug, []byte(value), false); err != nil {
			t.Fatal(err)
		}
	}
	return h, g
}

// script answers calls by "Entity.op args"; what it has no answer for fails the
// test.
func script(t testing.TB, h *scripted.House, answers map[string]string) {
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		key := r.Entity + "." + r.Op + " " + string(r.Args)
		for _, k := range []string{key, r.Entity + "." + r.Op} {
			a, ok := answers[k]
			switch {
			case !ok:
			case strings.HasPrefix(a, `{"status"`):
				return &mesh.Reply{Body: []byte(a)}, nil
			case strings.HasPrefix(a, "!"):
				return nil, fault.New(fault.Code(a[1:]), "it is so")
			default:
				return &mesh.Reply{Body: []byte(`{"status":"ok","data":` + a + `}`)}, nil
			}
		}
		t.Errorf("the mesh was asked for %s", key)
		return nil, fault.New(fault.Internal, "not in the script")
	})
}

// post sends a body and returns status, headers and reply.
func post(t testing.TB, h *scripted.House, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	return send(t, h, "POST", "/graphql", body, append([]string{"Content-Type: application/json"}, headers...)...)
}

func send(t testing.TB, h *scripted.House, method, target, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Addr+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", scripted.Key)
	for _, s := range headers {
		name, value, _ := strings.Cut(s, ": ")
		if req.Header.Set(name, value); value == "" {
			req.Header.Del(name)
		}
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

// ask sends a document with variables, which may be "".
func ask(t testing.TB, h *scripted.House, query, variables string) string {
	t.Helper()
	q, _ := json.Marshal(query)
	body := `{"query":` + string(q)
	if variables != "" {
		body += `,"variables":` + variables
	}
	_, _, got := post(t, h, body+"}")
	if !json.Valid([]byte(got)) {
		t.Errorf("%s\nis answered with what is no JSON: %s", query, got)
	}
	return got
}

func TestQueries(t *testing.T) {
	h := house(t)
	const p1, p2 = `{"id":"1","_version":3,"name":"Chair","price":12.5,"tags":["a"],"maker":"m1"}`, `{"id":"2","_version":1,"name":"É \"x\"","price":null,"tags":null,"maker":null}`
	for _, c := range []struct {
		name, query, variables string
		answers                map[string]string
		want                   string
	}{
		{
			"a list", `{ products(filter: "{\"price\":{\"$gt\":1}}", sort: "-price", limit: 2) { price id t: name __typename } }`, "",
			map[string]string{`Product.findAll {"filter":{"price":{"$gt":1}},"sort":"-price","limit":2,"select":["price","name"]}`: "[" + p1 + "," + p2 + "]"},
			`{"data":{"products":[{"price":12.5,"id":"1","t":"Chair","__typename":"Product"},{"price":null,"id":"2","t":"É \"x\"","__typename":"Product"}]}}`,
		},
		{
			"objects for JSON", `query($n: Float!) { a: products(filter: {price: {_gt: 1}}, sort: {price: -1}) { id } b: productsPage(where: {price: {gt: $n}}) { nodes { id } } }`, `{"n":7}`,
			map[string]string{
				`Product.findAll {"filter":{"price":{"_gt":1}},"sort":{"price":-1},"select":["id"]}`: "[]",
				`Product.findAll {"filter":{"price":{"$gt":7}},"select":["id"]}`:                     "[]",
			},
			`{"data":{"a":[],"b":{"nodes":[]}}}`,
		},
		{
			"typed conditions", `query($s: String, $w: ProductWhere) { x: productCount(where: {_or: [{name: {contains: "a.b", ignoreCase: true}}, {_not: {maker: {in: ["m1", 2]}}}, {price: null}], name: {eq: $s}}) y: productCount(where: $w, filter: {active: true}) }`, `{"s":"z","w":{"stock":{"gte":"9007199254740993"},"createdAt":{"lt":"2026-01-01"}}}`,
			map[string]string{
				`Product.count {"filter":{"$or":[{"name":{"$regex":"a\\.b","$regexFlags":"i"}},{"$not":{"maker":{"$in":["m1","2"]}}},{"price":null}],"name":{"$eq":"z"}}}`: "2",
				`Product.count {"filter":{"$and":[{"active":true},{"stock":{"$gte":"9007199254740993"},"createdAt":{"$lt":"2026-01-01"}}]}}`:                               "3",
			},
			`{"data":{"x":2,"y":3}}`,
		},
		{
			"order and cursor", `query($c: String) { productsPage(first: 2, after: $c, orderBy: [{price: desc}, {name: asc}]) { nodes { name } pageInfo { hasNextPage endCursor } totalCount } }`, `{"c":"cur"}`,
			map[string]string{`Product.findAll {"limit":2,"cursor":"cur","sort":{"price":-1,"name":1},"select":["name"],"count":true}`: `{"status":"ok","data":[` + p1 + `],"metadata":{"count":1,"next":"more","total":9}}`},
			`{"data":{"productsPage":{"nodes":[{"name":"Chair"}],"pageInfo":{"hasNextPage":true,"endCursor":"more"},"totalCount":9}}}`,
		},
		{
			"a connection", `query($c: String) { productsConnection(first: 2, after: $c) { edges { cursor node { name maker { name } } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }`, `{"c":"cur"}`,
			map[string]string{`Product.findAll {"limit":2,"cursor":"cur","select":["name","maker"],"relations":["maker"],"count":true,"cursors":true}`: `{"status":"ok","data":[{"id":"1","name":"Chair","maker":{"id":"m1","name":"M"}},{"id":"2","name":"É","maker":null}],"metadata":{"count":2,"total":9,"next":"b","cursors":["a","b"]}}`},
			`{"data":{"productsConnection":{"edges":[{"cursor":"a","node":{"name":"Chair","maker":{"name":"M"}}},{"cursor":"b","node":{"name":"É","maker":null}}],"pageInfo":{"hasNextPage":true,"hasPreviousPage":true,"startCursor":"a","endCursor":"b"},"totalCount":9}}}`,
		},
		{
			"the last and the empty connection", `query($y: Boolean!) { a: productsConnection { edges { node { id } } pageInfo { hasNextPage hasPreviousPage endCursor } } b: productsConnection(where: {price: {gt: 9}}) { __typename edges { __typename cursor @include(if: $y) node { id } } nodes { id } pageInfo { __typename startCursor endCursor } } }`, `{"y":true}`,
			map[string]string{
				`Product.findAll {"select":["id"],"cursors":true}`:                              `{"status":"ok","data":[` + p1 + `],"metadata":{"count":1,"cursors":["a"]}}`,
				`Product.findAll {"filter":{"price":{"$gt":9}},"select":["id"],"cursors":true}`: `{"status":"ok","data":[],"metadata":{"count":0}}`,
			},
			`{"data":{"a":{"edges":[{"node":{"id":"1"}}],"pageInfo":{"hasNextPage":false,"hasPreviousPage":false,"endCursor":"a"}},"b":{"__typename":"ProductConnection","edges":[],"nodes":[],"pageInfo":{"__typename":"PageInfo","startCursor":null,"endCursor":null}}}}`,
		},
		{
			"relations of a connection in a call of their own", `{ productsConnection { edges { node { lines(sort: "n") { n } } } nodes { name } } }`, "",
			map[string]string{
				`Product.findAll {"select":["name"]}`: `[{"id":"1","name":"x"},{"id":"2","name":"y"}]`,
				"Line.findAll":                        `[{"id":"l","n":1,"product":"1"},{"id":"m","n":2,"product":"2"}]`,
			},
			`{"data":{"productsConnection":{"edges":[{"node":{"lines":[{"n":1}]}},{"node":{"lines":[{"n":2}]}}],"nodes":[{"name":"x"},{"name":"y"}]}}}`,
		},
		{
			"a page without cursors for its records", `{ productsPage { nodes { id } pageInfo { endCursor hasPreviousPage } } }`, "",
			map[string]string{`Product.findAll {"select":["id"]}`: `{"status":"ok","data":[` + p1 + `],"metadata":{"count":1}}`},
			`{"data":{"productsPage":{"nodes":[{"id":"1"}],"pageInfo":{"endCursor":null,"hasPreviousPage":false}}}}`,
		},
		{
			"relations in one call", `{ product(id: "1") { makerId maker { name products { id } } groups { parent { name } } } }`, "",
			map[string]string{`Product.findById {"id":"1","select":["maker","groups"],"relations":["maker.products","groups.parent"]}`: `{"id":"1","_version":1,"maker":{"id":"m1","_version":1,"name":"M","products":[{"id":"1"},{"id":"2"}]},"groups":[{"id":"g","parent":null},{"id":"h","parent":{"id":"g","name":"G"}}]}`},
			`{"data":{"product":{"makerId":"m1","maker":{"name":"M","products":[{"id":"1"},{"id":"2"}]},"groups":[{"parent":null},{"parent":{"name":"G"}}]}}}`,
		},
		{
			"relations with arguments", `query($n: Int) { makers { id products(where: {price: {gt: 1}}, orderBy: [{price: desc}], limit: $n) { name price } } }`, `{"n":1}`,
			map[string]string{
				`Maker.findAll {"select":["id"]}`: `[{"id":"m1","_version":1},{"id":"m2","_version":1},{"id":"m3","_version":1}]`,
				`Product.findAll {"filter":{"$and":[{"maker":{"$in":["m1","m2","m3"]}},{"price":{"$gt":1}}]},"sort":{"price":-1},"select":["maker","name","price"],"limit":1000}`: `[{"id":"1","name":"a","price":9,"maker":"m2"},{"id":"2","name":"b","price":8,"maker":"m1"},{"id":"3","name":"c","price":7,"maker":"m2"}]`,
			},
			`{"data":{"makers":[{"id":"m1","products":[{"name":"b","price":8}]},{"id":"m2","products":[{"name":"a","price":9}]},{"id":"m3","products":[]}]}}`,
		},
		{
			"many to many with arguments", `{ products(limit: 2) { groups(filter: {name: "x"}) { name } } }`, "",
			map[string]string{
				`Product.findAll {"limit":2,"select":["id"]}`:                                                                   `[{"id":"1"},{"id":"2"}]`,
				`Product.findAll {"filter":{"id":{"$in":["1","2"]}},"select":["id"],"relations":["groups"],"limit":1000}`:       `[{"id":"1","groups":[{"id":"g"},{"id":"h"}]},{"id":"2","groups":[{"id":"h"}]}]`,
				`Group.findAll {"filter":{"$and":[{"id":{"$in":["g","h"]}},{"name":"x"}]},"select":["id","name"],"limit":1000}`: `[{"id":"h","name":"x"}]`,
			},
			`{"data":{"products":[{"groups":[{"name":"x"}]},{"groups":[{"name":"x"}]}]}}`,
		},
		{
			"fragments and directives", `query($y: Boolean!, $n: Boolean!) { product(id: 1) { ...F @include(if: $y) ... on Product @skip(if: $y) { price } tags @include(if: $n) name @skip(if: false) } } fragment F on Product { name maker { id } maker { name @include(if: $n) } }`, `{"y":true,"n":false}`,
			map[string]string{`Product.findById {"id":"1","select":["name","maker"],"relations":["maker"]}`: `{"id":"1","name":"Chair","maker":{"id":"m1","name":"M"}}`},
			`{"data":{"product":{"name":"Chair","maker":{"id":"m1"}}}}`,
		},
		{
			"Octonet's lists and what is left out", `query($r: String) { productOne(filter: "{}", relations: $r, select: "name , price", includeDeleted: true) { name price stock } }`, `{"r":"maker,groups"}`,
			map[string]string{`Product.findOne {"filter":{},"includeDeleted":true,"select":["name","price","stock"],"relations":["maker","groups"]}`: p1},
			`{"data":{"productOne":{"name":"Chair","price":12.5,"stock":null}}}`,
		},
		{
			"search, aggregate, changes", `{ productSearch(query: "é", fields: "name,note", limit: 3) { id } productAggregate(stages: "[{\"$count\":\"n\"}]") _changes(position: "e-1", limit: 2) _catalog }`, "",
			map[string]string{
				`Product.search {"query":"é","searchFields":["name","note"],"limit":3,"select":["id"]}`: `[{"id":"1"}]`,
				`Product.aggregate {"stages":[{"$count":"n"}]}`:                                         `[{"n":3}]`,
				`_project.changes {"position":"e-1","limit":2}`:                                         `[]`,
				`_project.catalog {}`: `{"status":"ok","data":[{"name":"Product"}]}`,
			},
			`{"data":{"productSearch":[{"id":"1"}],"productAggregate":[{"n":3}],"_changes":[],"_catalog":[{"name":"Product"}]}}`,
		},
		{
			"an error is where it is", `{ a: productCount b: product(id: "1") { id } c: products { id } }`, "",
			map[string]string{`Product.count`: "7", `Product.findById`: "!TIMEOUT", `Product.findAll`: "!INVALID_FILTER"},
			`{"data":{"a":7,"b":null,"c":null},"errors":[{"message":"it is so","locations":[{"line":1,"column":19}],"path":["b"],"extensions":{"code":"TIMEOUT","retryAfter":1}},{"message":"it is so","locations":[{"line":1,"column":46}],"path":["c"],"extensions":{"code":"INVALID_FILTER"}}]}`,
		},
		{
			"null goes up as far as it must", `{ makers { name products { id n: name } } }`, "",
			map[string]string{`Maker.findAll`: `[{"id":"m1","name":"M","products":[{"id":"1","name":"x"},{"id":"2","name":null}]}]`},
			`{"data":{"makers":null},"errors":[{"message":"the record has no value where the schema promises one; the log has the cause under request id R","locations":[{"line":1,"column":31}],"path":["makers",0,"products",1,"n"],"extensions":{"code":"INTERNAL"}}]}`,
		},
		{"nothing", `{ __typename x: __typename product(id: "1") { id } }`, "", map[string]string{`Product.findById`: "null"}, `{"data":{"__typename":"Query","x":"Query","product":null}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			script(t, h, c.answers)
			got := ask(t, h, c.query, c.variables)
			if i := strings.Index(got, "under request id "); i >= 0 {
				got = got[:i+17] + "R" + got[i+17+36:]
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestMutations(t *testing.T) {
	h := house(t)
	for _, c := range []struct {
		name, query, variables string
		answers                map[string]string
		want                   string
	}{
		{
			"create", `mutation($i: ProductInput!) { createProduct(input: $i) { id name maker { name } } }`, `{"i":{"name":"x","stock":9007199254740993,"meta":{"a":[1,null]},"note":null,"maker":"m1"}}`,
			map[string]string{`Product.create {"data":{"name":"x","stock":9007199254740993,"meta":{"a":[1,null]},"note":null,"maker":"m1"},"relations":["maker"]}`: `{"id":"1","name":"x","maker":{"id":"m1","name":"M"}}`},
			`{"data":{"createProduct":{"id":"1","name":"x","maker":{"name":"M"}}}}`,
		},
		{
			"Octonet's update with the whole input", `mutation($i: ProductInput!) { updateProduct(id: "1", input: $i, expectedVersion: 3) { id } }`, `{"i":{"name":"x"}}`,
			map[string]string{`Product.update {"id":"1","data":{"name":"x"},"expectedVersion":3}`: `{"id":"1"}`},
			`{"data":{"updateProduct":{"id":"1"}}}`,
		},
		{
			"in order", `mutation { a: updateProduct(id: 1, input: {price: 1.50}) { _version } deleteProduct(id: "2") upsertProduct(filter: "{\"name\":\"x\"}", input: {price: 2}) { id } deleteManyProducts(where: {}) updateManyProducts(filter: {}, input: {active: false}) }`, "",
			map[string]string{
				`Product.update {"id":"1","data":{"price":1.50}}`:           `{"id":"1","_version":4}`,
				`Product.delete {"id":"2"}`:                                 "false",
				`Product.upsert {"filter":{"name":"x"},"data":{"price":2}}`: `{"id":"3"}`,
				`Product.deleteMany {"filter":{}}`:                          "3",
				`Product.updateMany {"filter":{},"data":{"active":false}}`:  `{"status":"ok","metadata":{"count":5}}`,
			},
			`{"data":{"a":{"_version":4},"deleteProduct":false,"upsertProduct":{"id":"3"},"deleteManyProducts":3,"updateManyProducts":5}}`,
		},
		{
			"lists and sums", `mutation { a: addToSetProduct(id: "1", field: "tags", value: "\"new\"") { id } b: addToSetProduct(id: "1", field: "tags", value: "5") { id } c: pullProduct(id: "1", field: "meta", value: "{\"a\":1}") { id } d: pullProduct(id: "1", field: "tags", value: null) { id } incrementProduct(id: "1", field: "stock", amount: -2.5) { stock } }`, "",
			map[string]string{
				`Product.addToSet {"id":"1","field":"tags","value":"new"}`: `{"id":"a"}`, `Product.addToSet {"id":"1","field":"tags","value":"5"}`: `{"id":"b"}`,
				`Product.pull {"id":"1","field":"meta","value":{"a":1}}`: `{"id":"c"}`, `Product.pull {"id":"1","field":"tags","value":null}`: "null",
				`Product.increment {"id":"1","field":"stock","amount":-2.5}`: `{"id":"1","stock":7}`,
			},
			`{"data":{"a":{"id":"a"},"b":{"id":"b"},"c":{"id":"c"},"d":null,"incrementProduct":{"stock":7}}}`,
		},
		{
			"a transaction", `mutation { _transaction(operations: [{op: "create", entity: "Product", data: {name: "a"}}]) }`, "",
			map[string]string{`_project.transaction {"operations":[{"op":"create","entity":"Product","data":{"name":"a"}}]}`: `[{"id":"1"}]`},
			`{"data":{"_transaction":[{"id":"1"}]}}`,
		},
		{
			"an unset variable does not widen", `mutation($n: String) { deleteManyProducts(where: {name: {eq: $n}}) }`, "{}", nil,
			`{"data":{"deleteManyProducts":null},"errors":[{"message":"where: $n has no value, and without it the condition would hold for more than was meant; give it a value, or null","locations":[{"line":1,"column":24}],"path":["deleteManyProducts"],"extensions":{"code":"INVALID_FILTER"}}]}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			script(t, h, c.answers)
			if got := ask(t, h, c.query, c.variables); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	h := house(t)
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		n := int64(len(r.IdempotencyKey))
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":{"id":"1"}}`), Position: mesh.Position{Epoch: "e", Seq: n}, Replayed: n == 1}, nil
	})
	_, head, got := post(t, h, `{"query":"mutation { a: createMaker(input: {}) { id } b: createMaker(input: {}) { id } }"}`, "Idempotency-Key: k", "X-Request-Id: r1")
	if got != `{"data":{"a":{"id":"1"},"b":{"id":"1"}}}` || head.Get("Octo-Position") != "e-3" || head.Get("Idempotency-Replayed") != "true" || head.Get("X-Request-Id") != "r1" {
		t.Errorf("%s %v", got, head)
	}
	last := h.Mesh.Last()
	if last.Header.IdempotencyKey != "k.2" || last.Header.RequestID != "r1" || last.Header.Token != "token-of-key" || last.Header.Transport != "graphql" || last.Header.CatalogVersion != "v2" || last.Project != "default" {
		t.Errorf("%+v", last)
	}
	post(t, h, `{"query":"{ maker(id: 1) { id } }"}`, "Octo-Min-Position: e-9", "X-Project: shop")
	if last = h.Mesh.Last(); last.Args != `{"id":"1","select":["id"],"minPosition":"e-9"}` || last.Project != "shop" || last.Header.IdempotencyKey != "" {
		t.Errorf("%+v", last)
	}
	send(t, h, "POST", "/shop/graphql", `{"query":"{ makerCount }"}`, "Content-Type: application/json")
	if last = h.Mesh.Last(); last.Project != "shop" {
		t.Errorf("%+v", last)
	}
}

func TestHTTP(t *testing.T) {
	h := house(t)
	script(t, h, map[string]string{"Product.count": "7", "Product.delete": "true"})
	const better = "Accept: application/graphql-response+json"
	query := url.QueryEscape("{ productCount }")
	for _, c := range []struct {
		name, method, target, body string
		head                       []string
		status                     int
		want                       string // what the reply holds
	}{
		{"get", "GET", "/graphql?query=" + query, "", nil, 200, `{"data":{"productCount":7}}`},
		{"get with variables", "GET", "/graphql?query=" + url.QueryEscape("query A($f: JSON){productCount(filter:$f)} query B{__typename}") + "&operationName=A&variables=" + url.QueryEscape(`{"f":{}}`), "", nil, 200, `{"data":{"productCount":7}}`},
		{"get of a mutation", "GET", "/graphql?query=" + url.QueryEscape(`mutation{deleteProduct(id:"1")}`), "", nil, 405, `"METHOD_NOT_ALLOWED"`},
		{"get of nothing", "GET", "/graphql", "", nil, 400, `"INVALID_REQUEST"`},
		{"bad variables in a URL", "GET", "/graphql?query=" + query + "&variables={", "", nil, 400, `"PARSE_ERROR"`},
		{"patch", "PATCH", "/graphql", "{}", nil, 405, `"METHOD_NOT_ALLOWED"`},
		{"options", "OPTIONS", "/graphql", "", nil, 204, ""},
		{"no such route", "GET", "/graphql/x", "", nil, 404, "NOT_FOUND"},
		{"another type", "POST", "/graphql", "x", []string{"Content-Type: text/plain"}, 415, `"INVALID_REQUEST"`},
		{"another charset", "POST", "/graphql", "{}", []string{"Content-Type: application/json; charset=iso-8859-1"}, 415, `"INVALID_REQUEST"`},
		{"no JSON", "POST", "/graphql", "{", nil, 400, `"PARSE_ERROR"`},
		{"duplicate keys", "POST", "/graphql", `{"query":"{a}","query":"{b}"}`, nil, 400, `"PARSE_ERROR"`},
		{"a number", "POST", "/graphql", "7", nil, 400, `"INVALID_REQUEST"`},
		{"no query", "POST", "/graphql", "{}", nil, 400, `"INVALID_REQUEST"`},
		{"query of another type", "POST", "/graphql", `{"query":{}}`, nil, 400, `"INVALID_REQUEST"`},
		{"variables of another type", "POST", "/graphql", `{"query":"{__typename}","variables":"x"}`, nil, 400, `"INVALID_REQUEST"`},
		{"syntax, old", "POST", "/graphql", `{"query":"{"}`, nil, 200, `"PARSE_ERROR"`},
		{"syntax", "POST", "/graphql", `{"query":"{"}`, []string{better}, 400, `"PARSE_ERROR"`},
		{"validation, old", "POST", "/graphql", `{"query":"{ nothing }"}`, nil, 200, `"INVALID_REQUEST"`},
		{"validation", "POST", "/graphql", `{"query":"{ productCuont }"}`, []string{better}, 400, `Did you mean \"productCount\"`},
		{"variables", "POST", "/graphql", `{"query":"query($i: Int!){ products(limit:$i){id} }","variables":{"i":"x"}}`, []string{better}, 400, `$i: \"x\" cannot be a Int!`},
		{"no such operation", "POST", "/graphql", `{"query":"query A{__typename} query B{__typename}","operationName":"C"}`, []string{better}, 400, `no operation named`},
		{"nobody", "POST", "/graphql", `{"query":"{ __typename }"}`, []string{"X-API-Key: "}, 401, `"UNAUTHORIZED"`},
		{"a wrong key", "POST", "/graphql", `{"query":"{ __typename }"}`, []string{"X-API-Key: wrong"}, 401, `"UNAUTHORIZED"`},
		{"another project than may", "POST", "/shop/graphql", `{"query":"{ __typename }"}`, []string{"X-API-Key: " + scripted.Reader}, 403, `"FORBIDDEN"`},
		{"no such project", "POST", "/graphql?project=none", `{"query":"{ __typename }"}`, nil, 404, `"UNKNOWN_PROJECT"`},
		{"a reader writes", "POST", "/graphql", `{"query":"mutation { deleteProduct(id: 1) }"}`, []string{"X-API-Key: " + scripted.Reader, better}, 400, `"INVALID_REQUEST"`},
		{"a batch", "POST", "/graphql", `[{"query":"{ productCount }"},{"query":"{"},{"query":"{ __typename }"}]`, nil, 200, `[{"data":{"productCount":7}},{"errors":[`},
		{"an empty batch", "POST", "/graphql", `[]`, nil, 400, `"INVALID_REQUEST"`},
		{"a batch too long", "POST", "/graphql", "[" + strings.Repeat(`{"query":"{__typename}"},`, 10) + `{"query":"{__typename}"}]`, nil, 400, `"INVALID_REQUEST"`},
		{"too deep", "POST", "/graphql", `{"query":"{ makers ` + strings.Repeat("{ products { maker ", 6) + "{id" + strings.Repeat("}}", 6) + `}}"}`, nil, 200, "levels of selections: 10 is"},
		{"aliases", "POST", "/graphql", `{"query":"{ product(id:1) {` + many(" a%d:name", 101) + `} }"}`, nil, 200, "aliases: 100 is"},
		{"root fields", "POST", "/graphql", `{"query":"{` + many(" a%d:__typename", 21) + `}"}`, nil, 200, "fields of the root type: 20 is"},
		{"directives", "POST", "/graphql", `{"query":"{ product(id:1) {` + strings.Repeat(" name @skip(if:false)", 51) + `} }"}`, nil, 200, "directives: 50 is"},
		{"tokens", "POST", "/graphql", `{"query":"{` + strings.Repeat(" a", 10_001) + `}"}`, nil, 200, "exceeded token limit"},
		{"bytes", "POST", "/graphql", `{"query":"{` + strings.Repeat(" ", 65_536) + `}"}`, nil, 200, "65536 is the limit"},
		{"fields", "POST", "/graphql", `{"query":"{ product(id:1) {` + strings.Repeat(" name", 1000) + `} }"}`, nil, 200, "1000 is the limit"},
		{"doubling fragments", "POST", "/graphql", `{"query":"{ product(id:1) { ...f0 } } ` + many("fragment f%[1]d on Product { ...f%[2]d ...f%[2]d } ", 100) + ` fragment f100 on Product { name }"}`, nil, 200, "1000 is the limit"},
		{"a cycle", "POST", "/graphql", `{"query":"{ product(id:1) { ...a } } fragment a on Product { ...b } fragment b on Product { ...a }"}`, nil, 200, "Cannot spread fragment"},
		{"cost", "POST", "/graphql", `{"query":"{ makers(limit: 1000) { products { lines { id n product { id name } } } } a: makers(limit:1000) { products(limit: 1000) { id } } }"}`, nil, 200, "250000 is the limit"},
		{"introspection in circles", "POST", "/graphql", `{"query":"{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }"}`, nil, 200, "introspection depth"},
		{"a hash of nothing known", "POST", "/graphql", `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + strings.Repeat("0", 64) + `"}}}`, nil, 200, `"PERSISTED_QUERY_NOT_FOUND"`},
		{"a wrong hash", "POST", "/graphql", `{"query":"{ __typename }","extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + strings.Repeat("0", 64) + `"}}}`, []string{better}, 400, `"INVALID_REQUEST"`},
		{"a hash", "POST", "/graphql", `{"query":"{__typename}","extensions":{"persistedQuery":{"version":1,"sha256Hash":"ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38"}}}`, nil, 200, `{"data":{"__typename":"Query"}}`},
		{"a known hash", "GET", "/graphql?extensions=" + url.QueryEscape(`{"persistedQuery":{"version":1,"sha256Hash":"ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38"}}`), "", nil, 200, `{"data":{"__typename":"Query"}}`},
		{"the page", "GET", "/shop/graphql", "", []string{"X-API-Key: ", "Accept: text/html,*/*;q=0.8"}, 200, "<title>GraphQL</title>"},
		{"a file of the page", "GET", "/shop/graphql/editor.js", "", []string{"X-API-Key: "}, 200, "ReactDOM.createRoot"},
		{"a packed file of it", "GET", "/graphql/react.production.min.js", "", []string{"X-API-Key: "}, 200, "react.production.min.js"},
		{"a file that is none", "GET", "/graphql/page.php", "", nil, 404, "NOT_FOUND"},
		{"a browser that asks", "GET", "/graphql?query=" + query, "", []string{"Accept: text/html,*/*;q=0.8"}, 200, `{"data":{"productCount":7}}`},
		{"the schema as text", "GET", "/graphql/schema.graphql", "", nil, 200, "type Product {"},
	} {
		t.Run(c.name, func(t *testing.T) {
			head := c.head
			if c.method == "POST" {
				head = append([]string{"Content-Type: application/json"}, head...)
			}
			var status int
			var got http.Header
			var body string
			scripted.Within(t, 2*time.Second, "it", func() { status, got, body = send(t, h, c.method, c.target, c.body, head...) })
			if status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("%d %s, want %d %s", status, body, c.status, c.want)
			}
			if kind := got.Get("Content-Type"); strings.HasPrefix(body, `{"errors"`) && kind != "application/json; charset=utf-8" && kind != "application/graphql-response+json; charset=utf-8" {
				t.Errorf("an error as %s", kind)
			}
			if strings.HasPrefix(body, `{"data"`) && strings.Contains(strings.Join(c.head, ""), better) && got.Get("Content-Type") != "application/graphql-response+json; charset=utf-8" {
				t.Error(got.Get("Content-Type"))
			}
		})
	}
}

// many writes a form for each number below n, with that number and the next.
func many(form string, n int) string {
	var b strings.Builder
	for i := range n {
		if strings.Contains(form, "[2]") {
			fmt.Fprintf(&b, form, i, i+1)
		} else {
			fmt.Fprintf(&b, form, i)
		}
	}
	return b.String()
}

// TestSchemasDiffer holds each caller to a schema of its own.
func TestSchemasDiffer(t *testing.T) {
	h := house(t)
	_, _, all := send(t, h, "GET", "/graphql/schema.graphql", "")
	_, head, some := send(t, h, "GET", "/graphql/schema.graphql", "", "X-API-Key: "+scripted.Reader)
	if !strings.Contains(all, "createProduct") || strings.Contains(some, "createProduct") || strings.Contains(some, "ProductInput") || !strings.Contains(some, "products(") {
		t.Error("the schemas do not show what their callers may do")
	}
	if head.Get("Cache-Control") != "private, no-cache" || head.Get("ETag") == "" {
		t.Errorf("%v", head)
	}
	status, _, _ := send(t, h, "GET", "/graphql/schema.graphql", "", "X-API-Key: "+scripted.Reader, "If-None-Match: "+head.Get("ETag"))
	if status != 304 {
		t.Error(status)
	}
}

// TestSubgraph asks what a federation gateway asks.
func TestSubgraph(t *testing.T) {
	h := house(t)
	script(t, h, map[string]string{
		`Product.findAll {"filter":{"id":{"$in":["2","1","9"]}},"select":["id","name","maker"],"relations":["maker"],"limit":1000}`: `[{"id":"1","_version":1,"name":"a","maker":null},{"id":"2","_version":1,"name":"b","maker":{"id":"m1","name":"M"}}]`,
		`Group.findAll {"filter":{"id":{"$in":["g"]}},"select":["id"],"limit":1000}`:                                                `[{"id":"g"}]`,
	})
	got := ask(t, h, `query($r: [_Any!]!) { _entities(representations: $r) { __typename ... on Product { name maker { name } } ...G } } fragment G on Group { id }`,
		`{"r":[{"__typename":"Product","id":"2"},{"__typename":"Group","id":"g"},{"__typename":"Product","id":1},{"__typename":"Product","id":"9"},{"__typename":"Product","id":"1"}]}`)
	if got != `{"data":{"_entities":[{"__typename":"Product","name":"b","maker":{"name":"M"}},{"__typename":"Group","id":"g"},{"__typename":"Product","name":"a","maker":null},null,{"__typename":"Product","name":"a","maker":null}]}}` {
		t.Error(got)
	}
	for _, bad := range []string{`[{"__typename":"Query","id":"1"}]`, `[{"id":"1"}]`, `[7]`, `[{"__typename":"Product"}]`} {
		if got := ask(t, h, `query($r: [_Any!]!) { _entities(representations: $r) { __typename } }`, `{"r":`+bad+`}`); !strings.Contains(got, `"INVALID_REQUEST"`) {
			t.Errorf("%s: %s", bad, got)
		}
	}
	var r struct {
		Data struct {
			Service struct{ SDL string } `json:"_service"`
		}
	}
	got = ask(t, h, `{ _service { sdl } }`, "")
	if err := json.Unmarshal([]byte(got), &r); err != nil || !strings.Contains(r.Data.Service.SDL, `type Product @key(fields: "id") {`) || strings.Contains(r.Data.Service.SDL, "_entities") {
		t.Errorf("%v %s", err, got)
	}
}

// TestIntrospection asks what tools ask, by the standard query of graphql-js.
func TestIntrospection(t *testing.T) {
	h := house(t)
	got := ask(t, h, introspection, "")
	var r struct {
		Data struct {
			Schema struct {
				QueryType, MutationType struct{ Name string }
				Types                   []struct {
					Kind, Name string
					Fields     []struct {
						Name string
						Args []struct{ Name string }
						Type struct {
							Kind   string
							OfType *struct{ Kind, Name string }
						}
					}
					EnumValues []struct{ Name string }
				}
				Directives []struct {
					Name      string
					Locations []string
				}
			} `json:"__schema"`
		}
		Errors json.RawMessage
	}
	if err := json.Unmarshal([]byte(got), &r); err != nil || r.Errors != nil {
		t.Fatalf("%v %s", err, r.Errors)
	}
	s := r.Data.Schema
	if s.QueryType.Name != "Query" || s.MutationType.Name != "Mutation" || len(s.Types) < 40 || len(s.Directives) < 3 {
		t.Errorf("%+v", s.Directives)
	}
	for _, d := range s.Directives {
		if d.Name == "defer" {
			t.Error("a directive is shown that does nothing")
		}
	}
	if got = ask(t, h, `query($n: String!) { __type(name: $n) { name kind fields { name type { kind ofType { name } } } } none: __type(name: "Nothing") { name } }`, `{"n":"Group"}`); got != `{"data":{"__type":{"name":"Group","kind":"OBJECT","fields":[{"name":"id","type":{"kind":"NON_NULL","ofType":{"name":"ID"}}},{"name":"_version","type":{"kind":"NON_NULL","ofType":{"name":"Int"}}},{"name":"name","type":{"kind":"SCALAR","ofType":null}},{"name":"parent","type":{"kind":"OBJECT","ofType":null}},{"name":"parentId","type":{"kind":"SCALAR","ofType":null}}]},"none":null}}` {
		t.Error(got)
	}
	if strings.Contains(got, "secret") {
		t.Error("a hidden field is shown")
	}
}

const introspection = `query IntrospectionQuery { __schema { description queryType { name kind } mutationType { name kind } subscriptionType { name kind } types { ...FullType } directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } }
fragment FullType on __Type { kind name description specifiedByURL isOneOf fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }`

// TestLargeReplies joins a reply that comes in parts.
func TestLargeReplies(t *testing.T) {
	h := house(t)
	h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Chunks: &scripted.Chunks{Parts: []string{`{"status":"ok","da`, `ta":[{"id":"1","na`, `me":"x"}]}`}}}, nil
	})
	if got := ask(t, h, `{ products { name } }`, ""); got != `{"data":{"products":[{"name":"x"}]}}` {
		t.Error(got)
	}
	h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Chunks: &scripted.Chunks{Parts: []string{`{"status":`}, Err: fault.New(fault.Unavailable, "gone")}}, nil
	})
	if got := ask(t, h, `{ products { name } }`, ""); !strings.Contains(got, `"UNAVAILABLE"`) {
		t.Error(got)
	}
	if got := bytes.Count([]byte(ask(t, h, `{ a: products { name } b: makers { id } }`, "")), []byte(`"UNAVAILABLE"`)); got != 2 {
		t.Error(got)
	}
}

// Whom a revocation does not find among the streams, it finds among the
// connections.
func TestRevokedWhileItOpens(t *testing.T) {
	h := house(t)
	h.Feed.Opening = func() { h.Hub.Revoke("k:AAAAAAAA") }
	h.Feed.Err = fault.New(fault.UnknownEntity, "no")
	live := []string{"Content-Type: application/json", "Accept: text/event-stream"}
	if status, _, body := post(t, h, `{"query":"subscription { productChanged { event } }"}`, live...); status != 404 || h.Hub.Len() != 0 {
		t.Error(status, body, h.Hub.Len())
	}
	h.Feed.Err = nil
	if status, _, body := post(t, h, `{"query":"subscription { productChanged { event } }"}`, live...); status != 200 || !strings.Contains(body, `"UNAUTHORIZED"`) || !strings.Contains(body, "event: complete") {
		t.Error(status, body)
	}
}
