package testserver

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/go-sql-driver/mysql"
)

var mariadb = engine{
	name: "MariaDB", env: "OCTOMESH_TEST_MARIADB_URL", how: "apt-get install --no-install-recommends mariadb-server",
	programs: func() error {
		if _, err := exec.LookPath("mariadb-install-db"); err != nil {
			return err
		}
		_, err := mariadbProgram()
		return err
	},
	prepare: initMariaDB,
	command: mariadbCommand,
	stop:    "TERM", kill: "KILL",
	admin: func(port int) string { return fmt.Sprintf("mariadb://root@127.0.0.1:%d/mysql", port) },
	ping: func(ctx context.Context, admin string) error {
		return runMariaDB(ctx, admin, "SELECT 1")
	},
	create: createMariaDB,
}

func mariadbProgram() (string, error) {
	if path, err := exec.LookPath("mariadbd"); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/mariadbd")
}

// runAs is the user that the server is told to stay; it refuses to be root
// without being told.
func runAs() []string {
	if os.Geteuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}

func initMariaDB(s *Server) error {
	args := append([]string{
		"--no-defaults", "--datadir=" + s.data(), "--auth-root-authentication-method=normal",
		"--skip-test-db", "--innodb-flush-log-at-trx-commit=0",
	}, runAs()...)
	if out, err := exec.Command("mariadb-install-db", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db: %w: %s", err, out)
	}
	return nil
}

func mariadbCommand(s *Server) []string {
	program, _ := mariadbProgram()
	args := []string{
		program, "--no-defaults", "--datadir=" + s.data(), "--bind-address=127.0.0.1",
		fmt.Sprintf("--port=%d", s.port), "--socket=" + filepath.Join(s.dir, "socket"), "--skip-name-resolve",
		"--max-connections=300", "--innodb-buffer-pool-size=64M",
	}
	if !s.options.Durable {
		args = append(args, "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-flush-method=nosync")
	}
	return append(args, runAs()...)
}

// runMariaDB runs one statement on a connection of its own.
func runMariaDB(ctx context.Context, uri, statement string) error {
	u, err := url.Parse(uri)
	if err != nil {
		return err
	}
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.User, cfg.DBName = "tcp", u.Host, u.User.Username(), u.Path[1:]
	cfg.Passwd, _ = u.User.Password()
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(ctx, statement)
	return err
}

func createMariaDB(ctx context.Context, admin, name string) (string, func(context.Context) error, error) {
	if err := runMariaDB(ctx, admin, "CREATE DATABASE "+name); err != nil {
		return "", nil, err
	}
	u, err := url.Parse(admin)
	if err != nil {
		return "", nil, err
	}
	u.Path = "/" + name
	return u.String(), func(ctx context.Context) error {
		return runMariaDB(ctx, admin, "DROP DATABASE IF EXISTS "+name)
	}, nil
}
