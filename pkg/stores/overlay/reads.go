package overlay

import (
	"context"
	"slices"
	"strings"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// A write is never interrupted once begun: its reads run without the context.

// Select implements driver.Reader.
func (t *tx) Select(_ context.Context, q *query.Select, each func(driver.Row) error) error {
	if err := t.check(); err != nil {
		return err
	}
	out := memory{columns: q.Projection.Columns}
	if len(t.g.dirty[q.Entity.Collection]) == 0 {
		all := *q
		all.Projection = whole(q.Entity)
		return t.g.base.Select(context.Background(), &all, func(r driver.Row) error {
			out.row = t.know(q.Entity, r)
			return each(&out)
		})
	}
	rows, err := t.rows(q)
	if err != nil {
		return err
	}
	for _, out.row = range rows {
		if err := each(&out); err != nil {
			return err
		}
	}
	return nil
}

// maxKnown is how many rows of the database a group keeps in mind.
const maxKnown = 20_000

// know copies a row that was read and keeps it for Load: who looks for records in
// a transaction is about to change them, and would ask for each.
func (t *tx) know(e *schema.Entity, r driver.Row) schema.Row {
	row := copyRow(e, r)
	at := place{e.Collection, row[0].Text()}
	if t.g.rows[at] == nil && len(t.g.rows) < maxKnown {
		t.g.rows[at] = &Record{Entity: e, ID: at.id, Row: row, Before: row}
	}
	return row
}

// rows answers a read of a collection that the group has written to: what the
// database has, without the written rows, and those of them that fit.
func (t *tx) rows(q *query.Select) ([]schema.Row, error) {
	written := t.g.dirty[q.Entity.Collection]
	all := *q
	all.Projection, all.Skip = whole(q.Entity), 0
	if q.Limit > 0 { // any of the written ones may come first in the database
		all.Limit = q.Skip + q.Limit + len(written)
	}
	var rows []schema.Row
	err := t.g.base.Select(context.Background(), &all, func(r driver.Row) error {
		if written[string(r.Text(0))] == nil {
			rows = append(rows, t.know(q.Entity, r))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, r := range written {
		if r.Row != nil && r.Entity == q.Entity && query.Eval(q.Where, r.Row) {
			rows = append(rows, r.Row)
		}
	}
	order := q.Sort
	if len(order) == 0 {
		order = []query.Order{{Column: q.Entity.Columns[0]}}
	}
	slices.SortStableFunc(rows, func(a, b schema.Row) int { return query.CompareRows(order, a, b) })
	rows = rows[min(q.Skip, len(rows)):]
	if q.Limit > 0 {
		rows = rows[:min(q.Limit, len(rows))]
	}
	return rows, nil
}

// Count implements driver.Reader.
func (t *tx) Count(_ context.Context, q *query.Select) (int64, error) {
	if err := t.check(); err != nil {
		return 0, err
	}
	if len(t.g.dirty[q.Entity.Collection]) == 0 {
		return t.g.base.Count(context.Background(), q)
	}
	rows, err := t.rows(q)
	return int64(len(rows)), err
}

// Aggregate implements driver.Reader.
func (t *tx) Aggregate(_ context.Context, q *query.Aggregate, each func(driver.Row) error) error {
	if err := t.check(); err != nil {
		return err
	}
	if len(t.g.dirty[q.Entity.Collection]) == 0 {
		return t.g.base.Aggregate(context.Background(), q, each)
	}
	rows, err := t.rows(&query.Select{Entity: q.Entity, Where: q.Where})
	if err != nil {
		return err
	}
	out := memory{}
	for _, out.row = range query.RunAggregate(q, rows) {
		if err := each(&out); err != nil {
			return err
		}
	}
	return nil
}

// Links implements driver.Reader.
func (t *tx) Links(_ context.Context, r *schema.Relation, ids []string, reverse bool, each func(owner, target string) error) error {
	if err := t.check(); err != nil {
		return err
	}
	j := t.g.links[r.Through]
	if j == nil {
		return t.g.base.Links(context.Background(), r, ids, reverse, each)
	}
	var pairs [][2]string
	err := t.g.base.Links(context.Background(), r, ids, reverse, func(owner, target string) error {
		if _, known := j.state[side(r, owner, target)]; !known {
			pairs = append(pairs, [2]string{owner, target})
		}
		return nil
	})
	if err != nil {
		return err
	}
	given := 0
	if flipped(r) != reverse {
		given = 1
	}
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		for p := range j.by[given][id] {
			if j.state[p] {
				owner, target := p[0], p[1]
				if flipped(r) {
					owner, target = target, owner
				}
				pairs = append(pairs, [2]string{owner, target})
			}
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	for _, p := range pairs {
		if err := each(p[0], p[1]); err != nil {
			return err
		}
	}
	return nil
}

// Changes implements driver.Reader.
func (t *tx) Changes(_ context.Context, after int64, limit int, each func(*mesh.Change) error) error {
	if err := t.check(); err != nil {
		return err
	}
	n := 0
	err := t.g.base.Changes(context.Background(), after, limit, func(c *mesh.Change) error {
		n++
		return each(c)
	})
	for _, c := range t.g.changes {
		if err != nil || n == limit {
			break
		}
		if c.Seq > after {
			n++
			kept := *c
			err = each(&kept)
		}
	}
	return err
}

// Oldest implements driver.Reader.
func (t *tx) Oldest(context.Context) (int64, error) {
	if err := t.check(); err != nil {
		return 0, err
	}
	oldest, err := t.g.base.Oldest(context.Background())
	if err == nil && oldest == 0 && len(t.g.changes) > 0 {
		oldest = t.g.changes[0].Seq
	}
	return oldest, err
}

// memory is a row in memory. Without columns its values are those of the row.
type memory struct {
	row     schema.Row
	columns []*schema.Column
}

func (m *memory) at(i int) schema.Value {
	if m.columns != nil {
		i = m.columns[i].Index
	}
	return m.row[i]
}

func (m *memory) AppendJSON(dst []byte, i int) []byte { return m.at(i).AppendJSON(dst) }
func (m *memory) Value(i int) schema.Value            { return m.at(i) }
func (m *memory) Null(i int) bool                     { return m.at(i).IsNull() }
func (m *memory) Text(i int) []byte                   { return []byte(m.at(i).Text()) }

// junction is what a group has done to the links of one table. Both directions
// of a relation share a table: pairs are in the order of its columns' names.
type junction struct {
	relation *schema.Relation
	state    map[[2]string]bool                   // there or gone
	by       [2]map[string]map[[2]string]struct{} // pairs by their one and other side
}

func flipped(r *schema.Relation) bool { return strings.Compare(r.OwnerKey, r.TargetKey) > 0 }

func side(r *schema.Relation, owner, target string) [2]string {
	if flipped(r) {
		return [2]string{target, owner}
	}
	return [2]string{owner, target}
}

// Link implements driver.Tx.
func (t *tx) Link(r *schema.Relation, owner string, targets []string) error {
	return t.links(r, owner, targets, true)
}

// Unlink implements driver.Tx.
func (t *tx) Unlink(r *schema.Relation, owner string, targets []string) error {
	return t.links(r, owner, targets, false)
}

func (t *tx) links(r *schema.Relation, owner string, targets []string, there bool) error {
	if err := t.check(); err != nil {
		return err
	}
	j := t.g.links[r.Through]
	if j == nil {
		j = &junction{relation: r, state: make(map[[2]string]bool)}
		j.by[0], j.by[1] = make(map[string]map[[2]string]struct{}), make(map[string]map[[2]string]struct{})
		t.g.links[r.Through] = j
	}
	for _, target := range targets {
		p := side(r, owner, target)
		was, known := j.state[p]
		j.state[p] = there
		for i, id := range p {
			if j.by[i][id] == nil {
				j.by[i][id] = make(map[[2]string]struct{})
			}
			j.by[i][id][p] = struct{}{}
		}
		t.g.did(func() {
			if known {
				j.state[p] = was
				return
			}
			delete(j.state, p)
			delete(j.by[0][p[0]], p)
			delete(j.by[1][p[1]], p)
		})
	}
	return nil
}

// Link is a link that a group makes, or removes.
type Link struct {
	Table string
	// Columns are the two columns of the table, Values the ids in them.
	Columns, Values [2]string
	There           bool
}

// Links are the links that the group makes and removes, in an order of their own.
func (g *Group) Links() []Link {
	var out []Link
	for table, j := range g.links {
		columns := side(j.relation, j.relation.OwnerKey, j.relation.TargetKey)
		for p, there := range j.state {
			out = append(out, Link{table, columns, p, there})
		}
	}
	slices.SortFunc(out, func(a, b Link) int {
		return slices.Compare([]string{a.Table, a.Values[0], a.Values[1]}, []string{b.Table, b.Values[0], b.Values[1]})
	})
	return out
}
