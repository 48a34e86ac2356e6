package store

import (
	"sync"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/populate"
)

// state is a catalog in force with all that is compiled from it: replaced as a
// whole, so that a call sees one catalog from beginning to end.
type state struct {
	catalog *schema.Catalog
	models  map[*schema.Entity]*model
	plans   plans
}

// model is what the Store knows of an entity.
type model struct {
	entity                                   *schema.Entity
	id, version, created, updated, deletedAt *schema.Column
	discriminator                            *schema.Column
	required                                 []*schema.Column
	blank                                    schema.Row // a new record before its data: defaults, discriminator, version 1
	now                                      []*schema.Column
	whole                                    *populate.Plan    // the form of the change log
	ids                                      *query.Projection // the id alone
	byID                                     []query.Order
	live                                     query.Expr // what Visible adds to every filter; nil = nothing
	inbound                                  []inbound
	leaves                                   bool // a delete touches this entity's row alone
}

func newState(cat *schema.Catalog, limits query.Limits) (*state, error) {
	st := &state{catalog: cat, models: make(map[*schema.Entity]*model, len(cat.Entities))}
	for _, e := range cat.Entities {
		m, err := newModel(e, limits)
		if err != nil {
			return nil, err
		}
		st.models[e] = m
	}
	return st, nil
}

func newModel(e *schema.Entity, limits query.Limits) (*model, error) {
	m := &model{entity: e, blank: make(schema.Row, len(e.Columns)), inbound: inboundOf(e)}
	for _, c := range e.Columns {
		switch c.Role {
		case schema.RoleID:
			m.id = c
		case schema.RoleVersion:
			m.version = c
			m.blank[c.Index] = schema.IntOf(1)
		case schema.RoleCreatedAt:
			m.created = c
		case schema.RoleUpdatedAt:
			m.updated = c
		case schema.RoleDeletedAt:
			m.deletedAt = c
		case schema.RoleField:
			if d := c.Field.Default; d != nil && d.Now {
				m.now = append(m.now, c)
			} else if d != nil {
				m.blank[c.Index] = d.Value
			}
		}
		if c.Required && (c.Role == schema.RoleField || c.Role == schema.RoleReference) {
			m.required = append(m.required, c)
		}
	}
	if e.Discriminator != "" {
		m.discriminator = e.Column(e.Discriminator)
		m.blank[m.discriminator.Index] = schema.TextOf(e.DiscriminatorValue)
	}
	scope := query.Scope{Entity: e, Limits: limits}
	members, err := query.ParseMembers(scope, nil, nil)
	if err != nil {
		return nil, err
	}
	if m.whole, err = populate.New(populate.Spec{Scope: scope, Members: members}); err != nil {
		return nil, err
	}
	m.live = query.Visible(scope, nil)
	m.ids = &query.Projection{Columns: []*schema.Column{m.id}, Key: "id"}
	m.byID = []query.Order{{Column: m.id}}
	m.leaves = len(m.inbound) == 0 && len(e.Linked) == 0
	for _, r := range e.Relations {
		if r.Type == schema.ManyToMany {
			m.leaves = false
		}
	}
	return m, nil
}

// idOf returns a row's id.
func (m *model) idOf(row schema.Row) string { return row[m.id.Index].Text() }

// versionOf returns a row's _version.
func (m *model) versionOf(row schema.Row) int64 { return row[m.version.Index].Int() }

// isDeleted reports whether the row is soft-deleted.
func (m *model) isDeleted(row schema.Row) bool {
	return m.deletedAt != nil && !row[m.deletedAt.Index].IsNull()
}

// maxPlans bounds each of the two generations of plans that a state keeps.
const maxPlans = 512

// maxPlanKey bounds a key: a selection longer than that is planned each time.
const maxPlanKey = 2048

// plans keeps what was planned lately, in two generations: when the young one
// is full, it becomes the old one, and what is asked for again moves up.
type plans struct {
	mu         sync.RWMutex
	young, old map[string]*populate.Plan
}

func (p *plans) get(key []byte) *populate.Plan {
	p.mu.RLock()
	plan, again := p.young[string(key)], false
	if plan == nil {
		plan = p.old[string(key)]
		again = plan != nil
	}
	p.mu.RUnlock()
	if again {
		p.put(key, plan)
	}
	return plan
}

func (p *plans) put(key []byte, plan *populate.Plan) {
	if len(key) > maxPlanKey {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.young) >= maxPlans {
		p.old, p.young = p.young, nil
	}
	if p.young == nil {
		p.young = make(map[string]*populate.Plan)
	}
	p.young[string(key)] = plan
}
