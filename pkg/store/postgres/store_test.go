package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/postgres"
	"github.com/octomesh/octomesh/pkg/storetest"
	"github.com/octomesh/octomesh/pkg/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, harness(t))
}

func TestProperty(t *testing.T) {
	t.Parallel()
	storetest.Property(t, harness(t), storetest.ServerCases())
}

func TestSeededBugs(t *testing.T) {
	t.Parallel()
	storetest.SeededBugs(t, harness(t), storetest.ServerCases())
}

// patient are the options of the shared suites: a machine that has stood still for
// half a minute, as shared ones do, proves nothing about a store.
func patient(s driver.Strategy) postgres.Options {
	return postgres.Options{Lanes: 2, Pool: 3, Strategy: s, Statement: 3 * time.Minute}
}

// harness opens each database in a schema of its own.
func harness(t testing.TB) storetest.Harness {
	server := testserver.PostgreSQL(t)
	return storetest.Harness{
		Open: func(t testing.TB, cat *schema.Catalog) driver.Conn {
			return open(t, fresh(t, server), cat)
		},
		Reopen: func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, conn.(located).uri, cat)
		},
		Beside: func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn {
			return open(t, conn.(located).uri, cat)
		},
		Tables: &storetest.Tables{
			Dialect:  postgres.Dialect(true),
			Database: func(t testing.TB) string { return fresh(t, server) },
			Open: func(ctx context.Context, at string, cat *schema.Catalog, s driver.Strategy) (driver.Conn, error) {
				return postgres.Open(ctx, at, cat, patient(s))
			},
			Exec: exec,
			Key:  "varchar(40)",
		},
	}
}

var schemas atomic.Int64

// fresh is the address of an empty schema in the database at uri.
func fresh(t testing.TB, uri string) string {
	t.Helper()
	name := fmt.Sprintf("s%d", schemas.Add(1))
	exec(t, uri, "CREATE SCHEMA "+name)
	sep := "?"
	if strings.Contains(uri, "?") {
		sep = "&"
	}
	return uri + sep + "schema=" + name
}

// exec runs statements as another program would.
func exec(t testing.TB, uri string, sql ...string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // cleanups run statements too
	c, err := pgx.Connect(ctx, strings.Replace(uri, "schema=", "search_path=", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	for _, s := range sql {
		if _, err := c.Exec(ctx, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// located is a database that knows its address.
type located struct {
	driver.Conn
	uri string
}

func open(t testing.TB, uri string, cat *schema.Catalog) driver.Conn {
	t.Helper()
	conn, err := postgres.Open(t.Context(), uri, cat, patient(""))
	if err != nil {
		t.Fatal(err)
	}
	return located{conn, uri}
}
