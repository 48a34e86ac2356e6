package octomesh

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	client "github.com/octomesh/octomesh/clients/go"
)

// accounts are n lines of an export; more is added as it is.
func accounts(owner string, n int, more string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"entity":"Account","data":{"id":"a%d","owner":%q}}`+"\n", i, owner)
	}
	return b.String() + more
}

// TestImportGoesOnOnlyWhereNothingIsMissed stops an import at a line that is no
// JSON. It goes on there when the line was mended, and begins again when the file
// is another one, the server is, or what was stored is there no more.
func TestImportGoesOnOnlyWhereNothingIsMissed(t *testing.T) {
	schema := schemaFile(t, ledgerSchema)
	first, second := serve(t, schema), serve(t, schema)
	file := filepath.Join(t.TempDir(), "records.ndjson")
	into := func(s *server, text string, want int) string {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, stderr, status := run(t, nil, append([]string{"import", file}, s.flags()...)...)
		if status != want {
			t.Fatalf("status %d\n%s", status, stderr)
		}
		return stderr
	}
	holds := func(s *server, owner string) {
		t.Helper()
		n, err := s.client().Count(t.Context(), "Account", client.Filter{"owner": owner})
		if err != nil || n != 501 {
			t.Errorf("%d of 501 accounts, %v", n, err)
		}
	}
	last := `{"entity":"Account","data":{"id":"last","owner":"x"}}`
	broken := accounts("x", 500, "{broken\n")

	into(first, broken, exitFailed)
	if told := into(first, accounts("x", 500, last), exitOK); !strings.Contains(told, "going on after line 500") {
		t.Errorf("a mended line: %s", told)
	}
	holds(first, "x")

	into(first, broken, exitFailed)
	into(second, accounts("x", 500, last), exitOK) // another server
	holds(second, "x")

	into(first, broken, exitFailed)
	into(first, accounts("y", 501, ""), exitOK) // another file of the same name
	holds(first, "y")

	into(first, broken, exitFailed)
	if _, err := first.client().DeleteMany(t.Context(), "Account", client.Filter{"id": client.Filter{"$exists": true}}); err != nil {
		t.Fatal(err)
	}
	into(first, accounts("x", 500, last), exitOK) // another state
	holds(first, "x")
}

// TestImportStopsAtWhatAllRecordsGet ends with the first batch when the caller, not
// a record, is refused, and leaves the rest to the next run.
func TestImportStopsAtWhatAllRecordsGet(t *testing.T) {
	for status, code := range map[int]string{http.StatusTooManyRequests: "RATE_LIMITED", http.StatusNotFound: "UNKNOWN_PROJECT"} {
		calls := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			calls++
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"status":"error","error":{"code":%q,"message":"no"}}`, code)
		}))
		defer s.Close()
		file := filepath.Join(t.TempDir(), "records.ndjson")
		if err := errors.Join(os.WriteFile(file, []byte(accounts("x", 3, "")), 0o600), os.WriteFile(file+".octo-import", []byte(`{}`), 0o600)); err != nil {
			t.Fatal(err)
		}
		ended, told := typed("import", file, "--url", s.URL, "--key", "k")
		if ended != exitFailed || calls != 1 || !strings.Contains(told, "line 1: ") || strings.Contains(told, "refused") {
			t.Errorf("%s: %d after %d calls\n%s", code, ended, calls, told)
		}
		if _, err := os.Stat(file + ".octo-import"); err != nil {
			t.Errorf("%s: the marker is gone", code)
		}
	}
}
