package bus_test

import (
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/freeport"
)

// seeds gives every role a key that outlives one server.
func seeds(t testing.TB) map[string]string {
	t.Helper()
	m := make(map[string]string)
	for _, role := range bus.Roles() {
		kp, err := nkeys.CreateUser()
		if err != nil {
			t.Fatal(err)
		}
		seed, err := kp.Seed()
		if err != nil {
			t.Fatal(err)
		}
		m[role] = string(seed)
	}
	return m
}

// port returns a port for a server that is to come back there.
func port(t testing.TB) int {
	t.Helper()
	n, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	return n
}
