//go:build unix

package sqlite

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// cpu reports the processor time of an operation, all threads together: on a
// shared machine the only figure to trust.
func cpu(b *testing.B) {
	spent := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start := spent()
	b.Cleanup(func() { b.ReportMetric(float64(spent()-start)/float64(b.N)/1000, "cpu-µs/op") })
}

// benchSchema has ten columns, a unique one and an index to sort by.
const benchSchema = `[{"name":"Person","collection":"people","timestamps":true,"fields":{"email":{"type":"string","unique":true},
 "name":{"type":"string"},"age":{"type":"number"},"active":{"type":"boolean"},"city":{"type":"string"},"note":{"type":"text"}},
 "indexes":[{"fields":{"createdAt":"desc"}}]}]`

// filled opens a database with n people, about 330 bytes each as JSON.
func filled(b *testing.B, n int, o Options) (*DB, *schema.Entity) {
	b.Helper()
	db := open(b, parse(b, benchSchema), "", o)
	e := db.catalog.Load().Entity("Person")
	err := db.Write(context.Background(), driver.Unit{Run: func(tx driver.Tx) error {
		for i := range n {
			if err := tx.Insert(e, person(e, i)); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		b.Fatal(err)
	}
	return db, e
}

const note = "one hundred bytes of an ordinary note, so that a record is as large as records are in ordinary life"

func person(e *schema.Entity, n int) schema.Row {
	at := schema.TimeOf(1_700_000_000_000 + int64(n))
	return build(e, fmt.Sprintf("0190f1c2-7c5d-7abc-8def-%012d", n), map[string]schema.Value{
		"email": schema.TextOf(fmt.Sprintf("u%d@example.org", n)), "name": schema.TextOf("Ada Lovelace"),
		"age": schema.FloatOf(float64(n%50) + 0.5), "active": schema.BoolOf(n%2 == 0), "city": schema.TextOf("Liège"),
		"note": schema.TextOf(note), "createdAt": at, "updatedAt": at,
	})
}

func readJSON(ctx context.Context, b *testing.B, db *DB, q *query.Select, buf []byte, want int) []byte {
	n := 0
	buf = buf[:0]
	err := db.Select(ctx, q, func(r driver.Row) error {
		n++
		for i := range q.Projection.Columns {
			buf = append(r.AppendJSON(buf, i), ',')
		}
		return nil
	})
	if err != nil || n != want {
		b.Fatal(n, err)
	}
	return buf
}

const benchRows = 20_000

func BenchmarkGet(b *testing.B) {
	db, e := filled(b, benchRows, Options{})
	key := make([]schema.Value, benchRows)
	for i := range key {
		key[i] = person(e, i)[0]
	}
	q := &query.Select{Entity: e, Projection: all(e), Limit: 1}
	var buf []byte
	b.ReportAllocs()
	cpu(b)
	for i := 0; b.Loop(); i++ {
		q.Where = query.Compare{Column: e.Columns[0], Op: query.Eq, Value: key[i*7919%benchRows]}
		buf = readJSON(context.Background(), b, db, q, buf, 1)
	}
	b.SetBytes(int64(len(buf)))
}

func benchmarkList(b *testing.B, limit int, where func(e *schema.Entity, i int) query.Expr, sort func(e *schema.Entity) []query.Order) {
	db, e := filled(b, benchRows, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q := &query.Select{Entity: e, Projection: all(e), Limit: limit, Sort: sort(e)}
	var buf []byte
	b.ReportAllocs()
	cpu(b)
	for i := 0; b.Loop(); i++ {
		q.Where = where(e, i)
		buf = readJSON(ctx, b, db, q, buf, limit)
	}
	b.SetBytes(int64(len(buf)))
}

func from(e *schema.Entity, i int) query.Expr {
	return query.Compare{Column: e.Columns[0], Op: query.Gte, Value: schema.TextOf(fmt.Sprintf("0190f1c2-7c5d-7abc-8def-%012d", i*7919%(benchRows-100)))}
}

func active(e *schema.Entity, i int) query.Expr {
	return query.Compare{Column: e.Column("active"), Op: query.Eq, Value: schema.BoolOf(i%2 == 0)}
}

func newest(e *schema.Entity) []query.Order {
	return []query.Order{{Column: e.Column("createdAt"), Desc: true}, {Column: e.Columns[0]}}
}

func BenchmarkList20(b *testing.B)         { benchmarkList(b, 20, from, byID) }
func BenchmarkList50(b *testing.B)         { benchmarkList(b, 50, from, byID) }
func BenchmarkList20Filtered(b *testing.B) { benchmarkList(b, 20, active, newest) }

func create(b testing.TB, db *DB, e *schema.Entity, n int) {
	row := person(e, n)
	c := mesh.Change{Entity: e.Name, ID: row[0].Text(), Verb: mesh.Created, Version: 1, Principal: "k:test", RequestID: "0190f1c2-7c5d-7abc-8def-0123456789ab", Transport: "rest"}
	var scratch [512]byte
	after := scratch[:0]
	for i := range row {
		after = append(row[i].AppendJSON(after), ',')
	}
	c.After = after
	err := db.Write(context.Background(), driver.Unit{Single: true, Run: func(tx driver.Tx) error {
		if err := tx.Insert(e, row); err != nil {
			return err
		}
		return tx.Append(&c)
	}})
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkInsert(b *testing.B) {
	for _, sync := range []string{SyncFull, SyncNormal} {
		b.Run(sync, func(b *testing.B) {
			db, e := filled(b, 0, Options{Sync: sync})
			b.ReportAllocs()
			cpu(b)
			for i := 0; b.Loop(); i++ {
				create(b, db, e, i)
			}
		})
	}
}

func BenchmarkInsert64(b *testing.B) {
	for _, sync := range []string{SyncFull, SyncNormal} {
		b.Run(sync, func(b *testing.B) {
			db, e := filled(b, 0, Options{Sync: sync})
			var n atomic.Int64
			b.ReportAllocs()
			cpu(b)
			b.SetParallelism(32) // times 2 cores
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					create(b, db, e, int(n.Add(1)))
				}
			})
		})
	}
}
