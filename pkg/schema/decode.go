package schema

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/valyala/fastjson"
)

// Decode turns one JSON value into a value of the column's kind; null gives
// Null. It looks at the type only, and inside typed arrays at everything: what
// Field.Check asks (enum, lengths, bounds, pattern) is left to who stores.
//
// Numbers must be finite, integers fit into 64 bits exactly (they and decimals
// may come as text, for callers whose numbers are floats), dates are RFC 3339
// or plain, references and ids fit ValidID (an empty reference is Null), JSON
// and arrays become compact text. The value keeps nothing of v.
// Errors: VALIDATION_ERROR with a Problem.
func (c *Column) Decode(v *fastjson.Value) (Value, error) {
	got, reason := c.decode(v)
	if reason != "" {
		return Null, c.invalid(reason)
	}
	return got, nil
}

// DecodeText is Decode for a value from a URL or another place that knows only
// text: numbers, true and false, dates and JSON are read from it.
// Errors: VALIDATION_ERROR with a Problem.
func (c *Column) DecodeText(s string) (Value, error) {
	got, reason := c.decodeText(s)
	if reason != "" {
		return Null, c.invalid(reason)
	}
	return got, nil
}

func (c *Column) invalid(reason string) error {
	return fault.New(fault.ValidationError, "%s: %s", c.Name, reason).With([]Problem{{Path: c.Name, Reason: reason}})
}

func (c *Column) decode(v *fastjson.Value) (Value, string) {
	if v.Type() == fastjson.TypeNull {
		return Null, ""
	}
	switch {
	case c.Role == RoleReference || c.Role == RoleID:
		if v.Type() != fastjson.TypeString {
			return Null, expected("an id", v)
		}
		b, _ := v.StringBytes()
		return c.decodeID(string(b))
	case c.Type == Array && c.Field != nil && c.Field.ArrayOf != nil:
		text, reason := appendArray(nil, c.Field, v)
		return JSONOf(string(text)), reason
	}
	return decodeType(c.Type, v)
}

func (c *Column) decodeText(s string) (Value, string) {
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return Null, "the text must be valid UTF-8 without NUL"
	}
	if c.Role == RoleReference || c.Role == RoleID {
		return c.decodeID(s)
	}
	switch c.Type {
	case Number, Float:
		if canonicalNumber(s) {
			return decodeFloat(s)
		}
		return Null, "a number is expected"
	case Integer:
		return decodeInteger(s)
	case Decimal:
		return decodeDecimal(s)
	case Boolean:
		switch s {
		case "true":
			return BoolOf(true), ""
		case "false":
			return BoolOf(false), ""
		}
		return Null, "true or false is expected"
	case Date:
		return decodeDate(s)
	case JSON, Array:
		doc, err := strictjson.Parse([]byte(s))
		if err != nil {
			return Null, "JSON is expected: " + fault.From(err).Message
		}
		defer doc.Release()
		return c.decode(doc.Root)
	case Binary:
		return decodeBinary(s)
	case ObjectID:
		return c.decodeID(s)
	}
	return TextOf(s), ""
}

func (c *Column) decodeID(s string) (Value, string) {
	switch {
	case s == "" && c.Role == RoleReference:
		return Null, ""
	case !ValidID(s):
		return Null, badID
	}
	return TextOf(s), ""
}

const badID = "an id has 1 to 128 of the characters A-Z a-z 0-9 . _ ~ : @ - and is none of the words count, one, search, bulk, upsert, aggregate, stream"

// decodeType reads a value that is not null.
func decodeType(t Type, v *fastjson.Value) (Value, string) {
	switch t {
	case Number, Float:
		if v.Type() != fastjson.TypeNumber {
			return Null, expected("a number", v)
		}
		// GetInt64 is 0 for what is no integer of 64 bits; it allocates nothing.
		if n := v.GetInt64(); n != 0 && -1<<53 <= n && n <= 1<<53 {
			return FloatOf(float64(n)), ""
		}
		var buf [32]byte
		return decodeFloat(string(v.MarshalTo(buf[:0])))
	case Integer, Decimal:
		var s string
		switch v.Type() {
		case fastjson.TypeNumber:
			if n := v.GetInt64(); n != 0 && t == Integer {
				return IntOf(n), ""
			}
			var buf [48]byte
			s = string(v.MarshalTo(buf[:0]))
		case fastjson.TypeString:
			b, _ := v.StringBytes()
			s = string(b)
		default:
			return Null, expected("a number", v)
		}
		if t == Integer {
			return decodeInteger(s)
		}
		return decodeDecimal(s)
	case Boolean:
		switch v.Type() {
		case fastjson.TypeTrue:
			return BoolOf(true), ""
		case fastjson.TypeFalse:
			return BoolOf(false), ""
		}
		return Null, expected("true or false", v)
	case JSON:
		return JSONOf(string(strictjson.Compact(nil, v))), ""
	case Array:
		if v.Type() != fastjson.TypeArray {
			return Null, expected("an array", v)
		}
		return JSONOf(string(strictjson.Compact(nil, v))), ""
	}
	if v.Type() != fastjson.TypeString {
		if t == Date {
			return Null, expected("a date as text", v)
		}
		return Null, expected("a text", v)
	}
	b, _ := v.StringBytes()
	s := string(b)
	switch t {
	case Date:
		return decodeDate(s)
	case Binary:
		return decodeBinary(s)
	case ObjectID:
		if !ValidID(s) {
			return Null, badID
		}
	}
	return TextOf(s), ""
}

var jsonNames = map[fastjson.Type]string{
	fastjson.TypeNull: "null", fastjson.TypeObject: "an object", fastjson.TypeArray: "an array", fastjson.TypeString: "a text",
	fastjson.TypeNumber: "a number", fastjson.TypeTrue: "true", fastjson.TypeFalse: "false",
}

func expected(what string, v *fastjson.Value) string {
	return what + " is expected, not " + jsonNames[v.Type()]
}

// canonicalNumber keeps the forms away that ParseFloat takes and JSON does not:
// hexadecimal, underscores, inf, nan.
func canonicalNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.eE+-") == ""
}

func decodeFloat(s string) (Value, string) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return Null, "the number is out of range"
	}
	return FloatOf(f), ""
}

func decodeInteger(s string) (Value, string) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return IntOf(n), ""
	}
	text, ok := CanonicalDecimal(s) // 1e3 and 1.0 are integers too
	if n, err := strconv.ParseInt(text, 10, 64); ok && err == nil {
		return IntOf(n), ""
	}
	return Null, "an integer between -9223372036854775808 and 9223372036854775807 is expected"
}

func decodeDecimal(s string) (Value, string) {
	if text, ok := CanonicalDecimal(s); ok {
		return DecimalOf(text), ""
	}
	return Null, "a decimal number of at most 38 digits is expected"
}

func decodeDate(s string) (Value, string) {
	if ms, ok := ParseTime(s); ok {
		return TimeOf(ms), ""
	}
	return Null, "a date is expected, such as 2026-01-31 or 2026-01-31T10:00:00Z, of the years 0001 to 9999"
}

func decodeBinary(s string) (Value, string) {
	if _, err := base64.StdEncoding.Strict().DecodeString(s); err != nil || strings.ContainsAny(s, "\r\n") {
		return Null, "base64 is expected (standard alphabet, padded)"
	}
	return TextOf(s), ""
}
