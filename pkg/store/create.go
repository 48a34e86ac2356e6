package store

import (
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// creation is op create.
type creation struct {
	call  *call
	id    string
	patch *patch
	row   schema.Row // nil until the ids of earlier items are known
}

func (c *call) create() (writing, error) {
	p, err := c.patch()
	if err != nil {
		return nil, err
	}
	t := &creation{call: c, patch: p, id: p.id.id}
	if p.id.ref > 0 {
		return nil, problems{{"id", "a new record has an id of its own"}}.fault(c.model.entity)
	}
	if t.id == "" {
		t.id = c.store.options.NewID()
	}
	if !p.refs {
		t.row, err = c.fresh(t.id, p, nil)
	}
	return t, err
}

func (t *creation) single() bool { return len(t.patch.links) == 0 }

func (t *creation) write(w *work) (outcome, error) {
	row := t.row
	if row == nil {
		var err error
		if row, err = t.call.fresh(t.id, t.patch, w.ref); err != nil {
			return outcome{}, err
		}
	}
	err := w.insert(t.call.model, row, t.patch, mesh.Created)
	return t.call.recordOf(row), err
}

// upserting is op upsert: the first record, in order of id, that the filter
// leaves is updated; where it leaves none, one is created of the data and of
// those values that the filter demands by equality and data does not name.
type upserting struct {
	call   *call
	named  string     // the id that is all the filter asks for; "" = it asks for more
	where  query.Expr // what the record is found by then
	patch  *patch
	demand []assignment
	id     string // of the new record, if it comes to that
}

func (c *call) upsert() (writing, error) {
	scope := c.scope()
	asked, err := query.ParseFilter(scope, c.args.filter)
	if err != nil {
		return nil, err
	}
	p, err := c.patch()
	if err != nil {
		return nil, err
	}
	if p.id.ref > 0 {
		return nil, problems{{"id", "name the record in the filter"}}.fault(c.model.entity)
	}
	t := &upserting{call: c, patch: p, id: p.id.id}
	if err := t.demands(asked); err != nil {
		return nil, err
	}
	if only, ok := asked.(query.Compare); ok && only.Column.Role == schema.RoleID && only.Op == query.Eq {
		t.named = only.Value.Text()
	}
	if t.named == "" {
		t.where = query.Join(c.within(scope, asked, mesh.Write), c.model.live)
	}
	if t.id == "" {
		t.id = c.store.options.NewID()
	}
	return t, nil
}

// demands collects what the filter says a record must be equal to.
func (t *upserting) demands(e query.Expr) error {
	switch e := e.(type) {
	case query.And:
		for _, x := range e {
			if err := t.demands(x); err != nil {
				return err
			}
		}
	case query.Compare:
		c := e.Column
		switch {
		case e.Op != query.Eq || e.Value.IsNull() || t.patch.names(c):
		case c.Role == schema.RoleID:
			if t.id == "" {
				t.id = e.Value.Text()
			}
		case c.Role == schema.RoleField || c.Role == schema.RoleReference:
			value := e.Value
			if c.Field != nil {
				value = c.Field.Normalize(value)
			}
			if reason := check(c, value); reason != "" {
				return problems{{c.Name, reason}}.fault(t.call.model.entity)
			}
			t.demand = append(t.demand, assignment{column: c, value: value})
		}
	}
	return nil
}

func (p *patch) names(c *schema.Column) bool {
	for _, a := range p.values {
		if a.column == c {
			return true
		}
	}
	return false
}

func (t *upserting) single() bool { return len(t.patch.links) == 0 }

func (t *upserting) write(w *work) (outcome, error) {
	m := t.call.model
	if l, ok := w.tx.(driver.Locker); ok {
		if err := l.Lock(m.entity.Name + " " + string(strictjson.Compact(nil, t.call.args.filter))); err != nil {
			return outcome{}, err
		}
	}
	row, err := t.find(w)
	if err != nil {
		return outcome{}, err
	}
	if row != nil {
		if err := t.patch.keeps(m, m.idOf(row)); err != nil {
			return outcome{}, err
		}
		if err := w.expect(m, row, t.call.args.expectedVersion); err != nil {
			return outcome{}, err
		}
		row, err = w.change(m, row, t.patch, mesh.Upserted)
		return t.call.recordOf(row), err
	}
	if err := w.expect(m, nil, t.call.args.expectedVersion); err != nil {
		return outcome{}, err
	}
	whole := *t.patch
	whole.values = append(append([]assignment(nil), t.demand...), t.patch.values...)
	if row, err = t.call.fresh(t.id, &whole, w.ref); err != nil {
		return outcome{}, err
	}
	err = w.insert(m, row, &whole, mesh.Upserted)
	return t.call.recordOf(row), err
}

// find returns the record that is there, locked, or nil.
func (t *upserting) find(w *work) (schema.Row, error) {
	m, id := t.call.model, t.named
	if id == "" {
		ids, err := w.find(m, t.where, 1)
		if err != nil || len(ids) == 0 {
			return nil, err
		}
		id = ids[0]
	}
	return w.load(m, id)
}

// keeps refuses data that names another id than the record has.
func (p *patch) keeps(m *model, id string) error {
	if p.id.given() && p.id.id != id {
		return problems{{"id", "a record keeps its id"}}.fault(m.entity)
	}
	return nil
}
