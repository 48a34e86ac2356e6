package flightsql_test

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkSelect reads 20,000 rows of six columns through Flight SQL, and through
// Flight itself, whose messages pass as the worker made them.
func BenchmarkSelect(b *testing.B) {
	h := serve(b, music)
	const n = 20_000
	for i := 0; i < n; {
		var lines []string
		for ; len(lines) < 500; i++ {
			lines = append(lines, fmt.Sprintf(`{"entity":"Album","data":{"id":"b%06d","title":"Album number %d","price":"%d.50","sold":%d,"released":"2026-01-02","live":true,"rating":%d.5}}`, i, i, i, i, i))
		}
		h.do("default", "restore", "_project", `{"records":[`+strings.Join(lines, ",")+`]}`)
	}
	c := h.client()
	for name, text := range map[string]string{
		"plain":  `SELECT id, title, sold, released, live, rating FROM Album`,
		"where":  `SELECT id, title, sold, released, live, rating FROM Album WHERE sold <> rating`,
		"groups": `SELECT live, released, COUNT(*), SUM(sold) FROM Album GROUP BY live, released`,
	} {
		b.Run(name, func(b *testing.B) {
			ctx := as(b, master)
			b.ReportAllocs()
			for b.Loop() {
				info, err := c.Execute(ctx, text)
				if err != nil {
					b.Fatal(err)
				}
				r, err := c.DoGet(ctx, info.Endpoint[0].Ticket)
				if err != nil {
					b.Fatal(err)
				}
				rows := int64(0)
				for r.Next() {
					rows += r.RecordBatch().NumRows()
				}
				if r.Release(); rows != n && name != "groups" {
					b.Fatalf("%d rows", rows)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
