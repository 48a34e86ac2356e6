package bus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// narrow is a native client that may create and read in one project.
var narrow = embedded.Native{
	Name: "k:narrow", Password: "p", Replies: true,
	Permission: bus.Permission{
		Publish: []string{
			"mostajs.shop.*.create", "mostajs.shop.*.findAll", "mostajs.stream.shop.*.stream", "mostajs.discover",
		},
		Subscribe: []string{"_INBOX_narrow.>", "mostajs.live.shop.*.*"},
	},
}

// wide is one with every right that a native client may have.
var wide = embedded.Native{
	Name: "k:wide", Password: "p", Replies: true,
	Permission: bus.Permission{
		Publish:   []string{"mostajs.*.*", "mostajs.*.*.*", "mostajs.stream.*.*.*", "mostajs.discover"},
		Subscribe: []string{"_INBOX.>", "mostajs.live.*.*.*", "mostajs.events.*.*"},
	},
}

func mustNative(t testing.TB, s *embedded.Server, u embedded.Native, opts ...nats.Option) *nats.Conn {
	t.Helper()
	opts = append(opts, nats.UserInfo(u.Name, u.Password))
	if u.Name == narrow.Name {
		opts = append(opts, nats.CustomInboxPrefix("_INBOX_narrow"))
	}
	nc, err := nats.Connect(s.ClientURL(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// reflect answers with what it was called with.
func reflect() mesh.Caller {
	return mesh.CallerFunc(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: fmt.Appendf(nil, "%s|%s|%s|%s|%s|%s|%s|%s", r.Project, r.Entity, r.Op, r.Native, r.Token,
			r.Transport, r.IdempotencyKey, r.RequestID)}, nil
	})
}

func ask(nc *nats.Conn, subject, body string, headers ...string) (string, error) {
	m := nats.NewMsg(subject)
	m.Data = []byte(body)
	for i := 0; i < len(headers); i += 2 {
		m.Header[headers[i]] = append(m.Header[headers[i]], headers[i+1])
	}
	r, err := nc.RequestMsg(m, patience)
	if err != nil {
		return "", err
	}
	if code := r.Header.Get("Nats-Service-Error"); code != "" {
		return code, nil
	}
	return string(r.Data), nil
}

func TestANativeClientIsWhoTheServerSays(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Natives: []embedded.Native{narrow, wide, {Name: "nobody", Password: "p", Permission: wide.Permission}}})
	h := mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{Discover: func(_ context.Context, h mesh.Header) ([]byte, error) {
		return []byte("for " + h.Native), nil
	}}, shop, reflect())
	if err := h.Serve(bus.Project{Slug: "default"}, reflect()); err != nil {
		t.Fatal(err)
	}
	nc := mustNative(t, s, narrow)
	forged := `{"v":1,"tok":"stolen","r":"r7","ik":"forged"}`
	for _, c := range []struct {
		nc      *nats.Conn
		subject string
		headers []string
		want    string
	}{
		{nc, "mostajs.shop.User.create", []string{"X-Request-Id", "r1", "Idempotency-Key", "k1", "X-Project", "shop"}, "shop|User|create|k:narrow||nats|k1|r1"},
		{nc, "mostajs.shop.User.create", []string{"x-request-id", "r1"}, "shop|User|create|k:narrow||nats||r1"},
		{nc, "mostajs.shop.User.create", []string{"Octo", forged, "X-Request-Id", "r1"}, "shop|User|create|k:narrow||nats||r1"},
		{nc, "mostajs.shop.User.create", []string{"Nats-Request-Info", `{"user":"k:admin"}`, "X-Request-Id", "r1"}, "shop|User|create|k:narrow||nats||r1"},
		{nc, "mostajs.shop.User.create", []string{"nats-request-info", `{"user":"k:admin"}`}, "FORBIDDEN"},
		{nc, "mostajs.shop.User.create", []string{"NATS-Request-Info", `{"user":"k:admin"}`}, "FORBIDDEN"},
		{nc, "mostajs.shop.User.create", []string{"X-Project", "other"}, "FORBIDDEN"},
		{nc, "mostajs.shop.User.create", []string{"X-Project", "shop", "X-Project", "other"}, "INVALID_REQUEST"},
		{nc, "mostajs.shop.User.create", []string{"Idempotency-Key", "a b"}, "INVALID_REQUEST"},
		{nc, "mostajs.shop.User.create", []string{"Idempotency-Key", strings.Repeat("x", 129)}, "INVALID_REQUEST"},
		{nc, "mostajs.discover", nil, "for k:narrow"},
		{mustNative(t, s, wide), "mostajs.User.findAll", []string{"X-Request-Id", "r1"}, "default|User|findAll|k:wide||nats||r1"},
		{mustNative(t, s, wide), "mostajs.live.User.create", nil, "nobody listens"},
		{mustNative(t, s, wide), "mostajs.events.create", nil, "INVALID_REQUEST"},
		{mustNative(t, s, wide), "mostajs.shop._hidden.create", nil, "INVALID_REQUEST"},
		{mustNative(t, s, embedded.Native{Name: "nobody", Password: "p"}), "mostajs.User.findAll", nil, "UNAUTHORIZED"},
	} {
		got, err := ask(c.nc, c.subject, "{}", c.headers...)
		if errors.Is(err, nats.ErrNoResponders) {
			got, err = "nobody listens", nil
		}
		if err != nil || got != c.want {
			t.Errorf("%s %v: got %q %v, want %q", c.subject, c.headers, got, err, c.want)
		}
	}
}

// A gateway forwards rights; it can't invent an identity.
func TestAServiceCannotPlayANativeClient(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Port: embedded.NoListen})
	called := make(chan string, 10)
	mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{}, shop, mesh.CallerFunc(
		func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
			called <- r.Native
			return &mesh.Reply{Body: []byte("x")}, nil
		}))
	gateway := mustDial(t, s.Dialer(bus.RoleGateway))
	const admin = `{"acc":"APP","user":"k:admin"}`
	if got, err := ask(gateway, "mostajs.shop.User.create", "{}", "Nats-Request-Info", admin); got != "FORBIDDEN" {
		t.Errorf("got %q %v", got, err)
	}
	if got, err := ask(gateway, "mostajs.shop.User.create", "{}", "nats-request-info", admin); got != "FORBIDDEN" {
		t.Errorf("got %q %v", got, err)
	}
	if got, err := ask(gateway, "mostajs.shop.User.create", "{}", "Octo", `{"v":1}`, "Octo", `{"v":1}`); got != "FORBIDDEN" {
		t.Errorf("got %q %v", got, err)
	}
	for _, reply := range []string{"", "_R_.abc", "mostajs.shop.User.delete"} {
		m := &nats.Msg{Subject: "mostajs.shop.User.create", Reply: reply, Data: []byte("{}"), Header: nats.Header{"Nats-Request-Info": {admin}}}
		if err := gateway.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := ask(gateway, "mostajs.shop.User.create", "{}"); err != nil || got != "x" {
		t.Errorf("got %q %v", got, err)
	}
	if native := <-called; native != "" || len(called) > 0 {
		t.Errorf("a forged request was executed as %q", native)
	}
}

// The server checks no reply subject, and passes an answer that is addressed to
// an imported subject on as a request of the service that gave it. Nobody may be
// served by that.
func TestAnAnswerIsNoRequest(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Natives: []embedded.Native{narrow}})
	discovered := make(chan string, 100)
	executed := make(chan string, 100)
	h := mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{Discover: func(_ context.Context, h mesh.Header) ([]byte, error) {
		discovered <- h.Native
		return []byte("for " + h.Native), nil
	}}, shop, mesh.CallerFunc(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		executed <- r.Project + "." + r.Entity + "." + r.Op
		return &mesh.Reply{Body: []byte(`{"filter":{}}`)}, nil
	}))
	if err := h.Serve(bus.Project{Slug: "default"}, reflect()); err != nil {
		t.Fatal(err)
	}
	nc := mustNative(t, s, narrow)
	sent := 0
	for _, subj := range []string{"mostajs.shop.User.create", "mostajs.stream.shop.User.stream"} {
		for _, reply := range []string{"mostajs.discover", "mostajs.shop.User.deleteMany", "mostajs.User.deleteMany", "mostajs.stream.shop.User.findAll"} {
			if err := nc.PublishRequest(subj, reply, []byte("{}")); err != nil {
				t.Fatal(err)
			}
			sent++
		}
	}
	for range sent {
		if got := wait(t, executed, "the request itself"); got != "shop.User.create" && got != "shop.User.stream" {
			t.Errorf("an answer was executed as %s", got)
		}
	}
	if got, err := ask(nc, "mostajs.discover", "{}"); err != nil || got != "for k:narrow" {
		t.Errorf("%q %v", got, err)
	}
	if who := wait(t, discovered, "the native client's own request"); who != "k:narrow" || len(discovered) > 0 || len(executed) > 0 {
		t.Errorf("an answer was taken for a request of %q", who)
	}
}

func TestLargeRepliesToNativeClients(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{Natives: []embedded.Native{narrow}})
	body := bytes.Repeat([]byte("0123456789"), 500_000)
	mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{}, shop, echo(string(body)))
	nc := mustNative(t, s, narrow)
	m, err := nc.Request("mostajs.shop.User.findAll", nil, patience)
	if err != nil {
		t.Fatal(err)
	}
	if m.Header.Get("Nats-Service-Error") != "PAYLOAD_TOO_LARGE" || !bytes.Contains(m.Data, []byte("mostajs.stream.shop.User.findAll")) {
		t.Errorf("got %v %.200s", m.Header, m.Data)
	}
	// A write is done; it is told in one message as long as NATS can carry it.
	if m, err = nc.Request("mostajs.shop.User.create", nil, patience); err != nil || len(m.Data) != len(body) {
		t.Errorf("got %v", err)
	}

	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest("mostajs.stream.shop.User.stream", inbox, nil); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for ended := false; !ended; {
		m, err := sub.NextMsg(patience)
		if err != nil {
			t.Fatalf("after %d bytes: %v", len(got), err)
		}
		switch part := m.Header.Get("Octo-Part"); part {
		case "":
			got = append(got, m.Data...)
			if err := nc.Publish(m.Reply, []byte("1")); err != nil {
				t.Fatal(err)
			}
		case "end":
			if code := m.Header.Get("Nats-Service-Error"); code != "" {
				t.Fatal(code)
			}
			ended = true
		}
	}
	if !bytes.Equal(got, body) {
		t.Errorf("%d bytes of %d", len(got), len(body))
	}
	if m, err := sub.NextMsg(patience); err != nil || len(m.Data) != 0 || len(m.Header) != 0 {
		t.Errorf("the end of the response: %v %v", m, err)
	}
}

// forbidden expects that the server refuses the subject.
func forbidden(t *testing.T, violations <-chan error, subject string) {
	t.Helper()
	err := wait(t, violations, "the refusal of "+subject)
	if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), subject) {
		t.Errorf("%s: got %v", subject, err)
	}
}

func TestWhatEachMayReach(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{StoreDir: t.TempDir(), Natives: []embedded.Native{narrow, wide}})
	relay := mustDial(t, s.Dialer(bus.RoleRelay))
	js, err := jetstream.New(relay)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := bus.EnsureEvents(within(t, patience), js, 1)
	if err != nil {
		t.Fatal(err)
	}
	watching := func() (nats.Option, <-chan error) {
		ch := make(chan error, 100)
		return nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { ch <- err }), ch
	}
	type who struct {
		nc         *nats.Conn
		violations <-chan error
	}
	dial := func(role string) who {
		opt, ch := watching()
		return who{mustDial(t, s.Dialer(role), opt), ch}
	}
	nopt, nch := watching()
	native := who{mustNative(t, s, narrow, nopt), nch}
	for _, c := range []struct {
		who       who
		publish   []string
		subscribe []string
	}{
		{native, []string{
			"octo.auth.exchange", "octo.admin.keys.create", "mostajs.other.User.create", "mostajs.shop.User.delete", "mostajs.User.create",
			"mostajs.events.shop.User.created", "mostajs.live.shop.User.created", "mostajs.events.User.created",
			"$JS.API.STREAM.DELETE.EVENTS", "$KV.octo_revocations.x", "$SYS.REQ.SERVER.PING", "_INBOX_gateway.x.y", "_INBOX.x", "_CREDIT.x",
		}, []string{
			"_INBOX_gateway.>", "_INBOX.>", "_INBOX_other.>", "mostajs.live.>", "mostajs.live.other.*.*", "mostajs.events.*.*",
			"mostajs.shop.*.*", "octo.>", "$KV.octo_catalogs.>", ">", "$SRV.>",
		}},
		{dial(bus.RoleGateway), []string{
			"mostajs.events.shop.User.created", "mostajs.live.shop.User.created", "$KV.octo_revocations.x", "$KV.octo_catalogs.shop",
			"octo.auth.principal", "octo.auth.projects", "octo.bell.shop", "_INBOX_entity.x.y", "_INBOX_auth.x.y", "_R_.x",
			"$JS.API.STREAM.DELETE.EVENTS", "$JS.API.STREAM.CREATE.X", "$JS.API.STREAM.PURGE.EVENTS", "$JS.API.STREAM.UPDATE.EVENTS",
			"$JS.API.STREAM.INFO.KV_octo_leases", "$JS.API.STREAM.MSG.DELETE.EVENTS", "$SYS.REQ.USER.AUTH",
		}, []string{
			"mostajs.*.*", "mostajs.shop.*.*", "_INBOX_entity.>", "_INBOX.>", "octo.auth.>", "$SYS.REQ.USER.AUTH", "$KV.octo_catalogs.>", "_CREDIT.*", ">",
		}},
		{dial(bus.RoleEntity), []string{
			"mostajs.events.shop.User.created", "mostajs.shop.User.create", "octo.admin.keys.create", "$KV.octo_revocations.x", "$KV.octo_catalogs.x",
		}, []string{"_INBOX_auth.>", "octo.auth.>", "mostajs.events.shop.*.*", ">"}},
		{dial(bus.RoleRelay), []string{
			"mostajs.shop.User.create", "octo.auth.exchange", "$KV.octo_catalogs.x", "mostajs.live.shop.User.created",
		}, []string{"mostajs.shop.*.*", "_INBOX_gateway.>"}},
		{dial(bus.RoleAuth), []string{"mostajs.shop.User.create", "mostajs.events.shop.User.created"}, []string{"mostajs.*.*", "_INBOX_gateway.>"}},
	} {
		for _, subject := range c.publish {
			if err := c.who.nc.Publish(subject, []byte("x")); err != nil {
				t.Fatal(err)
			}
			forbidden(t, c.who.violations, subject)
		}
		for _, subject := range c.subscribe {
			if _, err := c.who.nc.SubscribeSync(subject); err != nil {
				t.Fatal(err)
			}
			forbidden(t, c.who.violations, subject)
		}
	}
	info, err := stream.Info(within(t, patience))
	if err != nil || info.State.Msgs != 0 {
		t.Errorf("the stream of events holds %d forged events (%v)", info.State.Msgs, err)
	}
}

// Octonet's event subjects show the default project's events, once each.
func TestLiveEventsReachNativeClientsOnce(t *testing.T) {
	t.Parallel()
	s := mustStart(t, embedded.Options{StoreDir: t.TempDir(), Natives: []embedded.Native{narrow, wide}})
	js, err := jetstream.New(mustDial(t, s.Dialer(bus.RoleRelay)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bus.EnsureEvents(within(t, patience), js, 1); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 20)
	for name, nc := range map[string]*nats.Conn{"wide": mustNative(t, s, wide), "narrow": mustNative(t, s, narrow)} {
		subjects := []string{"mostajs.live.shop.*.*"}
		if name == "wide" {
			subjects = []string{"mostajs.live.*.*.*", "mostajs.events.*.*"}
		}
		for _, subj := range subjects {
			if _, err := nc.Subscribe(subj, func(m *nats.Msg) {
				got <- name + " " + m.Subject + " " + m.Header.Get("Nats-Msg-Id") + " " + string(m.Data)
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	for _, subj := range []string{"mostajs.events.default.User.created", "mostajs.events.shop.Item.updated", "mostajs.events.shop.End.created"} {
		if _, err := js.Publish(within(t, patience), subj, []byte("x"), jetstream.WithMsgID(subj)); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]int{}
	for range 6 {
		seen[wait(t, got, "an event")]++
	}
	for _, want := range []string{
		"wide mostajs.live.default.User.created mostajs.events.default.User.created x",
		"wide mostajs.events.User.created mostajs.events.default.User.created x",
		"wide mostajs.live.shop.Item.updated mostajs.events.shop.Item.updated x",
		"narrow mostajs.live.shop.Item.updated mostajs.events.shop.Item.updated x",
		"wide mostajs.live.shop.End.created mostajs.events.shop.End.created x",
		"narrow mostajs.live.shop.End.created mostajs.events.shop.End.created x",
	} {
		if seen[want] != 1 {
			t.Errorf("%d times %s; all: %v", seen[want], want, seen)
		}
	}
	if len(got) > 0 {
		t.Errorf("further events: %v", <-got)
	}
}
