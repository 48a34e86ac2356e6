package sql

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/octomesh/octomesh/pkg/schema"
)

// literal reads a constant of the statement: an integer of 64 bits, any other
// number without exponent as an exact decimal, a text, a truth, bytes (as
// base64), or null.
func literal(v *sqlparser.SQLVal) (schema.Value, schema.Type, error) {
	text := string(v.Val)
	switch v.Type {
	case sqlparser.IntVal, sqlparser.FloatVal:
		return numeral(text)
	case sqlparser.StrVal:
		return schema.TextOf(text), schema.String, nil
	case sqlparser.HexVal:
		b, err := hex.DecodeString(text)
		if err != nil {
			return schema.Null, 0, invalid("x'%s' is no row of bytes in hexadecimal", clip(text))
		}
		return schema.TextOf(base64.StdEncoding.EncodeToString(b)), schema.Binary, nil
	}
	return schema.Null, 0, beyond("the literal " + quote(sqlparser.String(v)))
}

func numeral(text string) (schema.Value, schema.Type, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return schema.IntOf(n), schema.Integer, nil
	}
	if !strings.ContainsAny(text, "eE") {
		if d, ok := schema.CanonicalDecimal(text); ok {
			return schema.DecimalOf(d), schema.Decimal, nil
		}
		return schema.Null, 0, invalid("the number %s has more than %d digits", clip(text), schema.MaxDecimalDigits)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return schema.Null, 0, invalid("the number %s is out of range", clip(text))
	}
	return schema.FloatOf(f), schema.Number, nil
}

// negative is the number with the other sign.
func negative(v schema.Value) (schema.Value, bool) {
	switch v.Kind() {
	case schema.KindInt:
		if v.Int() == math.MinInt64 {
			return v, false
		}
		return schema.IntOf(-v.Int()), true
	case schema.KindFloat:
		return schema.FloatOf(-v.Float()), true
	case schema.KindDecimal:
		if v.Text() == "9223372036854775808" {
			return schema.IntOf(math.MinInt64), true
		}
		d, ok := schema.CanonicalDecimal("-" + v.Text())
		return schema.DecimalOf(d), ok
	}
	return v, false
}

// exact is a number to its last digit; false for what is none. A text counts
// where it is a number, as drivers bind them.
func exact(v schema.Value) (*big.Rat, bool) {
	switch v.Kind() {
	case schema.KindInt:
		return new(big.Rat).SetInt64(v.Int()), true
	case schema.KindFloat:
		f := v.Float()
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return nil, false
		}
		return new(big.Rat).SetFloat64(f), true
	case schema.KindDecimal, schema.KindText:
		d, ok := schema.CanonicalDecimal(strings.TrimSpace(v.Text()))
		if !ok {
			return nil, false
		}
		return new(big.Rat).SetString(d)
	}
	return nil, false
}

// instant reads a date or time as SQL writes it: with a blank or a T between
// them, without an offset in UTC.
func instant(text string) (int64, bool) {
	s := strings.TrimSpace(text)
	if len(s) > 10 && s[10] == ' ' {
		s = s[:10] + "T" + s[11:]
	}
	if len(s) > 10 {
		clock := s[11:]
		if strings.Count(clock, ":") == 1 && len(clock) == 5 {
			s += ":00"
		}
		if !strings.ContainsAny(clock, "Zz+-") {
			s += "Z"
		}
	}
	return schema.ParseTime(s)
}

// finer reports whether an instant lies between two milliseconds.
func finer(text string) bool {
	_, frac, _ := strings.Cut(text, ".")
	for i := 0; i < len(frac) && frac[i] >= '0' && frac[i] <= '9'; i++ {
		if i > 2 && frac[i] != '0' {
			return true
		}
	}
	return false
}

// fit makes a literal a value of a field's type. Of a number that the type
// cannot hold, as 1.5 of an integer, it returns the next one below it, and off
// tells so: -1 if there is none below, +1 if the field's values end below it, and
// between where it lies between two of them.
func fit(v schema.Value, t schema.Type, of string) (_ schema.Value, off offset, err error) {
	mismatch := func(expected string) (schema.Value, offset, error) {
		return schema.Null, hit, invalid("%s takes %s, not %s", of, expected, describe(v))
	}
	if v.IsNull() {
		return v, hit, nil
	}
	switch t {
	case schema.Integer:
		r, ok := exact(v)
		if !ok {
			return mismatch("an integer")
		}
		n := new(big.Int).Div(r.Num(), r.Denom()) // rounded down: the divisor is positive
		switch {
		case n.IsInt64() && r.IsInt():
			return schema.IntOf(n.Int64()), hit, nil
		case n.IsInt64() && n.Int64() < math.MaxInt64:
			return schema.IntOf(n.Int64()), between, nil
		case r.Sign() > 0:
			return schema.Null, above, nil
		}
		return schema.Null, below, nil
	case schema.Decimal:
		r, ok := exact(v)
		if !ok {
			return mismatch("a number")
		}
		if v.Kind() == schema.KindFloat { // the shortest text, as it was written
			v = schema.DecimalOf(strconv.FormatFloat(v.Float(), 'g', -1, 64))
		} else if r.IsInt() {
			v = schema.DecimalOf(r.Num().String())
		}
		d, ok := schema.CanonicalDecimal(strings.TrimSpace(v.Text()))
		if !ok {
			return mismatch("a number of up to 38 digits")
		}
		return schema.DecimalOf(d), hit, nil
	case schema.Number, schema.Float:
		if v.Kind() == schema.KindFloat {
			return v, hit, nil
		}
		r, ok := exact(v)
		if !ok {
			return mismatch("a number")
		}
		f, _ := r.Float64()
		return schema.FloatOf(f), hit, nil
	case schema.Boolean:
		switch {
		case v.Kind() == schema.KindBool:
			return v, hit, nil
		case v.Kind() == schema.KindInt && (v.Int() == 0 || v.Int() == 1):
			return schema.BoolOf(v.Int() == 1), hit, nil
		}
		return mismatch("TRUE or FALSE")
	case schema.Date:
		if v.Kind() == schema.KindTime {
			return v, hit, nil
		}
		if v.Kind() == schema.KindText {
			if ms, ok := instant(v.Text()); ok {
				if finer(v.Text()) {
					return schema.TimeOf(ms), between, nil
				}
				return schema.TimeOf(ms), hit, nil
			}
		}
		return mismatch("a date such as TIMESTAMP '2026-01-31 12:00:00' or DATE '2026-01-31'")
	case schema.JSON, schema.Array:
		return mismatch("only IS NULL and IS NOT NULL")
	}
	if v.Kind() != schema.KindText {
		return mismatch("a text in single quotes")
	}
	if t == schema.Binary {
		if _, err := (&schema.Column{Type: t}).DecodeText(v.Text()); err != nil {
			return mismatch("bytes as x'00ff' or as base64")
		}
	}
	return v, hit, nil
}

// offset is where a literal lies among the values of a type.
type offset uint8

const (
	hit     offset = iota // it is one of them
	between               // between the returned one and the next
	above                 // above all of them
	below                 // below all of them
)

// describe names a literal in a message.
func describe(v schema.Value) string {
	switch v.Kind() {
	case schema.KindBool:
		return "a truth"
	case schema.KindInt, schema.KindFloat, schema.KindDecimal:
		return "a number"
	case schema.KindTime:
		return "an instant"
	}
	return "the text " + quote(v.Text())
}
