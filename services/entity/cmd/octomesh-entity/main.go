// Command octomesh-entity is the worker as a process of its own: calls come
// from a NATS server, records go to the projects' databases.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/config"
	"github.com/octomesh/octomesh/pkg/service"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/entity"
)

type settings struct {
	DataDir string `name:"data-dir" env:"OCTOMESH_DATA_DIR" default:"./data" help:"Folder of SQLite files."`
	entity.Config
	NATS      string `name:"nats-url" env:"OCTOMESH_NATS_URL" default:"nats://127.0.0.1:4222" help:"NATS servers, separated by commas."`
	Seed      string `name:"nats-seed" env:"OCTOMESH_NATS_SEED" secret:"" help:"nkey seed of the role entity."`
	RelaySeed string `name:"nats-relay-seed" env:"OCTOMESH_NATS_RELAY_SEED" secret:"" help:"nkey seed of the role relay."`
	Metrics   string `name:"metrics-addr" env:"OCTOMESH_METRICS_ADDR" default:"127.0.0.1:9464" help:"Where /metrics is shown; off for nowhere."`
	LogLevel  string `name:"log-level" env:"OCTOMESH_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "octomesh-entity:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var c settings
	if _, err := config.Parse("octomesh-entity", &c, args); err != nil {
		return err
	}
	c.Config.DataDir = c.DataDir
	log, metrics := telemetry.New("entity", telemetry.Options{Level: c.LogLevel})
	worker, err := entity.New(c.Config, entity.Deps{
		Dialer: bus.URL{Addr: c.NATS, Service: "entity", Role: bus.RoleEntity, Seed: c.Seed},
		Relay:  bus.URL{Addr: c.NATS, Service: "entity", Role: bus.RoleRelay, Seed: c.RelaySeed},
		Log:    log, Metrics: metrics,
	})
	if err != nil {
		return err
	}
	return service.Run(ctx, log, telemetry.Listen(c.Metrics, metrics, log, worker), worker)
}
