package gatewaygrpc

import (
	"google.golang.org/grpc"

	"github.com/octomesh/octomesh/services/gateway-grpc/entityrpc"
	"github.com/octomesh/octomesh/services/gateway-grpc/flight"
	"github.com/octomesh/octomesh/services/gateway-grpc/flightsql"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
	"github.com/octomesh/octomesh/services/gateway-grpc/web"
)

// doors puts the services that are turned on behind the ports: all of them behind
// the first, which also speaks HTTP/1.1, and Flight alone behind a second one.
func (s *Service) doors(e *rpc.Entrance) {
	entities, arrow := entityrpc.New(e), flight.New(e, flightsql.New(e))
	for i, p := range s.ports {
		entitiesToo := s.cfg.GRPC && i == 0
		var other grpc.StreamHandler = rpc.Unknown
		if entitiesToo {
			other = entities.Handle
			p.web = web.NewServer(web.New(e, entities, other, s.cfg.Origins))
		}
		p.grpc = rpc.NewServer(e, other)
		if s.cfg.Flight {
			arrow.Register(p.grpc)
		}
		if entitiesToo {
			entities.Register(p.grpc)
		}
	}
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
