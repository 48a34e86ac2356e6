package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

const (
	// keyRounds is how often each write is tried; longKeyRounds in the long form.
	keyRounds, longKeyRounds = 6, 100
	// keyHold is how long the record is held from all who want to write it.
	keyHold = 4 * time.Millisecond
)

// keyed are writes that a second run would refuse, or answer otherwise. ID stands
// for the round's record, of which after is left.
var keyed = []struct{ before, what, args, after string }{
	{"", "create Author", `{"data":{"id":"ID","name":"A","email":"ID@x"}}`, `{"id":"ID","_version":1,"age":null}`},
	{"", "upsert Author", `{"filter":{"email":"ID@x"},"data":{"id":"ID","name":"A","age":7}}`, `{"id":"ID","_version":1,"age":7}`},
	{"148", "upsert Author", `{"filter":{"id":"ID"},"expectedVersion":1,"data":{"age":7}}`, `{"id":"ID","_version":2,"age":7}`},
	{"148", "update Author", `{"id":"ID","expectedVersion":1,"data":{"age":7}}`, `{"id":"ID","_version":2,"age":7}`},
	{"148", "update Author", `{"id":"ID","data":{"age":7}}`, `{"id":"ID","_version":2,"age":7}`},
	{"148", "updateMany Author", `{"filter":{"id":"ID","age":148},"data":{"age":7}}`, `{"id":"ID","_version":2,"age":7}`},
	{"148", "increment Author", `{"id":"ID","field":"age","amount":2}`, `{"id":"ID","_version":2,"age":150}`},
	{"148", "delete Author", `{"id":"ID"}`, `null`},
}

// oneKeyBeside sends a request several times at once, with one idempotency key,
// to two workers where the database lets two have it. All of them look for the
// key before anybody has it, since the record is held from them until then.
func oneKeyBeside(d *db) {
	workers := []*db{d}
	if d.h.Beside != nil {
		other := *d
		other.conn = d.h.Beside(d, d.cat, d.conn)
		other.serve()
		defer func() {
			if err := other.store.Close(); err != nil {
				d.Error(err)
			}
		}()
		workers = append(workers, &other)
	}
	rounds := keyRounds
	if Long() {
		rounds = longKeyRounds
	}
	for round := range rounds {
		for n, k := range keyed {
			id := fmt.Sprintf("k%d-%d", n, round)
			of := func(text string) string { return strings.ReplaceAll(text, "ID", id) }
			for _, w := range workers {
				w.key = ""
			}
			if k.before != "" {
				d.do("create Author", of(`{"data":{"id":"ID","name":"A","age":`+k.before+`}}`))
			}
			for _, w := range workers {
				w.key = "key of " + id
			}
			bodies := make([]string, 2*len(workers))
			var replayed atomic.Int64
			crowd(len(bodies)+1, func(i int) {
				if i == 0 {
					d.hold(id)
					return
				}
				r, err := workers[i%len(workers)].call(k.what, of(k.args))
				if err != nil {
					d.Errorf("%s: %v", k.what, err)
					return
				}
				bodies[i-1] = string(r.Body)
				if r.Replayed {
					replayed.Add(1)
				}
			})
			if one := slices.Compact(bodies); int(replayed.Load()) != len(bodies)-1 || len(one) != 1 {
				d.Errorf("%s %s: %d of %d were replays, replies %q", k.what, of(k.args), replayed.Load(), len(bodies), one)
			}
			d.want("findById Author", of(`{"id":"ID","select":"age"}`), of(k.after))
		}
		if d.Failed() {
			return
		}
	}
}

// hold keeps a record, or the place of one that is not there yet, from others for
// a moment, and leaves it as it was.
func (d *db) hold(id string) {
	e := d.cat.Entity("Author")
	err := d.conn.Write(context.Background(), driver.Unit{Run: func(tx driver.Tx) error {
		row, err := tx.Load(e, id)
		if err != nil {
			return err
		}
		if row == nil {
			row = make(schema.Row, len(e.Columns))
			row[0], row[e.Column("_version").Index] = schema.TextOf(id), schema.IntOf(1)
			row[e.Column("name").Index] = schema.TextOf("held")
			if err := tx.Insert(e, row); err != nil {
				return err
			}
		}
		<-time.After(keyHold) // the subject of the test, not a wait for something
		return errUndo
	}})
	if !errors.Is(err, errUndo) {
		d.Errorf("holding a record: %v", err)
	}
}
