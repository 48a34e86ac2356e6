package store

import (
	"slices"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// removing is op delete.
type removing struct{ call *call }

func (c *call) remove() (writing, error) { return &removing{c}, nil }

func (t *removing) single() bool { return t.call.model.leaves }

func (t *removing) write(w *work) (outcome, error) {
	row, err := w.named(t.call)
	if err != nil {
		return outcome{}, err
	}
	if row == nil {
		return outcome{call: t.call, kind: truthOutcome}, nil
	}
	return outcome{call: t.call, kind: truthOutcome, n: 1}, w.delete(t.call.model, row)
}

// removingMany is op deleteMany.
type removingMany struct {
	call  *call
	where query.Expr
}

func (c *call) deleteMany() (writing, error) {
	where, err := c.changeable()
	if err != nil {
		return nil, err
	}
	return &removingMany{c, where}, nil
}

func (t *removingMany) single() bool { return false }

func (t *removingMany) write(w *work) (outcome, error) {
	n, err := w.each(t.call, t.where, func(row schema.Row) error { return w.delete(t.call.model, row) })
	return outcome{call: t.call, kind: numberOutcome, n: n}, err
}

// delete deletes a record as its caller asked for it.
func (w *work) delete(m *model, row schema.Row) error {
	if err := w.guarded(m.entity, row, nil); err != nil {
		return err
	}
	return w.drop(m, row)
}

// drop deletes a record, softly where its entity says so, after it has seen to
// all that refers to it. What follows from the schema's own rules (cascade,
// set-null) happens whoever the caller is. Soft-deleted records are left as
// they were: nothing changes them any more. Errors: CONFLICT (restrict).
func (w *work) drop(m *model, row schema.Row) error {
	id := m.idOf(row)
	if w.removed == nil {
		w.removed = make(map[record]bool)
	}
	w.removed[record{m.entity, id}] = true
	for _, in := range m.inbound {
		if err := w.detach(in, id); err != nil {
			return err
		}
	}
	for _, r := range m.entity.Linked {
		if err := w.unlinkOwners(r, id); err != nil {
			return err
		}
	}
	if m.deletedAt != nil {
		next := slices.Clone(row)
		next[m.deletedAt.Index] = schema.TimeOf(w.call.now)
		return w.store(m, row, next, nil, mesh.Deleted)
	}
	for _, r := range m.entity.Relations {
		if r.Type != schema.ManyToMany {
			continue
		}
		targets, err := w.linksOf(r, id, false)
		if err != nil {
			return err
		}
		if err := w.link(id, []edit{{relation: r, remove: targets}}); err != nil {
			return err
		}
	}
	if err := w.tx.Delete(m.entity, id); err != nil {
		return err
	}
	// The change shows the last state; it is one more step of the record's, so
	// that its version is one more too.
	w.note(m, mesh.Deleted, row).Version++
	return nil
}

// inbound is the references of one entity to another.
type inbound struct {
	owner     *schema.Entity
	relations []*schema.Relation
}

// inboundOf groups the references to an entity by who has them.
func inboundOf(e *schema.Entity) []inbound {
	var out []inbound
	for _, r := range e.Inbound {
		i := slices.IndexFunc(out, func(in inbound) bool { return in.owner == r.Owner })
		if i < 0 {
			i = len(out)
			out = append(out, inbound{owner: r.Owner})
		}
		out[i].relations = append(out[i].relations, r)
	}
	return out
}

// detach sees to the live records of one entity that refer to a record that goes.
func (w *work) detach(in inbound, id string) error {
	m := w.call.state.models[in.owner]
	var any query.Or
	for _, r := range in.relations {
		if r.OnDelete != schema.NoAction {
			any = append(any, query.Compare{Column: r.Column, Op: query.Eq, Value: schema.TextOf(id)})
		}
	}
	if len(any) == 0 {
		return nil
	}
	ids, err := w.find(m, query.Join(any, m.live), 0)
	if err != nil {
		return err
	}
	for _, owner := range ids {
		if w.removed[record{in.owner, owner}] {
			continue
		}
		row, err := w.tx.Load(in.owner, owner)
		if err != nil {
			return err
		}
		if row == nil {
			continue
		}
		if err := w.forget(m, row, in.relations, id); err != nil {
			return err
		}
	}
	return nil
}

// forget does to one referring record what its relations say.
func (w *work) forget(m *model, row schema.Row, relations []*schema.Relation, id string) error {
	next, nulled := slices.Clone(row), false
	cascade := false
	for _, r := range relations {
		if row[r.Column.Index].Text() != id {
			continue
		}
		switch {
		case r.OnDelete == schema.Cascade:
			cascade = true
		case r.OnDelete == schema.Restrict, r.OnDelete == schema.SetNull && r.Column.Required:
			return restricted(r, m.idOf(row))
		case r.OnDelete == schema.SetNull:
			next[r.Column.Index], nulled = schema.Null, true
		}
	}
	switch {
	case cascade:
		return w.drop(m, row)
	case nulled:
		return w.follow(m, row, next, nil)
	}
	return nil
}

func restricted(r *schema.Relation, owner string) error {
	return fault.New(fault.Conflict, "%s %s still refers to the record by %s", r.Owner.Name, owner, r.Name).
		With(map[string]string{"entity": r.Owner.Name, "id": owner, "relation": r.Name})
}

// unlinkOwners takes the links of a relation to a record that goes away from
// their owners. Cascade does that and no more: it is the link that goes. The
// other side of a relation (mappedBy) has no links of its own to lose: they go
// with the record whose they are.
func (w *work) unlinkOwners(r *schema.Relation, id string) error {
	if r.OnDelete == schema.NoAction || r.MappedBy != "" && r.OnDelete != schema.Restrict {
		return nil
	}
	owners, err := w.linksOf(r, id, true)
	if err != nil {
		return err
	}
	m := w.call.state.models[r.Owner]
	for _, owner := range owners {
		if w.removed[record{r.Owner, owner}] {
			continue
		}
		row, err := w.tx.Load(r.Owner, owner)
		if err != nil {
			return err
		}
		if row == nil || m.isDeleted(row) {
			continue
		}
		if r.OnDelete == schema.Restrict {
			return restricted(r, owner)
		}
		if err := w.follow(m, row, slices.Clone(row), []edit{{relation: r, remove: []string{id}}}); err != nil {
			return err
		}
	}
	return nil
}

// follow stores what a deletion does to another record.
func (w *work) follow(m *model, row, next schema.Row, edits []edit) error {
	if m.updated != nil {
		next[m.updated.Index] = schema.TimeOf(w.call.now)
	}
	return w.store(m, row, next, edits, mesh.Updated)
}
