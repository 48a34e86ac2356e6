package testserver

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPostgreSQLGivesEmptyDatabases(t *testing.T) {
	a, b := PostgreSQL(t), PostgreSQL(t)
	if a == b {
		t.Fatalf("twice the same database %s", a)
	}
	err := withPostgres(t.Context(), a, func(c *pgx.Conn) error {
		var n int
		err := c.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname='public'").Scan(&n)
		if n != 0 {
			t.Errorf("%d tables in it", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMariaDBGivesEmptyDatabases(t *testing.T) {
	a, b := MariaDB(t), MariaDB(t)
	if a == b {
		t.Fatalf("twice the same database %s", a)
	}
	if err := runMariaDB(t.Context(), a, "CREATE TABLE x (y INT)"); err != nil {
		t.Fatal(err)
	}
	if err := runMariaDB(t.Context(), b, "CREATE TABLE x (y INT)"); err != nil {
		t.Fatal(err)
	}
}

func TestHSQLDBAnswers(t *testing.T) {
	uri := HSQLDB(t)
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := pgx.ParseConfig("postgres://" + u.User.String() + "@" + u.Host + u.Path + "?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "CREATE TABLE x (y INTEGER)"); err != nil {
		t.Fatal(err)
	}
}

func TestAServerKeepsItsDataOverKillAndStop(t *testing.T) {
	t.Run("MariaDB", func(t *testing.T) {
		s := StartMariaDB(t, Options{Durable: true})
		uri := s.Database(t)
		if err := runMariaDB(t.Context(), uri, "CREATE TABLE kept (y INT)"); err != nil {
			t.Fatal(err)
		}
		s.Kill(t)
		s.Start(t)
		if err := runMariaDB(t.Context(), uri, "INSERT INTO kept VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		s.Restart(t)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		s := StartPostgreSQL(t, Options{Durable: true})
		uri := s.Database(t)
		run := func(sql string) {
			err := withPostgres(t.Context(), uri, func(c *pgx.Conn) error { _, err := c.Exec(t.Context(), sql); return err })
			if err != nil {
				t.Fatal(err)
			}
		}
		run("CREATE TABLE kept (y INT)")
		s.Kill(t)
		s.Start(t)
		run("INSERT INTO kept VALUES (1)")
		s.Restart(t)
		run("INSERT INTO kept VALUES (2)")
	})
}

// A test process that is killed leaves no server and no directory behind.
func TestNothingIsLeftBehind(t *testing.T) {
	if os.Getenv("OCTOMESH_TEST_ROLE") == "victim" {
		victim(t)
	}
	if err := mariadb.programs(); err != nil {
		Missing(t, mariadb.name, mariadb.how)
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestNothingIsLeftBehind$")
	cmd.Env = append(os.Environ(), "OCTOMESH_TEST_ROLE=victim", "TMPDIR="+dir, mariadb.env+"=")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 64)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	address := string(bytes.TrimSpace(line[:n]))
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", address)
		left, _ := filepath.Glob(dir + "/*")
		if err != nil && len(left) == 0 {
			return
		}
		if err == nil {
			_ = conn.Close()
		}
		select {
		case <-deadline:
			t.Fatalf("still there: %s %v, %v", address, err, left)
		case <-tick.C:
		}
	}
}

// victim starts a server, says where, and waits to be killed.
func victim(t *testing.T) {
	s := StartMariaDB(t, Options{})
	if _, err := os.Stdout.WriteString(s.Address() + "\n"); err != nil {
		t.Fatal(err)
	}
	<-t.Context().Done()
}
