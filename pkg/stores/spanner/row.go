package spanner

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/spanner"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// row is the current row of a read, as it came over the wire.
type row struct {
	from  *spanner.Row
	kinds []schema.Kind
}

// AppendJSON implements driver.Row.
func (r *row) AppendJSON(dst []byte, i int) []byte {
	v := r.from.ColumnValue(i)
	if _, null := v.GetKind().(*structpb.Value_NullValue); null {
		return append(dst, "null"...)
	}
	switch s := v.GetStringValue(); r.kinds[i] {
	case schema.KindText:
		return schema.AppendString(dst, s)
	case schema.KindJSON:
		dst, ok := strictjson.AppendStored(dst, s)
		if !ok { // another program wrote it
			dst = append(dst, "null"...)
		}
		return dst
	case schema.KindBool:
		return strconv.AppendBool(dst, v.GetBoolValue())
	}
	return r.Value(i).AppendJSON(dst)
}

// Value implements driver.Row.
func (r *row) Value(i int) schema.Value {
	v := r.from.ColumnValue(i)
	if _, null := v.GetKind().(*structpb.Value_NullValue); null {
		return schema.Null
	}
	switch s := v.GetStringValue(); r.kinds[i] {
	case schema.KindBool:
		return schema.BoolOf(v.GetBoolValue())
	case schema.KindInt:
		if whole, point, ok := strings.Cut(s, "."); ok && strings.Trim(point, "0") == "" {
			s = whole // a NUMERIC
		}
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return schema.IntOf(n)
		}
		return schema.Null // a sum of more than 64 bits
	case schema.KindFloat:
		f := v.GetNumberValue()
		if s != "" {
			var err error
			if f, err = strconv.ParseFloat(s, 64); err != nil { // a NUMERIC, or one that is not finite
				return schema.Null
			}
		}
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return schema.Null
		}
		return schema.FloatOf(f)
	case schema.KindDecimal:
		if text, ok := decodeDecimal(s); ok {
			return schema.DecimalOf(text)
		}
		return schema.Null
	case schema.KindJSON:
		return schema.StoredJSON(s)
	case schema.KindTime:
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return schema.TimeOf(t.UnixMilli())
		}
		return schema.Null
	default:
		return schema.TextOf(s)
	}
}

// Null implements driver.Row.
func (r *row) Null(i int) bool {
	_, null := r.from.ColumnValue(i).GetKind().(*structpb.Value_NullValue)
	return null
}

// Text implements driver.Row.
func (r *row) Text(i int) []byte { return []byte(r.from.ColumnValue(i).GetStringValue()) }

func (r *row) text(i int) string { return r.from.ColumnValue(i).GetStringValue() }

// num reads an INT64 column of ours; null is 0.
func (r *row) num(i int) int64 {
	n, _ := strconv.ParseInt(r.text(i), 10, 64) // the protocol writes integers so
	return n
}

// bytes returns a text column's bytes, nil for null.
func (r *row) bytes(i int) []byte {
	if r.Null(i) {
		return nil
	}
	return []byte(r.text(i))
}

// binary returns a BYTES column, nil for null.
func (r *row) binary(i int) []byte {
	if r.Null(i) {
		return nil
	}
	b, _ := base64.StdEncoding.DecodeString(r.text(i)) // the protocol writes bytes so
	return b
}

// native is a value as the client library takes it for a column or parameter.
func native(v schema.Value) any {
	switch v.Kind() {
	case schema.KindNull:
		return nil
	case schema.KindBool:
		return v.Bool()
	case schema.KindInt:
		return v.Int()
	case schema.KindFloat:
		return v.Float()
	case schema.KindTime:
		return time.UnixMilli(v.Int()).UTC()
	case schema.KindDecimal:
		return encodeDecimal(v.Text())
	}
	return v.Text()
}

// array is a list of values of one kind as the client library takes it.
func array(values []schema.Value) any {
	switch values[0].Kind() {
	case schema.KindBool:
		return list(values, schema.Value.Bool)
	case schema.KindInt:
		return list(values, schema.Value.Int)
	case schema.KindFloat:
		return list(values, schema.Value.Float)
	case schema.KindTime:
		return list(values, func(v schema.Value) time.Time { return time.UnixMilli(v.Int()).UTC() })
	case schema.KindDecimal:
		return list(values, func(v schema.Value) string { return encodeDecimal(v.Text()) })
	}
	return list(values, schema.Value.Text)
}

func list[T any](values []schema.Value, of func(schema.Value) T) []T {
	out := make([]T, len(values))
	for i, v := range values {
		out[i] = of(v)
	}
	return out
}
