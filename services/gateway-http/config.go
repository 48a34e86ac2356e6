package gatewayhttp

import (
	"net"
	"strconv"
	"time"

	"github.com/octomesh/octomesh/services/gateway-http/door"
	"github.com/octomesh/octomesh/services/gateway-http/mcp"
)

// Config is the gateway's settings.
type Config struct {
	Host           string        `name:"host" env:"MOSTA_NET_HOST" default:"0.0.0.0" help:"Address to listen on."`
	Port           int           `name:"port" env:"MOSTA_NET_PORT,MOSTA_NET_REST_PORT" default:"4488" help:"HTTP port; 0 takes a free one."`
	Origins        []string      `name:"cors-origin" env:"MOSTA_NET_CORS_ORIGIN" sep:"," help:"Browser origins that may call, * for any; none unless set."`
	KeyInURL       string        `name:"key-in-url" env:"OCTOMESH_KEY_IN_URL" enum:"live,off,all" default:"live" help:"Where ?apikey= is accepted: live (only /events and /ws), off, all."`
	RequestTimeout time.Duration `name:"request-timeout" env:"OCTOMESH_REQUEST_TIMEOUT" default:"10s" help:"How long a request may work."`
	DrainTimeout   time.Duration `name:"drain-timeout" env:"OCTOMESH_DRAIN_TIMEOUT" default:"10s" help:"How long a stop waits for requests."`

	REST bool `name:"rest" env:"MOSTA_NET_REST_ENABLED" default:"true" negatable:"" help:"Serve REST."`
	WS   bool `name:"ws" env:"MOSTA_NET_WS_ENABLED" default:"true" negatable:"" help:"Serve WebSocket."`
	SSE  bool `name:"sse" env:"MOSTA_NET_SSE_ENABLED" default:"true" negatable:"" help:"Serve server-sent events."`

	GraphQL bool `name:"graphql" env:"MOSTA_NET_GRAPHQL_ENABLED" default:"true" negatable:"" help:"Serve GraphQL."`
	OData   bool `name:"odata" env:"MOSTA_NET_ODATA_ENABLED" default:"true" negatable:"" help:"Serve OData."`
	JSONRPC bool `name:"jsonrpc" env:"MOSTA_NET_JSONRPC_ENABLED" default:"true" negatable:"" help:"Serve JSON-RPC."`
	TRPC    bool `name:"trpc" env:"MOSTA_NET_TRPC_ENABLED" default:"true" negatable:"" help:"Serve tRPC."`
	Arrow   bool `name:"arrow" env:"MOSTA_NET_ARROW_ENABLED" default:"true" negatable:"" help:"Serve Apache Arrow over HTTP."`

	MCP               bool          `name:"mcp" env:"MOSTA_NET_MCP_ENABLED" default:"true" negatable:"" help:"Serve the Model Context Protocol."`
	MCPMode           string        `name:"mcp-mode" env:"MOSTA_NET_MCP_MODE" enum:"compact,entity" default:"compact" help:"MCP tools: compact (about a dozen, which take the entity) or entity (Octonet's fifteen for each entity)."`
	MCPPublicKey      string        `name:"mcp-public-key" env:"OCTOMESH_MCP_PUBLIC_KEY" secret:"" help:"API key that counts for MCP callers who send no credential at all; none unless set."`
	MCPSessionTimeout time.Duration `name:"mcp-session-timeout" env:"OCTOMESH_MCP_SESSION_TIMEOUT" default:"1h" help:"How long an MCP session may be without a request."`
	MCPHosts          []string      `name:"mcp-host" env:"OCTOMESH_MCP_HOSTS" sep:"," help:"Host names under which a proxy on this machine forwards to /mcp."`
}

// DefaultConfig is what a start without settings has.
func DefaultConfig() Config {
	return Config{
		Host: "0.0.0.0", Port: 4488, KeyInURL: string(door.KeyInLive),
		RequestTimeout: 10 * time.Second, DrainTimeout: 10 * time.Second, REST: true, WS: true, SSE: true,
		GraphQL: true, OData: true, JSONRPC: true, TRPC: true, Arrow: true,
		MCP: true, MCPMode: mcp.ModeCompact, MCPSessionTimeout: time.Hour,
	}
}

func (c *Config) addr() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }
