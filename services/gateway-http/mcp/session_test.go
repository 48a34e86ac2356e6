package mcp

import (
	"fmt"
	"testing"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// Sessions that are being opened count as those that are open.
func TestReserve(t *testing.T) {
	var s sessions
	of := func(principal string) *caller { return &caller{principal: &mesh.Principal{ID: principal}} }
	var all []*caller
	for range maxSessionsOfOne {
		c := of("k")
		if err := s.reserve(c); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	if err := s.reserve(of("k")); fault.CodeOf(err) != fault.Overloaded {
		t.Errorf("one too many: %v", err)
	}
	if err := s.reserve(of("other")); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	s.release(all[0])
	s.release(all[0])
	if err := s.reserve(of("k")); err != nil {
		t.Errorf("a place was given back: %v", err)
	}
	for len(s.opening) < maxSessions {
		s.opening[of("many")] = struct{}{}
	}
	if err := s.reserve(of("last")); fault.CodeOf(err) != fault.Overloaded {
		t.Errorf("too many of all: %v", err)
	}
}

// A view that a request was given stays until the request is over, however many
// others come.
func TestViewsInUseStay(t *testing.T) {
	var m *MCP
	scripted.New(t, httpserver.Options{}, func(h *scripted.House, mux *httpserver.Mux) {
		m = New(h.Door, h.Hub, Options{})
		m.Mount(mux)
	})
	of := func(project string) *caller {
		c := &caller{}
		c.is(&mesh.Principal{Kind: mesh.Key, ID: "k", Scopes: mesh.Scopes{access.Projects: {project}, access.Operations: {"read"}, access.Transports: {"*"}}})
		return c
	}
	held := m.viewOf(of("held"))
	for i := range maxViews + 8 {
		m.leave(m.viewOf(of(fmt.Sprint(i))))
	}
	if len(m.views) != maxViews {
		t.Errorf("%d views", len(m.views))
	}
	again := m.viewOf(of("held"))
	if again != held {
		t.Error("the view was forgotten between its request's beginning and end")
	}
	m.leave(held)
	m.leave(again)
	for i := range maxViews {
		m.leave(m.viewOf(of(fmt.Sprint("later", i))))
	}
	if m.views[of("held").sees] != nil {
		t.Error("a view that nobody uses was kept before others")
	}
}

// TestSameRightsAreTheSameView: whose scopes are only written in another order
// keeps his sessions; whose rights are others does not.
func TestSameRightsAreTheSameView(t *testing.T) {
	of := func(s mesh.Scopes) string {
		c := &caller{named: "shop"}
		c.is(&mesh.Principal{ID: "k", Scopes: s})
		return c.sees
	}
	was := of(mesh.Scopes{access.Operations: {"read", "write"}, access.Transports: {"mcp"}})
	for _, s := range []mesh.Scopes{
		{access.Transports: {"mcp"}, access.Operations: {"write", "read"}},
		{access.Transports: {"mcp", "mcp"}, access.Operations: {"write", "read", "write"}},
	} {
		if of(s) != was {
			t.Errorf("%v is another view", s)
		}
	}
	for _, s := range []mesh.Scopes{
		{access.Operations: {"read"}, access.Transports: {"mcp"}},
		{access.Operations: {"read", "write", "mcp"}},
		{access.Operations: {`read","write`}, access.Transports: {"mcp"}},
	} {
		if of(s) == was {
			t.Errorf("%v is the same view", s)
		}
	}
}
