package auth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/identity"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/auth"
	"github.com/octomesh/octomesh/services/auth/keyring"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const adminKey = "sk_live_AdminKey_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"

// house is an auth service with the NATS server that it belongs to, and one
// client for each role that talks to it.
type house struct {
	t      testing.TB
	dir    string
	server *embedded.Server
	seed   string
	curve  string

	svc     *auth.Service
	stop    func() error
	gateway *bus.Client
	worker  *bus.Client
	front   *identity.Identity // of the gateway
	back    *identity.Identity // of the worker
}

type option func(c *auth.Config, d *auth.Deps)

func open(t testing.TB, opts ...option) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir()}
	ring, err := keyring.Open(filepath.Join(h.dir, "nats"))
	check(t, err)
	h.seed, err = ring.Issuer()
	check(t, err)
	h.curve, err = ring.Curve()
	check(t, err)
	issuer, err := keyring.Public(h.seed)
	check(t, err)
	xkey, err := keyring.Public(h.curve)
	check(t, err)
	h.server, err = embedded.Start(embedded.Options{
		StoreDir: filepath.Join(h.dir, "js"), Callout: &embedded.Callout{Issuer: issuer, XKey: xkey},
	})
	check(t, err)
	t.Cleanup(h.server.Shutdown)
	h.start(opts...)
	t.Cleanup(func() { check(t, h.stop()) })
	h.gateway = h.client(bus.RoleGateway)
	h.worker = h.client(bus.RoleEntity)
	h.front = h.identity(h.gateway)
	h.back = h.identity(h.worker)
	return h
}

// start starts the service; after a stop, it starts it again.
func (h *house) start(opts ...option) {
	h.t.Helper()
	c := auth.Config{DataDir: h.dir, AdminKey: adminKey, Dialect: "sqlite", Strategy: "update"}
	d := auth.Deps{Dialer: h.server.Dialer(bus.RoleAuth), System: h.server.Dialer(bus.RoleSystem)}
	for _, o := range opts {
		o(&c, &d)
	}
	svc, err := auth.New(c, d)
	check(h.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- svc.Run(ctx) }()
	select {
	case <-svc.Ready():
	case err := <-ended:
		cancel()
		h.t.Fatalf("the service ended: %v", err)
	case <-time.After(time.Minute):
		cancel()
		h.t.Fatal("the service does not become ready")
	}
	h.svc = svc
	h.stop = func() error {
		h.stop = func() error { return nil }
		cancel()
		return <-ended
	}
}

func (h *house) client(role string) *bus.Client {
	h.t.Helper()
	c, err := bus.NewClient(h.server.Dialer(role), bus.ClientOptions{})
	check(h.t, err)
	h.t.Cleanup(c.Close)
	return c
}

func (h *house) identity(c *bus.Client) *identity.Identity {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 10*time.Second)
	defer cancel()
	i, err := identity.Start(ctx, c.Conn(), c, nil)
	check(h.t, err)
	h.t.Cleanup(i.Close)
	return i
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if got := fault.CodeOf(err); got != code {
		t.Fatalf("got %q (%v), want %q", got, err, code)
	}
}

type shown struct {
	ID, Prefix, APIKey, Label string
	Permissions               struct{ Scopes mesh.Scopes }
	Enabled                   bool
	UsageCount                int
	LastIP                    string
}

// admin calls an admin verb with a key and decodes the reply's data into out.
func (h *house) admin(key, verb, body string, out any) error {
	h.t.Helper()
	_, token, err := h.front.Principal(h.t.Context(), access.Credential{Key: key})
	if err != nil {
		return err
	}
	reply, err := h.gateway.Control(h.t.Context(), "admin."+verb, []byte(body), mesh.Header{Transport: "rest", Token: token, RequestID: "r1"})
	if err != nil {
		return err
	}
	var r struct {
		Status string
		Data   json.RawMessage
	}
	check(h.t, json.Unmarshal(reply, &r))
	if r.Status != "ok" {
		h.t.Fatalf("%s", reply)
	}
	if out != nil {
		check(h.t, json.Unmarshal(r.Data, out))
	}
	return nil
}

func (h *house) create(permissions string) shown {
	h.t.Helper()
	var k shown
	check(h.t, h.admin(adminKey, "keys.create", `{"label":"test","permissions":`+permissions+`}`, &k))
	return k
}

func TestKeyLife(t *testing.T) {
	t.Parallel()
	h := open(t)
	k := h.create(`{"projects":["default"],"operations":["read"],"transports":["rest","ws"]}`)
	if len(k.APIKey) != 60 || k.Prefix != k.APIKey[:16] || k.ID != k.APIKey[8:16] || k.Permissions.Scopes["projects"][0] != "default" {
		t.Fatalf("%+v", k)
	}
	p, token, err := h.front.Principal(t.Context(), access.Credential{Key: k.APIKey, RemoteAddr: "1.2.3.4:99"})
	check(t, err)
	if p.ID != "k:"+k.ID || p.Kind != mesh.Key || p.Scopes["projects"][0] == "default" {
		t.Fatalf("%+v", p)
	}
	if q, err := h.back.Verify(token); err != nil || q.ID != p.ID {
		t.Fatalf("%v, %v", q, err)
	}
	if q, err := h.back.Native(t.Context(), p.ID); err != nil || q.ID != p.ID {
		t.Fatalf("%v, %v", q, err)
	}
	var list []shown
	check(t, h.admin(adminKey, "keys.list", `{}`, &list))
	if len(list) != 2 || list[0].ID != k.ID || list[0].APIKey != "" {
		t.Fatalf("%+v", list)
	}
	raw := fmt.Sprintf("%+v", list)
	if strings.Contains(raw, k.APIKey[17:]) {
		t.Fatal("a secret is listed")
	}

	var narrowed shown
	check(t, h.admin(adminKey, "keys.update", `{"id":"`+k.ID+`","permissions":{"scopes":{"projects":["default"],"operations":["read"],"transports":["ws"]}}}`, &narrowed))
	eventually(t, func() bool { // the revocation of the wider rights is on its way
		p, _, err := h.front.Principal(t.Context(), access.Credential{Key: k.APIKey})
		return err == nil && !p.Scopes.Allows("transports", "rest")
	})
	eventually(t, func() bool { _, err := h.back.Verify(token); return fault.CodeOf(err) == fault.Unauthorized })

	check(t, h.admin(adminKey, "keys.update", `{"id":"`+k.ID+`","enabled":false}`, nil))
	eventually(t, func() bool {
		_, _, err := h.front.Principal(t.Context(), access.Credential{Key: k.APIKey})
		return fault.CodeOf(err) == fault.Unauthorized
	})
	check(t, h.admin(adminKey, "keys.update", `{"id":"`+k.ID+`","enabled":true}`, nil))
	_, err = h.back.Native(t.Context(), "k:"+k.ID)
	check(t, err)
	check(t, h.admin(adminKey, "keys.revoke", `{"id":"`+k.ID+`"}`, nil))
	eventually(t, func() bool {
		_, err := h.back.Native(t.Context(), "k:"+k.ID)
		return fault.CodeOf(err) == fault.Unauthorized
	})
	wantCode(t, h.admin(adminKey, "keys.update", `{"id":"`+k.ID+`","enabled":true}`, nil), fault.Conflict)
	check(t, h.admin(adminKey, "keys.delete", `{"id":"`+k.ID+`"}`, nil))
	wantCode(t, h.admin(adminKey, "keys.delete", `{"id":"`+k.ID+`"}`, nil), fault.NotFound)
	check(t, h.admin(adminKey, "keys.list", `{}`, &list))
	if len(list) != 1 {
		t.Fatalf("%+v", list)
	}
}

// eventually waits for what another service learns by watching.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("it never happened")
		}
	}
}

func TestNobodyGivesAwayMoreThanHeHas(t *testing.T) {
	t.Parallel()
	h := open(t)
	admin := h.create(`{"projects":["_system","default"],"operations":["read","admin"],"transports":["rest"]}`)
	reader := h.create(`{"projects":"*","operations":["read","write"],"transports":"*"}`)
	wantCode(t, h.admin(reader.APIKey, "keys.list", `{}`, nil), fault.Forbidden)
	wantCode(t, h.admin(reader.APIKey, "keys.create", `{"permissions":{"operations":["read"]}}`, nil), fault.Forbidden)
	var made shown
	check(t, h.admin(admin.APIKey, "keys.create", `{"label":"less","permissions":{"projects":["default"],"operations":["read"],"transports":["rest"]}}`, &made))
	for _, permissions := range []string{`{"projects":"*"}`, `{"operations":["write"]}`, `{"transports":["nats"]}`, `{"operations":"*"}`} {
		wantCode(t, h.admin(admin.APIKey, "keys.create", `{"permissions":`+permissions+`}`, nil), fault.Forbidden)
		wantCode(t, h.admin(admin.APIKey, "keys.update", `{"id":"`+made.ID+`","permissions":`+permissions+`}`, nil), fault.Forbidden)
	}
	// A key with more rights can be switched off, but not changed.
	wantCode(t, h.admin(admin.APIKey, "keys.update", `{"id":"`+reader.ID+`","label":"mine"}`, nil), fault.Forbidden)
	check(t, h.admin(admin.APIKey, "keys.update", `{"id":"`+reader.ID+`","enabled":false}`, nil))
	wantCode(t, h.admin(admin.APIKey, "keys.update", `{"id":"`+reader.ID+`","enabled":true}`, nil), fault.Forbidden)

	_, err := h.gateway.Control(t.Context(), "admin.keys.list", []byte(`{}`), mesh.Header{Transport: "rest"})
	wantCode(t, err, fault.Unauthorized)
	_, err = h.gateway.Control(t.Context(), "admin.keys.list", []byte(`{}`), mesh.Header{Transport: "rest", Token: "o1.x.y"})
	wantCode(t, err, fault.Unauthorized)
	_, token, err := h.front.Principal(t.Context(), access.Credential{Key: admin.APIKey})
	check(t, err)
	_, err = h.gateway.Control(t.Context(), "admin.keys.list", []byte(`{}`), mesh.Header{Transport: "graphql", Token: token})
	wantCode(t, err, fault.Forbidden)
	_, err = h.gateway.Control(t.Context(), "admin.keys.explode", []byte(`{}`), mesh.Header{Transport: "rest", Token: token})
	wantCode(t, err, fault.UnknownOp)
}

func TestBadAdminRequests(t *testing.T) {
	t.Parallel()
	h := open(t)
	for body, code := range map[string]fault.Code{
		`{`: fault.ParseError,
		`{"label":"a","label":"b","permissions":{}}`: fault.ParseError,
		"{\"label\":\"\xff\",\"permissions\":{}}":    fault.ParseError,
		`[]`:                                   fault.InvalidRequest,
		`{}`:                                   fault.ValidationError,
		`{"permissions":{},"hash":"x"}`:        fault.ValidationError,
		`{"permissions":{},"id":"abcdefgh"}`:   fault.ValidationError,
		`{"permissions":{},"env":"prod"}`:      fault.ValidationError,
		`{"permissions":{},"account":"a.b>*"}`: fault.ValidationError,
		`{"permissions":{},"label":7}`:         fault.ValidationError,
		`{"permissions":{},"expiresAt":"2001-01-01T00:00:00Z"}`:                           fault.ValidationError,
		`{"permissions":{},"expiresAt":"soon"}`:                                           fault.ValidationError,
		`{"permissions":{"projects":["nope"]}}`:                                           fault.ValidationError,
		`{"permissions":{},"label":"` + strings.Repeat("x", 300) + `"}`:                   fault.ValidationError,
		`{"permissions":` + strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat("}", 101): fault.ParseError,
	} {
		if err := h.admin(adminKey, "keys.create", body, nil); fault.CodeOf(err) != code {
			t.Errorf("%.80s: %v, want %s", body, err, code)
		}
	}
	for _, id := range []string{``, `*`, `>`, `../x`, `abcdefg'`, `a b c d `, `nothere0`, strings.Repeat("a", 5000)} {
		for _, verb := range []string{"keys.update", "keys.revoke", "keys.delete"} {
			b, _ := json.Marshal(map[string]string{"id": id})
			if err := h.admin(adminKey, verb, string(b), nil); fault.CodeOf(err) != fault.NotFound {
				t.Errorf("%s %.20q: %v", verb, id, err)
			}
		}
	}
	wantCode(t, h.admin(adminKey, "keys.revoke", `{}`, nil), fault.MissingID)
	var list []shown
	check(t, h.admin(adminKey, "keys.list", `{}`, &list))
	if len(list) != 1 {
		t.Fatalf("something was made: %+v", list)
	}
}

func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	h := open(t)
	other := adminKey[:17] + strings.Repeat("z", 43)
	for name, c := range map[string]access.Credential{
		"unknown":     {Key: "sk_live_nobodyxx_" + strings.Repeat("z", 43)},
		"wrong part":  {Key: other},
		"test key":    {Key: "sk_test" + adminKey[7:]},
		"native":      {Native: "k:nobodyxx"},
		"ticket":      {Ticket: "tk1.a.b.c.d"},
		"native evil": {Native: "k:../../x"},
		"native user": {Native: "u:someone"},
	} {
		id := h.front
		if c.Native != "" {
			id = h.back
		}
		if _, _, err := id.Principal(t.Context(), c); fault.CodeOf(err) != fault.Unauthorized {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]access.Credential{
		"jwt":      {Bearer: "eyJhbGciOiJub25lIn0.e30."},
		"password": {User: "admin", Password: "admin"},
		"form":     {Key: "hello"},
	} {
		if _, _, err := h.front.Principal(t.Context(), c); fault.CodeOf(err) != fault.AuthError {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGatewayMayNotAskForPrincipalsOrAddresses(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, verb := range []string{"auth.principal", "auth.projects"} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if out, err := h.gateway.Control(ctx, verb, []byte(`{"id":"k:AdminKey"}`), mesh.Header{}); err == nil {
			t.Errorf("%s answers %s", verb, out)
		}
		cancel()
	}
	out, err := h.worker.Control(t.Context(), "auth.projects", []byte(`{}`), mesh.Header{})
	check(t, err)
	var defs []struct {
		ID, Slug, Dialect string
		Schemas           []any
	}
	check(t, json.Unmarshal(out, &defs))
	if len(defs) != 1 || defs[0].Slug != "default" || len(defs[0].Schemas) != 3 || len(defs[0].ID) != 16 {
		t.Fatalf("%s", out)
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	t.Parallel()
	h := open(t)
	var last error
	for i := range 40 {
		_, _, last = h.front.Principal(t.Context(), access.Credential{
			Key: fmt.Sprintf("sk_live_guess%03d_%s", i, strings.Repeat("z", 43)), RemoteAddr: "6.6.6.6:1",
		})
	}
	wantCode(t, last, fault.RateLimited)
	if _, _, err := h.front.Principal(t.Context(), access.Credential{Key: adminKey, RemoteAddr: "1.1.1.1:1"}); err != nil {
		t.Fatal(err)
	}
}

func TestTicket(t *testing.T) {
	t.Parallel()
	h := open(t)
	k := h.create(`{"projects":["default"],"operations":["read"],"transports":["sse"]}`)
	_, token, err := h.front.Principal(t.Context(), access.Credential{Key: k.APIKey})
	check(t, err)
	issue := func() string {
		out, err := h.gateway.Control(t.Context(), "auth.ticket", nil, mesh.Header{Transport: "rest", Token: token})
		check(t, err)
		var r struct {
			Ticket    string
			ExpiresIn int
		}
		check(t, json.Unmarshal(out, &r))
		if r.ExpiresIn != 30 {
			t.Fatalf("%s", out)
		}
		return r.Ticket
	}
	ticket := issue()
	p, _, err := h.front.Principal(t.Context(), access.Credential{Ticket: ticket})
	if err != nil || p.ID != "k:"+k.ID || p.Scopes.Allows("operations", "write") {
		t.Fatalf("%+v, %v", p, err)
	}
	_, _, err = h.front.Principal(t.Context(), access.Credential{Ticket: ticket})
	wantCode(t, err, fault.Unauthorized)
	late := issue()
	check(t, h.admin(adminKey, "keys.revoke", `{"id":"`+k.ID+`"}`, nil))
	_, _, err = h.front.Principal(t.Context(), access.Credential{Ticket: late})
	wantCode(t, err, fault.Unauthorized)
	_, err = h.gateway.Control(t.Context(), "auth.ticket", nil, mesh.Header{Transport: "rest"})
	wantCode(t, err, fault.Unauthorized)
}

func TestRevocationIsFast(t *testing.T) {
	t.Parallel()
	h := open(t)
	k := h.create(`{"projects":"*","operations":"*","transports":"*"}`)
	_, token, err := h.front.Principal(t.Context(), access.Credential{Key: k.APIKey})
	check(t, err)
	_, err = h.back.Verify(token)
	check(t, err)
	told := make(chan string, 10)
	defer h.front.OnRevoke(func(id string) { told <- id })()
	closed := make(chan struct{})
	nc, err := nats.Connect(h.server.ClientURL(), nats.Token(k.APIKey), nats.MaxReconnects(3), nats.ReconnectWait(time.Millisecond),
		nats.ReconnectJitter(0, 0), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	check(t, err)
	defer nc.Close()
	began := time.Now()
	check(t, h.admin(adminKey, "keys.revoke", `{"id":"`+k.ID+`"}`, nil))
	answered := time.Since(began)
	if id := <-told; id != "k:"+k.ID {
		t.Fatal(id)
	}
	noticed := time.Since(began)
	eventually(t, func() bool { _, err := h.back.Verify(token); return err != nil })
	<-closed
	t.Logf("answered after %s, open streams told after %s, native client gone for good after %s", answered, noticed, time.Since(began))
	if noticed > 100*time.Millisecond {
		t.Logf("slower than 100 ms on this machine, now")
	}
	_, err = nats.Connect(h.server.ClientURL(), nats.Token(k.APIKey))
	if err == nil {
		t.Fatal("the revoked key comes in")
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	h := open(t)
	told := make(chan string, 10)
	defer h.back.OnRevoke(func(id string) { told <- id })()
	var k shown
	var end time.Time
	var token string
	for life := 1200 * time.Millisecond; token == ""; life *= 2 { // a key that ended before it was used proves nothing
		end = time.Now().Add(life).UTC().Truncate(time.Millisecond) // as it is kept
		err := h.admin(adminKey, "keys.create", `{"permissions":{"operations":["read"]},"expiresAt":"`+end.Format(time.RFC3339Nano)+`"}`, &k)
		if err == nil {
			_, token, err = h.front.Principal(t.Context(), access.Credential{Key: k.APIKey})
		}
		if err != nil && time.Now().Before(end) {
			t.Fatal(err)
		}
	}
	for id := range told {
		if id != "k:"+k.ID {
			continue // one from before
		}
		if time.Now().Before(end) {
			t.Fatal("it ended before its time")
		}
		break
	}
	_, err := h.back.Verify(token)
	wantCode(t, err, fault.Unauthorized)
	eventually(t, func() bool {
		_, _, err := h.front.Principal(t.Context(), access.Credential{Key: k.APIKey})
		return fault.CodeOf(err) == fault.Unauthorized
	})
}

func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	h := open(t)
	k := h.create(`{"projects":["default"],"operations":["read"],"transports":["rest","nats"]}`)
	_, _, err := h.front.Principal(t.Context(), access.Credential{Key: k.APIKey, RemoteAddr: "9.8.7.6:5"})
	check(t, err)
	nc, err := nats.Connect(h.server.ClientURL(), nats.Token(k.APIKey), nats.MaxReconnects(0))
	check(t, err)
	defer nc.Close()
	before, err := h.worker.Control(t.Context(), "auth.projects", []byte(`{}`), mesh.Header{})
	check(t, err)
	check(t, h.stop())
	if _, token, err := h.front.Principal(t.Context(), access.Credential{Key: k.APIKey}); err != nil || token == "" {
		t.Fatalf("what is known works without the service: %v", err)
	}
	_, _, err = h.front.Principal(t.Context(), access.Credential{Key: "sk_live_unknownX_" + strings.Repeat("z", 43)})
	wantCode(t, err, fault.Unavailable)
	h.start()
	after, err := h.worker.Control(t.Context(), "auth.projects", []byte(`{}`), mesh.Header{})
	check(t, err)
	if string(before) != string(after) {
		t.Fatalf("%s\n%s", before, after)
	}
	var list []shown
	check(t, h.admin(adminKey, "keys.list", `{}`, &list))
	for _, x := range list {
		if x.ID == k.ID && (x.UsageCount < 2 || x.LastIP == "") {
			t.Fatalf("its use was forgotten: %+v", x)
		}
	}
	// A client from before the restart is found, too.
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	check(t, h.admin(adminKey, "keys.delete", `{"id":"`+k.ID+`"}`, nil))
	<-closed
}

func TestCatalogsComeBackWhenWiped(t *testing.T) {
	t.Parallel()
	h := open(t)
	nc, err := h.server.Dialer(bus.RoleAuth).Dial("test")
	check(t, err)
	defer nc.Close()
	b, err := bus.OpenBucket(t.Context(), nc, bus.BucketCatalogs, bus.BucketConfig{})
	check(t, err)
	value, _, err := b.Get(t.Context(), "default")
	check(t, err)
	var c struct {
		ID, Slug, Version, Dialect string
		Schemas                    []any
		Deleted                    bool
	}
	check(t, json.Unmarshal(value, &c))
	if c.Slug != "default" || c.Version == "" || c.ID == "" || len(c.Schemas) != 3 || strings.Contains(string(value), "uri") {
		t.Fatalf("%s", value)
	}
	check(t, b.Delete(t.Context(), "default", 0))
	eventually(t, func() bool {
		again, _, err := b.Get(t.Context(), "default")
		return err == nil && string(again) == string(value)
	})
}

func TestFirstStart(t *testing.T) {
	t.Parallel()
	var told, file string
	h := open(t, func(c *auth.Config, d *auth.Deps) {
		c.AdminKey = ""
		d.FirstKey = func(key, path string) { told, file = key, path }
	})
	b, err := os.ReadFile(filepath.Join(h.dir, "admin.key"))
	check(t, err)
	if strings.TrimSpace(string(b)) != told || file != filepath.Join(h.dir, "admin.key") {
		t.Fatalf("%q, %q", told, file)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode())
	}
	p, _, err := h.front.Principal(t.Context(), access.Credential{Key: told})
	if err != nil || !p.Scopes.Allows("projects", "*") || !p.Scopes.Allows("operations", "*") {
		t.Fatalf("%+v, %v", p, err)
	}
	check(t, h.stop())
	h.start(func(c *auth.Config, d *auth.Deps) {
		d.FirstKey = func(string, string) { t.Error("a second first start") }
	})
	_, _, err = h.front.Principal(t.Context(), access.Credential{Key: adminKey})
	wantCode(t, err, fault.Unauthorized) // OCTOMESH_ADMIN_KEY counts at the first start only
}

func TestBadAdminKeyIsRefused(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"admin", "sk_live_short", adminKey + "x", "sk_live_AdminKey_" + strings.Repeat("!", 43)} {
		if _, err := auth.New(auth.Config{DataDir: t.TempDir(), AdminKey: key}, auth.Deps{Dialer: bus.URL{}}); err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%v", err)
		}
	}
}

func TestProjectsTree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tree := filepath.Join(dir, "projects-tree.json")
	write := func(text string) { check(t, os.WriteFile(tree, []byte(text), 0o600)) }
	entity := `[{"name":"Thing","collection":"things","fields":{"name":{"type":"string"}}}]`
	write(`{"shop":{"dialect":"postgres","uri":"postgres://u:secret@h/db","schemas":` + entity + `}}`)
	withTree := func(c *auth.Config, _ *auth.Deps) { c.Tree = tree }
	h := open(t, withTree)
	var list []map[string]any
	check(t, h.admin(adminKey, "projects.list", `{}`, &list))
	b, _ := json.Marshal(list)
	if len(list) != 2 || strings.Contains(string(b), "secret") || list[1]["name"] != "shop" {
		t.Fatalf("%s", b)
	}
	id := list[1]["id"]
	k := h.create(`{"projects":["shop"],"operations":["read"],"transports":["rest"]}`)
	p, _, err := h.front.Principal(t.Context(), access.Credential{Key: k.APIKey})
	if err != nil || !p.Scopes.Allows("projects", id.(string)) || p.Scopes.Allows("projects", "shop") {
		t.Fatalf("%+v %v", p, err)
	}
	check(t, h.stop())
	write(`{}`)
	h.start(withTree)
	check(t, h.admin(adminKey, "projects.list", `{}`, &list))
	if len(list) != 1 {
		t.Fatalf("%v", list)
	}
	check(t, h.stop())
	write(`{"shop":{"dialect":"postgres","uri":"postgres://u:secret@h/other","schemas":` + entity + `}}`)
	h.start(withTree)
	check(t, h.admin(adminKey, "projects.list", `{}`, &list))
	if len(list) != 2 || list[1]["id"] != id {
		t.Fatalf("the project came back as another one: %v", list)
	}
	check(t, h.stop())
	for name, text := range map[string]string{
		"entity of the default project": `{"users":{"dialect":"sqlite","uri":"x","schemas":` + entity + `}}`,
		"reserved":                      `{"mcp":{"dialect":"sqlite","uri":"x","schemas":` + entity + `}}`,
		"subject word":                  `{"live":{"dialect":"sqlite","uri":"x","schemas":` + entity + `}}`,
		"wildcard":                      `{"a.*":{"dialect":"sqlite","uri":"x","schemas":` + entity + `}}`,
		"case":                          `{"a":{"dialect":"sqlite","uri":"x","schemas":` + entity + `},"A":{"dialect":"sqlite","uri":"x","schemas":` + entity + `}}`,
		"schemas":                       `{"a":{"dialect":"sqlite","uri":"x","schemas":[{"name":"x"}]}}`,
		"no json":                       `{`,
	} {
		write(text)
		svc, err := auth.New(auth.Config{DataDir: h.dir, Tree: tree, Dialect: "sqlite", Strategy: "update"}, auth.Deps{Dialer: h.server.Dialer(bus.RoleAuth)})
		check(t, err)
		if err := svc.Run(t.Context()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func BenchmarkExchange(b *testing.B) {
	h := open(b)
	body := []byte(`{"key":"` + adminKey + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.gateway.Control(b.Context(), "auth.exchange", body, mesh.Header{}); err != nil {
			b.Fatal(err)
		}
	}
}
