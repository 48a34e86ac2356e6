package testserver

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"
)

// Options say how a server is run.
type Options struct {
	// Durable flushes every commit to disk, as in production. Without it a
	// suite runs several times faster.
	Durable bool
}

// PostgreSQL returns the URI of an empty database, which is dropped when the
// test ends. Its default collation is linguistic, so that a forgotten
// COLLATE "C" shows.
func PostgreSQL(t testing.TB) string { t.Helper(); return database(t, &postgres) }

// MariaDB returns the URI of an empty database, which is dropped when the test
// ends. Its default character set is not UTF-8, as MariaDB has it.
func MariaDB(t testing.TB) string { t.Helper(); return database(t, &mariadb) }

// HSQLDB returns the URI of an empty database in memory, for user SA.
func HSQLDB(t testing.TB) string { t.Helper(); return database(t, &hsqldb) }

// StartPostgreSQL starts a server for this test alone.
func StartPostgreSQL(t testing.TB, o Options) *Server { t.Helper(); return own(t, &postgres, o) }

// StartMariaDB starts a server for this test alone.
func StartMariaDB(t testing.TB, o Options) *Server { t.Helper(); return own(t, &mariadb, o) }

// Missing ends the test because something outside it cannot be had; how says
// how to run it. It skips, or fails when OCTOMESH_TEST_REQUIRE is all.
func Missing(t testing.TB, what, how string) {
	t.Helper()
	if os.Getenv("OCTOMESH_TEST_REQUIRE") == "all" {
		t.Fatalf("missing: %s (%s); OCTOMESH_TEST_REQUIRE=all allows no skip", what, how)
	}
	t.Skipf("skipped: %s (%s)", what, how)
}

// engine is what differs between the servers.
type engine struct {
	name, env, how string
	// programs must all be found before anything is tried.
	programs func() error
	// prepare fills an empty data directory.
	prepare func(s *Server) error
	command func(s *Server) []string
	// stop and kill are the signals of an orderly end and of a sudden one that
	// leaves nothing in the operating system.
	stop, kill string
	// admin is the URI under which databases are created.
	admin func(port int) string
	// ping answers nil when the server takes work.
	ping func(ctx context.Context, admin string) error
	// create makes a database and returns its URI and how to drop it.
	create func(ctx context.Context, admin, name string) (uri string, drop func(context.Context) error, err error)
}

var shared struct {
	sync.Mutex
	servers map[*engine]*Server
	failed  map[*engine]error
}

// database makes a database on the shared server of e.
func database(t testing.TB, e *engine) string {
	t.Helper()
	if admin := os.Getenv(e.env); admin != "" {
		return fresh(t, e, admin)
	}
	if err := e.programs(); err != nil {
		Missing(t, e.name, e.how+", or set "+e.env)
	}
	shared.Lock()
	s, err := shared.servers[e], shared.failed[e]
	if s == nil && err == nil {
		if shared.servers == nil {
			shared.servers, shared.failed = map[*engine]*Server{}, map[*engine]error{}
		}
		if s, err = newServer(e, Options{}); err != nil {
			shared.failed[e] = err
		} else {
			shared.servers[e] = s
		}
	}
	shared.Unlock()
	if err != nil {
		t.Fatalf("%s does not start: %v", e.name, err)
	}
	return fresh(t, e, s.admin)
}

func own(t testing.TB, e *engine, o Options) *Server {
	t.Helper()
	if err := e.programs(); err != nil {
		Missing(t, e.name, e.how)
	}
	s, err := newServer(e, o)
	if err != nil {
		t.Fatalf("%s does not start: %v", e.name, err)
	}
	t.Cleanup(s.remove)
	return s
}

// patience bounds every wait for a server.
const patience = 60 * time.Second

func fresh(t testing.TB, e *engine, admin string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	uri, drop, err := e.create(ctx, admin, freshName())
	if err != nil {
		t.Fatalf("%s gives no database: %v", e.name, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := drop(ctx); err != nil {
			t.Errorf("%s does not drop the test's database: %v", e.name, err)
		}
	})
	return uri
}
