package store

import (
	"slices"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// incrementing is op increment: an addition to a number, null counting as 0. An
// id that does not exist yet is created with it, as Octonet has it.
type incrementing struct {
	call   *call
	column *schema.Column
	amount schema.Value
}

func (c *call) increment() (writing, error) {
	column, err := c.fieldToEdit()
	if err != nil {
		return nil, err
	}
	if column == nil || schema.KindNull == zeroOf(column).Kind() {
		return nil, problems{{shorten(c.args.field), "it is no number"}}.fault(c.model.entity)
	}
	amount, err := column.Decode(c.args.amount)
	if err != nil {
		return nil, problems{{"amount", reasonOf(err)}}.fault(c.model.entity)
	}
	return &incrementing{c, column, amount}, nil
}

func (t *incrementing) single() bool { return true }

func (t *incrementing) write(w *work) (outcome, error) {
	m := t.call.model
	id, err := w.resolve(t.call.args.id)
	if err != nil {
		return outcome{}, err
	}
	row, err := w.load(m, id)
	if err != nil {
		return outcome{}, err
	}
	if err := w.expect(m, row, t.call.args.expectedVersion); err != nil {
		return outcome{}, err
	}
	base := zeroOf(t.column)
	if row != nil && !row[t.column.Index].IsNull() {
		base = row[t.column.Index]
	}
	sum, ok := add(base, t.amount)
	reason := "the sum is out of range"
	if ok {
		reason = check(t.column, sum)
	}
	if reason != "" {
		return outcome{}, problems{{t.column.Name, reason}}.fault(m.entity)
	}
	p := &patch{values: []assignment{{column: t.column, value: sum}}}
	if row != nil {
		row, err = w.change(m, row, p, mesh.Updated)
		return t.call.recordOf(row), err
	}
	if row, err = t.call.fresh(id, p, nil); err != nil {
		return outcome{}, err
	}
	err = w.insert(m, row, p, mesh.Created)
	return t.call.recordOf(row), err
}

// fieldToEdit finds the column that the request's field names; nil for a
// relation without one. What the caller may not read, it may not edit blindly
// either: the reply to an edit tells what was there.
func (c *call) fieldToEdit() (*schema.Column, error) {
	e := c.model.entity
	column := e.Column(c.args.field)
	switch {
	case column == nil && e.Relation(c.args.field) != nil:
		return nil, nil
	case column == nil || column.Hidden || c.guard != nil && !c.guard.Readable(column):
		return nil, problems{{shorten(c.args.field), "there is no such field"}}.fault(e)
	case column.Role != schema.RoleField || column == c.model.discriminator:
		return nil, problems{{column.Name, "it cannot be edited this way"}}.fault(e)
	}
	return column, nil
}

// editingSet is op addToSet and op pull: on an array field, whose members are
// equal when their JSON text is, or on a many-to-many relation.
type editingSet struct {
	call   *call
	add    bool
	column *schema.Column // the array; nil for a relation
	member string         // as compact JSON text
	links  linking
}

func (c *call) editSet() (writing, error) {
	t := &editingSet{call: c, add: c.op.Name == "addToSet"}
	column, err := c.fieldToEdit()
	switch {
	case err != nil:
		return nil, err
	case column == nil:
		return t, t.relation()
	case column.Type != schema.Array:
		return nil, problems{{column.Name, "it is neither an array nor a many-to-many relation"}}.fault(c.model.entity)
	}
	t.column = column
	t.member, err = memberText(column, c.args.value)
	if err != nil {
		return nil, problems{{column.Name, reasonOf(err)}}.fault(c.model.entity)
	}
	return t, nil
}

// relation reads the value as what addToSet links, or pull unlinks.
func (t *editingSet) relation() error {
	r := t.call.model.entity.Relation(t.call.args.field)
	if r.Type != schema.ManyToMany {
		return problems{{r.Name, "it is neither an array nor a many-to-many relation"}}.fault(t.call.model.entity)
	}
	d := dataReader{call: t.call, patch: &patch{}}
	d.links(r, t.call.args.value)
	if err := d.problems.fault(t.call.model.entity); err != nil {
		return err
	}
	t.links = d.patch.links[0]
	t.links.mode = linkNot
	if t.add {
		t.links.mode = linkAlso
	}
	return nil
}

func (t *editingSet) single() bool { return t.column != nil }

func (t *editingSet) write(w *work) (outcome, error) {
	row, err := w.named(t.call)
	if err != nil || row == nil {
		return outcome{call: t.call}, err
	}
	p := &patch{}
	if t.column == nil {
		p.links = []linking{t.links}
	} else {
		members, err := membersOf(row[t.column.Index])
		if err != nil {
			return outcome{}, err
		}
		switch at := slices.Index(members, t.member); {
		case t.add && at < 0:
			members = append(members, t.member)
		case !t.add:
			members = slices.DeleteFunc(members, func(m string) bool { return m == t.member })
		}
		value := arrayOf(members)
		if row[t.column.Index].IsNull() && len(members) == 0 {
			value = schema.Null
		}
		p.values = []assignment{{column: t.column, value: value}}
	}
	row, err = w.change(t.call.model, row, p, mesh.Updated)
	return t.call.recordOf(row), err
}
