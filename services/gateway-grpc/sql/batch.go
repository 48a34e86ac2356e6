package sql

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// A batch that is built here ends with so many rows, or about so many bytes.
const (
	batchRows  = 16 << 10
	batchBytes = 2 << 20
	// maxRow bounds a row in bytes: it may show one large field many times.
	maxRow = 16 << 20
)

// batches builds record batches of rows.
type batches struct {
	schema  *arrow.Schema
	builder *array.RecordBuilder
	ended   bool
}

func newBatches(s *arrow.Schema, m memory.Allocator) *batches {
	return &batches{schema: s, builder: array.NewRecordBuilder(m, s)}
}

func (b *batches) release() { b.builder.Release() }

// read builds the next batch; io.EOF when there are no more rows.
func (b *batches) read(ctx context.Context, from rows) (arrow.RecordBatch, error) {
	size, n := 0, 0
	for !b.ended && n < batchRows && size < batchBytes {
		row, err := from.next(ctx)
		if errors.Is(err, io.EOF) {
			b.ended = true
			break
		}
		if err != nil {
			return nil, fault.From(err)
		}
		length := 8 * len(row)
		for _, v := range row {
			length += len(v.Text())
		}
		if length > maxRow {
			return nil, fault.New(fault.PayloadTooLarge, "a row of the result takes more than %d MB: choose fewer fields, or each once", maxRow>>20)
		}
		size += length
		for i, v := range row {
			if err := add(b.builder.Field(i), v); err != nil {
				return nil, err
			}
		}
		n++
	}
	if n == 0 {
		return nil, io.EOF
	}
	return b.builder.NewRecordBatch(), nil
}

// add appends a value to a column.
func add(b array.Builder, v schema.Value) error {
	if v.IsNull() {
		b.AppendNull()
		return nil
	}
	switch b := b.(type) {
	case *array.StringBuilder:
		if v.Kind() == schema.KindDecimal || v.Kind() == schema.KindText || v.Kind() == schema.KindJSON {
			b.Append(v.Text())
		} else {
			b.Append(string(v.AppendJSON(nil)))
		}
	case *array.Int64Builder:
		b.Append(v.Int())
	case *array.Float64Builder:
		b.Append(v.Float())
	case *array.BooleanBuilder:
		b.Append(v.Bool())
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.Int()))
	case *array.BinaryBuilder:
		bytes, err := base64.StdEncoding.DecodeString(v.Text())
		if err != nil {
			return fault.Wrap(err, fault.Internal, "a value is no base64")
		}
		b.Append(bytes)
	case *array.Decimal128Builder:
		return addDecimal(b, v)
	case *array.ListBuilder:
		if err := b.AppendValueFromString(v.Text()); err != nil {
			return fault.Wrap(err, fault.Internal, "a list is not of its type")
		}
	default:
		return fault.New(fault.Internal, "a column has a type without a builder")
	}
	return nil
}

func addDecimal(b *array.Decimal128Builder, v schema.Value) error {
	t := b.Type().(*arrow.Decimal128Type)
	_, frac, _ := strings.Cut(v.Text(), ".")
	if len(frac) <= int(t.Scale) {
		if n, err := decimal128.FromString(v.Text(), t.Precision, t.Scale); err == nil {
			b.Append(n)
			return nil
		}
	}
	return fault.New(fault.InvalidRequest, "the decimal %s does not fit into 38 digits with %d behind the point: ask with another scale, or for texts", v.Text(), t.Scale)
}

// pick makes the result's columns of those that the worker sent: renamed, in the
// statement's order. One that did not come is null. Errors: UNAVAILABLE.
func (l *level) pick(s *arrow.Schema, from arrow.RecordBatch) (arrow.RecordBatch, error) {
	columns := make([]arrow.Array, 0, len(l.out))
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	for i, o := range l.out {
		at := from.Schema().FieldIndices(o.of.source.of.Name)
		if len(at) == 0 {
			columns = append(columns, array.MakeArrayOfNull(memory.DefaultAllocator, s.Field(i).Type, int(from.NumRows())))
			continue
		}
		c := from.Column(at[0])
		if !arrow.TypeEqual(c.DataType(), s.Field(i).Type) {
			return nil, changed()
		}
		c.Retain()
		columns = append(columns, c)
	}
	return array.NewRecordBatch(s, columns, from.NumRows()), nil
}

// changed is the error for a column that has another type than the statement was
// compiled for.
func changed() error {
	return fault.New(fault.Unavailable, "the schema is just changing: send the statement again")
}
