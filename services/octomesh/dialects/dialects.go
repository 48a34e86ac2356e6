// Package dialects links the databases that octomesh and octomesh-entity leave
// out: their drivers more than double a program.
package dialects

import (
	"context"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
	"github.com/octomesh/octomesh/pkg/stores/clickhouse"
	"github.com/octomesh/octomesh/pkg/stores/hana"
	"github.com/octomesh/octomesh/pkg/stores/hsqldb"
	"github.com/octomesh/octomesh/pkg/stores/mongodb"
	"github.com/octomesh/octomesh/pkg/stores/mssql"
	"github.com/octomesh/octomesh/pkg/stores/oracle"
	"github.com/octomesh/octomesh/pkg/stores/spanner"
	"github.com/octomesh/octomesh/pkg/stores/sybase"
	"github.com/octomesh/octomesh/services/entity/projects"
)

// Further returns what these programs have beside projects.BuiltIn.
func Further() []projects.Dialect {
	return []projects.Dialect{
		{Name: "oracle", Evidence: "text", Open: overSQL(oracle.Open)},
		{Name: "mssql", Evidence: "text", Open: overSQL(mssql.Open)},
		{Name: "hana", Evidence: "text", Open: overSQL(hana.Open)},
		{Name: "sybase", Evidence: "text", Open: overSQL(sybase.Open)},
		{Name: "hsqldb", Evidence: "engine", Open: overSQL(hsqldb.Open)},
		{Name: "mongodb", Evidence: mongodb.Evidence, Open: openMongoDB},
		{Name: "clickhouse", Evidence: "engine", Open: openClickHouse},
		{Name: "spanner", Evidence: "emulator", Open: openSpanner},
	}
}

func openClickHouse(ctx context.Context, o *projects.Options, d *projects.Definition, cat *schema.Catalog) (driver.Conn, error) {
	return clickhouse.Open(ctx, d.URI, cat, clickhouse.Options{Strategy: driver.Strategy(d.Strategy), Committed: o.Metrics.WriterBatch})
}

func openSpanner(ctx context.Context, o *projects.Options, d *projects.Definition, cat *schema.Catalog) (driver.Conn, error) {
	return spanner.Open(ctx, d.URI, cat, spanner.Options{Strategy: driver.Strategy(d.Strategy), Committed: o.Metrics.WriterBatch})
}

func openMongoDB(ctx context.Context, _ *projects.Options, d *projects.Definition, cat *schema.Catalog) (driver.Conn, error) {
	return mongodb.Open(ctx, d.URI, cat, mongodb.Options{Strategy: driver.Strategy(d.Strategy)})
}

type openSQL func(ctx context.Context, address string, cat *schema.Catalog, o sqldb.Options) (driver.Conn, error)

// overSQL opens what database/sql's drivers reach.
func overSQL(open openSQL) func(context.Context, *projects.Options, *projects.Definition, *schema.Catalog) (driver.Conn, error) {
	return func(ctx context.Context, o *projects.Options, d *projects.Definition, cat *schema.Catalog) (driver.Conn, error) {
		return open(ctx, d.URI, cat, sqldb.Options{Strategy: driver.Strategy(d.Strategy), Committed: o.Metrics.WriterBatch})
	}
}
