package sdl

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
)

func (b *builder) scalars() {
	b.f("%s\nscalar %s\n\n", quote("Any JSON value. A text that holds JSON is taken for what it holds where the field says so."), b.helper["JSON"])
	b.f("%s\nscalar %s @specifiedBy(url: \"https://scalars.graphql.org/andimarek/date-time.html\")\n\n", quote("A moment in RFC 3339, shown in UTC with milliseconds; a plain date is read too."), b.helper["DateTime"])
	b.f("%s\nscalar %s\n\n", quote("A whole number of up to 64 bits, exact, as a JSON number; a text is read too."), b.helper["BigInt"])
	b.f("%s\nscalar %s\n\n", quote("A decimal number of up to 38 digits, exact, as a JSON number; a text is read too."), b.helper["Decimal"])
	b.f("enum %s { asc desc }\n\n", b.helper["SortDirection"])
	b.f("%s\ntype %s {\n  hasNextPage: Boolean!\n  %s\n  hasPreviousPage: Boolean!\n  startCursor: String\n  %s\n  endCursor: String\n}\n\n", quote("Where a page begins and ends."), b.helper["PageInfo"],
		quote("Whether it was asked for with after."), quote("Give it as after. Of a page it is null on the last one; of a connection it is the last edge's."))
	const equality, order, list = "eq: %[1]s, ne: %[1]s, ", "gt: %[1]s, gte: %[1]s, lt: %[1]s, lte: %[1]s, ", "in: [%[1]s], nin: [%[1]s], exists: Boolean"
	const text = ", regex: String, regexFlags: String, contains: String, startsWith: String, endsWith: String, ignoreCase: Boolean"
	filter := func(name, of, form string) {
		b.f("input %s { %s }\n", b.helper[name], strings.ReplaceAll(form, "%[1]s", of))
	}
	filter("StringFilter", "String", equality+order+list+text)
	filter("IDFilter", "ID", equality+order+list+text)
	filter("FloatFilter", "Float", equality+order+list)
	filter("IntFilter", "Int", equality+order+list)
	filter("BigIntFilter", b.helper["BigInt"], equality+order+list)
	filter("DecimalFilter", b.helper["Decimal"], equality+order+list)
	filter("BooleanFilter", "Boolean", equality+order+list)
	filter("DateTimeFilter", b.helper["DateTime"], equality+order+list)
	filter("JSONFilter", b.helper["JSON"], equality+list)
	filter("BinaryFilter", "String", equality+list)
	b.f("\n")
}

// scalar is the type of a column's values, and that of conditions on them.
func (b *builder) scalar(c *schema.Column) (value, filter string) {
	switch {
	case c.Role == schema.RoleID, c.Role == schema.RoleReference:
		return "ID", "IDFilter"
	case c.Role == schema.RoleVersion:
		return "Int", "IntFilter"
	}
	switch c.Type {
	case schema.Number, schema.Float:
		return "Float", "FloatFilter"
	case schema.Integer:
		return b.helper["BigInt"], "BigIntFilter"
	case schema.Decimal:
		return b.helper["Decimal"], "DecimalFilter"
	case schema.Boolean:
		return "Boolean", "BooleanFilter"
	case schema.Date:
		return b.helper["DateTime"], "DateTimeFilter"
	case schema.JSON:
		return b.helper["JSON"], "JSONFilter"
	case schema.Array:
		return "[" + b.element(c) + "]", "JSONFilter"
	case schema.Binary:
		return "String", "BinaryFilter"
	}
	return "String", "StringFilter"
}

func (b *builder) element(c *schema.Column) string {
	if c.Field == nil || c.Field.ArrayOf == nil || c.Field.ArrayOf.Fields != nil {
		return b.helper["JSON"]
	}
	value, _ := b.scalar(&schema.Column{Type: c.Field.ArrayOf.Type})
	return value
}

// record writes the type of an entity's records.
func (b *builder) record(e *schema.Entity, subgraph bool) {
	o := &Object{Name: b.object[e], Entity: e, Fields: map[string]Field{}}
	b.out.Objects[o.Name], b.out.ByEntity[e] = o, o
	b.describe("", e.Description)
	b.f("type %s", o.Name)
	if subgraph && b.view.Read {
		b.f(" @key(fields: \"id\")")
	}
	b.f(" {\n")
	taken := names{}
	for _, m := range e.Members {
		taken.take(m.Name)
	}
	for _, m := range e.Members {
		if m.Column != nil && !b.view.readable(m.Column) {
			continue
		}
		if m.Relation != nil {
			b.relation(o, m, taken)
			continue
		}
		value, _ := b.scalar(m.Column)
		if m.Column.Required {
			value += "!"
		}
		if m.Column.Field != nil {
			b.describe("  ", m.Column.Field.Description)
			if len(m.Column.Field.Enum) > 0 && m.Column.Field.Description == "" {
				b.describe("  ", "One of "+strings.Join(m.Column.Field.Enum, ", ")+".")
			}
		}
		b.f("  %s: %s\n", m.Name, value)
		o.Fields[m.Name] = Field{Member: m.Name}
	}
	b.f("}\n\n")
}

func (b *builder) relation(o *Object, m schema.Member, taken names) {
	target := m.Relation.Target
	o.Fields[m.Name] = Field{Member: m.Name, Relation: m.Relation}
	if m.Column == nil {
		b.f("  %s", m.Name)
		if b.view.Read {
			b.f("(%s)", b.selects(target, "filter: %[1]s, where: %[2]s, sort: %[1]s, orderBy: [%[3]s!], limit: Int, skip: Int, first: Int"))
		}
		b.f(": [%s!]!\n", b.object[target])
		return
	}
	b.f("  %s: %s\n", m.Name, b.object[target])
	if id := m.Name + "Id"; !taken[id] {
		taken.take(id)
		b.f("  %s: ID\n", id)
		o.Fields[id] = Field{Member: m.Name, Relation: m.Relation, Ref: true}
	}
}

// derived is the name in force of a type that goes with an entity.
func (b *builder) derived(e *schema.Entity, suffix string) string {
	key := e.Name + "\x00" + suffix
	name, ok := b.helper[key]
	if !ok {
		name = b.types.take(e.Name + suffix)
		b.helper[key] = name
	}
	return name
}

// selects fills in the argument types of a field that finds records.
func (b *builder) selects(e *schema.Entity, form string) string {
	return strings.NewReplacer("%[1]s", b.helper["JSON"], "%[2]s", b.derived(e, "Where"), "%[3]s", b.derived(e, "OrderBy")).Replace(form)
}

// where writes the conditions and the orders of an entity's records.
func (b *builder) where(e *schema.Entity) {
	name := b.derived(e, "Where")
	b.f("%s\ninput %s {\n  _and: [%[2]s!]\n  _or: [%[2]s!]\n  _not: %[2]s\n", quote("All of it has to hold; null for a field asks for no value."), name)
	var sorted []string
	for _, c := range e.Columns {
		if !b.view.readable(c) || c.Role == schema.RoleDiscriminator && c.Field == nil {
			continue
		}
		_, filter := b.scalar(c)
		b.f("  %s: %s\n", c.Name, b.helper[filter])
		if c.Type != schema.JSON && c.Type != schema.Array && c.Type != schema.Binary {
			sorted = append(sorted, c.Name)
		}
	}
	b.f("}\n\ninput %s {\n", b.derived(e, "OrderBy"))
	for _, c := range sorted {
		b.f("  %s: %s\n", c, b.helper["SortDirection"])
	}
	b.f("}\n\n")
}

func (b *builder) page(e *schema.Entity) {
	b.f("type %s {\n  nodes: [%s!]!\n  pageInfo: %s!\n  %s\n  totalCount: Int!\n}\n\n", b.derived(e, "Page"), b.object[e], b.helper["PageInfo"], quote("How many records there are on all pages; counting costs a query."))
}

// connection writes a page as Relay's clients read it (GraphQL Cursor Connections
// Specification).
func (b *builder) connection(e *schema.Entity) {
	edge := b.derived(e, "Edge")
	b.f("type %s {\n  node: %s!\n  %s\n  cursor: String!\n}\n\n", edge, b.object[e], quote("Give it as after; empty where a value that decides about the order is too long for one."))
	b.f("type %s {\n  edges: [%s!]!\n  nodes: [%s!]!\n  pageInfo: %s!\n  %s\n  totalCount: Int!\n}\n\n", b.derived(e, "Connection"), edge, b.object[e], b.helper["PageInfo"], quote("How many records there are on all pages; counting costs a query."))
}

// event writes what a subscription tells of a record.
func (b *builder) event(e *schema.Entity) {
	b.f("type %s {\n", b.derived(e, "Event"))
	b.f("  %s\n  event: String!\n", quote("created, updated, deleted or upserted; gap when changes before position are out of reach: read the state anew."))
	b.f("  id: ID\n")
	b.f("  %s\n  data: %s\n", quote("The record after the change; null for one that left the filter, and for one too large for an event (truncated)."), b.object[e])
	b.f("  changed: [String!]\n  inserted: Boolean\n")
	b.f("  %s\n  match: String\n", quote("With a filter: enter, stay or leave."))
	b.f("  truncated: Boolean\n")
	b.f("  %s\n  position: String!\n", quote("Give it as position to go on behind this event."))
	b.f("  at: %s\n}\n\n", b.helper["DateTime"])
}

// inputs writes what a new record and a change are made of.
func (b *builder) inputs(e *schema.Entity) {
	create, patch := b.derived(e, "Input"), b.derived(e, "Patch")
	b.out.Patches[patch] = create
	for _, name := range []string{create, patch} {
		b.f("input %s {\n  id: ID\n", name)
		for _, c := range e.Columns {
			if c.Field == nil || b.view.Readable != nil && !b.view.Readable(c) {
				continue
			}
			value, _ := b.scalar(c)
			if name == create && c.Required && c.Field.Default == nil && c.Role != schema.RoleDiscriminator {
				value += "!"
			}
			b.describe("  ", c.Field.Description)
			b.f("  %s: %s\n", c.Name, value)
		}
		for _, r := range e.Relations {
			if c := r.Column; c != nil && b.view.Readable != nil && !b.view.Readable(c) {
				continue
			}
			switch {
			case r.Type == schema.ManyToMany:
				b.f("  %s: [ID!]\n", r.Name)
			case r.Stored() && r.Required && name == create:
				b.f("  %s: ID!\n", r.Name)
			case r.Stored():
				b.f("  %s: ID\n", r.Name)
			}
		}
		b.f("}\n\n")
	}
}
