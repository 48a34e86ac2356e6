package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	client "github.com/octomesh/octomesh/clients/go"
	"github.com/octomesh/octomesh/pkg/stores/mongodb/mongotest"
	"github.com/octomesh/octomesh/services/octomesh/dialects"
)

// The test binary runs itself as the program.
func TestMain(m *testing.M) {
	if os.Getenv("OCTOMESH_TEST_ROLE") == "octomesh-all" {
		main()
	}
	os.Exit(m.Run())
}

// TestServeOnMongoDB makes a record through HTTP that lies in MongoDB: two
// settings are all that another database takes.
func TestServeOnMongoDB(t *testing.T) {
	t.Parallel()
	uri := mongotest.Start(t, mongotest.Options{}).URI("project")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	schemas := filepath.Join(dir, "schemas.json")
	if err := os.WriteFile(schemas, []byte(`[{"name":"Thing","collection":"things","fields":{"name":"string","price":"decimal"}}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "serve", "--json", "--data-dir", dir, "--schemas", schemas, "--metrics-addr", "", "--host", "127.0.0.1", "--port", "0", "--grpc-port", "0", "--nats-port", "0")
	cmd.Dir = dir
	cmd.Env = []string{"OCTOMESH_TEST_ROLE=octomesh-all", "DB_DIALECT=mongodb", "SGBD_URI=" + uri, "DB_SCHEMA_STRATEGY=create", "HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		}
	}
	defer stop()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var ready struct{ HTTP string }
	if err != nil || json.Unmarshal(line, &ready) != nil {
		stop()
		t.Fatalf("it does not serve: %v\n%s", err, log.String())
	}
	key, err := os.ReadFile(filepath.Join(dir, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New("http://"+ready.HTTP, client.WithAPIKey(strings.TrimSpace(string(key))))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	stored, err := client.Create[json.RawMessage](t.Context(), c, "Thing", json.RawMessage(`{"id":"a","name":"Ä","price":12345678901234567890.123456789}`))
	if err != nil {
		stop()
		t.Fatalf("%v\n%s", err, log.String())
	}
	if !strings.Contains(string(stored), `"price":12345678901234567890.123456789`) {
		t.Errorf("stored: %s", stored)
	}
}

// TestInfo lists what only this program has.
func TestInfo(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "info")
	cmd.Env = []string{"OCTOMESH_TEST_ROLE=octomesh-all", "PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dialects.Further() {
		if !strings.Contains(string(out), "  "+d.Name+" ") {
			t.Errorf("info does not list %s:\n%s", d.Name, out)
		}
	}
}
