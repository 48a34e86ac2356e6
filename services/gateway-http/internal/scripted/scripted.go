// Package scripted is pkg/gateway/scripted, and over it a server of a test.
package scripted

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/gateway/scripted"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// What the scripted house has.
const (
	Schemas = scripted.Schemas
	Key     = scripted.Key
	Reader  = scripted.Reader
	Slow    = scripted.Slow
	Ticket  = scripted.Ticket
)

// What the scripted house is made of.
type (
	Call     = scripted.Call
	Mesh     = scripted.Mesh
	Chunks   = scripted.Chunks
	Identity = scripted.Identity
	Feed     = scripted.Feed
	Stream   = scripted.Stream
)

// House is a gateway's surroundings, and the server of a test.
type House struct {
	Mesh     *Mesh
	Identity *Identity
	Feed     *Feed
	Hub      *live.Hub
	Door     *door.Door
	Server   *httpserver.Server
	Addr     string
}

// New builds a house with the projects default and shop; mount adds what is
// tested. The server ends with the test. A request may work for a minute unless o
// says otherwise: what a test asks is answered however busy the machine is.
func New(t testing.TB, o httpserver.Options, mount func(*House, *httpserver.Mux)) *House {
	t.Helper()
	if o.RequestTimeout == 0 {
		o.RequestTimeout = time.Minute
	}
	h := &House{Mesh: &Mesh{}, Identity: &Identity{}, Feed: scripted.NewFeed()}
	projects, err := scripted.Projects("default", "shop")
	if err != nil {
		t.Fatal(err)
	}
	h.Hub = live.NewHub(h.Identity, h.Feed)
	h.Door = &door.Door{Caller: h.Mesh, Identity: h.Identity, Projects: projects, Rates: access.NewLimiter(), Log: httpserver.Discard()}
	mux := httpserver.NewMux()
	mount(h, mux)
	h.Server = httpserver.New(mux, o)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.Addr = ln.Addr().String()
	done := make(chan error, 1)
	go func() { done <- h.Server.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := h.Server.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return h
}

// Catalog compiles the scripted schemas.
func Catalog(t testing.TB) *schema.Catalog {
	c, err := schema.Parse([]byte(Schemas))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
