package spanner

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

func opened(t *testing.T) (driver.Conn, *fake, *schema.Entity) {
	t.Helper()
	cat, err := schema.Parse([]byte(catalog))
	if err != nil {
		t.Fatal(err)
	}
	f := newFake(t)
	conn, err := f.open(t.Context(), cat, driver.Update)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn, f, cat.Entity("Person")
}

// creation inserts a person and tells the log.
func creation(e *schema.Entity, id, email string) driver.Unit {
	return driver.Unit{Run: func(tx driver.Tx) error {
		row := make(schema.Row, len(e.Columns))
		row[0], row[1], row[e.Column("email").Index] = schema.TextOf(id), schema.IntOf(1), schema.TextOf(email)
		if err := tx.Insert(e, row); err != nil {
			return err
		}
		return tx.Append(&mesh.Change{Entity: e.Name, ID: id, Verb: mesh.Created, Version: 1, After: []byte(`{}`), At: time.UnixMilli(1)})
	}}
}

func logged(t *testing.T, conn driver.Conn) (ids []string) {
	t.Helper()
	last := int64(0)
	err := conn.Changes(t.Context(), 0, 1000, func(c *mesh.Change) error {
		if c.Seq != last+1 {
			t.Errorf("seq %d after %d", c.Seq, last)
		}
		last = c.Seq
		ids = append(ids, c.ID)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// TestGroup: of units that share a transaction, those that take what the
// database, or one before them, has get their CONFLICT, and the others stay.
func TestGroup(t *testing.T) {
	t.Parallel()
	conn, _, e := opened(t)
	if err := conn.Write(t.Context(), creation(e, "old", "taken@x")); err != nil {
		t.Fatal(err)
	}
	begun, goOn := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() { // holds the writer while the others gather
		err := conn.Write(t.Context(), driver.Unit{Run: func(driver.Tx) error {
			close(begun)
			<-goOn
			return nil
		}})
		if err != nil {
			t.Error(err)
		}
	})
	<-begun
	w := conn.(*DB).writer
	results := make([]error, 5)
	for i, c := range [][2]string{{"a", "a@x"}, {"b", "taken@x"}, {"old", "o@x"}, {"d", "a@x"}, {"e", "e@x"}} {
		sent := w.Waiting()
		all.Go(func() { results[i] = conn.Write(t.Context(), creation(e, c[0], c[1])) })
		for w.Waiting() == sent { // in this order
			runtime.Gosched()
		}
	}
	close(goOn)
	all.Wait()
	for i, want := range []string{"", "email", "id", "email", ""} {
		f := fault.From(results[i])
		if want == "" && results[i] != nil || want != "" && (f.Code != fault.Conflict || !slices.Equal(f.Details.([]string), []string{want})) {
			t.Errorf("unit %d: %v, want %q", i, results[i], want)
		}
	}
	if got := strings.Join(logged(t, conn), " "); got != "old a e" {
		t.Errorf("the log has %s", got)
	}
}

// TestAborted: what Spanner aborts runs again, and is there once.
func TestAborted(t *testing.T) {
	t.Parallel()
	conn, f, e := opened(t)
	var left atomic.Int64
	left.Store(3)
	hold := func(method string) error {
		if strings.HasSuffix(method, "/Commit") && left.Add(-1) >= 0 {
			return status.Error(codes.Aborted, "try again")
		}
		return nil
	}
	f.hold.Store(&hold)
	if err := conn.Write(t.Context(), creation(e, "a", "a@x")); err != nil {
		t.Fatal(err)
	}
	if got := logged(t, conn); !slices.Equal(got, []string{"a"}) {
		t.Errorf("the log has %q", got)
	}
	gone := func(method string) error {
		if strings.HasSuffix(method, "/Commit") {
			return status.Error(codes.PermissionDenied, "secret text")
		}
		return nil
	}
	f.hold.Store(&gone)
	err := conn.Write(t.Context(), creation(e, "b", "b@x"))
	if x := fault.From(err); x.Code != fault.DBNotConnected || strings.Contains(x.Message, "secret") {
		t.Error(err)
	}
	silent := func(method string) error {
		if strings.HasSuffix(method, "/Commit") {
			return status.Error(codes.DeadlineExceeded, "secret text")
		}
		return nil
	}
	f.hold.Store(&silent)
	err = conn.Write(t.Context(), creation(e, "c", "c@x"))
	if x := fault.From(err); x.Code != fault.Timeout || strings.Contains(x.Message, "secret") {
		t.Errorf("of a commit without an answer: %v", err)
	}
	f.hold.Store(nil)
	if n, err := conn.Committed(t.Context()); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "spanner://", "spanner://projects/p", "projects/p/instances/i", "spanner://projects/p/instances/i/databases/d?user=x", "postgres://h/d"} {
		_, err := Open(context.Background(), bad, nil, Options{})
		if fault.From(err).Code != fault.InvalidRequest {
			t.Errorf("%q: %v", bad, err)
		}
	}
	_, err := Open(context.Background(), "spanner://projects/p/instances/i/databases/d?credentials=/nowhere", nil, Options{})
	if fault.From(err).Code != fault.DBNotConnected {
		t.Error(err)
	}
	var f *fault.Error
	if err := classify(status.Error(codes.Internal, "secret"), nil); !errors.As(err, &f) || f.Code != fault.Internal || strings.Contains(f.Message, "secret") {
		t.Error(err)
	}
}
