package octomesh

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// typed runs a command in this process and returns its status and what it told on
// stderr.
func typed(args ...string) (int, string) {
	var stdout, stderr bytes.Buffer
	status := Main(args, strings.NewReader(""), &stdout, &stderr)
	return status, stderr.String()
}

// Whoever types something wrong is told where to read on.
func TestUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct{ args, want string }{
		{"", "octomesh --help"},
		{"bogus", "octomesh --help"},
		{"serve --bogus", "octomesh serve --help"},
		{"serve --port many", "octomesh serve --help"},
		{"keys rub", "octomesh keys --help"},
	} {
		status, told := typed(strings.Fields(c.args)...)
		if status != exitUsage || !strings.Contains(told, c.want) {
			t.Errorf("octomesh %s: status %d, %s", c.args, status, told)
		}
	}
}

// A start tells every problem of the schemas, and in which file.
func TestServeListsTheProblemsOfSchemas(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("schemas.json", []byte(`[{"name":"Book","fields":{"x":{"type":"nix"},"y":{"type":"nux"}}}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{"schemas.json", "$[0].fields.x.type: ", "$[0].fields.y.type: "}
	tree := filepath.Join(dir, "tree.json")
	if err := os.WriteFile(tree, []byte(`{"shop":{"schemas":[{"name":"Book","fields":{"x":{"type":"nix"},"y":{"type":"nux"}}}]}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{nil, want},
		{[]string{"--schemas", "missing.json"}, []string{"missing.json"}},
		{[]string{"--projects", tree}, []string{"tree.json", "fields.x.type: ", "fields.y.type: "}},
	} {
		args := append([]string{"serve", "--host", "127.0.0.1", "--port", "0", "--grpc-host", "127.0.0.1", "--grpc-port", "0", "--nats-port", "0", "--metrics-addr", "off", "--log-level", "error"}, c.args...)
		status, told := typed(args...)
		if status != exitFailed {
			t.Errorf("%v: status %d", c.args, status)
		}
		for _, w := range c.want {
			if strings.Count(told, w) != 1 {
				t.Errorf("%v does not tell %s once:\n%s", c.args, w, told)
			}
		}
	}
}

// Settings of the default project that no waiting mends end the start.
func TestServeRefusesADatabaseThatCannotBe(t *testing.T) {
	for uri, dialect := range map[string]string{"not a uri": "postgres", "mysql://h": "mysql"} {
		t.Setenv("SGBD_URI", uri)
		t.Setenv("DB_DIALECT", dialect)
		t.Chdir(t.TempDir())
		status, told := typed("serve", "--host", "127.0.0.1", "--port", "0", "--grpc-host", "127.0.0.1", "--grpc-port", "0", "--nats-port", "0", "--metrics-addr", "off", "--log-level", "error")
		if status != exitFailed || !strings.Contains(told, "SGBD_URI") || strings.Contains(told, "Octomesh serves") {
			t.Errorf("%s: status %d\n%s", dialect, status, told)
		}
	}
}
