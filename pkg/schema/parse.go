package schema

import (
	"strconv"

	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/valyala/fastjson"
)

// Parse compiles a schemas.json (an array of entities, or one entity). It names
// every problem that it finds, not the first only. Errors: PARSE_ERROR for what
// is no JSON, VALIDATION_ERROR with details []Problem.
func Parse(src []byte) (*Catalog, error) {
	p := new(parser)
	if err := p.read("$", src); err != nil {
		return nil, err
	}
	return p.finish(src)
}

// parser collects the entities of one or several texts, and what is wrong.
type parser struct {
	problems []Problem
	drafts   []*draft
}

// draft is an entity before its names are resolved.
type draft struct {
	*Entity
	at        string
	broken    bool // its name or collection cannot be used
	managed   map[string]managed
	relations []*relationDraft
	indexes   []*indexDraft
}

// managed is a declared field that the service looks after itself if the entity
// has timestamps or softDelete.
type managed struct {
	at    string
	field *Field
}

type relationDraft struct {
	*Relation
	at       string
	target   string
	nullable *bool
}

type indexDraft struct {
	*Index
	at   string
	keys []keyDraft
}

type keyDraft struct {
	at, column string
	desc, text bool
}

func (p *parser) finish(src []byte) (*Catalog, error) {
	c := p.compile()
	if err := problems("the schemas are not valid", p.problems); err != nil {
		return nil, err
	}
	c.Source = append([]byte(nil), src...)
	c.Version = digest(c)
	return c, nil
}

func (p *parser) no(at, reason string) {
	p.problems = append(p.problems, Problem{Path: at, Reason: reason})
}

// read takes one text's entities in; prefix begins their paths.
func (p *parser) read(prefix string, src []byte) error {
	doc, err := strictjson.Parse(src)
	if err != nil {
		return err
	}
	defer doc.Release()
	switch doc.Root.Type() {
	case fastjson.TypeObject:
		p.entity(prefix, doc.Root)
	case fastjson.TypeArray:
		list, _ := doc.Root.Array()
		if len(p.drafts)+len(list) > MaxEntities {
			p.no(prefix, "there are more than "+strconv.Itoa(MaxEntities)+" entities")
			return nil
		}
		for i, v := range list {
			p.entity(prefix+"["+strconv.Itoa(i)+"]", v)
		}
	default:
		p.no(prefix, expected("an array of entities", doc.Root))
	}
	return nil
}

func (p *parser) entity(at string, v *fastjson.Value) {
	d := &draft{Entity: new(Entity), at: at, managed: map[string]managed{}}
	var relations, indexes *fastjson.Value
	ok := p.object(at, v, func(key, at string, v *fastjson.Value) bool {
		switch key {
		case "name":
			d.Name = p.text(at, v)
		case "collection":
			d.Collection = p.text(at, v)
		case "description":
			d.Description = p.text(at, v)
		case "fields":
			p.fields(d, at, v)
		case "relations":
			relations = v
		case "indexes":
			indexes = v
		case "timestamps":
			d.Timestamps = p.truth(at, v)
		case "softDelete":
			d.SoftDelete = p.truth(at, v)
		case "discriminator":
			d.Discriminator = p.text(at, v)
		case "discriminatorValue":
			d.DiscriminatorValue = p.text(at, v)
		default:
			return false
		}
		return true
	})
	if !ok {
		return
	}
	if relations != nil {
		p.object(at+".relations", relations, func(key, at string, v *fastjson.Value) bool {
			p.relation(d, key, at, v)
			return true
		})
	}
	if indexes != nil {
		p.list(at+".indexes", indexes, func(at string, v *fastjson.Value) { p.index(d, at, v) })
	}
	p.entityNames(d)
	p.drafts = append(p.drafts, d)
}

func (p *parser) entityNames(d *draft) {
	switch {
	case !validName(d.Name, false):
		p.no(d.at+".name", "a name has the form [A-Za-z][A-Za-z0-9]* and at most 63 characters")
		d.broken = true
	case Reserved(d.Name):
		p.no(d.at+".name", "the word "+d.Name+" is reserved")
		d.broken = true
	}
	if !validName(d.Collection, true) {
		p.no(d.at+".collection", "a collection has the form [A-Za-z][A-Za-z0-9_]* and at most 63 characters")
		d.broken = true
	}
	switch {
	case d.Discriminator == "" && d.DiscriminatorValue != "":
		p.no(d.at+".discriminatorValue", "it needs a discriminator")
	case d.Discriminator == "":
	case !validName(d.Discriminator, true):
		p.no(d.at+".discriminator", badMember)
	case d.DiscriminatorValue == "":
		p.no(d.at+".discriminatorValue", "an entity with a discriminator needs a value")
	}
	if n := len(d.Fields) + len(d.relations); n > MaxFields {
		p.no(d.at, "there are more than "+strconv.Itoa(MaxFields)+" fields and relations")
	}
}

const badMember = "a name has the form [A-Za-z][A-Za-z0-9_]* and at most 63 characters"

func (p *parser) relation(d *draft, name, at string, v *fastjson.Value) {
	if !validName(name, true) || name == "id" {
		p.no(at, badMember+"; id is taken")
		return
	}
	r := &relationDraft{Relation: &Relation{Name: name, Owner: d.Entity}, at: at}
	ok := p.object(at, v, func(key, at string, v *fastjson.Value) bool {
		switch key {
		case "target":
			r.target = p.text(at, v)
		case "type":
			r.Type = RelationType(p.choice(at, v, relationNames[:]))
		case "required":
			r.Required = p.truth(at, v)
		case "nullable":
			b := p.truth(at, v)
			r.nullable = &b
		case "select":
			r.Select = p.texts(at, v)
		case "through":
			r.Through = p.name(at, v)
		case "mappedBy":
			r.MappedBy = p.name(at, v)
		case "joinColumn":
			r.JoinColumn = p.name(at, v)
		case "onDelete":
			r.OnDelete = OnDelete(p.choice(at, v, onDeleteNames[:]))
		case "fetch":
			r.Eager = p.choice(at, v, []string{"", "lazy", "eager"}) == 2
		case "cascade", "orphanRemoval", "inverseJoinColumn": // Octonet declares them and no database of it uses them
		default:
			return false
		}
		return true
	})
	if !ok {
		return
	}
	if r.target == "" {
		p.no(at+".target", "a relation needs the name of its target")
	}
	if v.Get("type") == nil {
		p.no(at+".type", "a relation needs one of "+choices(relationNames[:]))
	}
	if r.nullable != nil && *r.nullable && r.Required {
		p.no(at+".nullable", "a required relation is not nullable")
	}
	r.Required = r.Required || r.nullable != nil && !*r.nullable
	r.Nullable = !r.Required
	d.relations = append(d.relations, r)
}

func (p *parser) index(d *draft, at string, v *fastjson.Value) {
	x := &indexDraft{Index: new(Index), at: at}
	ok := p.object(at, v, func(key, at string, v *fastjson.Value) bool {
		switch key {
		case "fields":
			x.keys = p.indexKeys(at, v)
		case "unique":
			x.Unique = p.truth(at, v)
		case "sparse":
			x.Sparse = p.truth(at, v)
		default:
			return false
		}
		return true
	})
	if ok && v.Get("fields") == nil {
		p.no(at+".fields", "an index needs fields")
	}
	d.indexes = append(d.indexes, x)
}

func (p *parser) indexKeys(at string, v *fastjson.Value) (keys []keyDraft) {
	if v.Type() == fastjson.TypeArray {
		p.list(at, v, func(at string, v *fastjson.Value) {
			if name := p.text(at, v); name != "" {
				keys = append(keys, keyDraft{at: at, column: name})
			}
		})
	} else {
		p.object(at, v, func(key, at string, v *fastjson.Value) bool {
			dir := p.choice(at, v, []string{"", "asc", "desc", "text"})
			keys = append(keys, keyDraft{at: at, column: key, desc: dir == 2, text: dir == 3})
			return true
		})
	}
	if len(keys) == 0 && (v.Type() == fastjson.TypeArray || v.Type() == fastjson.TypeObject) {
		p.no(at, "an index needs at least one field")
	}
	return keys
}
