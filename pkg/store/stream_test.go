package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// cursed is a database whose rows make the reader panic as long as so many
// streams are left.
type cursed struct {
	driver.Conn
	left int
}

type cursedReader struct{ driver.Reader }

func (c *cursed) Stream(ctx context.Context, fn func(driver.Reader) error) error {
	if c.left == 0 {
		return c.Conn.Stream(ctx, fn)
	}
	c.left--
	return c.Conn.Stream(ctx, func(r driver.Reader) error { return fn(cursedReader{r}) })
}

func (r cursedReader) Select(ctx context.Context, q *query.Select, _ func(driver.Row) error) error {
	return r.Reader.Select(ctx, q, func(driver.Row) error { panic("a row that nobody thought of") })
}

// A panic while a stream is read ends that stream, and neither the process nor
// the connection.
func TestStreamPanics(t *testing.T) {
	bad := &cursed{}
	s := storeOn(t, shop, func(conn driver.Conn) driver.Conn { bad.Conn = conn; return bad })
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

// Close ends the streams that are open, whose readers may be as slow as they
// like: a project that is withdrawn goes, and its name is free.
func TestStreamClosed(t *testing.T) {
	running := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, running) })
	for _, args := range []string{`{}`, `{"format":"arrow"}`} {
		s := storeOf(t, shop)
		long := strings.Repeat("x", 32<<10) // more than the chunks that are on their way
		for i := range 100 {
			ask(t, s, "Maker", "create", fmt.Sprintf(`{"data":{"id":"m%d","name":"%s"}}`, i, long))
		}
		r, err := s.Call(t.Context(), &mesh.Request{Project: "default", Entity: "Maker", Op: "stream", Args: []byte(args)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Chunks.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for err == nil {
			_, err = r.Chunks.Next(t.Context())
		}
		if fault.CodeOf(err) != fault.DBNotConnected {
			t.Errorf("%s ended with %v", args, err)
		}
		_ = r.Chunks.Close()
	}
}

// brittle is a database of which a reader sees so many rows as they are, and then
// each as wrong makes it.
type brittle struct {
	driver.Conn
	rows  int
	wrong func(driver.Row) driver.Row
}

type brittleReader struct {
	driver.Reader
	*brittle
}

func (b *brittle) Stream(ctx context.Context, fn func(driver.Reader) error) error {
	return b.Conn.Stream(ctx, func(r driver.Reader) error { return fn(brittleReader{r, b}) })
}

func (r brittleReader) Select(ctx context.Context, q *query.Select, each func(driver.Row) error) error {
	n := 0
	return r.Reader.Select(ctx, q, func(row driver.Row) error {
		if n++; n > r.rows {
			row = r.wrong(row)
		}
		return each(row)
	})
}

// garbled is a row whose texts are no UTF-8.
type garbled struct{ driver.Cells }

func (garbled) AppendText(dst []byte, _ int) ([]byte, bool) { return append(dst, 0xff), true }

// A stream of many batches ends with what goes wrong in it, wherever it does, and
// when its reader has had enough; nothing of it is left.
func TestTableEnds(t *testing.T) {
	running := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, running) })
	b := &brittle{}
	s := storeOn(t, shop, func(conn driver.Conn) driver.Conn { b.Conn = conn; return b })
	for i := range 10 {
		ask(t, s, "Maker", "create", fmt.Sprintf(`{"data":{"id":"m%02d","name":"M"}}`, i))
	}
	for name, wrong := range map[string]func(driver.Row) driver.Row{
		"panics":  func(driver.Row) driver.Row { panic("a row that nobody thought of") },
		"garbled": func(row driver.Row) driver.Row { return garbled{row.(driver.Cells)} },
	} {
		for _, rows := range []int{0, 1, 2, 9, 10} {
			b.rows, b.wrong = rows, wrong
			for stop := range 14 {
				r, err := s.Call(t.Context(), &mesh.Request{Project: "default", Entity: "Maker", Op: "stream", Args: []byte(`{"format":"arrow","batchSize":1}`)}, nil)
				if err != nil {
					t.Fatal(err)
				}
				chunks := 0
				for err == nil && chunks < stop {
					if _, err = r.Chunks.Next(t.Context()); err == nil {
						chunks++
					}
				}
				_ = r.Chunks.Close()
				whole := rows == 10 && errors.Is(err, io.EOF) && chunks == 11
				broken := rows < 10 && fault.CodeOf(err) == fault.Internal && chunks <= rows
				if stop > 11 && !whole && !broken {
					t.Errorf("%s behind %d rows: %v behind %d chunks", name, rows, err, chunks)
				}
			}
		}
	}
}

// endless is a database of which a reader sees one row that cannot be encoded, and
// then waits for more until it is told to stop.
type endless struct{ driver.Conn }

type endlessReader struct{ driver.Reader }

func (e *endless) Stream(ctx context.Context, fn func(driver.Reader) error) error {
	return e.Conn.Stream(ctx, func(r driver.Reader) error { return fn(endlessReader{r}) })
}

func (r endlessReader) Select(ctx context.Context, q *query.Select, each func(driver.Row) error) error {
	if err := r.Reader.Select(ctx, q, func(row driver.Row) error { return each(garbled{row.(driver.Cells)}) }); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// What goes wrong while a batch is encoded ends the reading of the next one, and
// is what the reader of the stream is told.
func TestTableStopsReading(t *testing.T) {
	s := storeOn(t, shop, func(conn driver.Conn) driver.Conn { return &endless{conn} })
	ask(t, s, "Maker", "create", `{"data":{"id":"m","name":"M"}}`)
	r, err := s.Call(t.Context(), &mesh.Request{Project: "default", Entity: "Maker", Op: "stream", Args: []byte(`{"format":"arrow","batchSize":1}`)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Chunks.Next(t.Context()); fault.CodeOf(err) != fault.Internal {
		t.Errorf("the stream ended with %v", err)
	}
	_ = r.Chunks.Close()
}
