package schema

import "strings"

// inverses finds for each one-to-many relation the reference that it reads.
func (p *parser) inverses(d *draft) {
	for _, r := range d.relations {
		if r.Type != OneToMany {
			continue
		}
		if r.Inverse = inverseOf(r.Relation); r.Inverse == nil {
			name := r.MappedBy
			if name == "" {
				name = strings.ToLower(d.Name) + "Id"
			}
			p.no(r.at+".mappedBy", r.Target.Name+" has no many-to-one relation "+name+" with the target "+d.Name)
			continue
		}
		r.MappedBy = r.Inverse.Name
	}
}

// inverseOf looks for the reference by mappedBy (a relation's name or its
// column), else by Octonet's default, <lowercased owner>Id, else takes the only
// one that there is.
func inverseOf(r *Relation) *Relation {
	var back []*Relation
	for _, o := range r.Target.Relations {
		if o.Stored() && (o.Target == r.Owner || o.Target.Collection == r.Owner.Collection) {
			back = append(back, o)
		}
	}
	name := r.MappedBy
	if name == "" {
		name = strings.ToLower(r.Owner.Name) + "Id"
	}
	for _, o := range back {
		if o.Name == name || o.JoinColumn == name {
			return o
		}
	}
	if r.MappedBy == "" && len(back) == 1 {
		return back[0]
	}
	return nil
}

// junctions names the tables of many-to-many relations and their columns. Two
// relations share a table only if they are the two sides of one.
func (p *parser) junctions() {
	tables := map[string]*draft{}
	for _, d := range p.drafts {
		if !d.broken {
			tables[strings.ToLower(d.Collection)] = d
		}
	}
	taken := map[string]*relationDraft{}
	p.eachManyToMany(func(r *relationDraft) {
		if r.MappedBy != "" {
			return
		}
		if r.Through == "" {
			r.Through = strings.ToLower(r.Owner.Name + "_" + r.Name)
		}
		r.OwnerKey, r.TargetKey = strings.ToLower(r.Owner.Name)+"Id", strings.ToLower(r.Target.Name)+"Id"
		if r.Owner == r.Target {
			r.TargetKey = "related" + r.Target.Name + "Id"
		}
		if len(r.Through) > MaxNameLen || len(r.OwnerKey) > MaxNameLen || len(r.TargetKey) > MaxNameLen {
			p.no(r.at+".through", "the junction table or its columns get names of more than 63 characters")
		}
		lower := strings.ToLower(r.Through)
		o := taken[lower]
		switch {
		case tables[lower] != nil:
			p.no(r.at+".through", tables[lower].Name+" has this name as its collection")
		case o == nil:
			taken[lower] = r
		case o.Through != r.Through || o.Owner == o.Target || o.Owner != r.Target || o.Target != r.Owner:
			p.no(r.at+".through", o.Owner.Name+"."+o.Name+" uses this junction table; the other side of one relation names it by mappedBy")
		}
		r.Target.Linked = append(r.Target.Linked, r.Relation)
	})
	p.eachManyToMany(func(r *relationDraft) {
		if r.MappedBy == "" {
			return
		}
		o := r.Target.byRel[r.MappedBy]
		if o == nil || o.Type != ManyToMany || o.Target != r.Owner || o.MappedBy != "" || o == r.Relation {
			p.no(r.at+".mappedBy", r.Target.Name+" has no many-to-many relation "+r.MappedBy+" with the target "+r.Owner.Name+" and a junction table of its own")
			return
		}
		if r.Through != "" && r.Through != o.Through {
			p.no(r.at+".through", "it is "+o.Through+" on the other side")
		}
		r.Through, r.OwnerKey, r.TargetKey = o.Through, o.TargetKey, o.OwnerKey
		r.Target.Linked = append(r.Target.Linked, r.Relation)
	})
}

func (p *parser) eachManyToMany(do func(*relationDraft)) {
	for _, d := range p.drafts {
		for _, r := range d.relations {
			if r.Type == ManyToMany {
				do(r)
			}
		}
	}
}

// compileIndexes resolves the columns of an entity's indexes; counters numbers
// the indexes of each collection, which several entities may share.
func (p *parser) compileIndexes(d *draft, counters map[string]int) {
	for _, x := range d.indexes {
		x.Name = "idx_" + d.Collection + "_" + itoa(counters[d.Collection])
		counters[d.Collection]++
		seen := map[*Column]bool{}
		for _, k := range x.keys {
			c := d.indexable(k.column)
			switch {
			case c == nil && d.byRel[k.column] != nil:
				p.no(k.at, k.column+" is no column: its relation is stored elsewhere")
			case c == nil:
				p.no(k.at, "there is no column "+string(AppendString(nil, k.column)))
			case seen[c]:
				p.no(k.at, "the column stands here twice")
			case k.text && c.Type.Kind() != KindText && c.Type != Array:
				p.no(k.at, "a text index needs a column of text")
			case !k.text && c.Type.Kind() == KindJSON:
				p.no(k.at, "json and array columns cannot be indexed")
			default:
				seen[c] = true
				x.Keys = append(x.Keys, IndexKey{Column: c, Desc: k.desc, Text: k.text})
			}
		}
		d.Indexes = append(d.Indexes, x.Index)
	}
}

// indexable finds a column by record key, else by its name in the database.
func (d *draft) indexable(name string) *Column {
	if c := d.byName[name]; c != nil {
		return c
	}
	for _, c := range d.Columns {
		if c.Physical == name {
			return c
		}
	}
	return nil
}
