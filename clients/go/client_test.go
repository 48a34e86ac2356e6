package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/octomesh/octomesh/clients/go"
)

type product struct {
	ID    string  `json:"id,omitempty"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
}

func serve(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := client.New(s.URL, client.WithAPIKey("sk_test_k"), client.WithProject("shop"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRequestsAreWhatTheServerServes(t *testing.T) {
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = fmt.Sprintf("%s %s %s", r.Method, r.URL, body)
		if r.Header.Get("X-API-Key") != "sk_test_k" || r.Header.Get("X-Project") != "shop" {
			t.Errorf("headers are missing: %v", r.Header)
		}
		if (r.Method == http.MethodGet) != (r.Header.Get("Idempotency-Key") == "") {
			t.Errorf("%s: writes carry a key, reads don't", r.Method)
		}
		io.WriteString(w, `{"status":"ok","data":null,"metadata":{"count":2}}`)
	})
	ctx := t.Context()
	f := client.Filter{"price": client.Filter{"$lt": 5}}
	for _, tc := range []struct {
		want string
		call func()
	}{
		{`GET /api/v1/Product?filter=%7B%22price%22%3A%7B%22%24lt%22%3A5%7D%7D&limit=2&sort=-price%2Cname `, func() {
			_, _ = client.FindAll[product](ctx, c, "Product", client.Query{Filter: f, Sort: []string{"-price", "name"}, Limit: 2})
		}},
		{`GET /api/v1/Product/a%2Fb?relations=tags `, func() { _, _ = client.FindByID[product](ctx, c, "Product", "a/b", []string{"tags"}) }},
		{`POST /api/v1/Product {"name":"Chair","price":3}`, func() { _, _ = client.Create[product](ctx, c, "Product", product{Name: "Chair", Price: 3}) }},
		{`PUT /api/v1/Product/1 {"price":4}`, func() { _, _ = client.Update[product](ctx, c, "Product", "1", map[string]int{"price": 4}) }},
		{`DELETE /api/v1/Product/1 `, func() { _, _ = c.Delete(ctx, "Product", "1") }},
		{`PUT /api/v1/Product/bulk {"data":{"price":1},"filter":{}}`, func() {
			if n, err := c.UpdateMany(ctx, "Product", client.Filter{}, map[string]int{"price": 1}); n != 2 || err != nil {
				t.Errorf("UpdateMany = %d, %v", n, err)
			}
		}},
		{`DELETE /api/v1/Product/bulk {"filter":{}}`, func() { _, _ = c.DeleteMany(ctx, "Product", client.Filter{}) }},
		{`GET /api/v1/Product/search?fields=name&query=ch%C3%A4r `, func() {
			_, _ = client.Search[product](ctx, c, "Product", "chär", []string{"name"}, client.Query{})
		}},
		{`POST /api/v1/Product/1/increment {"amount":2,"field":"price"}`, func() { _, _ = client.Increment[product](ctx, c, "Product", "1", "price", 2) }},
		{`GET /api/v1/Product/count `, func() { _, _ = c.Count(ctx, "Product", nil) }},
		{`POST /api/v1/_transaction {"operations":[{"op":"create","entity":"A","data":{}},{"op":"delete","entity":"B","id":{"$ref":0}}]}`, func() {
			_, _ = c.Transaction(ctx, []client.Operation{{Op: "create", Entity: "A", Data: struct{}{}}, {Op: "delete", Entity: "B", ID: client.Ref(0)}})
		}},
	} {
		if tc.call(); got != tc.want {
			t.Errorf("sent %s\nwant %s", got, tc.want)
		}
	}
}

func TestErrorsAreTyped(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "r1")
		switch {
		case strings.HasSuffix(r.URL.Path, "/none"):
			io.WriteString(w, `{"status":"ok","data":null}`)
		case strings.HasSuffix(r.URL.Path, "/html"):
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `<html>`)
		default:
			w.WriteHeader(http.StatusConflict)
			io.WriteString(w, `{"status":"error","error":{"code":"CONFLICT","message":"taken","details":{"fields":["sku"]}}}`)
		}
	})
	_, err := client.Create[product](t.Context(), c, "Product", product{})
	var e *client.Error
	if !errors.Is(err, client.ErrConflict) || errors.Is(err, client.ErrForbidden) || !errors.As(err, &e) ||
		e.RequestID != "r1" || !json.Valid(e.Details) || e.Status != http.StatusConflict {
		t.Errorf("err = %#v", err)
	}
	if _, err := client.FindByID[product](t.Context(), c, "Product", "none", nil); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a missing record gave %v", err)
	}
	if _, err := client.FindByID[product](t.Context(), c, "Product", "html", nil); !errors.As(err, &e) || e.Code != "HTTP_404" {
		t.Errorf("a foreign answer gave %v", err)
	}
}

func TestRepeatsWithTheSameKeyOnTheNextAddress(t *testing.T) {
	var keys [2]atomic.Value
	overloaded := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys[0].Store(r.Header.Get("Idempotency-Key"))
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `{"status":"error","error":{"code":"OVERLOADED","message":"later"}}`)
	}))
	defer overloaded.Close()
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys[1].Store(r.Header.Get("Idempotency-Key"))
		io.WriteString(w, `{"status":"ok","data":{"id":"1","name":"Chair"}}`)
	}))
	defer good.Close()
	c, err := client.New("http://127.0.0.1:1, " + overloaded.URL + "/," + good.URL)
	if err != nil {
		t.Fatal(err)
	}
	p, err := client.Create[product](t.Context(), c, "Product", product{Name: "Chair"})
	if err != nil || p.ID != "1" {
		t.Fatalf("%+v, %v", p, err)
	}
	if keys[0].Load() != keys[1].Load() || keys[1].Load() == "" {
		t.Errorf("the key changed between tries: %v, %v", keys[0].Load(), keys[1].Load())
	}
}

func TestExportGoesOnToTheNextAddress(t *testing.T) {
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "{}\n")
	}))
	defer good.Close()
	c, err := client.New("http://127.0.0.1:1,http://127.0.0.1:1," + good.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, err := c.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if b, err := io.ReadAll(body); err != nil || string(b) != "{}\n" {
		t.Errorf("%q, %v", b, err)
	}
	none, err := client.New("http://127.0.0.1:1,http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := none.Export(t.Context()); err == nil {
		t.Error("nobody can be reached, and no error")
	}
}

// TestForeignAnswers: what a proxy in front says is an error whatever its form, and
// 503 is asked again.
func TestForeignAnswers(t *testing.T) {
	var calls atomic.Int32
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, `{"error":{"code":"503"}}`)
			return
		}
		io.WriteString(w, `{"status":"ok","data":1}`)
	})
	var e *client.Error
	if _, err := c.Count(t.Context(), "Product", nil); !errors.As(err, &e) || e.Code != "503" {
		t.Error(err)
	}
}

// TestRedirects: the key goes to no other host, and a write never becomes a read.
func TestRedirects(t *testing.T) {
	var followed atomic.Value
	h := func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/away"):
			_, port, _ := strings.Cut(r.Host, ":")
			http.Redirect(w, r, "http://localhost:"+port+"/there", http.StatusTemporaryRedirect)
		case r.URL.Path == "/api/v1/Product" || strings.HasSuffix(r.URL.Path, "/count"):
			http.Redirect(w, r, "/there", http.StatusMovedPermanently)
		default:
			followed.Store(r.Method + " " + r.Host[:9])
			io.WriteString(w, `{"status":"ok","data":3}`)
		}
	}
	c := serve(t, h)
	var e *client.Error
	if _, err := client.FindByID[product](t.Context(), c, "Product", "away", nil); !errors.As(err, &e) || e.Status != http.StatusTemporaryRedirect {
		t.Error(err)
	}
	if _, err := client.Create[product](t.Context(), c, "Product", product{}); !errors.As(err, &e) || e.Status != http.StatusMovedPermanently {
		t.Error(err)
	}
	if followed.Load() != nil {
		t.Error("followed: ", followed.Load())
	}
	if n, err := c.Count(t.Context(), "Product", nil); n != 3 || err != nil {
		t.Error(n, err)
	}
}

// TestMeta: who asks for what a reply says beside its data takes it from nobody.
func TestMeta(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			io.WriteString(w, `{"status":"ok","data":[],"metadata":{"count":0,"next":"more"}}`)
			return
		}
		w.Header().Set("Idempotency-Replayed", "true")
		io.WriteString(w, `{"status":"ok","data":null,"metadata":{"count":2,"position":"e-1"}}`)
	})
	var m client.Meta
	p, err := client.FindAll[product](t.Context(), c, "Product", client.Query{}, client.WithMeta(&m))
	if err != nil || p.Next != "more" || m.Next != "more" {
		t.Errorf("%+v, %+v, %v", p, m, err)
	}
	n, err := c.UpdateMany(t.Context(), "Product", client.Filter{}, nil, client.WithMeta(&m))
	if err != nil || n != 2 || m.Count != 2 || m.Position != "e-1" || !m.Replayed || m.Next != "" {
		t.Errorf("%d, %+v, %v", n, m, err)
	}
}

func TestGivesUpAtTheDeadline(t *testing.T) {
	c, err := client.New("http://127.0.0.1:1", client.WithTimeout(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Count(t.Context(), "Product", nil); !client.Unreachable(err) || !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "\n") {
		t.Errorf("err = %v", err)
	}
}

func TestWatchResumesWhereItStood(t *testing.T) {
	var conns atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := int(conns.Add(1))
		if want := []string{"", "e-2", "e-4"}[n-1]; r.URL.Query().Get("position") != want {
			t.Errorf("connection %d resumes at %q, want %q", n, r.URL.Query().Get("position"), want)
		}
		fmt.Fprintf(w, ":ok\n\nevent: connected\ndata: {}\n\n")
		if n == 3 {
			fmt.Fprint(w, "event: gap\nid: e-9\ndata: {}\n\n")
			return
		}
		for i := 2*n - 1; i <= 2*n; i++ {
			fmt.Fprintf(w, "id: e-%d\nevent: entity.created\ndata: {\"event\":\"entity.created\",\"id\":\"%d\",\"position\":\"e-%d\"}\n\n", i, i, i)
		}
	})
	var ids []string
	var last error
	for ev, err := range c.Watch(t.Context(), client.Watching{Entities: []string{"Order"}}) {
		if err != nil {
			last = err
			break
		}
		ids = append(ids, ev.ID)
	}
	if got := strings.Join(ids, ""); got != "1234" || !errors.Is(last, client.ErrGap) {
		t.Errorf("events %s, then %v", got, last)
	}
}

// TestWatchEnds: an event that cannot be read ends the watch with an error, since it
// would come again for ever; too many calls only make it wait.
func TestWatchEnds(t *testing.T) {
	var conns atomic.Int32
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if conns.Add(1) == 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			io.WriteString(w, `{"status":"error","error":{"code":"RATE_LIMITED","message":"later"}}`)
			return
		}
		fmt.Fprint(w, "id: e-1\nevent: entity.created\ndata: {\"id\":5}\n\n")
	})
	var last error
	for ev, err := range c.Watch(t.Context(), client.Watching{}) {
		if last = err; err == nil {
			t.Fatal(ev)
		}
	}
	if !errors.Is(last, client.ErrEnded) || conns.Load() != 2 {
		t.Errorf("%v after %d connections", last, conns.Load())
	}
}

func TestStreamYieldsRecordsAndBreaks(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 3 {
			fmt.Fprintf(w, "{\"id\":\"%d\"}\n", i)
		}
	})
	n := 0
	for p, err := range client.Stream[product](t.Context(), c, "Product", client.Query{}) {
		if err != nil || p.ID != fmt.Sprint(n) {
			t.Fatalf("record %d: %+v, %v", n, p, err)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d records", n)
	}
}

func TestNewRefusesWhatIsNoAddress(t *testing.T) {
	for _, a := range []string{"", "localhost:4488", "ftp://x", "http://a,,http://b"} {
		if _, err := client.New(a); err == nil {
			t.Errorf("%q was accepted", a)
		}
	}
	t.Setenv("MOSTAJS_NET_URL", "http://localhost:4488")
	if _, err := client.FromEnv(); err != nil {
		t.Error(err)
	}
}
