package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// hostile sends what an attacker would; every answer is a coded refusal or
// harmless, and nothing changes.
func hostile(d *db) {
	d.do("create Author", `{"data":{"id":"a","name":"Ada"}}`)
	at := d.seq()
	for _, s := range []string{`' OR 1=1 --`, `\"; DROP TABLE authors; --`, `../../etc/passwd`, `*`, `>`, `a.b`, `a b`, `\r\nX: y`, `$ne`, `__proto__`, `i\u0009d`, strings.Repeat("x", 10_000)} {
		d.fails(fault.InvalidFilter, "findAll Author", `{"filter":{"`+s+`":1}}`)
		d.fails(fault.InvalidFilter, "findAll Author", `{"sort":{"`+s+`":1}}`)
		d.fails(fault.InvalidFilter, "findAll Author", `{"select":["`+s+`"]}`)
		d.fails(fault.InvalidFilter, "findAll Author", `{"relations":["`+s+`"]}`)
		d.fails(fault.ValidationError, "update Author", `{"id":"a","data":{"`+s+`":1}}`)
		d.fails(fault.ValidationError, "increment Author", `{"id":"a","field":"`+s+`","amount":1}`)
		d.fails(fault.InvalidFilter, "aggregate Author", `{"stages":[{"$group":{"_by":"`+s+`"}}]}`)
		d.wantIDs("findAll Author", `{"filter":{"name":"`+s+`"}}`, "")
		d.fails(fault.InvalidRequest, "findAll Author", `{"`+s+`":1}`)
	}
	for _, what := range []string{"findAll ../x", "findAll *", "findAll ", "findAll Author; DROP", "findAll " + strings.Repeat("x", 1000)} {
		d.fails(fault.UnknownEntity, what, `{}`)
	}
	for _, bad := range []string{`{"limit":1e99}`, `{"limit":9223372036854775808}`, `{"limit":{}}`, `{"limit":[1]}`, `{"limit":true}`, `{"skip":-9223372036854775808}`, `{"cursor":"AAAA"}`, `{"cursor":"` + strings.Repeat("A", 100_000) + `"}`} {
		d.fails(fault.InvalidFilter, "findAll Author", bad)
	}
	var keys []string
	for i := range 2000 {
		keys = append(keys, fmt.Sprintf(`"k%d":1`, i))
	}
	d.fails(fault.ValidationError, "update Author", `{"id":"a","data":{`+strings.Join(keys, ",")+`}}`)
	d.fails(fault.InvalidFilter, "findAll Author", `{"filter":{"id":{"$in":[`+strings.Repeat(`"x",`, 5000)+`"x"]}}}`)
	d.fails(fault.InvalidFilter, "findAll Author", `{"relations":["`+strings.Repeat(`books","`, 40)+`agent"]}`)
	d.fails(fault.InvalidFilter, "search Author", `{"query":"`+strings.Repeat("x", 5000)+`"}`)
	d.wantLog(at)
}

// A request that fails leaves neither rows nor links nor changes, nor a key.
func faultsLeaveNothing(d *db) {
	shelf(d)
	d.do("create Author", `{"data":{"id":"e","name":"E","email":"e@x"}}`)
	at := d.seq()
	d.key = "k"
	for _, r := range []struct {
		code       fault.Code
		what, args string
	}{
		{fault.Conflict, "create Author", `{"data":{"name":"X","email":"e@x"}}`},
		{fault.Conflict, "update Author", `{"id":"a1","data":{"email":"e@x"}}`},
		{fault.ValidationError, "update Book", `{"id":"b1","data":{"title":"X","genres":["g3","nope"]}}`},
		{fault.Conflict, "transaction _project", `{"operations":[{"op":"update","entity":"Book","id":"b1","data":{"genres":[]}},{"op":"delete","entity":"Author","id":"a2"},{"op":"create","entity":"Author","data":{"name":"X","email":"e@x"}}]}`},
		{fault.Conflict, "deleteMany Publisher", `{"filter":{}}`},
		{fault.Conflict, "upsert Author", `{"filter":{"name":"Y"},"data":{"email":"e@x"}}`},
	} {
		d.fails(r.code, r.what, r.args)
	}
	d.wantLog(at)
	d.want("count Author", `{}`, `3`)
	d.want("findById Book", `{"id":"b1","relations":"genres","select":"editor"}`,
		`{"id":"b1","_version":1,"editor":"a2","genres":[{"id":"g1","_version":1,"name":"g1","books":[]},{"id":"g2","_version":1,"name":"g2","books":[]}]}`)
	if r, err := d.call("create Author", `{"data":{"name":"X"}}`); err != nil || r.Replayed {
		d.Errorf("the key was used up: %v", err)
	}
}

// crowd runs do in n goroutines at once and waits for them.
func crowd(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

const callers = 16

func atomicity(d *db) {
	const each = 25
	d.do("create Kind", `{"data":{"id":"k","i":0}}`)
	crowd(callers, func(i int) {
		for j := range each {
			for _, r := range []string{
				`increment Kind {"id":"k","field":"i","amount":1}`,
				fmt.Sprintf(`addToSet Kind {"id":"k","field":"a","value":"%d-%d"}`, i, j),
				fmt.Sprintf(`upsert Author {"filter":{"email":"u%d@x"},"data":{"name":"U","age":%d}}`, j, i),
				fmt.Sprintf(`increment Kind {"id":"shared%d","field":"i","amount":1}`, j),
			} {
				what, args, _ := strings.Cut(r, " {")
				if _, err := d.call(what, "{"+args); err != nil {
					d.Errorf("%s: %v", r, err)
				}
			}
		}
	})
	d.want("findById Kind", `{"id":"k","select":"i"}`, fmt.Sprintf(`{"id":"k","_version":%d,"i":%d}`, 1+2*callers*each, callers*each))
	if n := strings.Count(d.data("findById Kind", `{"id":"k","select":"a"}`), "-"); n != callers*each {
		d.Errorf("the set has %d members, want %d", n, callers*each)
	}
	d.want("count Author", `{}`, fmt.Sprint(each))
	d.want("aggregate Kind", `{"stages":[{"$match":{"id":{"$regex":"^shared"}}},{"$group":{"_by":null,"n":{"$count":true},"sum":{"$sum":"i"}}}]}`, fmt.Sprintf(`[{"n":%d,"sum":%d}]`, each, callers*each))
	crowd(callers, func(i int) {
		for j := range each {
			if _, err := d.call("pull Kind", fmt.Sprintf(`{"id":"k","field":"a","value":"%d-%d"}`, i, j)); err != nil {
				d.Error(err)
			}
		}
	})
	d.want("findById Kind", `{"id":"k","select":"a"}`, fmt.Sprintf(`{"id":"k","_version":%d,"a":[]}`, 1+3*callers*each))
}

// Every record's changes have the versions 1, 2, 3, … in the log's order,
// whoever wrote them, and each says what the one before it left.
func gapless(d *db) {
	crowd(callers, func(i int) {
		for j := range 20 {
			for _, r := range []string{
				fmt.Sprintf(`upsert Author {"filter":{"id":"x%d"},"data":{"name":"N","age":%d}}`, j%3, (i*7+j)%100),
				fmt.Sprintf(`updateMany Author {"filter":{"age":{"$gt":50}},"data":{"age":%d}}`, i),
				fmt.Sprintf(`transaction _project {"operations":[{"op":"increment","entity":"Kind","id":"y","field":"i","amount":1},{"op":"upsert","entity":"Author","filter":{"id":"x%d"},"data":{"name":"M%d"}}]}`, j%3, i),
				fmt.Sprintf(`delete Author {"id":"x%d"}`, (i+j)%17),
			} {
				what, args, _ := strings.Cut(r, " {")
				if _, err := d.call(what, "{"+args); err != nil {
					d.Errorf("%s: %v", r, err)
				}
			}
		}
	})
	versions := map[string]int64{}
	var seq int64
	for _, c := range d.changesAfter(0) {
		if c.Seq <= seq {
			d.Fatalf("seq %d after %d", c.Seq, seq)
		}
		seq = c.Seq
		key := c.Entity + " " + c.ID
		if c.Version != versions[key]+1 {
			d.Fatalf("seq %d: %s has version %d after %d", c.Seq, key, c.Version, versions[key])
		}
		versions[key] = c.Version
		if c.Verb == "deleted" {
			versions[key] = 0
		}
	}
	if seq != d.seq() {
		d.Errorf("the log ends at %d, the position is %d", seq, d.seq())
	}
}

// One key used by many at once does its work once, and all get one reply.
func oneKey(d *db) {
	d.do("create Kind", `{"data":{"id":"k","i":0}}`)
	for _, what := range []string{`increment Kind {"id":"k","field":"i","amount":1}`, `updateMany Kind {"filter":{"id":"k"},"data":{"s":"x"}}`, `create Author {"data":{"name":"A"}}`} {
		op, args, _ := strings.Cut(what, " {")
		at := d.seq()
		d.key = "key of " + op[:6]
		bodies := make([]string, callers)
		var replayed atomic.Int64
		crowd(callers, func(i int) {
			r, err := d.call(op, "{"+args)
			if err != nil {
				d.Error(err)
				return
			}
			bodies[i] = string(r.Body)
			if r.Replayed {
				replayed.Add(1)
			}
		})
		if replayed.Load() != callers-1 || len(slices.Compact(bodies)) != 1 {
			d.Errorf("%s: %d of %d were replays, replies %q", what, replayed.Load(), callers, slices.Compact(bodies))
		}
		if n := len(d.log(at)); n != 1 {
			d.Errorf("%s: %d changes", what, n)
		}
	}
	d.key = ""
}

// A catalog can be exchanged while requests run.
func swapCatalog(d *db) {
	d.do("create Shelf", `{"data":{"id":"s","place":"x"}}`)
	cat, err := schema.Parse([]byte(strings.Replace(library, `{"place":"string"}`, `{"place":"string","width":{"type":"integer","default":3}}`, 1)))
	if err != nil {
		d.Fatal(err)
	}
	ctx, stop := context.WithCancel(d.Context())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if _, err := d.call("findAll Shelf", `{}`); err != nil {
					d.Error(err)
					return
				}
			}
		})
	}
	err = d.store.SwapCatalog(d.Context(), cat)
	stop()
	readers.Wait()
	if err != nil {
		d.Fatal(err)
	}
	if d.store.Catalog() != cat {
		d.Error("the catalog is not the new one")
	}
	d.want("findById Shelf", `{"id":"s"}`, `{"id":"s","_version":1,"place":"x","width":null}`)
	d.want("create Shelf", `{"data":{"id":"t"}}`, `{"id":"t","_version":1,"place":null,"width":3}`)
	d.wantIDs("findAll Shelf", `{"filter":{"width":3}}`, "t")
}

// What was acknowledged is there after a restart, the log and the keys too.
func reopen(d *db) {
	if d.h.Reopen == nil {
		d.Skip("skipped: reopen (the harness has no Reopen)")
	}
	shelf(d)
	d.key = "k"
	d.do("increment Book", `{"id":"b1","field":"pages","amount":5}`)
	seq, epoch, log := d.seq(), d.conn.Epoch(), d.log(0)
	whole := d.data("findById Book", `{"id":"b1","relations":"author,genres"}`)
	d.conn = d.h.Reopen(d, d.cat, d.conn)
	d.serve()
	if d.seq() != seq || d.conn.Epoch() != epoch || !slices.Equal(d.log(0), log) {
		d.Errorf("seq %d, epoch %s, %d changes; before %d, %s, %d", d.seq(), d.conn.Epoch(), len(d.log(0)), seq, epoch, len(log))
	}
	if got := d.data("findById Book", `{"id":"b1","relations":"author,genres"}`); got != whole {
		d.Errorf("got %s\nwant %s", got, whole)
	}
	if r, err := d.call("increment Book", `{"id":"b1","field":"pages","amount":5}`); err != nil || !r.Replayed {
		d.Errorf("the key was forgotten: %v", err)
	}
	d.key = ""
	d.do("create Shelf", `{"data":{"id":"t"}}`)
	d.wantLog(seq, "created Shelf t 1")
}
