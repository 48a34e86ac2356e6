package octomesh

import (
	"fmt"
	"slices"
	"strings"

	gatewaygrpc "github.com/octomesh/octomesh/services/gateway-grpc"
	gatewayhttp "github.com/octomesh/octomesh/services/gateway-http"
)

// addresses are where a running server is reached, as host:port; grpc is empty
// where nothing is served there.
type addresses struct{ http, grpc, nats string }

// banner tells people where each door that is turned on is, a line a door, the
// page that shows them all first.
func (c *serveCommand) banner(at addresses) string {
	lines := [][2]string{{"docs", "http://" + at.http + "/docs"}}
	on := append(gatewayhttp.Transports(&c.HTTP), gatewaygrpc.Transports(&c.GRPC)...)
	for _, d := range []struct{ transport, name, url string }{
		{"rest", "REST", "http://" + at.http + "/api/v1/{entity}"},
		{"graphql", "GraphQL", "http://" + at.http + "/graphql"},
		{"sse", "live events", "http://" + at.http + "/events"},
		{"ws", "WebSocket", "ws://" + at.http + "/ws"},
		{"odata", "OData", "http://" + at.http + "/odata"},
		{"jsonrpc", "JSON-RPC", "http://" + at.http + "/rpc"},
		{"trpc", "tRPC", "http://" + at.http + "/trpc"},
		{"mcp", "MCP", "http://" + at.http + "/mcp"},
		{"arrow", "Arrow", "http://" + at.http + "/arrow/stream/{entity}"},
		{"grpc", "gRPC", at.grpc},
		{"flight", "Arrow Flight", "grpc://" + at.grpc},
	} {
		if slices.Contains(on, d.transport) {
			lines = append(lines, [2]string{d.name, d.url})
		}
	}
	lines = append(lines, [2]string{"native NATS", "nats://" + at.nats}, [2]string{"data", fmt.Sprintf("%[1]s (admin key: %[1]s/admin.key)", c.DataDir)})
	b := &strings.Builder{}
	b.WriteString("Octomesh serves:\n\n")
	for _, l := range lines {
		fmt.Fprintf(b, "    %-13s %s\n", l[0], l[1])
	}
	return b.String()
}
