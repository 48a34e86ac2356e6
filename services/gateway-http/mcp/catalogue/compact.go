package catalogue

import (
	"slices"
	"strings"

	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// Describe is the tool that the gateway answers itself, from the catalog.
const Describe = "describe"

// DefaultRows and MaxRows are how many records a page of the compact catalogue
// has unless asked otherwise, and at most: a model reads them all.
const (
	DefaultRows = 20
	MaxRows     = 100
)

var (
	idArg        = Arg{Name: "id", kind: text, required: true, about: "Id of the record."}
	filterArg    = Arg{Name: "filter", kind: object, about: `Conditions by field, all of which must hold: {"status":"open","price":{"$gte":10}}. Operators: $eq $ne $gt $gte $lt $lte $in $nin $regex $exists; $and, $or, $nor take lists of filters, $not one.`}
	sortArg      = Arg{Name: "sort", kind: ordering, about: `Order: {"price":-1,"title":1}, or "-price,title".`}
	limitArg     = Arg{Name: "limit", kind: whole, about: "Most records to return: 20 unless given, at most 100."}
	skipArg      = Arg{Name: "skip", kind: whole, about: "Records to pass over. Prefer cursor for further pages."}
	cursorArg    = Arg{Name: "cursor", kind: text, about: "metadata.next of the result before, for the page after it; the other arguments stay the same."}
	selectArg    = Arg{Name: "select", kind: names, about: "Only these fields."}
	excludeArg   = Arg{Name: "exclude", kind: names, about: "All fields but these."}
	relationsArg = Arg{Name: "relations", kind: names, about: "Relations to return as whole records instead of ids."}
	deletedArg   = Arg{Name: "includeDeleted", kind: truth, about: "Also soft-deleted records."}
	positionArg  = Arg{Name: "minPosition", kind: text, about: "metadata.position of a write that must be visible."}
	versionArg   = Arg{Name: "expectedVersion", kind: whole, about: "_version that the record must have, else CONFLICT."}
	dataArg      = Arg{Name: "data", kind: object, required: true}
)

func with(a Arg, change func(*Arg)) Arg {
	change(&a)
	return a
}

func about(a Arg, s string) Arg { return with(a, func(a *Arg) { a.about = s }) }

func required(a Arg) Arg { return with(a, func(a *Arg) { a.required = true }) }

func optional(a Arg) Arg { return with(a, func(a *Arg) { a.required = false }) }

// compact are the tools without what depends on the project.
var compact = []Tool{
	{
		Name: Describe, Title: "Describe entities", Class: mesh.Read, Repeatable: true,
		About: "Tells which entities there are; with entity, its fields, types, rules and relations. Call it first.",
	},
	{
		Name: "list", Title: "List records", Op: "findAll", Class: mesh.Read, Repeatable: true,
		About: "Returns the records of an entity that match a filter, in pages.",
		Args:  []Arg{filterArg, sortArg, limitArg, skipArg, cursorArg, selectArg, excludeArg, relationsArg, deletedArg, {Name: "count", kind: truth, about: "Also tell how many match (metadata.total)."}, positionArg},
	},
	{
		Name: "get", Title: "Get one record", Class: mesh.Read, Repeatable: true,
		About: "Returns one record by its id, or the first that matches a filter; null if there is none.",
		Args:  []Arg{optional(idArg), filterArg, sortArg, selectArg, excludeArg, relationsArg, deletedArg, positionArg},
	},
	{
		Name: "search", Title: "Search text", Op: "search", Class: mesh.Read, Repeatable: true,
		About: "Finds the records that contain a text, without regard to case.",
		Args:  []Arg{{Name: "query", kind: text, required: true, about: "The text to look for."}, {Name: "fields", kind: names, to: "searchFields", about: "Fields to look into; all text fields unless given."}, sortArg, limitArg, skipArg, cursorArg, selectArg, excludeArg, relationsArg, deletedArg, positionArg},
	},
	{
		Name: "count", Title: "Count records", Op: "count", Class: mesh.Read, Repeatable: true,
		About: "Tells how many records match a filter.",
		Args:  []Arg{filterArg, deletedArg, positionArg},
	},
	{
		Name: "aggregate", Title: "Group and sum", Op: "aggregate", Class: mesh.Read, Repeatable: true,
		About: "Groups and computes over the records of an entity.",
		Args:  []Arg{{Name: "stages", kind: array, required: true, about: `Stages in order, of $match $group $sort $limit $skip $project: [{"$group":{"_by":"status","n":{"$count":true},"sum":{"$sum":"price"}}},{"$sort":{"n":-1}}]. Also $avg $min $max; _by null is one group of all.`}, deletedArg, positionArg},
	},
	{
		Name: "create", Title: "Create a record", Op: "create", Class: mesh.Write,
		About: "Stores a new record and returns it with its id.",
		Args:  []Arg{about(dataArg, "The record's fields; see describe. An id may be given."), relationsArg},
	},
	{
		Name: "update", Title: "Change a record", Op: "update", Class: mesh.Write, Destructive: true, Repeatable: true,
		About: "Changes the given fields of one record and returns it; null if there is no such record.",
		Args:  []Arg{idArg, about(dataArg, "The fields to change."), versionArg, relationsArg},
	},
	{
		Name: "upsert", Title: "Change or create a record", Op: "upsert", Class: mesh.Write, Destructive: true, Repeatable: true,
		About: "Changes the record that matches the filter, or creates it.",
		Args:  []Arg{required(filterArg), about(dataArg, "The fields to store."), relationsArg},
	},
	{
		Name: "delete", Title: "Delete a record", Op: "delete", Class: mesh.Write, Destructive: true, Repeatable: true,
		About: "Deletes one record; false if there is no such record.",
		Args:  []Arg{idArg, versionArg},
	},
	{
		Name: "modify", Title: "Change a list or a number in place", Class: mesh.Write, Destructive: true,
		About: "Adds a value to a list field or a many-to-many relation, removes it, or adds to a number, without a race with others.",
		Args: []Arg{
			idArg,
			{Name: "action", kind: text, required: true, choices: []string{"addToSet", "pull", "increment"}, about: "addToSet and pull take value, increment takes amount."},
			{Name: "field", kind: text, required: true, about: "The field."},
			{Name: "value", kind: anything, about: "What to add or remove."},
			{Name: "amount", kind: number, about: "What to add to the number."},
			versionArg, relationsArg,
		},
	},
	{
		Name: "update_many", Title: "Change many records", Op: "updateMany", Class: mesh.Write, Destructive: true, Repeatable: true,
		About: "Changes the given fields of every record that matches the filter; {} is every record.",
		Args:  []Arg{required(filterArg), about(dataArg, "The fields to change.")},
	},
	{
		Name: "delete_many", Title: "Delete many records", Op: "deleteMany", Class: mesh.Write, Destructive: true, Repeatable: true,
		About: "Deletes every record that matches the filter; {} is every record. Count first.",
		Args:  []Arg{required(filterArg)},
	},
	{
		Name: "transaction", Title: "Several changes at once", Op: "transaction", Entity: mesh.ProjectEntity, Class: mesh.Write, Destructive: true,
		About: "Makes several changes together: all of them or none.",
		Args:  []Arg{{Name: "operations", kind: array, required: true, about: `Operations in order, at least one: [{"op":"create","entity":"Order","data":{…}},{"op":"update","entity":"Product","id":"p1","data":{…}}]. {"$ref":0} in place of an id is that of the operation with this number.`}},
	},
}

// maxChoices is up to how many entities the argument lists them all.
const maxChoices = 100

// Compact returns the compact catalogue for who may do that much in all projects.
// home is the project of a call that names none; "" if each must name one.
func Compact(all []*gateway.Project, may mesh.View, home string) []*Tool {
	var shared []Arg
	if len(all) > 1 {
		p := Arg{Name: "project", kind: text, required: home == "", about: "The project."}
		if home != "" {
			p.about = "The project; " + home + " unless given."
		}
		for _, of := range all {
			p.choices = append(p.choices, of.Slug)
		}
		shared = append(shared, p)
	}
	var out []*Tool
	for i := range compact {
		t := compact[i]
		if len(all) == 0 || !may.Allows(t.Class) {
			continue
		}
		var args []Arg
		if t.Entity == "" {
			args = append(args, entityArg(all, home, t.Name != Describe))
		}
		t.Args = append(append(args, shared...), t.Args...)
		out = append(out, &t)
	}
	return out
}

// entityArg names the entities of home where they can be named.
func entityArg(all []*gateway.Project, home string, required bool) Arg {
	a := Arg{Name: "entity", kind: text, required: required, about: "Name of the entity; describe lists them."}
	i := slices.IndexFunc(all, func(p *gateway.Project) bool { return p.Slug == home })
	if i < 0 || len(all[i].Catalog.Entities) > maxChoices {
		return a
	}
	var known []string
	for _, e := range all[i].Catalog.Entities {
		switch {
		case e.Description != "":
			known = append(known, e.Name+" ("+brief(e.Description)+")")
		case len(all) > 1:
			known = append(known, e.Name)
		}
		if len(all) == 1 {
			a.choices = append(a.choices, e.Name)
		}
	}
	if len(all) > 1 {
		a.about += " Those of " + home + ":"
	}
	if len(known) > 0 {
		a.about += " " + strings.Join(known, ", ") + "."
	}
	return a
}

// brief is a text of a schema where only a little has room.
func brief(s string) string {
	const most = 80
	s = strings.Join(strings.Fields(s), " ")
	n := 0
	for i := range s {
		if n++; n > most {
			return s[:i] + "…"
		}
	}
	return strings.TrimRight(s, ".")
}
