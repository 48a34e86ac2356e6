package octomesh

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	client "github.com/octomesh/octomesh/clients/go"
	"github.com/octomesh/octomesh/examples/shop"
	"github.com/octomesh/octomesh/pkg/testserver"
)

// engine is a database server that a test can have.
type engine struct {
	dialect string
	open    func(t testing.TB) string // the address of an empty database
}

// engines are those of the default binary, beside SQLite.
var engines = []engine{
	{"postgres", testserver.PostgreSQL},
	{"mariadb", testserver.MariaDB},
}

// on are the arguments of a server whose default project lies in the engine's
// database.
func (e engine) on(t testing.TB) []string {
	return []string{"--db-dialect", e.dialect, "--db-uri", e.open(t)}
}

// TestDatabasesExportTheSame imports data sets into every database: the exports
// are those of SQLite, byte for byte.
func TestDatabasesExportTheSame(t *testing.T) {
	for _, set := range dataSets(t) {
		t.Run(set.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "records.ndjson")
			if err := os.WriteFile(file, set.records, 0o600); err != nil {
				t.Fatal(err)
			}
			want := passed(t, serve(t, set.schemas), file)
			for _, e := range engines {
				t.Run(e.dialect, func(t *testing.T) {
					got := passed(t, serve(t, set.schemas, e.on(t)...), file)
					if !bytes.Equal(got, want) {
						t.Errorf("the export differs from that of SQLite:\n%s", firstDifference(want, got))
					}
					figure(map[string]any{"dialect": e.dialect, "set": set.name, "records": bytes.Count(got, []byte("\n")), "export_bytes": len(got), "same_bytes": bytes.Equal(got, want)})
				})
			}
		})
	}
}

type dataSet struct {
	name, schemas string
	records       []byte
}

// dataSets are the example's generated records and, where its folder is given,
// Chinook.
func dataSets(t *testing.T) []dataSet {
	t.Helper()
	var b bytes.Buffer
	for line := range shop.Lines(7) {
		b.Write(line)
	}
	schemas := filepath.Join(t.TempDir(), "schemas.json")
	if err := os.WriteFile(schemas, shop.Schemas(), 0o600); err != nil {
		t.Fatal(err)
	}
	sets := []dataSet{{"shop", schemas, b.Bytes()}}
	if dir := os.Getenv("OCTOMESH_CHINOOK"); dir != "" {
		records, err := os.ReadFile(filepath.Join(dir, "records.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, dataSet{"chinook", filepath.Join(dir, "schemas.json"), records})
	}
	return sets
}

// passed imports a file into a server and returns its export.
func passed(t *testing.T, s *server, file string) []byte {
	t.Helper()
	transfer(t, s, "import", file)
	out := filepath.Join(t.TempDir(), "export.ndjson")
	transfer(t, s, "export", out)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDatabasesSwitch does what docs/databases.md tells whoever wants to move a
// project from SQLite to another database: keys stay, records are the same, and
// a subscriber that comes with a position of the old database is told to read
// anew.
func TestDatabasesSwitch(t *testing.T) {
	set := dataSets(t)[0]
	for _, e := range engines {
		t.Run(e.dialect, func(t *testing.T) {
			dir := t.TempDir()
			file, one := filepath.Join(dir, "records.ndjson"), filepath.Join(dir, "export.ndjson")
			if err := os.WriteFile(file, set.records, 0o600); err != nil {
				t.Fatal(err)
			}
			s := serve(t, set.schemas)
			transfer(t, s, "import", file)
			var m client.Meta
			if _, err := client.Create[map[string]any](t.Context(), s.client(), "Tag", map[string]any{"id": "last", "name": "é"}, client.WithMeta(&m)); err != nil {
				t.Fatal(err)
			}
			transfer(t, s, "export", one)
			s.stop()

			s.args = append(s.args, e.on(t)...)
			s.start()
			transfer(t, s, "import", one)
			want, err := os.ReadFile(one)
			if err != nil {
				t.Fatal(err)
			}
			two := filepath.Join(dir, "two.ndjson")
			transfer(t, s, "export", two)
			if got, err := os.ReadFile(two); err != nil || !bytes.Equal(got, want) {
				t.Errorf("the records differ after the move: %v\n%s", err, firstDifference(want, got))
			}
			for _, err := range s.client().Watch(within(t, callDeadline), client.Watching{Position: m.Position}) {
				if known := (&client.Error{}); !errors.As(err, &known) || known.Code != "GAP" {
					t.Errorf("a position of the old database is answered with %v, not GAP", err)
				}
				break
			}
			figure(map[string]any{"to": e.dialect, "records": bytes.Count(want, []byte("\n")), "same_bytes": true})
		})
	}
}
