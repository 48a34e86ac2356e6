package populate

import (
	"context"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// chunk is the number of ids that one query asks for.
const chunk = 500

// Source is where a Page finds related records.
type Source struct {
	Reader driver.Reader
	// Visible is what the caller may see of an entity's records; nil = all.
	Visible func(*schema.Entity) query.Expr
	// Rows bounds the records of one relation on one level; more are refused
	// with INVALID_FILTER.
	Rows int
}

// Page is records whose relations are filled in together. Add the rows, Fill,
// then append the records. It may be used again after Reset.
type Page struct {
	plan  *Plan
	buf   []byte   // the records, without what stands in the holes
	ends  []record // where each record's bytes and holes end
	holes []hole
	found []related // what each of the plan's children found
}

type record struct{ bytes, holes int }

// hole is a place in buf where a related record, or an array of them, belongs.
type hole struct {
	at, child, key int // key = -1: there is none
}

// related is what a child looks for and what it found.
type related struct {
	keys  []string       // the distinct ids that parents look for
	index map[string]int // their numbers
	lists [][]int        // for each key the numbers of its records in page
	page  *Page
}

// NewPage returns an empty page.
func NewPage(p *Plan) *Page {
	page := &Page{plan: p, found: make([]related, len(p.children))}
	page.Reset()
	return page
}

// Reset empties the page.
func (p *Page) Reset() {
	p.buf, p.ends, p.holes = p.buf[:0], p.ends[:0], p.holes[:0]
	for i := range p.found {
		p.found[i] = related{index: make(map[string]int)}
	}
}

// Len is the number of records.
func (p *Page) Len() int { return len(p.ends) }

// Size is the number of bytes of the records themselves.
func (p *Page) Size() int { return len(p.buf) }

// Add adds a row's record.
func (p *Page) Add(row driver.Row) {
	for i := range p.plan.members {
		m := &p.plan.members[i]
		p.buf = append(p.buf, m.key...)
		switch {
		case m.child >= 0:
			p.holes = append(p.holes, hole{at: len(p.buf), child: m.child, key: p.want(m.child, row)})
		case m.column >= 0:
			p.buf = row.AppendJSON(p.buf, m.column)
		default:
			p.buf = append(p.buf, '[', ']')
		}
	}
	p.buf = append(p.buf, '}')
	p.ends = append(p.ends, record{len(p.buf), len(p.holes)})
}

func (p *Page) want(child int, row driver.Row) int {
	column, f := p.plan.children[child].column, &p.found[child]
	if row.Null(column) {
		return -1
	}
	return f.key(row.Text(column))
}

func (f *related) key(id []byte) int {
	n, ok := f.index[string(id)]
	if !ok {
		n = len(f.keys)
		f.keys = append(f.keys, string(id))
		f.index[f.keys[n]] = n
	}
	return n
}

// Fill reads the related records, level by level. The Source's Reader should be
// a snapshot's, so that all levels show one state.
func (p *Page) Fill(ctx context.Context, s Source) error {
	for i, c := range p.plan.children {
		f := &p.found[i]
		f.lists = make([][]int, len(f.keys))
		f.page = NewPage(c.plan)
		var err error
		if c.relation.Type == schema.ManyToMany {
			err = c.linked(ctx, s, f)
		} else {
			err = c.read(ctx, s, f.keys, func(key []byte, n int) {
				if k, ok := f.index[string(key)]; ok {
					f.lists[k] = append(f.lists[k], n)
				}
			}, f.page)
		}
		if err != nil {
			return err
		}
		if err := f.page.Fill(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// read adds the records that the keys find to the page, in order of id within
// each key, and tells which key found which record.
func (c *child) read(ctx context.Context, s Source, keys []string, found func(key []byte, n int), into *Page) error {
	target := c.plan.Entity
	var visible query.Expr
	if s.Visible != nil {
		visible = s.Visible(target)
	}
	id := c.plan.Projection.Columns[c.plan.id]
	for len(keys) > 0 {
		part := keys[:min(chunk, len(keys))]
		keys = keys[len(part):]
		in := query.In{Column: c.plan.Projection.Columns[c.match], Values: make([]schema.Value, len(part))}
		for i, k := range part {
			in.Values[i] = schema.TextOf(k)
		}
		q := &query.Select{
			Entity: target, Projection: c.plan.Projection,
			Where: query.Join(in, visible), Sort: []query.Order{{Column: id}},
		}
		if s.Rows > 0 {
			q.Limit = s.Rows - into.Len() + 1
		}
		err := s.Reader.Select(ctx, q, func(row driver.Row) error {
			if s.Rows > 0 && into.Len() == s.Rows {
				return fault.New(fault.InvalidFilter, "relations: %s leads to more than %d records; ask %s with a filter instead",
					c.relation.Name, s.Rows, target.Name)
			}
			found(row.Text(c.match), into.Len())
			into.Add(row)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// linked reads the records of a many-to-many relation: the links first, then
// each record that they lead to once.
func (c *child) linked(ctx context.Context, s Source, f *related) error {
	type link struct{ owner, target int }
	var (
		links   []link
		targets = related{index: make(map[string]int)}
	)
	for keys := f.keys; len(keys) > 0; {
		part := keys[:min(chunk, len(keys))]
		keys = keys[len(part):]
		err := s.Reader.Links(ctx, c.relation, part, false, func(owner, target string) error {
			if s.Rows > 0 && len(links) == s.Rows {
				return fault.New(fault.InvalidFilter, "relations: %s has more than %d links; ask %s with a filter instead",
					c.relation.Name, s.Rows, c.plan.Entity.Name)
			}
			if k, ok := f.index[owner]; ok {
				links = append(links, link{k, targets.key([]byte(target))})
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	place := make([]int, len(targets.keys))
	for i := range place {
		place[i] = -1 // gone, or not for the caller's eyes
	}
	err := c.read(ctx, s, targets.keys, func(key []byte, n int) { place[targets.index[string(key)]] = n }, f.page)
	if err != nil {
		return err
	}
	for _, l := range links {
		if n := place[l.target]; n >= 0 {
			f.lists[l.owner] = append(f.lists[l.owner], n)
		}
	}
	return nil
}

// Append appends record i with everything that was filled in. It stops early
// once dst is longer than limit bytes (0 = no limit): the caller then refuses
// the whole, because records that are shown again and again can outgrow any
// memory.
func (p *Page) Append(dst []byte, i, limit int) []byte {
	var from record
	if i > 0 {
		from = p.ends[i-1]
	}
	at := from.bytes
	for _, h := range p.holes[from.holes:p.ends[i].holes] {
		if limit > 0 && len(dst) > limit {
			return dst
		}
		dst = append(dst, p.buf[at:h.at]...)
		at = h.at
		dst = p.fillHole(dst, h, limit)
	}
	return append(dst, p.buf[at:p.ends[i].bytes]...)
}

func (p *Page) fillHole(dst []byte, h hole, limit int) []byte {
	f := &p.found[h.child]
	var list []int
	if h.key >= 0 {
		list = f.lists[h.key]
	}
	if p.plan.children[h.child].relation.Stored() {
		if len(list) == 0 {
			return append(dst, "null"...)
		}
		return f.page.Append(dst, list[0], limit)
	}
	dst = append(dst, '[')
	for i, n := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = f.page.Append(dst, n, limit)
	}
	return append(dst, ']')
}
