package mysql

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
	"github.com/octomesh/octomesh/pkg/testserver"
)

// Units that share a transaction do not share their failures: one that the
// database refuses, one that refuses itself after it has written, one that panics
// and one whose caller has gone leave no trace, and all others are stored once.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	uri := testserver.MariaDB(t)
	cat := parsed(t, things)
	e := cat.Entity("Thing")
	var committed, groups atomic.Int64
	conn := opened(t, uri, cat, sqldb.Options{Committed: func(n int) { committed.Add(int64(n)); groups.Add(1) }})
	mine := errors.New("the unit's own")
	const callers, each = 48, 20
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	var all sync.WaitGroup
	var stored atomic.Int64
	for c := range callers {
		all.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%02d-%d", c, i)
				row := made(e, id)
				row[e.Column("code").Index] = schema.TextOf(id)
				u, ctx, want := creating(e, row, ""), t.Context(), fault.Code("")
				switch (c + i) % 6 {
				case 0: // of all who take this code one wins
					row[e.Column("code").Index] = schema.TextOf(fmt.Sprint("same", i))
					want = fault.Conflict
				case 1:
					run := u.Run
					u.Run = func(tx driver.Tx) error { return errors.Join(run(tx), fault.Wrap(mine, fault.Forbidden, "no")) }
					want = fault.Forbidden
				case 2:
					u.Run = func(driver.Tx) error { panic("in a unit") }
					want = fault.Internal
				case 3:
					ctx = gone
				}
				err := conn.Write(ctx, u)
				switch {
				case err == nil && (want == "" && ctx != gone || want == fault.Conflict):
					stored.Add(1)
				case ctx == gone && errors.Is(err, context.Canceled), err != nil && want != "" && fault.CodeOf(err) == want:
				default:
					t.Errorf("%s: %v, want %q", id, err, want)
				}
			}
		})
	}
	all.Wait()
	if n := count(t, conn, e); n != stored.Load() || n != committed.Load() {
		t.Errorf("%d rows, %d were acknowledged, %d told", n, stored.Load(), committed.Load())
	}
	end, err := conn.Committed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	logged := map[string]int64{}
	for after, before := int64(0), int64(-1); after < end && after > before; {
		before = after
		err := conn.Changes(t.Context(), after, 1<<30, func(c *mesh.Change) error {
			if after = c.Seq; logged[c.ID] != 0 || c.Tx != c.Seq {
				t.Errorf("%s: seq %d of the transaction %d, logged before with %d", c.ID, c.Seq, c.Tx, logged[c.ID])
			}
			logged[c.ID] = c.Seq
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(logged) != int(stored.Load()) {
		t.Errorf("%d changes of %d rows", len(logged), stored.Load())
	}
	if groups.Load() >= committed.Load() {
		t.Errorf("%d commits of %d units: none was shared", groups.Load(), committed.Load())
	}
	t.Logf("%d commits of %d units", groups.Load(), committed.Load())
}

// A row that another program holds keeps its own writers waiting and, but for a
// second, no others.
func TestHeldRow(t *testing.T) {
	t.Parallel()
	uri := testserver.MariaDB(t)
	cat := parsed(t, things)
	e := cat.Entity("Thing")
	conn := opened(t, uri, cat, sqldb.Options{})
	for _, id := range []string{"held", "free"} {
		if err := conn.Write(t.Context(), creating(e, made(e, id), "")); err != nil {
			t.Fatal(err)
		}
	}
	db := plain(t, uri)
	defer db.Close()
	other, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.ExecContext(t.Context(), "UPDATE things SET n = 7 WHERE id = 'held'"); err != nil {
		t.Fatal(err)
	}
	version := e.Column("_version")
	bump := func(id string) error {
		return conn.Write(context.Background(), driver.Unit{Single: true, Run: func(tx driver.Tx) error {
			row, err := tx.Load(e, id)
			if err != nil {
				return err
			}
			row[version.Index] = schema.IntOf(row[version.Index].Int() + 1)
			return tx.Update(e, row, []*schema.Column{version})
		}})
	}
	waiting := make(chan error, 4)
	for range cap(waiting) {
		go func() { waiting <- bump("held") }()
	}
	for range 50 {
		if err := bump("free"); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-waiting:
		t.Errorf("the held row was written: %v", err)
	default:
	}
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	for range cap(waiting) {
		if err := <-waiting; err != nil {
			t.Error(err)
		}
	}
	want := map[string]int64{"held": 5, "free": 51}
	err = conn.Select(t.Context(), &query.Select{Entity: e, Projection: projection(e)}, func(r driver.Row) error {
		if id := string(r.Text(0)); r.Value(version.Index).Int() != want[id] {
			t.Errorf("%s has version %d, want %d", id, r.Value(version.Index).Int(), want[id])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
