// Command octomesh-all is octomesh with every further database compiled in: a
// larger program, otherwise the same.
package main

import (
	"os"

	"github.com/octomesh/octomesh/services/octomesh"
	"github.com/octomesh/octomesh/services/octomesh/dialects"
)

func main() {
	os.Exit(octomesh.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, dialects.Further()...))
}
