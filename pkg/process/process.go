// Package process makes a process of one service: its settings come in from
// flags, environment and octomesh.yaml, the service and the listener for metrics
// and probes run until a signal, and an error goes out with exit code 1.
package process

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/octomesh/octomesh/pkg/config"
	"github.com/octomesh/octomesh/pkg/service"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// Settings are those that every process of one service has; embed them.
type Settings struct {
	MetricsAddr string `name:"metrics-addr" help:"Where /metrics, /livez and /readyz are served; off for none." env:"OCTOMESH_METRICS_ADDR" default:"127.0.0.1:9464"`
	LogLevel    string `name:"log-level" help:"debug, info, warn or error." env:"OCTOMESH_LOG_LEVEL" enum:"debug,info,warn,error" default:"info"`
}

func (s *Settings) settings() *Settings { return s }

// Program is the settings of a process, a pointer to a struct for config.Parse
// that embeds Settings, and what it makes of them.
type Program interface {
	Service(log *slog.Logger, metrics *telemetry.Metrics) (service.Service, error)
	settings() *Settings
}

const prefix = "octomesh-"

// Main runs the program octomesh-<service> and ends the process.
func Main(service string, p Program) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, service, p, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s%s: %v\n", prefix, service, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name string, p Program, args []string) error {
	if _, err := config.Parse(prefix+name, p, args); err != nil {
		return err
	}
	c := p.settings()
	log, metrics := telemetry.New(name, telemetry.Options{Level: c.LogLevel})
	s, err := p.Service(log, metrics)
	if err != nil {
		return err
	}
	return service.Run(ctx, log, telemetry.Listen(c.MetricsAddr, metrics, log, s), s)
}
