package postgres

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"time"
	"unsafe"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// row is a row of an answer: the columns as the server wrote them.
type row struct {
	kinds   []schema.Kind
	formats []byte   // 1 = binary; nil = all text
	values  [][]byte // nil = null
	room    [24][]byte
}

// read takes the columns of a DataRow message, without a copy.
func (r *row) read(body []byte) {
	if len(body) < 2 {
		r.values = nil
		return
	}
	n := int(binary.BigEndian.Uint16(body))
	if r.values == nil {
		r.values = r.room[:0]
	}
	r.values = r.values[:0]
	body = body[2:]
	for range n {
		size := int32(binary.BigEndian.Uint32(body))
		body = body[4:]
		if size < 0 {
			r.values = append(r.values, nil)
			continue
		}
		r.values = append(r.values, body[:size:size])
		body = body[size:]
	}
}

// view is b as a string, for as long as b is not written to.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Null implements driver.Row.
func (r *row) Null(i int) bool { return r.values[i] == nil }

// Text implements driver.Row.
func (r *row) Text(i int) []byte { return r.values[i] }

// AppendJSON implements driver.Row.
func (r *row) AppendJSON(dst []byte, i int) []byte {
	b := r.values[i]
	if b == nil {
		return append(dst, "null"...)
	}
	if r.binaryAt(i) {
		if r.kinds[i] == schema.KindFloat {
			if f, ok := float8(b); ok {
				return schema.AppendFloat(dst, f)
			}
		} else if ms, ok := timestamp(b); ok {
			return append(schema.AppendTime(append(dst, '"'), ms), '"')
		}
		return append(dst, "null"...)
	}
	switch r.kinds[i] {
	case schema.KindText:
		return schema.AppendString(dst, b)
	case schema.KindInt:
		return append(dst, b...)
	case schema.KindBool:
		if len(b) == 1 && b[0] == 't' {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case schema.KindTime:
		return appendTime(dst, b)
	case schema.KindFloat:
		return appendFloat(dst, b)
	case schema.KindJSON:
		dst, ok := strictjson.AppendStored(dst, b)
		if !ok { // another program wrote it
			dst = append(dst, "null"...)
		}
		return dst
	}
	return r.Value(i).AppendJSON(dst)
}

func (r *row) binaryAt(i int) bool { return i < len(r.formats) && r.formats[i] == 1 }

// float8 reads a float8 in binary; false for what JSON has no number for.
func float8(b []byte) (float64, bool) {
	if len(b) != 8 {
		return 0, false
	}
	f := math.Float64frombits(binary.BigEndian.Uint64(b))
	return f, !math.IsInf(f, 0) && !math.IsNaN(f)
}

// The instants that the language has, in milliseconds since 1970: the years 1 to
// 9999. The server counts microseconds from the year 2000.
const (
	firstInstant = -62135596800000
	lastInstant  = 253402300799999
	year2000     = 946684800000
)

// timestamp reads an instant in binary as milliseconds since 1970; false for
// what another program wrote that is none of ours.
func timestamp(b []byte) (ms int64, ok bool) {
	if len(b) != 8 {
		return 0, false
	}
	us := int64(binary.BigEndian.Uint64(b))
	if ms = us / 1000; us%1000 < 0 {
		ms--
	}
	if ms < firstInstant-year2000 || ms > lastInstant-year2000 {
		return 0, false
	}
	return ms + year2000, true
}

// appendFloat appends a float8. Where the server writes no exponent, its text
// (the shortest that reads back to the same number) is that of the language.
func appendFloat(dst, b []byte) []byte {
	for _, c := range b {
		if c != '-' && c != '.' && (c < '0' || c > '9') {
			f, ok := float(b)
			if !ok {
				return append(dst, "null"...)
			}
			return schema.AppendFloat(dst, f)
		}
	}
	if len(b) == 2 && b[0] == '-' && b[1] == '0' {
		b = b[1:]
	}
	return append(dst, b...)
}

// float reads a float8; false for what JSON has no number for.
func float(b []byte) (float64, bool) {
	f, err := strconv.ParseFloat(view(b), 64)
	return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
}

// appendTime brings an instant as the server writes it (ISO, UTC: 2026-01-02
// 03:04:05.678+00, trailing zeros of the fraction left out) to the language's
// form. One beyond the years 1 to 9999, which another program wrote, is null.
func appendTime(dst, b []byte) []byte {
	if len(b) < 19 || b[4] != '-' || b[10] != ' ' || b[len(b)-1] == 'C' {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = append(dst, b[:10]...)
	dst = append(dst, 'T')
	dst = append(dst, b[11:19]...)
	dst = append(dst, '.')
	rest, n := b[19:], 0
	if len(rest) > 0 && rest[0] == '.' {
		for n = 0; n < 3 && n+1 < len(rest) && rest[n+1] >= '0' && rest[n+1] <= '9'; n++ {
			dst = append(dst, rest[n+1])
		}
	}
	for ; n < 3; n++ {
		dst = append(dst, '0')
	}
	return append(dst, 'Z', '"')
}

// Value implements driver.Row.
func (r *row) Value(i int) schema.Value {
	b := r.values[i]
	if b == nil {
		return schema.Null
	}
	if r.binaryAt(i) {
		if r.kinds[i] == schema.KindFloat {
			if f, ok := float8(b); ok {
				return schema.FloatOf(f)
			}
		} else if ms, ok := timestamp(b); ok {
			return schema.TimeOf(ms)
		}
		return schema.Null
	}
	switch r.kinds[i] {
	case schema.KindBool:
		return schema.BoolOf(len(b) == 1 && b[0] == 't')
	case schema.KindInt:
		return schema.IntOf(r.int(i))
	case schema.KindFloat:
		if f, ok := float(b); ok {
			return schema.FloatOf(f)
		}
		return schema.Null
	case schema.KindDecimal: // a sum may have zeros at its end, and too many digits
		if text, ok := schema.CanonicalDecimal(view(b)); ok {
			return schema.DecimalOf(text)
		}
		return schema.Null
	case schema.KindTime:
		var buf [32]byte
		text := appendTime(buf[:0], b)
		t, err := time.Parse(`"`+schema.TimeLayout+`"`, view(text))
		if err != nil {
			return schema.Null
		}
		return schema.TimeOf(t.UnixMilli())
	case schema.KindJSON:
		return schema.StoredJSON(string(b))
	}
	return schema.TextOf(string(b))
}

// The columns of the system's tables.

func (r *row) int(i int) int64 {
	n, _ := strconv.ParseInt(view(r.values[i]), 10, 64) // null, and no other text, is 0
	return n
}

func (r *row) string(i int) string { return string(r.values[i]) }

// copy returns a copy of a column's bytes, nil for null.
func (r *row) copy(i int) []byte {
	if r.values[i] == nil {
		return nil
	}
	return append(make([]byte, 0, len(r.values[i])), r.values[i]...)
}

// binary reads a bytea.
func (r *row) binary(i int) []byte {
	b := r.values[i]
	if len(b) < 2 {
		return nil
	}
	out := make([]byte, hex.DecodedLen(len(b)-2))
	n, _ := hex.Decode(out, b[2:])
	return out[:n]
}

// AppendText implements driver.Cells.
func (r *row) AppendText(dst []byte, i int) ([]byte, bool) {
	b := r.values[i]
	switch {
	case b == nil:
		return dst, false
	case r.kinds[i] == schema.KindDecimal:
		text, ok := schema.CanonicalDecimal(view(b))
		return append(dst, text...), ok
	case r.kinds[i] == schema.KindJSON:
		return strictjson.AppendStored(dst, b)
	}
	return append(dst, b...), true
}

// Word implements driver.Cells.
func (r *row) Word(i int) (uint64, bool) {
	b := r.values[i]
	if b == nil {
		return 0, false
	}
	switch r.kinds[i] {
	case schema.KindFloat:
		read := float
		if r.binaryAt(i) {
			read = float8
		}
		f, ok := read(b)
		if f == 0 {
			f = 0 // no negative zero
		}
		return math.Float64bits(f), ok
	case schema.KindTime:
		if r.binaryAt(i) {
			ms, ok := timestamp(b)
			return uint64(ms), ok
		}
		var buf [32]byte
		text := appendTime(buf[:0], b)
		if text[0] != '"' {
			return 0, false
		}
		ms, ok := schema.ParseTime(view(text[1 : len(text)-1]))
		return uint64(ms), ok
	case schema.KindBool:
		if len(b) == 1 && b[0] == 't' {
			return 1, true
		}
		return 0, true
	}
	n, err := strconv.ParseInt(view(b), 10, 64)
	return uint64(n), err == nil
}
