package sql

import (
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// View is what a caller may see of a project. What it leaves out looks to a
// statement like what does not exist.
type View struct {
	Project string // its slug: the name of the schema in SQL
	Catalog *schema.Catalog
	// Entity and Column tell what the caller may read; nil = everything that is
	// not hidden.
	Entity func(*schema.Entity) bool
	Column func(*schema.Column) bool
	// Denied, if not nil, is why nothing of the project can be named.
	Denied error
}

// Columns are the columns of an entity as a table, in record order. Relations to
// many records are none: their records are the other entity's.
func (v *View) Columns(e *schema.Entity) []*schema.Column {
	out := make([]*schema.Column, 0, len(e.Members))
	for _, m := range e.Members {
		if m.Column != nil && !m.Column.Hidden && (v.Column == nil || v.Column(m.Column)) {
			out = append(out, m.Column)
		}
	}
	return out
}

// Entities are the entities that are tables, in the order of the catalog.
func (v *View) Entities() []*schema.Entity {
	if v.Entity == nil {
		return v.Catalog.Entities
	}
	var out []*schema.Entity
	for _, e := range v.Catalog.Entities {
		if v.Entity(e) {
			out = append(out, e)
		}
	}
	return out
}

// Fields are the columns of an entity as Arrow has them.
func (v *View) Fields(e *schema.Entity, decimalScale int) []arrow.Field {
	columns := v.Columns(e)
	out := make([]arrow.Field, len(columns))
	for i, c := range columns {
		out[i] = field(e, c, decimalScale)
	}
	return out
}

// field is a column as pkg/columnar shows it.
func field(e *schema.Entity, c *schema.Column, decimalScale int) arrow.Field {
	m := schema.Member{Name: c.Name, Column: c, Relation: c.Relation}
	return columnar.NewShape(e, []schema.Member{m}, columnar.Options{DecimalScale: decimalScale}).Arrow().Field(0)
}

// Find finds a table: by the entity's name, by its collection, then without
// regard to case where only one is meant. Errors: UNKNOWN_ENTITY, INVALID_REQUEST
// where several are, Denied.
func (v *View) Find(name string) (*schema.Entity, error) {
	if v.Denied != nil {
		return nil, v.Denied
	}
	visible := func(e *schema.Entity) bool { return e != nil && (v.Entity == nil || v.Entity(e)) }
	if e := v.Catalog.Entity(name); visible(e) {
		return e, nil
	}
	var found *schema.Entity
	for _, e := range v.Catalog.Entities {
		if !visible(e) || !strings.EqualFold(e.Name, name) && !strings.EqualFold(e.Collection, name) {
			continue
		}
		if found != nil {
			return nil, invalid("%s may be %s or %s: write it as one of them is written", quote(name), found.Name, e.Name)
		}
		found = e
	}
	if found == nil {
		return nil, fault.New(fault.UnknownEntity, "there is no entity %s in %s that you can read", quote(name), v.Project)
	}
	return found, nil
}

// relation is a table of the FROM clause, or a subquery there, as names.
type relation struct {
	alias   string
	entity  *schema.Entity // nil of a subquery
	names   []string
	operand func(i int) operand
}

// scope is the names that an expression can use.
type scope []*relation

// find resolves a name. A name that is written exactly as in the schema wins
// over one that differs in case. Errors: INVALID_REQUEST.
func (s scope) find(project, table, name string) (operand, error) {
	within := s
	if table != "" {
		r, err := s.table(table)
		if err != nil {
			return operand{}, err
		}
		within = scope{r}
	}
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		var found *relation
		at := 0
		for _, r := range within {
			for i, n := range r.names {
				if !same(n, name) {
					continue
				}
				if found != nil {
					return operand{}, invalid("%s may be %s.%s or %s.%s: say which", quote(name), found.alias, found.names[at], r.alias, n)
				}
				found, at = r, i
			}
		}
		if found != nil {
			return found.operand(at), nil
		}
	}
	if len(s) == 0 {
		return operand{}, invalid("there is no field %s: the statement has no FROM", quote(name))
	}
	if table != "" {
		return operand{}, invalid("%s has no field %s that you can read", within[0].alias, quote(name))
	}
	return operand{}, invalid("there is no field %s that you can read", quote(name))
}

// table finds a table of the FROM clause by its alias, or where it has none, by
// any of its entity's names.
func (s scope) table(name string) (*relation, error) {
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		var found *relation
		for _, r := range s {
			named := same(r.alias, name)
			if r.entity != nil && (r.alias == r.entity.Name || r.alias == r.entity.Collection) {
				named = named || same(r.entity.Name, name) || same(r.entity.Collection, name)
			}
			if named {
				if found != nil {
					return nil, invalid("the table %s is in FROM twice: give each an alias", quote(name))
				}
				found = r
			}
		}
		if found != nil {
			return found, nil
		}
	}
	return nil, invalid("there is no table %s in FROM", quote(name))
}
