package store_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlite"
)

const shop = `[{"name":"Item","collection":"items","timestamps":true,"fields":{
 "name":{"type":"string","required":true,"maxLength":100},"email":{"type":"string","unique":true,"lowercase":true},"text":"text","price":"number","stock":"integer",
 "active":{"type":"boolean","default":true},"created":{"type":"date","default":"now"},"tags":{"type":"array","arrayOf":"string"}},
 "relations":{"maker":{"type":"many-to-one","target":"Maker"}},"indexes":[{"fields":{"created":"desc"}}]},
 {"name":"Maker","collection":"makers","fields":{"name":"string"}}]`

// shopOf opens a shop with n items.
func shopOf(b testing.TB, n int) *store.Store {
	b.Helper()
	s := storeOf(b, shop)
	ask(b, s, "Maker", "create", `{"data":{"id":"m","name":"M"}}`)
	for i := range n {
		ask(b, s, "Item", "create", item(i))
	}
	return s
}

// storeOf opens an empty database of that catalog.
func storeOf(b testing.TB, source string) *store.Store {
	b.Helper()
	return storeOn(b, source, func(conn driver.Conn) driver.Conn { return conn })
}

// storeOn is storeOf on what over makes of the database.
func storeOn(b testing.TB, source string, over func(driver.Conn) driver.Conn) *store.Store {
	b.Helper()
	cat, err := schema.Parse([]byte(source))
	if err != nil {
		b.Fatal(err)
	}
	conn, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "shop.db"), cat, sqlite.Options{Sync: "normal"})
	if err != nil {
		b.Fatal(err)
	}
	s, err := store.Open(b.Context(), over(conn), cat, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func item(i int) string {
	return fmt.Sprintf(`{"data":{"id":"i%d","name":"Item number %d","email":"i%d@example.org","text":"A text of some length, as descriptions have it.","price":%d.5,"stock":%d,"tags":["a","b"],"maker":"m"}}`, i, i, i, i, i%100)
}

func ask(b testing.TB, s *store.Store, entity, op, args string) *mesh.Reply {
	b.Helper()
	r, err := s.Call(b.Context(), &mesh.Request{Project: "p", Entity: entity, Op: op, Args: []byte(args)}, nil)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// served asks as a worker does, which gives a reply back when it has left.
func served(b testing.TB, s *store.Store, entity, op, args string) {
	b.Helper()
	if r := ask(b, s, entity, op, args); r.Release != nil {
		r.Release()
	}
}

func BenchmarkFindByID(b *testing.B) {
	s := shopOf(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		served(b, s, "Item", "findById", `{"id":"i500"}`)
	}
}

func BenchmarkFindAll(b *testing.B) {
	for name, args := range map[string]string{
		"20":        `{"filter":{"stock":{"$gte":10}},"sort":{"created":-1},"limit":20}`,
		"populated": `{"filter":{"stock":{"$gte":10}},"sort":{"created":-1},"limit":20,"relations":["maker"]}`,
	} {
		b.Run(name, func(b *testing.B) {
			s := shopOf(b, 1000)
			b.ReportAllocs()
			for b.Loop() {
				served(b, s, "Item", "findAll", args)
			}
		})
	}
}

// BenchmarkWrites has 64 callers, so that the engine can group their commits.
func BenchmarkWrites(b *testing.B) {
	for _, w := range []struct {
		name, op string
		args     func(n int64) string
		keyed    bool
	}{
		{"create", "create", func(n int64) string { return item(int(n) + 1000) }, false},
		{"create keyed", "create", func(n int64) string { return item(int(n) + 1000) }, true},
		{"update", "update", func(n int64) string { return fmt.Sprintf(`{"id":"i%d","data":{"stock":%d}}`, n%1000, n) }, false},
		{"increment", "increment", func(n int64) string { return fmt.Sprintf(`{"id":"i%d","field":"stock","amount":1}`, n%1000) }, false},
	} {
		b.Run(w.name, func(b *testing.B) {
			s := shopOf(b, 1000)
			var next atomic.Int64
			b.SetParallelism(32)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					n := next.Add(1)
					r := &mesh.Request{Project: "p", Entity: "Item", Op: w.op, Args: []byte(w.args(n))}
					if w.keyed {
						r.IdempotencyKey = fmt.Sprintf("key %d", n)
					}
					if _, err := s.Call(b.Context(), r, nil); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
