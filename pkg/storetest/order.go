package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

const (
	orderWriters = 12
	orderRecords = 6
	// orderUnits is how many units each writer runs; longUnits in the long form.
	orderUnits, longUnits = 40, 400
	// holdMost bounds how long a unit lies open with its locks and numbers.
	holdMost = 4 * time.Millisecond
)

// errUndo is what a unit fails with that is to be rolled back.
var errUndo = errors.New("to be rolled back")

// order holds the change log to its order while it is written: transactions of
// one to three updates and of random length run at once, on two Conns where the
// database lets two have it, and a fifth of them is rolled back when it has drawn
// its numbers. A reader follows. Each committed change bears its record's
// version, so that whatever is missing, comes twice or is turned round shows.
func order(d *db) {
	e := d.cat.Entity("Shelf")
	conns := []driver.Conn{d.conn}
	if d.h.Beside != nil {
		beside := d.h.Beside(d, d.cat, d.conn)
		defer func() {
			if err := beside.Close(); err != nil {
				d.Error(err)
			}
		}()
		conns = append(conns, beside)
	}
	for i := range orderRecords {
		d.do("create Shelf", fmt.Sprintf(`{"data":{"id":"s%d"}}`, i))
	}
	o := &ordered{db: d, entity: e, conns: conns, after: d.seq(), last: map[string]int64{}, bell: make(chan struct{}, 1)}
	for i := range orderRecords {
		o.last[fmt.Sprintf("s%d", i)] = 1
	}
	units := orderUnits
	if Long() {
		units = longUnits
	}
	var writers sync.WaitGroup
	for w := range orderWriters {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 3))
			for range units {
				o.write(r)
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		writers.Wait()
		close(ended)
	}()
	o.follow(ended)
	if n := o.committed.Load(); o.read != n || d.Failed() {
		d.Errorf("%d changes were committed, %d were read (%d missing, %d twice or turned round)", n, o.read, o.missing, o.turned)
	}
}

type ordered struct {
	*db
	entity    *schema.Entity
	conns     []driver.Conn
	committed atomic.Int64
	bell      chan struct{}

	// of the reader
	after, read     int64
	missing, turned int64
	last            map[string]int64 // the version of each record as read
}

// write runs one unit.
func (o *ordered) write(r *rand.Rand) {
	ids := make([]string, 1+r.IntN(3))
	for i := range ids {
		ids[i] = fmt.Sprintf("s%d", r.IntN(orderRecords))
	}
	if r.IntN(4) > 0 { // else they may stand in each other's way
		slices.Sort(ids)
	}
	ids = slices.Compact(ids)
	undo, hold := r.IntN(5) == 0, time.Duration(r.Int64N(int64(holdMost)))
	if r.IntN(3) > 0 {
		hold = 0
	}
	n := 0
	err := o.conns[r.IntN(len(o.conns))].Write(context.Background(), driver.Unit{Run: func(tx driver.Tx) error {
		var err error
		if n, err = o.unit(tx, ids); err != nil {
			return err
		}
		if hold > 0 { // the subject of the test, not a wait for something
			<-time.After(hold)
		}
		if undo {
			return errUndo
		}
		return nil
	}})
	switch {
	case undo && errors.Is(err, errUndo):
	case err != nil || undo:
		o.Errorf("a unit: %v", err)
	default:
		o.committed.Add(int64(n))
	}
	select {
	case o.bell <- struct{}{}:
	default:
	}
}

// unit counts records up by a version and logs that.
func (o *ordered) unit(tx driver.Tx, ids []string) (int, error) {
	version := o.entity.Column("_version")
	var changes []*mesh.Change
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			continue
		}
		row, err := tx.Load(o.entity, id)
		if err != nil {
			return 0, err
		}
		row = slices.Clone(row)
		row[version.Index] = schema.IntOf(row[version.Index].Int() + 1)
		if err := tx.Update(o.entity, row, []*schema.Column{version}); err != nil {
			return 0, err
		}
		changes = append(changes, &mesh.Change{
			Entity: o.entity.Name, ID: id, Verb: mesh.Updated, Version: row[version.Index].Int(), After: []byte("{}"), At: time.UnixMilli(start),
		})
	}
	for _, c := range changes {
		if err := tx.Append(c); err != nil {
			return 0, err
		}
	}
	return len(changes), nil
}

// follow reads the log until the writers have ended and everything is read.
func (o *ordered) follow(ended <-chan struct{}) {
	over := false
	for idle := 0; idle < 3; {
		before := o.read
		err := o.conns[0].Changes(context.Background(), o.after, 64, func(c *mesh.Change) error {
			o.see(c)
			return nil
		})
		if err != nil {
			o.Error(err)
			<-ended
			return
		}
		switch {
		case o.read > before:
			idle = 0
		case over:
			idle++
		default:
			select {
			case <-o.bell:
			case <-ended:
				over = true
			}
		}
	}
}

func (o *ordered) see(c *mesh.Change) {
	if c.Seq <= o.after {
		o.Errorf("seq %d after %d", c.Seq, o.after)
	}
	o.after = c.Seq
	o.read++
	switch last := o.last[c.ID]; {
	case c.Version == last+1:
	case c.Version > last:
		o.missing += c.Version - last - 1
	default:
		o.turned++
		return
	}
	o.last[c.ID] = c.Version
}
