package docspage_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/docspage"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

func house(t *testing.T, transports ...string) *scripted.House {
	return scripted.New(t, httpserver.Options{}, func(h *scripted.House, m *httpserver.Mux) { docspage.New(h.Door, transports).Mount(m) })
}

func get(t *testing.T, h *scripted.House, method, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range headers {
		name, value, _ := strings.Cut(s, ": ")
		if req.Header.Set(name, value); name == "Host" {
			req.Host = value
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
	return res, string(b)
}

func TestPage(t *testing.T) {
	h := house(t, "rest", "arrow")
	res, body := get(t, h, "GET", "/docs")
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatal(res.StatusCode, res.Header)
	}
	for _, want := range []string{
		`<span data-fill="url">http://` + h.Addr + `</span>/api/v1/<span data-fill="collection">products</span>?limit=5`,
		`id="rest"`, `id="arrow"`, `id="nats"`, `<span data-fill="subject">mostajs.</span><span data-fill="entity">Product</span>.findAll`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(body, `id="graphql"`) || strings.Contains(body, "{{") || strings.Contains(body, "<!-- calls") {
		t.Error("the page shows what is turned off, or a place that was not filled")
	}
	// A named project: its address, and nothing of what it holds.
	if _, body = get(t, h, "GET", "/shop/docs"); !strings.Contains(body, h.Addr+"/shop</span>/api/v1/") || !strings.Contains(body, "mostajs.shop.") {
		t.Error("a project's page has another address")
	}
	for path, want := range map[string]int{"/docs/page.css": 200, "/shop/docs/page.js": 200, "/docs/reference.js": 200, "/docs/page.html": 404, "/docs/a/b": 404, "/nobody/docs": 404, "/docs/": 301} {
		if res, body := get(t, h, "GET", path); res.StatusCode != want {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
	if res, _ := get(t, h, "POST", "/docs"); res.StatusCode != 405 {
		t.Error(res.StatusCode)
	}
	for host, want := range map[string]string{"octo.example": "octo.example", "octo.example:4488": "octo.example", "10.0.0.1:80": "10.0.0.1", "[::1]:4488": "[::1]", "[2001:db8::1]": "[2001:db8::1]"} {
		if _, body = get(t, h, "GET", "/docs", "Host: "+host); !strings.Contains(body, `@<span data-fill="host">`+want+`</span>:4222`) || !strings.Contains(body, "http://"+host+"</span>/api") {
			t.Errorf("the host %s is shown wrong", host)
		}
	}
	// The Host header is text like any other.
	if _, body = get(t, h, "GET", "/docs", `Host: a"><script>alert(1)</script>`); strings.Contains(body, "<script>alert") {
		t.Error("a Host header became markup")
	}
}

// What a project holds is not shown to who names no credential: the page's script
// asks with one.
func TestPageNamesNoEntity(t *testing.T) {
	h := house(t, "rest")
	catalog, err := schema.Parse([]byte(`[{"name":"Ledger","collection":"ledgers","fields":{"title":{"type":"string"}}}]`))
	if err != nil {
		t.Fatal(err)
	}
	for path, slug := range map[string]string{"/docs": gateway.DefaultProject, "/shop/docs": "shop"} {
		h.Door.Projects.Put(&gateway.Project{ID: "id-" + slug, Slug: slug, Version: "v2", Catalog: catalog})
		if res, body := get(t, h, "GET", path); res.StatusCode != 200 || strings.Contains(strings.ToLower(body), "ledger") || !strings.Contains(body, "products</span>") {
			t.Errorf("%s: %d, %s", path, res.StatusCode, body)
		}
	}
}

// A browser that knows the address alone is led to the page; who asks for anything
// else is told that there is none.
func TestHome(t *testing.T) {
	h := house(t, "rest")
	res, _ := get(t, h, "GET", "/", "Accept: text/html,*/*;q=0.8")
	if res.StatusCode != 302 || res.Header.Get("Location") != "docs" || !strings.Contains(strings.Join(res.Header.Values("Vary"), ","), "Accept") {
		t.Error(res.StatusCode, res.Header)
	}
	for _, headers := range [][]string{{"Accept: application/json"}, nil} {
		if res, body := get(t, h, "GET", "/", headers...); res.StatusCode != 404 || !strings.Contains(body, "/docs") {
			t.Error(res.StatusCode, body)
		}
	}
}

func TestPolicy(t *testing.T) {
	h := house(t)
	for _, path := range []string{"/docs", "/docs/page.css", "/docs/page.js", "/docs/reference.js"} {
		res, _ := get(t, h, "GET", path)
		policy := res.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
			t.Errorf("%s: %s", path, policy)
		}
		tag := res.Header.Get("ETag")
		if again, _ := get(t, h, "GET", path, "If-None-Match: "+tag); tag == "" || again.StatusCode != 304 {
			t.Errorf("%s: the tag %s, then %d", path, tag, again.StatusCode)
		}
	}
}

// TestNothingFromOutside reads the parts of the page: no address of another
// server, no script or style in the markup, nothing that makes markup of text.
func TestNothingFromOutside(t *testing.T) {
	files, err := filepath.Glob("assets/*")
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	outside := regexp.MustCompile(`(?i)https?://|["'(=]//|@import|(?-i:url\()|<script>|<style|\son[a-z]+=|style=|innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function`)
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(string(b), "\n") {
			if strings.HasSuffix(name, ".js") { // a comment may name an address
				line, _, _ = strings.Cut(line, "// ")
				line, _, _ = strings.Cut(line, "/** ")
			}
			if found := outside.FindString(line); found != "" {
				t.Errorf("%s:%d has %q", name, n+1, found)
			}
		}
	}
	h := house(t, access.TransportNames...)
	_, body := get(t, h, "GET", "/docs")
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		if to := m[1]; !strings.HasPrefix(to, "docs/") && to != "data:," && to != "openapi.json" {
			t.Errorf("the page refers to %s", to)
		}
	}
}
