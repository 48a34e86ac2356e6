package store_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlite"
)

// cursed is a database whose rows make the reader panic as long as so many
// snapshots are left.
type cursed struct {
	driver.Conn
	left int
}

type cursedReader struct{ driver.Reader }

func (c *cursed) Snapshot(ctx context.Context, fn func(driver.Reader) error) error {
	if c.left == 0 {
		return c.Conn.Snapshot(ctx, fn)
	}
	c.left--
	return c.Conn.Snapshot(ctx, func(r driver.Reader) error { return fn(cursedReader{r}) })
}

func (r cursedReader) Select(ctx context.Context, q *query.Select, _ func(driver.Row) error) error {
	return r.Reader.Select(ctx, q, func(driver.Row) error { panic("a row that nobody thought of") })
}

// A panic while a stream is read ends that stream, and neither the process nor
// the connection.
func TestStreamPanics(t *testing.T) {
	cat, err := schema.Parse([]byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "shop.db"), cat, sqlite.Options{Sync: "normal"})
	if err != nil {
		t.Fatal(err)
	}
	bad := &cursed{Conn: conn}
	s, err := store.Open(t.Context(), bad, cat, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	ask(t, s, "Maker", "create", `{"data":{"id":"m","name":"M"}}`)
	read := func(args string) (n int, err error) {
		r, err := s.Call(t.Context(), &mesh.Request{Project: "default", Entity: "Maker", Op: "stream", Args: []byte(args)}, nil)
		if err != nil {
			return 0, err
		}
		defer func() { _ = r.Chunks.Close() }()
		for {
			b, err := r.Chunks.Next(t.Context())
			if errors.Is(err, io.EOF) {
				return n, nil
			}
			if err != nil {
				return n, err
			}
			n += len(b)
		}
	}
	for _, args := range []string{`{}`, `{"format":"arrow"}`} {
		bad.left = 20 // more than there are connections
		for bad.left > 0 {
			if _, err := read(args); fault.CodeOf(err) != fault.Internal {
				t.Fatalf("%s: %v", args, err)
			}
		}
		if n, err := read(args); err != nil || n == 0 {
			t.Errorf("%s afterwards: %d bytes, %v", args, n, err)
		}
	}
}
