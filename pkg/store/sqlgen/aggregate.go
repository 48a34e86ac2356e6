package sqlgen

import (
	"encoding/binary"
	"strconv"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// level is one SELECT of a pipeline. Stages that fit are gathered in one level;
// one that must see the outcome of what came before opens another around it.
// The columns of a level are called _c0, _c1, … by the level around it, and the
// sort keys that it must hand on _o0, _o1, …: no schema has such names.
type level struct {
	entity *schema.Entity // the innermost level reads the table
	inner  *level
	where  []query.Expr
	group  *query.GroupStage
	count  *query.CountStage
	cols   []*schema.Column // what it shows
	order  []sortKey
	limit  int // -1 = none
	skip   int
	hand   bool // hand the sort keys on
}

type sortKey struct {
	column *schema.Column
	handed int // which of the inner level's o…; -1: the level knows the column itself
	desc   bool
}

// appendAlias writes a column as the level sees it: a column of the table, or
// of the level inside.
func (l *level) appendAlias(d *Dialect, dst []byte, c *schema.Column) []byte {
	if l.inner == nil {
		return d.AppendIdent(dst, c.Physical)
	}
	return appendNumbered(d, appendStage(d, dst), 'c', l.inner.find(c))
}

func (l *level) find(c *schema.Column) int {
	for i, x := range l.cols {
		if x == c {
			return i
		}
	}
	for i, x := range l.cols {
		if x.Name == c.Name {
			return i
		}
	}
	return len(l.cols) // no such column: the engine will refuse it
}

// appendStage qualifies a column of the level inside: in an ORDER BY the bare
// name would be that of a result column.
func appendStage(d *Dialect, dst []byte) []byte {
	return append(d.AppendIdent(dst, stageName), '.')
}

const stageName = "_stage"

func appendNumbered(d *Dialect, dst []byte, prefix byte, n int) []byte {
	dst = append(dst, d.QuoteOpen, '_', prefix)
	dst = strconv.AppendInt(dst, int64(n), 10)
	return append(dst, d.QuoteClose)
}

func (l *level) paged() bool { return l.limit >= 0 || l.skip > 0 }

// around opens a level around l, which sees what l shows, in l's order.
func (l *level) around() *level {
	out := &level{inner: l, cols: l.cols, limit: -1}
	for i, k := range l.order {
		out.order = append(out.order, sortKey{column: k.column, handed: i, desc: k.desc})
	}
	l.hand = len(l.order) > 0
	return out
}

func pipeline(q *query.Aggregate) *level {
	l := &level{entity: q.Entity, cols: q.Entity.Columns, limit: -1}
	if q.Where != nil {
		l.where = append(l.where, q.Where)
	}
	for _, s := range q.Stages {
		switch s.(type) {
		case query.FilterStage, query.SortStage, query.GroupStage, query.CountStage:
			if l.paged() {
				l = l.around()
			}
		}
		switch s := s.(type) {
		case query.FilterStage:
			if s.Where != nil {
				l.where = append(l.where, s.Where)
			}
		case query.SortStage:
			l.order = nil
			for _, o := range s {
				l.order = append(l.order, sortKey{column: o.Column, handed: -1, desc: o.Desc})
			}
		case query.LimitStage:
			if l.limit >= 0 {
				l = l.around()
			}
			l.limit = int(s)
		case query.SkipStage:
			if l.paged() {
				l = l.around()
			}
			l.skip = int(s)
		case query.ProjectStage:
			l.cols = s
		case query.GroupStage:
			l.group, l.cols, l.order = &s, s.Output, nil
			l = l.around()
		case query.CountStage:
			l.count, l.cols, l.order = &s, []*schema.Column{s.Output}, nil
			l = l.around()
		}
	}
	l.cols = q.Output
	return l
}

// Aggregate compiles a pipeline. Its result columns are the Output.
func (g *Generator) Aggregate(q *query.Aggregate, a *Args) *Plan {
	l := pipeline(q)
	a.key = appendEntity(a.key[:0], 'A', q.Entity)
	for x := l; x != nil; x = x.inner {
		a.key = x.appendKey(a.key, q.Entity)
	}
	return g.read(a, q.Entity, q.Output, false, func(b *Builder) { b.level(l) }, func(b *Builder) { b.rows(q.Entity, first(q), nil) })
}

// Rows compiles the read of the whole rows that a pipeline begins with, for
// query.RunAggregate to answer from: what Aggregate does where a condition is
// inexact, for an engine that turns out not to be able to compute a result.
func (g *Generator) Rows(q *query.Aggregate, a *Args) *Plan {
	where := first(q)
	a.key = appendExpr(appendEntity(a.key[:0], 'R', q.Entity), q.Entity, where)
	rows := func(b *Builder) {
		b.rows(q.Entity, where, nil)
		b.inexact = true
	}
	return g.read(a, q.Entity, q.Output, false, rows, rows)
}

// first is what holds for the records before the first stage that is no filter.
func first(q *query.Aggregate) query.Expr {
	var all query.And
	if q.Where != nil {
		all = append(all, q.Where)
	}
	for _, s := range q.Stages {
		f, ok := s.(query.FilterStage)
		if !ok {
			break
		}
		if f.Where != nil {
			all = append(all, f.Where)
		}
	}
	return all
}

func (l *level) appendKey(dst []byte, e *schema.Entity) []byte {
	dst = binary.AppendUvarint(append(dst, '('), uint64(len(l.cols)))
	for _, c := range l.cols {
		dst = appendColumn(dst, e, c)
	}
	dst = appendList(dst, e, l.where)
	dst = binary.AppendUvarint(dst, uint64(len(l.order)))
	for _, k := range l.order {
		dst = binary.AppendVarint(appendColumn(dst, e, k.column), int64(k.handed))
		dst = appendFlag(dst, k.desc)
	}
	dst = appendFlag(appendFlag(appendFlag(dst, l.limit >= 0), l.skip > 0), l.count != nil)
	if l.group == nil {
		return appendFlag(dst, false)
	}
	dst = appendFlag(dst, true)
	if l.group.By != nil {
		dst = appendColumn(append(dst, 'b'), e, l.group.By)
	}
	for _, acc := range l.group.Accumulators {
		dst = append(dst, 'a', byte(acc.Op))
		if acc.Column != nil {
			dst = appendColumn(append(dst, 'c'), e, acc.Column)
		}
	}
	return dst
}

func (b *Builder) level(l *level) {
	outer := b.scope
	b.scope = l
	b.Write("SELECT ")
	switch {
	case l.count != nil:
		b.Write("COUNT(*)")
		b.alias('c', 0)
	case l.group != nil:
		b.group(l.group)
	default:
		for i, c := range l.cols {
			if i > 0 {
				b.Write(", ")
			}
			b.column(c)
			b.alias('c', i)
		}
		if len(l.cols) == 0 {
			b.Write("1")
		}
	}
	if l.hand {
		for i, k := range l.order {
			b.Write(", ")
			b.key(k)
			b.alias('o', i)
		}
	}
	if l.inner == nil {
		b.from(l.entity)
	} else {
		b.Write(" FROM (")
		b.level(l.inner)
		b.Write(") ")
		b.ident(stageName)
	}
	if len(l.where) == 1 {
		b.filter(l.where[0])
	} else if len(l.where) > 1 {
		b.filter(query.And(l.where))
	}
	if l.group != nil && l.group.By != nil {
		b.Write(" GROUP BY ")
		b.operand(l.group.By, false)
		if before, after := b.wrap(l.group.By, false); before+after != "" { // the value itself is shown
			b.Write(", ")
			b.column(l.group.By)
		}
	}
	for i, k := range l.order {
		if i == 0 {
			b.Write(" ORDER BY ")
		} else {
			b.Write(", ")
		}
		b.sortKey(func() { b.key(k) }, k.desc, false)
	}
	b.stagePage(l)
	b.scope = outer
}

// stagePage is page for a stage, where a limit of 0 is a limit.
func (b *Builder) stagePage(l *level) {
	switch {
	case l.limit < 0:
		b.page(0, l.skip, false)
	case l.limit == 0 && !b.d.Fetch:
		b.Write(" LIMIT ")
		b.Arg(schema.IntOf(0))
		if l.skip > 0 {
			b.Write(" OFFSET ")
			b.Arg(schema.IntOf(int64(l.skip)))
		}
	default:
		b.page(l.limit, l.skip, false)
	}
}

func (b *Builder) key(k sortKey) {
	if k.handed < 0 {
		b.operand(k.column, true)
		return
	}
	if b.text {
		b.sql = appendNumbered(b.d, appendStage(b.d, b.sql), 'o', k.handed)
		if b.d.Collate != nil {
			b.sql = append(b.sql, b.d.Collate(k.column, true)...)
		}
	}
}

func (b *Builder) alias(prefix byte, n int) {
	if b.text {
		b.sql = append(b.sql, " AS "...)
		b.sql = appendNumbered(b.d, b.sql, prefix, n)
	}
}

func (b *Builder) group(g *query.GroupStage) {
	n := 0
	if g.By != nil {
		if before, after := b.wrap(g.By, false); before+after != "" {
			b.column(g.By)
		} else {
			b.operand(g.By, false)
		}
		b.alias('c', n)
		n++
	}
	for i, acc := range g.Accumulators {
		if n > 0 {
			b.Write(", ")
		}
		b.accumulator(acc, g.Output[len(g.Output)-len(g.Accumulators)+i])
		b.alias('c', n)
		n++
	}
	if n == 0 {
		b.Write("COUNT(*)")
		b.alias('c', 0)
	}
}

func (b *Builder) accumulator(acc query.Accumulator, out *schema.Column) {
	if acc.Op == query.Count {
		b.Write("COUNT(*)")
		return
	}
	if acc.Column == nil { // a constant for each row
		b.Write("CAST(COUNT(*) AS " + b.d.Float + ") * ")
		b.Arg(schema.FloatOf(acc.Constant))
		return
	}
	operand := func() { b.operand(acc.Column, acc.Op == query.Min || acc.Op == query.Max) }
	if b.d.Aggregate != nil && b.d.Aggregate(b, acc.Op, acc.Column, operand) {
		return
	}
	float := out.Type.Kind() == schema.KindFloat && acc.Column.Type.Kind() == schema.KindInt
	switch acc.Op {
	case query.Sum:
		b.Write("COALESCE(SUM(")
		b.cast(operand, float)
		b.Write("), 0)")
	case query.Avg:
		b.Write("AVG(")
		b.cast(operand, true)
		b.Write(")")
	case query.Min:
		b.Write("MIN(")
		operand()
		b.Write(")")
	case query.Max:
		b.Write("MAX(")
		operand()
		b.Write(")")
	}
}

func (b *Builder) cast(operand func(), do bool) {
	if !do {
		operand()
		return
	}
	b.Write("CAST(")
	operand()
	b.Write(" AS " + b.d.Float + ")")
}
