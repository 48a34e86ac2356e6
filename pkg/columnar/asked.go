package columnar

import (
	"strings"

	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// Asked is the shape of the records that a request object of the op stream asks
// for, by its select, exclude and relations. decimalScale is
// Options.DecimalScale. Errors: PARSE_ERROR, INVALID_FILTER.
func Asked(e *schema.Entity, args []byte, decimalScale int) (*Shape, error) {
	doc, err := strictjson.Parse(args)
	if err != nil {
		return nil, err
	}
	defer doc.Release()
	selected, err := query.ParseMembers(query.Scope{Entity: e}, doc.Root.Get("select"), doc.Root.Get("exclude"))
	if err != nil {
		return nil, err
	}
	shown := map[string]bool{}
	for _, m := range selected {
		shown[m.Name] = true
	}
	filled := map[string]bool{}
	for _, m := range selected {
		filled[m.Name] = m.Relation != nil && m.Relation.Eager
	}
	for _, name := range []string{"relations", "include"} {
		for _, relation := range list(doc.Root.Get(name)) {
			first, _, _ := strings.Cut(relation, ".")
			first = strings.TrimSpace(first)
			shown[first], filled[first] = true, true // shown even if it is not selected
		}
	}
	members := make([]schema.Member, 0, len(e.Members))
	for _, m := range e.Members {
		if shown[m.Name] {
			members = append(members, m)
		}
	}
	return NewShape(e, members, Options{
		DecimalScale: decimalScale,
		Filled:       func(r *schema.Relation) bool { return filled[r.Name] },
	}), nil
}

// list reads names, as an array or with commas.
func list(v *fastjson.Value) []string {
	if v == nil {
		return nil
	}
	if text, err := v.StringBytes(); err == nil {
		return strings.Split(string(text), ",")
	}
	var out []string
	for _, m := range v.GetArray() {
		if text, err := m.StringBytes(); err == nil {
			out = append(out, string(text))
		}
	}
	return out
}
