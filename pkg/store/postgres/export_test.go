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

// What another program keeps in a json or text column is shown on one line, and
// as null where it is no JSON.
func TestForeignJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "null", "x": "null", "null": "null", `1,"admin":true`: "null", `["a","b"]`: `["a","b"]`, "{\n \"a\": [1, 2]\n}": `{"a":[1,2]}`,
	} {
		r := row{kinds: []schema.Kind{schema.KindJSON, schema.KindText}, values: [][]byte{[]byte(text), []byte(text)}}
		cell, ok := r.AppendText(nil, 0)
		if got := string(r.AppendJSON(nil, 0)); got != want || string(r.Value(0).AppendJSON(nil)) != want || ok != (want != "null") || ok && string(cell) != want {
			t.Errorf("%q is shown as %s, its value as %s, its cell as %q", text, got, r.Value(0).AppendJSON(nil), cell)
		}
		if cell, ok := r.AppendText(nil, 1); !ok || string(cell) != text {
			t.Errorf("the text %q is %q, %t", text, cell, ok)
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
