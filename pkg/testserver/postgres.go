package testserver

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/jackc/pgx/v5"
)

var postgres = engine{
	name: "PostgreSQL", env: "OCTOMESH_TEST_POSTGRES_URL", how: "apt-get install postgresql",
	programs: func() error { _, err := postgresProgram("postgres"); return err },
	prepare:  initPostgres,
	command:  postgresCommand,
	stop:     "INT", kill: "QUIT",
	admin: func(port int) string {
		return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
	},
	ping: func(ctx context.Context, admin string) error {
		return withPostgres(ctx, admin, func(c *pgx.Conn) error { return c.Ping(ctx) })
	},
	create: createPostgres,
}

// postgresProgram finds a server program: on the path, or where Debian keeps
// the newest release.
func postgresProgram(name string) (string, error) {
	if runtime.GOOS == "windows" {
		return "", exec.ErrNotFound
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		return "", exec.ErrNotFound
	}
	return slices.Max(found), nil
}

func initPostgres(s *Server) error {
	initdb, err := postgresProgram("initdb")
	if err != nil {
		return err
	}
	if err := give(s.data(), "postgres"); err != nil {
		return err
	}
	cmd := exec.Command(initdb, "-D", s.data(), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8",
		"--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")
	cmd.Dir = s.data()
	asUser(cmd, "postgres")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

func postgresCommand(s *Server) []string {
	program, _ := postgresProgram("postgres")
	args := []string{
		program, "-D", s.data(), "-p", fmt.Sprint(s.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200",
		"-c", "shared_buffers=64MB", "-c", "autovacuum_naptime=10s",
	}
	if !s.options.Durable {
		args = append(args, "-c", "fsync=off", "-c", "full_page_writes=off")
	}
	return args
}

func withPostgres(ctx context.Context, uri string, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, uri)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return do(conn)
}

func createPostgres(ctx context.Context, admin, name string) (string, func(context.Context) error, error) {
	run := func(ctx context.Context, sql string) error {
		return withPostgres(ctx, admin, func(c *pgx.Conn) error { _, err := c.Exec(ctx, sql); return err })
	}
	if err := run(ctx, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		return "", nil, err
	}
	u, err := url.Parse(admin)
	if err != nil {
		return "", nil, err
	}
	u.Path = "/" + name
	return u.String(), func(ctx context.Context) error {
		return run(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	}, nil
}
