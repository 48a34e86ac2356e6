package auth

import (
	"log/slog"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/process"
	"github.com/octomesh/octomesh/pkg/service"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/auth/keyring"
)

// Process are the settings of the auth service as a process of its own. Its
// seeds are those that the NATS server's configuration names.
type Process struct {
	Config
	process.Settings
	Data       string `name:"data-dir" help:"Folder of keys and of the system store." env:"OCTOMESH_DATA_DIR" default:"./data"`
	NATS       string `name:"nats-url" help:"NATS servers, separated by commas." env:"OCTOMESH_NATS_URL" default:"nats://127.0.0.1:4222"`
	AuthSeed   string `name:"nats-seed" help:"nkey seed of the role auth (default: <data-dir>/nats/auth.nk)." env:"OCTOMESH_NATS_SEED" secret:""`
	SystemSeed string `name:"nats-system-seed" help:"nkey seed of the role system (default: <data-dir>/nats/system.nk)." env:"OCTOMESH_NATS_SYSTEM_SEED" secret:""`
	IssuerSeed string `name:"issuer-seed" help:"Account nkey seed that signs tokens (default: <data-dir>/nats/issuer.nk)." env:"OCTOMESH_ISSUER_SEED" secret:""`
	CurveSeed  string `name:"curve-seed" help:"Curve nkey seed of the auth callout (default: <data-dir>/nats/xkey.nk)." env:"OCTOMESH_CURVE_SEED" secret:""`
}

// Service returns the service that the settings describe.
func (p *Process) Service(log *slog.Logger, metrics *telemetry.Metrics) (service.Service, error) {
	p.DataDir = p.Data
	seeds := map[string]*string{bus.RoleAuth: &p.AuthSeed, bus.RoleSystem: &p.SystemSeed}
	for role, seed := range seeds {
		if *seed != "" {
			continue
		}
		ring, err := keyring.Open(p.path("nats"))
		if err != nil {
			return nil, err
		}
		if *seed, err = ring.Role(role); err != nil {
			return nil, err
		}
	}
	return New(p.Config, Deps{
		Dialer:     bus.URL{Addr: p.NATS, Service: "auth", Role: bus.RoleAuth, Seed: p.AuthSeed},
		System:     bus.URL{Addr: p.NATS, Service: "auth", Role: bus.RoleSystem, Seed: p.SystemSeed},
		IssuerSeed: p.IssuerSeed, CurveSeed: p.CurveSeed, Log: log, Metrics: metrics,
		FirstKey: func(_, path string) { log.Info("an admin key was made", "file", path) },
	})
}
