// Command octomesh-auth runs the auth service against a NATS server.
package main

import (
	"github.com/octomesh/octomesh/pkg/process"
	"github.com/octomesh/octomesh/services/auth"
)

func main() { process.Main("auth", &auth.Process{}) }
