package entity

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// A slow call has one line: that of the process that the caller reached, which
// for a native client is the worker.
func TestSlowCallsHaveOneLine(t *testing.T) {
	for _, c := range []struct {
		name, native string
		err          error
		lines        int
	}{
		{"through a gateway, which tells of it", "", nil, 0},
		{"refused through a gateway", "", fault.New(fault.InvalidFilter, "no"), 0},
		{"native", "k:AAAAAAAA", nil, 1},
		{"native, refused", "k:AAAAAAAA", fault.New(fault.InvalidFilter, "no"), 1},
		{"failed on our side", "", fault.New(fault.Timeout, "no"), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				s := &Service{log: slog.New(slog.NewTextHandler(&log, nil))}
				slow := mesh.CallerFunc(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
					<-time.After(telemetry.Slow) // the bubble's clock jumps
					return &mesh.Reply{}, c.err
				})
				r := &mesh.Request{Entity: "Product", Op: "findAll"}
				r.Native = c.native
				_, _ = s.observed(slow).Call(t.Context(), r)
				if n := strings.Count(log.String(), "\n"); n != c.lines {
					t.Errorf("%d lines, want %d:\n%s", n, c.lines, &log)
				}
			})
		})
	}
}
