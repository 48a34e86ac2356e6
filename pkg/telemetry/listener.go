package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// DefaultAddr is where a process shows its metrics unless OCTOMESH_METRICS_ADDR
// says otherwise; loopback only, because it asks for no key.
const DefaultAddr = "127.0.0.1:9464"

// Handler serves the metrics in Prometheus' text form.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(m.set.registry, promhttp.HandlerOpts{DisableCompression: true, MaxRequestsInFlight: 4})
}

// Listener is the service that shows a process's metrics at GET /metrics, and
// its profiles at /debug/pprof/.
type Listener struct {
	addr    string
	metrics *Metrics
	log     *slog.Logger
	ready   chan struct{}
	bound   net.Addr
}

// Listen returns a Listener on addr, "" or "off" for none.
func Listen(addr string, m *Metrics, log *slog.Logger) *Listener {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Listener{addr: addr, metrics: m, log: log, ready: make(chan struct{})}
}

// Name returns "metrics".
func (l *Listener) Name() string { return "metrics" }

// Ready is closed when metrics can be fetched, or when it is certain that they
// cannot.
func (l *Listener) Ready() <-chan struct{} { return l.ready }

// Addr is the address in use, nil if there is none; it is valid after Ready.
func (l *Listener) Addr() net.Addr { return l.bound }

// Run serves until ctx ends. An address that cannot be had is a warning and no
// failure: several processes on one machine have the same default.
func (l *Listener) Run(ctx context.Context) error {
	if l.addr == "" || l.addr == "off" {
		close(l.ready)
		<-ctx.Done()
		return nil
	}
	ln, err := net.Listen("tcp", l.addr)
	if err != nil {
		l.log.Warn("no metrics: the address cannot be used; set OCTOMESH_METRICS_ADDR to another one, or to off", "addr", l.addr, KeyError, err.Error())
		close(l.ready)
		<-ctx.Done()
		return nil
	}
	l.bound = ln.Addr()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", l.metrics.Handler())
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	close(l.ready)
	select {
	case <-ctx.Done():
		err = srv.Close()
		<-done
	case err = <-done:
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
