package sqlite

import (
	"math"
	"time"
	"unsafe"

	"zombiezen.com/go/sqlite"

	"github.com/octomesh/octomesh/pkg/schema"
)

// row is the current row of a statement.
type row struct {
	stmt  *sqlite.Stmt
	kinds []schema.Kind
	text  []byte // what Text has given out of this row
}

// bytes copies a column's bytes to dst, straight from the statement.
func (r *row) bytes(dst []byte, i, n int) []byte {
	at := len(dst)
	if cap(dst)-at < n {
		grown := make([]byte, at, 2*cap(dst)+n)
		copy(grown, dst)
		dst = grown
	}
	dst = dst[:at+n]
	r.stmt.ColumnBytes(i, dst[at:])
	return dst
}

// AppendJSON implements driver.Row.
func (r *row) AppendJSON(dst []byte, i int) []byte {
	switch r.kinds[i] {
	case schema.KindText, schema.KindTime, schema.KindJSON, schema.KindDecimal:
		n := r.stmt.ColumnLen(i)
		if n == 0 && r.Null(i) {
			return append(dst, "null"...)
		}
		switch r.kinds[i] {
		case schema.KindText:
			return r.appendText(dst, i, n)
		case schema.KindTime:
			return r.appendTime(dst, i, n)
		}
		if n == 0 { // an empty text is no JSON, a foreign program wrote it
			return append(dst, "null"...)
		}
		return r.bytes(dst, i, n)
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

// appendText appends text in quotes; only a text that needs escapes is copied
// twice.
func (r *row) appendText(dst []byte, i, n int) []byte {
	at := len(dst)
	dst = r.bytes(append(dst, '"'), i, n)
	for k, c := range dst[at+1:] {
		if c < 0x20 || c == '"' || c == '\\' {
			rest := string(dst[at+1+k:])
			dst = schema.AppendString(dst[:at+k+1], rest) // opens with a quote of its own …
			copy(dst[at+k+1:], dst[at+k+2:])              // … which goes
			return dst[:len(dst)-1]
		}
	}
	return append(dst, '"')
}

// isInstant reports whether b has the fixed form of schema.TimeLayout.
func isInstant(b []byte) bool {
	return len(b) == len(schema.TimeLayout) && b[4] == '-' && b[10] == 'T' && b[19] == '.' && b[23] == 'Z'
}

func (r *row) appendTime(dst []byte, i, n int) []byte {
	at := len(dst)
	dst = r.bytes(append(dst, '"'), i, n)
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
			return t.UnixMilli(), true
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
		return schema.DecimalOf(r.stmt.ColumnText(i))
	case schema.KindJSON:
		return schema.JSONOf(r.stmt.ColumnText(i))
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
	if isInstant(b) {
		if t, err := time.Parse(schema.TimeLayout, unsafe.String(&b[0], len(b))); err == nil {
			return t.UnixMilli(), true
		}
	}
	return foreignTime(string(b))
}

// Null implements driver.Row.
func (r *row) Null(i int) bool { return r.stmt.ColumnIsNull(i) }

// Text implements driver.Row. What it has given out stays valid until the next
// row.
func (r *row) Text(i int) []byte {
	n := r.stmt.ColumnLen(i)
	at := len(r.text)
	if cap(r.text)-at < n { // earlier texts keep the memory that they have
		r.text, at = make([]byte, 0, max(256, 2*cap(r.text), n)), 0
	}
	r.text = r.bytes(r.text, i, n)
	return r.text[at:len(r.text):len(r.text)]
}
