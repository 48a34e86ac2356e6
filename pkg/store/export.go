package store

import (
	"context"
	"slices"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// export is op export of the project: every record as a line
// {"entity":…,"data":…}, all of one moment: entities parents first, records by
// id, soft-deleted ones too, keys in record order without _version, references
// and many-to-many relations as ids, one-to-many relations left out. Equal
// records give equal bytes.
func (c *call) export(ctx context.Context) (*mesh.Reply, error) {
	return c.chunks(ctx, func(ctx context.Context, r driver.Reader, to *chunks) error {
		buf := <-to.empty
		var err error
		for _, e := range parentsFirst(c.state.catalog.Entities) {
			x := newExporter(c, e)
			if buf, err = x.run(ctx, r, to, buf); err != nil {
				return err
			}
		}
		_, err = to.hand(ctx, buf, 1)
		return err
	}, nil)
}

// parentsFirst orders entities so that what a record refers to comes before it,
// where the references run in no circle; otherwise in declared order.
func parentsFirst(all []*schema.Entity) []*schema.Entity {
	var out []*schema.Entity
	seen := map[*schema.Entity]bool{}
	var visit func(*schema.Entity)
	visit = func(e *schema.Entity) {
		if seen[e] {
			return
		}
		seen[e] = true
		for _, r := range e.Relations {
			if r.Stored() || owns(r) {
				visit(r.Target)
			}
		}
		out = append(out, e)
	}
	for _, e := range all {
		visit(e)
	}
	return out
}

// owns reports whether the relation is many-to-many and written on this side.
func owns(r *schema.Relation) bool { return r.Type == schema.ManyToMany && r.MappedBy == "" }

// exporter writes the lines of one entity, a page of records at a time: the
// links of a page are read together.
type exporter struct {
	call    *call
	entity  *schema.Entity
	query   query.Select
	members []schema.Member
	links   []*schema.Relation

	ids   []string // of the page
	parts [][]byte // of each record one more than there are links: what stands between them
}

func newExporter(c *call, e *schema.Entity) *exporter {
	m := c.state.models[e]
	x := &exporter{call: c, entity: e}
	var columns []*schema.Column
	for _, member := range e.Members {
		switch {
		case member.Column != nil && member.Column.Role != schema.RoleVersion && (c.guard == nil || c.guard.Readable(member.Column)):
			columns = append(columns, member.Column)
		case member.Relation != nil && owns(member.Relation):
			x.links = append(x.links, member.Relation)
		default:
			continue
		}
		x.members = append(x.members, member)
	}
	x.query = query.Select{
		Entity: e, Sort: m.byID,
		Projection: &query.Projection{Columns: columns, Key: "export"},
		Where:      query.Join(query.Visible(query.Scope{Entity: e, IncludeDeleted: true}, nil), c.allowed(e, mesh.Read)),
	}
	if c.guard != nil {
		x.query.Projection.Key += " " + c.guard.View(e)
	}
	return x
}

// run appends the entity's lines to buf, handing full buffers on.
func (x *exporter) run(ctx context.Context, r driver.Reader, to *chunks, buf []byte) ([]byte, error) {
	var err error
	flush := func() error {
		if buf, err = x.page(ctx, r, buf); err != nil {
			return err
		}
		buf, err = to.hand(ctx, buf, chunkSize)
		return err
	}
	if e := r.Select(ctx, &x.query, func(row driver.Row) error {
		x.add(row)
		if len(x.ids) == pageSize {
			return flush()
		}
		return nil
	}); e != nil {
		return buf, e
	}
	return buf, flush()
}

// add takes one record into the page.
func (x *exporter) add(row driver.Row) {
	part := append(append(append([]byte(nil), `{"entity":"`...), x.entity.Name...), `","data":{`...)
	column := 0
	for i, m := range x.members {
		if i > 0 {
			part = append(part, ',')
		}
		part = append(strictjson.AppendString(part, m.Name), ':')
		if m.Column == nil {
			x.parts, part = append(x.parts, part), nil
			continue
		}
		part = row.AppendJSON(part, column)
		column++
	}
	x.parts = append(x.parts, append(part, "}}\n"...))
	x.ids = append(x.ids, string(row.Text(0)))
}

// page reads the links of the page's records and appends their lines.
func (x *exporter) page(ctx context.Context, r driver.Reader, buf []byte) ([]byte, error) {
	linked := make([]map[string][]string, len(x.links))
	for i, relation := range x.links {
		linked[i] = map[string][]string{}
		err := r.Links(ctx, relation, x.ids, false, func(owner, target string) error {
			linked[i][owner] = append(linked[i][owner], target)
			return nil
		})
		if err != nil {
			return buf, err
		}
	}
	part := 0
	for _, id := range x.ids {
		for i := range x.links {
			buf = append(buf, x.parts[part]...)
			part++
			targets := linked[i][id]
			slices.Sort(targets)
			buf = append(buf, '[')
			for n, target := range targets {
				if n > 0 {
					buf = append(buf, ',')
				}
				buf = strictjson.AppendString(buf, target)
			}
			buf = append(buf, ']')
		}
		buf = append(buf, x.parts[part]...)
		part++
	}
	x.ids, x.parts = x.ids[:0], x.parts[:0]
	return buf, nil
}
