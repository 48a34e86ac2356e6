package arrowhttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/arrowhttp"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/rest"
)

var update = flag.Bool("update", false, "rewrite the wire file")

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func house(t testing.TB) *scripted.House {
	return scripted.New(t, httpserver.Options{}, func(h *scripted.House, m *httpserver.Mux) {
		arrowhttp.New(h.Door).Mount(m)
		rest.New(h.Door).Mount(m)
	})
}

// call asks with headers of the form "Name: value"; the key is scripted.Key
// unless they name one.
func call(t testing.TB, h *scripted.House, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", scripted.Key)
	req.Header.Set("X-Request-Id", "the-id-of-the-request")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
		if value == "" {
			req.Header.Del(name)
		}
	}
	res, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

const accept = "Accept: " + columnar.ContentType

func text(t testing.TB, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rows reads an IPC stream to its end: its schema, then each batch as JSON.
func rows(t testing.TB, r io.Reader) (string, error) {
	t.Helper()
	in, err := ipc.NewReader(r)
	if err != nil {
		return "", err
	}
	defer in.Release()
	var b strings.Builder
	for _, f := range in.Schema().Fields() {
		fmt.Fprintf(&b, "%s:%s ", f.Name, f.Type)
	}
	for in.Next() {
		text, err := in.RecordBatch().MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
	}
	return b.String(), in.Err()
}

const one = `{"id":"1","_version":2,"title":"é","price":0.5,"stock":3,"active":true,"added":"2026-01-02T03:04:05.000Z","tags":["a"],"meta":{"k":1},"maker":"m","createdAt":null,"updatedAt":null,"deletedAt":null}` + "\n"

const oneBatch = `id:utf8 _version:int64 title:utf8 price:float64 stock:int64 active:bool added:timestamp[ms, tz=UTC] tags:list<item: utf8, nullable> meta:utf8 maker:utf8 createdAt:timestamp[ms, tz=UTC] updatedAt:timestamp[ms, tz=UTC] deletedAt:timestamp[ms, tz=UTC] ` +
	`[{"_version":2,"active":true,"added":"2026-01-02T03:04:05Z","createdAt":null,"deletedAt":null,"id":"1","maker":"m","meta":"{\"k\":1}","price":0.5,"stock":3,"tags":["a"],"title":"é","updatedAt":null}` + "\n]"

// answer gives lines, or what a worker makes of them where Arrow is asked for.
func answer(parts ...string) func(context.Context, *mesh.Request) (*mesh.Reply, error) {
	return func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		out := append([]string(nil), parts...)
		if strings.Contains(string(r.Args), `"format":"arrow"`) {
			wire, err := encoded(r, strings.Join(parts, ""))
			if err != nil {
				return nil, err
			}
			out = []string{wire[:len(wire)/2], wire[len(wire)/2:]}
		}
		return &mesh.Reply{Chunks: &scripted.Chunks{Parts: out}}, nil
	}
}

func encoded(r *mesh.Request, lines string) (string, error) {
	c, err := schema.Parse([]byte(scripted.Schemas))
	if err != nil {
		return "", err
	}
	var form struct {
		BatchSize   int
		Compression string
	}
	if err := json.Unmarshal(r.Args, &form); err != nil {
		return "", err
	}
	e := c.Entity(r.Entity)
	s := columnar.NewShape(e, e.Members, columnar.Options{DecimalScale: columnar.AsText}).
		Only(func(name string) bool { return lines == "" || strings.Contains(lines, `"`+name+`":`) })
	w, err := columnar.NewEncoder(s, form.Compression)
	if err != nil {
		return "", err
	}
	defer w.Close()
	out := w.Schema(nil)
	batch := columnar.NewBuilder(s, form.BatchSize)
	for line := range strings.Lines(lines) {
		if err == nil {
			err = batch.AddJSON([]byte(strings.TrimSpace(line)))
		}
		if err == nil && batch.Full() {
			out, err = w.Batch(out, batch)
		}
	}
	if err == nil && batch.Rows() > 0 {
		out, err = w.Batch(out, batch)
	}
	return string(w.End(out)), err
}

// TestWire holds what crosses the wire against what has been read and recorded.
func TestWire(t *testing.T) {
	h := house(t)
	h.Mesh.Answer(answer(one[:40], one[40:]+strings.Replace(one, `"id":"1"`, `"id":"2"`, 1)))
	var got strings.Builder
	for _, c := range [][]string{
		{"GET", "/arrow", ""},
		{"GET", "/shop/arrow/flights", ""},
		{"GET", "/arrow/schema/products", ""},
		{"GET", "/arrow/schema/Nobody", ""},
		{"POST", "/arrow/stream/Product", `{"filter":{"price":{"$gt":0}},"limit":2,"offset":4}`},
		{"POST", "/arrow/query/products", ``},
		{"GET", "/arrow/stream/Product?select=title&batchSize=5", ""},
		{"GET", "/arrow/stream/Product?nothing[", ""},
		{"GET", "/arrow/stream/Product?decimal=39", "", accept},
		{"GET", "/arrow/stream/Product?compression=gzip", "", accept},
		{"GET", "/arrow/stream/Product?compression=zstd", ""},
		{"POST", "/arrow/stream/Product", `{"filter":`},
		{"POST", "/arrow/stream/Product", `[]`},
		{"POST", "/arrow/stream/Product", `{"format":"arrow"}`},
		{"POST", "/arrow/stream/Product", `{}`, "Content-Type: text/plain"},
		{"PUT", "/arrow/stream/Product", `{}`},
		{"DELETE", "/arrow", ""},
		{"OPTIONS", "/arrow/stream/Product", ""},
		{"GET", "/arrow/nothing/Product", ""},
		{"GET", "/arrow/stream/a.b", ""},
		{"GET", "/nobody/arrow", ""},
		{"GET", "/shop/arrow?project=default", ""},
		{"GET", "/arrow", "", "X-API-Key: "},
		{"GET", "/shop/arrow", "", "X-API-Key: " + scripted.Reader},
		{"GET", "/arrow/schema/Product", "", accept},
		{"GET", "/arrow/stream/Product?limit=2", "", accept},
	} {
		h.Mesh.Forget()
		res := call(t, h, c[0], c[1], c[2], c[3:]...)
		fmt.Fprintf(&got, "### %s\n%d\n", strings.TrimSpace(strings.Join(c, " ")), res.StatusCode)
		for _, name := range []string{"Content-Type", "Allow", "Cache-Control", "Vary", "X-Request-Id"} {
			if v := res.Header.Values(name); len(v) > 0 {
				fmt.Fprintf(&got, "%s: %s\n", name, strings.Join(v, ", "))
			}
		}
		if last := h.Mesh.Last(); last.Op != "" {
			fmt.Fprintf(&got, "asked: %s/%s.%s %s as %s\n", last.Project, last.Entity, last.Op, last.Args, last.Header.Transport)
		}
		body := text(t, res)
		if res.Header.Get("Content-Type") == columnar.ContentType {
			body = fmt.Sprintf("%x", body)
		}
		fmt.Fprintf(&got, "%s\n\n", body)
	}
	const file = "testdata/arrow.wire"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got.String() != string(want) {
		t.Errorf("the wire differs from %s (-update rewrites it): %v\n%s", file, err, got.String())
	}
}

func TestStream(t *testing.T) {
	h := house(t)
	h.Mesh.Answer(answer(one))
	for _, path := range []string{"/arrow/stream/Product", "/arrow/query/products", "/arrow/stream/Product?compression=zstd", "/arrow/stream/Product?compression=lz4"} {
		res := call(t, h, "GET", path, "", "Accept: text/html;q=0.9, application/vnd.apache.arrow.stream; q=0.5")
		got, err := rows(t, res.Body)
		if err != nil || got != oneBatch || res.Header.Get("Content-Type") != columnar.ContentType {
			t.Errorf("%s: %v\n got  %s\n want %s", path, err, got, oneBatch)
		}
	}
	for _, less := range []string{";q=0", ";q=0.5, application/json", ", application/json"} {
		if res := call(t, h, "GET", "/arrow/stream/Product", "", accept+less); res.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s%s is not preferred to JSON", accept, less)
		}
	}
	// Batches of two, of five records; what a body asks.
	h.Mesh.Answer(answer(strings.Repeat(`{"id":"1","_version":2,"title":"é"}`+"\n", 5)))
	res := call(t, h, "POST", "/shop/arrow/stream/Product", `{"batchSize":2,"options":{"select":["title"]},"sort":"title","compression":"lz4"}`, accept)
	got, err := rows(t, res.Body)
	if err != nil || strings.Count(got, "[{") != 3 || !strings.HasPrefix(got, "id:utf8 _version:int64 title:utf8 [") {
		t.Errorf("%s %v", got, err)
	}
	if last := h.Mesh.Last(); last.Args != `{"select":["title"],"sort":"title","format":"arrow","batchSize":2,"compression":"lz4"}` || last.Project != "shop" || last.Header.Transport != "arrow" {
		t.Errorf("%+v", last)
	}
	// Nothing: the schema alone.
	h.Mesh.Answer(answer())
	res = call(t, h, "GET", "/arrow/stream/Maker", "", accept)
	if got, err := rows(t, res.Body); err != nil || got != "id:utf8 _version:int64 name:utf8 " {
		t.Errorf("%s %v", got, err)
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
			want := call(t, h, "GET", "/api/v1/products/stream", "")
			body := text(t, want)
			for _, headers := range [][]string{{accept}, {"Accept: */*"}} {
				got := call(t, h, "GET", "/arrow/stream/products", "", headers...)
				if b := text(t, got); got.StatusCode != want.StatusCode || b != body || got.Header.Get("Retry-After") != want.Header.Get("Retry-After") {
					t.Errorf("%s by the %s: %d %s, REST says %d %s", row.Code, name, got.StatusCode, b, want.StatusCode, body)
				}
			}
		}
	}
}

// A stream that breaks breaks the connection: no end-of-stream marker, no last
// chunk of HTTP.
func TestBroken(t *testing.T) {
	h := house(t)
	closed := make(chan struct{})
	h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Chunks: &scripted.Chunks{Parts: []string{"the beginning"}, Err: fault.New(fault.Unavailable, "gone"), Closed: closed}}, nil
	})
	res := call(t, h, "GET", "/arrow/stream/Product?batchSize=1", "", accept)
	b, err := io.ReadAll(res.Body)
	if res.StatusCode != 200 || err == nil || !strings.Contains(err.Error(), "EOF") || string(b) != "the beginning" {
		t.Errorf("status %d, the body %q ended by %v", res.StatusCode, b, err)
	}
	<-closed
}

// TestFlowControl: a client that does not read stops the producer.
func TestFlowControl(t *testing.T) {
	h := house(t)
	var given atomic.Int64
	source := &endless{part: bytes.Repeat([]byte(one), 1000), given: &given, closed: make(chan struct{})}
	h.Mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) { return &mesh.Reply{Chunks: source}, nil })
	res := call(t, h, "GET", "/arrow/stream/Product", "", accept)
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

// endless gives the same part for ever.
type endless struct {
	part   []byte
	given  *atomic.Int64
	closed chan struct{}
}

func (e *endless) Next(ctx context.Context) ([]byte, error) {
	e.given.Add(1)
	return e.part, ctx.Err()
}

func (e *endless) Close() error { close(e.closed); return nil }

// Columns of JSON have what REST shows, and are bounded.
func TestColumns(t *testing.T) {
	h := house(t)
	h.Mesh.Answer(answer(`{"id":"1","_version":1,"name":"a\"é"}`+"\n", `{"id":"2","_version":1,"name":null}`+"\n", `{"id":"3","_version":1}`+"\n"))
	got := text(t, call(t, h, "POST", "/arrow/query/Maker", `{"batchSize":7}`))
	const want = `{"entity":"Maker","format":"columnar","rowCount":3,"schema":{"fields":[{"name":"id","type":"utf8","nullable":false},{"name":"_version","type":"int64","nullable":false},{"name":"name","type":"utf8","nullable":true}]},"columns":{"id":["1","2","3"],"_version":[1,1,1],"name":["a\"é",null,null]}}`
	if got != want || h.Mesh.Last().Args != `{"limit":7}` {
		t.Errorf("%s\n%s", got, h.Mesh.Last().Args)
	}
	h.Mesh.Answer(answer())
	got = text(t, call(t, h, "GET", "/arrow/query/Maker", ""))
	if !json.Valid([]byte(got)) || !strings.Contains(got, `"rowCount":0`) || !strings.Contains(got, `"name":[]`) || h.Mesh.Last().Args != `{"format":"arrow","limit":10000}` {
		t.Errorf("%s\n%s", got, h.Mesh.Last().Args)
	}
	few, err := encoded(&mesh.Request{Entity: "Maker", Args: []byte("{}")}, `{"id":"1"}`)
	if err != nil {
		t.Fatal(err)
	}
	h.Mesh.Answer(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		if strings.Contains(string(r.Args), `"arrow"`) {
			return &mesh.Reply{Body: []byte(few)}, nil
		}
		return &mesh.Reply{}, nil
	})
	if got = text(t, call(t, h, "GET", "/arrow/query/Maker", "")); strings.Contains(got, "name\":[") || !strings.Contains(got, `"columns":{"id":[]}`) {
		t.Errorf("what may not be read is told of: %s", got)
	}
	h.Mesh.Answer(answer(strings.Repeat(`{"id":"1","name":"`+strings.Repeat("x", 1<<20)+`"}`+"\n", 17)))
	res := call(t, h, "GET", "/arrow/query/Maker", "")
	if body := text(t, res); res.StatusCode != 413 || !strings.Contains(body, "PAYLOAD_TOO_LARGE") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

// The catalogue is made once for a catalog, and a client that has it is told so.
func TestCatalogueIsKept(t *testing.T) {
	h := house(t)
	res := call(t, h, "GET", "/arrow", "")
	tag := res.Header.Get("ETag")
	if tag == "" || call(t, h, "GET", "/arrow/flights", "", "If-None-Match: "+tag).StatusCode != 304 {
		t.Errorf("the catalogue has the tag %q", tag)
	}
	got, err := rows(t, call(t, h, "GET", "/arrow", "", accept).Body)
	if err != nil || !strings.HasPrefix(got, `descriptor:utf8 collection:utf8 name:utf8 type:utf8 nullable:bool [{"collection":"products","descriptor":"Product","name":"id","nullable":false,"type":"utf8"}`) {
		t.Errorf("%s %v", got, err)
	}
	other := call(t, h, "GET", "/arrow", "", accept).Header.Get("ETag")
	if other == tag {
		t.Error("JSON and Arrow have the same tag")
	}
}
