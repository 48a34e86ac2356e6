package storetest_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlite"
	"github.com/octomesh/octomesh/pkg/storetest"
	"go.uber.org/goleak"
	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, harness())
}

func TestPropertySQLite(t *testing.T) {
	t.Parallel()
	storetest.Property(t, harness(), storetest.Cases())
}

func TestSeededBugsSQLite(t *testing.T) {
	t.Parallel()
	storetest.SeededBugs(t, harness(), storetest.Cases())
}

// harness opens SQLite databases in folders of their own.
func harness() storetest.Harness {
	open := func(t testing.TB, cat *schema.Catalog, path string) driver.Conn {
		conn, err := sqlite.Open(t.Context(), path, cat, sqlite.Options{Sync: "normal", Strategy: driver.Update})
		if err != nil {
			t.Fatal(err)
		}
		return located{conn, path}
	}
	return storetest.Harness{
		Open: func(t testing.TB, cat *schema.Catalog) driver.Conn {
			return open(t, cat, filepath.Join(t.TempDir(), "store.db"))
		},
		Reopen: func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, cat, conn.(located).path)
		},
		Tables: &storetest.Tables{
			Dialect:  sqlite.Dialect(),
			Database: func(t testing.TB) string { return filepath.Join(t.TempDir(), "store.db") },
			Open: func(ctx context.Context, at string, cat *schema.Catalog, s driver.Strategy) (driver.Conn, error) {
				return sqlite.Open(ctx, at, cat, sqlite.Options{Sync: "normal", Strategy: s})
			},
			Exec: func(t testing.TB, at string, sql ...string) {
				c, err := zombie.OpenConn(at)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				for _, s := range sql {
					if err := sqlitex.ExecuteTransient(c, s, nil); err != nil {
						t.Fatal(err)
					}
				}
			},
			Key: "VARCHAR(40)", Ignoring: "TEXT COLLATE NOCASE",
		},
	}
}

// located is a database that knows its file.
type located struct {
	driver.Conn
	path string
}
