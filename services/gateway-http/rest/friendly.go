package rest

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// append writes a friendly parameter as a condition of the JSON filter language.
// A URL knows text alone, so the column's type says what the text means; what it
// cannot mean is left text, and the worker refuses it with the field's name.
func (c condition) append(dst []byte, e *schema.Entity) []byte {
	var col *schema.Column
	if e != nil {
		col = e.Column(c.field)
	}
	dst = append(dst, '{')
	dst = schema.AppendString(dst, c.field)
	dst = append(dst, `:{`...)
	dst = schema.AppendString(dst, "$"+c.op)
	dst = append(dst, ':')
	switch c.op {
	case "in", "nin":
		dst = append(dst, '[')
		if c.value != "" {
			for i, v := range strings.Split(c.value, ",") {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = literal(dst, col, v)
			}
		}
		dst = append(dst, ']')
	case "exists":
		dst = truth(dst, c.value)
	case "regex", "regexFlags":
		dst = schema.AppendString(dst, c.value)
	default:
		dst = literal(dst, col, c.value)
	}
	return append(dst, '}', '}')
}

func literal(dst []byte, col *schema.Column, s string) []byte {
	if col == nil {
		return schema.AppendString(dst, s)
	}
	switch col.Type {
	case schema.Number, schema.Integer, schema.Decimal, schema.Float:
		if s == "null" || isNumber(s) {
			return append(dst, s...)
		}
	case schema.Boolean:
		if s == "null" {
			return append(dst, s...)
		}
		return truth(dst, s)
	case schema.Date:
		if s == "null" {
			return append(dst, s...)
		}
	case schema.JSON, schema.Array:
		if strictjson.Check([]byte(s), strictjson.DefaultDepth) == nil {
			return append(dst, s...)
		}
	}
	return schema.AppendString(dst, s)
}

func truth(dst []byte, s string) []byte {
	switch s {
	case "true", "1":
		return append(dst, "true"...)
	case "false", "0":
		return append(dst, "false"...)
	}
	return schema.AppendString(dst, s)
}

// isNumber reports whether s is a JSON number.
func isNumber(s string) bool {
	return s != "" && (s[0] == '-' || '0' <= s[0] && s[0] <= '9') && strictjson.Check([]byte(s), 1) == nil
}
