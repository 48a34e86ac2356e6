package octomesh

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// TestHostileInput sends what must be refused to a running server: each is
// answered at once with a code, changes nothing, and neither the answer nor the
// log tells a key, a statement or a path of the server's.
func TestHostileInput(t *testing.T) {
	s := twoShops(t)
	k := keyFor(t, s, "shop", []string{"read", "write"}, []string{"rest"})
	if status, body := s.send(t, "POST", "/shop/api/v1/items", `{"id":"a","label":"a"}`, "X-API-Key", k.Secret); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	q := url.QueryEscape
	for _, c := range []struct {
		method, path, body string
		status             int
		code               string
		headers            []string
	}{
		// Projects: what one part of a request names, no other may change.
		{"GET", "/api/v1/items", "", 403, "FORBIDDEN", nil},
		{"GET", "/other/api/v1/items", "", 403, "FORBIDDEN", nil},
		{"GET", "/api/v1/other/items", "", 403, "FORBIDDEN", nil},
		{"GET", "/api/v1/items?project=other", "", 403, "FORBIDDEN", nil},
		{"GET", "/api/v1/items", "", 403, "FORBIDDEN", []string{"X-Project", "other"}},
		{"GET", "/shop/api/v1/items", "", 400, "INVALID_REQUEST", []string{"X-Project", "other"}},
		{"GET", "/shop/api/v1/items?project=other", "", 400, "INVALID_REQUEST", nil},
		{"GET", "/api/v1/items?project=other", "", 400, "INVALID_REQUEST", []string{"X-Project", "shop"}},
		{"GET", "/events?project=other", "", 400, "INVALID_REQUEST", []string{"X-Project", "shop"}},
		{"GET", "/openapi.json?project=other", "", 400, "INVALID_REQUEST", []string{"X-Project", "shop"}},
		{"GET", "/shop/api/v1/other/items", "", 404, "UNKNOWN_ENTITY", nil},
		{"GET", "/SHOP/api/v1/items", "", 404, "UNKNOWN_PROJECT", nil},
		{"GET", "/api/v1/shop%2fitems", "", 400, "INVALID_REQUEST", nil},
		{"GET", "/shop/..%2fother/api/v1/items", "", 400, "INVALID_REQUEST", nil},
		{"GET", "/shop/%2e%2e/other/api/v1/items", "", 400, "INVALID_REQUEST", nil},
		{"GET", "/api/v1/items", "", 404, "UNKNOWN_PROJECT", []string{"X-Project", "*"}},
		{"GET", "/api/v1/items", "", 404, "UNKNOWN_PROJECT", []string{"X-Project", "../other"}},
		{"GET", "/api/v1/items", "", 404, "UNKNOWN_PROJECT", []string{"X-Project", "_system"}},
		{"GET", "/_system/api/v1/Key", "", 404, "UNKNOWN_PROJECT", nil},
		// A header of the mesh means nothing from outside.
		{"GET", "/other/api/v1/_changes?position=x-0", "", 403, "FORBIDDEN", []string{"Octo", `{"v":1,"t":"feed"}`}},
		{"GET", "/other/api/v1/items", "", 403, "FORBIDDEN", []string{"Nats-Request-Info", `{"acc":"APP","user":"k:admin"}`}},
		// Names where they would reach a subject, a path or a statement.
		{"GET", "/shop/api/v1/*", "", 404, "UNKNOWN_ENTITY", nil},
		{"GET", "/shop/api/v1/%3E", "", 404, "UNKNOWN_ENTITY", nil},
		{"GET", "/shop/api/v1/a.b", "", 404, "UNKNOWN_ENTITY", nil},
		{"GET", "/shop/api/v1/sqlite_master", "", 404, "UNKNOWN_ENTITY", nil},
		{"GET", "/shop/api/v1/items;drop%20table%20items", "", 404, "UNKNOWN_ENTITY", nil},
		{"GET", "/shop/api/v1/_octo_changes", "", 404, "NOT_FOUND", nil},
		{"GET", "/shop/api/v1/items/x'%20or%20'1'='1", "", 400, "INVALID_REQUEST", nil},
		{"DELETE", "/shop/api/v1/items/%25", "", 400, "INVALID_REQUEST", nil},
		{"GET", "/shop/api/v1/items?sort=" + q("id;drop table items"), "", 400, "INVALID_FILTER", nil},
		{"GET", "/shop/api/v1/items?select=" + q("* from x"), "", 400, "INVALID_FILTER", nil},
		{"GET", "/shop/api/v1/items?relations=../x", "", 400, "INVALID_FILTER", nil},
		{"GET", "/shop/api/v1/items?" + q("label' or 1=1") + "=x", "", 400, "INVALID_FILTER", nil},
		{"GET", "/shop/api/v1/items?filter=" + q(`{"$where":"1"}`), "", 400, "INVALID_FILTER", nil},
		{"GET", "/shop/api/v1/items?filter=" + q(`{"secret":{"$gt":""}}`), "", 400, "INVALID_FILTER", nil},
		{"GET", "/shop/api/v1/items?filter=" + q(`{"label":"a"}}`), "", 400, "PARSE_ERROR", nil},
		{"GET", "/shop/api/v1/items?cursor=" + q("../../x"), "", 400, "INVALID_FILTER", nil},
		{"DELETE", "/shop/api/v1/items/bulk", "", 400, "MISSING_PARAMS", nil},
		{"PUT", "/shop/api/v1/items/bulk", `{"data":{"label":"b"}}`, 400, "MISSING_PARAMS", nil},
		{"POST", "/shop/api/v1/items", `{"id":"../../x","label":"x"}`, 422, "VALIDATION_ERROR", nil},
		{"POST", "/shop/api/v1/items", "{\"label\":\"\xff\"}", 400, "PARSE_ERROR", nil},
		{"POST", "/shop/api/v1/items", `{"label":"\u0000"}`, 400, "PARSE_ERROR", nil},
		{"POST", "/shop/api/v1/items", `{"label":"a","label":"b"}`, 400, "PARSE_ERROR", nil},
		{"POST", "/shop/api/v1/items", `{"label":"a","n":1e999}`, 422, "VALIDATION_ERROR", nil},
		{"POST", "/shop/api/v1/items", strings.Repeat(`[`, 10_000), 400, "PARSE_ERROR", nil},
		{"POST", "/shop/api/v1/items", `{"label":"a"}`, 415, "INVALID_REQUEST", []string{"Content-Encoding", "gzip"}},
		// Keys: where none may stand, and of others.
		{"GET", "/shop/api/v1/items?apikey=" + k.Secret, "", 401, "UNAUTHORIZED", []string{"X-API-Key", ""}},
		{"GET", "/shop/api/v1/items", "", 401, "AUTH_ERROR", []string{"X-API-Key", k.Secret + "'"}},
		{"GET", "/shop/api/v1/items", "", 401, "UNAUTHORIZED", []string{"X-API-Key", k.Secret[:len(k.Secret)-8] + "00000000"}},
		{"GET", "/api/api-keys", "", 403, "FORBIDDEN", nil},
		{"PUT", "/api/api-keys/" + k.ID, `{"permissions":{"scopes":{"projects":"*"}}}`, 403, "FORBIDDEN", nil},
		{"GET", "/metrics", "", 403, "FORBIDDEN", nil},
	} {
		headers := append([]string{"X-API-Key", k.Secret}, c.headers...)
		status, body := s.send(t, c.method, c.path, c.body, headers...)
		name := c.method + " " + c.path
		var reply struct {
			Status string
			Error  struct{ Code, Message string }
		}
		if err := json.Unmarshal([]byte(body), &reply); err != nil || reply.Status != "error" || reply.Error.Message == "" {
			t.Errorf("%s: %s is no error body", name, body)
		}
		if status != c.status || reply.Error.Code != c.code {
			t.Errorf("%s %q: %d %s, want %d %s", name, c.headers, status, body, c.status, c.code)
		}
		tells(t, name, body, s, k.Secret)
	}
	if status, body := s.send(t, "GET", "/shop/api/v1/items/count", "", "X-API-Key", k.Secret); status != 200 || !strings.Contains(body, `"data":1`) {
		t.Errorf("something was changed: %d %s", status, body)
	}
	tells(t, "the log", s.errs.String(), s, k.Secret)
}

// tells fails the test if a text shows what nobody may learn from it.
func tells(t *testing.T, what, text string, s *server, secrets ...string) {
	t.Helper()
	for _, secret := range append(secrets, s.Key, s.dir, "SELECT ", "select *", "near \"", "goroutine ", ".go:") {
		if strings.Contains(text, secret) {
			t.Errorf("%s tells %q: %.300s", what, secret, text)
		}
	}
}

// TestTicketIsForOneUse trades a key for a ticket and uses it wherever it must
// not work, then once where it does.
func TestTicketIsForOneUse(t *testing.T) {
	s := twoShops(t)
	k := keyFor(t, s, "shop", []string{"read"}, []string{"rest", "sse"})
	ticket := func(key string) string {
		status, body := s.send(t, "POST", "/api/auth/ticket", "", "X-API-Key", key)
		var reply struct{ Data struct{ Ticket string } }
		if err := json.Unmarshal([]byte(body), &reply); err != nil || status != 200 || reply.Data.Ticket == "" {
			t.Fatalf("%d %s", status, body)
		}
		return reply.Data.Ticket
	}
	one := ticket(k.Secret)
	for _, c := range []struct {
		path    string
		headers []string
		status  int
	}{
		{"/shop/api/v1/items?ticket=" + one, nil, 401},
		{"/shop/api/v1/items", []string{"X-API-Key", one}, 401},
		{"/shop/api/v1/items", []string{"Authorization", "Bearer " + one}, 401},
		{"/shop/events?ticket=" + one + "x", nil, 401},
		{"/other/events?ticket=" + ticket(k.Secret), nil, 403},
	} {
		if status, body := s.send(t, "GET", c.path, "", c.headers...); status != c.status {
			t.Errorf("%s %q: %d %s, want %d", c.path, c.headers, status, body, c.status)
		}
	}
	open := func() int {
		resp, err := http.Get("http://" + s.HTTP + "/shop/events?ticket=" + one)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close() // a stream: it has no end
		return resp.StatusCode
	}
	if first, second := open(), open(); first != 200 || second != 401 {
		t.Errorf("the first use %d, the second %d", first, second)
	}
}

// TestNativeDoorIsClosed connects over NATS with what opens nothing.
func TestNativeDoorIsClosed(t *testing.T) {
	s := twoShops(t)
	rest := keyFor(t, s, "shop", []string{"read"}, []string{"rest"})
	gone := keyFor(t, s, "shop", []string{"read"}, []string{"nats"})
	if err := s.client().RevokeKey(within(t, 10*time.Second), gone.ID); err != nil {
		t.Fatal(err)
	}
	for name, opt := range map[string]nats.Option{
		"nothing":                 nats.Name("nobody"),
		"a key without nats":      nats.Token(rest.Secret),
		"a revoked key":           nats.Token(gone.Secret),
		"no key":                  nats.Token("x"),
		"an id for a user":        nats.UserInfo("k:"+gone.ID, ""),
		"a role for a user":       nats.UserInfo("auth", "auth"),
		"an endless token":        nats.Token(strings.Repeat("x", 3<<10)),
		"a token of another kind": nats.Token("o1.e30.x"),
	} {
		nc, err := nats.Connect("nats://"+s.NATS, opt, nats.NoReconnect(), nats.Timeout(10*time.Second))
		if err == nil {
			nc.Close()
			t.Errorf("%s opens the door", name)
		}
	}
	tells(t, "the log", s.errs.String(), s, rest.Secret, gone.Secret)
}
