package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/octomesh/octomesh/pkg/bus"
)

// Joining is the settings by which a gateway that is a process of its own finds
// and enters the mesh; embed it.
type Joining struct {
	NATS    string `name:"nats-url" help:"NATS servers, separated by commas." env:"OCTOMESH_NATS_URL" default:"nats://127.0.0.1:4222"`
	Seed    string `name:"nats-seed" help:"nkey seed of the role gateway (default: <data-dir>/nats/gateway.nk)." env:"OCTOMESH_NATS_SEED" secret:""`
	DataDir string `name:"data-dir" help:"Folder with the nkeys." env:"OCTOMESH_DATA_DIR" default:"./data"`
}

// Dialer connects in the role gateway; service is the name under which NATS
// shows the connection.
func (j *Joining) Dialer(service string) (bus.Dialer, error) {
	seed := j.Seed
	if seed == "" {
		path := filepath.Join(j.DataDir, "nats", bus.RoleGateway+".nk")
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("the gateway has no nkey: set OCTOMESH_NATS_SEED, or put it into %s: %w", path, err)
		}
		seed = strings.TrimSpace(string(b))
	}
	return bus.URL{Addr: j.NATS, Service: service, Role: bus.RoleGateway, Seed: seed}, nil
}
