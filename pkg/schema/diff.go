package schema

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
)

// Class says what applying a Difference does to stored data.
type Class uint8

// The classes, in order of danger.
const (
	// Safe changes touch no stored record.
	Safe Class = iota + 1
	// Backfill changes need stored records to be filled or moved, or to be
	// found fitting (no value missing, none twice, none out of bounds).
	Backfill
	// Destructive changes lose stored data, or cannot convert all of it.
	Destructive
)

var classNames = [...]string{Safe: "safe", Backfill: "backfill", Destructive: "destructive"}

// String returns safe, backfill or destructive.
func (c Class) String() string { return nameOf(classNames[:], int(c)) }

// MarshalText writes the class's name.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the class's name.
func (c *Class) UnmarshalText(b []byte) error {
	for i, name := range classNames {
		if name != "" && name == string(b) {
			*c = Class(i)
			return nil
		}
	}
	return fault.New(fault.ValidationError, "a class is safe, backfill or destructive")
}

// DifferenceType names what differs, with Octonet's words and those that it
// lacks (relations).
type DifferenceType string

// The differences.
const (
	AddEntity           DifferenceType = "addEntity"
	RemoveEntity        DifferenceType = "removeEntity"
	RenameCollection    DifferenceType = "renameCollection"
	AddField            DifferenceType = "addField"
	RemoveField         DifferenceType = "removeField"
	AlterField          DifferenceType = "alterField"
	AddIndex            DifferenceType = "addIndex"
	RemoveIndex         DifferenceType = "removeIndex"
	AddTimestamps       DifferenceType = "addTimestamps"
	RemoveTimestamps    DifferenceType = "removeTimestamps"
	AddSoftDelete       DifferenceType = "addSoftDelete"
	RemoveSoftDelete    DifferenceType = "removeSoftDelete"
	AddDiscriminator    DifferenceType = "addDiscriminator"
	RemoveDiscriminator DifferenceType = "removeDiscriminator"
	AddRelation         DifferenceType = "addRelation"
	RemoveRelation      DifferenceType = "removeRelation"
	AlterRelation       DifferenceType = "alterRelation"
)

// Difference is one step from one catalog to another.
type Difference struct {
	Type   DifferenceType `json:"type"`
	Class  Class          `json:"class"`
	Entity string         `json:"entity"`
	Field  string         `json:"field,omitempty"` // the field, relation or index
	Detail string         `json:"detail"`          // for people: what was, what will be

	Old, New           *Entity   `json:"-"` // both sides, nil where there is none
	OldColumn          *Column   `json:"-"` // of a field or stored relation
	NewColumn          *Column   `json:"-"`
	OldIndex, NewIndex *Index    `json:"-"`
	OldLink, NewLink   *Relation `json:"-"` // of a relation
}

// Diff lists the steps from old to new, entity by entity in new's order, then
// the removed ones. Entities are told apart by name. A different order of
// fields, which changes the version and the records' look only, is no step.
func Diff(old, new *Catalog) []Difference {
	var d differ
	before := map[string]*Entity{}
	for _, e := range old.Entities {
		before[e.Name] = e
	}
	for _, e := range new.Entities {
		d.old, d.new = before[e.Name], e
		delete(before, e.Name)
		if d.old == nil {
			d.add(Difference{Type: AddEntity, Class: Safe, Detail: "in the collection " + e.Collection})
			continue
		}
		d.entity()
	}
	for _, e := range old.Entities {
		if before[e.Name] != nil {
			d.old, d.new = e, nil
			d.add(Difference{Type: RemoveEntity, Class: Destructive, Detail: "from the collection " + e.Collection})
		}
	}
	return d.list
}

// Count returns how many differences there are of each class.
func Count(list []Difference) (safe, backfill, destructive int) {
	for _, d := range list {
		switch d.Class {
		case Safe:
			safe++
		case Backfill:
			backfill++
		case Destructive:
			destructive++
		}
	}
	return safe, backfill, destructive
}

type differ struct {
	old, new *Entity
	list     []Difference
}

func (d *differ) add(x Difference) {
	x.Old, x.New = d.old, d.new
	if d.new != nil {
		x.Entity = d.new.Name
	} else {
		x.Entity = d.old.Name
	}
	d.list = append(d.list, x)
}

func (d *differ) entity() {
	if d.old.Collection != d.new.Collection {
		d.add(Difference{Type: RenameCollection, Class: Backfill, Detail: d.old.Collection + " -> " + d.new.Collection})
	}
	d.pair(d.old.Discriminator != "", d.new.Discriminator != "", d.discriminator(),
		Difference{Type: AddDiscriminator, Class: Backfill, Detail: d.new.Discriminator + " = " + d.new.DiscriminatorValue},
		Difference{Type: RemoveDiscriminator, Class: Destructive, Detail: d.old.Discriminator + " = " + d.old.DiscriminatorValue})
	d.fields()
	d.relations()
	d.pair(d.old.Timestamps, d.new.Timestamps, false,
		Difference{Type: AddTimestamps, Class: Backfill, Detail: "createdAt and updatedAt of the stored records are unknown"},
		Difference{Type: RemoveTimestamps, Class: Destructive, Detail: "createdAt and updatedAt go"})
	d.pair(d.old.SoftDelete, d.new.SoftDelete, false,
		Difference{Type: AddSoftDelete, Class: Safe, Detail: "deletedAt comes"},
		Difference{Type: RemoveSoftDelete, Class: Destructive, Detail: "deletedAt goes; deleted records would come back"})
	d.indexes()
}

func (d *differ) discriminator() (changed bool) {
	return d.old.Discriminator != "" && d.new.Discriminator != "" &&
		(d.old.Discriminator != d.new.Discriminator || d.old.DiscriminatorValue != d.new.DiscriminatorValue)
}

// pair notes that something went, came, or changed (went and came).
func (d *differ) pair(was, is, changed bool, added, removed Difference) {
	if was && !is || changed {
		d.add(removed)
	}
	if is && !was || changed {
		d.add(added)
	}
}

func (d *differ) indexes() {
	before := map[string][]*Index{}
	for _, x := range d.old.Indexes {
		key := indexText(x)
		before[key] = append(before[key], x)
	}
	for _, x := range d.new.Indexes {
		key := indexText(x)
		if same := before[key]; len(same) > 0 {
			before[key] = same[1:]
			continue
		}
		class := Safe
		if x.Unique {
			class = Backfill
		}
		d.add(Difference{Type: AddIndex, Class: class, Field: x.Name, Detail: key, NewIndex: x})
	}
	for _, x := range d.old.Indexes {
		key := indexText(x)
		for _, gone := range before[key] {
			if gone == x {
				d.add(Difference{Type: RemoveIndex, Class: Safe, Field: x.Name, Detail: key, OldIndex: x})
			}
		}
	}
}

// indexText says what an index is; its name, which counts, is no part of it.
func indexText(x *Index) string {
	var parts []string
	for _, k := range x.Keys {
		switch {
		case k.Text:
			parts = append(parts, k.Column.Name+" text")
		case k.Desc:
			parts = append(parts, k.Column.Name+" desc")
		default:
			parts = append(parts, k.Column.Name+" asc")
		}
	}
	s := strings.Join(parts, ", ")
	if x.Unique {
		s += ", unique"
	}
	if x.Sparse {
		s += ", sparse"
	}
	return s
}
