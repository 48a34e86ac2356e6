package octomesh

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	client "github.com/octomesh/octomesh/clients/go"
	"github.com/octomesh/octomesh/examples/shop"
)

// TestDataSetShop imports the example's generated records.
func TestDataSetShop(t *testing.T) {
	var b bytes.Buffer
	for line := range shop.Lines(7) {
		b.Write(line)
	}
	schemas := filepath.Join(t.TempDir(), "schemas.json")
	if err := os.WriteFile(schemas, shop.Schemas(), 0o600); err != nil {
		t.Fatal(err)
	}
	travels(t, schemas, b.Bytes(), nil)
}

// TestDataSetChinook imports a real data set, whose folder OCTOMESH_CHINOOK
// names.
func TestDataSetChinook(t *testing.T) {
	dir := os.Getenv("OCTOMESH_CHINOOK")
	if dir == "" {
		t.Skip("skipped: the Chinook data set (OCTOMESH_CHINOOK=<its folder>)")
	}
	records, err := os.ReadFile(filepath.Join(dir, "records.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	travels(t, filepath.Join(dir, "schemas.json"), records, func(t *testing.T, s *server) {
		album := get(t, s, "/api/v1/albums/1?relations=artist,tracks")
		if artist := album["artist"].(map[string]any); artist["name"] != "AC/DC" {
			t.Errorf("album 1 is by %v", artist)
		}
		if tracks := album["tracks"].([]any); len(tracks) != 10 {
			t.Errorf("album 1 has %d tracks, want 10", len(tracks))
		}
		playlist := get(t, s, "/api/v1/playlists/1?relations=tracks")
		if tracks := playlist["tracks"].([]any); len(tracks) != 3290 {
			t.Errorf("playlist 1 has %d tracks, want 3290", len(tracks))
		}
		if boss := get(t, s, "/api/v1/employees/2?relations=reportsTo")["reportsTo"].(map[string]any); boss["id"] != "1" {
			t.Errorf("employee 2 reports to %v", boss)
		}
	})
}

// travels imports records into an empty server, compares the counts, restarts
// it, exports, imports the export into a second empty server and exports again:
// the same bytes.
func travels(t *testing.T, schemas string, records []byte, look func(*testing.T, *server)) {
	want := map[string]int{}
	total := 0
	sc := bufio.NewScanner(bytes.NewReader(records))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var l struct{ Entity string }
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		want[l.Entity]++
		total++
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "records.ndjson")
	if err := os.WriteFile(file, records, 0o600); err != nil {
		t.Fatal(err)
	}
	first := serve(t, schemas)
	transfer(t, first, "import", file)
	agree(t, first, want)
	if look != nil {
		look(t, first)
	}
	first.stop()
	first.start()
	agree(t, first, want)
	transfer(t, first, "export", filepath.Join(dir, "one.ndjson"))

	second := serve(t, schemas)
	transfer(t, second, "import", filepath.Join(dir, "one.ndjson"))
	transfer(t, second, "export", filepath.Join(dir, "two.ndjson"))
	one, err := os.ReadFile(filepath.Join(dir, "one.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(filepath.Join(dir, "two.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(one, []byte("\n")); n != total {
		t.Errorf("%d records exported, %d imported", n, total)
	}
	if !bytes.Equal(one, two) {
		t.Errorf("the second export differs:\n%s", firstDifference(one, two))
	}
	if _, err := os.Stat(file + ".octo-import"); err == nil {
		t.Error("a finished import left its marker")
	}
	figure(map[string]any{"records": total, "entities": len(want), "export_bytes": len(one), "same_bytes": bytes.Equal(one, two)})
}

func transfer(t *testing.T, s *server, what, file string) {
	t.Helper()
	if _, stderr, status := run(t, nil, append([]string{what, file, "--quiet"}, s.flags()...)...); status != exitOK {
		t.Fatalf("%s ended with %d\n%s", what, status, stderr)
	}
}

func agree(t *testing.T, s *server, want map[string]int) {
	t.Helper()
	c := s.client()
	for entity, n := range want {
		page, err := client.FindAll[struct{}](t.Context(), c, entity, client.Query{Limit: 1, Count: true, Deleted: true})
		if err != nil || page.Total == nil || *page.Total != n {
			t.Errorf("%s: %+v records, want %d (%v)", entity, page.Meta, n, err)
		}
	}
}

// get reads the data of a REST reply.
func get(t *testing.T, s *server, path string) map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.HTTP+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", s.Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var r struct{ Data map[string]any }
	if err := json.Unmarshal(body, &r); err != nil || r.Data == nil {
		t.Fatalf("%s: %d %.300s", path, resp.StatusCode, body)
	}
	return r.Data
}

func firstDifference(a, b []byte) string {
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("line %d\n%.300s\n%.300s", i+1, x[i], y[i])
		}
	}
	return fmt.Sprintf("%d against %d lines", len(x), len(y))
}

// TestImportReportsRefusedRecords stores what fits, names what does not by its
// line, and ends with status 1.
func TestImportReportsRefusedRecords(t *testing.T) {
	s := serve(t, schemaFile(t, ledgerSchema))
	lines := `{"entity":"Account","data":{"id":"a","owner":"x"}}
{"entity":"Account","data":{"id":"b"}}
{"entity":"Nobody","data":{"id":"c"}}
{"entity":"Entry","data":{"id":"d","text":"fine"}}
`
	_, stderr, status := run(t, strings.NewReader(lines), append([]string{"import", "-"}, s.flags()...)...)
	if status != exitFailed || !strings.Contains(stderr, "line 2:") || !strings.Contains(stderr, "line 3: UNKNOWN_ENTITY") || strings.Contains(stderr, "line 4: ") {
		t.Errorf("status %d\n%s", status, stderr)
	}
	if n, err := s.client().Count(t.Context(), "Entry", nil); n != 1 || err != nil {
		t.Errorf("%d entries, %v", n, err)
	}
	if _, _, status := run(t, strings.NewReader(lines), append([]string{"import", "-", "--fail-fast"}, s.flags()...)...); status != exitFailed {
		t.Errorf("--fail-fast ended with %d", status)
	}
}

// TestExitCodes tells scripts why a command failed.
func TestExitCodes(t *testing.T) {
	s := serve(t, "")
	for _, c := range []struct {
		want int
		args []string
	}{
		{exitOK, append([]string{"keys", "list", "--json"}, s.flags()...)},
		{exitRefused, []string{"keys", "list", "--url", "http://" + s.HTTP, "--key", "sk_live_aaaaaaaa_" + strings.Repeat("a", 43)}},
		{exitUnreachable, []string{"export", "--url", "http://127.0.0.1:1", "--key", "k"}},
		{exitUsage, []string{"keys", "create"}},
		{exitUsage, []string{"--no-such-flag"}},
		{exitFailed, append([]string{"import", "/no/such/file"}, s.flags()...)},
		{exitOK, []string{"version"}},
		{exitOK, []string{"info"}},
		{exitOK, []string{"--help"}},
	} {
		if out, stderr, status := run(t, nil, c.args...); status != c.want {
			t.Errorf("%v ended with %d, want %d\n%s%s", c.args, status, c.want, out, stderr)
		}
	}
}
