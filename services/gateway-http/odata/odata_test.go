package odata

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

const oneRow = `{"id":"p1","_version":4,"title":"Chair","maker":"m1","tags":["a"],"meta":{"@odata.x":"}]\\\""}}`

// typical answers each op with a reply of its form.
func typical(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
	data, meta := `null`, `"count":1`
	switch r.Op {
	case "findAll", "search", "aggregate":
		data, meta = `[`+oneRow+`]`, `"count":1,"total":7,"next":"abc"`
	case "changes":
		data, meta = `[]`, `"count":0,"position":"e-9"`
	case "count":
		data, meta = `7`, `"total":7`
	case "delete":
		data = `true`
	case "deleteMany", "updateMany":
		data = `2`
	case "transaction":
		data = `[` + oneRow + `]`
	default:
		data = oneRow
	}
	return &mesh.Reply{Body: []byte(`{"status":"ok","data":` + data + `,"metadata":{` + meta + `}}`)}, nil
}

// server is a gateway with this protocol over behind.
func server(t testing.TB, behind mesh.CallerFunc) *httpserver.Server {
	return serverOf(t, scripted.Schemas, behind)
}

// serverOf has two projects, default and shop, with these schemas.
func serverOf(t testing.TB, schemas string, behind mesh.CallerFunc) *httpserver.Server {
	projects := gateway.NewProjects()
	for _, slug := range []string{"default", "shop"} {
		if err := projects.Apply(slug, []byte(`{"id":"id-`+slug+`","slug":"`+slug+`","version":"v","schemas":`+schemas+`}`), false); err != nil {
			t.Fatal(err)
		}
	}
	projects.SetLoaded()
	mux := httpserver.NewMux()
	New(&door.Door{Caller: behind, Identity: nobody{}, Projects: projects, Log: httpserver.Discard()}).Mount(mux)
	return httpserver.New(mux, httpserver.Options{})
}

// send hands one request to a server.
func send(s *httpserver.Server, method, target, body string, headers ...string) *fasthttp.Response {
	var ctx fasthttp.RequestCtx
	var req fasthttp.Request
	req.Header.SetMethod(method)
	req.SetRequestURI(target)
	req.Header.Set("X-API-Key", scripted.Key)
	req.Header.Set("Host", "octomesh")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	req.SetBodyString(body)
	ctx.Init(&req, nil, nil)
	s.Handle(&ctx)
	return &ctx.Response
}

// fine asks of any reply that it is JSON where it says so, and no failure of
// ours: 501 is a refusal.
func fine(t *testing.T, what string, r *fasthttp.Response) {
	t.Helper()
	if code := r.StatusCode(); code >= 500 && code != 501 {
		t.Errorf("%s: %d %.300s", what, code, r.Body())
	}
	if strings.HasPrefix(string(r.Header.ContentType()), "application/json") && len(r.Body()) > 0 && !json.Valid(r.Body()) {
		t.Errorf("%s: no JSON: %.300s", what, r.Body())
	}
}

func TestHostile(t *testing.T) {
	s := server(t, typical)
	again := strings.Repeat
	requests := [][3]string{
		{"GET", "/odata/products?$filter=" + again("(", 5000), ""},
		{"GET", "/odata/products?$filter=" + again("not%20", 5000) + "a", ""},
		{"GET", "/odata/products?$filter=title%20in%20(" + again("'a',", 1500) + "'b')", ""},
		{"GET", "/odata/products?$expand=" + again("maker($expand=", 50) + "maker" + again(")", 50), ""},
		{"GET", "/odata/products?$expand=*($levels=max)", ""},
		{"GET", "/odata/products?$filter=price%20mul%201e300%20mul%201e300%20mul%201e300%20gt%201e-300", ""},
		{"GET", "/odata/products?$filter=price%20add%201e99999999%20gt%201", ""},
		{"GET", "/odata/products?$filter=price%20gt%20" + again("9", 300), ""},
		{"GET", "/odata/products?$filter=matchesPattern(title,'" + again("(", 300) + "')", ""},
		{"GET", "/odata/products?$filter=length(title)%20gt%2099999999", ""},
		{"GET", "/odata/products?$top=99999999999&$skip=9999999999", ""},
		{"GET", "/odata/products?$filter=%ff", ""},
		{"GET", "/odata/products?$filter=%00", ""},
		{"GET", "/odata/products?" + again("&", 10000), ""},
		{"GET", "/odata/products?" + again("$top=1&", 3000), ""},
		{"GET", "/odata/products?$skiptoken=~~~&$deltatoken=1", ""},
		{"GET", "/odata/products?$deltatoken=e-9&$expand=maker", ""},
		{"GET", "/odata/products('" + again("a", 3000) + "')", ""},
		{"GET", "/odata/products(')", ""},
		{"GET", "/odata/products()", ""},
		{"GET", "/odata/()", ""},
		{"GET", "/odata/(x)", ""},
		{"GET", "/odata/$filter(x)", ""},
		{"GET", "/odata/products/$filter(title%20eq%20'x')/$count", ""},
		{"GET", "/odata/products/$filter(", ""},
		{"GET", "/odata/products/$filter()", ""},
		{"GET", "/odata/$entity?$id=products('p1')", ""},
		{"GET", "/odata/$entity?$id=$1", ""},
		{"GET", "/odata/$entity", ""},
		{"GET", "/odata/products('p1')/maker/$ref", ""},
		{"GET", "/odata/products('p1')/maker/nothing/x", ""},
		{"GET", "/odata/makers('m1')/name/$value/x", ""},
		{"GET", "/odata/products/MostaJS.upsert", ""},
		{"POST", "/odata/products/MostaJS.findOne", "{}"},
		{"POST", "/odata/products/MostaJS.nothing", "{}"},
		{"POST", "/odata/products", again("[", 5000)},
		{"POST", "/odata/products", `{"a":1,"a":2}`},
		{"POST", "/odata/products", `[]`},
		{"POST", "/odata/products", `{"maker@odata.bind":7}`},
		{"POST", "/odata/products", `{"maker":{"@odata.id":"` + again("x", 5000) + `"}}`},
		{"POST", "/odata/products", `{"maker":"a","maker_id":"b"}`},
		{"POST", "/odata/products", "{\"a\":\"\xff\"}"},
		{"PATCH", "/odata/products('p1')", ""},
		{"PUT", "/odata/products('p1')/title", `{}`},
		{"PUT", "/odata/products('p1')/title/$value", "\xff"},
		{"POST", "/odata/products('p1')/maker/$ref", `{}`},
		{"PUT", "/odata/products('p1')/maker/$ref", `{"@odata.id":"x"}`},
		{"DELETE", "/odata/products('p1')/maker('x')/$ref", ``},
		{"POST", "/odata/transaction", `{"operations":7}`},
		{"TRACE", "/odata/products", ""},
		{"OPTIONS", "/odata/products", ""},
		{"OPTIONS", "/odata/", ""},
		{"POST", "/odata/$batch", `{"requests":[{"id":"1","atomicityGroup":"g","method":"POST","url":"products","body":{}},{"id":"2","atomicityGroup":"g","method":"GET","url":"products"}]}`},
		{"POST", "/odata/$batch", `{"requests":[{"id":"1","atomicityGroup":"g","method":"PATCH","url":"$1","body":{}}]}`},
		{"POST", "/odata/$batch", `{"requests":[{"id":"1","atomicityGroup":"g","method":"POST","url":"transaction","body":{}}]}`},
		{"POST", "/odata/$batch", `{"requests":[{"id":"1","method":"POST","url":"` + again("%25", 100) + `"}]}`},
		{"POST", "/odata/$batch", `{"requests":[{"id":"1","method":"GET","url":"products/MostaJS.stream()"}]}`},
		{"GET", "/odata/products?$apply=groupby((title),aggregate(price%20with%20sum%20as%20x))/groupby((x))", ""},
		{"GET", "/odata/products?$apply=" + again("identity/", 400) + "identity", ""},
	}
	for _, r := range requests {
		what := r[0] + " " + r[1][:min(len(r[1]), 120)] + " " + r[2][:min(len(r[2]), 80)]
		var res *fasthttp.Response
		scripted.Within(t, 2*time.Second, what, func() { res = send(s, r[0], r[1], r[2]) })
		fine(t, what, res)
		if res.StatusCode() >= 400 {
			var e struct {
				Error struct{ Code, Message string }
			}
			if err := json.Unmarshal(res.Body(), &e); err != nil || !fault.Code(e.Error.Code).Known() || e.Error.Message == "" {
				t.Errorf("%s: %s", what, res.Body())
			}
		}
	}
	for _, body := range []string{"", "--b", "--b\r\n\r\n", "--b\r\nContent-Type: application/http\r\n\r\nGET", "--b\r\nContent-Type: application/http\r\n\r\nGET x HTTP/1.1\r\nA\r\n\r\n--b--", "--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n--b--"} {
		fine(t, body, send(s, "POST", "/odata/$batch", body, "Content-Type: multipart/mixed;boundary=b"))
	}
	for _, kind := range []string{"multipart/mixed", "text/html", "multipart/mixed;boundary=" + again("b", 500), ";"} {
		if r := send(s, "POST", "/odata/$batch", "x", "Content-Type: "+kind); r.StatusCode() < 400 || r.StatusCode() >= 500 {
			t.Errorf("%s: %d", kind, r.StatusCode())
		}
	}
}

// TestEveryCode lets each code of the table cross, also in a batch.
func TestEveryCode(t *testing.T) {
	for _, image := range fault.Table {
		s := server(t, func(context.Context, *mesh.Request) (*mesh.Reply, error) {
			return nil, fault.Wrap(errors.New("pq: secret"), image.Code, "told")
		})
		r := send(s, "GET", "/odata/products", "")
		if r.StatusCode() != image.HTTP || !strings.Contains(string(r.Body()), `"code":"`+string(image.Code)+`","message":"told`) || strings.Contains(string(r.Body()), "secret") {
			t.Errorf("%s: %d %s", image.Code, r.StatusCode(), r.Body())
		}
		r = send(s, "POST", "/odata/$batch", `{"requests":[{"id":"1","method":"GET","url":"products"}]}`)
		if !strings.Contains(string(r.Body()), `"code":"`+string(image.Code)) || strings.Contains(string(r.Body()), "secret") || r.StatusCode() != 200 {
			t.Errorf("%s: %s", image.Code, r.Body())
		}
	}
}

// FuzzRequest: whatever comes in, what goes into the mesh is JSON and what goes
// out is no failure of ours.
func FuzzRequest(f *testing.F) {
	for _, c := range [][3]string{
		{"GET", "products('p1')/maker/name/$value", ""},
		{"GET", "products?$filter=maker/name eq 'x'&$expand=maker($select=name)&$count=true", ""},
		{"POST", "products", `{"title":"x","maker@odata.bind":"makers('m1')","raw":"_-8="}`},
		{"PATCH", "products/$filter(title eq 'x')/$each", `{"price":1}`},
		{"POST", "$batch", `{"requests":[{"id":"1","atomicityGroup":"g","method":"POST","url":"makers","body":{"name":"x"}},{"id":"2","atomicityGroup":"g","method":"PATCH","url":"$1","body":{"name":"y"}}]}`},
		{"PUT", "products('p1')", `{"title":"y"}`},
		{"DELETE", "products('p1')/maker/$ref", ""},
		{"GET", "products?$deltatoken=e-9", ""},
		{"GET", "products?$apply=groupby((title))", ""},
	} {
		f.Add(c[0], c[1], c[2])
	}
	s := server(f, func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
		if !json.Valid(r.Args) {
			panic("the mesh got " + string(r.Args))
		}
		return typical(ctx, r)
	})
	f.Fuzz(func(t *testing.T, method, path, body string) {
		if strings.ContainsAny(method, " \r\n\x00") || strings.ContainsAny(path, "\r\n\x00") {
			return
		}
		r := send(s, method, "/odata/"+strings.ReplaceAll(path, " ", "%20"), body)
		if code := r.StatusCode(); code >= 500 && code != 501 {
			t.Fatalf("%d %s", code, r.Body())
		}
		if strings.HasPrefix(string(r.Header.ContentType()), "application/json") && len(r.Body()) > 0 && !json.Valid(r.Body()) {
			t.Fatalf("no JSON: %s", r.Body())
		}
	})
}
