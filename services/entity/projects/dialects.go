package projects

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/postgres"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
	"github.com/octomesh/octomesh/pkg/store/sqldb/mysql"
	"github.com/octomesh/octomesh/pkg/store/sqlite"
)

// Dialect is a database that a program has compiled in: a row of the table that
// its main hands down.
type Dialect struct {
	// Name is its id in DB_DIALECT and in the definitions of projects.
	Name string
	// Evidence is how it was tested, as driver.Capabilities says it.
	Evidence string
	// Open opens a project's database. Errors: those of the driver's own Open.
	Open func(ctx context.Context, o *Options, d *Definition, cat *schema.Catalog) (driver.Conn, error)
}

// BuiltIn are the dialects that every program has; octomesh-all and octomesh-entity-all add others.
func BuiltIn() []Dialect {
	return []Dialect{
		{Name: "sqlite", Evidence: "engine", Open: openSQLite},
		{Name: "postgres", Evidence: "engine", Open: openPostgres(postgres.Open)},
		{Name: "cockroachdb", Evidence: "emulator", Open: openPostgres(postgres.OpenCockroach)},
		{Name: "mysql", Evidence: "emulator", Open: openMySQL("mysql")},
		{Name: "mariadb", Evidence: "engine", Open: openMySQL("mariadb")},
	}
}

// known are the ids of all dialects, whether a program has them or not.
var known = []string{
	"sqlite", "postgres", "cockroachdb", "mysql", "mariadb", "oracle", "mssql", "db2", "hana", "hsqldb",
	"sybase", "mongodb", "clickhouse", "spanner",
}

// Find returns the dialect of that name. Errors: UNSUPPORTED, with what the
// program has, and which program has more.
func Find(compiledIn []Dialect, name string) (*Dialect, error) {
	var names []string
	for i := range compiledIn {
		if compiledIn[i].Name == name {
			return &compiledIn[i], nil
		}
		names = append(names, compiledIn[i].Name)
	}
	if name == "db2" {
		return nil, fault.New(fault.Unsupported, "no program of ours has DB2, for which there is no driver in pure Go: who has a database/sql driver for it makes one with pkg/stores/db2.OpenWith")
	}
	if slices.Contains(known, name) {
		return nil, fault.New(fault.Unsupported, "the database %q is not compiled into this program, which has %s; start octomesh-all (or octomesh-entity-all), which has more", name, strings.Join(names, ", "))
	}
	return nil, fault.New(fault.Unsupported, "there is no database %q; this program has %s, octomesh-all has more (octomesh-all info lists them)", name, strings.Join(names, ", "))
}

// openSQLite takes the file that the address names (a path, or sqlite: and a
// path), relative to the data folder, or for an empty one a file of the
// project's own.
func openSQLite(ctx context.Context, o *Options, d *Definition, cat *schema.Catalog) (driver.Conn, error) {
	path := d.URI
	for _, scheme := range []string{"sqlite://", "sqlite:", "file:"} {
		path = strings.TrimPrefix(path, scheme)
	}
	switch {
	case strings.ContainsAny(path, "\x00?"):
		return nil, fault.New(fault.InvalidRequest, "the address of the project %s is a path of a file, without parameters", d.Slug)
	case path == "":
		if !subject.ValidToken(d.ID) {
			return nil, fault.New(fault.InvalidRequest, "the project %s has an id that cannot name a file", d.Slug)
		}
		path = filepath.Join(o.DataDir, "projects", d.ID+".db")
	case !filepath.IsAbs(path):
		path = filepath.Join(o.DataDir, path)
	}
	return sqlite.Open(ctx, path, cat, sqlite.Options{
		Sync: o.SQLiteSync, Strategy: driver.Strategy(d.Strategy), Committed: o.Metrics.WriterBatch,
	})
}

// openMySQL takes the address that names the database; the server may be of
// either kind, whatever the name.
func openMySQL(name string) func(context.Context, *Options, *Definition, *schema.Catalog) (driver.Conn, error) {
	return func(ctx context.Context, o *Options, d *Definition, cat *schema.Catalog) (driver.Conn, error) {
		return mysql.Open(ctx, name, d.URI, cat, sqldb.Options{
			Strategy: driver.Strategy(d.Strategy), Committed: o.Metrics.WriterBatch,
		})
	}
}

// openPostgres takes the address as libpq writes it.
func openPostgres(open func(context.Context, string, *schema.Catalog, postgres.Options) (driver.Conn, error)) func(context.Context, *Options, *Definition, *schema.Catalog) (driver.Conn, error) {
	return func(ctx context.Context, o *Options, d *Definition, cat *schema.Catalog) (driver.Conn, error) {
		return open(ctx, d.URI, cat, postgres.Options{Strategy: driver.Strategy(d.Strategy), Committed: o.Metrics.WriterBatch})
	}
}
