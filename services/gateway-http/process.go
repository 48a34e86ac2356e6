package gatewayhttp

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/process"
	"github.com/octomesh/octomesh/pkg/service"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// Process is the settings of the gateway as a process of its own.
type Process struct {
	Config
	process.Settings
	NATS    string `name:"nats-url" help:"NATS servers, separated by commas." env:"OCTOMESH_NATS_URL" default:"nats://127.0.0.1:4222"`
	Seed    string `name:"nats-seed" help:"nkey seed of the role gateway (default: <data-dir>/nats/gateway.nk)." env:"OCTOMESH_NATS_SEED" secret:""`
	DataDir string `name:"data-dir" help:"Folder with the nkeys." env:"OCTOMESH_DATA_DIR" default:"./data"`
}

// Service returns the gateway that the settings describe.
func (p *Process) Service(log *slog.Logger, metrics *telemetry.Metrics) (service.Service, error) {
	seed := p.Seed
	if seed == "" {
		path := filepath.Join(p.DataDir, "nats", bus.RoleGateway+".nk")
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("the gateway has no nkey: set OCTOMESH_NATS_SEED, or put it into %s: %w", path, err)
		}
		seed = strings.TrimSpace(string(b))
	}
	return New(p.Config, Deps{
		Dialer: bus.URL{Addr: p.NATS, Service: "gateway-http", Role: bus.RoleGateway, Seed: seed}, Log: log, Metrics: metrics,
	})
}
