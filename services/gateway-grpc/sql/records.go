package sql

import (
	"context"

	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// records streams what a level scans: with its joins as JSON, else as Arrow.
func (o *opening) records(ctx context.Context, a *asked) (rows, error) {
	s := a.level.scan
	if s.single() {
		in, err := o.stream(ctx, a, columnar.AsText)
		if err != nil {
			return nil, err
		}
		return &cells{stream: in, asked: a, row: make([]schema.Value, len(s.columns))}, nil
	}
	reply, err := o.ask(ctx, "stream", s.tables[s.root].entity.Name, a.stream(nil))
	if err != nil {
		return nil, err
	}
	chunks := reply.Parts()
	r := &records{asked: a, chunks: chunks, lines: columnar.NewScanner(chunks), row: make([]schema.Value, len(s.columns))}
	r.found = make([]*fastjson.Value, len(s.tables))
	// Parents come before their children.
	for len(r.order) < len(s.tables)-1 {
		for i, t := range s.tables {
			if i != s.root && !r.ordered(i) && (t.parent == s.root || r.ordered(t.parent)) {
				r.order = append(r.order, i)
			}
		}
	}
	return r, nil
}

// records reads lines of JSON, one a record, as rows of a scan.
type records struct {
	asked  *asked
	chunks mesh.Chunks
	lines  *columnar.Scanner
	parser fastjson.Parser
	order  []int // the joined tables
	found  []*fastjson.Value
	row    []schema.Value
}

func (r *records) ordered(table int) bool {
	for _, i := range r.order {
		if i == table {
			return true
		}
	}
	return false
}

func (r *records) close() { _ = r.chunks.Close() }

func (r *records) next(ctx context.Context) ([]schema.Value, error) {
	s := r.asked.level.scan
line:
	for {
		line, err := r.lines.Next(ctx)
		if err != nil {
			return nil, err
		}
		v, err := r.parser.ParseBytes(line)
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "a record is no JSON")
		}
		r.found[s.root] = v
		for _, i := range r.order {
			t := s.tables[i]
			r.found[i] = nil
			if parent := r.found[t.parent]; parent != nil {
				if v := parent.Get(t.via.Name); v != nil && v.Type() == fastjson.TypeObject {
					r.found[i] = v
				}
			}
			if r.found[i] == nil && !t.optional {
				continue line
			}
		}
		for i, c := range s.columns {
			if !r.asked.used[i] {
				continue
			}
			r.row[i] = schema.Null
			if of := r.found[c.table]; of != nil {
				if r.row[i], err = value(of.Get(c.of.Name), c.of.Type); err != nil {
					return nil, err
				}
			}
		}
		return r.row, nil
	}
}

// value reads a member of a record. A reference that was filled in is its id.
func value(v *fastjson.Value, t schema.Type) (schema.Value, error) {
	if v == nil || v.Type() == fastjson.TypeNull {
		return schema.Null, nil
	}
	switch t.Kind() {
	case schema.KindBool:
		return schema.BoolOf(v.Type() == fastjson.TypeTrue), nil
	case schema.KindJSON:
		return schema.JSONOf(string(strictjson.Compact(nil, v))), nil
	case schema.KindText, schema.KindTime:
		if v.Type() == fastjson.TypeObject {
			if v = v.Get("id"); v == nil {
				break
			}
		}
		b, err := v.StringBytes()
		if err != nil {
			break
		}
		if t.Kind() == schema.KindText {
			return schema.TextOf(string(b)), nil
		}
		if ms, ok := schema.ParseTime(string(b)); ok {
			return schema.TimeOf(ms), nil
		}
	default:
		c := schema.Column{Type: t}
		if got, err := c.Decode(v); err == nil {
			return got, nil
		}
	}
	return schema.Null, fault.New(fault.Internal, "a record has a value that is not of its field's type")
}
