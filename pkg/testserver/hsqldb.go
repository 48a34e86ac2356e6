package testserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	hsqldbJar = "/usr/share/java/hsqldb.jar"
	// hsqldbDatabases is how many databases a process opens at its start: the
	// server can make none later.
	hsqldbDatabases = 64
)

var hsqldbUsed struct {
	sync.Mutex
	opened int
	free   []int // given back
}

var hsqldb = engine{
	name: "HSQLDB", env: "OCTOMESH_TEST_HSQLDB_URL", how: "apt-get install libhsqldb-java default-jre-headless",
	programs: func() error {
		if _, err := exec.LookPath("java"); err != nil {
			return err
		}
		_, err := os.Stat(hsqldbJar)
		return err
	},
	prepare: func(s *Server) error { return os.Mkdir(s.data(), 0o700) },
	command: func(s *Server) []string {
		args := []string{
			"java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", "-cp", hsqldbJar,
			"org.hsqldb.server.Server", "--address", "127.0.0.1", "--port", fmt.Sprint(s.port),
		}
		for i := range hsqldbDatabases {
			args = append(args, fmt.Sprintf("--database.%d", i), fmt.Sprintf("mem:t%d;user=SA;password=x", i),
				fmt.Sprintf("--dbname.%d", i), fmt.Sprintf("t%d", i))
		}
		return args
	},
	stop: "TERM", kill: "KILL",
	admin: func(port int) string { return fmt.Sprintf("hsqldb://SA:x@127.0.0.1:%d/", port) },
	// The server listens after all of its databases are open.
	ping: func(ctx context.Context, admin string) error {
		u, err := url.Parse(admin)
		if err != nil {
			return err
		}
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", u.Host)
		if err != nil {
			return err
		}
		return conn.Close()
	},
	create: createHSQLDB,
}

// createHSQLDB gives each test a database of the server that no other test uses
// at the time. One that a URL in the environment names is used as it is.
func createHSQLDB(ctx context.Context, admin, _ string) (string, func(context.Context) error, error) {
	nothing := func(context.Context) error { return nil }
	if !strings.HasSuffix(admin, "/") {
		return admin, nothing, nil
	}
	hsqldbUsed.Lock()
	defer hsqldbUsed.Unlock()
	n := hsqldbUsed.opened
	if free := hsqldbUsed.free; len(free) > 0 {
		n = free[len(free)-1]
		hsqldbUsed.free = free[:len(free)-1]
		if err := emptyHSQLDB(ctx, fmt.Sprintf("%st%d", admin, n)); err != nil {
			return "", nil, err
		}
	} else {
		hsqldbUsed.opened++
	}
	if n >= hsqldbDatabases {
		return "", nil, errors.New("all databases of the server are used up: raise hsqldbDatabases")
	}
	back := func(context.Context) error {
		hsqldbUsed.Lock()
		defer hsqldbUsed.Unlock()
		hsqldbUsed.free = append(hsqldbUsed.free, n)
		return nil
	}
	return fmt.Sprintf("%st%d", admin, n), back, nil
}

// emptyHSQLDB removes what a former test has left in a database. The server lets
// PostgreSQL's clients in.
func emptyHSQLDB(ctx context.Context, uri string) error {
	conn, err := pgconn.Connect(ctx, strings.Replace(uri, "hsqldb:", "postgres:", 1)+"?sslmode=disable")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.ExecParams(ctx, "DROP SCHEMA PUBLIC CASCADE", nil, nil, nil, nil).Close()
	return err
}
