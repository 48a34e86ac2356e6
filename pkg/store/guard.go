package store

import (
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// Guard is what a caller may see and change, compiled by access and obeyed by
// the Store for the root entity and for every populated one. A nil Guard
// restricts nothing but hidden fields, which nobody reads.
type Guard interface {
	// Rows restricts the records of e that can be read, or changed; nil = all.
	Rows(e *schema.Entity, class mesh.Class) query.Expr
	// Readable tells whether a column of e may be read, and so also be filtered,
	// sorted, grouped or searched by.
	Readable(c *schema.Column) bool
	// View names the set of readable columns of e; equal sets, equal names. It
	// keys cached plans.
	View(e *schema.Entity) string
	// After checks a record that is about to be stored; before is nil for a new
	// one, after is nil for one that goes. Errors: FORBIDDEN.
	After(e *schema.Entity, before, after schema.Row) error
}
