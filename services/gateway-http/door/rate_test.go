package door_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fasthttp/websocket"

	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
	"github.com/octomesh/octomesh/services/gateway-http/rest"
	"github.com/octomesh/octomesh/services/gateway-http/sse"
	"github.com/octomesh/octomesh/services/gateway-http/ws"
)

func everything(t testing.TB) *scripted.House {
	return scripted.New(t, httpserver.Options{}, func(h *scripted.House, m *httpserver.Mux) {
		rest.New(h.Door).Mount(m)
		sse.New(h.Door, h.Hub).Mount(m)
		ws.New(h.Door, h.Hub).Mount(m)
	})
}

// get asks as the holder of key, who may hang up at once.
func get(t testing.TB, h *scripted.House, path, key string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+h.Addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", key)
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if path == "/events" && res.StatusCode == 200 {
		return res, ""
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// wantRate checks the RateLimit headers: limit, remaining, reset.
func wantRate(t testing.TB, res *http.Response, status int, want string) {
	t.Helper()
	h := res.Header
	got := h.Get("RateLimit-Limit") + " " + h.Get("RateLimit-Remaining") + " " + h.Get("RateLimit-Reset")
	if res.StatusCode != status || got != want {
		t.Fatalf("%d %q, want %d %q", res.StatusCode, got, status, want)
	}
}

// The key Slow has two calls a day, 12 hours apart, whichever protocol it uses.
func TestRateOverREST(t *testing.T) {
	h := everything(t)
	res, _ := get(t, h, "/api/v1/products", scripted.Slow)
	wantRate(t, res, 200, "2 1 43200")
	res, _ = get(t, h, "/api/v1/nothing/here/at/all", scripted.Slow) // no such route: nobody was identified
	wantRate(t, res, 404, "  ")
	res, _ = get(t, h, "/api/v1/default", scripted.Slow)
	wantRate(t, res, 200, "2 0 86400")
	h.Mesh.Forget()
	res, body := get(t, h, "/api/v1/products", scripted.Slow)
	wantRate(t, res, 429, "2 0 86400")
	if res.Header.Get("Retry-After") != "43200" || !strings.Contains(body, `"code":"RATE_LIMITED"`) || h.Mesh.Last().Op != "" {
		t.Fatalf("%v %s %+v", res.Header, body, h.Mesh.Last())
	}
	res, _ = get(t, h, "/events", scripted.Slow)
	wantRate(t, res, 429, "2 0 86400")
	res, _ = get(t, h, "/api/v1/products", scripted.Key)
	wantRate(t, res, 200, "  ")
}

func TestRateOverSSE(t *testing.T) {
	h := everything(t)
	for _, want := range []string{"2 1 43200", "2 0 86400"} {
		res, _ := get(t, h, "/events", scripted.Slow)
		wantRate(t, res, 200, want)
	}
	res, body := get(t, h, "/events", scripted.Slow)
	wantRate(t, res, 429, "2 0 86400")
	if !strings.Contains(body, "RATE_LIMITED") {
		t.Fatal(body)
	}
}

// Over a WebSocket the connection counts, and each request and subscribe.
func TestRateOverWS(t *testing.T) {
	for name, first := range map[string]string{"header": "", "frame": `{"type":"auth","apiKey":"` + scripted.Slow + `"}`} {
		for _, message := range []string{`{"op":"count","entity":"Product"}`, `{"type":"subscribe"}`} {
			t.Run(name+message, func(t *testing.T) {
				h := everything(t)
				header := http.Header{"X-Api-Key": {scripted.Slow}}
				if first != "" {
					header = nil
				}
				c, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+h.Addr+"/ws?events=0", header)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				say := func(message, want string) {
					t.Helper()
					if message != "" {
						if err := c.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
							t.Fatal(err)
						}
					}
					if _, got, err := c.ReadMessage(); err != nil || !strings.Contains(string(got), want) {
						t.Fatalf("%s %v, want %s", got, err, want)
					}
				}
				say(first, `"connected"`)
				say(message, ``)
				say(`{"type":"ping"}`, `"pong"`) // costs nothing, and has nothing to take
				say(message, `RATE_LIMITED`)
				say(`{"type":"ping"}`, `"pong"`)
				res, _ := get(t, h, "/api/v1/products", scripted.Slow)
				wantRate(t, res, 429, "2 0 86400")
				if first == "" {
					return
				}
				refused, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+h.Addr+"/ws", nil)
				if err != nil {
					t.Fatal(err)
				}
				defer refused.Close()
				if err := refused.WriteMessage(websocket.TextMessage, []byte(first)); err != nil {
					t.Fatal(err)
				}
				if _, _, err := refused.ReadMessage(); !websocket.IsCloseError(err, ws.CloseUnauthorized) || !strings.Contains(err.Error(), "RATE_LIMITED") {
					t.Fatal(err)
				}
			})
		}
	}
}
