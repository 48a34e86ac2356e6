package store

import (
	"encoding/json"
	"slices"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/valyala/fastjson"
)

// restoring is op restore of the project: records of an export are stored, all
// or none, each replacing what its id has; ids and times stay. A reference to a
// record that is not there is left out where it may be, and reported, so that
// the record can be restored again when its target is there.
type restoring struct {
	call    *call
	records []restored
}

// restored is one record on its way.
type restored struct {
	call  *call
	patch *patch
}

// Absent is a reference that restore left out.
type Absent struct {
	Index  int    `json:"index"` // of the record in the request
	Field  string `json:"field"`
	Target string `json:"target"`
}

func (c *call) restore() (*restoring, error) {
	list, err := c.args.records.Array()
	if err != nil || len(list) == 0 || len(list) > maxItems {
		return nil, invalid("records must be an array of 1 to %d lines of an export", maxItems)
	}
	t := &restoring{call: c, records: make([]restored, len(list))}
	for i, v := range list {
		if err := t.prepare(i, v); err != nil {
			return nil, indexed(i, err)
		}
	}
	return t, nil
}

// prepare reads {"entity":…,"data":{…}}.
func (t *restoring) prepare(i int, v *fastjson.Value) error {
	o, err := v.Object()
	if err != nil || o.Len() != 2 || o.Get("entity") == nil || o.Get("data") == nil {
		return invalid(`a record has the form {"entity":…,"data":{…}}`)
	}
	sub := &call{store: t.call.store, state: t.call.state, request: t.call.request, guard: t.call.guard, now: t.call.now, item: -1, restoring: true}
	if err := sub.address(string(o.Get("entity").GetStringBytes()), "upsert"); err != nil {
		return err
	}
	sub.args.data = o.Get("data")
	p, err := sub.patch()
	if err != nil {
		return err
	}
	if p.id.id == "" {
		return fault.New(fault.MissingID, "a record of an export has an id")
	}
	t.records[i] = restored{call: sub, patch: p}
	return nil
}

func (t *restoring) single() bool { return false }

func (t *restoring) write(w *work) (outcome, error) {
	whole := w.call
	defer func() { w.call = whole }()
	absent := []Absent{}
	for i := range t.records {
		w.call = t.records[i].call
		left, err := w.restore(&t.records[i])
		if err != nil {
			return outcome{}, indexed(i, err)
		}
		for _, a := range left {
			a.Index = i
			absent = append(absent, a)
		}
	}
	data, err := json.Marshal(map[string]any{"count": len(t.records), "missing": absent})
	return outcome{call: t.call, kind: restoredOutcome, n: int64(len(t.records)), data: data}, err
}

// restore stores one record and returns the references that it left out.
func (w *work) restore(r *restored) ([]Absent, error) {
	m := r.call.model
	row, err := w.tx.Load(m.entity, r.patch.id.id)
	if err != nil {
		return nil, err
	}
	if row != nil && m.discriminator != nil && row[m.discriminator.Index].Text() != m.entity.DiscriminatorValue {
		return nil, fault.New(fault.Conflict, "the id %s belongs to another entity of the collection", r.patch.id.id).With([]string{"id"})
	}
	p, absent, err := w.present(r)
	if err != nil {
		return nil, err
	}
	if row != nil {
		_, err = w.change(m, row, p, mesh.Upserted)
		return absent, err
	}
	if row, err = r.call.fresh(p.id.id, p, nil); err != nil {
		return nil, err
	}
	return absent, w.insert(m, row, p, mesh.Upserted)
}

// present is the record's patch without references to what is not there.
// Required ones stay, and fail.
func (w *work) present(r *restored) (*patch, []Absent, error) {
	p := *r.patch
	p.values, p.links = slices.Clone(p.values), slices.Clone(p.links)
	var absent []Absent
	for i, a := range p.values {
		c := a.column
		if c.Role != schema.RoleReference || a.value.IsNull() || c.Required || a.value.Text() == p.id.id && c.Relation.Target == r.call.model.entity {
			continue
		}
		there, err := w.exists(c.Relation.Target, a.value.Text())
		if err != nil {
			return nil, nil, err
		}
		if !there {
			absent = append(absent, Absent{Field: c.Name, Target: a.value.Text()})
			p.values[i].value = schema.Null
		}
	}
	for i, l := range p.links {
		ids := make([]string, len(l.targets))
		for n, t := range l.targets {
			ids[n] = t.id
		}
		there, err := w.existing(l.relation.Target, ids)
		if err != nil {
			return nil, nil, err
		}
		p.links[i].targets = slices.DeleteFunc(slices.Clone(l.targets), func(t ident) bool {
			_, found := slices.BinarySearch(there, t.id)
			if !found {
				absent = append(absent, Absent{Field: l.relation.Name, Target: t.id})
			}
			return !found
		})
	}
	return &p, absent, nil
}
