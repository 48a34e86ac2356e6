package sqlgen

import (
	"strconv"

	"github.com/octomesh/octomesh/pkg/schema"
)

// Builder writes one statement: text and bound values, in one pass and so in
// one order. With the text already at hand (a cached plan) it runs once more
// for the values alone.
type Builder struct {
	d *Dialect
	// text is false when only the values are wanted.
	text  bool
	sql   []byte
	n     int // placeholders written
	args  *Args
	scope *level // nil: the table of the entity itself
	// inexact: a text test was written that also lets others pass.
	inexact bool
	// unnesting: what is bound has its placeholder already.
	unnesting bool
}

// Args is the reusable memory of one execution: the values in the order of the
// placeholders, and the buffer of the cache key. The zero value is ready.
type Args struct {
	Values []schema.Value
	// Lists are the runs of Values that are one parameter each (Dialect.Unnest).
	Lists []List
	key   []byte
	b     Builder
}

// Reset forgets the values, so that a pooled Args keeps no text alive.
func (a *Args) Reset() {
	clear(a.Values)
	a.Values, a.Lists = a.Values[:0], a.Lists[:0]
}

// List is a run of an Args' Values that an array is made of.
type List struct{ First, N int }

func (a *Args) builder(d *Dialect, text bool) *Builder {
	a.b = Builder{d: d, text: text, args: a, sql: a.b.sql[:0]}
	return &a.b
}

// Write writes text.
func (b *Builder) Write(s string) {
	if b.text {
		b.sql = append(b.sql, s...)
	}
}

// Arg binds a value and writes its placeholder.
func (b *Builder) Arg(v schema.Value) {
	b.args.Values = append(b.args.Values, v)
	b.place()
}

// place writes a placeholder whose value the caller binds.
func (b *Builder) place() {
	if b.unnesting {
		return
	}
	b.n++
	if b.text {
		b.sql = b.d.Placeholder(b.sql, b.n)
	}
}

func (b *Builder) ident(name string) {
	if b.text {
		b.sql = b.d.AppendIdent(b.sql, name)
	}
}

// column writes a column as the current scope knows it.
func (b *Builder) column(c *schema.Column) {
	if !b.text {
		return
	}
	if b.scope != nil {
		b.sql = b.scope.appendAlias(b.d, b.sql, c)
		return
	}
	b.sql = b.d.AppendIdent(b.sql, c.Physical)
}

// operand writes a column where it is compared; ordered tells that it is not
// for equality alone.
func (b *Builder) operand(c *schema.Column, ordered bool) {
	if !b.text {
		return
	}
	before, after := b.wrap(c, ordered)
	b.sql = append(b.sql, before...)
	b.column(c)
	if b.d.Collate != nil {
		b.sql = append(b.sql, b.d.Collate(c, ordered)...)
	}
	b.sql = append(b.sql, after...)
}

func (b *Builder) wrap(c *schema.Column, ordered bool) (before, after string) {
	if b.d.Wrap == nil || !b.text {
		return "", ""
	}
	return b.d.Wrap(c, ordered)
}

// Inexact makes the plan Residual.
func (b *Builder) Inexact() { b.inexact = true }

// bind binds a value that is compared with a column.
func (b *Builder) bind(c *schema.Column, v schema.Value, ordered bool) {
	before, after := b.wrap(c, ordered)
	b.Write(before)
	if b.text && b.d.BindOpen != nil {
		b.sql = append(b.sql, b.d.BindOpen(c)...)
	}
	b.Arg(v)
	if b.text && b.d.Bind != nil {
		b.sql = append(b.sql, b.d.Bind(c)...)
	}
	b.Write(after)
}

// writesLimit reports whether a limit stands in the text: the usual ones do, so
// that these are few.
func (d *Dialect) writesLimit(n int) bool {
	if !d.LimitText || n < 1 || n > 1001 {
		return false
	}
	round := func(n int) bool { return n <= 10 || n <= 100 && n%5 == 0 || n%100 == 0 }
	return round(n) || round(n-1) // one more tells whether there is a next page
}

// page writes the limit and skip of a statement; 0 is absent. text allows a limit
// in the text: the key of the plan must tell it then, see appendPage.
func (b *Builder) page(limit, skip int, text bool) {
	if limit == 0 && skip == 0 {
		return
	}
	if b.d.NoPage {
		b.inexact = true
		return
	}
	if b.d.Fetch {
		b.Write(" OFFSET ")
		b.Arg(schema.IntOf(int64(skip)))
		b.Write(" ROWS")
		if limit > 0 {
			b.Write(" FETCH NEXT ")
			b.Arg(schema.IntOf(int64(limit)))
			b.Write(" ROWS ONLY")
		}
		return
	}
	b.Write(" LIMIT ")
	switch {
	case text && b.d.writesLimit(limit):
		if b.text {
			b.sql = strconv.AppendInt(b.sql, int64(limit), 10)
		}
	case limit > 0:
		b.Arg(schema.IntOf(int64(limit)))
	default:
		b.Write(b.d.NoLimit)
	}
	if skip > 0 {
		b.Write(" OFFSET ")
		b.Arg(schema.IntOf(int64(skip)))
	}
}

// sortKey writes one key of an ORDER BY. write writes its operand; never tells
// that the operand is never null.
func (b *Builder) sortKey(write func(), desc, never bool) {
	if b.d.Nulls == NullsCase && !never {
		b.Write("CASE WHEN ")
		write()
		if desc {
			b.Write(" IS NULL THEN 1 ELSE 0 END, ")
		} else {
			b.Write(" IS NULL THEN 0 ELSE 1 END, ")
		}
	}
	write()
	if desc {
		b.Write(" DESC")
	}
	if b.d.Nulls == NullsSpell && !never {
		if desc {
			b.Write(" NULLS LAST")
		} else {
			b.Write(" NULLS FIRST")
		}
	}
}

func neverNull(c *schema.Column) bool {
	return c.Role == schema.RoleID || c.Role == schema.RoleVersion
}
