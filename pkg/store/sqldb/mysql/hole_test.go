package mysql

import (
	"context"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/testserver"
)

// holes is a log whose numbers are left open.
type holes struct {
	*testing.T
	driver.Conn
	uri string
}

func openHoles(t *testing.T) *holes {
	cat, err := schema.Parse([]byte(`[{"name":"Row","collection":"rows","fields":{"n":"integer"}}]`))
	if err != nil {
		t.Fatal(err)
	}
	uri := testserver.MariaDB(t)
	h := &holes{T: t, Conn: openAt(t, uri, cat), uri: uri}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// write appends a change and then waits for what before tells.
func (h *holes) write(before func()) {
	err := h.Write(context.Background(), driver.Unit{Run: func(tx driver.Tx) error {
		err := tx.Append(&mesh.Change{Entity: "Row", ID: "x", Verb: mesh.Updated, Version: 1, After: []byte("{}"), At: time.UnixMilli(1_767_323_045_000)})
		before()
		return err
	}})
	if err != nil {
		h.Error(err)
	}
}

// open appends a change whose transaction stays open until it is told to end.
func (h *holes) open() (end func()) {
	open, stop, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		h.write(func() {
			close(open)
			<-stop
		})
	}()
	<-open
	return func() {
		close(stop)
		<-ended
	}
}

func (h *holes) seqs(after int64) (seqs []int64) {
	err := h.Changes(context.Background(), after, 100, func(c *mesh.Change) error {
		seqs = append(seqs, c.Seq)
		return nil
	})
	if err != nil {
		h.Error(err)
	}
	return seqs
}

// What lies before a hole is not held back by it.
func TestBeforeHole(t *testing.T) {
	h := openHoles(t)
	h.write(func() {})
	end := h.open()
	h.write(func() {})
	began := time.Now()
	if got := h.seqs(0); len(got) != 1 || got[0] != 1 {
		t.Errorf("before the hole: %v", got)
	}
	if spent := time.Since(began); spent > 5*time.Second { // a lock is waited for 10 s
		t.Errorf("the change before a hole came after %s", spent)
	}
	end()
	if got := h.seqs(1); len(got) != 2 {
		t.Errorf("behind the hole: %v", got)
	}
}

// A database that is restored under a running worker has holes where that worker
// knows of none.
func TestRestoredBeneath(t *testing.T) {
	h := openHoles(t)
	for range 9 {
		h.write(func() {})
	}
	if n, err := h.Trim(t.Context(), time.UnixMilli(1_900_000_000_000), 8); err != nil || n != 8 {
		t.Fatalf("trimmed %d: %v", n, err)
	}
	if n, err := h.Committed(t.Context()); err != nil || n != 9 {
		t.Fatalf("committed %d: %v", n, err)
	}
	harness().Tables.Exec(t, h.uri, "DELETE FROM _octo_changes", "ALTER TABLE _octo_changes AUTO_INCREMENT = 1",
		"DELETE FROM _octo_meta WHERE `key` = 'trimmed'", "UPDATE _octo_meta SET `value` = 'restored' WHERE `key` = 'epoch'")
	h.write(func() {})
	if n, err := h.Committed(t.Context()); err != nil || n != 1 || h.Epoch() != "restored" {
		t.Fatalf("committed %d of epoch %q: %v", n, h.Epoch(), err)
	}
	end := h.open() // the number behind what is read first
	h.write(func() {})
	go func() {
		<-time.After(50 * time.Millisecond) // the reader is to wait for it
		end()
	}()
	if got := h.seqs(1); len(got) != 2 {
		t.Errorf("from a hole on: %v", got)
	}
}
