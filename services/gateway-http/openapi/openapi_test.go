package openapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/openapi"
	"github.com/octomesh/octomesh/services/gateway-http/rest"
)

type doc = map[string]any

func house(t *testing.T) *scripted.House {
	return scripted.New(t, httpserver.Options{}, func(h *scripted.House, m *httpserver.Mux) {
		openapi.New(h.Door).Mount(m)
		rest.New(h.Door).Mount(m)
	})
}

func fetch(t *testing.T, h *scripted.House, path, key string) doc {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+h.Addr+path, nil)
	if key != "" {
		req.Header.Set("X-API-Key", key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	var d doc
	if err := json.Unmarshal(b, &d); err != nil || res.StatusCode != 200 {
		t.Fatalf("%d %s %v", res.StatusCode, b, err)
	}
	return d
}

// operations calls f with each operation.
func operations(d doc, f func(path, method string, op doc)) {
	for path, item := range d["paths"].(doc) {
		for method, op := range item.(doc) {
			f(path, method, op.(doc))
		}
	}
}

// TestStructure holds the description to the rules of OpenAPI 3.1 that tools
// trip over: references that resolve, unique operation ids, path parameters that
// are declared, responses with descriptions.
func TestStructure(t *testing.T) {
	d := fetch(t, house(t), "/openapi.json", scripted.Key)
	if d["openapi"] != "3.1.0" {
		t.Error(d["openapi"])
	}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case doc:
			if r, ok := v["$ref"].(string); ok && resolve(d, r) == nil {
				t.Errorf("%s: %s leads nowhere", at, r)
			}
			for k, w := range v {
				walk(at+"/"+k, w)
			}
		case []any:
			for i, w := range v {
				walk(fmt.Sprint(at, "/", i), w)
			}
		}
	}
	walk("", d)
	ids := map[string]bool{}
	inPath := regexp.MustCompile(`\{(\w+)\}`)
	operations(d, func(path, method string, op doc) {
		at := method + " " + path
		id, _ := op["operationId"].(string)
		if id == "" || ids[id] {
			t.Errorf("%s: operationId %q is empty or used twice", at, id)
		}
		ids[id] = true
		var declared []string
		list, _ := op["parameters"].([]any)
		names := map[string]bool{}
		for _, p := range list {
			p := p.(doc)
			if r, ok := p["$ref"].(string); ok {
				p = resolve(d, r).(doc)
			}
			key := fmt.Sprint(p["in"], " ", p["name"])
			if names[key] {
				t.Errorf("%s: parameter %s twice", at, key)
			}
			names[key] = true
			if p["in"] == "path" {
				declared = append(declared, p["name"].(string))
			}
			if (p["schema"] == nil) == (p["content"] == nil) {
				t.Errorf("%s: %s needs either schema or content", at, key)
			}
		}
		var wanted []string
		for _, m := range inPath.FindAllStringSubmatch(path, -1) {
			wanted = append(wanted, m[1])
		}
		if !slices.Equal(declared, wanted) {
			t.Errorf("%s: path parameters %v, want %v", at, declared, wanted)
		}
		responses := op["responses"].(doc)
		for status, r := range responses {
			r := r.(doc)
			if ref, ok := r["$ref"].(string); ok {
				r = resolve(d, ref).(doc)
			}
			if r["description"] == nil || r["description"] == "" {
				t.Errorf("%s %s: no description", at, status)
			}
		}
		for _, i := range fault.Table {
			if i.Code != fault.Cancelled && responses[strconv.Itoa(i.HTTP)] == nil {
				t.Errorf("%s: lacks status %d of %s", at, i.HTTP, i.Code)
			}
		}
	})
}

func resolve(d doc, ref string) any {
	var v any = d
	for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		m, ok := v.(doc)
		if !ok {
			return nil
		}
		v = m[part]
	}
	return v
}

// TestEveryRouteIsServed sends a request to each described entity route.
func TestEveryRouteIsServed(t *testing.T) {
	h := house(t)
	for _, project := range []string{"", "/shop"} {
		d := fetch(t, h, project+"/openapi.json", scripted.Key)
		n := 0
		operations(d, func(path, method string, op doc) {
			if !strings.HasPrefix(path, project+"/api/v1/") {
				return
			}
			n++
			h.Mesh.Forget()
			body := `{"query":"x","filter":{},"data":{},"stages":[],"field":"a","operations":[]}`
			req, _ := http.NewRequestWithContext(t.Context(), strings.ToUpper(method), "http://"+h.Addr+strings.ReplaceAll(path, "{id}", "1"), strings.NewReader(body))
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			call := h.Mesh.Last()
			if call.Op == "" || !strings.HasPrefix(op["operationId"].(string), strings.Replace(call.Op, "update", "", 1)) && !strings.HasPrefix(op["operationId"].(string), call.Op) {
				t.Errorf("%s %s: op %q, described as %v (%d)", method, path, call.Op, op["operationId"], res.StatusCode)
			}
		})
		if n < 40 {
			t.Errorf("%s: %d operations", project, n)
		}
	}
}

func TestViews(t *testing.T) {
	h := house(t)
	for _, c := range []struct {
		path, key   string
		read, write bool
	}{
		{"/openapi.json", "", false, false},
		{"/openapi.json", scripted.Reader, true, false},
		{"/openapi.json", scripted.Key, true, true},
		{"/shop/openapi.json", scripted.Reader, false, false},
	} {
		d := fetch(t, h, c.path, c.key)
		b, _ := json.Marshal(d)
		if got := strings.Contains(string(b), "findAllProduct"); got != c.read {
			t.Errorf("%+v: reads shown: %v", c, got)
		}
		if got := strings.Contains(string(b), "createProduct"); got != c.write {
			t.Errorf("%+v: writes shown: %v", c, got)
		}
		if !c.read && strings.Contains(string(b), "Product") {
			t.Errorf("%+v: shows an entity", c)
		}
		if c.read && strings.Contains(fmt.Sprint(d["components"].(doc)["schemas"].(doc)["Product"]), "secret") {
			t.Error("a hidden field is shown as readable")
		}
	}
}
