package metadata

import "github.com/octomesh/octomesh/pkg/schema"

// Namespace is the namespace of all types and operations, as Octonet has it.
const Namespace = "MostaJS"

// Model is one catalog. It is never changed.
type Model struct {
	Types []*Type
	bySet map[string]*Type
}

// Type is an entity type and its entity set.
type Type struct {
	Name        string // of the type, without namespace
	Set         string // of the entity set: the collection, or the name where several entities share that
	Entity      *schema.Entity
	Properties  []*Property
	Navigations []*Navigation
	byName      map[string]*Property
	byNav       map[string]*Navigation
}

// Property is a structural property.
type Property struct {
	Name       string // in OData
	Column     *schema.Column
	Edm        string // Edm.String, …; for an array that of its members
	Collection bool
	// Complex is the type of embedded members; its name is Edm.
	Complex []*schema.Field
}

// Navigation is a navigation property.
type Navigation struct {
	Name     string
	Relation *schema.Relation
	Target   *Type
	Many     bool
	// Key is the property that holds the id; nil for to-many ones.
	Key *Property
	// Partner is the navigation property that leads back; nil if there is none.
	Partner *Navigation
}

// New makes the model of a catalog.
func New(c *schema.Catalog) *Model {
	m := &Model{bySet: make(map[string]*Type, 2*len(c.Entities))}
	types := make(map[*schema.Entity]*Type, len(c.Entities))
	for _, e := range c.Entities {
		t := &Type{Name: e.Name, Set: e.Collection, Entity: e}
		if m.bySet[t.Set] != nil || c.Entity(t.Set) != e {
			t.Set = e.Name
		}
		m.Types = append(m.Types, t)
		types[e] = t
		m.bySet[e.Name], m.bySet[t.Set] = t, t
	}
	for _, t := range m.Types {
		t.fill(types)
	}
	for _, t := range m.Types {
		for _, n := range t.Navigations {
			n.Partner = partner(n)
		}
	}
	return m
}

// Set returns the type of that entity set or entity, or nil.
func (m *Model) Set(name string) *Type { return m.bySet[name] }

// Unknown is a type of which nothing is known: its catalog is later than this
// gateway's, or it does not exist. The worker will say.
func Unknown(name string) *Type { return &Type{Name: name, Set: name} }

// Only returns a type of which one property is known, none if p is nil: that of
// the rows that a grouping by it gives.
func (t *Type) Only(p *Property) *Type {
	out := Unknown(t.Name)
	if p != nil {
		out.byName = map[string]*Property{p.Name: p, p.Column.Name: p}
	}
	return out
}

// Property returns the property of that name. A reference is found by the
// relation's own name too, as Octonet's clients write it.
func (t *Type) Property(name string) *Property {
	if p := t.byName[name]; p != nil {
		return p
	}
	if n := t.byNav[name]; n != nil {
		return n.Key
	}
	return nil
}

// Declared returns the property of exactly that name, or nil.
func (t *Type) Declared(name string) *Property { return t.byName[name] }

// Navigation returns the navigation property of that name, or nil.
func (t *Type) Navigation(name string) *Navigation { return t.byNav[name] }

func (t *Type) fill(types map[*schema.Entity]*Type) {
	t.byName, t.byNav = map[string]*Property{}, map[string]*Navigation{}
	taken := map[string]bool{}
	for _, m := range t.Entity.Members {
		taken[m.Name] = true
	}
	for _, m := range t.Entity.Members {
		if m.Column != nil && m.Column.Hidden {
			continue
		}
		relation := m.Relation
		if m.Column != nil && m.Column.Role == schema.RoleReference {
			relation = m.Column.Relation
		}
		var key *Property
		if m.Column != nil {
			key = property(t, m.Column)
			if relation != nil {
				for key.Name += "_id"; taken[key.Name]; key.Name += "_" {
				}
				taken[key.Name] = true
			}
			t.Properties = append(t.Properties, key)
			t.byName[key.Name] = key
		}
		if relation != nil && types[relation.Target] != nil {
			n := &Navigation{Name: m.Name, Relation: relation, Target: types[relation.Target], Many: m.Column == nil, Key: key}
			t.Navigations = append(t.Navigations, n)
			t.byNav[n.Name] = n
		}
	}
}

// partner finds the other side of a one-to-many relation.
func partner(n *Navigation) *Navigation {
	for _, back := range n.Target.Navigations {
		if n.Relation.Inverse == back.Relation || back.Relation.Inverse == n.Relation {
			return back
		}
	}
	return nil
}

func property(t *Type, c *schema.Column) *Property {
	p := &Property{Name: c.Name, Column: c, Edm: edm(c.Type)}
	if c.Type != schema.Array {
		return p
	}
	p.Collection, p.Edm = true, "Edm.Untyped"
	if c.Field != nil && c.Field.ArrayOf != nil {
		p.Edm = edm(c.Field.ArrayOf.Type)
		if c.Field.ArrayOf.Fields != nil {
			p.Complex, p.Edm = c.Field.ArrayOf.Fields, Namespace+"."+t.Name+"_"+c.Name
		}
	}
	return p
}

// edm is the primitive type of a schema's type.
func edm(t schema.Type) string {
	switch t {
	case schema.Number, schema.Float:
		return "Edm.Double"
	case schema.Integer:
		return "Edm.Int64"
	case schema.Decimal:
		return "Edm.Decimal"
	case schema.Boolean:
		return "Edm.Boolean"
	case schema.Date:
		return "Edm.DateTimeOffset"
	case schema.Binary:
		return "Edm.Binary"
	case schema.JSON, schema.Array:
		return "Edm.Untyped"
	}
	return "Edm.String"
}

// Computed reports whether the service alone writes the property.
func (p *Property) Computed() bool {
	switch p.Column.Role {
	case schema.RoleVersion, schema.RoleCreatedAt, schema.RoleUpdatedAt, schema.RoleDeletedAt:
		return true
	}
	return false
}

// Nullable reports whether the property may be null.
func (p *Property) Nullable() bool {
	return !p.Column.Required && p.Column.Role != schema.RoleID && p.Column.Role != schema.RoleVersion
}
