package mysql

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/testserver"
)

// cpu reports this process's processor time of an operation, the server's not
// counted.
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

const note = "one hundred bytes of an ordinary note, so that a record is as large as records are in ordinary life"

func person(e *schema.Entity, n int64) schema.Row {
	row := made(e, fmt.Sprintf("0190f1c2-7c5d-7abc-8def-%012d", n))
	at := schema.TimeOf(1_700_000_000_000 + n)
	for name, v := range map[string]schema.Value{
		"email": schema.TextOf(fmt.Sprintf("u%d@example.org", n)), "name": schema.TextOf("Ada Lovelace"),
		"age": schema.FloatOf(float64(n%50) + 0.5), "active": schema.BoolOf(n%2 == 0), "city": schema.TextOf("Liège"),
		"note": schema.TextOf(note), "createdAt": at, "updatedAt": at,
	} {
		row[e.Column(name).Index] = v
	}
	return row
}

// filled opens a database with n people, about 330 bytes each as JSON, on a
// server that flushes each commit.
func filled(b *testing.B, n int64) (driver.Conn, *schema.Entity) {
	b.Helper()
	s := testserver.StartMariaDB(b, testserver.Options{Durable: true})
	cat := parsed(b, benchSchema)
	conn := openAt(b, s.Database(b), cat)
	b.Cleanup(func() { _ = conn.Close() })
	e := cat.Entity("Person")
	err := conn.Write(context.Background(), driver.Unit{Run: func(tx driver.Tx) error {
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
	return conn, e
}

const people = 5000

func benchRead(b *testing.B, want int, q func(e *schema.Entity, n int64) *query.Select) {
	conn, e := filled(b, people)
	var n atomic.Int64
	b.SetParallelism(8)
	b.ReportAllocs()
	b.ResetTimer()
	cpu(b)
	b.RunParallel(func(pb *testing.PB) {
		var buf []byte
		for pb.Next() {
			q := q(e, n.Add(7)%people)
			rows := 0
			buf = buf[:0]
			err := conn.Select(context.Background(), q, func(r driver.Row) error {
				rows++
				for i := range q.Projection.Columns {
					buf = append(r.AppendJSON(buf, i), ',')
				}
				return nil
			})
			if err != nil || rows != want {
				b.Error(rows, err)
				return
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	benchRead(b, 1, func(e *schema.Entity, n int64) *query.Select {
		return &query.Select{Entity: e, Projection: projection(e), Where: query.Compare{Column: e.Columns[0], Op: query.Eq, Value: schema.TextOf(fmt.Sprintf("0190f1c2-7c5d-7abc-8def-%012d", n))}}
	})
}

func BenchmarkList20(b *testing.B) {
	benchRead(b, 20, func(e *schema.Entity, n int64) *query.Select {
		return &query.Select{Entity: e, Projection: projection(e), Sort: []query.Order{{Column: e.Column("createdAt"), Desc: true}, {Column: e.Columns[0]}}, Limit: 20}
	})
}

func BenchmarkCreate(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			conn, e := filled(b, 1)
			var n atomic.Int64
			n.Store(people)
			b.SetParallelism(callers / 2)
			if callers == 1 {
				b.SetParallelism(1)
			}
			b.ReportAllocs()
			b.ResetTimer()
			cpu(b)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := conn.Write(context.Background(), creating(e, person(e, n.Add(1)), "")); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
