// Command octomesh-gateway-grpc runs the gRPC gateway against a NATS server.
package main

import (
	"github.com/octomesh/octomesh/pkg/process"
	gatewaygrpc "github.com/octomesh/octomesh/services/gateway-grpc"
)

func main() { process.Main("gateway-grpc", &gatewaygrpc.Process{}) }
