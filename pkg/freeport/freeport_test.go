package freeport_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/octomesh/octomesh/pkg/freeport"
)

// TestFind listens where it is told to, with several servers at once.
func TestFind(t *testing.T) {
	for range 100 {
		n, err := freeport.Find()
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", n))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if n >= 32768 {
			t.Errorf("%d is also given to connections that go out", n)
		}
	}
}
