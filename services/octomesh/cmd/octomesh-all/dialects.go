package main

import (
	"context"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/stores/mongodb"
	"github.com/octomesh/octomesh/services/entity/projects"
)

// further are the dialects that this program has and octomesh has not.
var further = []projects.Dialect{
	{Name: "mongodb", Evidence: mongodb.Evidence, Open: openMongoDB},
}

func openMongoDB(ctx context.Context, _ *projects.Options, d *projects.Definition, cat *schema.Catalog) (driver.Conn, error) {
	return mongodb.Open(ctx, d.URI, cat, mongodb.Options{Strategy: driver.Strategy(d.Strategy)})
}
