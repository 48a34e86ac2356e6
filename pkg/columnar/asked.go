package columnar

import (
	"context"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/fault"
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

// Names are the names of the columns of an Arrow IPC stream, of which it reads no
// more than the schema. Errors: those of the chunks; INTERNAL for what is no
// stream.
func Names(ctx context.Context, chunks Lines) ([]string, error) {
	in := &Text{Ctx: ctx, Chunks: chunks}
	r, err := ipc.NewReader(in)
	switch {
	case in.Err != nil:
		return nil, in.Err
	case err != nil:
		return nil, fault.Wrap(err, fault.Internal, "the worker's reply is no Arrow stream")
	}
	defer r.Release()
	var names []string
	for _, f := range r.Schema().Fields() {
		names = append(names, f.Name)
	}
	return names, nil
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
