package cluster_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/cluster"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

func TestCallsAndStateSurviveTheLossOfANode(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, 3)
	var executed [3]atomic.Int64
	for i := range 3 {
		h, err := bus.NewHost(c.Dialer(i, bus.RoleEntity), bus.HostOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(h.Close)
		if err := h.Serve(bus.Project{Slug: "shop"}, mesh.CallerFunc(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
			executed[i].Add(1)
			return &mesh.Reply{Body: []byte("ok")}, nil
		})); err != nil {
			t.Fatal(err)
		}
	}
	client, err := bus.NewClient(c.Dialer(0, bus.RoleGateway), bus.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)

	nc, err := c.Dialer(0, bus.RoleAuth).Dial("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	b, err := bus.OpenBucket(ctx, nc, bus.BucketCatalogs, bus.BucketConfig{Create: true, Replicas: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(ctx, "a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	js := eventsOn(t, c)
	if _, err := bus.EnsureEvents(ctx, js, 3); err != nil {
		t.Fatal(err)
	}

	// Calls go on while a node, and the worker's connection to it, are lost.
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var done atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			r := &mesh.Request{Project: "shop", Entity: "User", Op: "findAll"}
			if i%2 == 0 {
				r.Op, r.IdempotencyKey = "create", "key"
			}
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := client.Call(context.Background(), r); err != nil {
					t.Error(err)
				}
				done.Add(1)
			}
		})
	}
	progress := func(n int64) {
		t.Helper()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for before := done.Load(); done.Load() < before+n; {
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatal("no progress")
			}
		}
	}
	progress(300)
	for i := range executed {
		if executed[i].Load() == 0 {
			t.Errorf("the worker on node %d got no call", i)
		}
	}
	c.Nodes[0].Shutdown()
	progress(300)
	close(stop)
	wg.Wait()

	for {
		v, _, err := b.Get(ctx, "a")
		if err == nil {
			if string(v) != "1" {
				t.Errorf("the bucket holds %q", v)
			}
			break
		}
		if fault.CodeOf(err) != fault.Unavailable || ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

func eventsOn(t *testing.T, c *cluster.Cluster) jetstream.JetStream {
	t.Helper()
	nc, err := c.Dialer(1, bus.RoleRelay).Dial("test", nats.Timeout(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}
