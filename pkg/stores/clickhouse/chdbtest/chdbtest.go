// Package chdbtest starts ClickHouse's engine for tests: chdb, from npm, behind
// an HTTP server of ours that speaks as much of ClickHouse's protocol as
// clickhouse-go uses (shim.mjs). It is opt-in, since it takes 543 MB of disk and,
// the first time, a download; nothing else in the repository needs it.
package chdbtest

import (
	"bufio"
	"context"
	"embed"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

//go:embed shim.mjs package.json package-lock.json .npmrc
var files embed.FS

var (
	once    sync.Once
	base    string
	failed  error
	input   io.WriteCloser
	process *exec.Cmd
	made    atomic.Int64
)

// URI returns the address of a fresh, empty database: on the server that
// OCTOMESH_TEST_CLICKHOUSE_URL names, or, where OCTOMESH_TEST_CLICKHOUSE is chdb,
// on an engine that all tests of this process share; Stop ends it. Else the test
// is skipped, also under OCTOMESH_TEST_REQUIRE=all: 543 MB are for who asks.
func URI(t testing.TB) string {
	t.Helper()
	address := strings.TrimSuffix(os.Getenv("OCTOMESH_TEST_CLICKHOUSE_URL"), "/")
	if address == "" {
		if os.Getenv("OCTOMESH_TEST_CLICKHOUSE") != "chdb" {
			t.Skip("skipped: ClickHouse (set OCTOMESH_TEST_CLICKHOUSE=chdb for the engine from npm, 543 MB, or OCTOMESH_TEST_CLICKHOUSE_URL=http://user:password@host:8123)")
		}
		if once.Do(func() { failed = start() }); failed != nil {
			t.Fatal(failed)
		}
		address = base
	}
	name := fmt.Sprintf("octo_%d_%d", os.Getpid(), made.Add(1))
	Exec(t, address, "CREATE DATABASE "+name)
	t.Cleanup(func() { Exec(t, address, "DROP DATABASE "+name) })
	return address + "/" + name
}

// Exec runs a statement over HTTP at an address that URI has given, or that of
// the server.
func Exec(t testing.TB, address, sql string) {
	t.Helper()
	server, database := address, ""
	if i := strings.LastIndex(address, "/"); i > len("https://") {
		server, database = address[:i], address[i+1:]
	}
	// the test's own context has ended when it cleans up
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, server+"/?database="+database, strings.NewReader(sql))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if says, _ := io.ReadAll(reply.Body); reply.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", sql, says)
	}
}

// start installs what is needed beside other caches of the user and starts it.
func start() error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	folder := filepath.Join(cache, "octomesh", "chdb-3.4.0")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"shim.mjs", "package.json", "package-lock.json", ".npmrc"} {
		text, err := files.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "chdb")); err != nil {
		npm := exec.Command("npm", "ci", "--no-audit", "--no-fund")
		npm.Dir = folder
		if says, err := npm.CombinedOutput(); err != nil {
			return fmt.Errorf("npm ci: %w\n%s", err, says)
		}
	}
	process = exec.Command("node", "shim.mjs")
	process.Dir, process.Stderr = folder, os.Stderr
	if input, err = process.StdinPipe(); err != nil {
		return err
	}
	output, err := process.StdoutPipe()
	if err != nil {
		return err
	}
	if err := process.Start(); err != nil {
		return err
	}
	port, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the engine did not start: %w", err)
	}
	base = "http://127.0.0.1:" + strings.TrimSpace(port)
	return nil
}

// Stop ends the engine, if there is one.
func Stop() {
	if process == nil || input == nil {
		return
	}
	http.DefaultClient.CloseIdleConnections()
	_ = input.Close()
	_ = process.Wait()
}
