package natsapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/natsapi"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func TestAPI(t *testing.T) {
	h := scripted.New(t, httpserver.Options{}, func(h *scripted.House, m *httpserver.Mux) { natsapi.New(h.Door).Mount(m) })
	for _, c := range []struct {
		name, request, body, key string
		status                   int
		want                     string // in the reply
		call                     string // project Entity.op args that arrived
	}{
		{"a call", "POST /api/nats/call", `{"entity":"Product","op":"count","params":{"filter":{}}}`, scripted.Key, 200, `{"status":"ok"}`, `default Product.count {"filter":{}}`},
		{"without params", "POST /api/nats/call", `{"op":"count","entity":"products","params":null}`, scripted.Key, 200, `{"status":"ok"}`, `default Product.count `},
		{"data as a text", "POST /shop/api/nats/call", `{"entity":"Product","op":"create","params":{"data":"{\"title\":\"x\"}"}}`, scripted.Key, 200, `{"status":"ok"}`, `shop Product.create {"data":{"title":"x"}}`},
		{"a stream", "POST /api/nats/call", `{"entity":"Product","op":"stream"}`, scripted.Key, 200, `{"status":"ok","data":[{"status":"ok"}]}`, `default Product.stream `},
		{"no such op", "POST /api/nats/call", `{"entity":"Product","op":"fly"}`, scripted.Key, 400, `UNKNOWN_OP`, ``},
		{"no op", "POST /api/nats/call", `{"entity":"Product"}`, scripted.Key, 400, `MISSING_PARAMS`, ``},
		{"an op that is no text", "POST /api/nats/call", `{"entity":"Product","op":{}}`, scripted.Key, 400, `MISSING_PARAMS`, ``},
		{"another member", "POST /api/nats/call", `{"entity":"Product","op":"count","x":1}`, scripted.Key, 400, `INVALID_REQUEST`, ``},
		{"params that are none", "POST /api/nats/call", `{"entity":"Product","op":"count","params":7}`, scripted.Key, 400, `INVALID_REQUEST`, ``},
		{"an array", "POST /api/nats/call", `[]`, scripted.Key, 400, `INVALID_REQUEST`, ``},
		{"no JSON", "POST /api/nats/call", `{`, scripted.Key, 400, `PARSE_ERROR`, ``},
		{"nothing", "POST /api/nats/call", ``, scripted.Key, 400, `PARSE_ERROR`, ``},
		{"an unknown key", "POST /api/nats/call", `{"entity":"Product","op":"count"}`, "no", 401, `UNAUTHORIZED`, ``},
		{"another verb", "GET /api/nats/call", ``, scripted.Key, 405, `METHOD_NOT_ALLOWED`, ``},
		{"no such route", "GET /api/nats/fly", ``, scripted.Key, 404, `NOT_FOUND`, ``},
		{"deeper", "GET /api/nats/info/x", ``, scripted.Key, 404, `NOT_FOUND`, ``},
		{"subjects", "GET /api/nats/subjects", ``, scripted.Key, 200, `{"subjects":["mostajs.Product.findAll",`, ``},
		{"subjects of a project", "GET /shop/api/nats/subjects", ``, scripted.Key, 200, `"mostajs.stream.shop.Product.stream"`, ``},
		{"subjects of a reader", "GET /api/nats/subjects", ``, scripted.Reader, 200, `"mostajs.stream.default.Product.stream","mostajs.Maker.findAll"`, ``},
		{"subjects of nobody", "GET /api/nats/subjects", ``, "", 200, `{"subjects":[]}`, ``},
		{"info", "GET /api/nats/info", ``, scripted.Reader, 200, `"live":"mostajs.live.default.*.*","entities":[{"name":"Product","collection":"products","fields":["title","price","stock","active","added","tags","meta"],"operations":["findAll",`, ``},
		{"info of nobody", "GET /api/nats/info", ``, "", 200, `"entities":[],"subjects":[]}`, ``},
		{"no such project", "GET /nowhere/api/nats/info", ``, scripted.Key, 404, `UNKNOWN_PROJECT`, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.Mesh.Forget()
			method, target, _ := strings.Cut(c.request, " ")
			req, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Addr+target, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-API-Key", c.key)
			res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			if err != nil || !json.Valid(b) || res.StatusCode != c.status || !strings.Contains(string(b), c.want) {
				t.Errorf("%d %s, want %d %s", res.StatusCode, b, c.status, c.want)
			}
			got := ""
			if last := h.Mesh.Last(); last.Op != "" {
				got = last.Project + " " + last.Entity + "." + last.Op + " " + last.Args
				if last.Header.Transport != "nats" || last.Header.Token == "" || last.Header.Native != "" {
					t.Errorf("%+v", last.Header)
				}
			}
			if got != c.call {
				t.Errorf("arrived %q, want %q", got, c.call)
			}
		})
	}
}
