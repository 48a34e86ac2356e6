package octomesh

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/services/entity/projects"
)

// TestInfoListsTheDatabases asks what is compiled in, of a program that has one
// more than the others.
func TestInfoListsTheDatabases(t *testing.T) {
	var out, stderr bytes.Buffer
	ask := func(args ...string) string {
		out.Reset()
		if status := Main(args, nil, &out, &stderr, projects.Dialect{Name: "abacus", Evidence: "text"}); status != exitOK {
			t.Fatalf("%v ended with %d: %s", args, status, stderr.String())
		}
		return out.String()
	}
	var got struct {
		Settings  []json.RawMessage
		Databases []struct{ Dialect, Evidence string }
	}
	if err := json.Unmarshal([]byte(ask("info", "--json")), &got); err != nil {
		t.Fatal(err)
	}
	n := len(got.Databases)
	if n < 2 || got.Databases[0].Dialect != "sqlite" || got.Databases[0].Evidence != "engine" || got.Databases[n-1].Dialect != "abacus" || got.Databases[n-1].Evidence != "text" || len(got.Settings) == 0 {
		t.Errorf("info --json: %+v", got)
	}
	if text := ask("info"); !strings.Contains(text, "\n  sqlite       engine\n") || !strings.Contains(text, "\n  abacus       text\n") {
		t.Errorf("info:\n%s", text)
	}
}

// TestServeWithoutTheDriver names the program that has the database.
func TestServeWithoutTheDriver(t *testing.T) {
	for dialect, says := range map[string]string{"spanner": "is not compiled into this program", "abacus": `there is no database "abacus"`} {
		var out, stderr bytes.Buffer
		status := Main([]string{"serve", "--data-dir", t.TempDir(), "--db-dialect", dialect}, nil, &out, &stderr)
		if status != exitFailed || !strings.Contains(stderr.String(), says) || !strings.Contains(stderr.String(), "octomesh-all") {
			t.Errorf("%s: status %d, %s", dialect, status, stderr.String())
		}
	}
}
