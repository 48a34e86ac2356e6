package mysql

import (
	"context"
	"database/sql"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
	"github.com/octomesh/octomesh/pkg/storetest"
	"github.com/octomesh/octomesh/pkg/testserver"
	"go.uber.org/goleak"
)

// located is a database that knows its address.
type located struct {
	driver.Conn
	uri string
}

func openAt(t testing.TB, uri string, cat *schema.Catalog) driver.Conn {
	t.Helper()
	conn, err := Open(context.Background(), "mariadb", uri, cat, sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return located{conn, uri}
}

func harness() storetest.Harness {
	return storetest.Harness{
		Open: func(t testing.TB, cat *schema.Catalog) driver.Conn { return openAt(t, testserver.MariaDB(t), cat) },
		Reopen: func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			return openAt(t, conn.(located).uri, cat)
		},
		Beside: func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn {
			return openAt(t, conn.(located).uri, cat)
		},
		Tables: &storetest.Tables{
			Dialect:  Dialect("mariadb", true),
			Database: func(t testing.TB) string { return testserver.MariaDB(t) },
			Open: func(ctx context.Context, at string, cat *schema.Catalog, s driver.Strategy) (driver.Conn, error) {
				return Open(ctx, "mariadb", at, cat, sqldb.Options{Strategy: s})
			},
			Exec: func(t testing.TB, at string, statements ...string) {
				cfg, err := parse(at)
				if err != nil {
					t.Fatal(err)
				}
				cfg.Params = nil // as another program would
				connector, err := mysqldriver.NewConnector(cfg)
				if err != nil {
					t.Fatal(err)
				}
				db := sql.OpenDB(connector)
				defer db.Close()
				for _, s := range statements {
					if _, err := db.ExecContext(t.Context(), s); err != nil {
						t.Fatalf("%s: %v", s, err)
					}
				}
			},
			Key: "VARCHAR(40)", Ignoring: "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
		},
	}
}

func TestStore(t *testing.T) { storetest.Run(t, harness()) }

func TestProperty(t *testing.T) { storetest.Property(t, harness(), storetest.ServerCases()) }

func TestSeededBugs(t *testing.T) { storetest.SeededBugs(t, harness(), storetest.ServerCases()) }

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
