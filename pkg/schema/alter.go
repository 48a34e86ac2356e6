package schema

import (
	"slices"
	"strconv"
)

func (d *differ) fields() {
	for _, f := range d.new.Fields {
		o := fieldOf(d.old.Fields, f.Name)
		if o != nil {
			d.field(o, f)
			continue
		}
		class := Safe
		if f.Required || f.Default != nil {
			class = Backfill
		}
		d.add(Difference{Type: AddField, Class: class, Field: f.Name, Detail: f.Type.String() + must(f.Required), NewColumn: d.new.byName[f.Name]})
	}
	for _, o := range d.old.Fields {
		if fieldOf(d.new.Fields, o.Name) == nil {
			d.add(Difference{Type: RemoveField, Class: Destructive, Field: o.Name, Detail: o.Type.String(), OldColumn: d.old.byName[o.Name]})
		}
	}
}

func must(required bool) string {
	if required {
		return ", required"
	}
	return ""
}

// change is one attribute of a field or relation on both sides.
type change struct {
	what     string
	old, new string
	class    Class
}

func (d *differ) field(o, n *Field) {
	elementClass := Destructive
	if n.ArrayOf == nil {
		elementClass = Safe
	}
	for _, c := range []change{
		{"type", o.Type.String(), n.Type.String(), retype(o.Type, n.Type)},
		{"required", truth(o.Required), truth(n.Required), tighter(n.Required)},
		{"unique", truth(o.Unique), truth(n.Unique), tighter(n.Unique)},
		{"sparse", truth(o.Sparse), truth(n.Sparse), tighter(!n.Sparse)},
		{"hidden", truth(o.Hidden), truth(n.Hidden), Safe},
		{"enum", quoted(o.Enum), quoted(n.Enum), tighter(narrower(o.Enum, n.Enum))},
		{"arrayOf", element(o.ArrayOf), element(n.ArrayOf), elementClass},
		{"maxLength", strconv.Itoa(o.MaxLength), strconv.Itoa(n.MaxLength), tighter(n.MaxLength > 0 && (o.MaxLength == 0 || n.MaxLength < o.MaxLength))},
		{"min", bound(o.Min), bound(n.Min), tighter(n.Min != nil && (o.Min == nil || *n.Min > *o.Min))},
		{"max", bound(o.Max), bound(n.Max), tighter(n.Max != nil && (o.Max == nil || *n.Max < *o.Max))},
		{"pattern", o.Pattern, n.Pattern, tighter(n.Pattern != "")},
		{"default", preset(o.Default), preset(n.Default), Safe},
		{"lowercase", truth(o.Lowercase), truth(n.Lowercase), Safe},
		{"trim", truth(o.Trim), truth(n.Trim), Safe},
		{"description", o.Description, n.Description, Safe},
	} {
		// A long enum is shown in part: compare it whole.
		if c.old == c.new && (c.what != "enum" || slices.Equal(o.Enum, n.Enum)) {
			continue
		}
		d.add(Difference{
			Type: AlterField, Class: c.class, Field: n.Name, Detail: c.what + ": " + shown(c.old) + " -> " + shown(c.new),
			OldColumn: d.old.byName[o.Name], NewColumn: d.new.byName[n.Name],
		})
	}
}

func (d *differ) relations() {
	for _, r := range d.new.Relations {
		o := d.old.byRel[r.Name]
		if o != nil {
			d.relation(o, r)
			continue
		}
		class := Safe
		if r.Stored() && r.Required {
			class = Backfill
		}
		d.add(Difference{Type: AddRelation, Class: class, Field: r.Name, Detail: r.Type.String() + " " + r.Target.Name + must(r.Required), NewColumn: r.Column, NewLink: r})
	}
	for _, o := range d.old.Relations {
		if d.new.byRel[o.Name] != nil {
			continue
		}
		class := Destructive
		if o.Type == OneToMany {
			class = Safe
		}
		d.add(Difference{Type: RemoveRelation, Class: class, Field: o.Name, Detail: o.Type.String() + " " + o.Target.Name, OldColumn: o.Column, OldLink: o})
	}
}

func (d *differ) relation(o, n *Relation) {
	kind := Destructive
	switch {
	case o.Stored() && n.Stored():
		kind = tighter(n.Type == OneToOne)
	case o.Type == OneToMany && n.Type == ManyToMany:
		kind = Safe
	}
	target := Destructive
	if o.Type == OneToMany {
		target = Safe
	}
	for _, c := range []change{
		{"type", o.Type.String(), n.Type.String(), kind},
		{"target", o.Target.Name, n.Target.Name, target},
		{"required", truth(o.Required), truth(n.Required), tighter(n.Required && n.Stored())},
		{"joinColumn", o.JoinColumn, n.JoinColumn, tighter(o.Stored() && n.Stored())},
		{"through", o.Through, n.Through, tighter(o.Through != "" && n.Through != "")},
		{"junction columns", o.OwnerKey + ", " + o.TargetKey, n.OwnerKey + ", " + n.TargetKey, tighter(o.Through != "" && n.Through != "")},
		{"mappedBy", o.MappedBy, n.MappedBy, Safe},
		{"onDelete", o.OnDelete.String(), n.OnDelete.String(), Safe},
		{"select", quoted(o.Select), quoted(n.Select), Safe},
		{"fetch", truth(o.Eager), truth(n.Eager), Safe},
	} {
		if c.old == c.new {
			continue
		}
		d.add(Difference{
			Type: AlterRelation, Class: c.class, Field: n.Name, Detail: c.what + ": " + shown(c.old) + " -> " + shown(c.new),
			OldColumn: o.Column, NewColumn: n.Column, OldLink: o, NewLink: n,
		})
	}
}

// retype classifies a change of type. Texts of one kind stay as they are;
// numbers that get wider need to be rewritten; the rest may not convert.
func retype(o, n Type) Class {
	switch {
	case o.Kind() == n.Kind() && (n == String || n == Text || o.Kind() == KindFloat || n == JSON):
		return Safe
	case o.Kind() == n.Kind():
		return Backfill
	case o == Integer && n.Kind() == KindDecimal, o == Integer && n.Kind() == KindFloat:
		return Backfill
	}
	return Destructive
}

func tighter(b bool) Class {
	if b {
		return Backfill
	}
	return Safe
}

// narrower reports whether the new enum lacks a value that was allowed.
func narrower(o, n []string) bool {
	if n == nil {
		return false
	}
	return o == nil || slices.ContainsFunc(o, func(s string) bool { return !slices.Contains(n, s) })
}

func truth(b bool) string { return strconv.FormatBool(b) }

func bound(f *float64) string {
	if f == nil {
		return ""
	}
	return string(AppendFloat(nil, *f))
}

func preset(p *Default) string {
	switch {
	case p == nil:
		return ""
	case p.Now:
		return "now"
	}
	return string(p.Value.AppendJSON(nil))
}

func element(e *Element) string {
	w := &writer{b: []byte{'{'}}
	w.element(e)
	return string(w.b[1:])
}

func shown(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
