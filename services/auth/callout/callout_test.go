package callout_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/auth/callout"
	"github.com/octomesh/octomesh/services/auth/keyring"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keysByToken is an Authenticator that knows its keys by heart.
type keysByToken struct {
	mu   sync.Mutex
	keys map[string]*mesh.Principal
}

func (k *keysByToken) Authenticate(_ context.Context, c access.Credential) (*mesh.Principal, string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, shown := range []string{c.Bearer, c.User, c.Password} {
		if p := k.keys[shown]; p != nil && shown != "" {
			return p, strings.TrimPrefix(p.ID, "k:"), nil
		}
	}
	if c.Bearer == "panic" {
		panic("what a client wrote")
	}
	return nil, "", fault.New(fault.Unauthorized, "unknown")
}

func (k *keysByToken) remove(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, token)
}

type slugs map[string]string

func (s slugs) Slug(id string) (string, bool) { slug, ok := s[id]; return slug, ok }

func key(id string, projects, operations, transports []string) *mesh.Principal {
	return &mesh.Principal{ID: "k:" + id, Kind: mesh.Key, Scopes: mesh.Scopes{
		access.Projects: projects, access.Operations: operations, access.Transports: transports,
	}}
}

var every = []string{"*"}

type house struct {
	server *embedded.Server
	auth   *keysByToken
	worker *nats.Conn
	kicker *callout.Kicker
}

func start(t testing.TB, encrypted bool) *house {
	t.Helper()
	ring, err := keyring.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	seed := must(t)(ring.Issuer())
	issuer := must(t)(keyring.Public(seed))
	var curve, xkey string
	if encrypted {
		curve = must(t)(ring.Curve())
		xkey = must(t)(keyring.Public(curve))
	}
	h := &house{auth: &keysByToken{keys: map[string]*mesh.Principal{
		"admin":    key("admin000", every, every, every),
		"shop":     key("shop0000", []string{"p2"}, []string{"read"}, []string{"nats", "rest"}),
		"writer":   key("writer00", []string{"p1"}, []string{"write"}, every),
		"rest":     key("restonly", every, every, []string{"rest"}),
		"homeless": key("homeless", []string{"p9", "_system"}, every, every),
	}}}
	h.server, err = embedded.Start(embedded.Options{Callout: &embedded.Callout{Issuer: issuer, XKey: xkey}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.server.Shutdown)
	nc := dial(t, h.server.Dialer(bus.RoleAuth))
	stop, err := callout.Serve(nc, callout.Options{Issuer: []byte(seed), Curve: []byte(curve), Auth: h.auth, Slugs: slugs{"p1": "default", "p2": "shop", "p3": "other"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	h.kicker = callout.NewKicker(dial(t, h.server.Dialer(bus.RoleSystem)))
	h.worker = dial(t, h.server.Dialer(bus.RoleEntity))
	for _, pattern := range []string{"mostajs.*.*", "mostajs.*.*.*", "mostajs.stream.*.*.*", "mostajs.discover"} {
		if _, err := h.worker.Subscribe(pattern, func(m *nats.Msg) { _ = m.Respond([]byte(m.Subject)) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.worker.Flush(); err != nil {
		t.Fatal(err)
	}
	return h
}

func must(t testing.TB) func(string, error) string {
	return func(s string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func dial(t testing.TB, d bus.Dialer) *nats.Conn {
	t.Helper()
	nc, err := d.Dial("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// client connects natively. violations takes what the server refused.
func (h *house) client(t testing.TB, token, lookup string, opts ...nats.Option) (*nats.Conn, <-chan string) {
	t.Helper()
	violations := make(chan string, 100)
	all := append([]nats.Option{
		nats.Token(token), nats.CustomInboxPrefix(access.InboxPrefix(lookup)), nats.MaxReconnects(0),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err.Error() }),
	}, opts...)
	nc, err := nats.Connect(h.server.ClientURL(), all...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc, violations
}

func refused(t *testing.T, nc *nats.Conn, violations <-chan string, what string, act func() error) {
	t.Helper()
	if err := act(); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	select {
	case v := <-violations:
		if !strings.Contains(strings.ToLower(v), "permissions violation") {
			t.Fatalf("%s: %s", what, v)
		}
	case <-time.After(time.Minute):
		t.Fatalf("%s was not refused", what)
	}
}

func TestNarrowKey(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		t.Run(fmt.Sprintf("encrypted %v", encrypted), func(t *testing.T) {
			t.Parallel()
			h := start(t, encrypted)
			nc, violations := h.client(t, "shop", "shop0000")
			for _, subject := range []string{"mostajs.shop.User.findAll", "mostajs.shop._project.catalog", "mostajs.discover", "mostajs.stream.shop.User.findAll"} {
				m, err := nc.Request(subject, nil, 5*time.Second)
				if err != nil || string(m.Data) != subject {
					t.Fatalf("%s: %v", subject, err)
				}
			}
			for _, subject := range []string{
				"mostajs.shop.User.create", "mostajs.shop.User.deleteMany", "mostajs.shop._project.transaction", "mostajs.shop.User.nonsense",
				"mostajs.User.findAll", "mostajs.default.User.findAll", "mostajs.other.User.findAll", "mostajs.stream.other.User.findAll",
				"mostajs.events.shop.User.created", "mostajs.live.shop.User.created", "mostajs.events.User.created",
				"octo.auth.exchange", "octo.admin.keys.create", "$SYS.REQ.SERVER.PING", "$JS.API.INFO", "$KV.octo_revocations.x", "foo",
				"_INBOX.x", "_INBOX_gateway.x", "_INBOX_admin000.x", "_CREDIT.x", "_R_.x",
			} {
				refused(t, nc, violations, "publishing "+subject, func() error { return nc.Publish(subject, nil) })
			}
			for _, subject := range []string{
				">", "mostajs.>", "mostajs.*.*", "mostajs.live.>", "mostajs.live.other.*.*", "mostajs.live.*.*.*", "mostajs.events.*.*", "mostajs.events.>",
				"_INBOX.>", "_INBOX_admin000.>", "_INBOX_*.>", "_INBOX_gateway.>", "$SYS.>", "octo.>", "$KV.>",
			} {
				refused(t, nc, violations, "subscribing "+subject, func() error { _, err := nc.Subscribe(subject, func(*nats.Msg) {}); return err })
			}
			if _, err := nc.SubscribeSync("mostajs.live.shop.*.*"); err != nil {
				t.Fatal(err)
			}
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
			select {
			case v := <-violations:
				t.Fatalf("its own live events: %s", v)
			default:
			}
		})
	}
}

func TestWriteDoesNotCoverRead(t *testing.T) {
	t.Parallel()
	h := start(t, false)
	nc, violations := h.client(t, "writer", "writer00")
	for _, subject := range []string{"mostajs.User.create", "mostajs.default.User.create", "mostajs.default._project.transaction"} {
		if _, err := nc.Request(subject, nil, 5*time.Second); err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
	}
	refused(t, nc, violations, "reading", func() error { return nc.Publish("mostajs.User.findAll", nil) })
	refused(t, nc, violations, "live", func() error { _, err := nc.SubscribeSync("mostajs.live.default.*.*"); return err })
	refused(t, nc, violations, "events", func() error { _, err := nc.SubscribeSync("mostajs.events.*.*"); return err })
}

func TestKeyWithEverything(t *testing.T) {
	t.Parallel()
	h := start(t, true)
	nc, violations := h.client(t, "admin", "", nats.CustomInboxPrefix("_INBOX"))
	for _, op := range mesh.Ops {
		entity := "User"
		if op.Project {
			entity = mesh.ProjectEntity
		}
		for _, subject := range []string{"mostajs." + entity + "." + op.Name, "mostajs.anything." + entity + "." + op.Name} {
			if m, err := nc.Request(subject, nil, 5*time.Second); err != nil || string(m.Data) != subject {
				t.Fatalf("%s: %v", subject, err)
			}
		}
	}
	for _, subject := range []string{"mostajs.events.default.User.created", "mostajs.live.default.User.created", "octo.admin.keys.list", "mostajs.x.User.newop"} {
		refused(t, nc, violations, subject, func() error { return nc.Publish(subject, nil) })
	}
	refused(t, nc, violations, "everything", func() error { _, err := nc.SubscribeSync("mostajs.>"); return err })
}

func TestKeyOfNoProjectReachesNothing(t *testing.T) {
	t.Parallel()
	h := start(t, false)
	nc, violations := h.client(t, "homeless", "homeless")
	for _, subject := range []string{"mostajs.User.findAll", "mostajs.shop.User.findAll", "mostajs._system.User.findAll"} {
		refused(t, nc, violations, subject, func() error { return nc.Publish(subject, nil) })
	}
}

func TestIdentityReachesTheWorker(t *testing.T) {
	t.Parallel()
	h := start(t, false)
	seen := make(chan string, 1)
	if _, err := h.worker.QueueSubscribe("mostajs.shop.*.*", "x", func(m *nats.Msg) { seen <- m.Header.Get("Nats-Request-Info") }); err != nil {
		t.Fatal(err)
	}
	if err := h.worker.Flush(); err != nil {
		t.Fatal(err)
	}
	nc, _ := h.client(t, "shop", "shop0000")
	forged := nats.NewMsg("mostajs.shop.User.count")
	forged.Header.Set("Nats-Request-Info", `{"user":"k:admin000"}`)
	if _, err := nc.RequestMsg(forged, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if info := <-seen; !strings.Contains(info, `"user":"k:shop0000"`) || strings.Contains(info, "admin000") {
		t.Fatal(info)
	}
}

func TestRefusedConnections(t *testing.T) {
	t.Parallel()
	h := start(t, true)
	for name, opts := range map[string][]nats.Option{
		"nothing":     {},
		"wrong":       {nats.Token("wrong")},
		"rest only":   {nats.Token("rest")},
		"long":        {nats.Token(strings.Repeat("x", 100_000))},
		"hostile":     {nats.Token("a\"}\u0000\n>.*"), nats.Name("\r\nPUB x 0\r\n")},
		"panics":      {nats.Token("panic")},
		"user":        {nats.UserInfo("k:admin000", "")},
		"internal":    {nats.UserInfo("auth", "auth")},
		"both wrong":  {nats.UserInfo("\xff\xfe", "\xff")},
		"empty token": {nats.Token("")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nc, err := nats.Connect(h.server.ClientURL(), append(opts, nats.Timeout(5*time.Second))...)
			if err == nil {
				nc.Close()
				t.Fatal("came in")
			}
		})
	}
}

func TestUserAndPasswordAreKeysToo(t *testing.T) {
	t.Parallel()
	h := start(t, false)
	for _, o := range []nats.Option{nats.UserInfo("shop", ""), nats.UserInfo("", "shop"), nats.UserInfo("me", "shop")} {
		nc, err := nats.Connect(h.server.ClientURL(), o)
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
	}
}

func TestKickedAndNotLetInAgain(t *testing.T) {
	t.Parallel()
	h := start(t, false)
	closed := make(chan error, 10)
	for range 5 {
		h.client(t, "shop", "shop0000", nats.MaxReconnects(5), nats.ReconnectWait(5*time.Millisecond), nats.ClosedHandler(func(nc *nats.Conn) { closed <- nc.LastError() }))
	}
	_, violations := h.client(t, "writer", "writer00")
	h.auth.remove("shop")
	began := time.Now()
	if n, err := h.kicker.Kick(t.Context(), "k:shop0000", time.Now()); err != nil || n != 5 {
		t.Fatalf("%d, %v", n, err)
	}
	for range 5 {
		select {
		case err := <-closed:
			if !errors.Is(err, nats.ErrAuthorization) {
				t.Logf("closed with %v", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("still connected")
		}
	}
	t.Logf("five clients gone for good after %s", time.Since(began))
	if n, err := h.kicker.Kick(t.Context(), "k:shop0000", time.Now()); err != nil || n != 0 {
		t.Fatalf("%d left, %v", n, err)
	}
	if n, err := h.kicker.Kick(t.Context(), "k:writer00", time.Now().Add(-time.Hour)); err != nil || n != 0 {
		t.Fatalf("a later connection was disconnected: %d, %v", n, err)
	}
	select {
	case v := <-violations:
		t.Fatal(v)
	default:
	}
}

func TestExpiryEndsTheConnection(t *testing.T) {
	t.Parallel()
	h := start(t, false)
	closed := make(chan struct{})
	for life := 1500 * time.Millisecond; ; life *= 2 { // a key that ended before it was used proves nothing
		p := key("shortone", every, every, every)
		p.Expires = time.Now().Add(life)
		h.auth.mu.Lock()
		h.auth.keys["short"] = p
		h.auth.mu.Unlock()
		nc, err := nats.Connect(h.server.ClientURL(), nats.Token("short"), nats.CustomInboxPrefix(access.InboxPrefix("shortone")), nats.MaxReconnects(0))
		if err == nil {
			nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
			defer nc.Close()
			if nc.IsClosed() {
				return
			}
			break
		}
		if time.Now().Before(p.Expires) {
			t.Fatal(err)
		}
	}
	select {
	case <-closed:
	case <-time.After(time.Minute):
		t.Fatal("still connected")
	}
}

// Clients that the server gives up on in a storm try again, as they do in life.
func TestStormOfConnections(t *testing.T) {
	h := start(t, true)
	began := time.Now()
	var wg sync.WaitGroup
	for range stormSize {
		wg.Go(func() {
			up := make(chan struct{}, 1)
			nc, err := nats.Connect(h.server.ClientURL(), nats.Token("shop"), nats.Timeout(20*time.Second), nats.RetryOnFailedConnect(true),
				nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(), nats.ReconnectWait(50*time.Millisecond),
				nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), nats.ConnectHandler(func(*nats.Conn) { up <- struct{}{} }))
			if err != nil {
				t.Error(err)
				return
			}
			defer nc.Close()
			select {
			case <-up:
			case <-time.After(time.Minute):
				t.Error("not let in")
			}
		})
	}
	wg.Wait()
	t.Logf("%d connections in %s", stormSize, time.Since(began))
}
