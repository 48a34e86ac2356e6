package octomesh

import (
	"strings"
	"testing"

	gatewaygrpc "github.com/octomesh/octomesh/services/gateway-grpc"
	gatewayhttp "github.com/octomesh/octomesh/services/gateway-http"
)

// The banner has a line for each door that is open, and none for one that is not.
func TestBanner(t *testing.T) {
	at := addresses{http: "h:1", grpc: "g:2", nats: "n:3"}
	all := &serveCommand{
		DataDir: "./data", GRPC: gatewaygrpc.Config{GRPC: true, Flight: true},
		HTTP: gatewayhttp.Config{REST: true, GraphQL: true, MCP: true, WS: true, SSE: true, OData: true, JSONRPC: true, TRPC: true, Arrow: true},
	}
	transports := len(gatewayhttp.Transports(&all.HTTP)) + len(gatewaygrpc.Transports(&all.GRPC))
	if got := all.banner(at); strings.Count(got, "\n    ") != transports+3 {
		t.Errorf("%d transports:\n%s", transports, got)
	}
	some := &serveCommand{DataDir: "./data", HTTP: gatewayhttp.Config{REST: true}}
	want := "Octomesh serves:\n\n" +
		"    docs          http://h:1/docs\n" +
		"    REST          http://h:1/api/v1/{entity}\n" +
		"    native NATS   nats://n:3\n" +
		"    data          ./data (admin key: ./data/admin.key)\n"
	if got := some.banner(addresses{http: "h:1", nats: "n:3"}); got != want {
		t.Errorf("gave\n%s", got)
	}
}
