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
	"github.com/octomesh/octomesh/pkg/query"
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
	// orderPatience is how long the database may take for one thing.
	orderPatience = 2 * time.Minute
)

// errUndo is what a unit fails with that is to be rolled back.
var errUndo = errors.New("to be rolled back")

// order holds the change log to its order while it is written: transactions of
// one to three updates and of random length run at once, on two Conns where the
// database lets two have it, and a fifth of them is rolled back when it has drawn
// its numbers. A reader follows. Each committed change bears its record's
// version, so that whatever is missing, comes twice or is turned round shows.
// Beside it somebody asks where the log ends, as one who is to follow from there:
// what bears a number up to that must be there by then.
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
	o := &ordered{db: d, entity: e, conns: conns, after: d.seq(), last: map[string]int64{}, bell: make(chan struct{}, 1), ring: make(chan struct{}, 1)}
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
	var asking sync.WaitGroup
	asking.Go(func() { o.ask(ended) })
	o.follow(ended)
	asking.Wait()
	o.check()
	if n := o.committed.Load(); o.read != n || d.Failed() {
		d.Errorf("%d changes were committed, %d were read (%d missing, %d twice or turned round)", n, o.read, o.missing, o.turned)
	}
}

type ordered struct {
	*db
	entity    *schema.Entity
	conns     []driver.Conn
	committed atomic.Int64
	bell      chan struct{} // a unit has ended: for the reader
	ring      chan struct{} // the same, for who asks for the end
	ends      []end         // what Committed has named

	// of the reader
	after, read     int64
	missing, turned int64
	last            map[string]int64 // the version of each record as read
	seen            []*mesh.Change
}

// end is a number that Committed has named, and the version of each record as
// it was right afterwards.
type end struct {
	seq      int64
	versions map[string]int64
}

// ask asks where the log ends until the writers have ended.
func (o *ordered) ask(ended <-chan struct{}) {
	conn := o.conns[len(o.conns)-1]
	version := o.entity.Column("_version")
	shelves := &query.Select{
		Entity: o.entity, Projection: &query.Projection{Columns: []*schema.Column{o.entity.Columns[0], version}, Key: "end"},
		Sort: []query.Order{{Column: o.entity.Columns[0]}},
	}
	for over := false; !over; {
		select {
		case <-o.ring:
		case <-ended:
			over = true
		}
		ctx, cancel := context.WithTimeout(context.Background(), orderPatience)
		seq, err := conn.Committed(ctx)
		named := end{seq, make(map[string]int64)}
		if err == nil {
			err = conn.Select(ctx, shelves, func(row driver.Row) error {
				named.versions[string(row.Text(0))] = row.Value(1).Int()
				return nil
			})
		}
		cancel()
		if err != nil {
			o.Errorf("asking where the log ends: %v", err)
			return
		}
		o.ends = append(o.ends, named)
	}
}

// check holds what Committed has named to the log as it is in the end.
func (o *ordered) check() {
	late := 0
	for _, named := range o.ends {
		for _, c := range o.seen {
			if c.Seq <= named.seq && c.Version > named.versions[c.ID] {
				late++
			}
		}
	}
	if late > 0 {
		o.Errorf("%d changes were not there yet when Committed had named a number behind theirs (asked %d times)", late, len(o.ends))
	}
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
	ctx, cancel := context.WithTimeout(context.Background(), orderPatience)
	defer cancel()
	err := o.conns[r.IntN(len(o.conns))].Write(ctx, driver.Unit{Run: func(tx driver.Tx) error {
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
	for _, bell := range []chan struct{}{o.bell, o.ring} {
		select {
		case bell <- struct{}{}:
		default:
		}
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
		ctx, cancel := context.WithTimeout(context.Background(), orderPatience)
		err := o.conns[0].Changes(ctx, o.after, 64, func(c *mesh.Change) error {
			o.see(c)
			return nil
		})
		cancel()
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
	o.seen = append(o.seen, &mesh.Change{Seq: c.Seq, ID: c.ID, Version: c.Version})
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
