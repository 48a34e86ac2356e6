package plan

import (
	"regexp"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// appendWhere writes typed conditions in the mesh's filter language
// (docs/query.md). Errors: INVALID_FILTER.
func appendWhere(dst []byte, v *Value) ([]byte, error) {
	if v.Kind != Object {
		return dst, fault.New(fault.InvalidFilter, "where must be an object")
	}
	var err error
	dst = append(dst, '{')
	for i, name := range v.Names {
		if i > 0 {
			dst = append(dst, ',')
		}
		item := &v.Items[i]
		switch name {
		case "_and", "_or":
			dst = append(append(append(dst, `"$`...), name[1:]...), `":[`...)
			if item.Kind != List {
				return dst, fault.New(fault.InvalidFilter, "%s must be a list of conditions", name)
			}
			for j := range item.Items {
				if j > 0 {
					dst = append(dst, ',')
				}
				if dst, err = appendWhere(dst, &item.Items[j]); err != nil {
					return dst, err
				}
			}
			dst = append(dst, ']')
		case "_not":
			dst = append(dst, `"$not":`...)
			dst, err = appendWhere(dst, item)
		default:
			dst = append(schema.AppendString(dst, name), ':')
			dst, err = appendOperators(dst, name, item)
		}
		if err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// appendOperators writes the conditions on one field; null asks for no value.
func appendOperators(dst []byte, field string, v *Value) ([]byte, error) {
	if v.Kind == Null {
		return append(dst, "null"...), nil
	}
	if v.Kind != Object || len(v.Names) == 0 {
		return dst, fault.New(fault.InvalidFilter, "where.%s: an object with at least one operator is expected, such as {eq: …}; null asks for no value", field)
	}
	flags, texts := "", 0
	if c := v.Member("ignoreCase"); c.Raw == "true" {
		flags = "i"
	}
	dst = append(dst, '{')
	first := len(dst)
	for i, op := range v.Names {
		item := &v.Items[i]
		pattern, isText := v.pattern(op, item)
		if op == "ignoreCase" || op == "regexFlags" {
			continue
		}
		if len(dst) > first {
			dst = append(dst, ',')
		}
		if !isText {
			dst = append(append(append(dst, `"$`...), op...), `":`...)
			dst = item.AppendJSON(dst)
			continue
		}
		if texts++; texts > 1 {
			return dst, fault.New(fault.InvalidFilter, "where.%s: one of regex, contains, startsWith and endsWith at a time; join several by _and", field)
		}
		if item.Kind != Text {
			return dst, fault.New(fault.InvalidFilter, "where.%s.%s: a text is expected", field, op)
		}
		dst = schema.AppendString(append(dst, `"$regex":`...), pattern)
		if f := v.Member("regexFlags"); f.Kind == Text {
			flags = f.Raw
		}
		if flags != "" {
			dst = schema.AppendString(append(dst, `,"$regexFlags":`...), flags)
		}
	}
	if texts == 0 && (flags != "" || v.Member("regexFlags").Kind != Absent || len(dst) == first) {
		return dst, fault.New(fault.InvalidFilter, "where.%s: ignoreCase and regexFlags go with regex, contains, startsWith or endsWith", field)
	}
	return append(dst, '}'), nil
}

// pattern is the regular expression that an operator on text stands for.
func (v *Value) pattern(op string, item *Value) (string, bool) {
	switch op {
	case "regex":
		return item.Raw, true
	case "contains":
		return regexp.QuoteMeta(item.Raw), true
	case "startsWith":
		return "^" + regexp.QuoteMeta(item.Raw), true
	case "endsWith":
		return regexp.QuoteMeta(item.Raw) + "$", true
	}
	return "", false
}

// appendOrder writes [{price: desc}, {title: asc}] as {"price":-1,"title":1}.
func appendOrder(dst []byte, v *Value) ([]byte, error) {
	dst = append(dst, '{')
	n := 0
	for i := range v.Items {
		for j, name := range v.Items[i].Names {
			way := v.Items[i].Items[j]
			if way.Kind != Text {
				continue
			}
			if n++; n > 1 {
				dst = append(dst, ',')
			}
			dst = append(schema.AppendString(dst, name), ':')
			if way.Raw == "desc" {
				dst = append(dst, '-')
			}
			dst = append(dst, '1')
		}
	}
	return append(dst, '}'), nil
}

// appendFilter joins filter and where, of which each may be absent or null.
func appendFilter(dst []byte, filter, where *Value, more string) ([]byte, error) {
	parts := 0
	for _, v := range [...]*Value{filter, where} {
		if v.Kind != Absent && v.Kind != Null {
			parts++
		}
	}
	if more != "" {
		parts++
	}
	if parts > 1 {
		dst = append(dst, `{"$and":[`...)
	}
	n := 0
	next := func() {
		if n++; n > 1 {
			dst = append(dst, ',')
		}
	}
	if more != "" {
		next()
		dst = append(dst, more...)
	}
	if filter.Kind != Absent && filter.Kind != Null {
		next()
		v := *filter
		if v.Kind == Text { // Octonet's form
			var ok bool
			if v, ok = parsed(filter.Raw); !ok {
				return dst, fault.New(fault.ParseError, "filter is a text that holds no JSON")
			}
		}
		dst = v.AppendJSON(dst)
	}
	if where.Kind != Absent && where.Kind != Null {
		next()
		var err error
		if dst, err = appendWhere(dst, where); err != nil {
			return dst, err
		}
	}
	if parts > 1 {
		dst = append(dst, ']', '}')
	}
	return dst, nil
}

// appendSort writes Octonet's sort: a text, which may hold JSON, or the JSON.
func appendSort(dst []byte, v *Value) []byte {
	if v.Kind == Text && (strings.HasPrefix(v.Raw, "{") || strings.HasPrefix(v.Raw, "[")) {
		if p, ok := parsed(v.Raw); ok {
			return p.AppendJSON(dst)
		}
	}
	return v.AppendJSON(dst)
}
