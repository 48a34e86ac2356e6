package sqlite

import (
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// Names of what functions.go registers on each connection.
const (
	decimalCollation = "octo_decimal"
	foldFunction     = "octo_contains"
	regexFunction    = "octo_regex"
	sumFunction      = "octo_sum"
	avgFunction      = "octo_avg"
)

// Dialect returns SQLite as sqlgen must know it: null sorts lowest and text
// compares by its UTF-8 bytes, so by code point, without asking for it.
func Dialect() *sqlgen.Dialect {
	return &sqlgen.Dialect{
		Name:         "sqlite",
		QuoteOpen:    '"',
		QuoteClose:   '"',
		Placeholder:  sqlgen.MarkPlaceholder,
		ColumnType:   columnType,
		Types:        sqlgen.SystemTypes{Text: "TEXT", Key: "TEXT", Int: "INTEGER", Bytes: "BLOB"},
		Tables:       sqlgen.Tables{Transactional: true, Collation: "BINARY"},
		NotEqual:     sqlgen.NotEqualIsNot,
		Nulls:        sqlgen.NullsLow,
		Collate:      collate,
		NoLimit:      "-1",
		IndexID:      true,
		IgnoreSuffix: " ON CONFLICT DO NOTHING",
		Match:        match,
		Aggregate:    aggregate,
		Float:        "REAL",
	}
}

func columnType(c *schema.Column, _ bool) string {
	switch c.Type.Kind() {
	case schema.KindBool, schema.KindInt:
		return "INTEGER"
	case schema.KindFloat:
		return "REAL"
	case schema.KindDecimal:
		return "TEXT COLLATE " + decimalCollation
	}
	return "TEXT"
}

func collate(c *schema.Column, _ bool) string {
	if c.Type == schema.Decimal {
		return " COLLATE " + decimalCollation
	}
	return ""
}

func match(b *sqlgen.Builder, m sqlgen.Match) bool {
	switch m.Kind {
	case sqlgen.MatchInfix:
		b.Write("instr(")
		m.Operand()
		b.Write(", ")
		b.Arg(schema.TextOf(m.Text))
		if m.Negate {
			b.Write(") = 0")
		} else {
			b.Write(") > 0")
		}
		return true
	case sqlgen.MatchSuffix: // substr counts code points
		b.Write("substr(")
		m.Operand()
		b.Write(", -")
		b.Arg(schema.IntOf(int64(len([]rune(m.Text)))))
		if m.Negate {
			b.Write(") <> ")
		} else {
			b.Write(") = ")
		}
		b.Arg(schema.TextOf(m.Text))
		return true
	case sqlgen.MatchFold:
		b.Write(foldFunction + "(")
		m.Operand()
		b.Write(", ")
		b.Arg(schema.TextOf(m.Text))
	case sqlgen.MatchRegex:
		b.Write(regexFunction + "(")
		m.Operand()
		b.Write(", ")
		expr, lower := sqlgen.RE2(m.Pattern)
		b.Arg(schema.TextOf(expr))
		b.Write(", ")
		b.Arg(schema.BoolOf(lower))
	}
	if m.Negate {
		b.Write(") = 0")
	} else {
		b.Write(")")
	}
	return true
}

// aggregate keeps sums and averages exact where the kind is, and makes null of
// what its type can't hold: SQLite's own SUM fails when integers overflow.
func aggregate(b *sqlgen.Builder, op query.AccumulatorOp, c *schema.Column, operand func()) bool {
	if op != query.Sum && op != query.Avg {
		return false
	}
	switch kind := c.Type.Kind(); {
	case kind == schema.KindDecimal && op == query.Sum:
		call(b, sumFunction, operand)
	case kind == schema.KindDecimal || kind == schema.KindInt && op == query.Avg:
		call(b, avgFunction, operand)
	case kind == schema.KindInt:
		integerSum(b, operand)
	default: // floats may become infinite
		b.Write("NULLIF(NULLIF(")
		if op == query.Sum {
			b.Write("COALESCE(SUM(")
			operand()
			b.Write("), 0.0)")
		} else {
			call(b, "AVG", operand)
		}
		b.Write(", 9e999), -9e999)")
	}
	return true
}

func call(b *sqlgen.Builder, name string, operand func()) {
	b.Write(name + "(")
	operand()
	b.Write(")")
}

// integerSum adds the upper and the lower halves apart, which can't overflow,
// and puts them together if the whole has 64 bits.
func integerSum(b *sqlgen.Builder, operand func()) {
	high := func() { // of the whole: the upper halves and the carry
		b.Write("SUM(")
		operand()
		b.Write(" >> 32) + (SUM(")
		operand()
		b.Write(" & 4294967295) >> 32)")
	}
	b.Write("CASE WHEN COUNT(")
	operand()
	b.Write(") = 0 THEN 0 WHEN ")
	high()
	b.Write(" BETWEEN -2147483648 AND 2147483647 THEN ((")
	high()
	b.Write(") << 32) | (SUM(")
	operand()
	b.Write(" & 4294967295) & 4294967295) END")
}
