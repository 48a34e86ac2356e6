package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// probed is a service under the test's hands.
type probed struct {
	ready chan struct{}
	lacks error
}

func (p *probed) Name() string                { return "entity" }
func (p *probed) Ready() <-chan struct{}      { return p.ready }
func (p *probed) Check(context.Context) error { return p.lacks }

func TestReadyzSaysWhatIsMissing(t *testing.T) {
	p := &probed{ready: make(chan struct{})}
	l := Listen("127.0.0.1:0", nil, nil, p)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	<-l.Ready()
	ask := func(path string, status int, want string) {
		t.Helper()
		res, err := http.Get(fmt.Sprintf("http://%s/%s", l.Addr(), path))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode != status || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %s, want %d %s", path, res.StatusCode, body, status, want)
		}
	}
	ask("readyz", 503, "entity is starting")
	ask("livez", 200, `"ok"`)
	p.lacks = errors.New("there is no connection to NATS")
	close(p.ready)
	ask("readyz", 503, `"message":"not ready: entity: there is no connection to NATS"`)
	p.lacks = nil
	ask("readyz", 200, `"ok"`)
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
