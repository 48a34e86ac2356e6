// Command octomesh serves one schema as a complete backend, and administers it.
package main

import (
	"os"

	"github.com/octomesh/octomesh/services/octomesh"
)

func main() {
	os.Exit(octomesh.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
