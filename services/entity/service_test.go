package entity_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/entity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const articles = `[{"name":"Article","collection":"articles","timestamps":true,"fields":{
 "title":{"type":"string","required":true},"n":{"type":"integer"},"secret":{"type":"string","hidden":true}}}]`

const moreArticles = `[{"name":"Article","collection":"articles","timestamps":true,"fields":{
 "title":{"type":"string","required":true},"n":{"type":"integer"},"m":{"type":"integer"},"secret":{"type":"string","hidden":true}}}]`

// who is the identity of a test: a token is a name.
type who struct{}

func (who) Caller(_ context.Context, h *mesh.Header) (*mesh.Principal, error) {
	all := mesh.Scopes{"projects": {"*"}, "operations": {"read", "write"}, "transports": {"*"}}
	switch h.Token {
	case "":
		return &mesh.Principal{Kind: mesh.Anonymous}, nil
	case "all":
		return &mesh.Principal{ID: "k:all", Kind: mesh.Key, Scopes: all}, nil
	case "reader":
		return &mesh.Principal{ID: "k:reader", Kind: mesh.Key, Scopes: mesh.Scopes{"projects": {"pdefault"}, "operations": {"read"}, "transports": {"*"}}}, nil
	}
	return nil, fault.New(fault.Unauthorized, "unknown")
}

// house is a NATS server, an auth service of few words and one worker.
type house struct {
	t       testing.TB
	dir     string // of the databases
	srv     *embedded.Server
	client  *bus.Client
	buckets *bus.Bucket
	closers []func()
	options embedded.Options

	mu   sync.Mutex
	defs []map[string]any
}

func open(t testing.TB, dir, jetstream string) *house {
	t.Helper()
	return openOn(t, dir, embedded.Options{StoreDir: jetstream, Port: embedded.NoListen})
}

// openOn is open with a server of one's choice; with a port everything connects
// over the network, and reconnect can restart it.
func openOn(t testing.TB, dir string, o embedded.Options) *house {
	t.Helper()
	srv, err := embedded.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, dir: dir, srv: srv, options: o}
	h.closers = append(h.closers, func() { h.srv.Shutdown() })
	h.define("default", articles)
	auth, err := h.dialer(bus.RoleAuth).Dial("test")
	if err != nil {
		t.Fatal(err)
	}
	h.closers = append(h.closers, auth.Close)
	stop, err := bus.ServeControl(auth, "auth", map[string]bus.ControlFunc{
		"projects": func(context.Context, *bus.ControlRequest) ([]byte, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			return json.Marshal(h.defs)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.closers = append(h.closers, stop)
	if h.buckets, err = bus.OpenBucket(t.Context(), auth, bus.BucketCatalogs, bus.BucketConfig{Create: true}); err != nil {
		t.Fatal(err)
	}
	if h.client, err = bus.NewClient(h.dialer(bus.RoleGateway), bus.ClientOptions{}); err != nil {
		t.Fatal(err)
	}
	h.closers = append(h.closers, h.client.Close)
	t.Cleanup(h.close)
	return h
}

func (h *house) dialer(role string) bus.Dialer {
	if h.options.Port == embedded.NoListen {
		return h.srv.Dialer(role)
	}
	return bus.URL{Addr: h.srv.ClientURL(), Service: role, Role: role, Seed: h.srv.Seed(role), Options: quickly}
}

// restart stops the NATS server and starts it anew on the same port.
func (h *house) restart() {
	h.t.Helper()
	u, err := url.Parse(h.srv.ClientURL())
	if err != nil {
		h.t.Fatal(err)
	}
	if h.options.Port, err = strconv.Atoi(u.Port()); err != nil {
		h.t.Fatal(err)
	}
	h.options.Seeds = map[string]string{}
	for _, role := range bus.Roles() {
		h.options.Seeds[role] = h.srv.Seed(role)
	}
	h.srv.Shutdown()
	if h.srv, err = embedded.Start(h.options); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) close() {
	for i := len(h.closers) - 1; i >= 0; i-- {
		h.closers[i]()
	}
	h.closers = nil
}

// define names a project to the auth service.
func (h *house) define(slug, schemas string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.defs = append(h.defs, map[string]any{"id": "p" + slug, "slug": slug, "dialect": "sqlite", "schemas": json.RawMessage(schemas)})
}

// publish tells everybody of a project's catalog.
func (h *house) publish(slug, schemas string, deleted bool) {
	h.t.Helper()
	cat, err := schema.Parse([]byte(schemas))
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	for _, d := range h.defs {
		if d["slug"] == slug {
			d["schemas"] = json.RawMessage(schemas)
		}
	}
	h.mu.Unlock()
	value, err := json.Marshal(map[string]any{"id": "p" + slug, "slug": slug, "version": cat.Version, "dialect": "sqlite", "schemas": json.RawMessage(schemas), "deleted": deleted})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.buckets.Put(h.t.Context(), slug, value); err != nil {
		h.t.Fatal(err)
	}
}

// work starts a worker and returns what stops it.
func (h *house) work() func() {
	h.t.Helper()
	s, err := entity.New(entity.Config{DataDir: h.dir}, entity.Deps{Dialer: h.dialer(bus.RoleEntity), Relay: h.dialer(bus.RoleRelay), Identity: who{}})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-done:
		h.t.Fatalf("the worker ended with %v", err)
	case <-time.After(60 * time.Second):
		h.t.Fatal("the worker does not become ready")
	}
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				h.t.Errorf("the worker ended with %v", err)
			}
		})
	}
	h.closers = append(h.closers, stop)
	return stop
}

func (h *house) feed() *event.Feed {
	h.t.Helper()
	cat, err := schema.Parse([]byte(articles))
	if err != nil {
		h.t.Fatal(err)
	}
	f, err := event.NewFeed(event.FeedOptions{
		Dialer: h.dialer(bus.RoleGateway), Caller: h.client,
		Catalog: func(slug string) (*event.Project, bool) {
			return &event.Project{ID: "p" + slug, Slug: slug, Catalog: cat}, slug == "default"
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.closers = append(h.closers, f.Close)
	return f
}

func (h *house) try(token, entity, op, args string) (*mesh.Reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return h.client.Call(ctx, &mesh.Request{Project: "default", Entity: entity, Op: op, Args: []byte(args), Header: mesh.Header{Transport: "rest", Token: token, RequestID: "req-1"}})
}

func (h *house) create(n int) mesh.Position {
	h.t.Helper()
	r, err := h.try("all", "Article", "create", fmt.Sprintf(`{"data":{"title":"t","n":%d,"secret":"hush"}}`, n))
	if err != nil {
		h.t.Fatal(err)
	}
	return r.Position
}

func subscribe(t testing.TB, f *event.Feed, sub event.Subscription) *event.Stream {
	t.Helper()
	sub.Project, sub.Transport = "default", "sse"
	sub.Principal, _ = who{}.Caller(t.Context(), &mesh.Header{Token: "all"})
	s, err := f.Subscribe(t.Context(), sub)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func next(t testing.TB, s *event.Stream) event.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	e, err := s.Next(ctx)
	if err != nil {
		t.Fatalf("no event: %v", err)
	}
	return e
}

func TestWholeWay(t *testing.T) {
	t.Parallel()
	h := open(t, t.TempDir(), t.TempDir())
	h.work()
	f := h.feed()
	s := subscribe(t, f, event.Subscription{})
	at := h.create(1)
	e := next(t, s)
	if e.Type != mesh.Created || e.Entity != "Article" || e.Position != at {
		t.Fatalf("%+v, want the creation at %v", e, at)
	}
	var body struct {
		Type, Event, Project, Position string
		Data                           map[string]any
	}
	if err := json.Unmarshal(e.JSON, &body); err != nil || body.Type != "event" || body.Event != "entity.created" || body.Project != "default" || body.Position != at.String() || body.Data["n"] != 1.0 {
		t.Fatalf("%s (%v)", e.JSON, err)
	}
	if strings.Contains(string(e.JSON), "hush") || strings.Contains(string(e.JSON), `"op"`) {
		t.Fatalf("the event tells too much: %s", e.JSON)
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	h := open(t, t.TempDir(), t.TempDir())
	h.work()
	first := h.create(0)
	for n := 1; n <= 300; n++ {
		h.create(n)
	}
	for name, f := range map[string]*event.Feed{"ring": h.feed(), "cold": h.feed()} {
		s := subscribe(t, f, event.Subscription{From: first, Entities: []string{"articles"}, Filter: json.RawMessage(`{"n":{"$gt":200}}`)})
		if s.Gap || s.Start != first {
			t.Fatalf("%s: began at %v, gap %v", name, s.Start, s.Gap)
		}
		for n := 201; n <= 300; n++ {
			if e := next(t, s); e.Position.Seq != first.Seq+int64(n) || e.Match != event.Enter {
				t.Fatalf("%s: %+v, want seq %d", name, e, first.Seq+int64(n))
			}
		}
	}
	s := subscribe(t, h.feed(), event.Subscription{From: mesh.Position{Epoch: "other", Seq: 3}})
	if !s.Gap {
		t.Fatal("a position of another epoch was accepted")
	}
}

func TestFilteredSubscriberSeesEnterStayLeave(t *testing.T) {
	t.Parallel()
	h := open(t, t.TempDir(), t.TempDir())
	h.work()
	s := subscribe(t, h.feed(), event.Subscription{Entities: []string{"Article"}, Filter: json.RawMessage(`{"n":{"$gte":10}}`)})
	for _, args := range []string{`{"data":{"id":"a","title":"t","n":1}}`} {
		if _, err := h.try("all", "Article", "create", args); err != nil {
			t.Fatal(err)
		}
	}
	steps := []struct {
		op, args string
		want     event.Match
	}{
		{"update", `{"id":"a","data":{"n":10}}`, event.Enter},
		{"update", `{"id":"a","data":{"title":"u"}}`, event.Stay},
		{"increment", `{"id":"a","field":"n","amount":-1}`, event.Leave},
		{"upsert", `{"filter":{"id":"a"},"data":{"n":20,"title":"v"}}`, event.Enter},
		{"delete", `{"id":"a"}`, event.Leave},
	}
	for _, step := range steps {
		if _, err := h.try("all", "Article", step.op, step.args); err != nil {
			t.Fatalf("%s: %v", step.op, err)
		}
		e := next(t, s)
		if e.Match != step.want || e.ID != "a" {
			t.Fatalf("%s %s: %v %s, want %v", step.op, step.args, e.Match, e.JSON, step.want)
		}
		if leaves := e.Match == event.Leave; leaves == strings.Contains(string(e.JSON), `"data"`) {
			t.Fatalf("%s", e.JSON)
		}
	}
}

func TestWipedJetStreamLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := open(t, dir, t.TempDir())
	h.work()
	var last mesh.Position
	for n := range 50 {
		last = h.create(n)
	}
	h.close()
	h = open(t, dir, t.TempDir()) // a JetStream directory of its own, empty
	h.work()
	f := h.feed()
	s := subscribe(t, f, event.Subscription{From: mesh.Position{Epoch: last.Epoch, Seq: last.Seq - 10}})
	if s.Gap {
		t.Fatal("a wiped stream made a gap")
	}
	now := h.create(99)
	if now.Epoch != last.Epoch || now.Seq != last.Seq+1 {
		t.Fatalf("after %v came %v", last, now)
	}
	for seq := last.Seq - 9; seq <= now.Seq; seq++ {
		if e := next(t, s); e.Position.Seq != seq {
			t.Fatalf("%v, want %d", e.Position, seq)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	h := open(t, t.TempDir(), t.TempDir())
	h.work()
	for _, tc := range []struct {
		token, entity, op, args string
		want                    fault.Code
	}{
		{"", "Article", "findAll", `{}`, fault.Unauthorized},
		{"", "Nothing", "whatever", `{}`, fault.Unauthorized},
		{"forged", "Article", "findAll", `{}`, fault.Unauthorized},
		{"reader", "Article", "create", `{"data":{"title":"x"}}`, fault.Forbidden},
		{"reader", "_project", "transaction", `{"operations":[]}`, fault.Forbidden},
		{"", "_project", "changes", `{"position":"tail"}`, fault.Unauthorized},
		{"all", "Nothing", "findAll", `{}`, fault.UnknownEntity},
		{"all", "Article", "explode", `{}`, fault.UnknownOp},
		{"all", "Article", "create", `{"data":{"title":"x"`, fault.ParseError},
		{"all", "Article", "create", `{}`, fault.MissingData},
		{"all", "Article", "create", `{"data":{"title":7}}`, fault.ValidationError},
		{"all", "Article", "findAll", `{"filter":{"secret":"hush"}}`, fault.InvalidFilter},
	} {
		_, err := h.try(tc.token, tc.entity, tc.op, tc.args)
		if fault.CodeOf(err) != tc.want {
			t.Errorf("%q %s.%s %s: %v, want %s", tc.token, tc.entity, tc.op, tc.args, err, tc.want)
		}
	}
	if _, err := h.try("reader", "Article", "findAll", `{}`); err != nil {
		t.Errorf("a reader may not read: %v", err)
	}
}

func TestCatalogSwapWithoutRestart(t *testing.T) {
	t.Parallel()
	h := open(t, t.TempDir(), t.TempDir())
	h.work()
	h.create(1)
	cat, err := schema.Parse([]byte(moreArticles))
	if err != nil {
		t.Fatal(err)
	}
	h.publish("default", moreArticles, false)
	// A gateway that knows the new catalog may ask before the worker has heard.
	late := time.Now().Add(60 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		_, err = h.client.Call(ctx, &mesh.Request{
			Project: "default", Entity: "Article", Op: "create", Args: []byte(`{"data":{"title":"x","m":5}}`),
			Header: mesh.Header{Transport: "rest", Token: "all", CatalogVersion: cat.Version},
		})
		cancel()
		if err == nil {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("the new catalog is not in force: %v", err)
		}
	}
}

func TestProjectsComeAndGo(t *testing.T) {
	t.Parallel()
	h := open(t, t.TempDir(), t.TempDir())
	h.work()
	call := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		_, err := h.client.Call(ctx, &mesh.Request{Project: "shop", Entity: "Article", Op: "count", Args: []byte(`{}`), Header: mesh.Header{Transport: "rest", Token: "all"}})
		return err
	}
	until := func(what string, ok func(error) bool) {
		t.Helper()
		for late := time.Now().Add(60 * time.Second); ; {
			err := call()
			if ok(err) {
				return
			}
			if time.Now().After(late) {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	if err := call(); err == nil {
		t.Fatal("a project that nobody has defined is served")
	}
	h.define("shop", articles)
	h.publish("shop", articles, false)
	until("it comes", func(err error) bool { return err == nil })
	h.publish("shop", articles, true)
	until("it goes", func(err error) bool {
		return fault.CodeOf(err) == fault.NoHandler || fault.CodeOf(err) == fault.Timeout
	})
	if _, err := h.try("all", "Article", "count", `{}`); err != nil {
		t.Fatalf("the other project: %v", err)
	}
}

func TestSecondWorkerTakesOver(t *testing.T) {
	t.Parallel()
	h := open(t, t.TempDir(), t.TempDir())
	stop := h.work()
	before := h.create(1)
	h.work() // stands by: the first one has the file's lock
	h.create(2)
	stop()
	after := h.create(3)
	if after.Epoch != before.Epoch || after.Seq != before.Seq+2 {
		t.Fatalf("%v, then %v", before, after)
	}
}

func TestDiscoverTellsWhatTheCallerMay(t *testing.T) {
	t.Parallel()
	h := open(t, t.TempDir(), t.TempDir())
	h.work()
	ask := func(token string) (string, error) {
		hdr := mesh.Header{Token: token, Transport: "rest"}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		msg, err := h.client.Conn().RequestMsgWithContext(ctx, newMsg("mostajs.discover", bus.AppendHeader(nil, &hdr, time.Second)))
		if err != nil {
			return "", err
		}
		if c := msg.Header.Get("Nats-Service-Error"); c != "" {
			return "", fault.New(fault.Code(c), "refused")
		}
		return string(msg.Data), nil
	}
	all, err := ask("all")
	if err != nil || !strings.Contains(all, `"mostajs.Article.create"`) || !strings.Contains(all, `"fields":["title","n"]`) {
		t.Fatalf("%s %v", all, err)
	}
	if !strings.Contains(all, `"mostajs.stream.default.Article.stream"`) || strings.Contains(all, `"mostajs.Article.stream"`) {
		t.Errorf("stream can be asked on the stream subjects only: %s", all)
	}
	some, err := ask("reader")
	if err != nil || strings.Contains(some, "create") || !strings.Contains(some, `"mostajs.Article.findAll"`) {
		t.Fatalf("%s %v", some, err)
	}
	if _, err := ask(""); !errors.Is(err, fault.New(fault.Unauthorized, "")) {
		t.Fatalf("anonymous: %v", err)
	}
}

func TestCursorKeyIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	deps := entity.Deps{Dialer: bus.URL{}, Relay: bus.URL{}}
	for range 2 {
		if _, err := entity.New(entity.Config{DataDir: dir}, deps); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "cursor.key"))
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 32 {
		t.Fatalf("%v %v", info, err)
	}
	if _, err := entity.New(entity.Config{DataDir: dir, CursorKey: "short"}, deps); err == nil {
		t.Fatal("a bad key was accepted")
	}
}
