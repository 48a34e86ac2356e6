package download_test

import (
	"context"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/services/gateway-http/download"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// repeated gives its parts again and again, n of them after the first.
type repeated struct {
	start, part, end string
	n                int
}

func (r *repeated) Next(context.Context) ([]byte, error) {
	switch {
	case r.start != "":
		p := r.start
		r.start = ""
		return []byte(p), nil
	case r.n > 0:
		r.n--
		return []byte(r.part), nil
	case r.end != "":
		p := r.end
		r.end = ""
		return []byte(p), nil
	}
	return nil, io.EOF
}

func (r *repeated) Close() error { return nil }

const perPart = 1000

// source is n times a thousand products, as the format is made of.
func source(t testing.TB, format download.Format, n int) *repeated {
	var lines strings.Builder
	for i := range perPart {
		id := strconv.Itoa(i)
		lines.WriteString(`{"id":"0192f3c1-7d1b-7c3a-9f10-` + strconv.Itoa(100000000000+i*7919) + `","_version":1,"title":"Product \"` + id + `\"","price":` + id + `.5,"stock":` + id +
			`,"active":true,"added":"2026-01-02T03:04:05.` + strconv.Itoa(100+i%900) + `Z","tags":["a","b"],"meta":{"k":` + id + `},"maker":"m` + id + `","createdAt":null,"updatedAt":null,"deletedAt":null}` + "\n")
	}
	if format == download.CSV {
		return &repeated{part: lines.String(), n: n}
	}
	start, batch := schemaAndBatch(t, lines.String())
	return &repeated{start: string(start), part: string(batch), end: "\xff\xff\xff\xff\x00\x00\x00\x00", n: n}
}

func asked(t testing.TB, format download.Format, compression string) download.Ask {
	a := download.Ask{Format: format}
	if _, err := a.Option("delimiter", ","); err != nil {
		t.Fatal(err)
	}
	if compression != "" {
		if _, err := a.Option("compression", compression); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// drain reads a file to its end and returns its length and how much the heap had
// grown at most, if that is asked for.
func drain(t testing.TB, a download.Ask, from *repeated, measure bool) (length int64, grown uint64) {
	f, err := download.NewDesk().File(a, scripted.Catalog(t).Entity("Product"), []byte("{}"), from, nil)
	if err != nil {
		t.Fatal(err)
	}
	var before, now runtime.MemStats
	if measure {
		runtime.GC()
		runtime.ReadMemStats(&before)
	}
	for i := 1; ; i++ {
		p, err := f.Next(t.Context())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		length += int64(len(p))
		if measure && i%64 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			grown = max(grown, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return length, grown
}

// Ten times as many records take no more memory.
func TestMemoryIsFlat(t *testing.T) {
	for name, a := range map[string]download.Ask{
		"csv": asked(t, download.CSV, ""), "zstd": asked(t, download.Parquet, "zstd"), "none": asked(t, download.Parquet, "none"),
	} {
		const limit = 32 << 20
		length, grown := drain(t, a, source(t, a.Format, 250), true)
		t.Logf("%s: %d records, %d MB, the heap grew by %d KB", name, 250*perPart, length>>20, grown>>10)
		if grown > limit {
			t.Errorf("%s: the heap grew by %d MB", name, grown>>20)
		}
	}
}

// BenchmarkFile is the cost of a thousand records, of what comes from a worker to
// what goes to a client.
func BenchmarkFile(b *testing.B) {
	for name, a := range map[string]download.Ask{
		"csv": asked(b, download.CSV, ""), "parquet-zstd": asked(b, download.Parquet, "zstd"),
		"parquet-snappy": asked(b, download.Parquet, "snappy"), "parquet-none": asked(b, download.Parquet, "none"),
	} {
		b.Run(name, func(b *testing.B) {
			from := source(b, a.Format, b.N)
			b.ReportAllocs()
			b.ResetTimer()
			length, _ := drain(b, a, from, false)
			b.ReportMetric(float64(length)/float64(b.N)/perPart, "bytes/record")
			b.ReportMetric(float64(b.N)*perPart/b.Elapsed().Seconds(), "records/s")
		})
	}
}
