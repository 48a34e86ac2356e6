//go:build unix

package store_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/store"
)

// people are ten columns, some 320 bytes a record as JSON.
const people = `[{"name":"Person","collection":"people","timestamps":true,"fields":{
 "email":{"type":"string","unique":true},"name":"string","age":"number","active":"boolean","city":"string","note":"text"}}]`

// filled has n people.
func filled(b testing.TB, n int) *store.Store {
	b.Helper()
	s := storeOf(b, people)
	note := strings.Repeat("lorem ipsu", 10)
	for i := 0; i < n; {
		var ops []string
		for range 500 {
			ops = append(ops, fmt.Sprintf(`{"op":"create","entity":"Person","data":{"email":"seed%d@example.com","name":"Name %d","age":%d.5,"active":%t,"city":"Liège","note":%q}}`, i, i, 18+i%62, i%2 == 0, note))
			i++
		}
		ask(b, s, mesh.ProjectEntity, "transaction", `{"operations":[`+strings.Join(ops, ",")+`]}`)
	}
	return s
}

// spent is the processor time of the process.
func spent(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkStream reads every record of a database in process, once as lines and
// once as Arrow; MB/s are of the bytes that come out. On a shared machine the
// processor time, all threads together, is the figure to trust.
func BenchmarkStream(b *testing.B) {
	const n = 50_000
	s := filled(b, n)
	for name, args := range map[string]string{"json": `{}`, "arrow": `{"format":"arrow"}`} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			size := 0
			start := spent(b)
			for b.Loop() {
				size = 0
				r := ask(b, s, "Person", "stream", args)
				for {
					part, err := r.Chunks.Next(b.Context())
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					size += len(part)
				}
				_ = r.Chunks.Close()
			}
			b.SetBytes(int64(size))
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(size)/n, "B/row")
			b.ReportMetric(float64(size*b.N)/1e6/(spent(b)-start).Seconds(), "MB/cpu-s")
		})
	}
}
