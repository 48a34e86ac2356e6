package gatewayhttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/gateway/gatewaytest"
	"github.com/octomesh/octomesh/pkg/telemetry"
	gatewayhttp "github.com/octomesh/octomesh/services/gateway-http"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.init.0.func1"))
}

// world is a gateway and what it meets.
type world struct {
	*gatewaytest.World
	t   *testing.T
	url string
}

func start(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	w.World = gatewaytest.Start(t, scripted.Schemas, scripted.Key, map[string]bus.ControlFunc{
		"ticket": func(_ context.Context, r *bus.ControlRequest) ([]byte, error) {
			return fmt.Appendf(nil, `{"ticket":"t","expiresIn":30,"known":%v}`, r.Header.Token != ""), nil
		},
		"verify": func(_ context.Context, r *bus.ControlRequest) ([]byte, error) {
			return fmt.Appendf(nil, `{"same":%v}`, strings.Contains(string(r.Body), r.Header.Token) && r.Header.Token != ""), nil
		},
	})
	echo := func(status string) bus.ControlFunc {
		return func(_ context.Context, r *bus.ControlRequest) ([]byte, error) {
			return fmt.Appendf(nil, `{"status":"ok","data":{"%s":%s,"transport":%q}}`, status, r.Body, r.Header.Transport), nil
		}
	}
	w.Serve("admin", map[string]bus.ControlFunc{
		"keys.list": echo("list"), "keys.create": echo("create"), "keys.update": echo("update"), "keys.delete": echo("delete"), "scopes.list": echo("scopes"),
	})
	cfg := gatewayhttp.DefaultConfig()
	cfg.Host, cfg.Port = "127.0.0.1", 0
	_, metrics := telemetry.New("gateway-http", telemetry.Options{Output: io.Discard})
	s, err := gatewayhttp.New(cfg, gatewayhttp.Deps{Dialer: w.NATS.Dialer(bus.RoleGateway), Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	w.Run(s)
	w.url = "http://" + s.Addr().String()
	return w
}

func (w *world) do(method, path, body string, headers ...string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

func TestTheWholeGateway(t *testing.T) {
	w := start(t)
	key := "X-API-Key: " + scripted.Key
	cfg := gatewayhttp.DefaultConfig()
	transports := `["` + strings.Join(gatewayhttp.Transports(&cfg), `","`) + `"]`
	for _, c := range []struct {
		request, body, header string
		status                int
		want                  string
	}{
		{"GET /livez", "", "", 200, `{"status":"ok"}`},
		{"GET /readyz", "", "", 200, `{"status":"ok"}`},
		{"GET /health", "", "", 200, `{"status":"ok","transports":` + transports + `,"entities":["Product","Maker"]}`},
		{"GET /default/health", "", "", 200, `{"status":"ok","transports":` + transports + `,"entities":[],"project":"default"}`},
		{"GET /default/health", "", key, 200, `{"status":"ok","transports":` + transports + `,"entities":["Product","Maker"],"project":"default"}`},
		{"GET /api/v1/health", "", "", 200, `"entities":["Product","Maker"]}`},
		{"GET /nothing/health", "", "", 404, "UNKNOWN_PROJECT"},
		{"POST /health", "", "", 405, "METHOD_NOT_ALLOWED"},
		{"GET /api/v1/products", "", key, 200, `{"status":"ok","data":{"op":"findAll","args":{}}}`},
		{"GET /api/v1/products", "", "", 401, "UNAUTHORIZED"},
		{"GET /api/v1/products", "", "X-API-Key: sk_test_CCCCCCCC_0000000000000000000000000000000000000000000", 401, "UNAUTHORIZED"},
		{"GET /api/v1/products", "", "X-API-Key: rubbish", 401, "AUTH_ERROR"},
		{"GET /metrics", "", key, 200, "octomesh_requests_total"},
		{"GET /metrics", "", "", 401, "UNAUTHORIZED"},
		{"GET /openapi.json", "", key, 200, "createProduct"},
		{"POST /api/auth/ticket", "", key, 200, `{"status":"ok","data":{"ticket":"t","expiresIn":30,"known":true}}`},
		{"POST /api/auth/ticket", "", "", 401, "UNAUTHORIZED"},
		{"GET /api/auth/ticket", "", key, 405, "METHOD_NOT_ALLOWED"},
		{"GET /api/auth/verify", "", key, 200, `{"status":"ok","data":{"same":true}}`},
		{"GET /api/auth/nothing", "", key, 404, "NOT_FOUND"},
		{"GET /api/api-keys", "", key, 200, `{"status":"ok","data":{"list":{},"transport":"rest"}}`},
		{"POST /api/api-keys", `{"label":"x"}`, key, 201, `{"create":{"label":"x"}`},
		{"POST /api/api-keys", `[]`, key, 400, "INVALID_REQUEST"},
		{"POST /api/api-keys", `{`, key, 400, "PARSE_ERROR"},
		{"PUT /api/api-keys/AAAA", `{"enabled":false}`, key, 200, `{"update":{"id":"AAAA","enabled":false}`},
		{"PUT /api/api-keys/AAAA", `{"id":"BBBB"}`, key, 400, "INVALID_REQUEST"},
		{"DELETE /api/api-keys/AAAA", ``, key, 200, `{"delete":{"id":"AAAA"}`},
		{"GET /api/api-keys/scopes", ``, key, 200, `{"scopes":{}`},
		{"GET /api/api-keys", "", "", 401, "UNAUTHORIZED"},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		var headers []string
		if c.header != "" {
			headers = append(headers, c.header)
		}
		if status, body := w.do(method, path, c.body, headers...); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s, want %d %s", c.request, c.header, status, body, c.status, c.want)
		}
	}
}

// TestProjectsComeAndGo: no restart when a catalog is published or withdrawn.
func TestProjectsComeAndGo(t *testing.T) {
	w := start(t)
	if status, body := w.do("GET", "/new/health", ""); status != 404 {
		t.Fatalf("%d %s", status, body)
	}
	wait := func(what string, status int) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; <-time.After(5 * time.Millisecond) {
			got, _ := w.do("GET", "/new/health", "")
			if got == status {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %d", what, got)
			}
		}
	}
	w.Publish("new", scripted.Schemas)
	wait("a new project", 200)
	if err := w.Catalogs.Put(t.Context(), "new", []byte(`{"id":`)); err != nil {
		t.Fatal(err)
	}
	if err := w.Catalogs.Put(t.Context(), "new", []byte(`{"id":"id-new","slug":"new","schemas":[],"deleted":true}`)); err != nil {
		t.Fatal(err)
	}
	wait("a deleted project", 404)
}

// TestRevocationEndsStreams: the moment that the revocation arrives.
func TestRevocationEndsStreams(t *testing.T) {
	w := start(t)
	// A WebSocket without events needs no stream of changes.
	c, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(w.url, "http")+"/ws?events=0", http.Header{"X-Api-Key": {scripted.Key}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	if _, _, err := c.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	w.Revoke()
	_, _, err = c.ReadMessage()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != 4003 {
		t.Fatal(err)
	}
	t.Logf("closed after %s", time.Since(begun))
	if status, _ := w.do("GET", "/api/v1/products", "", "X-API-Key: "+scripted.Key); status != 200 {
		t.Errorf("a key that the auth service still knows gets a new token: %d", status)
	}
}

func TestPortInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := gatewayhttp.DefaultConfig()
	cfg.Host, cfg.Port = "127.0.0.1", ln.Addr().(*net.TCPAddr).Port
	if _, err := gatewayhttp.New(cfg, gatewayhttp.Deps{}); err == nil || !strings.Contains(err.Error(), "MOSTA_NET_PORT") {
		t.Fatalf("%v", err)
	}
}
