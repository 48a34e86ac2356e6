package sdl

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// root writes a field of a root type. args has the placeholders of selects.
func (b *builder) root(of, name, args, result string, r Root) {
	name = b.roots[of].take(name)
	if r.Entity != nil {
		args = b.selects(r.Entity, args)
	} else {
		args = strings.ReplaceAll(args, "%[1]s", b.helper["JSON"])
	}
	if args != "" {
		args = "(" + args + ")"
	}
	b.f("  %s%s: %s\n", name, args, result)
	b.out.Roots[of+"."+name] = &r
}

const (
	argsMatch  = "filter: %[1]s, where: %[2]s"
	argsOrder  = ", sort: %[1]s, orderBy: [%[3]s!]"
	argsCut    = ", limit: Int, skip: Int, first: Int, after: String"
	argsShow   = ", relations: [String!], select: [String!], exclude: [String!]"
	argDeleted = ", includeDeleted: Boolean"
)

func (b *builder) query(subgraph bool) {
	b.f("type Query {\n")
	if b.view.Read {
		// Octonet's names first: what comes later gives way.
		for _, e := range b.catalog.Entities {
			b.reads(e)
		}
		for _, e := range b.catalog.Entities {
			args := argsMatch + argsOrder + strings.Replace(argsCut, ", limit: Int", "", 1) + deleted(e)
			b.root("Query", lower(e.Name)+"sPage", args, b.derived(e, "Page")+"!", Root{Shape: Page, Op: "findAll", Entity: e})
			b.root("Query", lower(e.Name)+"sConnection", args, b.derived(e, "Connection")+"!", Root{Shape: Connection, Op: "findAll", Entity: e})
			b.root("Query", lower(e.Name)+"Aggregate", "stages: %[1]s!"+deleted(e), "["+b.helper["JSON"]+"!]", Root{Shape: Plain, Op: "aggregate", Entity: e})
		}
		b.root("Query", "_changes", "position: String!, limit: Int", "["+b.helper["JSON"]+"!]", Root{Shape: Plain, Op: "changes"})
		b.root("Query", "_catalog", "", b.helper["JSON"], Root{Shape: Plain, Op: "catalog"})
	}
	if subgraph {
		if !b.view.Read {
			b.f("  _none: Boolean\n")
		}
		b.f("}\n\n")
		return
	}
	b.root("Query", "_service", "", b.helper["_Service"]+"!", Root{Shape: SDL})
	if b.view.Read && len(b.catalog.Entities) > 0 {
		b.root("Query", "_entities", "representations: ["+b.helper["_Any"]+"!]!", "["+b.helper["_Entity"]+"]!", Root{Shape: Refs})
	}
	b.f("}\n\n%s\ntype %s { sdl: String! }\n\n", quote("What a federation gateway asks a subgraph for."), b.helper["_Service"])
	if b.view.Read && len(b.catalog.Entities) > 0 {
		b.f("scalar %s\n\nunion %s =", b.helper["_Any"], b.helper["_Entity"])
		for _, e := range b.catalog.Entities {
			b.f(" | %s", b.object[e])
		}
		b.f("\n\n")
	}
}

// deleted is the argument of entities whose records can be deleted softly.
func deleted(e *schema.Entity) string {
	if e.SoftDelete {
		return argDeleted
	}
	return ""
}

func (b *builder) reads(e *schema.Entity) {
	lc, list, one := lower(e.Name), "["+b.object[e]+"!]", b.object[e]
	b.root("Query", lc+"s", argsMatch+argsOrder+argsCut+argsShow+deleted(e), list, Root{Shape: Records, Op: "findAll", Entity: e})
	b.root("Query", lc, "id: ID!"+argsShow+deleted(e), one, Root{Shape: Record, Op: "findById", Entity: e})
	b.root("Query", lc+"One", argsMatch+argsOrder+argsShow+deleted(e), one, Root{Shape: Record, Op: "findOne", Entity: e})
	b.root("Query", lc+"Count", argsMatch+deleted(e), "Int", Root{Shape: Plain, Op: "count", Entity: e})
	b.root("Query", lc+"Search", "query: String!, fields: [String!]"+argsOrder+argsCut+argsShow+deleted(e), list, Root{Shape: Records, Op: "search", Entity: e})
}

func (b *builder) mutation() {
	if !b.view.Write {
		return
	}
	b.f("type Mutation {\n")
	const version = ", expectedVersion: Int"
	for _, e := range b.catalog.Entities {
		one, input, patch := b.object[e], b.derived(e, "Input"), b.derived(e, "Patch")
		add := func(name, args, result string, shape Shape, op string) {
			b.root("Mutation", name, args, result, Root{Shape: shape, Op: op, Entity: e})
		}
		add("create"+e.Name, "input: "+input+"!", one, Record, "create")
		add("update"+e.Name, "id: ID!, input: "+patch+"!"+version, one, Record, "update")
		add("delete"+e.Name, "id: ID!"+version, "Boolean", Plain, "delete")
		add("upsert"+e.Name, argsMatch+", input: "+patch+"!", one, Record, "upsert")
		add("deleteMany"+e.Name+"s", argsMatch, "Int", Plain, "deleteMany")
		add("updateMany"+e.Name+"s", argsMatch+", input: "+patch+"!", "Int", Touched, "updateMany")
		add("addToSet"+e.Name, "id: ID!, field: String!, value: %[1]s"+version, one, Record, "addToSet")
		add("pull"+e.Name, "id: ID!, field: String!, value: %[1]s"+version, one, Record, "pull")
		add("increment"+e.Name, "id: ID!, field: String!, amount: Float!"+version, one, Record, "increment")
	}
	b.describe("  ", "Operations that are done all or none; {\"$ref\": n} stands for the id that operation n made.")
	b.root("Mutation", "_transaction", "operations: %[1]s!", "["+b.helper["JSON"]+"]", Root{Shape: Plain, Op: "transaction"})
	b.f("}\n\n")
}

func (b *builder) subscription() {
	if !b.view.Read || len(b.catalog.Entities) == 0 {
		return
	}
	b.f("type Subscription {\n")
	for _, e := range b.catalog.Entities {
		b.root("Subscription", lower(e.Name)+"Changed", argsMatch+", position: String", b.derived(e, "Event")+"!", Root{Shape: Events, Entity: e})
	}
	b.f("}\n\n")
}

// Target is the mesh's name of what a root field asks.
func (r *Root) Target() string {
	if r.Entity == nil {
		return mesh.ProjectEntity
	}
	return r.Entity.Name
}
