package sqlgen

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// Dialect is what makes the engine speak one database's SQL. It is read-only
// once a Generator has it.
type Dialect struct {
	// Name as mesh and documents know the database: sqlite, postgres, …
	Name string
	// QuoteOpen and QuoteClose surround an identifier; QuoteClose is doubled
	// inside.
	QuoteOpen, QuoteClose byte
	// Placeholder appends the n-th placeholder, n counting from 1.
	Placeholder func(dst []byte, n int) []byte
	// ColumnType is the declared type of a stored column. key tells that the
	// column is part of a key or an index, which some engines can't do with
	// unbounded text.
	ColumnType func(c *schema.Column, key bool) string
	// Types are the declared types of the tables that every project has.
	Types SystemTypes
	// Tables is how tables and indexes are made.
	Tables Tables
	// NotEqual is how "differs, null included" is written.
	NotEqual NotEqual
	// Nulls is how null is made the lowest value of an order.
	Nulls Nulls
	// Collate is put behind a column wherever its value is compared, for columns
	// whose own comparison is not the language's: a collation, a cast. ordered
	// tells that the order matters (<, ORDER BY, MIN), not equality alone. May be
	// nil.
	Collate func(c *schema.Column, ordered bool) string
	// Bind is put behind a placeholder whose value is compared with a column,
	// such as the type that an engine would else take from the column, which may
	// be too narrow, and BindOpen before it. Both may be nil.
	BindOpen, Bind func(c *schema.Column) string
	// Wrap is written around a column and around the value that it is compared
	// with, where no collation makes the engine compare as the language does. May
	// be nil.
	Wrap func(c *schema.Column, ordered bool) (before, after string)
	// Source is put behind a table that is read.
	Source string
	// Unnest tells that a list is one parameter, an array: IN UNNEST(@p1). See
	// Args.Lists.
	Unnest bool
	// MaxList is the longest list of an IN; 0 = no bound. Longer ones are split.
	MaxList int
	// LimitText writes the usual limits into the text, for engines that plan a
	// statement anew each time if they do not know how many rows are wanted.
	LimitText bool
	// NoLimit is the LIMIT of a statement that only skips.
	NoLimit string
	// Fetch pages with OFFSET … ROWS FETCH NEXT … ROWS ONLY instead of LIMIT.
	Fetch bool
	// PageOrder is the ORDER BY of a page whose order does not matter, for engines
	// that page ordered rows alone.
	PageOrder string
	// NoPage tells that no placeholder can bound a result: the plan of a page is
	// then Residual, and the change log is read LogPage rows at a time.
	NoPage bool
	// IgnorePrefix and IgnoreSuffix make an INSERT pass over a row that is
	// there already.
	IgnorePrefix, IgnoreSuffix string
	// LinkFrom, where an INSERT can't pass over a row that is there, makes it one
	// that selects what is not there yet: this is the FROM of a single row, a
	// space where none is needed. Two at once can still meet: a unique value is
	// then taken, and the unit is to be run again. The owner and the target are
	// bound twice.
	LinkFrom string
	// ForUpdate is put behind the load of a row that will be changed.
	ForUpdate string
	// IndexID gives every index that is not unique the id as its last key, since
	// id is every order's last key. Not for engines whose indexes end with the
	// primary key anyway.
	IndexID bool
	// Identity stands behind the type of a column that the database numbers;
	// empty where the type does it.
	Identity string
	// Counter tells that numbers of the change log are taken from a row that the
	// transaction locks, for engines whose identity columns cannot be relied on:
	// seq is then no identity.
	Counter bool
	// MaxName is the longest identifier, in bytes; 0 = no limit. Short makes
	// longer ones fit.
	MaxName int
	// Prefix is put before names that begin with an underscore, for engines whose
	// names begin with a letter. MaxName must be set.
	Prefix string
	// Match writes a text test on an operand and reports whether it is exact; see
	// Match.
	Match func(b *Builder, m Match) bool
	// Aggregate writes an accumulator over an operand. Nil, or a false reply,
	// leaves it to the engine's own SUM, AVG, MIN and MAX.
	Aggregate func(b *Builder, op query.AccumulatorOp, c *schema.Column, operand func()) bool
	// Float is what a CAST to float64 names.
	Float string
}

// SystemTypes are the declared types of the columns of _octo_changes and its
// sisters.
type SystemTypes struct {
	Text  string // unbounded
	Key   string // bounded text that an index takes: 128 code points and more
	Int   string // 64 bits
	Bytes string
}

// NotEqual is a way to write an inequality that null fulfils.
type NotEqual uint8

// The ways.
const (
	NotEqualOr       NotEqual = iota // (a <> ? OR a IS NULL)
	NotEqualIsNot                    // a IS NOT ?
	NotEqualDistinct                 // a IS DISTINCT FROM ?
)

// Nulls is a way to make null the lowest value of an order.
type Nulls uint8

// The ways.
const (
	NullsCase  Nulls = iota // a sort key of its own: CASE WHEN a IS NULL …
	NullsLow                // the engine does so by itself
	NullsSpell              // NULLS FIRST, NULLS LAST
)

// MatchKind is the form of a text test.
type MatchKind byte

// The text tests that a Dialect writes. Text compares by code point.
const (
	MatchInfix  MatchKind = '~' // holds Text
	MatchSuffix MatchKind = '$' // ends with Text, which is not empty
	MatchFold   MatchKind = 'f' // lower-cased, holds Text, which is lower-cased
	MatchRegex  MatchKind = 'r' // matches Pattern
)

// Match is a text test on a column. The dialect writes a condition that is true
// if the column's text passes, and replies whether it is false or NULL for every
// other text; if not, the Plan is Residual. For null the condition may be false
// or NULL, or also true where it is not exact. What is written and replied may
// depend on Kind, Negate, Pattern.Portable and Pattern.Fold alone, never on the
// texts, which are bound: plans are shared by all of them.
type Match struct {
	Kind    MatchKind
	Operand func() // writes the column
	Text    string
	Pattern *query.Pattern
	// Negate asks for the opposite; the engine takes care of null itself.
	Negate bool
}

// DollarPlaceholder writes $1, $2, ….
func DollarPlaceholder(dst []byte, n int) []byte {
	return strconv.AppendInt(append(dst, '$'), int64(n), 10)
}

// MarkPlaceholder writes ?.
func MarkPlaceholder(dst []byte, _ int) []byte { return append(dst, '?') }

// AppendIdent appends a quoted identifier, shortened as Short does. NUL bytes,
// which no engine takes, are left out.
func (d *Dialect) AppendIdent(dst []byte, name string) []byte {
	name = d.Short(name)
	dst = append(dst, d.QuoteOpen)
	for i := 0; i < len(name); i++ {
		switch c := name[i]; c {
		case 0:
		case d.QuoteClose:
			dst = append(dst, c, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, d.QuoteClose)
}

// Ident is AppendIdent as a string.
func (d *Dialect) Ident(name string) string { return string(d.AppendIdent(nil, name)) }

// Short returns the name, or, where it is longer than MaxName, its beginning
// with a digest of the whole: the same in every process, another for another
// name.
func (d *Dialect) Short(name string) string {
	if d.Prefix != "" && strings.HasPrefix(name, "_") {
		name = d.Prefix + name
	}
	if d.MaxName == 0 || len(name) <= d.MaxName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return strings.ToValidUTF8(name[:d.MaxName-11], "") + "_" + hex.EncodeToString(sum[:5])
}

// AppendLiteral appends a text literal, for DDL alone: everywhere else values
// are bound.
func (d *Dialect) AppendLiteral(dst []byte, text string) []byte {
	dst = append(dst, '\'')
	for i := 0; i < len(text); i++ {
		if text[i] == '\'' {
			dst = append(dst, '\'')
		}
		dst = append(dst, text[i])
	}
	return append(dst, '\'')
}
