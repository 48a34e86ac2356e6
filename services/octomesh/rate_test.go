package octomesh

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// A key's rate holds over HTTP and for a native client of a running server, and
// each of them says when to come again.
func TestRateOfARunningServer(t *testing.T) {
	s := twoShops(t)
	status, body := s.send(t, "POST", "/api/api-keys", `{"label":"slow","permissions":{"scopes":{"projects":"*","operations":["read"],"transports":"*"},"rateLimit":{"requests":2,"per":"hour"}}}`, "X-API-Key", s.Key)
	if status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	_, key, _ := strings.Cut(body, `"apiKey":"`)
	key, _, _ = strings.Cut(key, `"`)
	for _, want := range []int{200, 200, 429} {
		if status, body := s.send(t, "GET", "/shop/api/v1/items", "", "X-API-Key", key); status != want {
			t.Fatalf("%d %s, want %d", status, body, want)
		}
	}
	nc := native(t, s, key)
	for _, want := range []string{"", "", "RATE_LIMITED"} { // counted by the worker, not by the gateway
		m, err := nc.Request("mostajs.shop.Item.count", []byte("{}"), 10*time.Second)
		if err != nil || m.Header.Get("Nats-Service-Error") != want {
			t.Fatalf("%v %+v", err, m)
		}
		if wait, _ := strconv.Atoi(m.Header.Get("Octo-Retry-After")); want != "" && wait < 29*60*1000 {
			t.Fatalf("%+v", m.Header)
		}
	}
}
