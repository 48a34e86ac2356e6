package schema

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fastjson"
)

// Normalize applies trim (Unicode white space) and lowercase to a text value,
// in this order, as a field wants to be stored. Other values stay.
func (f *Field) Normalize(v Value) Value {
	if v.kind != KindText || !f.Trim && !f.Lowercase {
		return v
	}
	if f.Trim {
		v.text = strings.TrimSpace(v.text)
	}
	if f.Lowercase {
		v.text = strings.ToLower(v.text)
	}
	return v
}

// Check asks whether a decoded and normalized value keeps to the field's enum,
// maxLength, min, max and pattern, and returns the reason if it does not, else
// "". Null always does: Required is another question. It does not look into
// arrays, where Decode has looked already.
func (f *Field) Check(v Value) string {
	switch v.kind {
	case KindText:
		return f.checkText(v.text)
	case KindInt, KindFloat, KindDecimal:
		if f.Min != nil && below(v, *f.Min) {
			return "the value is below the minimum " + string(AppendFloat(nil, *f.Min))
		}
		if f.Max != nil && above(v, *f.Max) {
			return "the value is above the maximum " + string(AppendFloat(nil, *f.Max))
		}
	}
	return ""
}

func (f *Field) checkText(s string) string {
	if f.MaxLength > 0 && len(s) > f.MaxLength && utf8.RuneCountInString(s) > f.MaxLength {
		return "the text has more than " + strconv.Itoa(f.MaxLength) + " characters"
	}
	if len(f.Enum) > 0 && !slices.Contains(f.Enum, s) {
		return "the value must be one of " + quoted(f.Enum)
	}
	if f.pattern != nil && !f.pattern.MatchString(s) {
		return "the text does not match the pattern " + f.Pattern
	}
	return ""
}

func quoted(list []string) string {
	const show = 12
	var b []byte
	for i, s := range list {
		if i == show {
			return string(append(b, ", …"...))
		}
		if i > 0 {
			b = append(b, ", "...)
		}
		b = AppendString(b, s)
	}
	return string(b)
}

// below and above compare integers and decimals with a bound exactly, through
// the bound's decimal text.
func below(v Value, bound float64) bool { return compareBound(v, bound) < 0 }
func above(v Value, bound float64) bool { return compareBound(v, bound) > 0 }

func compareBound(v Value, bound float64) int {
	if v.kind == KindFloat {
		return v.Compare(FloatOf(bound))
	}
	text := v.text
	if v.kind == KindInt {
		text = strconv.FormatInt(v.Int(), 10)
	}
	b, ok := CanonicalDecimal(string(AppendFloat(nil, bound)))
	if !ok { // beyond 38 digits: too large, or too small to matter
		switch {
		case bound > 1:
			return -1
		case bound < -1:
			return 1
		}
		b = "0"
	}
	return compareDecimal(text, b)
}

// appendArray checks the members of a typed array and appends it in the form in
// which it is stored: members as a record shows them, so that equal arrays are
// equal texts.
func appendArray(dst []byte, f *Field, v *fastjson.Value) ([]byte, string) {
	if v.Type() != fastjson.TypeArray {
		return nil, expected("an array", v)
	}
	list, _ := v.Array()
	dst = append(dst, '[')
	for i, member := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		var reason string
		if f.ArrayOf.Fields != nil {
			dst, reason = appendEmbedded(dst, f.ArrayOf.Fields, member)
		} else {
			dst, reason = appendScalar(dst, f, member)
		}
		if reason != "" {
			return nil, "[" + strconv.Itoa(i) + "]: " + reason
		}
	}
	return append(dst, ']'), ""
}

func appendScalar(dst []byte, f *Field, v *fastjson.Value) ([]byte, string) {
	if v.Type() == fastjson.TypeNull {
		return nil, "null is no member of this array"
	}
	got, reason := decodeType(f.ArrayOf.Type, v)
	if reason != "" {
		return nil, reason
	}
	if reason = f.Check(got); reason != "" {
		return nil, reason
	}
	return got.AppendJSON(dst), ""
}

// appendEmbedded checks an object by its declared fields. Keys stay in the
// order in which they were given; defaults of absent ones follow.
func appendEmbedded(dst []byte, fields []*Field, v *fastjson.Value) ([]byte, string) {
	if v.Type() != fastjson.TypeObject {
		return nil, expected("an object", v)
	}
	o, _ := v.Object()
	dst = append(dst, '{')
	first, reason := true, ""
	add := func(key string) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(AppendString(dst, key), ':')
	}
	o.Visit(func(key []byte, v *fastjson.Value) {
		if reason != "" {
			return
		}
		f := fieldOf(fields, string(key))
		if f == nil {
			reason = "there is no field " + string(AppendString(nil, key))
			return
		}
		add(f.Name)
		column := Column{Name: f.Name, Type: f.Type, Field: f}
		got, why := column.decode(v)
		if why == "" && got.IsNull() && f.Required {
			why = "a value is required"
		}
		if why == "" {
			got = f.Normalize(got)
			why = f.Check(got)
		}
		if why != "" {
			reason = f.Name + ": " + why
			return
		}
		dst = got.AppendJSON(dst)
	})
	if reason != "" {
		return nil, reason
	}
	for _, f := range fields {
		if v.Exists(f.Name) {
			continue
		}
		switch {
		case f.Default != nil:
			add(f.Name)
			dst = f.Default.Value.AppendJSON(dst)
		case f.Required:
			return nil, f.Name + ": a value is required"
		}
	}
	return append(dst, '}'), ""
}

func fieldOf(fields []*Field, name string) *Field {
	for _, f := range fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}
