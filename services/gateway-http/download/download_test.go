package download_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/rest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func house(t testing.TB) *scripted.House {
	return scripted.New(t, httpserver.Options{}, func(h *scripted.House, m *httpserver.Mux) { rest.New(h.Door).Mount(m) })
}

// call asks with headers of the form "Name: value"; the key is scripted.Key
// unless they name one.
func call(t testing.TB, h *scripted.House, method, path string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", scripted.Key)
	req.Header.Set("X-Request-Id", "the-id-of-the-request")
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	res, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func text(t testing.TB, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// answer gives lines, or what a worker makes of them where Arrow is asked for.
func answer(parts ...string) func(context.Context, *mesh.Request) (*mesh.Reply, error) {
	return func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Chunks: &scripted.Chunks{Parts: chunks(r, parts...)}}, nil
	}
}

// chunks are the parts as they are, or as Arrow: each a batch, in any pieces.
func chunks(r *mesh.Request, parts ...string) []string {
	if !strings.Contains(string(r.Args), `"format":"arrow"`) {
		return append([]string(nil), parts...)
	}
	c, err := schema.Parse([]byte(scripted.Schemas))
	if err != nil {
		panic(err)
	}
	shape, err := columnar.Asked(c.Entity(r.Entity), r.Args, columnar.AsText)
	if err != nil {
		panic(err)
	}
	wire := encoded(shape, parts...)
	return []string{wire[:len(wire)/2], wire[len(wire)/2:]}
}

// encoded is an Arrow stream of records, a batch for each text of lines.
func encoded(shape *columnar.Shape, batches ...string) string {
	e, err := columnar.NewEncoder(shape, "")
	if err != nil {
		panic(err)
	}
	defer e.Close()
	out := e.Schema(nil)
	b := columnar.NewBuilder(shape, 0)
	for _, lines := range batches {
		for line := range strings.Lines(lines) {
			if err == nil {
				err = b.AddJSON([]byte(strings.TrimSpace(line)))
			}
		}
		if err == nil && b.Rows() > 0 {
			out, err = e.Batch(out, b)
		}
	}
	if err != nil {
		panic(err)
	}
	return string(e.End(out))
}

const one = `{"id":"1","_version":2,"title":"a, \"b\"","price":0.50,"stock":9007199254740993,"active":true,"added":"2026-01-02T03:04:05.000Z","tags":["a","b"],"meta":{"k":"é"},"maker":"m","createdAt":null,"updatedAt":null,"deletedAt":null}` + "\n"

const (
	header = "id,_version,title,price,stock,active,added,tags,meta,maker,createdAt,updatedAt,deletedAt\r\n"
	oneCSV = `1,2,"a, ""b""",0.50,9007199254740993,true,2026-01-02T03:04:05.000Z,"[""a"",""b""]","{""k"":""é""}",m,,,` + "\r\n"
)

func TestCSV(t *testing.T) {
	h := house(t)
	const path = "/api/v1/makers?format=csv"
	line := func(name string) string { return `{"id":"1","_version":1,"name":` + name + "}\n" }
	for _, c := range []struct{ path, lines, want string }{
		{"/api/v1/products?format=csv", one + one, header + oneCSV + oneCSV},
		{"/api/v1/products?format=csv", "", header},
		{path, "", "id,_version,name\r\n"},
		// What a caller may not read is not there.
		{path, `{"id":"1","name":"x"}` + "\n", "id,name\r\n1,x\r\n"},
		// A later catalog: a member more, a member less.
		{path, line(`"x"`) + `{"id":"2","new":1,"_version":1}` + "\n", "id,_version,name\r\n1,1,x\r\n2,1,\r\n"},
		{path, `{"name":"x","id":"1","_version":3}` + "\n", "id,_version,name\r\n1,3,x\r\n"},
		{path, line(`null`) + line(`""`), "id,_version,name\r\n1,1,\r\n1,1,\"\"\r\n"},
		{path, line(`" a"`) + line(`"a "`) + line(`"a\r\nb"`) + line(`"a\u000bé\ud83d\ude00\/"`), "id,_version,name\r\n1,1,\" a\"\r\n1,1,\"a \"\r\n1,1,\"a\r\nb\"\r\n1,1,a\u000bé😀/\r\n"},
		{path + "&delimiter=semicolon&bom=1", line(`"a,b"`) + line(`"a;b"`), "\ufeffid;_version;name\r\n1;1;a,b\r\n1;1;\"a;b\"\r\n"},
		{path + "&delimiter=%09", line(`"a\tb"`), "id\t_version\tname\r\n1\t1\t\"a\tb\"\r\n"},
		{path, line(`"=1+1"`), "id,_version,name\r\n1,1,=1+1\r\n"},
		{path + "&safe=1", line(`"=1+1"`) + line(`"-1"`) + line(`"a=1"`) + line(`"@x"`) + line(`"\tx"`) + line(`-1`), "id,_version,name\r\n1,1,\"'=1+1\"\r\n1,1,\"'-1\"\r\n1,1,a=1\r\n1,1,\"'@x\"\r\n1,1,\"'\tx\"\r\n1,1,-1\r\n"},
	} {
		h.Mesh.Answer(answer(c.lines[:len(c.lines)/2], c.lines[len(c.lines)/2:])) // borders anywhere
		res := call(t, h, "GET", c.path)
		if got := text(t, res); got != c.want {
			t.Errorf("%s %s\n got  %q\n want %q", c.path, c.lines, got, c.want)
		}
		if got := res.Header.Get("Content-Type"); got != "text/csv; charset=utf-8; header=present" {
			t.Error(got)
		}
	}
}

// Where there are no records, the header has what the caller may read all the same.
func TestEmpty(t *testing.T) {
	h := house(t)
	makers := scripted.Catalog(t).Entity("Maker")
	shape, err := columnar.Asked(makers, []byte("{}"), columnar.AsText)
	if err != nil {
		t.Fatal(err)
	}
	wire := encoded(shape.Only(func(name string) bool { return name != "name" }))
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		switch string(r.Args) {
		case `{}`, `{"limit":3}`:
			return &mesh.Reply{Chunks: &scripted.Chunks{}}, nil
		case `{"format":"arrow"}`, `{"format":"arrow","limit":3}`:
			return &mesh.Reply{Body: []byte(wire)}, nil
		}
		return nil, fault.New(fault.Internal, "%s", r.Args)
	})
	for _, path := range []string{"/api/v1/makers?format=csv", "/api/v1/makers?format=csv&limit=3"} {
		if got := text(t, call(t, h, "GET", path)); got != "id,_version\r\n" {
			t.Errorf("%s: %q", path, got)
		}
	}
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		if string(r.Args) == `{}` {
			return &mesh.Reply{Chunks: &scripted.Chunks{}}, nil
		}
		return nil, fault.New(fault.Forbidden, "not any more")
	})
	res := call(t, h, "GET", "/api/v1/makers?format=csv")
	if got := text(t, res); res.StatusCode != 403 || !strings.Contains(got, "FORBIDDEN") {
		t.Errorf("%d %s", res.StatusCode, got)
	}
}

// Caches are told that Accept decides, and nothing of what they were told is lost.
func TestVary(t *testing.T) {
	h := house(t)
	for _, format := range []string{"json", "csv", "parquet", "nothing"} {
		h.Mesh.Answer(answer(one))
		if format == "json" {
			h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
				return &mesh.Reply{Body: []byte(`{"status":"ok","data":[]}`)}, nil
			})
		}
		res := call(t, h, "GET", "/api/v1/products?format="+format, "Origin: https://shop.example")
		_ = text(t, res)
		if vary := strings.Join(res.Header.Values("Vary"), ", "); !strings.Contains(vary, "Origin") || !strings.Contains(vary, "Accept") {
			t.Errorf("%s: %q", format, vary)
		}
	}
}

// What the list takes, the file takes, in all ways to name a project.
func TestRoutes(t *testing.T) {
	h := house(t)
	h.Mesh.Answer(answer(one))
	for path, want := range map[string]string{
		"/api/v1/products?format=csv":                              "default/Product.stream {}",
		"/api/v1/Product?format=csv":                               "default/Product.stream {}",
		"/shop/api/v1/products?format=csv":                         "shop/Product.stream {}",
		"/api/v1/shop/products?format=parquet":                     `shop/Product.stream {"format":"arrow"}`,
		"/api/v1/products?project=shop&format=parquet&decimal=2":   `shop/Product.stream {"format":"arrow","decimal":2}`,
		"/api/v1/products?limit=3&format=parquet&compression=none": `default/Product.stream {"limit":3,"format":"arrow"}`,
		"/api/v1/products?price[gte]=3&sort=-price&format=csv":     `default/Product.stream {"filter":{"price":{"$gte":3}},"sort":"-price"}`,
		"/api/v1/products?format=csv&limit=5&skip=2&select=title":  `default/Product.stream {"limit":5,"skip":2,"select":["title"]}`,
		"/api/v1/products?format=csv&title=x&decimal=3":            `default/Product.stream {"filter":{"$and":[{"title":{"$eq":"x"}},{"decimal":{"$eq":"3"}}]}}`,
	} {
		for _, method := range []string{"GET", "HEAD"} {
			h.Mesh.Forget()
			res := call(t, h, method, path, "Octo-Min-Position: ")
			last := h.Mesh.Last()
			if got := last.Project + "/" + last.Entity + "." + last.Op + " " + last.Args; got != want || last.Header.Transport != "rest" {
				t.Errorf("%s %s asked %s over %s, want %s", method, path, got, last.Header.Transport, want)
			}
			kind := "csv"
			if strings.Contains(path, "parquet") {
				kind = "parquet"
			}
			if got := res.Header.Get("Content-Disposition"); res.StatusCode != 200 || got != `attachment; filename="products.`+kind+`"` {
				t.Errorf("%s %s: %d %s", method, path, res.StatusCode, got)
			}
			if b := text(t, res); (b == "") != (method == "HEAD") {
				t.Errorf("%s %s: %d bytes", method, path, len(b))
			}
		}
	}
	if res := call(t, h, "OPTIONS", "/api/v1/products?format=csv"); res.StatusCode != 204 || res.Header.Get("Allow") != "GET, HEAD, POST, OPTIONS" {
		t.Error(res.StatusCode)
	}
	if res := call(t, h, "DELETE", "/api/v1/products?format=csv"); res.StatusCode != 405 {
		t.Error(res.StatusCode)
	}
	if res := call(t, h, "GET", "/shop/api/v1/products?format=csv", "X-API-Key: "+scripted.Slow); res.Header.Get("RateLimit-Limit") == "" {
		t.Error("the reply says nothing of the key's rate")
	}
	// A page stays a page.
	h.Mesh.Answer(nil)
	res := call(t, h, "GET", "/api/v1/products?format=json&limit=2")
	if text(t, res) != `{"status":"ok"}` || h.Mesh.Last().Op != "findAll" || h.Mesh.Last().Args != `{"limit":2}` {
		t.Errorf("%+v", h.Mesh.Last())
	}
}

func TestAccept(t *testing.T) {
	h := house(t)
	h.Mesh.Answer(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
		if r.Op == "stream" {
			return answer(one)(ctx, r)
		}
		return &mesh.Reply{Body: []byte(`{"status":"ok"}`)}, nil
	})
	const page, csv, file = "application/json", "text/csv; charset=utf-8; header=present", "application/vnd.apache.parquet"
	for accept, want := range map[string]string{
		"": page, "*/*": page, "text/csv": csv, "Text/CSV; charset=utf-8": csv, "text/csv, */*;q=0.1": csv, "text/csv, */*": csv,
		"application/json, text/csv": page, "text/csv;q=0.9, application/json": page, "text/csv, application/json;q=0.5": csv,
		"text/csv;q=0": page, "text/csv;q=0.5, */*": page, "text/html,application/xhtml+xml,*/*;q=0.8": page,
		file: file, "application/vnd.apache.parquet;q=0.2": file, "text/csv, " + file: page, file + ", text/csv;q=0.5": file,
	} {
		if got := call(t, h, "GET", "/api/v1/products", "Accept: "+accept).Header.Get("Content-Type"); got != want {
			t.Errorf("Accept: %s gets %s, want %s", accept, got, want)
		}
	}
	if got := call(t, h, "GET", "/api/v1/products?format=json", "Accept: text/csv").Header.Get("Content-Type"); got != page {
		t.Errorf("?format=json gets %s", got)
	}
}

// What is refused before the first byte has REST's status and body, byte for
// byte, also when it is refused by the first chunk.
func TestRefusals(t *testing.T) {
	h := house(t)
	for _, row := range fault.Table {
		refusal := fault.New(row.Code, "what went wrong: é <&>").With(map[string]string{"field": "name"}).After(3 * time.Second)
		for name, script := range map[string]func(context.Context, *mesh.Request) (*mesh.Reply, error){
			"call": func(context.Context, *mesh.Request) (*mesh.Reply, error) { return nil, refusal },
			"chunk": func(context.Context, *mesh.Request) (*mesh.Reply, error) {
				return &mesh.Reply{Chunks: &scripted.Chunks{Err: refusal}}, nil
			},
		} {
			h.Mesh.Answer(script)
			want := call(t, h, "GET", "/api/v1/products/stream")
			body := text(t, want)
			for _, format := range []string{"csv", "parquet"} {
				got := call(t, h, "GET", "/api/v1/products?format="+format)
				if b := text(t, got); got.StatusCode != want.StatusCode || b != body || got.Header.Get("Retry-After") != want.Header.Get("Retry-After") || got.Header.Get("Content-Disposition") != "" {
					t.Errorf("%s by the %s as %s: %d %s, REST says %d %s", row.Code, name, format, got.StatusCode, b, want.StatusCode, body)
				}
			}
		}
	}
	h.Mesh.Answer(answer(one))
	for path, want := range map[string]string{
		"products?format=xlsx":                    "format is json, csv or parquet",
		"products?format=csv&delimiter=x":         "delimiter is",
		"products?format=csv&format=parquet":      "given twice",
		"products?format=json&format=csv":         "given twice",
		"products?format=csv&safe=1&safe=0":       "given twice",
		"products?format=csv&bom=yes":             "bom is 1 or 0",
		"products?format=csv&safe=yes":            "safe is 1 or 0",
		"products?format=parquet&decimal=39":      "digits behind the point",
		"products?format=parquet&compression=lz4": "compression is zstd, snappy or none",
		"products?format=csv&limit=-1":            "whole number",
		"products?format=csv&filter={":            "PARSE_ERROR",
		"products/one?format[=csv":                "malformed",
	} {
		res := call(t, h, "GET", "/api/v1/"+path)
		if b := text(t, res); res.StatusCode != 400 || !strings.Contains(b, want) {
			t.Errorf("%s: %d %s", path, res.StatusCode, b)
		}
	}
	if res := call(t, h, "GET", "/api/v1/products?format=csv", "If-Match: 3"); res.StatusCode != 400 {
		t.Error(res.StatusCode)
	}
	if res := call(t, h, "GET", "/api/v1/strangers?format=csv"); res.StatusCode != 503 {
		t.Error(res.StatusCode)
	}
}

// A file that breaks breaks the connection: no last chunk of HTTP.
func TestBroken(t *testing.T) {
	h := house(t)
	many := make([]string, 40) // more than a row group takes
	for i := range many {
		many[i] = strings.Repeat(one, 5000)
	}
	for _, format := range []string{"csv", "parquet"} {
		closed := make(chan struct{})
		h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
			parts := chunks(r, many...)
			last := &parts[len(parts)-1]
			*last = (*last)[:len(*last)-100]
			return &mesh.Reply{Chunks: &scripted.Chunks{Parts: parts, Err: fault.New(fault.Unavailable, "gone"), Closed: closed}}, nil
		})
		res := call(t, h, "GET", "/api/v1/products?format="+format)
		b, err := io.ReadAll(res.Body)
		if res.StatusCode != 200 || err == nil || !strings.Contains(err.Error(), "EOF") || len(b) == 0 {
			t.Errorf("%s: status %d, the body ended by %v after %d bytes", format, res.StatusCode, err, len(b))
		}
		if _, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b))); err == nil {
			t.Error("a broken file can be read")
		}
		<-closed
	}
}

// endless gives the same part for ever, after what begins it.
type endless struct {
	start  []byte
	part   []byte
	given  *atomic.Int64
	closed chan struct{}
}

func (e *endless) Next(ctx context.Context) ([]byte, error) {
	if e.given.Add(1) == 1 && e.start != nil {
		return e.start, ctx.Err()
	}
	return e.part, ctx.Err()
}

func (e *endless) Close() error { close(e.closed); return nil }

// TestFlowControl: a client that does not read stops the producer, and one that
// goes away ends it.
func TestFlowControl(t *testing.T) {
	h := house(t)
	for _, format := range []string{"csv", "parquet&compression=none"} {
		var given atomic.Int64
		source := &endless{part: bytes.Repeat([]byte(one), 1000), given: &given, closed: make(chan struct{})}
		if format != "csv" {
			source.start, source.part = schemaAndBatch(t, bytes.NewBuffer(source.part).String())
		}
		h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) { return &mesh.Reply{Chunks: source}, nil })
		res := call(t, h, "GET", "/api/v1/products?format="+format)
		if _, err := io.ReadFull(res.Body, make([]byte, 4096)); err != nil {
			t.Fatal(err)
		}
		// Buffers of the kernel and of the client fill up; then nothing moves.
		for last := int64(-1); last != given.Load(); {
			last = given.Load()
			<-time.NewTimer(100 * time.Millisecond).C
		}
		if n := given.Load() * int64(len(source.part)); n > 64<<20 {
			t.Errorf("%d MB were taken for a client that reads nothing", n>>20)
		}
		res.Body.Close()
		<-source.closed
	}
}

// schemaAndBatch are the beginning of a stream of products, and a message of it.
func schemaAndBatch(t testing.TB, lines string) (start, batch []byte) {
	t.Helper()
	e := scripted.Catalog(t).Entity("Product")
	shape := columnar.NewShape(e, e.Members, columnar.Options{DecimalScale: columnar.AsText}).Only(func(name string) bool { return name != "secret" })
	nothing, all := encoded(shape), encoded(shape, lines)
	const end = 8
	return []byte(nothing[:len(nothing)-end]), []byte(all[len(nothing)-end : len(all)-end])
}

// waiting ends when the test says so.
type waiting struct {
	scripted.Chunks
	over <-chan struct{}
}

func (w *waiting) Next(ctx context.Context) ([]byte, error) {
	if len(w.Parts) == 0 {
		select {
		case <-w.over:
		case <-ctx.Done():
		}
	}
	return w.Chunks.Next(ctx)
}

// A row group takes memory, so only so many Parquet files are written at a time,
// and a place is free again when a file is over.
func TestParquetIsBounded(t *testing.T) {
	h := house(t)
	over := make(chan struct{})
	start, batch := schemaAndBatch(t, strings.Repeat(one, 5000))
	parts := append([]string{string(start)}, slices.Repeat([]string{string(batch)}, 40)...) // more than a row group takes
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Chunks: &waiting{Chunks: scripted.Chunks{Parts: append([]string(nil), parts...)}, over: over}}, nil
	})
	const path = "/api/v1/products?format=parquet"
	var open []*http.Response
	for range 8 {
		res := call(t, h, "GET", path)
		if res.StatusCode != 200 {
			t.Fatal(text(t, res))
		}
		open = append(open, res)
	}
	if res := call(t, h, "GET", path); res.StatusCode != 503 || res.Header.Get("Retry-After") != "5" {
		t.Errorf("one more: %d", res.StatusCode)
	}
	close(over)
	for _, res := range open {
		if n := len(text(t, res)); n == 0 {
			t.Fatal("nothing came")
		}
	}
	if res := call(t, h, "GET", path); res.StatusCode != 200 {
		t.Errorf("after they are over: %d", res.StatusCode)
	}
}
