package store

import (
	"context"
	"slices"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/populate"
)

// find is findAll and search (a page of records), findOne and findById (one
// record, or null).
type find struct {
	call *call
	plan *populate.Plan
	q    query.Select
	one  bool

	matching    query.Expr // what the page is cut from, for total; q.Where may start behind a cursor
	fingerprint [8]byte    // of what the cursor is bound to; zero = the page gives none
	keys        []int      // where the plan reads the sort columns
	last        []schema.Value
}

func (c *call) findByID() (reading, error) {
	p, err := c.plan(nil)
	if err != nil {
		return nil, err
	}
	var where query.Expr = query.Compare{Column: c.model.id, Op: query.Eq, Value: schema.TextOf(c.args.id.id)}
	visible := c.model.live
	if c.args.includeDeleted {
		visible = query.Visible(c.scope(), nil)
	}
	if allowed := c.allowed(c.model.entity, mesh.Read); visible != nil || allowed != nil {
		where = query.Join(where, visible, allowed)
	}
	c.found = find{call: c, plan: p, one: true, q: query.Select{
		Entity: c.model.entity, Projection: p.Projection, Where: where, Limit: 1,
	}}
	return &c.found, nil
}

func (c *call) findOne() (reading, error) {
	where, err := c.where(mesh.Read)
	if err != nil {
		return nil, err
	}
	f, err := c.page(where)
	if err != nil {
		return nil, err
	}
	f.one, f.q.Limit, f.fingerprint = true, 1, [8]byte{}
	return f, nil
}

func (c *call) findAll() (reading, error) {
	where, err := c.where(mesh.Read)
	if err != nil {
		return nil, err
	}
	return c.page(where)
}

// search finds a text in the entity's texts, among what the filter leaves.
func (c *call) search() (reading, error) {
	where, err := c.where(mesh.Read)
	if err != nil {
		return nil, err
	}
	found, err := query.ParseSearch(c.scope(), c.args.query, c.args.searchFields)
	if err != nil {
		return nil, err
	}
	return c.page(query.Join(where, found))
}

// page plans a page of what the condition leaves: sort, limit, skip, cursor.
func (c *call) page(where query.Expr) (*find, error) {
	scope := c.scope()
	order, err := query.ParseSort(scope, c.args.sort)
	if err != nil {
		return nil, err
	}
	limit, skip, err := query.ParsePage(scope, c.args.limit, c.args.skip)
	if err != nil {
		return nil, err
	}
	p, err := c.plan(nil)
	if err != nil {
		return nil, err
	}
	if extra := missing(p, order); extra != nil {
		if p, err = c.plan(extra); err != nil {
			return nil, err
		}
	}
	f := &c.found
	*f = find{call: c, plan: p, matching: where, keys: places(p, order), q: query.Select{
		Entity: c.model.entity, Projection: p.Projection, Where: where, Sort: order, Limit: limit, Skip: skip,
	}}
	f.fingerprint = query.Fingerprint(c.model.entity, where, order)
	if c.args.cursor == "" {
		return f, nil
	}
	if skip > 0 {
		return nil, invalid("a cursor says where the page begins: leave skip out")
	}
	values, err := query.DecodeCursor(c.store.options.CursorKey, c.args.cursor, f.fingerprint, c.principal(), order)
	if err != nil {
		return nil, err
	}
	f.q.Where = query.Join(where, query.After(order, values))
	return f, nil
}

func (f *find) several() bool { return f.plan.Populates() || f.call.args.count && !f.one }

func (f *find) read(ctx context.Context, r driver.Reader, a *answer) error {
	if f.one {
		return f.readOne(ctx, r, a)
	}
	f.last, a.cursors = nil, nil
	n, err := f.records(ctx, r, a)
	if err != nil {
		return err
	}
	a.count = n
	if f.last != nil {
		a.next = f.cursor(f.last)
	}
	if !f.call.args.count {
		return nil
	}
	a.total, err = r.Count(ctx, &query.Select{Entity: f.q.Entity, Where: f.matching})
	return err
}

func (f *find) readOne(ctx context.Context, r driver.Reader, a *answer) error {
	found := false
	if !f.plan.Populates() {
		err := r.Select(ctx, &f.q, func(row driver.Row) error {
			found = true
			a.record(f.plan, row)
			return nil
		})
		if !found {
			a.body = append(a.body, "null"...)
		}
		return err
	}
	page := populate.NewPage(f.plan)
	err := r.Select(ctx, &f.q, func(row driver.Row) error {
		page.Add(row)
		a.version = f.plan.Version(row)
		return nil
	})
	if err == nil {
		err = page.Fill(ctx, f.call.source(r))
	}
	if err != nil {
		return err
	}
	if page.Len() == 0 {
		a.body = append(a.body, "null"...)
		return nil
	}
	a.body = page.Append(a.body, 0, maxReply)
	return a.tooLarge()
}

// records appends the page as an array and returns how many there are.
func (f *find) records(ctx context.Context, r driver.Reader, a *answer) (n int64, err error) {
	a.body = append(slices.Grow(a.body, f.plan.Room()), '[')
	defer func() { f.plan.Took(len(a.body)) }()
	if !f.plan.Populates() {
		err = r.Select(ctx, &f.q, func(row driver.Row) error {
			if n > 0 {
				a.body = append(a.body, ',')
			}
			n++
			a.body = f.plan.Append(a.body, row)
			f.remember(n, row, a)
			return a.tooLarge()
		})
		a.body = append(a.body, ']')
		return n, err
	}
	page := populate.NewPage(f.plan)
	err = r.Select(ctx, &f.q, func(row driver.Row) error {
		n++
		page.Add(row)
		f.remember(n, row, a)
		return nil
	})
	if err == nil {
		err = page.Fill(ctx, f.call.source(r))
	}
	if err != nil {
		return n, err
	}
	for i := range page.Len() {
		if i > 0 {
			a.body = append(a.body, ',')
		}
		a.body = page.Append(a.body, i, maxReply)
		if err := a.tooLarge(); err != nil {
			return n, err
		}
	}
	a.body = append(a.body, ']')
	return n, nil
}

// remember keeps the sort values of the record that fills a page: the next one
// begins behind it. Where cursors are asked for, each record has one.
func (f *find) remember(n int64, row driver.Row, a *answer) {
	full, each := n == int64(f.q.Limit), f.call.args.cursors
	if !full && !each || f.fingerprint == [8]byte{} {
		return
	}
	values := make([]schema.Value, len(f.keys))
	for i, k := range f.keys {
		values[i] = row.Value(k)
	}
	if each {
		a.cursors = append(a.cursors, f.cursor(values))
	}
	if full {
		f.last = values
	}
}

// cursor leads behind a record; "" where its sort values are too long.
func (f *find) cursor(values []schema.Value) string {
	return query.EncodeCursor(f.call.store.options.CursorKey, &query.Cursor{Query: f.fingerprint, Principal: f.call.principal(), Values: values})
}
