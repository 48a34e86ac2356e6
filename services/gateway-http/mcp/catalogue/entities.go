package catalogue

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// perEntity are Octonet's tools for one entity, by their operation, with its
// argument names. What JSON they take may be text or the thing itself.
var perEntity = []Tool{
	{Op: "findAll", About: "Lists {} records that match a filter.", Args: []Arg{filterArg, sortArg, about(limitArg, "Most records to return."), skipArg}},
	{Op: "findById", About: "Returns one {} record by its id, or null.", Args: []Arg{idArg}},
	{Op: "create", About: "Stores a new {} record.", Args: []Arg{dataArg}},
	{Op: "update", About: "Changes the given fields of one {} record.", Args: []Arg{idArg, dataArg}},
	{Op: "delete", About: "Deletes one {} record.", Args: []Arg{idArg}},
	{Op: "count", About: "Counts the {} records that match a filter.", Args: []Arg{filterArg}},
	{Op: "findOne", About: "Returns the first {} record that matches a filter, or null.", Args: []Arg{required(filterArg), relationsArg}},
	{Op: "search", About: "Finds {} records that contain a text.", Args: []Arg{{Name: "query", kind: text, required: true, about: "The text to look for."}, {Name: "fields", kind: names, to: "searchFields", about: "Fields to look into."}, about(limitArg, "Most records to return.")}},
	{Op: "upsert", About: "Changes the {} record that matches the filter, or creates it.", Args: []Arg{required(filterArg), dataArg}},
	{Op: "deleteMany", About: "Deletes every {} record that matches the filter.", Args: []Arg{required(filterArg)}},
	{Op: "updateMany", About: "Changes every {} record that matches the filter.", Args: []Arg{required(filterArg), dataArg}},
	{Op: "aggregate", About: "Groups and computes over {} records.", Args: []Arg{{Name: "stages", kind: array, required: true, about: `Stages in order, of $match $group $sort $limit $skip $project.`}}},
	{Op: "addToSet", About: "Adds a value to a list field of one {} record.", Args: []Arg{idArg, fieldArg, valueArg}},
	{Op: "pull", About: "Removes a value from a list field of one {} record.", Args: []Arg{idArg, fieldArg, valueArg}},
	{Op: "increment", About: "Adds to a number field of one {} record.", Args: []Arg{idArg, fieldArg, {Name: "amount", kind: number, required: true, about: "What to add."}}},
}

var (
	fieldArg = Arg{Name: "field", kind: text, required: true, about: "The field."}
	valueArg = Arg{Name: "value", kind: anything, required: true, about: "The value, or its JSON text."}
)

// extra are arguments that Octonet lacks, by class: what every other door has.
var extra = map[mesh.Class][]Arg{
	mesh.Read:  {selectArg, excludeArg, relationsArg, deletedArg, positionArg},
	mesh.Write: {relationsArg, versionArg},
}

// PerEntity returns Octonet's catalogue for who may do that much in all projects.
// Tools of the project that needs no name are called <Entity>_<op>, those of
// others <project>_<Entity>_<op>.
func PerEntity(all []*gateway.Project, may mesh.View, home string) []*Tool {
	var out []*Tool
	for _, p := range all {
		prefix := ""
		if p.Slug != home && len(all) > 1 {
			prefix = p.Slug + "_"
		}
		for _, e := range p.Catalog.Entities {
			for i := range perEntity {
				t := perEntity[i]
				op := mesh.LookupOp("", t.Op)
				if !may.Allows(op.Class) {
					continue
				}
				t.Octonet, t.Class, t.Project, t.Entity = true, op.Class, p.Slug, e.Name
				t.Name = prefix + e.Name + "_" + t.Op
				t.Title = e.Name + " " + t.Op
				t.Destructive, t.Repeatable = habits(op)
				t.About = strings.Replace(t.About, "{}", e.Name, 1)
				if e.Description != "" {
					t.About += " " + e.Name + ": " + brief(e.Description) + "."
				}
				t.Args = describeData(e, extend(t.Args, &t))
				out = append(out, &t)
			}
		}
	}
	return out
}

func habits(op *mesh.Op) (destructive, repeatable bool) {
	switch op.Name {
	case "create":
		return false, false
	case "increment":
		return true, false
	}
	return op.Class != mesh.Read, true
}

// extend adds the arguments that Octonet lacks, where the operation knows them.
func extend(args []Arg, t *Tool) []Arg {
	out := append([]Arg(nil), args...)
	for _, a := range extra[t.Class] {
		switch {
		case a.Name == "expectedVersion" && t.Op != "update" && t.Op != "delete" && t.Op != "addToSet" && t.Op != "pull" && t.Op != "increment",
			a.Name == "relations" && (t.Op == "delete" || t.Op == "deleteMany" || t.Op == "updateMany"),
			(t.Op == "count" || t.Op == "aggregate") && a.Name != "includeDeleted" && a.Name != "minPosition",
			(&Tool{Args: out}).arg(a.Name) != nil:
			continue
		}
		out = append(out, a)
	}
	if t.Op == "findAll" || t.Op == "search" {
		out = append(out, cursorArg)
	}
	return out
}

// describeData tells in the argument data what a record may hold.
func describeData(e *schema.Entity, args []Arg) []Arg {
	for i := range args {
		if args[i].Name == "data" {
			args[i].about = "An object, or its JSON text. " + e.Name + " has: " + Summary(e) + "."
		}
	}
	return args
}
