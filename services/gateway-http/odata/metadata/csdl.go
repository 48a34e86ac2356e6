package metadata

import "github.com/octomesh/octomesh/pkg/mesh"

import "github.com/octomesh/octomesh/pkg/schema"

// The documents are written through an element tree, so that XML and JSON can't
// differ in what they say.

type entityType struct {
	name       string
	describe   string
	properties []member
	navigation []navigation
}

type member struct {
	name, edm        string
	collection       bool
	nullable         bool
	maxLength        int
	computed         bool
	describe         string
	allowed          []string
	immutable, exact bool
}

type navigation struct {
	name, target, partner, key string
	many, nullable             bool
	cascade                    bool
}

// describe lists what the document of a type says.
func describe(t *Type) entityType {
	out := entityType{name: t.Name, describe: t.Entity.Description}
	for _, p := range t.Properties {
		out.properties = append(out.properties, memberOf(p))
	}
	for _, n := range t.Navigations {
		v := navigation{name: n.Name, target: n.Target.Name, many: n.Many, nullable: !n.Many && !n.Relation.Required, cascade: n.Relation.OnDelete == schema.Cascade && !n.Many}
		if n.Partner != nil {
			v.partner = n.Partner.Name
		}
		if n.Key != nil {
			v.key = n.Key.Name
		}
		out.navigation = append(out.navigation, v)
	}
	return out
}

func memberOf(p *Property) member {
	m := member{
		name: p.Name, edm: p.Edm, collection: p.Collection, nullable: p.Nullable(), computed: p.Computed(),
		immutable: p.Column.Role == schema.RoleID, exact: p.Column.Type == schema.Decimal,
	}
	if f := p.Column.Field; f != nil {
		m.maxLength, m.describe, m.allowed = f.MaxLength, f.Description, f.Enum
	}
	return m
}

// complexTypes are the types of embedded members of a type.
func complexTypes(t *Type) []entityType {
	var out []entityType
	for _, p := range t.Properties {
		if p.Complex == nil {
			continue
		}
		c := entityType{name: p.Edm[len(Namespace)+1:]}
		for _, f := range p.Complex {
			if f.Hidden {
				continue
			}
			m := member{name: f.Name, edm: edm(f.Type), nullable: !f.Required, maxLength: f.MaxLength, describe: f.Description, allowed: f.Enum, exact: f.Type == schema.Decimal}
			m.collection = f.Type == schema.Array
			c.properties = append(c.properties, m)
		}
		out = append(out, c)
	}
	return out
}

// shown are the operations that a view has.
func shown(v mesh.View) []Operation {
	var out []Operation
	for _, o := range Operations {
		reads := !o.Action || o.Name == "aggregate"
		if reads && v.Read || !reads && v.Write {
			out = append(out, o)
		}
	}
	return out
}
