package bus_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// A reply is given back once, after its body has left: what is written into its
// memory then reaches no caller.
func TestReplyIsGivenBack(t *testing.T) {
	s := mustStart(t, embedded.Options{})
	var given, back atomic.Int64
	caller := mesh.CallerFunc(func(_ context.Context, r *mesh.Request) (*mesh.Reply, error) {
		given.Add(1)
		body := []byte(strings.Repeat(string(r.Args), 200))
		return &mesh.Reply{Body: body, Release: func() {
			back.Add(1)
			for i := range body {
				body[i] = '#'
			}
		}}, nil
	})
	h := mustHost(t, s.Dialer(bus.RoleEntity), bus.HostOptions{}, bus.Project{Slug: "shop"}, caller)
	c := mustClient(t, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
	var work sync.WaitGroup
	for i := range 32 {
		work.Go(func() {
			for k := range 50 {
				args := fmt.Sprintf(`{"id":"%d-%d"}`, i, k)
				r, err := c.Call(within(t, patience), call("shop", "Item", "findById", args))
				if err != nil {
					t.Error(err)
					return
				}
				if string(r.Body) != strings.Repeat(args, 200) {
					t.Errorf("the reply to %s is %.80q", args, r.Body)
				}
			}
		})
	}
	work.Wait()
	if err := h.Drain(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if given.Load() != 1600 || back.Load() != given.Load() {
		t.Errorf("%d replies were given, %d given back", given.Load(), back.Load())
	}
}
