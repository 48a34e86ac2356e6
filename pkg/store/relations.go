package store

import (
	"slices"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// edit is what has to be done to a record's links of one relation.
type edit struct {
	relation    *schema.Relation
	add, remove []string
}

// references checks that what a row newly refers to exists and may be seen by
// the caller. before is nil for a new row. Errors: VALIDATION_ERROR.
func (w *work) references(m *model, before, after schema.Row) error {
	var wrong problems
	for _, r := range m.entity.Relations {
		if !r.Stored() {
			continue
		}
		v := after[r.Column.Index]
		if v.IsNull() || before != nil && before[r.Column.Index].Equal(v) || r.Target == m.entity && v.Text() == m.idOf(after) {
			continue
		}
		there, err := w.exists(r.Target, v.Text())
		if err != nil {
			return err
		}
		if !there {
			wrong.add(r.Column.Name, "there is no "+r.Target.Name+" "+v.Text())
		}
	}
	return wrong.fault(m.entity)
}

// chunk is the number of ids that one query asks for.
const chunk = 500

// exists asks whether the caller can refer to a record.
func (w *work) exists(e *schema.Entity, id string) (found bool, err error) {
	m := w.call.state.models[e]
	var where query.Expr = query.Compare{Column: m.id, Op: query.Eq, Value: schema.TextOf(id)}
	if visible := w.call.visible(e); visible != nil {
		where = query.Join(where, visible)
	}
	err = w.tx.Select(w.ctx, &query.Select{Entity: e, Projection: m.ids, Where: where}, func(driver.Row) error {
		found = true
		return nil
	})
	return found, err
}

// existing returns those of the ids that the caller can refer to, sorted.
func (w *work) existing(e *schema.Entity, ids []string) ([]string, error) {
	m := w.call.state.models[e]
	var there []string
	for part := range slices.Chunk(ids, chunk) {
		in := query.In{Column: m.id, Values: make([]schema.Value, len(part))}
		for i, id := range part {
			in.Values[i] = schema.TextOf(id)
		}
		q := &query.Select{Entity: e, Projection: m.ids, Where: query.Join(in, w.call.visible(e))}
		err := w.tx.Select(w.ctx, q, func(row driver.Row) error {
			there = append(there, string(row.Text(0)))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(there)
	return there, nil
}

// edits finds out what the wanted links differ in from those that are there.
// Errors: VALIDATION_ERROR for a target that does not exist.
func (w *work) edits(m *model, id string, wanted []linking, isNew bool) ([]edit, error) {
	var (
		out   []edit
		wrong problems
	)
	for _, l := range wanted {
		targets := make([]string, 0, len(l.targets))
		for _, t := range l.targets {
			target, err := w.resolve(t)
			if err != nil {
				return nil, err
			}
			targets = append(targets, target)
		}
		slices.Sort(targets)
		targets = slices.Compact(targets)
		var have []string
		if !isNew {
			var err error
			if have, err = w.linksOf(l.relation, id, false); err != nil {
				return nil, err
			}
		}
		e := edit{relation: l.relation}
		if l.mode == linkNot {
			e.remove = common(targets, have)
		} else {
			e.add = without(targets, have)
			if l.mode == linkExactly {
				e.remove = without(have, targets)
			}
		}
		if len(e.add) > 0 {
			there, err := w.existing(l.relation.Target, e.add)
			if err != nil {
				return nil, err
			}
			for _, target := range without(e.add, there) {
				if l.relation.Target == m.entity && target == id {
					continue // itself, which is about to exist
				}
				wrong.add(l.relation.Name, "there is no "+l.relation.Target.Name+" "+target)
			}
		}
		if l.relation.Required && len(have)+len(e.add) == len(e.remove) {
			wrong.add(l.relation.Name, "a value is required")
		}
		if len(e.add)+len(e.remove) > 0 {
			out = append(out, e)
		}
	}
	return out, wrong.fault(m.entity)
}

// without returns what is in a and not in b; both are sorted.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool {
		_, found := slices.BinarySearch(b, s)
		return found
	})
}

// common returns what is in both; both are sorted.
func common(a, b []string) []string { return without(a, without(a, b)) }

// linksOf returns the ids at the other end of a record's links, sorted.
func (w *work) linksOf(r *schema.Relation, id string, reverse bool) ([]string, error) {
	var out []string
	most := w.call.store.options.Limits.WorkerRows
	err := w.tx.Links(w.ctx, r, []string{id}, reverse, func(owner, target string) error {
		if len(out) == most {
			return fault.New(fault.InvalidFilter, "the record has more than %d links of %s", most, r.Name)
		}
		if reverse {
			target = owner
		}
		out = append(out, target)
		return nil
	})
	slices.Sort(out)
	return out, err
}

// link does the edits.
func (w *work) link(id string, edits []edit) error {
	for _, e := range edits {
		for part := range slices.Chunk(e.remove, chunk) {
			if err := w.tx.Unlink(e.relation, id, part); err != nil {
				return err
			}
		}
		for part := range slices.Chunk(e.add, chunk) {
			if err := w.tx.Link(e.relation, id, part); err != nil {
				return err
			}
		}
	}
	return nil
}
