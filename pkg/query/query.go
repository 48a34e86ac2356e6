// Package query is the one query language: filters, sorts, pages and
// aggregations come in as JSON (or from a protocol's own parser), are checked
// against a schema, and become one tree, which a store compiles to its database
// and Eval evaluates in memory.
//
// Logic is two-valued: a comparison with a null value is false, and $ne and
// $nin, as the negations of $eq and $in, are true for it. Null sorts lowest,
// text compares by code point, id is always the last sort key.
package query

import (
	"regexp"

	"github.com/octomesh/octomesh/pkg/schema"
)

// Expr is a node of a filter: And, Or, Not, Const, Compare,
// In, Contains or Regex.
type Expr interface{ expr() }

// And is true when all of its members are; with none it is true.
type And []Expr

// Or is true when one of its members is; with none it is false.
type Or []Expr

// Not negates.
type Not struct{ X Expr }

// Const is true or false.
type Const bool

// CompareOp is the operator of a Compare.
type CompareOp uint8

// The comparison operators. Eq and Ne take null, the others never do.
const (
	Eq CompareOp = iota + 1
	Ne
	Lt
	Lte
	Gt
	Gte
)

// Compare compares a column with a value of the column's kind. JSON and array
// columns know only Eq and Ne, by compact text.
type Compare struct {
	Column *schema.Column
	Op     CompareOp
	Value  schema.Value
}

// In asks whether the column's value is one of the list (Negate: none of it).
// The list may hold null.
type In struct {
	Column *schema.Column
	Values []schema.Value
	Negate bool
}

// Contains asks whether the lower-cased text of one of the columns holds the
// lower-cased needle: op search. Null columns never do.
type Contains struct {
	Columns []*schema.Column
	Needle  string // already lower-cased with Fold
}

// Regex asks whether the column's text matches a pattern.
type Regex struct {
	Column  *schema.Column
	Pattern *Pattern
}

func (And) expr()      {}
func (Or) expr()       {}
func (Not) expr()      {}
func (Const) expr()    {}
func (Compare) expr()  {}
func (In) expr()       {}
func (Contains) expr() {}
func (Regex) expr()    {}

// Order is one sort key.
type Order struct {
	Column *schema.Column
	Desc   bool
}

// Projection is the columns that a read returns, in this order. It is made once
// per (entity, view, selection) and shared: stores key their compiled
// statements by Key.
type Projection struct {
	Columns []*schema.Column
	Key     string
}

// Select is a read of one entity's records. Soft-deleted records are left out
// and the discriminator is applied by the parser, as plain parts of Where.
type Select struct {
	Entity     *schema.Entity
	Projection *Projection
	Where      Expr    // nil = every record
	Sort       []Order // ends with id
	Limit      int     // 0 = no limit
	Skip       int
}

// Pattern is a compiled $regex. The portable subset (literals, ^ $ . .* .+,
// character classes, flag i) is a sequence of atoms that every back end can
// evaluate the same way; anything else is RE2 and has no atoms.
type Pattern struct {
	Source string // as given
	Fold   bool   // flag i: Unicode simple lower case on both sides; Atoms are in lower case
	// Portable tells that Atoms says the same as Source.
	Portable       bool
	AtStart, AtEnd bool // anchored by ^, $
	Atoms          []Atom

	points  []point        // the atoms as Match walks them
	endLoop bool           // they end with .* or .+, and are anchored by $
	plain   bool           // nothing but one literal, in its own case
	re      *regexp.Regexp // of a pattern that is not portable
}

// AtomKind is the form of an Atom.
type AtomKind uint8

// The kinds of atoms.
const (
	AtomLiteral AtomKind = iota // Text
	AtomAny                     // .   any one code point but a line feed
	AtomStar                    // .*
	AtomPlus                    // .+
	AtomClass                   // Ranges, Negate: one code point
)

// Atom is one part of a portable pattern.
type Atom struct {
	Kind   AtomKind
	Text   string
	Ranges []rune // pairs: from, to
	Negate bool
}

// Aggregate is a pipeline over one entity. Each stage sees the columns that the
// stage before it leaves; the first one sees the entity's.
type Aggregate struct {
	Entity *schema.Entity
	Where  Expr // what applies before the first stage: soft delete, discriminator, guard
	Stages []Stage
	// Output is the members of a result row, in order. Result columns that are
	// no columns of the entity are made by Group and Count, with Role
	// RoleField, no Field and a fitting Type.
	Output []*schema.Column
}

// Stage is FilterStage, GroupStage, SortStage, LimitStage, SkipStage,
// ProjectStage or CountStage.
type Stage interface{ stage() }

// FilterStage is $match; behind a GroupStage it works like HAVING.
type FilterStage struct{ Where Expr }

// GroupStage is $group. By is nil for one group of everything, which exists
// even when there are no rows at all.
type GroupStage struct {
	By           *schema.Column
	Accumulators []Accumulator
	// Output is By's result column first (absent when By is nil), then one for
	// each accumulator.
	Output []*schema.Column
}

// SortStage is $sort. Ties are in no promised order unless the keys are unique.
type SortStage []Order

// LimitStage is $limit.
type LimitStage int

// SkipStage is $skip.
type SkipStage int

// ProjectStage is $project: the columns that are kept, in order.
type ProjectStage []*schema.Column

// CountStage is $count: one row with the number of rows.
type CountStage struct{ Output *schema.Column }

func (FilterStage) stage()  {}
func (GroupStage) stage()   {}
func (SortStage) stage()    {}
func (LimitStage) stage()   {}
func (SkipStage) stage()    {}
func (ProjectStage) stage() {}
func (CountStage) stage()   {}

// AccumulatorOp is what an Accumulator computes.
type AccumulatorOp uint8

// The accumulators. Nulls are left out; the sum of nothing is 0, the others of
// nothing are null.
const (
	Sum AccumulatorOp = iota + 1
	Count
	Avg
	Min
	Max
)

// Accumulator is one computed member of a group.
type Accumulator struct {
	Op AccumulatorOp
	// Column is the input; nil for Count, and for a Sum of Constant per row.
	Column   *schema.Column
	Constant float64
}
