package store

import (
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// updating is op update.
type updating struct {
	call  *call
	patch *patch
}

func (c *call) update() (writing, error) {
	p, err := c.patch()
	if err != nil {
		return nil, err
	}
	return &updating{c, p}, nil
}

func (t *updating) single() bool { return len(t.patch.links) == 0 }

func (t *updating) write(w *work) (outcome, error) {
	m := t.call.model
	row, err := w.named(t.call)
	if err != nil || row == nil {
		return outcome{call: t.call}, err
	}
	if t.patch.id.ref == 0 {
		if err := t.patch.keeps(m, m.idOf(row)); err != nil {
			return outcome{}, err
		}
	}
	row, err = w.change(m, row, t.patch, mesh.Updated)
	return t.call.recordOf(row), err
}

// named loads the record that the request's id names, of the version that it
// expects; nil if there is none.
func (w *work) named(c *call) (schema.Row, error) {
	id, err := w.resolve(c.args.id)
	if err != nil {
		return nil, err
	}
	row, err := w.load(c.model, id)
	if err != nil || row == nil {
		return nil, err
	}
	return row, w.expect(c.model, row, c.args.expectedVersion)
}

// updatingMany is op updateMany.
type updatingMany struct {
	call  *call
	where query.Expr
	patch *patch
}

func (c *call) updateMany() (writing, error) {
	where, err := c.changeable()
	if err != nil {
		return nil, err
	}
	p, err := c.patch()
	if err != nil {
		return nil, err
	}
	if p.id.given() {
		return nil, problems{{"id", "records keep their ids"}}.fault(c.model.entity)
	}
	return &updatingMany{c, where, p}, nil
}

func (t *updatingMany) single() bool { return false }

func (t *updatingMany) write(w *work) (outcome, error) {
	n, err := w.each(t.call, t.where, func(row schema.Row) error {
		_, err := w.change(t.call.model, row, t.patch, mesh.Updated)
		return err
	})
	return outcome{call: t.call, kind: countOutcome, n: n}, err
}

// each does something with each record that the condition leaves, once it is
// locked, and returns how many there were.
func (w *work) each(c *call, where query.Expr, do func(schema.Row) error) (n int64, err error) {
	ids, err := w.find(c.model, where, 0)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		row, err := w.tx.Load(c.model.entity, id)
		if err != nil {
			return 0, err
		}
		// It may have changed, or be gone, since it was found.
		if row == nil || w.removed[record{c.model.entity, id}] || !query.Eval(where, row) {
			continue
		}
		if err := do(row); err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}
