package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler serves the metrics in Prometheus' text form.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(m.set.registry, promhttp.HandlerOpts{DisableCompression: true, MaxRequestsInFlight: 4})
}

// Probed is a service that /readyz asks. One that also has a method
// Check(context.Context) error is asked that as well, once it is ready: the
// error says what it lacks just now.
type Probed interface {
	Name() string
	Ready() <-chan struct{}
}

// probeTime bounds the answer of /readyz.
const probeTime = 2 * time.Second

// Listener is the service that shows a process's metrics at GET /metrics, that
// it lives at /livez, whether it does its work at /readyz, and its profiles at
// /debug/pprof/.
type Listener struct {
	addr    string
	probed  []Probed
	metrics *Metrics
	log     *slog.Logger
	ready   chan struct{}
	bound   net.Addr
}

// Listen returns a Listener on addr, "" or "off" for none, which answers /readyz
// for the services.
func Listen(addr string, m *Metrics, log *slog.Logger, services ...Probed) *Listener {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Listener{addr: addr, probed: services, metrics: m, log: log, ready: make(chan struct{})}
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
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), probeTime)
		defer cancel()
		answer(w, l.check(ctx))
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	close(l.ready)
	select {
	case <-ctx.Done():
		err = errors.Join(srv.Close(), <-done)
	case err = <-done:
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// check returns what keeps the first service that is not ready from its work.
func (l *Listener) check(ctx context.Context) error {
	for _, s := range l.probed {
		select {
		case <-s.Ready():
		default:
			return fmt.Errorf("%s is starting", s.Name())
		}
		if c, ok := s.(interface{ Check(context.Context) error }); ok {
			if err := c.Check(ctx); err != nil {
				return fmt.Errorf("%s: %w", s.Name(), err)
			}
		}
	}
	return nil
}

// answer writes {"status":"ok"}, or with status 503 what is missing, in the form
// of the gateway's /readyz.
func answer(w http.ResponseWriter, missing error) {
	w.Header().Set("Content-Type", "application/json")
	body := map[string]any{"status": "ok"}
	if missing != nil {
		body = map[string]any{"status": "error", "error": map[string]string{"code": "UNAVAILABLE", "message": "not ready: " + missing.Error()}}
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(body) // the prober may be gone
}
