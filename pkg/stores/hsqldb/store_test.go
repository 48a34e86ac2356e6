package hsqldb

import (
	"context"
	"testing"

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
	conn, err := Open(context.Background(), uri, cat, sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return located{conn, uri}
}

func harness() storetest.Harness {
	return storetest.Harness{
		Open: func(t testing.TB, cat *schema.Catalog) driver.Conn { return openAt(t, testserver.HSQLDB(t), cat) },
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
			Dialect:  Dialect(),
			Database: func(t testing.TB) string { return testserver.HSQLDB(t) },
			Open: func(ctx context.Context, at string, cat *schema.Catalog, s driver.Strategy) (driver.Conn, error) {
				return Open(ctx, at, cat, sqldb.Options{Strategy: s})
			},
			Exec: run,
			Key:  "VARCHAR(40)", Ignoring: "VARCHAR(40) COLLATE SQL_TEXT_UCC",
		},
		LongText: maxText,
	}
}

// run runs statements as another program would.
func run(t testing.TB, at string, statements ...string) {
	t.Helper()
	cfg, err := parse(at)
	if err != nil {
		t.Fatal(err)
	}
	c, err := (&connector{config: cfg, settings: statements}).Connect(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStore(t *testing.T) { storetest.Run(t, harness()) }

// The counter of the change log, which other databases rely on that no test can
// reach, does what it should on this one.
func TestStoreCounted(t *testing.T) {
	d := Dialect()
	d.Counter = true
	at := func(t testing.TB, uri string, cat *schema.Catalog) driver.Conn {
		t.Helper()
		conn, err := open(context.Background(), uri, d, cat, sqldb.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return located{conn, uri}
	}
	h := harness()
	h.Tables = nil
	h.Open = func(t testing.TB, cat *schema.Catalog) driver.Conn { return at(t, testserver.HSQLDB(t), cat) }
	h.Beside = func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn {
		return at(t, conn.(located).uri, cat)
	}
	h.Reopen = func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn {
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		return at(t, conn.(located).uri, cat)
	}
	storetest.Run(t, h)
}

func TestProperty(t *testing.T) { storetest.Property(t, harness(), storetest.ServerCases()) }

func TestSeededBugs(t *testing.T) { storetest.SeededBugs(t, harness(), storetest.ServerCases()) }

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
