package grpcapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/octomesh/octomesh/services/gateway-http/grpcapi"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func TestAPI(t *testing.T) {
	h := scripted.New(t, httpserver.Options{}, func(h *scripted.House, m *httpserver.Mux) { grpcapi.New(h.Door).Mount(m) })
	get := func(t *testing.T, method, path, key, tag string) (*http.Response, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			req.Header.Set("X-API-Key", key)
		}
		if tag != "" {
			req.Header.Set("If-None-Match", tag)
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
		return res, b
	}
	for _, c := range []struct {
		name, method, path, key string
		status                  int
		want, never             string
	}{
		{"the text", "GET", "/api/grpc/proto", scripted.Key, 200, "service ProductService {", "password"},
		{"of a project", "GET", "/shop/api/grpc/proto", scripted.Key, 200, "// Project shop,", "// Project default"},
		{"of a reader", "GET", "/api/grpc/proto", scripted.Reader, 200, "rpc FindAll(", "rpc Create("},
		{"of nobody", "GET", "/api/grpc/proto", "", 200, "package mostajs;", "Product"},
		{"of a reader elsewhere", "GET", "/shop/api/grpc/proto", scripted.Reader, 403, "FORBIDDEN", "Product"},
		{"services of a reader elsewhere", "GET", "/shop/api/grpc/services", scripted.Reader, 403, "the transport grpc", "Product"},
		{"services", "GET", "/api/grpc/services", scripted.Key, 200, `{"name":"Watch","fullName":"mostajs.ProductService/Watch","op":"watch","requestType":"mostajs.WatchRequest","responseType":"mostajs.ProductEvent","responseStream":true}`, "\n"},
		{"services of nobody", "GET", "/api/grpc/services", "", 200, `{"services":[]}`, "Product"},
		{"a wrong key", "GET", "/api/grpc/proto", "no", 401, "UNAUTHORIZED", "Product"},
		{"another verb", "POST", "/api/grpc/proto", scripted.Key, 405, "METHOD_NOT_ALLOWED", "Product"},
		{"no such route", "GET", "/api/grpc/fly", scripted.Key, 404, "NOT_FOUND", "Product"},
		{"deeper", "GET", "/api/grpc/proto/x", scripted.Key, 404, "NOT_FOUND", "Product"},
		{"no such project", "GET", "/nowhere/api/grpc/proto", scripted.Key, 404, "UNKNOWN_PROJECT", "Product"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, b := get(t, c.method, c.path, c.key, "")
			if res.StatusCode != c.status || !strings.Contains(string(b), c.want) || strings.Contains(string(b), c.never) {
				t.Fatalf("%d %s", res.StatusCode, b)
			}
			if c.status != 200 {
				return
			}
			if res, b := get(t, c.method, c.path, c.key, res.Header.Get("ETag")); res.StatusCode != 304 || len(b) > 0 {
				t.Errorf("%d %s", res.StatusCode, b)
			}
		})
	}
	if _, b := get(t, "GET", "/api/grpc/services", scripted.Key, ""); !json.Valid(b) {
		t.Errorf("%s", b)
	}
	res, b := get(t, "GET", "/api/grpc/descriptors", scripted.Reader, "")
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(b, &set); err != nil || res.Header.Get("Content-Type") != "application/x-protobuf" {
		t.Fatalf("%v %v", err, res.Header)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := files.FindDescriptorByName("mostajs.ProductService.FindAll"); err != nil {
		t.Error(err)
	}
	if _, err := files.FindDescriptorByName("mostajs.ProductService.Create"); err == nil {
		t.Error("a reader sees Create")
	}
}
