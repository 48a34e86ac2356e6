package schema

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/strictjson"
)

// Kind is the form of a Value.
type Kind uint8

// The kinds of values.
const (
	KindNull Kind = iota
	KindBool
	KindInt     // Integer
	KindFloat   // Number, Float
	KindDecimal // Decimal, canonical text
	KindText    // String, Text, Enum, ObjectID, Binary (base64), references, ids
	KindTime    // Date, milliseconds since 1970 UTC
	KindJSON    // JSON, Array: compact JSON text
)

// Value is one typed scalar: small, comparable with Equal and Compare, without
// a pointer for numbers. The zero Value is null.
type Value struct {
	kind Kind
	bits uint64
	text string
}

// Null is the null value.
var Null Value

// BoolOf returns a boolean value.
func BoolOf(b bool) Value {
	v := Value{kind: KindBool}
	if b {
		v.bits = 1
	}
	return v
}

// IntOf returns an integer value.
func IntOf(n int64) Value { return Value{kind: KindInt, bits: uint64(n)} }

// FloatOf returns a number. Negative zero becomes zero: no database keeps its
// sign reliably. NaN and infinities are the caller's to refuse.
func FloatOf(f float64) Value {
	if f == 0 {
		f = 0
	}
	return Value{kind: KindFloat, bits: math.Float64bits(f)}
}

// DecimalOf returns a decimal from its canonical text (see CanonicalDecimal).
func DecimalOf(text string) Value { return Value{kind: KindDecimal, text: text} }

// TextOf returns a text value.
func TextOf(s string) Value { return Value{kind: KindText, text: s} }

// TimeOf returns an instant from milliseconds since 1970-01-01 UTC.
func TimeOf(ms int64) Value { return Value{kind: KindTime, bits: uint64(ms)} }

// JSONOf returns a JSON value from compact JSON text.
func JSONOf(compact string) Value { return Value{kind: KindJSON, text: compact} }

// StoredJSON returns the JSON value of a text that a database keeps; see
// strictjson.AppendStored. Null is what is no JSON.
func StoredJSON(text string) Value {
	text, ok := strictjson.Stored(text)
	if !ok {
		return Null
	}
	return JSONOf(text)
}

// Kind returns the value's kind.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether the value is null.
func (v Value) IsNull() bool { return v.kind == KindNull }

// Bool returns a boolean; false for other kinds.
func (v Value) Bool() bool { return v.kind == KindBool && v.bits == 1 }

// Int returns an integer, or an instant's milliseconds.
func (v Value) Int() int64 { return int64(v.bits) }

// Float returns a number; an integer is converted.
func (v Value) Float() float64 {
	if v.kind == KindInt {
		return float64(int64(v.bits))
	}
	return math.Float64frombits(v.bits)
}

// Text returns the text of a text, decimal or JSON value.
func (v Value) Text() string { return v.text }

// Equal reports whether two values are the same, null being equal to null.
func (v Value) Equal(w Value) bool {
	if v.kind != w.kind {
		return false
	}
	switch v.kind {
	case KindFloat:
		return v.Float() == w.Float()
	case KindBool, KindInt, KindTime:
		return v.bits == w.bits
	}
	return v.text == w.text
}

// Compare orders two values of one kind: null lowest, false before true, text
// by code point, decimals by magnitude.
func (v Value) Compare(w Value) int {
	if v.kind == KindNull || w.kind == KindNull {
		return cmp.Compare(min(v.kind, 1), min(w.kind, 1))
	}
	switch v.kind {
	case KindBool:
		return cmp.Compare(v.bits, w.bits)
	case KindInt, KindTime:
		return cmp.Compare(int64(v.bits), int64(w.bits))
	case KindFloat:
		return cmp.Compare(v.Float(), w.Float())
	case KindDecimal:
		return compareDecimal(v.text, w.text)
	}
	return strings.Compare(v.text, w.text)
}

// TimeLayout is how an instant is written: UTC with milliseconds.
const TimeLayout = "2006-01-02T15:04:05.000Z"

// AppendJSON appends the value as a record shows it: the shortest round-trip
// float, the instant in TimeLayout, text escaped as JSON needs and no further. A
// text keeps what another program has stored, which may be no UTF-8; U+FFFD shows
// that.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.kind {
	case KindBool:
		return strconv.AppendBool(dst, v.bits == 1)
	case KindInt:
		return strconv.AppendInt(dst, int64(v.bits), 10)
	case KindFloat:
		return AppendFloat(dst, v.Float())
	case KindDecimal, KindJSON:
		return append(dst, v.text...)
	case KindText:
		dst = append(dst, '"')
		return strictjson.SettleText(append(dst, v.text...), len(dst))
	case KindTime:
		dst = append(dst, '"')
		dst = AppendTime(dst, int64(v.bits))
		return append(dst, '"')
	}
	return append(dst, "null"...)
}

// SmallInt reads a plain integer of up to 15 digits, which is exact as a float
// too; -0, which is another one there, is none.
func SmallInt(s string) (n int64, ok bool) {
	digits := strings.TrimPrefix(s, "-")
	if len(digits) == 0 || len(digits) > 15 {
		return 0, false
	}
	for i := range len(digits) {
		d := digits[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + int64(d)
	}
	if len(digits) == len(s) {
		return n, true
	}
	return -n, n != 0
}

// AppendFloat appends a number in the form of ECMAScript's Number::toString,
// which is the shortest text that reads back to the same float64.
func AppendFloat(dst []byte, f float64) []byte {
	abs := math.Abs(f)
	if abs < 1<<53 && f == math.Trunc(f) {
		return strconv.AppendInt(dst, int64(f), 10) // ten times faster, the same text
	}
	if abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
		if n := len(dst); n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
			dst[n-2] = dst[n-1] // e-09 becomes e-9
			dst = dst[:n-1]
		}
		return dst
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

// AppendString appends s as a JSON string. Only what RFC 8259 section 7 demands
// is escaped; s must be valid UTF-8, which every way in checks.
func AppendString[S ~string | ~[]byte](dst []byte, s S) []byte {
	return strictjson.AppendString(dst, s)
}
