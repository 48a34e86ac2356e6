package procedure

import (
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
)

// Procedures calls f for every procedure of a project that a view may use: each
// operation of each entity, then those of the project itself, for which e is
// nil.
func Procedures(p *gateway.Project, v mesh.View, f func(e *schema.Entity, op *mesh.Op)) {
	for _, e := range p.Catalog.Entities {
		for _, op := range mesh.Ops {
			if !op.Project && v.Allows(op.Class) {
				f(e, op)
			}
		}
	}
	for _, op := range mesh.Ops {
		if op.Project && v.Allows(op.Class) {
			f(nil, op)
		}
	}
}

// NameOf is a procedure's name.
func NameOf(e *schema.Entity, op *mesh.Op) string {
	if e == nil {
		return mesh.ProjectEntity + "." + op.Name
	}
	return e.Name + "." + op.Name
}

// Summary says in a few words what an operation does.
func Summary(op *mesh.Op) string { return summaries[op.Name] }

var summaries = map[string]string{
	"findAll": "A page of records", "findOne": "The first record that matches", "findById": "One record", "count": "How many records match",
	"search": "Records whose texts hold the query", "aggregate": "Groups and figures", "create": "Make a record", "update": "Change the named members of a record",
	"delete": "Delete a record", "upsert": "Change the record that matches, or make one", "updateMany": "Change all records that match",
	"deleteMany": "Delete all records that match", "addToSet": "Add a value to an array, or a link to a relation", "pull": "Take a value out of an array, or a link out of a relation",
	"increment": "Add to a number", "stream": "All records that match, of any number", "transaction": "Several operations, all or none",
	"changes": "The change log after a position", "catalog": "The project's schemas", "export": "All records of one moment", "restore": "Store lines of an export, all or none",
}

// Members are the arguments of an operation by their names, those that it must
// have first, as docs/query.md has them.
func Members(op *mesh.Op) []string {
	read := []string{"select", "exclude", "relations", "includeDeleted", "minPosition"}
	page := append([]string{"sort", "limit", "skip", "cursor", "cursors", "count"}, read...)
	one := []string{"expectedVersion", "relations", "idempotencyKey"}
	switch op.Name {
	case "findAll", "findOne", "stream":
		return append([]string{"filter"}, page...)
	case "findById":
		return append([]string{"id"}, read...)
	case "count":
		return []string{"filter", "includeDeleted", "minPosition"}
	case "search":
		return append([]string{"query", "searchFields"}, page...)
	case "aggregate":
		return []string{"stages", "includeDeleted", "minPosition"}
	case "create":
		return []string{"data", "relations", "idempotencyKey"}
	case "update":
		return append([]string{"id", "data"}, one...)
	case "delete":
		return []string{"id", "expectedVersion", "idempotencyKey"}
	case "upsert":
		return []string{"filter", "data", "relations", "idempotencyKey"}
	case "updateMany":
		return []string{"filter", "data", "idempotencyKey"}
	case "deleteMany":
		return []string{"filter", "idempotencyKey"}
	case "addToSet", "pull":
		return append([]string{"id", "field", "value"}, one...)
	case "increment":
		return append([]string{"id", "field", "amount"}, one...)
	case "transaction":
		return []string{"operations", "idempotencyKey"}
	case "changes":
		return []string{"position", "limit"}
	case "restore":
		return []string{"records", "idempotencyKey"}
	}
	return nil
}

// Needs reports whether an operation must have the argument.
func Needs(op *mesh.Op, member string) bool {
	for _, n := range op.Needs {
		if n.Member == member {
			return true
		}
	}
	return false
}
