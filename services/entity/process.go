package entity

import (
	"log/slog"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/process"
	"github.com/octomesh/octomesh/pkg/service"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/entity/projects"
)

// Process is the settings of the worker as a process of its own.
type Process struct {
	Config
	process.Settings
	Data      string `name:"data-dir" help:"Folder of SQLite files." env:"OCTOMESH_DATA_DIR" default:"./data"`
	NATS      string `name:"nats-url" help:"NATS servers, separated by commas." env:"OCTOMESH_NATS_URL" default:"nats://127.0.0.1:4222"`
	Seed      string `name:"nats-seed" help:"nkey seed of the role entity." env:"OCTOMESH_NATS_SEED" secret:""`
	RelaySeed string `name:"nats-relay-seed" help:"nkey seed of the role relay." env:"OCTOMESH_NATS_RELAY_SEED" secret:""`
	// Further are databases beside projects.BuiltIn.
	Further []projects.Dialect `kong:"-"`
	Copies  int                `name:"replicas" help:"Copies of the shared buckets and of the stream of events: 3 on three NATS nodes or more." env:"OCTOMESH_REPLICAS" default:"1"`
}

// Service returns the worker that the settings describe.
func (p *Process) Service(log *slog.Logger, metrics *telemetry.Metrics) (service.Service, error) {
	p.DataDir, p.Replicas = p.Data, p.Copies
	return New(p.Config, Deps{
		Dialer:   bus.URL{Addr: p.NATS, Service: "entity", Role: bus.RoleEntity, Seed: p.Seed},
		Relay:    bus.URL{Addr: p.NATS, Service: "entity", Role: bus.RoleRelay, Seed: p.RelaySeed},
		Dialects: append(projects.BuiltIn(), p.Further...), Log: log, Metrics: metrics,
	})
}
