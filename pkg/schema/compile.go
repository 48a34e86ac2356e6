package schema

import (
	"strings"
	"sync/atomic"
)

// serials counts the entities that were ever compiled.
var serials atomic.Uint64

// compile resolves the drafts to a Catalog. It goes on after a problem as far
// as it can, so that all of them are named; its result is only good if there
// are none.
func (p *parser) compile() *Catalog {
	c := &Catalog{byName: map[string]*Entity{}}
	p.register(c)
	for _, d := range p.drafts {
		p.targets(c, d)
		p.columns(d)
	}
	for _, d := range p.drafts {
		p.inverses(d)
	}
	p.junctions()
	counters := map[string]int{}
	for _, d := range p.drafts {
		d.members()
		p.compileIndexes(d, counters)
	}
	for _, d := range p.drafts {
		p.selects(d)
	}
	p.shared()
	return c
}

// register gives every entity its name and its collection. Names that differ
// only by case are refused: tables, junction columns and generated types would
// fall together.
func (p *parser) register(c *Catalog) {
	names := map[string]*draft{}
	collections := map[string]*draft{}
	for _, d := range p.drafts {
		if d.broken {
			continue
		}
		d.serial = serials.Add(1)
		c.Entities = append(c.Entities, d.Entity)
		if o := names[strings.ToLower(d.Name)]; o != nil {
			p.no(d.at+".name", "the entity at "+o.at+" has this name too (case makes no difference)")
			continue
		}
		names[strings.ToLower(d.Name)] = d
		c.byName[d.Name] = d.Entity
		first := collections[strings.ToLower(d.Collection)]
		if first == nil {
			collections[strings.ToLower(d.Collection)] = d
			continue
		}
		switch {
		case first.Collection != d.Collection:
			p.no(d.at+".collection", "it differs only by case from "+first.Collection+" of "+first.Name)
		case d.Discriminator == "" || d.Discriminator != first.Discriminator:
			p.no(d.at+".collection", first.Name+" has this collection too; entities share one only with the same discriminator")
		}
	}
	for _, d := range p.drafts {
		if d.broken {
			continue
		}
		switch o := c.byName[d.Collection]; {
		case o == nil:
			c.byName[d.Collection] = d.Entity
		case o != d.Entity && o.Collection != d.Collection:
			p.no(d.at+".collection", "another entity has this name")
		}
	}
}

func (p *parser) targets(c *Catalog, d *draft) {
	kept := d.relations[:0]
	for _, r := range d.relations {
		if r.target == "" || r.Type == 0 {
			continue // noted already
		}
		r.Target = c.byName[r.target]
		if r.Target == nil || r.Target.Name != r.target {
			p.no(r.at+".target", "there is no entity "+string(AppendString(nil, r.target)))
			continue
		}
		if r.Through != "" && r.Type != ManyToMany {
			p.no(r.at+".through", "it belongs to many-to-many relations")
		}
		kept = append(kept, r)
		d.Relations = append(d.Relations, r.Relation)
	}
	d.relations = kept
}

// columns lays out Entity.Columns and the maps of record keys.
func (p *parser) columns(d *draft) {
	e := d.Entity
	e.byName, e.byRel = map[string]*Column{}, map[string]*Relation{}
	physical := map[string]bool{}
	add := func(at string, c *Column) {
		switch lower := strings.ToLower(c.Physical); {
		case e.byName[c.Name] != nil:
			p.no(at, "the record has a member "+c.Name+" already")
		case physical[lower]:
			p.no(at, "the table has a column "+c.Physical+" already (case makes no difference)")
		default:
			physical[lower] = true
			c.Index = len(e.Columns)
			e.Columns = append(e.Columns, c)
			e.byName[c.Name] = c
		}
	}
	add(d.at, &Column{Name: "id", Physical: "id", Type: String, Role: RoleID, Required: true, Unique: true})
	add(d.at, &Column{Name: "_version", Physical: "_version", Type: Integer, Role: RoleVersion, Required: true})
	p.dropManaged(d)
	for _, f := range e.Fields {
		c := &Column{
			Name: f.Name, Physical: f.Name, Type: f.Type, Field: f,
			Hidden: f.Hidden, Required: f.Required, Unique: f.Unique,
		}
		at := child(d.at+".fields", f.Name)
		if f.Name == e.Discriminator {
			c.Role = RoleDiscriminator
			p.declaredDiscriminator(d, f, at)
		}
		add(at, c)
	}
	for _, r := range d.relations {
		if r.Type == ManyToOne || r.Type == OneToOne {
			if r.JoinColumn == "" {
				r.JoinColumn = r.Name
			}
			r.Column = &Column{
				Name: r.Name, Physical: r.JoinColumn, Type: String, Role: RoleReference, Relation: r.Relation,
				Required: r.Required, Unique: r.Type == OneToOne,
			}
			p.onDelete(r)
			add(r.at, r.Column)
			r.Target.Inbound = append(r.Target.Inbound, r.Relation)
		} else if e.byName[r.Name] != nil {
			p.no(r.at, "the record has a member "+r.Name+" already")
		}
		e.byRel[r.Name] = r.Relation
	}
	date := func(name string, role Role) {
		if r := e.byRel[name]; r != nil && r.Column == nil {
			p.no(child(d.at+".relations", name), "the record has a member "+name+" already")
		}
		add(d.at, &Column{Name: name, Physical: name, Type: Date, Role: role})
	}
	if e.Timestamps {
		date("createdAt", RoleCreatedAt)
		date("updatedAt", RoleUpdatedAt)
	}
	if e.SoftDelete {
		date("deletedAt", RoleDeletedAt)
	}
	if c := e.byName[e.Discriminator]; e.Discriminator != "" && (c == nil || c.Role != RoleDiscriminator) {
		add(d.at+".discriminator", &Column{
			Name: e.Discriminator, Physical: e.Discriminator, Type: String, Role: RoleDiscriminator, Hidden: true, Required: true,
		})
	}
}

// dropManaged takes out declared createdAt, updatedAt and deletedAt where the
// service manages them: files that declare them as well are common.
func (p *parser) dropManaged(d *draft) {
	for name, m := range d.managed {
		if name == "deletedAt" && !d.SoftDelete || name != "deletedAt" && !d.Timestamps {
			continue
		}
		if m.field.Type != Date {
			p.no(m.at, name+" is managed by the service here; it can only be declared as a date")
		}
		kept := d.Fields[:0]
		for _, f := range d.Fields {
			if f != m.field {
				kept = append(kept, f)
			}
		}
		d.Fields = kept
	}
}

func (p *parser) declaredDiscriminator(d *draft, f *Field, at string) {
	switch {
	case f.Type != String && f.Type != Text && f.Type != Enum:
		p.no(at, "a discriminator is of type string or enum")
	case f.Unique:
		p.no(at+".unique", "a discriminator cannot be unique")
	default:
		if reason := f.Check(TextOf(d.DiscriminatorValue)); reason != "" {
			p.no(d.at+".discriminatorValue", reason)
		}
	}
}

func (p *parser) onDelete(r *relationDraft) {
	switch {
	case r.OnDelete == 0 && r.Required, r.OnDelete == SetNull && r.Required:
		r.OnDelete = Restrict // what a NOT NULL column makes of set-null
	case r.OnDelete == 0:
		r.OnDelete = SetNull
	}
}

// members lays out a record's keys.
func (d *draft) members() {
	e := d.Entity
	seen := map[string]bool{}
	add := func(m Member) {
		if (m.Column == nil || !m.Column.Hidden) && !seen[m.Name] {
			seen[m.Name] = true
			e.Members = append(e.Members, m)
		}
	}
	last := len(e.Columns)
	for i, c := range e.Columns {
		if c.Role == RoleCreatedAt || c.Role == RoleUpdatedAt || c.Role == RoleDeletedAt {
			last = i
			break
		}
		if c.Role != RoleReference {
			add(Member{Name: c.Name, Column: c})
		}
	}
	for _, r := range e.Relations {
		add(Member{Name: r.Name, Column: r.Column, Relation: r})
	}
	for _, c := range e.Columns[last:] {
		add(Member{Name: c.Name, Column: c})
	}
}

func (p *parser) selects(d *draft) {
	for _, r := range d.relations {
		for _, name := range r.Select {
			if c := r.Target.byName[name]; c == nil || c.Hidden {
				p.no(r.at+".select", r.Target.Name+" has no readable field "+string(AppendString(nil, name)))
			}
		}
	}
}

// shared holds the entities of one collection to one idea of its columns, and
// to different discriminator values.
func (p *parser) shared() {
	type owned struct {
		*Column
		of *draft
	}
	tables := map[string]map[string]owned{}
	values := map[string]*draft{}
	for _, d := range p.drafts {
		if d.Discriminator == "" || d.broken {
			continue
		}
		if o := values[d.Collection+"\x00"+d.DiscriminatorValue]; o != nil {
			p.no(d.at+".discriminatorValue", o.Name+" has this value too")
		}
		values[d.Collection+"\x00"+d.DiscriminatorValue] = d
		table := tables[d.Collection]
		if table == nil {
			table = map[string]owned{}
			tables[d.Collection] = table
		}
		for _, c := range d.Columns {
			o, taken := table[strings.ToLower(c.Physical)]
			switch {
			case !taken:
				table[strings.ToLower(c.Physical)] = owned{c, d}
			case o.Physical != c.Physical || o.Type != c.Type || o.Unique != c.Unique || (o.Relation == nil) != (c.Relation == nil):
				p.no(d.at, "the column "+c.Physical+" is another one in "+o.of.Name+", which shares the collection")
			}
		}
	}
}
