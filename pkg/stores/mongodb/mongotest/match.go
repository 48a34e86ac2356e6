package mongotest

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// match reports whether a filter holds for a document.
func match(raw, filter bson.Raw) (bool, error) {
	elements, err := filter.Elements()
	if err != nil {
		return false, refuse(9, "the filter cannot be read")
	}
	for _, el := range elements {
		var ok bool
		switch key := el.Key(); {
		case key == "$and", key == "$or", key == "$nor":
			ok, err = junction(raw, key, el.Value())
		case key == "$comment":
			ok = true
		case strings.HasPrefix(key, "$"):
			return false, refuse(2, "unknown top level operator: %s (mongotest)", key)
		default:
			v, there := lookup(raw, key)
			ok, err = matchMember(v, there, el.Value())
		}
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func junction(raw bson.Raw, key string, v bson.RawValue) (bool, error) {
	members := documents(v)
	if len(members) == 0 {
		return false, refuse(2, "%s must be a nonempty array", key)
	}
	for _, m := range members {
		ok, err := match(raw, m)
		if err != nil {
			return false, err
		}
		if ok != (key == "$and") {
			return key == "$or", nil
		}
	}
	return key != "$or", nil
}

// matchMember tests one member: operators, a regular expression, or equality.
func matchMember(v bson.RawValue, there bool, want bson.RawValue) (bool, error) {
	if want.Type == bson.TypeRegex {
		p, o := want.Regex()
		return matchRegex(v, p, o)
	}
	ops, ok := want.DocumentOK()
	if !ok {
		return equal(v, there, want), nil
	}
	elements, _ := ops.Elements()
	if len(elements) == 0 || !strings.HasPrefix(elements[0].Key(), "$") {
		return equal(v, there, want), nil
	}
	for _, el := range elements {
		ok, err := operator(v, there, el.Key(), el.Value(), ops)
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// equal is MongoDB's equality in filters: null also stands for what is not
// there, and an array equals its members.
func equal(v bson.RawValue, there bool, want bson.RawValue) bool {
	if want.Type == bson.TypeNull {
		return !there || v.Type == bson.TypeNull || v.Type == bson.TypeUndefined
	}
	return there && some(v, func(v bson.RawValue) bool {
		return rank(v.Type) == rank(want.Type) && compare(v, want) == 0
	})
}

// some asks about a value, and about each member of an array.
func some(v bson.RawValue, is func(bson.RawValue) bool) bool {
	if is(v) {
		return true
	}
	if a, ok := v.ArrayOK(); ok {
		values, _ := a.Values()
		return slices.ContainsFunc(values, is)
	}
	return false
}

func operator(v bson.RawValue, there bool, op string, want bson.RawValue, all bson.Raw) (bool, error) {
	switch op {
	case "$eq":
		return equal(v, there, want), nil
	case "$ne":
		return !equal(v, there, want), nil
	case "$lt", "$lte", "$gt", "$gte":
		return ordered(v, there, op, want), nil
	case "$in", "$nin":
		a, ok := want.ArrayOK()
		if !ok {
			return false, refuse(2, "%s needs an array", op)
		}
		values, _ := a.Values()
		in := slices.ContainsFunc(values, func(w bson.RawValue) bool { return equal(v, there, w) })
		return in == (op == "$in"), nil
	case "$exists":
		b, ok := want.BooleanOK()
		return there == (b || !ok), nil
	case "$type":
		return there && some(v, func(v bson.RawValue) bool { return typeNames[v.Type] == want.StringValue() }), nil
	case "$regex":
		options, _ := all.Lookup("$options").StringValueOK()
		return matchRegex(v, want.StringValue(), options)
	case "$options":
		return true, nil
	case "$not":
		ok, err := matchMember(v, there, want)
		return !ok, err
	}
	return false, refuse(2, "unknown operator: %s (mongotest)", op)
}

// ordered compares within the operand's type (type bracketing).
func ordered(v bson.RawValue, there bool, op string, want bson.RawValue) bool {
	if want.Type == bson.TypeNull {
		return (op == "$lte" || op == "$gte") && equal(v, there, want)
	}
	return there && some(v, func(v bson.RawValue) bool {
		if rank(v.Type) != rank(want.Type) {
			return false
		}
		switch d := compare(v, want); op {
		case "$lt":
			return d < 0
		case "$lte":
			return d <= 0
		case "$gt":
			return d > 0
		default:
			return d >= 0
		}
	})
}

var typeNames = map[bson.Type]string{
	bson.TypeDouble: "double", bson.TypeString: "string", bson.TypeEmbeddedDocument: "object", bson.TypeArray: "array",
	bson.TypeBinary: "binData", bson.TypeObjectID: "objectId", bson.TypeBoolean: "bool", bson.TypeDateTime: "date",
	bson.TypeNull: "null", bson.TypeInt32: "int", bson.TypeInt64: "long", bson.TypeDecimal128: "decimal",
}

// patterns keeps what was compiled. PCRE2 is not at hand: RE2 stands for it, so
// only patterns that both read alike tell something.
var patterns sync.Map

func matchRegex(v bson.RawValue, pattern, options string) (bool, error) {
	if strings.Trim(options, "imsxu") != "" {
		return false, refuse(51108, "invalid flag in regex options: %s", options)
	}
	source := pattern
	if options != "" {
		source = "(?" + strings.ReplaceAll(options, "u", "") + ")" + pattern
	}
	known, ok := patterns.Load(source)
	if !ok {
		compiled, err := regexp.Compile(source)
		if err != nil {
			return false, refuse(51091, "Regular expression is invalid: %v", err)
		}
		known, _ = patterns.LoadOrStore(source, compiled)
	}
	return some(v, func(v bson.RawValue) bool {
		return v.Type == bson.TypeString && known.(*regexp.Regexp).MatchString(v.StringValue())
	}), nil
}
