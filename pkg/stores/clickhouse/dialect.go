package clickhouse

import (
	"math"
	"strconv"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// The columns that every table has beside its own.
const (
	revColumn  = "_octo_rev"  // the highest one of an id counts
	goneColumn = "_octo_gone" // 1 tells that the row is deleted
)

// Dialect returns ClickHouse as sqlgen must know it. A placeholder is a NUL,
// which no identifier and no literal of a statement holds: see render. Instants
// are milliseconds since 1970, since DateTime64 begins in 1900 and ends in 2299.
func Dialect() *sqlgen.Dialect {
	return &sqlgen.Dialect{
		Name:        "clickhouse",
		QuoteOpen:   '`',
		QuoteClose:  '`',
		Placeholder: func(dst []byte, _ int) []byte { return append(dst, 0) },
		ColumnType:  columnType,
		Types:       sqlgen.SystemTypes{Text: "String", Key: "String", Int: "Int64", Bytes: "String"},
		Tables: sqlgen.Tables{
			Indexes: sqlgen.IndexesNone, Standard: true, SpellNull: true,
			Extra:   ", `" + revColumn + "` UInt64, `" + goneColumn + "` UInt8",
			Options: " ENGINE = ReplacingMergeTree(`" + revColumn + "`, `" + goneColumn + "`)",
		},
		Source:    " FINAL",
		Nulls:     sqlgen.NullsSpell,
		NoLimit:   "9223372036854775807",
		Match:     match,
		Aggregate: aggregate,
		Float:     "Nullable(Float64)",
	}
}

const decimalType = "Decimal(76, 38)"

func columnType(c *schema.Column, _ bool) string {
	switch c.Type.Kind() {
	case schema.KindBool:
		return "Bool"
	case schema.KindInt, schema.KindTime:
		return "Int64"
	case schema.KindFloat:
		return "Float64"
	case schema.KindDecimal: // 38 digits before and 38 behind the point
		return decimalType
	}
	return "String"
}

// beyondASCII matches text in which lowerUTF8 may differ from the language's
// simple lower case.
const beyondASCII = `[^\x00-\x7F]`

func match(b *sqlgen.Builder, m sqlgen.Match) bool {
	switch m.Kind {
	case sqlgen.MatchInfix:
		call(b, "position", m.Operand, m.Text)
		compare(b, m.Negate)
		return true
	case sqlgen.MatchSuffix:
		call(b, "endsWith", m.Operand, m.Text)
		compare(b, m.Negate)
		return true
	case sqlgen.MatchFold:
		b.Write("(")
		call(b, "position", lower(b, m.Operand), m.Text)
	default: // RE2 itself, but its dot takes a line feed unless told otherwise
		expr, fold := sqlgen.RE2(m.Pattern)
		if !fold {
			call(b, "match", m.Operand, "(?-s)"+expr)
			compare(b, m.Negate)
			return true
		}
		b.Write("(")
		call(b, "match", lower(b, m.Operand), "(?-s)"+expr)
	}
	compare(b, m.Negate)
	b.Write(" OR ")
	call(b, "match", m.Operand, beyondASCII)
	b.Write(")")
	return false
}

func compare(b *sqlgen.Builder, negate bool) {
	if negate {
		b.Write(" = 0")
	} else {
		b.Write(" > 0")
	}
}

func lower(b *sqlgen.Builder, operand func()) func() {
	return func() {
		b.Write("lowerUTF8(")
		operand()
		b.Write(")")
	}
}

func call(b *sqlgen.Builder, name string, operand func(), text string) {
	b.Write(name + "(")
	operand()
	b.Write(", ")
	b.Arg(schema.TextOf(text))
	b.Write(")")
}

// aggregate keeps sums exact and makes null of what their type can't hold:
// ClickHouse's own wrap around, and its MIN of nothing is 0.
func aggregate(b *sqlgen.Builder, op query.AccumulatorOp, c *schema.Column, operand func()) bool {
	of := func(before, after string) {
		b.Write(before)
		operand()
		b.Write(after)
	}
	kind := c.Type.Kind()
	switch {
	case op == query.Min:
		of("minOrNull(", ")")
	case op == query.Max:
		of("maxOrNull(", ")")
	case op == query.Avg && kind == schema.KindInt:
		of("toFloat64(sum(toInt128(", "))) / nullIf(count(")
		of("", "), 0)")
	case op == query.Avg && kind == schema.KindDecimal:
		of("toFloat64(sum(", ")) / nullIf(count(")
		of("", "), 0)")
	case op == query.Avg:
		of("if(isFinite(avgOrNull(", ")), avgOrNull(")
		of("", "), NULL)")
	case kind == schema.KindInt:
		of("multiIf(count(", ") = 0, toInt64(0), sum(toInt128(")
		of("", ")) BETWEEN -9223372036854775808 AND 9223372036854775807, toInt64(sum(toInt128(")
		of("", "))), NULL)")
	case kind == schema.KindDecimal: // wraps around at 5.7e38: right if the sum itself is below that
		of("multiIf(count(", ") = 0, toDecimal256(0, 38), abs(sum(toFloat64(")
		of("", "))) < 2e38, sum(")
		of("", "), NULL)")
	default:
		of("multiIf(count(", ") = 0, 0., isFinite(sum(")
		of("", ")), sum(")
		of("", "), NULL)")
	}
	return true
}

// render puts values in the place of a statement's placeholders. They are
// written here and not bound by name: a statement may hold a thousand, and over
// HTTP each would be a parameter of the URL.
func render(sql string, values []schema.Value) string {
	b := make([]byte, 0, len(sql)+32*len(values))
	for i := 0; i < len(sql); i++ {
		if sql[i] != 0 || len(values) == 0 {
			b = append(b, sql[i])
			continue
		}
		b = appendLiteral(b, values[0])
		values = values[1:]
	}
	return string(b)
}

// appendLiteral appends a value as SQL has it.
func appendLiteral(b []byte, v schema.Value) []byte {
	switch v.Kind() {
	case schema.KindNull:
		return append(b, "NULL"...)
	case schema.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case schema.KindInt, schema.KindTime:
		return strconv.AppendInt(b, v.Int(), 10)
	case schema.KindFloat: // bit by bit: no parser between
		b = append(b, "reinterpretAsFloat64(toUInt64("...)
		return append(strconv.AppendUint(b, math.Float64bits(v.Float()), 10), "))"...)
	case schema.KindDecimal:
		return append(appendText(append(b, "toDecimal256("...), v.Text()), ", 38)"...)
	}
	return appendText(b, v.Text())
}

// appendText appends a text literal, in which ClickHouse knows backslashes.
func appendText(b []byte, s string) []byte {
	b = append(b, '\'')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case 0:
			b = append(b, '\\', '0')
		case '\\', '\'':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '\'')
}
