package gatewaygrpc

import (
	"log/slog"

	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/process"
	"github.com/octomesh/octomesh/pkg/service"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// Process is the settings of the gateway as a process of its own.
type Process struct {
	Config
	process.Settings
	gateway.Joining
}

// Service returns the gateway that the settings describe.
func (p *Process) Service(log *slog.Logger, metrics *telemetry.Metrics) (service.Service, error) {
	d, err := p.Dialer("gateway-grpc")
	if err != nil {
		return nil, err
	}
	return New(p.Config, Deps{Dialer: d, Log: log, Metrics: metrics})
}
