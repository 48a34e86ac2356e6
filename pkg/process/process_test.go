package process

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/octomesh/octomesh/pkg/service"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// program is a service that is ready at once and ends with its context.
type program struct {
	Settings
	Colour string `env:"OCTOMESH_TEST_COLOUR" default:"red"`

	refuse error
	ready  chan struct{}
	ended  bool
}

func (p *program) Service(*slog.Logger, *telemetry.Metrics) (service.Service, error) {
	return p, p.refuse
}
func (p *program) Name() string           { return "painter" }
func (p *program) Ready() <-chan struct{} { return p.ready }

func (p *program) Run(ctx context.Context) error {
	close(p.ready)
	<-ctx.Done()
	p.ended = true
	return nil
}

func TestRun(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	t.Setenv("OCTOMESH_TEST_COLOUR", "blue")
	p := &program{ready: make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- run(ctx, "painter", p, []string{"--metrics-addr", addr, "--log-level", "error"}) }()
	select {
	case <-p.ready:
	case err := <-done:
		t.Fatal(err)
	}
	res, err := http.Get("http://" + addr + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 || p.Colour != "blue" {
		t.Errorf("%d %s, colour %s", res.StatusCode, b, p.Colour)
	}
	stop()
	if err := <-done; err != nil || !p.ended {
		t.Errorf("ended %v: %v", p.ended, err)
	}
}

func TestRefusals(t *testing.T) {
	no := errors.New("no paint")
	if err := run(t.Context(), "painter", &program{refuse: no}, []string{"--metrics-addr", "off"}); !errors.Is(err, no) {
		t.Error(err)
	}
	if err := run(t.Context(), "painter", &program{}, []string{"--log-level", "loud"}); err == nil {
		t.Error("a level that is none was taken")
	}
}
