package odata

import (
	"context"
	"net/url"
	"strconv"
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

// BenchmarkList measures the gateway's own part of a list of 20: from a parsed
// HTTP request to the call, and from the reply to the response.
func BenchmarkList(b *testing.B) {
	projects := gateway.NewProjects()
	if err := projects.Apply("default", []byte(`{"id":"i","slug":"default","version":"v","schemas":`+scripted.Schemas+`}`), false); err != nil {
		b.Fatal(err)
	}
	var rows []string
	for i := range 20 {
		rows = append(rows, `{"id":"0192f3c1-7d1b-7c3a-9f10-aabbccddee`+strconv.Itoa(10+i)+`","_version":4,"title":"Chair","price":10.5,"stock":3,"active":true,"added":"2026-01-02T03:04:05.000Z","tags":["a","b"],"meta":{"a":1},"maker":"m1","createdAt":"2026-01-02T03:04:05.000Z","updatedAt":"2026-01-02T03:04:05.000Z","deletedAt":null}`)
	}
	reply := &mesh.Reply{Body: []byte(`{"status":"ok","data":[` + strings.Join(rows, ",") + `],"metadata":{"count":20,"next":"abc"}}`)}
	caller := mesh.CallerFunc(func(context.Context, *mesh.Request) (*mesh.Reply, error) { return reply, nil })
	mux := httpserver.NewMux()
	New(&door.Door{Caller: caller, Identity: nobody{}, Projects: projects, Log: httpserver.Discard()}).Mount(mux)
	s := httpserver.New(mux, httpserver.Options{})
	var ctx fasthttp.RequestCtx
	var req fasthttp.Request
	req.SetRequestURI("/odata/products?$top=20&$orderby=price&$select=title,price,stock,maker_id&$filter=" + url.QueryEscape("price gt 3"))
	req.Header.Set("X-API-Key", scripted.Key)
	ctx.Init(&req, nil, nil)
	b.ReportAllocs()
	for b.Loop() {
		ctx.Response.Reset()
		s.Handle(&ctx)
		if ctx.Response.StatusCode() >= 400 {
			b.Fatalf("%s", ctx.Response.Body())
		}
	}
}
