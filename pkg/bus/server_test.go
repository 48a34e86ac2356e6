package bus_test

import (
	"net"
	"net/url"
	"strconv"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/octomesh/octomesh/pkg/bus"
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

// port returns the port of a server's address, to start another one there.
func port(t testing.TB, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	_, p, err := net.SplitHostPort(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
