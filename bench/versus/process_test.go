package versus

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store"
	"github.com/octomesh/octomesh/pkg/store/sqlite"
)

// TestArrowInProcess reads users out of SQLite as Arrow with nothing between
// the store and who reads: MB of columns a second, the best of the rounds.
func TestArrowInProcess(t *testing.T) {
	judged := os.Getenv("OCTOMESH_ACCEPT") != ""
	n, rounds := 5_000, 1
	if judged {
		n, rounds = 200_000, 5
	}
	s := stored(t, n)
	best := 0.0
	for range rounds {
		began := time.Now()
		r, err := s.Call(t.Context(), &mesh.Request{Project: "p", Entity: "User", Op: "stream", Args: []byte(`{"format":"arrow"}`)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for {
			part, err := r.Chunks.Next(t.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			size += len(part)
		}
		took := time.Since(began).Seconds()
		if err := r.Chunks.Close(); err != nil {
			t.Error(err)
		}
		if size < 100*n {
			t.Fatalf("%d bytes of %d users", size, n)
		}
		best = max(best, float64(size)/took/1e6)
	}
	figure(map[string]any{"rows": n, "rounds": rounds, "arrow_mb_per_s_in_process": round(best)})
	if judged && !busy() && best < arrowBody {
		t.Errorf("SQLite gives %.0f MB of columns a second, promised %.0f", best, arrowBody)
	}
}

// stored is a store of its own with n of them.
func stored(t *testing.T, n int) *store.Store {
	t.Helper()
	source, err := os.ReadFile("../schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	cat, err := schema.Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "users.db"), cat, sqlite.Options{Sync: "normal"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), conn, cat, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := 0; i < n; {
		var ops []string
		for range 500 {
			ops = append(ops, fmt.Sprintf(`{"op":"create","entity":"User","data":%s}`, newUser(int64(i))))
			i++
		}
		r := mesh.Request{Project: "p", Entity: mesh.ProjectEntity, Op: "transaction", Args: []byte(`{"operations":[` + strings.Join(ops, ",") + `]}`)}
		if _, err := s.Call(t.Context(), &r, nil); err != nil {
			t.Fatal(err)
		}
	}
	return s
}
