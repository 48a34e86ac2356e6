// Command octomesh-gateway-http runs the HTTP gateway against a NATS server.
package main

import (
	"github.com/octomesh/octomesh/pkg/process"
	gatewayhttp "github.com/octomesh/octomesh/services/gateway-http"
)

func main() { process.Main("gateway-http", &gatewayhttp.Process{}) }
