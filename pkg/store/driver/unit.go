package driver

import (
	"crypto/rand"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
)

// ErrClosed answers whoever uses a Conn that was closed: DB_NOT_CONNECTED.
var ErrClosed = fault.New(fault.DBNotConnected, "the project's database is closed")

// NewEpoch makes a name for a change log: 8 characters of [a-z0-9].
func NewEpoch() string { return strings.ToLower(rand.Text()[:8]) }

type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic in a write: %v\n%s", p.value, p.stack) }

// Guard runs a unit; a panic in it becomes its error, INTERNAL, so that the units
// that share its commit are not taken along.
func (u Unit) Guard(t Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.Wrap(&panicked{p, debug.Stack()}, fault.Internal, "something went wrong on our side")
		}
	}()
	return u.Run(t)
}
