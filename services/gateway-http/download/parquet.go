package download

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/snappy"
	"github.com/parquet-go/parquet-go/compress/uncompressed"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// A row group ends with the batch that brings it to so many records, or bytes of
// columns before compression.
const (
	groupRows  = 64 << 10
	groupBytes = 8 << 20
)

// codecs are the values of ?compression=.
var codecs = map[string]compress.Codec{
	"zstd":   &zstd.Codec{Level: zstd.SpeedFastest},
	"snappy": &snappy.Codec{},
	"none":   &uncompressed.Codec{},
}

// parquetFile writes records as a Parquet file, a row group at a time. It
// implements mesh.Chunks. A file that breaks has no footer.
type parquetFile struct {
	ask     Ask
	source  mesh.Chunks
	chunks  *columnar.Text
	records *ipc.Reader
	free    func()
	w       *parquet.GenericWriter[any] // once the stream has told its schema
	columns []*column
	rows    int // in the row group
	size    int
	out     bytes.Buffer
	rest    []byte // of out, still to be handed on
	ended   bool
}

func newParquet(a Ask, source mesh.Chunks, free func()) *parquetFile {
	return &parquetFile{ask: a, source: source, chunks: &columnar.Text{Chunks: source}, free: sync.OnceFunc(free)}
}

// Next implements mesh.Chunks.
func (f *parquetFile) Next(ctx context.Context) ([]byte, error) {
	for len(f.rest) == 0 {
		if f.ended {
			return nil, io.EOF
		}
		f.out.Reset()
		if err := f.batch(ctx); err != nil {
			return nil, err
		}
		f.rest = f.out.Bytes()
	}
	p := f.rest[:min(len(f.rest), piece)]
	f.rest = f.rest[len(p):]
	return p, nil
}

// Close gives the producer up.
func (f *parquetFile) Close() error {
	f.free()
	if f.records != nil {
		f.records.Release()
		f.records = nil
	}
	return f.source.Close()
}

// batch takes the next records in, and writes what they complete.
func (f *parquetFile) batch(ctx context.Context) error {
	f.chunks.Ctx = ctx
	err := f.convert()
	if f.chunks.Err != nil { // the stream's own, which the reader of Arrow words anew
		return f.chunks.Err
	}
	if err != nil {
		return fault.Wrap(err, fault.Internal, "records could not be written as Parquet")
	}
	return nil
}

func (f *parquetFile) convert() error {
	if f.w == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	batch, err := f.records.Read()
	switch {
	case err == nil:
		return f.add(batch)
	case errors.Is(err, io.EOF) && f.chunks.Err == nil:
		f.ended = true
		return f.w.Close()
	}
	return err
}

func (f *parquetFile) open() (err error) {
	if f.records, err = ipc.NewReader(f.chunks); err != nil {
		return err
	}
	about := f.records.Schema()
	f.w = parquet.NewGenericWriter[any](&f.out, fileSchema(about),
		parquet.Compression(codecs[f.ask.codec]),
		parquet.DataPageVersion(1), // which every reader knows
		parquet.WriteBufferSize(0), // out is one
		parquet.CreatedBy("octomesh", "", ""),
	)
	for i, w := range f.w.ColumnWriters() {
		f.columns = append(f.columns, &column{index: i, to: w, field: about.Field(i)})
	}
	return nil
}

func (f *parquetFile) add(batch arrow.RecordBatch) error {
	for i, c := range f.columns {
		array := batch.Column(i)
		if err := c.write(array); err != nil {
			return err
		}
		f.size += sizeOf(array.Data())
	}
	if f.rows += int(batch.NumRows()); f.rows < groupRows && f.size < groupBytes {
		return nil
	}
	f.rows, f.size = 0, 0
	return f.w.Flush()
}

func sizeOf(d arrow.ArrayData) int {
	n := 0
	for _, b := range d.Buffers() {
		if b != nil {
			n += b.Len()
		}
	}
	for _, child := range d.Children() {
		n += sizeOf(child)
	}
	return n
}
