package flight_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	af "github.com/apache/arrow-go/v18/arrow/flight"
)

const people = `[{"name":"Person","collection":"people","timestamps":true,"fields":{
 "email":{"type":"string","unique":true},"name":"string","age":"number","active":"boolean","city":"string","note":"text"}}]`

// persons are n rows of some 230 bytes from one on.
func persons(b *testing.B, s *arrow.Schema, first, n int) arrow.RecordBatch {
	var rows strings.Builder
	note := strings.Repeat("lorem ipsu", 10)
	for i := first; i < first+n; i++ {
		fmt.Fprintf(&rows, `,{"id":"p%08d","email":"seed%d@example.com","name":"Name %d","age":%d.5,"active":%t,"city":"Liège","note":%q}`, i, i, i, 18+i%62, i%2 == 0, note)
	}
	return batch(b, s, "["+rows.String()[1:]+"]")
}

func personColumns() *arrow.Schema {
	return fields(nullable("id", text), nullable("email", text), nullable("name", text), nullable("age", arrow.PrimitiveTypes.Float64),
		nullable("active", arrow.FixedWidthTypes.Boolean), nullable("city", text), nullable("note", text))
}

// BenchmarkDoPut stores rows in batches of 5,000, without a mesh between.
func BenchmarkDoPut(b *testing.B) {
	h := serve(b, people)
	c := h.client()
	s := personColumns()
	const each = 5000
	var batches []arrow.RecordBatch
	for n := 0; n < b.N; n += each {
		batches = append(batches, persons(b, s, n, min(each, b.N-n)))
	}
	b.ReportAllocs()
	b.ResetTimer()
	if told, err := put(c, as(b, master), path("Person"), s, batches...); err != nil || last(told) != fmt.Sprintf(`{"rows":%d`, b.N) {
		b.Fatal(told, err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkDoGet receives 50,000 rows as messages, without a mesh between.
func BenchmarkDoGet(b *testing.B) {
	h := serve(b, people)
	c := h.client()
	s := personColumns()
	const n = 50_000
	for i := 0; i < n; i += 5000 {
		if _, err := put(c, as(b, master), path("Person"), s, persons(b, s, i, 5000)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		size = 0
		ss, err := c.DoGet(as(b, master), &af.Ticket{Ticket: []byte(`{"entity":"Person"}`)})
		if err != nil {
			b.Fatal(err)
		}
		for {
			d, err := ss.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			size += len(d.DataBody)
		}
	}
	b.SetBytes(int64(size))
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "rows/s")
}
