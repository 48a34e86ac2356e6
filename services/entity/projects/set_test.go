package projects_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/entity/projects"
	"github.com/octomesh/octomesh/services/entity/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const notes = `[{"name":"Note","collection":"notes","fields":{"text":{"type":"string"}}}]`

// recorder is a Host that counts how often a project was withdrawn and knows
// which catalog was announced last, or refuses to announce.
type recorder struct {
	*bus.Host
	mu        sync.Mutex
	withdrawn map[string]int
	catalog   string
	refuse    int
}

func (r *recorder) Serve(p bus.Project, c mesh.Caller) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse > 0 {
		r.refuse--
		return fault.New(fault.Unavailable, "not now")
	}
	r.catalog = p.CatalogVersion
	return r.Host.Serve(p, c)
}

func (r *recorder) Withdraw(slug string) error {
	err := r.Host.Withdraw(slug)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.withdrawn[slug]++
	return err
}

func (r *recorder) times(slug string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.withdrawn[slug]
}

// house is a Set on a mesh of its own; its definitions are the test's.
type house struct {
	t      *testing.T
	set    *projects.Set
	host   *recorder
	client *bus.Client
	dir    string
	before func(r *mesh.Request) // runs in the worker, ahead of each call

	mu   sync.Mutex
	defs []map[string]any
}

func open(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), before: func(*mesh.Request) {}}
	srv, err := embedded.Start(embedded.Options{StoreDir: t.TempDir(), Port: embedded.NoListen})
	check(t, err)
	t.Cleanup(srv.Shutdown)
	h.client, err = bus.NewClient(srv.Dialer(bus.RoleGateway), bus.ClientOptions{})
	check(t, err)
	t.Cleanup(h.client.Close)
	publisher, err := relay.Connect(srv.Dialer(bus.RoleRelay))
	check(t, err)
	t.Cleanup(publisher.Close)
	host, err := bus.NewHost(srv.Dialer(bus.RoleEntity), bus.HostOptions{})
	check(t, err)
	h.host = &recorder{Host: host, withdrawn: map[string]int{}}
	h.set = projects.New(projects.Options{
		Dialects: projects.BuiltIn(), DataDir: h.dir, CursorKey: make([]byte, 32), Host: h.host, Relay: publisher,
		Log: slog.New(slog.DiscardHandler), Ask: h.ask,
		Caller: func(p *projects.Project) mesh.Caller {
			return mesh.CallerFunc(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
				h.before(r)
				return p.Store.Call(ctx, r, nil)
			})
		},
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		check(t, host.Drain(ctx))
		h.set.Close()
	})
	return h
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) ask(context.Context) ([]projects.Definition, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	text, err := json.Marshal(h.defs)
	if err != nil {
		return nil, err
	}
	var defs []projects.Definition
	return defs, json.Unmarshal(text, &defs)
}

// define replaces what the auth service would tell: each is slug, id, and
// members that differ from the usual.
func (h *house) define(defs ...map[string]any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.defs = defs
}

func def(id, slug string, more ...any) map[string]any {
	d := map[string]any{"id": id, "slug": slug, "dialect": "sqlite", "schemas": json.RawMessage(notes)}
	for i := 0; i < len(more); i += 2 {
		d[more[i].(string)] = more[i+1]
	}
	return d
}

func (h *house) sync() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
	defer cancel()
	check(h.t, h.set.Sync(ctx))
}

func (h *house) call(slug, op, args string) (string, error) {
	patience := 20 * time.Second
	if op == "count" { // which is asked again and again
		patience = 200 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := h.client.Call(ctx, &mesh.Request{Project: slug, Entity: "Note", Op: op, Args: []byte(args), Header: mesh.Header{Transport: "rest"}})
	if err != nil {
		return "", err
	}
	return string(r.Body), nil
}

// tell says what the bucket of catalogs would.
func (h *house) tell(id, slug string, deleted bool) {
	h.t.Helper()
	cat, err := schema.Parse([]byte(notes))
	check(h.t, err)
	value, err := json.Marshal(map[string]any{"id": id, "slug": slug, "version": cat.Version, "dialect": "sqlite", "schemas": json.RawMessage(notes), "deleted": deleted})
	check(h.t, err)
	h.set.Changed(value)
}

// eventually waits for a state that other goroutines bring about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal(what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// A catalog in force that could not be announced is announced later: until then
// every caller with the new one is refused.
func TestCatalogIsAnnouncedInTheEnd(t *testing.T) {
	h := open(t)
	h.define(def("p1", "shop"))
	h.sync()
	const more = `[{"name":"Note","collection":"notes","fields":{"text":{"type":"string"},"author":{"type":"string"}}}]`
	cat, err := schema.Parse([]byte(more))
	check(t, err)
	h.host.mu.Lock()
	before := h.host.catalog
	h.host.refuse = 1
	h.host.mu.Unlock()
	h.define(def("p1", "shop", "schemas", json.RawMessage(more)))
	h.sync()
	eventually(t, "the catalog in force was never announced", func() bool {
		h.host.mu.Lock()
		defer h.host.mu.Unlock()
		return h.host.catalog == cat.Version && before != cat.Version && h.host.refuse == 0
	})
}

// A project that cannot be opened is tried again and again, and none of the
// others waits for it.
func TestBrokenProjectsHurtNoOther(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.define(
		def("p1", "first"),
		def("p2", "unknown", "dialect", "abacus"),
		def("p3", "elsewhere", "uri", filepath.Join(h.dir, "no", "such", "folder", "\x00")),
		def("p4", "senseless", "schemas", json.RawMessage(`[{"name":7}]`)),
		def("p5", "wild.*", "uri", "wild.db"),
		def("p6", "refusing", "dialect", "postgres", "uri", "postgres://nobody@127.0.0.1:1/none?connect_timeout=1"),
		def("p7", "last"),
	)
	h.sync()
	for _, slug := range []string{"first", "last"} {
		if _, err := h.call(slug, "create", `{"data":{"text":"x"}}`); err != nil {
			t.Errorf("%s: %v", slug, err)
		}
	}
	for _, slug := range []string{"unknown", "elsewhere", "senseless", "refusing"} {
		if _, err := h.call(slug, "count", `{}`); fault.CodeOf(err) != fault.NoHandler {
			t.Errorf("%s: %v", slug, err)
		}
	}
	// Mended, it comes without a restart.
	h.define(def("p1", "first"), def("p4", "senseless"))
	h.tell("p4", "senseless", false)
	eventually(t, "the mended project is not served", func() bool {
		_, err := h.call("senseless", "count", `{}`)
		return err == nil
	})
}

// Two projects can have one slug, when one was deleted and its name was given
// away while this worker did not hear of it. The newer one is served, alone, and
// the late news of the older one's end does not end it.
func TestTwoProjectsWithOneSlug(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.define(def("old", "shop"), def("other", "other"))
	h.sync()
	if _, err := h.call("shop", "create", `{"data":{"text":"of the old one"}}`); err != nil {
		t.Fatal(err)
	}
	for round := range 10 { // both orders of opening and closing come about
		id := fmt.Sprint("new", round)
		h.define(def(id, "shop"), def("other", "other"))
		h.tell(id, "shop", false)
		eventually(t, "the new project is not served", func() bool {
			body, err := h.call("shop", "count", `{}`)
			return err == nil && body == `{"status":"ok","data":0,"metadata":{"total":0}}`
		})
		h.tell(map[bool]string{true: "old", false: fmt.Sprint("new", round-1)}[round == 0], "shop", true)
		eventually(t, "the old project is not withdrawn", func() bool { return h.host.times("shop") == round+1 })
		if _, err := h.call("shop", "create", `{"data":{"text":"of the new one"}}`); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if _, err := h.call("other", "count", `{}`); err != nil {
			t.Fatal(err)
		}
	}
	slugs := map[string]string{}
	h.set.Each(func(id, slug string, _ *schema.Catalog) { slugs[slug] = id })
	if slugs["shop"] != "new9" || slugs["other"] != "other" {
		t.Errorf("discover would tell of %v", slugs)
	}
}

// In one list the first of two counts, today and at the next look.
func TestOneListWithASlugTwice(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.define(def("a", "shop"), def("b", "shop"))
	for want := range 5 {
		h.sync()
		body, err := h.call("shop", "create", `{"data":{"text":"x"}}`)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := h.call("shop", "count", `{}`); err != nil || got != fmt.Sprintf(`{"status":"ok","data":%[1]d,"metadata":{"total":%[1]d}}`, want+1) {
			t.Fatalf("after %s: %s, %v", body, got, err)
		}
	}
}

// Calls under way when a project is withdrawn are answered by its database;
// those that come too late are told that nobody serves it.
func TestWithdrawnWhileCallsRun(t *testing.T) {
	t.Parallel()
	h := open(t)
	const running = 8
	entered, release := make(chan struct{}, running), make(chan struct{})
	h.before = func(r *mesh.Request) {
		if r.Op == "create" {
			entered <- struct{}{}
			<-release
		}
	}
	h.define(def("p1", "shop"))
	h.sync()
	results := make(chan error, running)
	for range running {
		go func() {
			_, err := h.call("shop", "create", `{"data":{"text":"x"}}`)
			results <- err
		}()
	}
	for range running {
		<-entered
	}
	h.define()
	h.tell("p1", "shop", true)
	eventually(t, "it is still served", func() bool {
		_, err := h.call("shop", "count", `{}`)
		return fault.CodeOf(err) == fault.NoHandler
	})
	close(release)
	for range running {
		if err := <-results; err != nil {
			t.Errorf("a call under way failed: %v", err)
		}
	}
	h.define(def("p1", "shop")) // and it comes back with what they wrote
	h.tell("p1", "shop", false)
	eventually(t, "it does not come back", func() bool {
		body, err := h.call("shop", "count", `{}`)
		return err == nil && body == `{"status":"ok","data":8,"metadata":{"total":8}}`
	})
}

// Comings and goings under load cost a call at most its project, never its
// process or its meaning.
func TestComingAndGoingUnderLoad(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.define(def("p1", "shop"))
	h.sync()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, err := h.call("shop", "create", `{"data":{"text":"x"}}`)
				switch fault.CodeOf(err) {
				case "", fault.NoHandler:
				default:
					t.Errorf("a call ended with %v", err)
					return
				}
			}
		})
	}
	for range 10 {
		h.tell("p1", "shop", true)
		h.tell("p1", "shop", false)
		eventually(t, "it does not come back", func() bool {
			_, err := h.call("shop", "count", `{}`)
			return err == nil
		})
	}
	stop()
	wg.Wait()
}
