package sqlite

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"
	"unsafe"

	"zombiezen.com/go/sqlite"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// row is the current row of a statement.
type row struct {
	stmt  *sqlite.Stmt
	kinds []schema.Kind
	text  []byte // what Text has given out of this row
	// day is the last date that was read, and begins when it did: of a table, many
	// instants have one date.
	day    [10]byte
	begins int64
}

// take copies a column's bytes to dst, straight from the statement: column is its
// ColumnReader, which knows their number without asking SQLite again.
func take(dst []byte, column *bytes.Reader) []byte {
	at, n := len(dst), column.Len()
	if cap(dst)-at < n {
		grown := make([]byte, at, 2*cap(dst)+n)
		copy(grown, dst)
		dst = grown
	}
	dst = dst[:at+n]
	_, _ = column.Read(dst[at:]) // of nothing it is EOF
	return dst
}

// AppendJSON implements driver.Row.
func (r *row) AppendJSON(dst []byte, i int) []byte {
	switch r.kinds[i] {
	case schema.KindText, schema.KindTime, schema.KindJSON, schema.KindDecimal:
		column := r.stmt.ColumnReader(i)
		if column.Len() == 0 && r.Null(i) {
			return append(dst, "null"...)
		}
		switch r.kinds[i] {
		case schema.KindText:
			return strictjson.SettleText(take(append(dst, '"'), column), len(dst)+1)
		case schema.KindTime:
			return appendTime(dst, column)
		}
		shown, ok := settle(take(dst, column), len(dst), r.kinds[i])
		if !ok { // another program wrote it
			return append(dst, "null"...)
		}
		return shown
	}
	if r.Null(i) {
		return append(dst, "null"...)
	}
	switch r.kinds[i] {
	case schema.KindBool:
		if r.stmt.ColumnInt64(i) != 0 {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case schema.KindInt:
		return schema.IntOf(r.stmt.ColumnInt64(i)).AppendJSON(dst)
	}
	f := r.stmt.ColumnFloat(i)
	if math.IsInf(f, 0) { // a foreign program wrote it: JSON has no such number
		return append(dst, "null"...)
	}
	return schema.AppendFloat(dst, f)
}

// settle makes JSON or a decimal of the text that stands in dst from at on, as
// each is shown; false, with dst as it was before, where it is none.
func settle(dst []byte, at int, kind schema.Kind) ([]byte, bool) {
	if kind == schema.KindJSON {
		return strictjson.Settle(dst, at)
	}
	if schema.IsCanonicalDecimal(dst[at:]) {
		return dst, true
	}
	text, ok := schema.CanonicalDecimal(string(dst[at:]))
	return append(dst[:at], text...), ok
}

// isInstant reports whether b is an instant in schema.TimeLayout, eight bytes at
// a time: without what the layout has there, each is a digit's value, or zero
// between the digits.
func isInstant(b []byte) bool {
	if len(b) != len(schema.TimeLayout) {
		return false
	}
	const layout, high, six = "0000-00-00T00:00:00.000Z", 0xF0F0F0F0F0F0F0F0, 0x0606060606060606
	var v [24]byte
	wrong := uint64(0)
	for i := 0; i < len(v); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:]) ^ binary.LittleEndian.Uint64([]byte(layout)[i:])
		wrong |= (x | (x&^high + six)) & high
		binary.LittleEndian.PutUint64(v[i:], x)
	}
	month, day, hour := v[5]*10+v[6], v[8]*10+v[9], v[11]*10+v[12]
	between := v[4] | v[7] | v[10] | v[13] | v[16] | v[19] | v[23]
	if wrong != 0 || between != 0 || hour > 23 || v[14] > 5 || v[17] > 5 {
		return false
	}
	if day > 28 || v[0] == 0 { // not in every month; the years before 1000
		_, ok := schema.ParseTime(string(b))
		return ok
	}
	return month >= 1 && month <= 12 && day >= 1
}

func appendTime(dst []byte, column *bytes.Reader) []byte {
	at := len(dst)
	dst = take(append(dst, '"'), column)
	if isInstant(dst[at+1:]) {
		return append(dst, '"')
	}
	ms, ok := foreignTime(string(dst[at+1:]))
	if !ok {
		return append(dst[:at], "null"...)
	}
	return append(schema.AppendTime(dst[:at+1], ms), '"')
}

// foreignTime reads a date as other programs write it to SQLite.
func foreignTime(s string) (ms int64, ok bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			year := t.UTC().Year()
			return t.UnixMilli(), year >= 1 && year <= 9999
		}
	}
	return 0, false
}

// Value implements driver.Row.
func (r *row) Value(i int) schema.Value {
	if r.Null(i) {
		return schema.Null
	}
	switch r.kinds[i] {
	case schema.KindBool:
		return schema.BoolOf(r.stmt.ColumnInt64(i) != 0)
	case schema.KindInt:
		return schema.IntOf(r.stmt.ColumnInt64(i))
	case schema.KindFloat:
		f := r.stmt.ColumnFloat(i)
		if math.IsInf(f, 0) {
			return schema.Null
		}
		return schema.FloatOf(f)
	case schema.KindDecimal:
		if text, ok := schema.CanonicalDecimal(r.stmt.ColumnText(i)); ok {
			return schema.DecimalOf(text)
		}
		return schema.Null
	case schema.KindJSON:
		return schema.StoredJSON(r.stmt.ColumnText(i))
	case schema.KindTime:
		if ms, ok := r.time(i); ok {
			return schema.TimeOf(ms)
		}
		return schema.Null
	}
	return schema.TextOf(r.stmt.ColumnText(i))
}

func (r *row) time(i int) (int64, bool) {
	var buf [64]byte
	b := buf[:r.stmt.ColumnBytes(i, buf[:])]
	if len(b) == len(schema.TimeLayout) && b[4] == '-' { // as in every day but the empty one
		if since, ok := clock(b); ok {
			if [10]byte(b) == r.day {
				return r.begins + since, true
			}
			if ms, ok := schema.ParseTime(unsafe.String(&b[0], len(b))); ok {
				r.day, r.begins = [10]byte(b), ms-since
				return ms, true
			}
		}
	}
	return foreignTime(string(b))
}

// clock is the time of day of an instant in its fixed form, in milliseconds; false
// for what is none from the T on.
func clock(b []byte) (ms int64, ok bool) {
	t := (*[12]byte)(b[11:]) // 15:04:05.000
	two := func(i int) int64 { return int64(t[i]-'0')*10 + int64(t[i+1]-'0') }
	most := max(t[0]-'0', t[1]-'0', t[3]-'0', t[4]-'0', t[6]-'0', t[7]-'0', t[9]-'0', t[10]-'0', t[11]-'0')
	h, m, s := two(0), two(3), two(6)
	return ((h*60+m)*60+s)*1000 + two(9)*10 + int64(t[11]-'0'), most <= 9 && h < 24 && m < 60 && s < 60 && t[2] == ':' && t[5] == ':' && b[10] == 'T' && b[19] == '.' && b[23] == 'Z'
}

// Null implements driver.Row.
func (r *row) Null(i int) bool { return r.stmt.ColumnIsNull(i) }

// Text implements driver.Row. What it has given out stays valid until the next
// row.
func (r *row) Text(i int) []byte {
	column := r.stmt.ColumnReader(i)
	at, n := len(r.text), column.Len()
	if cap(r.text)-at < n { // earlier texts keep the memory that they have
		r.text, at = make([]byte, 0, max(256, 2*cap(r.text), n)), 0
	}
	r.text = take(r.text, column)
	return r.text[at:len(r.text):len(r.text)]
}

// AppendText implements driver.Cells.
func (r *row) AppendText(dst []byte, i int) ([]byte, bool) {
	at := len(dst)
	if cap(dst)-at < textRoom {
		dst = append(dst, make([]byte, textRoom)...)
	}
	n := r.stmt.ColumnBytes(i, dst[at:cap(dst)])
	if n == cap(dst)-at { // it may be longer
		column := r.stmt.ColumnReader(i)
		n = column.Len()
		dst = take(dst[:at], column)
	}
	if r.kinds[i] != schema.KindText {
		return settle(dst[:at+n], at, r.kinds[i])
	}
	return dst[:at+n], n > 0 || !r.Null(i)
}

// textRoom is how many bytes a text is expected to need at most: one that fits
// costs a question less.
const textRoom = 256

// Word implements driver.Cells. What is not zero is not null.
func (r *row) Word(i int) (uint64, bool) {
	switch r.kinds[i] {
	case schema.KindFloat:
		f := r.stmt.ColumnFloat(i)
		if f != 0 {
			return math.Float64bits(f), !math.IsInf(f, 0)
		}
	case schema.KindTime:
		ms, ok := r.time(i)
		return uint64(ms), ok
	default:
		n := r.stmt.ColumnInt64(i)
		if n != 0 {
			if r.kinds[i] == schema.KindBool {
				n = 1
			}
			return uint64(n), true
		}
	}
	return 0, !r.Null(i)
}
