package sqldb

import (
	"bytes"
	sqldriver "database/sql/driver"
	"math"
	"strconv"
	"time"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// row is the current row of a read.
type row struct {
	db     *DB
	values []sqldriver.Value
	kinds  []schema.Kind
}

// bytes is a value's text in the driver's buffer, or made of a number.
func (r *row) bytes(i int) []byte {
	switch v := r.values[i].(type) {
	case []byte:
		return v
	case string:
		return []byte(v)
	case nil:
		return nil
	case int64:
		return strconv.AppendInt(nil, v, 10)
	case float64:
		return strconv.AppendFloat(nil, v, 'g', -1, 64)
	case float32:
		return strconv.AppendFloat(nil, float64(v), 'g', -1, 32)
	case bool:
		return strconv.AppendBool(nil, v)
	case time.Time:
		return v.UTC().AppendFormat(nil, schema.TimeLayout)
	}
	return nil
}

func (r *row) int(i int) int64 { n, _ := r.integer(i); return n }

// integer reads a whole number; false for null and for what is none of 64 bits.
func (r *row) integer(i int) (int64, bool) {
	switch v := r.values[i].(type) {
	case int64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<63
	case []byte:
		return parseInt(v)
	case string:
		return parseInt([]byte(v))
	}
	return 0, false
}

// parseInt reads a whole number, as a decimal with nothing behind its point too.
func parseInt(b []byte) (int64, bool) {
	if whole, frac, ok := bytes.Cut(b, []byte{'.'}); ok {
		if len(bytes.Trim(frac, "0")) > 0 {
			return 0, false
		}
		b = whole
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}

func (r *row) float(i int) (float64, bool) {
	var f float64
	var err error
	switch v := r.values[i].(type) {
	case float64:
		f = v
	case int64:
		f = float64(v)
	case nil:
		return 0, false
	default: // a decimal; a float32 by its shortest text, as people wrote it
		f, err = strconv.ParseFloat(string(r.bytes(i)), 64)
	}
	return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
}

func (r *row) bool(i int) bool {
	if b, ok := r.values[i].([]byte); ok && len(b) > 0 && b[0] < ' ' { // a bit string
		return b[len(b)-1] != 0
	}
	n, _ := r.integer(i)
	return n != 0
}

func (r *row) time(i int) (int64, bool) {
	switch v := r.values[i].(type) {
	case time.Time:
		return v.UnixMilli(), true
	case int64:
		return v, true
	case nil:
		return 0, false
	}
	return r.db.engine.Time(r.bytes(i))
}

// decimal brings a decimal to its canonical text, in place where that is only
// to cut zeros off. Nil = it is none that the language has.
func (r *row) decimal(i int) []byte {
	b := r.bytes(i)
	if dot := bytes.IndexByte(b, '.'); dot > 0 {
		end := len(b)
		for b[end-1] == '0' {
			end--
		}
		if b[end-1] == '.' {
			end--
		}
		b = b[:end]
	}
	if schema.IsCanonicalDecimal(b) {
		return b
	}
	text, ok := schema.CanonicalDecimal(string(b))
	if !ok {
		return nil
	}
	return []byte(text)
}

// AppendJSON implements driver.Row.
func (r *row) AppendJSON(dst []byte, i int) []byte {
	if r.values[i] == nil {
		return append(dst, "null"...)
	}
	switch r.kinds[i] {
	case schema.KindText:
		if s, ok := r.values[i].(string); ok {
			return schema.AppendString(dst, s)
		}
		return schema.AppendString(dst, r.bytes(i))
	case schema.KindBool:
		return strconv.AppendBool(dst, r.bool(i))
	case schema.KindInt:
		if n, ok := r.integer(i); ok {
			return strconv.AppendInt(dst, n, 10)
		}
	case schema.KindFloat:
		if f, ok := r.float(i); ok {
			return schema.AppendFloat(dst, f+0) // no negative zero
		}
	case schema.KindTime:
		if ms, ok := r.time(i); ok {
			return append(schema.AppendTime(append(dst, '"'), ms), '"')
		}
	case schema.KindDecimal:
		if b := r.decimal(i); b != nil {
			return append(dst, b...)
		}
	case schema.KindJSON:
		if dst, ok := strictjson.AppendStored(dst, r.bytes(i)); ok {
			return dst
		}
	}
	return append(dst, "null"...) // another program wrote it
}

// Value implements driver.Row.
func (r *row) Value(i int) schema.Value {
	if r.values[i] == nil {
		return schema.Null
	}
	switch r.kinds[i] {
	case schema.KindBool:
		return schema.BoolOf(r.bool(i))
	case schema.KindInt:
		if n, ok := r.integer(i); ok {
			return schema.IntOf(n)
		}
		return schema.Null
	case schema.KindFloat:
		if f, ok := r.float(i); ok {
			return schema.FloatOf(f)
		}
		return schema.Null
	case schema.KindTime:
		if ms, ok := r.time(i); ok {
			return schema.TimeOf(ms)
		}
		return schema.Null
	case schema.KindDecimal:
		if b := r.decimal(i); b != nil {
			return schema.DecimalOf(string(b))
		}
		return schema.Null
	case schema.KindJSON:
		return schema.StoredJSON(string(r.bytes(i)))
	}
	return schema.TextOf(string(r.bytes(i)))
}

// Null implements driver.Row.
func (r *row) Null(i int) bool { return r.values[i] == nil }

// Text implements driver.Row.
func (r *row) Text(i int) []byte { return r.bytes(i) }

// copy returns a copy of a column's bytes, nil for null.
func (r *row) copy(i int) []byte {
	if r.values[i] == nil {
		return nil
	}
	b := r.bytes(i)
	return append(make([]byte, 0, len(b)), b...)
}

func (r *row) string(i int) string { return string(r.bytes(i)) }

// AppendText implements driver.Cells.
func (r *row) AppendText(dst []byte, i int) ([]byte, bool) {
	switch s, isText := r.values[i].(string); {
	case r.values[i] == nil:
		return dst, false
	case r.kinds[i] == schema.KindDecimal:
		b := r.decimal(i)
		return append(dst, b...), b != nil
	case r.kinds[i] == schema.KindJSON:
		return strictjson.AppendStored(dst, r.bytes(i))
	case isText:
		return append(dst, s...), true
	}
	return append(dst, r.bytes(i)...), true
}

// Word implements driver.Cells.
func (r *row) Word(i int) (uint64, bool) {
	if r.values[i] == nil {
		return 0, false
	}
	switch r.kinds[i] {
	case schema.KindBool:
		if r.bool(i) {
			return 1, true
		}
		return 0, true
	case schema.KindFloat:
		f, ok := r.float(i)
		return math.Float64bits(f + 0), ok // no negative zero
	case schema.KindTime:
		ms, ok := r.time(i)
		return uint64(ms), ok
	}
	n, ok := r.integer(i)
	return uint64(n), ok
}
