// Command octomesh-entity-all is octomesh-entity with every further database
// compiled in: for workers of projects on MongoDB, ClickHouse, Spanner and others.
package main

import (
	"github.com/octomesh/octomesh/pkg/process"
	"github.com/octomesh/octomesh/services/entity"
	"github.com/octomesh/octomesh/services/octomesh/dialects"
)

func main() { process.Main("entity", &entity.Process{Further: dialects.Further()}) }
