package gatewaygrpc

import (
	"google.golang.org/grpc"

	"github.com/octomesh/octomesh/services/gateway-grpc/entityrpc"
	"github.com/octomesh/octomesh/services/gateway-grpc/flight"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// doors makes the servers, one for each listener, with the services that are
// turned on: Flight is on its own port and on that of gRPC.
func (s *Service) doors(e *rpc.Entrance) []*grpc.Server {
	servers := make([]*grpc.Server, len(s.listeners))
	arrow := flight.New(e, nil)
	for i := range servers {
		entities := entityrpc.New(e)
		if s.cfg.GRPC && i == 0 {
			servers[i] = rpc.NewServer(e, entities.Handle)
		} else {
			servers[i] = rpc.NewServer(e, rpc.Unknown)
		}
		if s.cfg.Flight {
			arrow.Register(servers[i])
		}
		if s.cfg.GRPC && i == 0 {
			entities.Register(servers[i])
		}
	}
	return servers
}

// Transports returns the names of the protocols that c turns on.
func Transports(c *Config) []string {
	var names []string
	if c.GRPC {
		names = append(names, "grpc")
	}
	if c.Flight {
		names = append(names, "flight")
	}
	return names
}
