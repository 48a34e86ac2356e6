package sqlgen

import "github.com/octomesh/octomesh/pkg/schema"

// Tables is how a database's CREATE and ALTER differ from the plainest form,
// which is the zero value and which SQLite takes.
type Tables struct {
	// Partial is how a unique index leaves rows out.
	Partial Partial
	// NullsEqual tells that two nulls are equal in a unique index, be it always
	// (SQL Server, Sybase, DB2) or beside equal values of other keys (Oracle).
	// Rows with a null key are then left out, as everywhere else.
	NullsEqual bool
	// Generated surrounds the expression of a column that the database computes:
	// GENERATED ALWAYS AS ( and ) VIRTUAL. Empty if expressions go into the index.
	Generated [2]string
	// Untyped tells that such a column is declared without its type.
	Untyped bool
	// Long reports whether a column's text can be longer than an index takes.
	// ColumnType is then not told that it is a key: a unique index holds Hash of
	// it, any other one its first Prefix characters, or is left out if that is 0.
	// Nil = no column is.
	Long func(c *schema.Column) bool
	// Hash returns the expression of a digest of a (quoted) column, null for
	// null, of the type HashType.
	Hash     func(column string) string
	HashType string
	Prefix   int
	// Add surrounds the column of an ALTER TABLE; empty means " ADD COLUMN ".
	Add [2]string
	// DropIndex is how an index is dropped.
	DropIndex DropIndex
	// Indexes is which indexes the engine makes.
	Indexes Indexes
	// Extra follows the columns of CREATE TABLE: columns that no Catalog knows.
	Extra string
	// KeyBehind tells that the primary key follows the closing bracket.
	KeyBehind bool
	// Default surrounds the literal of a default; empty means " DEFAULT ".
	Default [2]string
	// Options follow the closing bracket of CREATE TABLE.
	Options string
	// Collation is what the database calls the collation of own text columns,
	// by code point; empty where there is no other.
	Collation string
	// Standard asks for the clauses of a column in the standard's order (DEFAULT
	// or Dialect.Identity, then NOT NULL), and for the key as a clause of the table.
	Standard bool
	// SpellNull makes a column that may be null say so.
	SpellNull bool
	// PlainIndex tells that CREATE INDEX can't spell NULLS FIRST, even though an
	// order can.
	PlainIndex bool
	// Undirected tells that indexes keep no direction, though CREATE INDEX takes
	// the word.
	Undirected bool
	// Transactional tells that a transaction undoes these statements too.
	Transactional bool
}

// Partial is a way to leave rows out of a unique index.
type Partial uint8

// The ways. The last two add a key that is the same for all rows that count and
// different for each that does not.
const (
	PartialWhere      Partial = iota // CREATE UNIQUE INDEX … WHERE …
	PartialColumn                    // the key is a generated column
	PartialExpression                // the key is an expression
)

// Indexes is which indexes an engine makes.
type Indexes uint8

// The choices. Where they are not all, the driver keeps unique values unique.
const (
	IndexesAll   Indexes = iota
	IndexesPlain         // unique ones are made as ones that are not
	IndexesNone
)

// DropIndex is a way to drop an index.
type DropIndex uint8

// The ways.
const (
	DropIndexPlain  DropIndex = iota // DROP INDEX x
	DropIndexOn                      // DROP INDEX x ON t
	DropIndexDotted                  // DROP INDEX t.x
)
