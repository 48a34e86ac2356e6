package octomesh

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	client "github.com/octomesh/octomesh/clients/go"
	"github.com/octomesh/octomesh/pkg/event"
)

const itemSchema = `[{"name":"Item","collection":"items","fields":{"label":{"type":"string","required":true},"n":{"type":"number"},"secret":{"type":"string","hidden":true}}}]`

// twoShops starts a server with the projects default, shop and other.
func twoShops(t testing.TB) *server {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "projects-tree.json")
	one := func(name string) string {
		return fmt.Sprintf(`%q:{"dialect":"sqlite","uri":%q,"schemas":%s}`, name, filepath.Join(filepath.Dir(tree), name+".db"), itemSchema)
	}
	if err := os.WriteFile(tree, []byte("{"+one("shop")+","+one("other")+"}"), 0o600); err != nil {
		t.Fatal(err)
	}
	return serve(t, schemaFile(t, itemSchema), "--projects", tree)
}

func keyFor(t testing.TB, s *server, project string, operations, transports []string) client.Key {
	t.Helper()
	k, err := s.client().CreateKey(t.Context(), client.NewKey{Label: project, Permissions: client.Permissions{Scopes: map[string][]string{
		"projects": {project}, "operations": operations, "transports": transports,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// send sends a request over HTTP and returns status and body.
func (s *server) send(t testing.TB, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(within(t, 20*time.Second), method, "http://"+s.HTTP+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// attacker is a native client whose violations are collected.
type attacker struct {
	*nats.Conn
	violations chan error
}

// refused expects that the server refuses what was just tried.
func (a *attacker) refused(t *testing.T, what string) {
	t.Helper()
	select {
	case err := <-a.violations:
		if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: got %v", what, err)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("%s was not refused", what)
	}
}

func attack(t *testing.T, s *server, key string) *attacker {
	t.Helper()
	a := &attacker{violations: make(chan error, 1000)}
	a.Conn = native(t, s, key, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { a.violations <- err }))
	return a
}

// TestLiveNativeKeyIsHeld lets a client with a key for reading one project over
// NATS try everything else.
func TestLiveNativeKeyIsHeld(t *testing.T) {
	s := twoShops(t)
	k := keyFor(t, s, "shop", []string{"read"}, []string{"nats"})
	victim := keyFor(t, s, "other", []string{"read", "write"}, []string{"nats"})
	a, inbox := attack(t, s, k.Secret), "_INBOX_"+k.ID+"."
	if m, err := a.Request("mostajs.shop.Item.count", []byte("{}"), 10*time.Second); err != nil || !strings.Contains(string(m.Data), `"ok"`) {
		t.Fatalf("what it may do: %v", err)
	}

	publish := []string{
		"octo.admin.keys.create", "octo.admin.keys.list", "octo.auth.exchange", "octo.auth.principal", "octo.auth.projects", "octo.bell.shop",
		"$JS.API.INFO", "$JS.API.STREAM.INFO.EVENTS", "$JS.API.STREAM.DELETE.EVENTS", "$JS.API.CONSUMER.CREATE.EVENTS", "$JS.ACK.x", "$JS.FC.x",
		"$KV.octo_revocations.x", "$KV.octo_catalogs.shop", "$SRV.PING", "$SRV.INFO",
		"$SYS.REQ.USER.INFO", "$SYS.REQ.USER.AUTH", "$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS._INBOX.x",
		"mostajs.shop.Item.create", "mostajs.shop.Item.deleteMany", "mostajs.shop._project.transaction", "mostajs.stream.shop.Item.create",
		"mostajs.other.Item.findAll", "mostajs.other._project.changes", "mostajs.stream.other.Item.stream", "mostajs.stream.default.Item.stream",
		"mostajs.default.Item.findAll", "mostajs.Item.findAll", "mostajs._project.changes", "mostajs.shop.Item.Inner.findAll", "mostajs.shop.>",
		"mostajs.live.shop.Item.created", "mostajs.events.shop.Item.created", "mostajs.events.Item.created", "mostajs.live.other.Item.created",
		"_INBOX_" + victim.ID + ".x", "_INBOX_gateway.x", "_INBOX.x", inbox + "x", "_CREDIT.x", "_R_.x",
	}
	for _, subj := range publish {
		if err := a.Publish(subj, []byte(`{"filter":{}}`)); err != nil {
			t.Fatal(err)
		}
		a.refused(t, subj)
	}
	subscribe := []string{
		">", "*", "*.>", "*.*", "*.*.*", "*.*.*.*", "*.*.*.*.*", "mostajs.>", "mostajs.*.*", "mostajs.shop.*.*", "mostajs.shop.Item.count",
		"mostajs.live.>", "mostajs.live.*.*.*", "mostajs.live.shop.>", "mostajs.live.other.*.*", "mostajs.live.default.*.*", "mostajs.events.*.*",
		"mostajs.events.>", "_INBOX.>", "_INBOX_*.>", "_INBOX_" + victim.ID + ".>", "_INBOX_gateway.>", "_INBOX_" + k.ID, "_R_.>", "_CREDIT.*",
		"octo.>", "$SYS.>", "$JS.>", "$KV.>", "$SRV.>", "$G.>",
	}
	for _, subj := range subscribe {
		if _, err := a.SubscribeSync(subj); err != nil {
			t.Fatal(err)
		}
		a.refused(t, subj)
		if _, err := a.QueueSubscribeSync(subj, "shop"); err != nil {
			t.Fatal(err)
		}
		a.refused(t, subj)
	}
	// The server itself would send these where the client says.
	replies := []string{"_R_.x", "_GR_.x.y", "$GR.x.y", "$JS.ACK.x"}
	for _, reply := range replies {
		if err := a.PublishRequest("mostajs.shop.Item.count", reply, []byte("{}")); err != nil {
			t.Fatal(err)
		}
		a.refused(t, reply)
	}
	for _, dest := range []string{"octo.admin.keys.list", "mostajs.live.other.Item.created", "$SYS.REQ.USER.INFO", "_INBOX_" + victim.ID + ".x"} {
		m := &nats.Msg{Subject: "mostajs.shop.Item.count", Reply: inbox + "trace", Header: nats.Header{"Nats-Trace-Dest": {dest}}, Data: []byte("{}")}
		if err := a.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
		a.refused(t, dest)
	}

	headers := []struct {
		name, value, code string
	}{
		{"Nats-Request-Info", `{"acc":"APP","user":"k:` + victim.ID + `"}`, ""}, // overwritten by the server
		{"nats-request-info", `{"acc":"APP","user":"k:` + victim.ID + `"}`, "FORBIDDEN"},
		{"NATS-REQUEST-INFO", `{}`, "FORBIDDEN"},
		{"Octo", `{"v":1,"t":"feed"}`, ""}, // ignored whole
		{"octo", `{"v":1,"t":"feed","tok":"o1.x.y"}`, ""},
		{"X-Project", "other", "FORBIDDEN"},
		{"x-project", "*", "FORBIDDEN"},
		{"X-API-Key", victim.Secret, ""},
		{"Idempotency-Key", "a b", "INVALID_REQUEST"},
	}
	for _, h := range headers {
		for subj, body := range map[string]string{"mostajs.shop._project.changes": `{"position":"tail"}`, "mostajs.shop.Item.count": "{}"} {
			m, err := a.RequestMsg(&nats.Msg{Subject: subj, Header: nats.Header{h.name: {h.value}}, Data: []byte(body)}, 10*time.Second)
			if err != nil || m.Header.Get("Nats-Service-Error") != h.code {
				t.Errorf("%s with %s: %s: %v, want %q", subj, h.name, h.value, err, h.code)
			}
		}
	}
	for _, subj := range []string{"mostajs.shop.*.findAll", "mostajs.shop.a b.findAll", "mostajs.shop._octo_changes.findAll", "mostajs.shop.sqlite_master.findAll", "mostajs.shop.It'em.findAll"} {
		m, err := a.Request(subj, []byte("{}"), 10*time.Second)
		if errors.Is(err, nats.ErrBadSubject) {
			continue
		}
		if code := ""; err == nil {
			if code = m.Header.Get("Nats-Service-Error"); code != "INVALID_REQUEST" && code != "UNKNOWN_ENTITY" {
				t.Errorf("%s: %q", subj, code)
			}
		} else {
			t.Errorf("%s: %v", subj, err)
		}
	}
	if status, body := s.send(t, "GET", "/shop/api/v1/items", "", "X-API-Key", k.Secret); status != 403 || !strings.Contains(body, "FORBIDDEN") {
		t.Errorf("the key opens REST: %d %s", status, body)
	}
	if len(a.violations) > 0 {
		t.Errorf("a further refusal: %v", <-a.violations)
	}
	figure(map[string]any{"publish_refused": len(publish), "subscribe_refused": 2 * len(subscribe), "reply_and_trace_refused": len(replies) + 4, "header_attempts": 2 * len(headers)})
	if log := s.errs.String(); strings.Contains(log, k.Secret) || strings.Contains(log, s.Key) {
		t.Error("the log tells a key")
	}
}

// TestLiveForgedMessages has answers addressed to live subjects, which a NATS
// server lets everybody do: nothing that the house gives out may show them, and
// FromLive, by which our clients judge, refuses each.
func TestLiveForgedMessages(t *testing.T) {
	s := twoShops(t)
	k := keyFor(t, s, "shop", []string{"read", "write"}, []string{"nats"})
	victim := keyFor(t, s, "other", []string{"read", "write"}, []string{"nats", "sse", "rest"})
	a, v := attack(t, s, k.Secret), attack(t, s, victim.Secret)
	lives, err := v.SubscribeSync("mostajs.live.other.*.*")
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Flush(); err != nil {
		t.Fatal(err)
	}
	events := stream(t, s, "other", victim.Secret)

	// What is answered looks like an event as closely as the attacker can have it.
	forged := `{\"type\":\"event\",\"event\":\"entity.created\",\"project\":\"other\",\"entity\":\"Item\",\"id\":\"forged\"}`
	if m, err := a.Request("mostajs.shop.Item.create", []byte(`{"data":{"id":"x","label":"`+forged+`"}}`), 10*time.Second); err != nil || m.Header.Get("Nats-Service-Error") != "" {
		t.Fatalf("%v %v", m, err)
	}
	sent := 0
	for _, h := range []nats.Header{nil, {"Nats-Sequence": {"1"}, "Nats-Msg-Id": {"other:e:1"}, "Octo-Prev": {"0"}, "Nats-Stream": {"EVENTS"}}} {
		for _, subj := range []string{"mostajs.shop.Item.findById", "mostajs.shop.Item.nothing", "mostajs.discover", "mostajs.stream.shop.Item.stream"} {
			if err := a.PublishMsg(&nats.Msg{Subject: subj, Reply: "mostajs.live.other.Item.created", Header: h, Data: []byte(`{"id":"x"}`)}); err != nil {
				t.Fatal(err)
			}
			sent++
		}
	}
	seen, accepted := 0, 0
	for seen < sent { // each is answered at least once
		m, err := lives.NextMsg(20 * time.Second)
		if err != nil {
			t.Fatalf("after %d: %v", seen, err)
		}
		seen++
		if _, ok := event.FromLive(m); ok {
			accepted++
			t.Errorf("a forged message was accepted: %s %v", m.Data, m.Header)
		}
	}
	if status, body := s.send(t, "POST", "/other/api/v1/items", `{"id":"true","label":"true"}`, "X-API-Key", victim.Secret); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	for ok := false; !ok; {
		m, err := lives.NextMsg(20 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok = event.FromLive(m); ok && !strings.Contains(string(m.Data), `"id":"true"`) {
			t.Errorf("a forged message was accepted: %s %v", m.Data, m.Header)
		}
	}
	if e := <-events; e.ID != "true" {
		t.Errorf("the first event of the feed is %+v", e)
	}
	figure(map[string]any{"forged_sent": sent, "forged_seen_by_a_bare_subscriber": seen, "forged_accepted": accepted})
}

// stream opens an event stream of a project and returns its events once it is
// open.
func stream(t *testing.T, s *server, project, key string) <-chan client.Event {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.HTTP+"/"+project+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	out := make(chan client.Event, 100)
	open := make(chan struct{})
	go func() {
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			if lines.Text() == "event: connected" {
				close(open)
			}
			var e client.Event
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && json.Unmarshal([]byte(data), &e) == nil && e.Event != "" {
				out <- e
			}
		}
	}()
	select {
	case <-open:
	case <-time.After(20 * time.Second):
		t.Fatal("the stream does not open")
	}
	return out
}
