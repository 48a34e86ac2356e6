package jsonrpc

import (
	"bytes"
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

type nobody struct{}

func (nobody) Principal(context.Context, access.Credential) (*mesh.Principal, string, error) {
	return &mesh.Principal{ID: "k:x", Kind: mesh.Key}, "token", nil
}

// alone is a server whose mesh answers everything with reply.
func alone(t testing.TB, reply *mesh.Reply) func(body []byte) *fasthttp.RequestCtx {
	projects := gateway.NewProjects()
	if err := projects.Apply("default", []byte(`{"id":"i","slug":"default","version":"v","schemas":`+scripted.Schemas+`}`), false); err != nil {
		t.Fatal(err)
	}
	caller := mesh.CallerFunc(func(context.Context, *mesh.Request) (*mesh.Reply, error) { return reply, nil })
	mux := httpserver.NewMux()
	New(&door.Door{Caller: caller, Identity: nobody{}, Projects: projects, Rates: access.NewLimiter(), Log: httpserver.Discard()}).Mount(mux)
	s := httpserver.New(mux, httpserver.Options{})
	var ctx fasthttp.RequestCtx
	var req fasthttp.Request
	req.Header.SetMethod("POST")
	req.SetRequestURI("/rpc")
	req.Header.Set("X-API-Key", scripted.Key)
	req.Header.SetContentType("application/json")
	ctx.Init(&req, nil, nil)
	return func(body []byte) *fasthttp.RequestCtx {
		ctx.Request.SetBodyRaw(body)
		ctx.Response.Reset()
		s.Handle(&ctx)
		return &ctx
	}
}

// FuzzEnvelope: whatever is sent, each response is a response object of the
// specification's section 5, or there is none at all.
func FuzzEnvelope(f *testing.F) {
	for _, s := range []string{
		`{"jsonrpc":"2.0","method":"Product.count","id":1}`, `{"jsonrpc":"2.0","method":"Product.create","params":{"data":{"title":"x"},"idempotencyKey":"k"},"id":"a"}`,
		`[]`, `[1,{"jsonrpc":"2.0","method":"rpc.discover","id":null}]`, `{"jsonrpc":"2.0","method":"x","params":[ ],"id":[]}`, `{"id":1e999,"jsonrpc":"2.0","method":"Product.findAll"}`,
		`{"\u006aethod":1}`, `{"jsonrpc":"2.0","method":"_project.transaction"}`, "\xff", `[{"jsonrpc":"2.0","method":"Product.count"}]`,
	} {
		f.Add([]byte(s))
	}
	send := alone(f, &mesh.Reply{Body: []byte(`{"status":"ok","data":null}`)})
	check := func(t *testing.T, one []byte) {
		var r map[string]json.RawMessage
		if err := json.Unmarshal(one, &r); err != nil {
			t.Fatalf("%s: %v", one, err)
		}
		_, result := r["result"]
		_, failure := r["error"]
		if string(r["jsonrpc"]) != `"2.0"` || r["id"] == nil || result == failure || len(r) != 3 {
			t.Fatalf("no response object: %s", one)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ctx := send(body)
		got := ctx.Response.Body()
		switch status := ctx.Response.StatusCode(); {
		case status == 204 && len(got) == 0:
		case status != 200:
			t.Fatalf("%d %s", status, got)
		case bytes.HasPrefix(got, []byte("[")):
			var all []json.RawMessage
			if err := json.Unmarshal(got, &all); err != nil || len(all) == 0 {
				t.Fatalf("%s: %v", got, err)
			}
			for _, one := range all {
				check(t, one)
			}
		default:
			check(t, got)
		}
	})
}

// BenchmarkCalls measures the gateway's own part of a request, as rest's
// BenchmarkRoutes does.
func BenchmarkCalls(b *testing.B) {
	send := alone(b, &mesh.Reply{Body: []byte(`{"status":"ok","data":{"id":"0192f3c1-7d1b-7c3a-9f10-aabbccddeeff","_version":4,"title":"Chair"}}`), Version: 4})
	one := `{"jsonrpc":"2.0","method":"Product.findById","params":{"id":"0192f3c1-7d1b-7c3a-9f10-aabbccddeeff"},"id":1}`
	for _, c := range []struct{ name, body string }{
		{"findById", one},
		{"findAll", `{"jsonrpc":"2.0","method":"Product.findAll","params":{"filter":{"price":{"$gt":3}},"sort":"price","limit":20},"id":1}`},
		{"create", `{"jsonrpc":"2.0","method":"Product.create","params":{"data":{"title":"Chair","price":10.5,"stock":3,"active":true,"tags":["a","b"],"meta":{"a":1}},"idempotencyKey":"k"},"id":1}`},
		{"batch of 10", "[" + strings.Repeat(one+",", 9) + one + "]"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ctx := send([]byte(c.body)); bytes.Contains(ctx.Response.Body(), []byte(`"error"`)) {
					b.Fatalf("%s", ctx.Response.Body())
				}
			}
		})
	}
}
