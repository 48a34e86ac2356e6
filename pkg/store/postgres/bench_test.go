//go:build linux

package postgres_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/postgres"
	"github.com/octomesh/octomesh/pkg/testserver"
)

// cpu reports the processor time of an operation: of this process, and of the
// server's, where it runs on this machine.
func cpu(b *testing.B, uri string) {
	own := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start, server := own(), serverCPU(b, uri)
	b.Cleanup(func() {
		b.ReportMetric(float64(own()-start)/float64(b.N)/1000, "cpu-µs/op")
		b.ReportMetric(float64(serverCPU(b, uri)-server)/float64(b.N)/1000, "server-µs/op")
	})
}

// serverCPU adds up what the backends of our connections have used.
func serverCPU(b *testing.B, uri string) (sum time.Duration) {
	c, err := pgx.Connect(context.Background(), strings.Replace(uri, "schema=", "search_path=", 1))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	rows, err := c.Query(context.Background(), "SELECT pid FROM pg_stat_activity WHERE application_name = 'octomesh'")
	if err != nil {
		b.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		b.Fatal(err)
	}
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		f := strings.Fields(rest)
		for _, ticks := range f[11:13] { // utime, stime, in hundredths of a second
			n, _ := strconv.Atoi(ticks)
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum
}

// benchSchema has ten columns, a unique one and an index to sort by.
const benchSchema = `[{"name":"Person","collection":"people","timestamps":true,"fields":{"email":{"type":"string","unique":true},
 "name":{"type":"string"},"age":{"type":"number"},"active":{"type":"boolean"},"city":{"type":"string"},"note":{"type":"text"}},
 "indexes":[{"fields":{"createdAt":"desc"}}]}]`

const note = "one hundred bytes of an ordinary note, so that a record is as large as records are in ordinary life"

func person(e *schema.Entity, n int) schema.Row {
	at := schema.TimeOf(1_700_000_000_000 + int64(n))
	row := make(schema.Row, len(e.Columns))
	for name, v := range map[string]schema.Value{
		"id": schema.TextOf(fmt.Sprintf("0190f1c2-7c5d-7abc-8def-%012d", n)), "_version": schema.IntOf(1),
		"email": schema.TextOf(fmt.Sprintf("u%d@example.org", n)), "name": schema.TextOf("Ada Lovelace"),
		"age": schema.FloatOf(float64(n%50) + 0.5), "active": schema.BoolOf(n%2 == 0), "city": schema.TextOf("Liège"),
		"note": schema.TextOf(note), "createdAt": at, "updatedAt": at,
	} {
		row[e.Column(name).Index] = v
	}
	return row
}

const benchRows = 20_000

// filled opens a database with n people, about 330 bytes each as JSON.
func filled(b *testing.B, n int) (driver.Conn, *schema.Entity) {
	b.Helper()
	cat, err := schema.Parse([]byte(benchSchema))
	if err != nil {
		b.Fatal(err)
	}
	uri := fresh(b, testserver.PostgreSQL(b))
	db, err := postgres.Open(b.Context(), uri, cat, postgres.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	e := cat.Entity("Person")
	var left atomic.Int64
	left.Store(int64(n))
	done := make(chan error, 64)
	for range cap(done) {
		go func() {
			for {
				i := int(left.Add(-1))
				if i < 0 {
					done <- nil
					return
				}
				if err := db.Write(context.Background(), driver.Unit{Single: true, Run: func(tx driver.Tx) error { return tx.Insert(e, person(e, i)) }}); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	if n > 0 {
		exec(b, uri, "ANALYZE people")
	}
	cpu(b, uri)
	b.ReportAllocs()
	return db, e
}

func all(e *schema.Entity) *query.Projection { return &query.Projection{Columns: e.Columns, Key: "*"} }

func readJSON(b *testing.B, db driver.Conn, q *query.Select, buf []byte, want int) []byte {
	n := 0
	buf = buf[:0]
	err := db.Select(context.Background(), q, func(r driver.Row) error {
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

func get(e *schema.Entity, i int) *query.Select {
	id := schema.TextOf(fmt.Sprintf("0190f1c2-7c5d-7abc-8def-%012d", i*7919%benchRows))
	return &query.Select{Entity: e, Projection: all(e), Limit: 1, Where: query.Compare{Column: e.Columns[0], Op: query.Eq, Value: id}}
}

func list(e *schema.Entity, i int) *query.Select {
	return &query.Select{
		Entity: e, Projection: all(e), Limit: 20, Where: query.Compare{Column: e.Column("active"), Op: query.Eq, Value: schema.BoolOf(i%2 == 0)},
		Sort: []query.Order{{Column: e.Column("createdAt"), Desc: true}, {Column: e.Columns[0]}},
	}
}

func benchmarkRead(b *testing.B, q func(e *schema.Entity, i int) *query.Select, want int) {
	b.Run("1", func(b *testing.B) {
		db, e := filled(b, benchRows)
		var buf []byte
		for i := 0; b.Loop(); i++ {
			buf = readJSON(b, db, q(e, i), buf, want)
		}
	})
	b.Run("64", func(b *testing.B) {
		db, e := filled(b, benchRows)
		var n atomic.Int64
		b.SetParallelism(32) // times 2 cores
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			var buf []byte
			for pb.Next() {
				buf = readJSON(b, db, q(e, int(n.Add(1))), buf, want)
			}
		})
	})
}

func BenchmarkGet(b *testing.B)    { benchmarkRead(b, get, 1) }
func BenchmarkList20(b *testing.B) { benchmarkRead(b, list, 20) }

func create(b *testing.B, db driver.Conn, e *schema.Entity, n int) {
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

func BenchmarkCreate(b *testing.B) {
	b.Run("1", func(b *testing.B) {
		db, e := filled(b, 0)
		for i := 0; b.Loop(); i++ {
			create(b, db, e, i)
		}
	})
	b.Run("64", func(b *testing.B) {
		db, e := filled(b, 0)
		var n atomic.Int64
		b.SetParallelism(32)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				create(b, db, e, int(n.Add(1)))
			}
		})
	})
}
