package gatewaygrpc

import (
	"net"
	"strconv"
	"time"
)

// Config is the gateway's settings.
type Config struct {
	Host           string        `name:"grpc-host" env:"MOSTA_NET_GRPC_HOST" default:"0.0.0.0" help:"Address on which gRPC listens."`
	Port           int           `name:"grpc-port" env:"MOSTA_NET_GRPC_PORT" default:"50051" help:"gRPC port; 0 takes a free one."`
	ArrowPort      int           `name:"arrow-port" env:"MOSTA_NET_ARROW_PORT" default:"-1" help:"A second port for Arrow Flight; 0 takes a free one, -1 is none: Flight is on the gRPC port too."`
	GRPC           bool          `name:"grpc" env:"MOSTA_NET_GRPC_ENABLED" default:"true" negatable:"" help:"Serve gRPC."`
	Flight         bool          `name:"flight" env:"MOSTA_NET_FLIGHT_ENABLED" default:"true" negatable:"" help:"Serve Arrow Flight and Flight SQL."`
	Origins        []string      `name:"grpc-cors-origin" env:"MOSTA_NET_GRPC_CORS_ORIGIN,MOSTA_NET_CORS_ORIGIN" sep:"," help:"Browser origins that may call gRPC-Web and Connect, * for any; none unless set."`
	RequestTimeout time.Duration `name:"grpc-request-timeout" env:"OCTOMESH_GRPC_REQUEST_TIMEOUT" default:"10s" help:"How long a call may work that is no stream, whatever deadline its client set."`
	DrainTimeout   time.Duration `name:"grpc-drain-timeout" env:"OCTOMESH_GRPC_DRAIN_TIMEOUT" default:"10s" help:"How long a stop of the gRPC gateway waits for calls."`
}

// DefaultConfig is what a start without settings has.
func DefaultConfig() Config {
	return Config{
		Host: "0.0.0.0", Port: 50051, ArrowPort: -1, GRPC: true, Flight: true,
		RequestTimeout: 10 * time.Second, DrainTimeout: 10 * time.Second,
	}
}

func (c *Config) addr(port int) string { return net.JoinHostPort(c.Host, strconv.Itoa(port)) }
