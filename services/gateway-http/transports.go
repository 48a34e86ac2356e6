package gatewayhttp

import (
	"github.com/octomesh/octomesh/services/gateway-http/arrowhttp"
	"github.com/octomesh/octomesh/services/gateway-http/graphql"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/jsonrpc"
	"github.com/octomesh/octomesh/services/gateway-http/mcp"
	"github.com/octomesh/octomesh/services/gateway-http/odata"
	"github.com/octomesh/octomesh/services/gateway-http/rest"
	"github.com/octomesh/octomesh/services/gateway-http/sse"
	"github.com/octomesh/octomesh/services/gateway-http/trpc"
	"github.com/octomesh/octomesh/services/gateway-http/ws"
)

// transport is one protocol of the gateway. Adding one is a folder, an entry
// here and a toggle in Config.
type transport struct {
	name    string
	enabled func(*Config) bool
	mount   func(*Service, *httpserver.Mux)
}

// transports is the list of all protocols: there is no other way in.
var transports = []transport{
	{rest.Transport, func(c *Config) bool { return c.REST }, func(s *Service, m *httpserver.Mux) {
		r := rest.New(s.door)
		r.Health = s.admin.Health
		r.Mount(m)
	}},
	{graphql.Transport, func(c *Config) bool { return c.GraphQL }, func(s *Service, m *httpserver.Mux) { graphql.New(s.door, s.link.Hub).Mount(m) }},
	{mcp.Transport, func(c *Config) bool { return c.MCP }, func(s *Service, m *httpserver.Mux) {
		t := mcp.New(s.door, s.link.Hub, mcp.Options{
			PerEntity: s.cfg.MCPMode == mcp.ModeEntity, PublicKey: s.cfg.MCPPublicKey, Hosts: s.cfg.MCPHosts,
			SessionTimeout: s.cfg.MCPSessionTimeout, CallTimeout: s.cfg.RequestTimeout,
		})
		s.closers = append(s.closers, t.Close)
		t.Mount(m)
	}},
	{ws.Transport, func(c *Config) bool { return c.WS }, func(s *Service, m *httpserver.Mux) { ws.New(s.door, s.link.Hub).Mount(m) }},
	{sse.Transport, func(c *Config) bool { return c.SSE }, func(s *Service, m *httpserver.Mux) { sse.New(s.door, s.link.Hub).Mount(m) }},
	{odata.Transport, func(c *Config) bool { return c.OData }, func(s *Service, m *httpserver.Mux) { odata.New(s.door).Mount(m) }},
	{jsonrpc.Transport, func(c *Config) bool { return c.JSONRPC }, func(s *Service, m *httpserver.Mux) { jsonrpc.New(s.door).Mount(m) }},
	{trpc.Transport, func(c *Config) bool { return c.TRPC }, func(s *Service, m *httpserver.Mux) { trpc.New(s.door, s.link.Hub).Mount(m) }},
	{arrowhttp.Transport, func(c *Config) bool { return c.Arrow }, func(s *Service, m *httpserver.Mux) { arrowhttp.New(s.door).Mount(m) }},
}

// Transports returns the names of the protocols that c turns on.
func Transports(c *Config) []string {
	var names []string
	for _, t := range transports {
		if t.enabled(c) {
			names = append(names, t.name)
		}
	}
	return names
}
