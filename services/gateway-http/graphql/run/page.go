package run

import (
	"strconv"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/plan"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/sdl"
)

// page is a page of records while it is written.
type page struct {
	*state
	root          *plan.Root
	data          []byte
	next, total   []byte   // metadata, nil or null for none
	cursors, rows [][]byte // as they are asked for
	after         bool     // it was asked for behind a cursor
}

func (s *state) page(r *plan.Root, f *fetched) bool {
	p := page{state: s, root: r, data: f.data}
	var meta [3][]byte
	if f.meta != nil && !members(f.meta, metaKeys, meta[:]) {
		s.fail(errBroken, r.Pos)
		return false
	}
	p.next, p.total = meta[0], meta[1]
	if !isNull(meta[2]) {
		p.cursors = elements(meta[2])
	}
	if after, err := r.Arg(s.Vars, "after"); err == nil {
		p.after = after != ""
	}
	return p.parts(r.Page, -1)
}

func elements(list []byte) (items [][]byte) {
	strictjson.Elements(list, func(item []byte) bool {
		items = append(items, item)
		return true
	})
	return items
}

// parts writes the fields of a page, of its pageInfo, or of the edge of that
// number.
func (p *page) parts(parts []plan.Part, edge int) bool {
	p.dst = append(p.dst, '{')
	first := true
	for i := range parts {
		part := &parts[i]
		if !p.Vars.Holds(part.Cond) {
			continue
		}
		if !first {
			p.dst = append(p.dst, ',')
		}
		first = false
		p.dst = append(p.dst, part.Key...)
		if !p.part(part, edge) {
			return false
		}
	}
	p.dst = append(p.dst, '}')
	return true
}

func (p *page) part(part *plan.Part, edge int) bool {
	switch part.Name {
	case "nodes", "node", "edges":
		p.path = append(p.path, step{name: part.Alias})
		ok := false
		switch part.Name {
		case "nodes":
			ok = p.list(part.Level, p.data, part.Pos)
		case "node":
			_, ok = p.record(part.Level, p.rows[edge], 0)
		default:
			ok = p.edges(part)
		}
		p.path = p.path[:len(p.path)-1]
		return ok
	case "pageInfo":
		return p.parts(part.Parts, edge)
	case "hasNextPage":
		p.dst = strconv.AppendBool(p.dst, !isNull(p.next))
	case "hasPreviousPage":
		p.dst = strconv.AppendBool(p.dst, p.after)
	case "cursor":
		return p.cursor(edge, part)
	case "startCursor":
		return p.cursor(0, part)
	case "endCursor":
		if p.root.Means.Shape == sdl.Connection {
			return p.cursor(len(p.cursors)-1, part)
		}
		p.value(p.next)
	case "totalCount":
		if isNull(p.total) {
			p.fail(fault.New(fault.Internal, "the reply has no total"), part.Pos)
			return false
		}
		p.value(p.total)
	default:
		p.value(part.Const)
	}
	return true
}

// cursor writes that of a record; null for a page without records.
func (p *page) cursor(of int, part *plan.Part) bool {
	if of >= 0 && of < len(p.cursors) {
		p.value(p.cursors[of])
		return p.fits(0, part.Pos)
	}
	if part.Name == "cursor" {
		p.fail(fault.New(fault.Internal, "the reply has no cursor for the record"), part.Pos)
		return false
	}
	p.value(nil)
	return true
}

func (p *page) value(v []byte) {
	if v == nil {
		v = null
	}
	p.dst = append(p.dst, v...)
}

var null = []byte("null")

// edges writes each record with what is said beside it.
func (p *page) edges(part *plan.Part) bool {
	if p.rows == nil {
		p.rows = elements(p.data)
	}
	p.dst = append(p.dst, '[')
	depth := len(p.path)
	for i := range p.rows {
		if i > 0 {
			p.dst = append(p.dst, ',')
		}
		p.path = append(p.path[:depth], step{index: i})
		if !p.parts(part.Parts, i) {
			p.path = p.path[:depth]
			return false
		}
	}
	p.path = p.path[:depth]
	p.dst = append(p.dst, ']')
	return true
}
