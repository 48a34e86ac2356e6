package query

import (
	"math"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/valyala/fastjson"
)

// ParsePage reads limit and skip: integers, also as text, absent or null for
// the defaults. Limit 0 means the largest page; the result is never 0.
// Errors: INVALID_FILTER.
func ParsePage(s Scope, limit, skip *fastjson.Value) (int, int, error) {
	l := s.Limits.OrDefault()
	n, err := count(limit, l.Page, l.MaxPage)
	if err != nil {
		return 0, 0, err.in("limit").fault()
	}
	if n == 0 {
		n = l.MaxPage
	}
	m, err := count(skip, 0, math.MaxInt32)
	if err != nil {
		return 0, 0, err.in("skip").fault()
	}
	return n, m, nil
}

func count(v *fastjson.Value, absent, most int) (int, *problem) {
	if v == nil || v.Type() == fastjson.TypeNull {
		return absent, nil
	}
	var text []byte
	switch v.Type() {
	case fastjson.TypeString:
		text = v.GetStringBytes()
	case fastjson.TypeNumber:
		text = v.MarshalTo(nil)
	}
	n, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil || n > uint64(most) {
		return 0, bad("expected an integer from 0 to %d", most)
	}
	return int(n), nil
}

// ParseMembers reads select and exclude, each an array of names or a text with
// commas between them, and returns the members of a record that are left, in
// record order. id and _version are always among them; relations to many
// records are members too. Errors: INVALID_FILTER.
func ParseMembers(s Scope, sel, exclude *fastjson.Value) ([]schema.Member, error) {
	named, err := s.names(sel)
	if err != nil {
		return nil, err.in("select").fault()
	}
	without, err := s.names(exclude)
	if err != nil {
		return nil, err.in("exclude").fault()
	}
	out := make([]schema.Member, 0, len(s.Entity.Members))
	for _, m := range s.Entity.Members {
		if m.Column != nil && !s.readable(m.Column) {
			continue
		}
		always := m.Column != nil && (m.Column.Role == schema.RoleID || m.Column.Role == schema.RoleVersion)
		if always || (named == nil || named[m.Name]) && !without[m.Name] {
			out = append(out, m)
		}
	}
	return out, nil
}

// names reads a list of member names; nil if there is none.
func (s *Scope) names(v *fastjson.Value) (map[string]bool, *problem) {
	var list []string
	switch {
	case v == nil || v.Type() == fastjson.TypeNull:
		return nil, nil
	case v.Type() == fastjson.TypeString:
		if text := string(v.GetStringBytes()); strings.TrimSpace(text) != "" {
			list = strings.Split(text, ",")
		}
	case v.Type() == fastjson.TypeArray:
		for i, m := range v.GetArray() {
			text, err := m.StringBytes()
			if err != nil {
				return nil, bad("expected a field name").at(i)
			}
			list = append(list, string(text))
		}
	default:
		return nil, bad("expected an array of field names")
	}
	if len(list) == 0 {
		return nil, nil // Octonet's clients send empty lists for "all"
	}
	set := make(map[string]bool, len(list))
	for _, name := range list {
		name = strings.TrimSpace(name)
		if r := s.Entity.Relation(name); r == nil || r.Stored() {
			if _, err := s.column(name); err != nil {
				return nil, err
			}
		}
		set[name] = true
	}
	return set, nil
}

// ParseSearch makes the condition of op search: the text, lower-cased, is found
// in one of the fields. Absent fields mean every string and text field that the
// caller may read. Errors: MISSING_QUERY for an empty text, INVALID_FILTER.
func ParseSearch(s Scope, text string, fields *fastjson.Value) (Expr, error) {
	if text == "" {
		return nil, fault.New(fault.MissingQuery, "search needs a query: the text to look for")
	}
	l := s.Limits.OrDefault()
	if len(text) > l.Pattern {
		return nil, bad("the text has at most %d bytes", l.Pattern).in("query").fault()
	}
	named, err := s.names(fields)
	if err != nil {
		return nil, err.in("searchFields").fault()
	}
	notText := func(name string) error {
		return bad("only text can be searched").in(segment(name)).in("searchFields").fault()
	}
	for name := range named {
		if s.Entity.Column(name) == nil { // a relation to many records
			return nil, notText(name)
		}
	}
	var columns []*schema.Column
	for _, c := range s.Entity.Columns {
		switch {
		case !s.readable(c):
		case named == nil && c.Role == schema.RoleField && (c.Type == schema.String || c.Type == schema.Text),
			named[c.Name] && Textual(c):
			columns = append(columns, c)
		case named[c.Name]:
			return nil, notText(c.Name)
		}
	}
	if len(columns) == 0 {
		return Const(false), nil
	}
	return Contains{Columns: columns, Needle: Fold(text)}, nil
}
