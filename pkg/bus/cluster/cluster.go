// Package cluster runs several embedded NATS servers as one cluster, for tests:
// connections of a role go in at any of its nodes.
package cluster

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
	"github.com/octomesh/octomesh/pkg/freeport"
)

// Cluster is a running cluster.
type Cluster struct {
	Nodes []*embedded.Server
	opts  []embedded.Options
}

// Start starts a cluster of n nodes, n at least 2, with JetStream, and returns
// when it has a leader and every node is up to date. It ends with the test.
func Start(t testing.TB, n int) *Cluster {
	t.Helper()
	seeds, err := newSeeds()
	if err != nil {
		t.Fatal(err)
	}
	ports, routes := make([]int, n), make([]string, n)
	for i := range ports {
		if ports[i], err = freeport.Find(); err != nil {
			t.Fatal(err)
		}
		routes[i] = fmt.Sprintf("127.0.0.1:%d", ports[i])
	}
	dir := t.TempDir()
	c := &Cluster{Nodes: make([]*embedded.Server, n)}
	t.Cleanup(func() {
		for _, s := range c.Nodes {
			if s != nil {
				s.Shutdown()
			}
		}
	})
	for i := range n {
		name := fmt.Sprintf("n%d", i+1)
		c.opts = append(c.opts, embedded.Options{
			Name: name, StoreDir: filepath.Join(dir, name), Seeds: seeds,
			Cluster: &embedded.Cluster{Name: "test", Host: "127.0.0.1", Port: ports[i], Routes: routes},
		})
	}
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { c.Nodes[i], errs[i] = embedded.Start(c.opts[i]) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if err := c.ready(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	return c
}

// Dialer returns the Dialer of a role at a node, over the network and with the
// other nodes to go to when it is lost.
func (c *Cluster) Dialer(node int, role string) bus.Dialer {
	addr := c.Nodes[node].ClientURL()
	for i, s := range c.Nodes {
		if i != node {
			addr += "," + s.ClientURL()
		}
	}
	return bus.URL{Addr: addr, Service: role, Role: role, Seed: c.Nodes[node].Seed(role)}
}

// Leader returns the node that leads JetStream.
func (c *Cluster) Leader() int {
	for i, s := range c.Nodes {
		if s.Server().JetStreamIsLeader() {
			return i
		}
	}
	return -1
}

// ready polls until the cluster is one.
func (c *Cluster) ready(limit time.Duration) error {
	end := time.Now().Add(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ; time.Now().Before(end); <-tick.C {
		good := c.Leader() >= 0
		for _, s := range c.Nodes {
			ns := s.Server()
			good = good && ns.NumRoutes() >= len(c.Nodes)-1 && ns.JetStreamIsCurrent()
		}
		if good {
			return nil
		}
	}
	return errors.New("the cluster did not become ready")
}

func newSeeds() (map[string]string, error) {
	seeds := make(map[string]string)
	for _, role := range bus.Roles() {
		kp, err := nkeys.CreateUser()
		if err != nil {
			return nil, err
		}
		seed, err := kp.Seed()
		if err != nil {
			return nil, err
		}
		seeds[role] = string(seed)
	}
	return seeds, nil
}
