// Package freeport gives tests a port for a server that must know its own before it
// starts, or that comes back to the one it had.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// lowest and above are the range: above begins what Linux gives to connections
// that go out and to listeners that ask for port 0.
const lowest, above = 12000, 32768

// Find returns a port of 127.0.0.1 that nobody listens on. No connection that
// goes out takes it before its server starts, or while that is away.
func Find() (int, error) {
	var refused error
	for range 100 {
		n := lowest + rand.IntN(above-lowest)
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", n))
		if err == nil {
			return n, l.Close()
		}
		refused = errors.Join(refused, err)
	}
	return 0, refused
}
