package postgres

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/queue"
	"github.com/octomesh/octomesh/pkg/testserver"
)

// cutConn is a connection that breaks instead of what is written once it is armed.
type cutConn struct {
	net.Conn
	armed *atomic.Bool
}

func (c cutConn) Write(p []byte) (int, error) {
	if c.armed.CompareAndSwap(true, false) {
		_ = c.Close()
	}
	return c.Conn.Write(p)
}

// cutting returns a group whose connections can be armed.
func cutting(t *testing.T) (*group, *schema.Entity, *atomic.Bool) {
	t.Helper()
	cat, err := schema.Parse([]byte(`[{"name":"Row","collection":"rows","fields":{}}]`))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Open(t.Context(), testserver.PostgreSQL(t), cat, Options{})
	if err != nil {
		t.Fatal(err)
	}
	db, armed := conn.(*DB), new(atomic.Bool)
	db.base = db.base.Copy()
	db.base.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return cutConn{conn, armed}, err
	}
	g := &group{db: db}
	t.Cleanup(func() {
		g.close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return g, cat.Entity("Row"), armed
}

// storing stores a row and arms, so that the commit gets no answer.
func storing(tx driver.Tx, e *schema.Entity, armed *atomic.Bool) error {
	row := make(schema.Row, len(e.Columns))
	row[0] = schema.TextOf("a")
	row[e.Column("_version").Index] = schema.IntOf(1)
	err := tx.Insert(e, row)
	if err == nil {
		err = tx.Append(&mesh.Change{Entity: e.Name, ID: "a", Verb: mesh.Created, Version: 1, After: []byte("{}")})
	}
	armed.Store(true)
	return err
}

// A unit that failed by itself is not told that it may have been done when the
// commit of its group gets no answer: it runs once more.
func TestFailedBeforeALostCommit(t *testing.T) {
	t.Parallel()
	g, e, armed := cutting(t)
	runs := 0
	jobs := []*queue.Job{
		{Unit: driver.Unit{Single: true, Run: func(driver.Tx) error {
			runs++
			return fault.New(fault.ValidationError, "the unit's own")
		}}},
		{Unit: driver.Unit{Single: true, Run: func(tx driver.Tx) error { return storing(tx, e, armed) }}},
	}
	if !g.together(jobs) {
		t.Fatal("the group is to be run one by one")
	}
	if code := fault.CodeOf(jobs[0].Err); code != fault.ValidationError || runs != 2 {
		t.Errorf("after %d runs: %v", runs, jobs[0].Err)
	}
	if code := fault.CodeOf(jobs[1].Err); code != fault.Timeout {
		t.Errorf("the other unit: %v", jobs[1].Err)
	}
}

// A unit whose commit got no answer, and which then can't be run again, is not
// said to have done nothing.
func TestOverloadedAfterALostCommit(t *testing.T) {
	t.Parallel()
	g, e, armed := cutting(t)
	runs := 0
	err := g.alone(driver.Unit{Single: true, Run: func(tx driver.Tx) error {
		if runs++; runs > 1 {
			return fault.New(fault.Overloaded, "nothing was executed")
		}
		if _, err := tx.Replay("p", "key"); err != nil {
			return err
		}
		return storing(tx, e, armed)
	}}, false)
	if fault.CodeOf(err) != fault.Timeout || runs != 2 {
		t.Errorf("after %d runs: %v", runs, err)
	}
}
