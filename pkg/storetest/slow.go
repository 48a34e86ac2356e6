package storetest

import (
	"fmt"
	"io"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// As many streams as the database serves, whose readers have stopped, keep nobody
// from anything but another stream, and each of them still gets everything.
func slowReaders(d *db) {
	shelf(d)
	const records = 800
	text := strings.Repeat("x", 1000)
	for i := range records / 400 {
		var ops []string
		for j := range 400 {
			ops = append(ops, fmt.Sprintf(`{"op":"create","entity":"Note","data":{"id":"n%d-%03d","text":%q,"on":"s"}},{"op":"create","entity":"Shelf","data":{"id":"s%d-%03d","place":%q}}`, i, j, text, i, j, text))
		}
		d.do("transaction _project", `{"operations":[`+strings.Join(ops[:200], ",")+`]}`, "transaction _project", `{"operations":[`+strings.Join(ops[200:], ",")+`]}`)
	}
	open := func(what, args string) *mesh.Reply {
		d.Helper()
		r, err := d.call(what, args)
		if err != nil {
			d.Fatal(err)
		}
		return r
	}
	requests := [][2]string{{"stream Shelf", `{"filter":{"place":{"$regex":"^x"}}}`}, {"stream Note", `{"relations":["on"]}`}, {"export _project", `{}`}, {"stream Shelf", `{"format":"arrow"}`}}
	slow := make([]*mesh.Reply, d.conn.Capabilities().Streams)
	for i := range slow {
		r := requests[i%len(requests)]
		slow[i] = open(r[0], r[1])
		defer func() { _ = slow[i].Chunks.Close() }()
		if _, err := slow[i].Chunks.Next(d.Context()); err != nil { // it reads by now
			d.Fatal(err)
		}
	}
	for _, r := range requests {
		if f := d.refusal(fault.Overloaded, r[0], r[1]); f.RetryAfter <= 0 {
			d.Errorf("%s: nobody is told when to come again", r[0])
		}
	}
	at := d.seq()
	d.want("findById Author", `{"id":"a1","select":"name"}`, `{"id":"a1","_version":1,"name":"Ada"}`)
	d.wantIDs("findAll Book", `{"filter":{"id":"b1"},"relations":["author","genres","reviews"]}`, "b1")
	d.wantIDs("findAll Shelf", `{"filter":{"place":{"$regex":"^nowhere"}}}`, "")
	d.want("count Shelf", `{"filter":{"place":{"$regex":"^x"}}}`, fmt.Sprint(records))
	d.want("aggregate Note", `{"stages":[{"$group":{"_by":null,"n":{"$count":true}}}]}`, fmt.Sprintf(`[{"n":%d}]`, records))
	d.do("update Author", `{"id":"a1","data":{"name":"Z"},"relations":["books"]}`, "changes _project", fmt.Sprintf(`{"position":"%s-%d"}`, d.conn.Epoch(), at))
	d.wantLog(at, "updated Author a1 2")
	if _, err := d.conn.Oldest(d.Context()); err != nil {
		d.Error(err)
	}
	for i, r := range slow {
		var err error
		for err == nil {
			_, err = r.Chunks.Next(d.Context())
		}
		if err != io.EOF {
			d.Errorf("stream %d: %v", i, err)
		}
		if err := r.Chunks.Close(); err != nil {
			d.Error(err)
		}
	}
	r := open("stream Author", `{}`) // there is a place again
	if _, err := r.Chunks.Next(d.Context()); err != nil {
		d.Error(err)
	}
	_ = r.Chunks.Close()
}
