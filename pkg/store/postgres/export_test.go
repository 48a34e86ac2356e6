package postgres

import (
	"context"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/octomesh/octomesh/pkg/schema"
)

// WithMost sets how many bytes of an answer are kept in memory.
func WithMost(o Options, most int) Options {
	o.most = most
	return o
}

// An empty text is no JSON, so it is null wherever a record shows it.
func TestEmptyJSON(t *testing.T) {
	t.Parallel()
	r := row{kinds: []schema.Kind{schema.KindJSON, schema.KindText}, values: [][]byte{{}, {}}}
	for i, want := range []string{"null", `""`} {
		if got := string(r.AppendJSON(nil, i)); got != want {
			t.Errorf("column %d is %s, not %s", i, got, want)
		}
		if _, ok := r.AppendText(nil, i); ok != (want != "null") {
			t.Errorf("column %d has a text: %t", i, ok)
		}
	}
}

func TestNextBlock(t *testing.T) {
	for _, c := range []struct{ n, size, want int }{
		{16, 0, 64},
		{16, 1600, 64},
		{64, 6400, 256},
		{256, 25600, 256},
		{256, 16 << 20, 16},
		{16, 128 << 20, 1},
		{1, 8 << 20, 1},
		{1, 1000, 4},
	} {
		if n := nextBlock(c.n, c.size); n != c.want {
			t.Errorf("after %d rows of %d bytes: %d, not %d", c.n, c.size, n, c.want)
		}
	}
}

// A lane that has just failed to connect says so to the units that wait, and
// does not try for each.
func TestWriterRests(t *testing.T) {
	base, err := pgconn.ParseConfig("postgres://u@127.0.0.1:1/x?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	dials := 0
	base.DialFunc = func(context.Context, string, string) (net.Conn, error) {
		dials++
		return nil, context.DeadlineExceeded
	}
	g := &group{db: &DB{base: base}}
	for range 3 {
		if err := g.start(); err == nil {
			t.Fatal("connected")
		}
	}
	if dials != 1 {
		t.Errorf("%d dials, not 1", dials)
	}
}
