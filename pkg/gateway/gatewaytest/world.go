// Package gatewaytest is the mesh around a gateway under test: a real NATS
// server, an auth service that knows one key, and a worker for the project
// default that answers with what it was asked.
package gatewaytest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/identity"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// Holder is whose the one key is.
const Holder = "k:AAAAAAAA"

// World is what a gateway meets.
type World struct {
	NATS   *embedded.Server
	Signer *access.Signer
	// Auth is a connection in the role auth, for further verbs.
	Auth *nats.Conn
	// Catalogs and Revocations are the buckets that gateways watch.
	Catalogs, Revocations *bus.Bucket

	t *testing.T
}

// Start makes a World that ends with t: the project default has the schemas, and
// key may do everything. verbs are further ones of the auth service.
func Start(t *testing.T, schemas, key string, verbs map[string]bus.ControlFunc) *World {
	t.Helper()
	ns, err := embedded.Start(embedded.Options{StoreDir: t.TempDir(), Port: embedded.NoListen})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Shutdown)
	w := &World{NATS: ns, t: t}
	w.auth(key, verbs)
	w.Publish("default", schemas)
	w.worker()
	return w
}

// Publish announces a project, or another version of it.
func (w *World) Publish(slug, schemas string) {
	w.t.Helper()
	value := fmt.Appendf(nil, `{"id":"id-%[1]s","slug":"%[1]s","version":"v%[2]d","dialect":"sqlite","schemas":%[3]s}`, slug, time.Now().UnixNano(), schemas)
	if err := w.Catalogs.Put(w.t.Context(), slug, value); err != nil {
		w.t.Fatal(err)
	}
}

func (w *World) auth(key string, more map[string]bus.ControlFunc) {
	t := w.t
	pair, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	if w.Signer, err = access.NewSigner(seed); err != nil {
		t.Fatal(err)
	}
	if w.Auth, err = w.NATS.Dialer(bus.RoleAuth).Dial("test"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Auth.Close)
	open := func(name string) *bus.Bucket {
		b, err := bus.OpenBucket(t.Context(), w.Auth, name, bus.BucketConfig{Create: true})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	w.Catalogs, w.Revocations = open(bus.BucketCatalogs), open(bus.BucketRevocations)
	verbs := map[string]bus.ControlFunc{
		"issuer": func(context.Context, *bus.ControlRequest) ([]byte, error) {
			return json.Marshal(map[string][]string{"keys": {w.Signer.Public()}})
		},
		"exchange": func(_ context.Context, r *bus.ControlRequest) ([]byte, error) {
			var ask identity.Ask
			if err := json.Unmarshal(r.Body, &ask); err != nil || ask.Key != key || ask.RemoteAddr == "" {
				return nil, fault.New(fault.Unauthorized, "unknown")
			}
			token, err := w.Signer.Sign(&mesh.Principal{ID: Holder, Kind: mesh.Key, Scopes: mesh.Scopes{
				access.Projects: {"*"}, access.Operations: {"*"}, access.Transports: {"*"},
			}}, time.Minute)
			if err != nil {
				return nil, err
			}
			return json.Marshal(map[string]string{"token": token})
		},
	}
	maps.Copy(verbs, more)
	w.Serve("auth", verbs)
}

// Serve serves a service of the control plane.
func (w *World) Serve(service string, verbs map[string]bus.ControlFunc) {
	w.t.Helper()
	stop, err := bus.ServeControl(w.Auth, service, verbs)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(stop)
}

func (w *World) worker() {
	h, err := bus.NewHost(w.NATS.Dialer(bus.RoleEntity), bus.HostOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	err = h.Serve(bus.Project{Slug: "default", ID: "id-default", Dialect: "sqlite"}, mesh.CallerFunc(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		if r.Token == "" {
			return nil, fault.New(fault.Unauthorized, "send an API key")
		}
		return &mesh.Reply{Body: fmt.Appendf(nil, `{"status":"ok","data":{"op":%q,"args":%s}}`, r.Op, r.Args)}, nil
	}))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = h.Drain(context.Background()) })
}

// Service is a gateway; it is service.Service.
type Service interface {
	Run(ctx context.Context) error
	Ready() <-chan struct{}
}

// Run runs a gateway until t ends, and returns once it is ready.
func (w *World) Run(s Service) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
	select {
	case <-s.Ready():
	case <-time.After(10 * time.Second):
		w.t.Fatal("the gateway does not become ready")
	}
}

// Revoke revokes the one key as of now.
func (w *World) Revoke() {
	w.t.Helper()
	name, value := identity.Revocation(Holder, time.Now())
	if err := w.Revocations.Put(w.t.Context(), name, value); err != nil {
		w.t.Fatal(err)
	}
}
