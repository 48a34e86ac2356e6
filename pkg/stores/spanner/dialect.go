package spanner

import (
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// Dialect returns Spanner's GoogleSQL as sqlgen must know it: null sorts lowest
// and text compares by its UTF-8 bytes without asking for it. A decimal is kept
// as text whose order is that of the numbers (decimal.go), since NUMERIC has but
// 29 and 9 digits.
func Dialect() *sqlgen.Dialect {
	return &sqlgen.Dialect{
		Name:        "spanner",
		QuoteOpen:   '`',
		QuoteClose:  '`',
		Placeholder: func(dst []byte, n int) []byte { return strconv.AppendInt(append(dst, "@p"...), int64(n), 10) },
		ColumnType:  columnType,
		Types:       sqlgen.SystemTypes{Text: "STRING(MAX)", Key: "STRING(MAX)", Int: "INT64", Bytes: "BYTES(MAX)"},
		Tables: sqlgen.Tables{
			Indexes: sqlgen.IndexesPlain, KeyBehind: true, Default: [2]string{" DEFAULT (", ")"},
			Transactional: true, // as far as the journal goes: see tables.Exec
		},
		Nulls:     sqlgen.NullsLow,
		Unnest:    true, // a statement has at most 950 parameters
		NoLimit:   "9223372036854775807",
		MaxName:   128,
		Prefix:    "octo", // names of tables and columns begin with a letter
		Match:     match,
		Aggregate: aggregate,
		Float:     "FLOAT64",
	}
}

func columnType(c *schema.Column, _ bool) string {
	switch c.Type.Kind() {
	case schema.KindBool:
		return "BOOL"
	case schema.KindInt:
		return "INT64"
	case schema.KindFloat:
		return "FLOAT64"
	case schema.KindTime:
		return "TIMESTAMP"
	}
	return "STRING(MAX)"
}

// beyondASCII matches text in which LOWER and (?i) may differ from the
// language's simple lower case.
const beyondASCII = `[^\x00-\x7F]`

func match(b *sqlgen.Builder, m sqlgen.Match) bool {
	switch m.Kind {
	case sqlgen.MatchInfix:
		call(b, "STRPOS", m.Operand, m.Text)
		if m.Negate {
			b.Write(" = 0")
		} else {
			b.Write(" > 0")
		}
		return true
	case sqlgen.MatchSuffix:
		not(b, m.Negate)
		call(b, "ENDS_WITH", m.Operand, m.Text)
		return true
	case sqlgen.MatchFold:
		b.Write("(STRPOS(LOWER(")
		m.Operand()
		b.Write("), ")
		b.Arg(schema.TextOf(m.Text))
		if m.Negate {
			b.Write(") = 0 OR ")
		} else {
			b.Write(") > 0 OR ")
		}
	default: // RE2 itself
		expr, lower := sqlgen.RE2(m.Pattern)
		if !lower {
			not(b, m.Negate)
			call(b, "REGEXP_CONTAINS", m.Operand, expr)
			return true
		}
		b.Write("(")
		not(b, m.Negate)
		b.Write("REGEXP_CONTAINS(LOWER(")
		m.Operand()
		b.Write("), ")
		b.Arg(schema.TextOf(expr))
		b.Write(") OR ")
	}
	call(b, "REGEXP_CONTAINS", m.Operand, beyondASCII)
	b.Write(")")
	return false
}

func not(b *sqlgen.Builder, negate bool) {
	if negate {
		b.Write("NOT ")
	}
}

func call(b *sqlgen.Builder, name string, operand func(), text string) {
	b.Write(name + "(")
	operand()
	b.Write(", ")
	b.Arg(schema.TextOf(text))
	b.Write(")")
}

// aggregate keeps integers exact: SUM of INT64 fails when it overflows. What
// does not fit 64 bits is null (row.go). Sums of decimals are made in the
// worker; see summed.
func aggregate(b *sqlgen.Builder, op query.AccumulatorOp, c *schema.Column, operand func()) bool {
	if c.Type.Kind() != schema.KindInt || op != query.Sum && op != query.Avg {
		return false
	}
	sum := func() {
		b.Write("SUM(CAST(")
		operand()
		b.Write(" AS NUMERIC))")
	}
	if op == query.Sum {
		b.Write("COALESCE(")
		sum()
		b.Write(", 0)")
		return true
	}
	b.Write("CAST(")
	sum()
	b.Write(" AS FLOAT64) / NULLIF(COUNT(")
	operand()
	b.Write("), 0)")
	return true
}

// summed reports whether an aggregation sums up decimals, which are text here.
func summed(q *query.Aggregate) bool {
	for _, s := range q.Stages {
		g, ok := s.(query.GroupStage)
		if !ok {
			continue
		}
		for _, a := range g.Accumulators {
			if a.Column != nil && a.Column.Type == schema.Decimal && (a.Op == query.Sum || a.Op == query.Avg) {
				return true
			}
		}
	}
	return false
}

// encodeDecimal makes a text of a canonical decimal, such that texts are ordered
// as the numbers are. A positive one is p, the place of the point (50 and more
// for 1 and above), and the digits: 12.5 is p52125. Of a negative one all digits
// are taken from 9, and ~, above all digits, ends it: -12.5 is n47874~. 0 is o.
func encodeDecimal(s string) string {
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	whole, frac, _ := strings.Cut(s, ".")
	whole = strings.TrimLeft(whole, "0")
	digits, place := whole+frac, len(whole)
	if whole == "" {
		digits = strings.TrimLeft(frac, "0")
		place = len(digits) - len(frac)
	}
	digits = strings.TrimRight(digits, "0")
	if digits == "" {
		return "o"
	}
	b := make([]byte, 0, len(digits)+4)
	b = append(b, 'p', byte('0'+(place+50)/10), byte('0'+(place+50)%10))
	b = append(b, digits...)
	if neg {
		b[0] = 'n'
		for i := 1; i < len(b); i++ {
			b[i] = '0' + '9' - b[i]
		}
		b = append(b, '~')
	}
	return string(b)
}

// decodeDecimal is the inverse of encodeDecimal; false for another text.
func decodeDecimal(s string) (string, bool) {
	if s == "o" {
		return "0", true
	}
	if len(s) < 4 || s[0] != 'p' && s[0] != 'n' {
		return "", false
	}
	b := append(make([]byte, 0, len(s)+6), s[1:]...)
	sign := ""
	if s[0] == 'n' {
		if sign, b = "-", b[:len(b)-1]; s[len(s)-1] != '~' || len(b) < 3 {
			return "", false
		}
		for i := range b {
			b[i] = '0' + '9' - b[i]
		}
	}
	place, err := strconv.Atoi(string(b[:2]))
	if err != nil {
		return "", false
	}
	return schema.CanonicalDecimal(sign + "0." + string(b[2:]) + "e" + strconv.Itoa(place-50))
}
