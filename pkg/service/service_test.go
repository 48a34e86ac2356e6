package service_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/service"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(s string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, s)
}

type fake struct {
	name  string
	log   *journal
	ready chan struct{}
	fail  chan error // a value makes Run return it
	never bool       // does not become ready
}

func newFake(name string, j *journal) *fake {
	return &fake{name: name, log: j, ready: make(chan struct{}), fail: make(chan error, 1)}
}

func (f *fake) Name() string           { return f.name }
func (f *fake) Ready() <-chan struct{} { return f.ready }
func (f *fake) Run(ctx context.Context) error {
	f.log.add("+" + f.name)
	if !f.never {
		close(f.ready)
	}
	select {
	case <-ctx.Done():
		f.log.add("-" + f.name)
		return ctx.Err()
	case err := <-f.fail:
		return err
	}
}

func TestOrder(t *testing.T) {
	j := &journal{}
	a, b, c := newFake("a", j), newFake("b", j), newFake("c", j)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-c.ready; cancel() }()
	if err := service.Run(ctx, nil, a, b, c); err != nil {
		t.Fatal(err)
	}
	if want := []string{"+a", "+b", "+c", "-c", "-b", "-a"}; !slices.Equal(j.lines, want) {
		t.Fatalf("order %v, want %v", j.lines, want)
	}
}

func TestOneFails(t *testing.T) {
	j := &journal{}
	a, b := newFake("a", j), newFake("b", j)
	boom := errors.New("boom")
	go func() { <-b.ready; a.fail <- boom }()
	err := service.Run(t.Context(), nil, a, b)
	if !errors.Is(err, boom) || !strings.HasPrefix(err.Error(), "a: ") {
		t.Fatalf("error %v", err)
	}
	if !slices.Contains(j.lines, "-b") {
		t.Fatalf("b was not stopped: %v", j.lines)
	}
}

func TestFailureWhileStarting(t *testing.T) {
	j := &journal{}
	a, b, c := newFake("a", j), newFake("b", j), newFake("c", j)
	b.never = true
	b.fail <- errors.New("port taken")
	err := service.Run(t.Context(), nil, a, b, c)
	if err == nil || !strings.Contains(err.Error(), "port taken") {
		t.Fatalf("error %v", err)
	}
	if slices.Contains(j.lines, "+c") || !slices.Contains(j.lines, "-a") {
		t.Fatalf("journal %v", j.lines)
	}
}

func TestEndWhileStarting(t *testing.T) {
	j := &journal{}
	a := newFake("a", j)
	a.never = true
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := service.Run(ctx, nil, a); err != nil {
		t.Fatal(err)
	}
}

func TestEndsByItself(t *testing.T) {
	a := newFake("a", &journal{})
	a.fail <- nil
	if err := service.Run(t.Context(), nil, a); err == nil {
		t.Fatal("a service that stops by itself must end the process")
	}
}
