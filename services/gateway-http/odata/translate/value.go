package translate

import (
	"encoding/base64"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
)

// appendValue appends a literal as JSON, for a property if it is known.
func appendValue(dst []byte, x parse.Expr, p *metadata.Property) ([]byte, error) {
	switch x := x.(type) {
	case *parse.Literal:
		return appendLiteral(dst, x, p)
	case parse.List:
		dst = append(dst, '[')
		for i, m := range x {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = appendValue(dst, m, nil); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	case parse.Object:
		dst = append(dst, '{')
		seen := map[string]bool{}
		for i, m := range x {
			if seen[m.Name] {
				return dst, invalid("the object has the member %s twice", m.Name)
			}
			seen[m.Name] = true
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = appendValue(append(schema.AppendString(dst, m.Name), ':'), m.Value, nil); err != nil {
				return dst, err
			}
		}
		return append(dst, '}'), nil
	}
	return dst, unsupported("a comparison has to be with a constant")
}

func appendLiteral(dst []byte, l *parse.Literal, p *metadata.Property) ([]byte, error) {
	switch l.Kind {
	case parse.Null, parse.Boolean:
		return append(dst, l.Text...), nil
	case parse.Number:
		n, ok := jsonNumber(l.Text)
		if !ok {
			return dst, invalid("NaN and INF are no values of a field")
		}
		if p != nil && p.Edm == "Edm.String" && p.Column.Role == schema.RoleReference {
			return schema.AppendString(dst, l.Text), nil
		}
		return append(dst, n...), nil
	case parse.Date, parse.DateTimeOffset:
		return schema.AppendString(dst, jsonTime(l)), nil
	case parse.Binary:
		b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(l.Text, "="))
		if err != nil {
			return dst, invalid("the binary literal is no base64url")
		}
		return schema.AppendString(dst, base64.StdEncoding.EncodeToString(b)), nil
	case parse.String, parse.GUID, parse.Enum:
		return schema.AppendString(dst, l.Text), nil
	}
	return dst, unsupported("no field has a value of this kind (time of day, duration or place)")
}

// jsonNumber writes a number as JSON has it: no plus, no leading zeros.
func jsonNumber(s string) (string, bool) {
	if s == "NaN" || s == "INF" || s == "-INF" {
		return "", false
	}
	s = strings.TrimPrefix(s, "+")
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for len(s) > 1 && s[0] == '0' && s[1] >= '0' && s[1] <= '9' {
		s = s[1:]
	}
	return sign + s, true
}

// jsonTime writes a date or time as RFC 3339 has it, seconds included.
func jsonTime(l *parse.Literal) string {
	s := l.Text
	if l.Kind == parse.Date {
		return s
	}
	s = strings.ToUpper(s)
	t := strings.IndexByte(s, 'T')
	if len(s) > t+6 && s[t+6] != ':' {
		s = s[:t+6] + ":00" + s[t+6:]
	}
	return s
}

// maxDigits bounds the numbers that are computed with, in characters.
const maxDigits = 1000

// rational reads a number exactly. Exponents are bounded: the text of a large
// one is short, its digits are not. So is the text, which a product doubles.
func rational(l *parse.Literal) (*big.Rat, bool) {
	if l.Kind != parse.Number || len(l.Text) > maxDigits {
		return nil, false
	}
	if i := strings.IndexAny(l.Text, "eE"); i >= 0 {
		if e, err := strconv.Atoi(l.Text[i+1:]); err != nil || e > 330 || e < -330 {
			return nil, false
		}
	}
	return new(big.Rat).SetString(l.Text)
}

// number writes a rational as a literal: exactly if it has an end, else as the
// nearest float64.
func number(r *big.Rat) *parse.Literal {
	if digits, exact := r.FloatPrec(); exact && digits < 40 {
		return &parse.Literal{Kind: parse.Number, Text: r.FloatString(digits)}
	}
	f, _ := r.Float64()
	return &parse.Literal{Kind: parse.Number, Text: strconv.FormatFloat(f, 'g', -1, 64)}
}

// instant reads a date or time as UTC milliseconds.
func instant(l *parse.Literal) (time.Time, bool) {
	switch l.Kind {
	case parse.Date, parse.DateTimeOffset, parse.String:
		if ms, ok := schema.ParseTime(jsonTime(l)); ok {
			return time.UnixMilli(ms).UTC(), true
		}
	}
	return time.Time{}, false
}

func moment(t time.Time) *parse.Literal {
	return &parse.Literal{Kind: parse.DateTimeOffset, Text: t.UTC().Format("2006-01-02T15:04:05.000Z")}
}

// duration reads P…D T…; parts that a time can't hold are refused.
func duration(s string) (time.Duration, bool) {
	negative := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(strings.TrimPrefix(s, "-"), "P")
	total, n := new(big.Rat), ""
	unit := map[byte]int64{'D': 86400, 'H': 3600, 'M': 60, 'S': 1}
	for i := range len(s) {
		switch c := s[i]; {
		case c == 'T':
		case c >= '0' && c <= '9' || c == '.':
			n += string(c)
		default:
			r, ok := new(big.Rat).SetString(n)
			if !ok || len(n) > 20 {
				return 0, false
			}
			total.Add(total, r.Mul(r, new(big.Rat).SetInt64(unit[c]*int64(time.Second))))
			n = ""
		}
	}
	f, _ := total.Float64()
	if f > 9e18 {
		return 0, false
	}
	d := time.Duration(f)
	if negative {
		d = -d
	}
	return d, true
}

func invalid(format string, args ...any) error {
	return fault.New(fault.InvalidFilter, format, args...)
}

func unsupported(format string, args ...any) error {
	return fault.New(fault.Unsupported, format+"; docs/odata.md lists what can be asked", args...)
}
