package clickhouse

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/stores/clickhouse/chdbtest"
	"github.com/octomesh/octomesh/pkg/storetest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	chdbtest.Stop()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// at is a Conn that knows its address.
type at struct {
	driver.Conn
	uri string
}

func harness(t *testing.T) storetest.Harness {
	chdbtest.URI(t) // or skip the whole test
	open := func(t testing.TB, uri string, cat *schema.Catalog) driver.Conn {
		conn, err := Open(t.Context(), uri, cat, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return at{conn, uri}
	}
	return storetest.Harness{
		Open: func(t testing.TB, cat *schema.Catalog) driver.Conn { return open(t, chdbtest.URI(t), cat) },
		Reopen: func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, conn.(at).uri, cat)
		},
		Tables: &storetest.Tables{
			Dialect: Dialect(), Key: "FixedString(40)",
			Database: func(t testing.TB) string { return chdbtest.URI(t) },
			Open: func(ctx context.Context, uri string, cat *schema.Catalog, s driver.Strategy) (driver.Conn, error) {
				return Open(ctx, uri, cat, Options{Strategy: s, Patience: leaseTime / 10})
			},
			Exec: func(t testing.TB, uri string, sql ...string) {
				for _, s := range sql {
					chdbtest.Exec(t, uri, s)
				}
			},
		},
		Gaps: map[string]string{
			"tables adopt":   "it makes only tables of its own: others have no number that tells the last row of an id",
			"tables misfits": "it makes only tables of its own: others have no number that tells the last row of an id",
			"tables at once": "one process serves a database",
			"tables collide": "it has no unique indexes to look for collisions at; new writes are held to the schema",
			"tables swap":    "it has no unique indexes to look for collisions at; new writes are held to the schema",
			"tables free":    "it has no unique indexes",
			"stream close":   "a stream is no snapshot: each page of it is of its own moment",
		},
	}
}

func TestStore(t *testing.T) {
	storetest.Run(t, harness(t))
}

func TestProperty(t *testing.T) {
	storetest.Property(t, harness(t), storetest.ServerCases())
}

func TestSeededBugs(t *testing.T) {
	storetest.SeededBugs(t, harness(t), storetest.ServerCases())
}
