// Command octomesh-gateway-http runs the HTTP gateway against a NATS server.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/octomesh/octomesh/pkg/config"
	"github.com/octomesh/octomesh/pkg/service"
	"github.com/octomesh/octomesh/pkg/telemetry"
	gateway "github.com/octomesh/octomesh/services/gateway-http"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "octomesh-gateway-http:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var p gateway.Process
	if _, err := config.Parse("octomesh-gateway-http", &p, args); err != nil {
		return err
	}
	log, metrics := telemetry.New("gateway-http", telemetry.Options{Level: p.LogLevel})
	s, err := p.Service(log, metrics)
	if err != nil {
		return err
	}
	return service.Run(ctx, log, telemetry.Listen(p.MetricsAddr, metrics, log, s), s)
}
