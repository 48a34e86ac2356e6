package projects

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/octomesh/octomesh/pkg/bus/subject"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlite"
)

// open opens the database of a definition; dialects lists all that there are.
type open func(ctx context.Context, o *Options, d *Definition, cat *schema.Catalog) (driver.Conn, error)

var dialects = map[string]open{
	"sqlite": openSQLite,
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
