//go:build linux

package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/postgres"
	"github.com/octomesh/octomesh/pkg/testserver"
)

// cpu reports the processor time of an operation: of this process, and of the
// server with its children.
func cpu(b *testing.B, pid int) {
	own := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start, server := own(), serverCPU(pid)
	b.Cleanup(func() {
		b.ReportMetric(float64(own()-start)/float64(b.N)/1000, "cpu-µs/op")
		b.ReportMetric(float64(serverCPU(pid)-server)/float64(b.N)/1000, "server-µs/op")
	})
}

// serverCPU adds up what a process and its living children have used.
func serverCPU(pid int) (sum time.Duration) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		f := strings.Fields(rest)
		if parent, _ := strconv.Atoi(f[1]); parent != pid && path != fmt.Sprintf("/proc/%d/stat", pid) {
			continue
		}
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
 "indexes":[{"fields":{"createdAt":"asc"}}]}]`

const note = "one hundred bytes of an ordinary note, so that a record is as large as records are in ordinary life"

func person(e *schema.Entity, n int) schema.Row {
	at := schema.TimeOf(1_700_000_000_000 + int64(n))
	row := make(schema.Row, len(e.Columns))
	for name, v := range map[string]schema.Value{
		"id": schema.TextOf(personID(n)), "_version": schema.IntOf(1),
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
	server := testserver.StartPostgreSQL(b, testserver.Options{Durable: true})
	uri := fresh(b, server.Database(b))
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
	b.ReportAllocs()
	cpu(b, server.PID())
	return db, e
}

// plain is what the engine is measured against: a pool of 16 connections and a
// statement for each operation, on a table of the same columns.
func plain(b *testing.B, n int) *pgxpool.Pool {
	b.Helper()
	server := testserver.StartPostgreSQL(b, testserver.Options{Durable: true})
	cfg, err := pgxpool.ParseConfig(server.Database(b))
	if err != nil {
		b.Fatal(err)
	}
	cfg.MaxConns = 16
	pool, err := pgxpool.NewWithConfig(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	for _, sql := range []string{
		`CREATE TABLE people (id text PRIMARY KEY, version bigint, email text UNIQUE, name text, age float8, active boolean, city text, note text, created timestamptz, updated timestamptz)`,
		`CREATE INDEX ON people (created)`,
	} {
		if _, err := pool.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
	for i := range n {
		insertPlain(b, pool, i)
	}
	if n > 0 {
		_, _ = pool.Exec(b.Context(), "ANALYZE people")
	}
	b.ReportAllocs()
	cpu(b, server.PID())
	return pool
}

func insertPlain(b *testing.B, pool *pgxpool.Pool, n int) {
	at := time.UnixMilli(1_700_000_000_000 + int64(n))
	_, err := pool.Exec(context.Background(), "INSERT INTO people VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)", personID(n), 1,
		fmt.Sprintf("u%d@example.org", n), "Ada Lovelace", float64(n%50)+0.5, n%2 == 0, "Liège", note, at, at)
	if err != nil {
		b.Error(err)
	}
}

func personID(n int) string { return fmt.Sprintf("0190f1c2-7c5d-7abc-8def-%012d", n) }

// many runs op on 64 goroutines.
func many(b *testing.B, op func(n int, buf []byte) []byte) {
	var n atomic.Int64
	b.SetParallelism((64 + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var buf []byte
		for pb.Next() {
			buf = op(int(n.Add(1)), buf)
		}
	})
}

type plainPerson struct {
	ID      string    `json:"id"`
	Version int64     `json:"_version"`
	Email   string    `json:"email"`
	Name    string    `json:"name"`
	Age     float64   `json:"age"`
	Active  bool      `json:"active"`
	City    string    `json:"city"`
	Note    string    `json:"note"`
	Created time.Time `json:"createdAt"`
	Updated time.Time `json:"updatedAt"`
}

func readPlain(b *testing.B, pool *pgxpool.Pool, sql string, args ...any) []byte {
	rows, err := pool.Query(context.Background(), sql, args...)
	if err != nil {
		b.Error(err)
		return nil
	}
	people, err := pgx.CollectRows(rows, pgx.RowToStructByPos[plainPerson])
	if err != nil {
		b.Error(err)
	}
	out, _ := json.Marshal(people)
	return out
}

// BenchmarkFloor is what a pgx program costs that does the same without us.
func BenchmarkFloor(b *testing.B) {
	b.Run("create", func(b *testing.B) {
		pool := plain(b, 0)
		many(b, func(n int, _ []byte) []byte { insertPlain(b, pool, n); return nil })
	})
	b.Run("get", func(b *testing.B) {
		pool := plain(b, benchRows)
		many(b, func(n int, _ []byte) []byte {
			return readPlain(b, pool, "SELECT * FROM people WHERE id = $1", personID(n*7919%benchRows))
		})
	})
	b.Run("list", func(b *testing.B) {
		pool := plain(b, benchRows)
		many(b, func(n int, _ []byte) []byte {
			return readPlain(b, pool, "SELECT * FROM people WHERE active = $1 ORDER BY created DESC LIMIT $2", n%2 == 0, 20)
		})
	})
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
	id := schema.TextOf(personID(i * 7919 % benchRows))
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
		many(b, func(n int, buf []byte) []byte { return readJSON(b, db, q(e, n), buf, want) })
	})
}

func BenchmarkGet(b *testing.B)    { benchmarkRead(b, get, 1) }
func BenchmarkList20(b *testing.B) { benchmarkRead(b, list, 20) }

var errFound = errors.New("the key was used")

// create does what the Store does for a create that has an idempotency key, as
// those of the gateways have.
func create(b *testing.B, db driver.Conn, e *schema.Entity, n int) {
	row := person(e, n)
	key := fmt.Sprintf("%032x", n)
	c := mesh.Change{Entity: e.Name, ID: row[0].Text(), Verb: mesh.Created, Version: 1, Principal: "k:test", RequestID: "0190f1c2-7c5d-7abc-8def-0123456789ab", Transport: "rest", IdempotencyKey: key, RequestHash: make([]byte, 32)}
	var scratch [512]byte
	after := scratch[:0]
	for i := range row {
		after = append(row[i].AppendJSON(after), ',')
	}
	c.After = after
	err := db.Write(context.Background(), driver.Unit{Single: true, Run: func(tx driver.Tx) error {
		if found, err := tx.Replay(c.Principal, key); err != nil || found != nil {
			return errors.Join(err, errFound)
		}
		if err := tx.Insert(e, row); err != nil {
			return err
		}
		return tx.Append(&c)
	}})
	if err != nil {
		b.Error(err)
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
		many(b, func(n int, _ []byte) []byte { create(b, db, e, n); return nil })
	})
}
