package octomesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/service"
	"github.com/octomesh/octomesh/pkg/telemetry"
	"github.com/octomesh/octomesh/services/auth"
	"github.com/octomesh/octomesh/services/auth/keyring"
	"github.com/octomesh/octomesh/services/entity"
	"github.com/octomesh/octomesh/services/entity/projects"
	gatewaygrpc "github.com/octomesh/octomesh/services/gateway-grpc"
	gatewayhttp "github.com/octomesh/octomesh/services/gateway-http"
)

// serveCommand runs every service in this process.
type serveCommand struct {
	output
	DataDir     string `help:"Folder of databases, keys and JetStream." env:"OCTOMESH_DATA_DIR" default:"./data" type:"path"`
	NATSURL     string `name:"nats-url" help:"Use this NATS server instead of the one inside." env:"OCTOMESH_NATS_URL"`
	NATSHost    string `name:"nats-host" help:"Address on which the NATS server inside listens." env:"MOSTA_NET_NATS_HOST" default:"127.0.0.1"`
	NATSPort    int    `name:"nats-port" help:"Its port; 0 takes a free one." env:"MOSTA_NET_NATS_PORT" default:"4222"`
	MetricsAddr string `help:"Where /metrics, /livez and /readyz are served; off for none." env:"OCTOMESH_METRICS_ADDR" default:"127.0.0.1:9464"`
	LogLevel    string `help:"debug, info, warn or error." env:"OCTOMESH_LOG_LEVEL" enum:"debug,info,warn,error" default:"info"`
	Example     string `help:"Start with the entities and records of an example: shop." enum:"shop," default:""`

	Auth   auth.Config        `embed:""`
	Entity entity.Config      `embed:""`
	HTTP   gatewayhttp.Config `embed:""`
	GRPC   gatewaygrpc.Config `embed:""`
}

// Run serves until it is interrupted.
func (c *serveCommand) Run(e *env) error {
	if _, err := projects.Find(e.dialects, c.Auth.Dialect); err != nil {
		return fmt.Errorf("DB_DIALECT: %w", err)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	log, metrics := telemetry.New("", telemetry.Options{Output: e.stderr, Level: c.LogLevel})
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return fmt.Errorf("the data folder cannot be made: %w", err)
	}
	if err := c.prepareExample(); err != nil {
		return err
	}
	ring, err := keyring.Open(filepath.Join(c.DataDir, "nats"))
	if err != nil {
		return err
	}
	m, err := c.join(ring, log)
	if err != nil {
		return err
	}
	defer m.shutdown()
	services, doors, err := c.services(e, m, log, metrics)
	if err != nil {
		return err
	}
	announce := &announcement{say: func() error { return c.announce(e, m, doors) }, ready: make(chan struct{})}
	return service.Run(e.ctx, telemetry.Named(log, "octomesh"), append(services, announce)...)
}

// gcPercent lets the heap grow to three times of what lives before it is
// collected. What lives is small, about 12 MB, so this is cheap in memory, and
// every request is cheaper by what the collector would have cost. GOGC overrides
// it.
const gcPercent = 200

// meshServer is the NATS server that the services meet on.
type meshServer struct {
	role     func(role string) bus.Dialer
	url      string
	shutdown func()
}

// join starts the NATS server inside, or takes the one outside.
func (c *serveCommand) join(ring *keyring.Ring, log *slog.Logger) (*meshServer, error) {
	seeds, err := ring.Roles(bus.Roles()...)
	if err != nil {
		return nil, err
	}
	if c.NATSURL != "" {
		role := func(role string) bus.Dialer {
			return bus.URL{Addr: c.NATSURL, Service: "octomesh", Role: role, Seed: seeds[role]}
		}
		return &meshServer{role: role, url: c.NATSURL, shutdown: func() {}}, nil
	}
	issuer, err := ring.Issuer()
	if err != nil {
		return nil, err
	}
	curve, err := ring.Curve()
	if err != nil {
		return nil, err
	}
	callout := &embedded.Callout{}
	if callout.Issuer, err = keyring.Public(issuer); err != nil {
		return nil, err
	}
	if callout.XKey, err = keyring.Public(curve); err != nil {
		return nil, err
	}
	ns, err := embedded.Start(embedded.Options{
		StoreDir: filepath.Join(c.DataDir, "jetstream"), Host: c.NATSHost, Port: c.NATSPort, Name: "octomesh",
		Seeds: seeds, Callout: callout, Log: telemetry.Named(log, "nats"),
	})
	if err != nil {
		return nil, portTaken(err, "the NATS port", fmt.Sprint(c.NATSPort), "--nats-port or MOSTA_NET_NATS_PORT")
	}
	return &meshServer{role: ns.Dialer, url: ns.ClientURL(), shutdown: ns.Shutdown}, nil
}

// doors are the gateways of this process; grpc is nil where all of its transports
// are turned off.
type doors struct {
	http *gatewayhttp.Service
	grpc *gatewaygrpc.Service
}

// services makes the services in the order in which they start.
func (c *serveCommand) services(e *env, m *meshServer, log *slog.Logger, metrics *telemetry.Metrics) ([]service.Service, *doors, error) {
	c.Auth.DataDir, c.Entity.DataDir, c.Entity.Replicas = c.DataDir, c.DataDir, c.Auth.Replicas
	a, err := auth.New(c.Auth, auth.Deps{
		Dialer: m.role(bus.RoleAuth), System: m.role(bus.RoleSystem), Log: telemetry.Named(log, "auth"), Metrics: metrics.For("auth"),
		FirstKey: func(key, path string) {
			if terminal(e.stderr) {
				e.say(c.output, "The admin key, shown once and kept in %s:\n\n    %s\n", path, key)
			}
		},
	})
	if err != nil {
		return nil, nil, err
	}
	w, err := entity.New(c.Entity, entity.Deps{
		Dialects: e.dialects, Dialer: m.role(bus.RoleEntity), Relay: m.role(bus.RoleRelay), Log: telemetry.Named(log, "entity"), Metrics: metrics.For("entity"),
	})
	if err != nil {
		return nil, nil, err
	}
	rates, d := access.NewLimiter(), &doors{}
	d.http, err = gatewayhttp.New(c.HTTP, gatewayhttp.Deps{
		Dialer: m.role(bus.RoleGateway), Log: telemetry.Named(log, "gateway-http"), Metrics: metrics.For("gateway-http"), Rates: rates,
		Beside: gatewaygrpc.Transports(&c.GRPC),
	})
	if err != nil {
		return nil, nil, err
	}
	all, probed := []service.Service{a, w, d.http}, []telemetry.Probed{a, w, d.http}
	if len(gatewaygrpc.Transports(&c.GRPC)) > 0 {
		d.grpc, err = gatewaygrpc.New(c.GRPC, gatewaygrpc.Deps{
			Dialer: m.role(bus.RoleGateway), Log: telemetry.Named(log, "gateway-grpc"), Metrics: metrics.For("gateway-grpc"), Rates: rates,
		})
		if err != nil {
			return nil, nil, err
		}
		all, probed = append(all, d.grpc), append(probed, d.grpc)
	}
	list := telemetry.Listen(c.MetricsAddr, metrics, telemetry.Named(log, "metrics"), probed...)
	return append([]service.Service{list}, all...), d, nil
}

// announce loads the example, if one is wanted, and says where the server is: a
// line of JSON for scripts, a few lines for people.
func (c *serveCommand) announce(e *env, m *meshServer, d *doors) error {
	at := addresses{http: reachable(d.http.Addr().String()), nats: reachable(strings.TrimPrefix(m.url, "nats://"))}
	told := map[string]string{"http": at.http, "nats": at.nats, "data": c.DataDir}
	if d.grpc != nil {
		at.grpc = reachable(d.grpc.Addr().String())
		told["grpc"] = at.grpc
	}
	if err := c.loadExample(e, at.http); err != nil {
		return err
	}
	debug.FreeOSMemory() // what only the start needed
	return e.result(c.output, told, func(io.Writer) { e.say(c.output, "%s", c.banner(at)) })
}

// reachable turns the address of a listener on all interfaces into one that a
// client on this machine can use.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// announcement is the last service: it is started when all others are ready.
type announcement struct {
	say   func() error
	ready chan struct{}
}

func (a *announcement) Name() string           { return "announcement" }
func (a *announcement) Ready() <-chan struct{} { return a.ready }

func (a *announcement) Run(ctx context.Context) error {
	if err := a.say(); err != nil {
		return err
	}
	forgetStartup()
	close(a.ready)
	<-ctx.Done()
	return nil
}

// portTaken says which setting moves a port that somebody else has.
func portTaken(err error, what, port, setting string) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s %s is taken by another program; %s moves it", what, port, setting)
	}
	return err
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
