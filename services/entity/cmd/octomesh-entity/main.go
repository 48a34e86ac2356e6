// Command octomesh-entity is the worker as a process of its own: calls come
// from a NATS server, records go to the projects' databases.
package main

import (
	"github.com/octomesh/octomesh/pkg/process"
	"github.com/octomesh/octomesh/services/entity"
)

func main() { process.Main("entity", &entity.Process{}) }
