package telemetry

import (
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
)

// Slow is the duration from which on a call is logged though nothing failed.
const Slow = 500 * time.Millisecond

// The attribute names of log lines; nothing else names the same things.
const (
	KeyRequestID = "request_id"
	KeyProject   = "project"
	KeyEntity    = "entity"
	KeyOp        = "op"
	KeyTransport = "transport"
	KeyPrincipal = "principal"
	KeyCode      = "code"
	KeyMillis    = "ms"
	KeyError     = "err"
)

// Options are the settings of New; the zero value is good.
type Options struct {
	// Output is where log lines go; nil = standard error.
	Output io.Writer
	// Level is debug, info, warn or error; anything else is info.
	Level string
	// Text forces (true) readable lines; otherwise they are JSON unless Output
	// is a terminal.
	Text bool
}

// New returns the logger and the metrics of a process; service names it in both.
// A process that runs several services passes "" and gives each its own name
// with Named and Metrics.For.
func New(service string, o Options) (*slog.Logger, *Metrics) {
	return NewLogger(service, o), newMetrics(service)
}

// NewLogger returns the logger alone, for a command that serves nothing.
func NewLogger(service string, o Options) *slog.Logger {
	out := o.Output
	if out == nil {
		out = os.Stderr
	}
	h := &slog.HandlerOptions{Level: level(o.Level)}
	var handler slog.Handler
	if o.Text || terminal(out) {
		handler = slog.NewTextHandler(out, h)
	} else {
		handler = slog.NewJSONHandler(out, h)
	}
	return Named(slog.New(handler), service)
}

// Named returns a logger whose lines are of that service; "" leaves it as it is.
func Named(log *slog.Logger, service string) *slog.Logger {
	if service == "" {
		return log
	}
	return log.With("service", service)
}

func level(s string) slog.Level {
	switch strings.ToLower(s) {
	case "debug":
		return slog.LevelDebug
	case "warn", "warning":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	i, err := f.Stat()
	return err == nil && i.Mode()&os.ModeCharDevice != 0
}
