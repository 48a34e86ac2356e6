// Command octomesh-auth runs the auth service against a NATS server.
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
	"github.com/octomesh/octomesh/services/auth"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "octomesh-auth:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var c auth.Process
	if _, err := config.Parse("octomesh-auth", &c, args); err != nil {
		return err
	}
	log, metrics := telemetry.New("auth", telemetry.Options{Level: c.LogLevel})
	s, err := c.Service(log, metrics)
	if err != nil {
		return err
	}
	return service.Run(ctx, log, telemetry.Listen(c.MetricsAddr, metrics, log, s), s)
}
