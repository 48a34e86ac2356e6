// Command octomesh-entity is the worker as a process of its own: calls come
// from a NATS server, records go to the projects' databases.
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
	"github.com/octomesh/octomesh/services/entity"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "octomesh-entity:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var p entity.Process
	if _, err := config.Parse("octomesh-entity", &p, args); err != nil {
		return err
	}
	log, metrics := telemetry.New("entity", telemetry.Options{Level: p.LogLevel})
	s, err := p.Service(log, metrics)
	if err != nil {
		return err
	}
	return service.Run(ctx, log, telemetry.Listen(p.MetricsAddr, metrics, log, s), s)
}
