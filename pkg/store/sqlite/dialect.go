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
	sumFunction      = "octo_decimal_sum"
	avgFunction      = "octo_decimal_avg"
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
		NotEqual:     sqlgen.NotEqualIsNot,
		Nulls:        sqlgen.NullsLow,
		Collate:      collate,
		NoLimit:      "-1",
		IgnoreSuffix: " ON CONFLICT DO NOTHING",
		Match:        match,
		Aggregate:    aggregate,
		Float:        "REAL",
	}
}

func columnType(c *schema.Column, _ bool) string {
	switch sqlgen.KindOf(c.Type) {
	case schema.KindBool, schema.KindInt:
		return "INTEGER"
	case schema.KindFloat:
		return "REAL"
	case schema.KindDecimal:
		return "TEXT COLLATE " + decimalCollation
	}
	return "TEXT"
}

func collate(c *schema.Column) string {
	if c.Type == schema.Decimal {
		return " COLLATE " + decimalCollation
	}
	return ""
}

func match(b *sqlgen.Builder, m sqlgen.Match) {
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
		return
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
		return
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
}

// aggregate keeps sums and averages of decimals exact.
func aggregate(b *sqlgen.Builder, op query.AccumulatorOp, c *schema.Column, operand func()) bool {
	if c.Type != schema.Decimal || op != query.Sum && op != query.Avg {
		return false
	}
	if op == query.Sum {
		b.Write(sumFunction + "(")
	} else {
		b.Write(avgFunction + "(")
	}
	operand()
	b.Write(")")
	return true
}
