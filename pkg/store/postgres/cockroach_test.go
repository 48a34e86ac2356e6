package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/postgres"
	"github.com/octomesh/octomesh/pkg/storetest"
	"github.com/octomesh/octomesh/pkg/testserver"
)

// The rules for CockroachDB are tried on PostgreSQL, at SERIALIZABLE and in a
// database whose texts compare by bytes.

// byBytes is the address of a database that compares text as CockroachDB does.
func byBytes(t testing.TB) string {
	t.Helper()
	uri := testserver.PostgreSQL(t)
	name := fmt.Sprintf("octobytes_%d", schemas.Add(1))
	exec(t, uri, "CREATE DATABASE "+name+" TEMPLATE template0 LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C' ENCODING 'UTF8'")
	t.Cleanup(func() {
		exec(t, uri, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	})
	from := strings.LastIndexByte(uri, '/')
	end := from + strings.IndexAny(uri[from:]+"?", "?")
	return uri[:from+1] + name + uri[end:]
}

func TestCockroachStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, cockroachHarness(t))
}

func TestCockroachProperty(t *testing.T) {
	t.Parallel()
	storetest.Property(t, cockroachHarness(t), storetest.ServerCases())
}

func cockroachHarness(t testing.TB) storetest.Harness {
	server := byBytes(t)
	connect := func(t testing.TB, uri string, cat *schema.Catalog) driver.Conn {
		t.Helper()
		conn, err := postgres.OpenCockroach(t.Context(), uri, cat, patient(""))
		if err != nil {
			t.Fatal(err)
		}
		return located{conn, uri}
	}
	return storetest.Harness{
		Open: func(t testing.TB, cat *schema.Catalog) driver.Conn { return connect(t, fresh(t, server), cat) },
		Reopen: func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			return connect(t, conn.(located).uri, cat)
		},
		Beside: func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn {
			return connect(t, conn.(located).uri, cat)
		},
		Tables: &storetest.Tables{
			Dialect:  postgres.Cockroach(),
			Database: func(t testing.TB) string { return fresh(t, server) },
			Open: func(ctx context.Context, at string, cat *schema.Catalog, s driver.Strategy) (driver.Conn, error) {
				return postgres.OpenCockroach(ctx, at, cat, patient(s))
			},
			Exec: exec,
			Key:  "varchar(40)",
		},
	}
}

// refusing makes the server end two of three commits with an error.
func refusing(code string) []string {
	return []string{
		"CREATE SEQUENCE tries",
		"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('tries') % 3 <> 0 THEN RAISE EXCEPTION 'met others' USING ERRCODE = '" + code + "'; END IF; RETURN NULL; END $$",
		`CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON "_octo_changes" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`,
	}
}

// Commits that the server refuses because they met others are run again, in
// groups and alone, and leave nothing behind twice, or nothing at all.
func TestCommitsThatClash(t *testing.T) {
	t.Parallel()
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	for _, dialect := range []string{"postgres", "cockroachdb"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			uri := fresh(t, byBytes(t))
			opening := postgres.Open
			if dialect == "cockroachdb" {
				opening = postgres.OpenCockroach
			}
			conn, err := opening(t.Context(), uri, cat, patient(""))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			exec(t, uri, refusing("40001")...)
			var done atomic.Int64
			var all sync.WaitGroup
			for i := range 60 {
				all.Go(func() {
					switch err := insert(conn, e, fmt.Sprintf("id%d", i), i%4 != 0); {
					case err == nil:
						done.Add(1)
					case dialect == "cockroachdb" || code(err) != fault.Overloaded: // PostgreSQL is tried 8 times, the other 40
						t.Error(err)
					}
				})
			}
			all.Wait()
			counts(t, conn, e, done.Load())
			if top, err := conn.Committed(t.Context()); err != nil || dialect == "cockroachdb" && top != 60 {
				t.Errorf("the log ends at %d: %v", top, err)
			}
		})
	}
}
