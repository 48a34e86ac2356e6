package storetest_test

import (
	"path/filepath"
	"testing"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlite"
	"github.com/octomesh/octomesh/pkg/storetest"
	"go.uber.org/goleak"
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
	}
}

// located is a database that knows its file.
type located struct {
	driver.Conn
	path string
}
