package bus

import (
	"time"

	"github.com/octomesh/octomesh/pkg/mesh"
)

// ParseHeader reads a header as a Host does.
func ParseHeader(b []byte) (mesh.Header, time.Duration, error) { return parseHeader(string(b)) }
