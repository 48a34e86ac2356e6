package mysql

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

const (
	// keyLength is how many characters an indexed text column keeps: three of
	// them fit into an index of 3,072 bytes.
	keyLength = 255
	// prefixLength is how many characters of a longer text an index holds.
	prefixLength = 191
	// wholeDigits and fracDigits are what DECIMAL(65,30) keeps before and behind
	// the point.
	wholeDigits, fracDigits = 35, 30
	decimalType             = "DECIMAL(65,30)"
)

// server is what tells the servers apart.
type server struct {
	name      string // mysql or mariadb, as the address asks for
	mariadb   bool
	collation string // of own text columns
}

// Dialect returns the SQL of MySQL 8 or MariaDB under a name, for tables that
// are all our own.
func Dialect(name string, mariadb bool) *sqlgen.Dialect {
	s := &server{name: name, mariadb: mariadb, collation: "utf8mb4_0900_bin"}
	if mariadb {
		s.collation = "utf8mb4_nopad_bin"
	}
	return s.dialect(new(columns))
}

func (s *server) dialect(known *columns) *sqlgen.Dialect {
	return &sqlgen.Dialect{
		Name:        s.name,
		QuoteOpen:   '`',
		QuoteClose:  '`',
		Placeholder: sqlgen.MarkPlaceholder,
		ColumnType:  s.columnType,
		Types: sqlgen.SystemTypes{
			Text: s.text("LONGTEXT"), Key: s.text("VARCHAR(255)"), Int: "BIGINT", Bytes: "VARBINARY(255)",
		},
		Tables: sqlgen.Tables{
			Partial:   sqlgen.PartialColumn,
			Generated: [2]string{"GENERATED ALWAYS AS (", ") VIRTUAL"},
			Long:      known.long,
			Hash:      func(column string) string { return "UNHEX(SHA2(" + column + ", 256))" },
			HashType:  "VARBINARY(32)",
			Prefix:    prefixLength,
			DropIndex: sqlgen.DropIndexOn,
			Options:   " ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE " + s.collation,
			Collation: s.collation,
		},
		Identity:     " AUTO_INCREMENT",
		NotEqual:     sqlgen.NotEqualOr,
		Nulls:        sqlgen.NullsLow,
		Collate:      func(c *schema.Column, _ bool) string { return known.collate(c, s.collation) },
		BindOpen:     bindOpen,
		Bind:         bindClose,
		NoLimit:      "18446744073709551615",
		IgnorePrefix: "IGNORE ",
		ForUpdate:    " FOR UPDATE",
		MaxName:      64,
		Match:        s.match,
		Aggregate:    aggregate,
		Float:        "DOUBLE",
	}
}

// text is a text type with the collation of own columns, which an adopted
// table's default would else decide.
func (s *server) text(t string) string { return t + " CHARACTER SET utf8mb4 COLLATE " + s.collation }

func (s *server) columnType(c *schema.Column, key bool) string {
	switch c.Type.Kind() {
	case schema.KindBool:
		return "TINYINT(1)"
	case schema.KindInt:
		return "BIGINT"
	case schema.KindFloat:
		return "DOUBLE"
	case schema.KindDecimal:
		return decimalType
	case schema.KindTime:
		return "DATETIME(3)"
	case schema.KindJSON:
		return s.text("LONGTEXT")
	}
	if key || c.Type == schema.Enum || c.Type == schema.ObjectID {
		return s.text("VARCHAR(255)")
	}
	return s.text("LONGTEXT")
}

// A text that is compared with a DECIMAL or a DATETIME would else be compared as
// a float, or as a text.

func bindOpen(c *schema.Column) string {
	if k := c.Type.Kind(); k == schema.KindDecimal || k == schema.KindTime {
		return "CAST("
	}
	return ""
}

func bindClose(c *schema.Column) string {
	switch c.Type.Kind() {
	case schema.KindDecimal:
		return " AS " + decimalType + ")"
	case schema.KindTime:
		return " AS DATETIME(3))"
	}
	return ""
}

// match writes a text test. What the server cannot do by the language's own
// rules lets every text pass that might fulfil it: lower case beyond ASCII, and
// regular expressions that are more than a text, of which it tries none.
func (s *server) match(b *sqlgen.Builder, m sqlgen.Match) bool {
	switch m.Kind {
	case sqlgen.MatchInfix:
		locate(b, m, false)
		return true
	case sqlgen.MatchSuffix: // RIGHT counts code points
		b.Write("RIGHT(")
		m.Operand()
		b.Write(", ")
		b.Arg(schema.IntOf(int64(len([]rune(m.Text)))))
		if m.Negate {
			b.Write(") <> ")
		} else {
			b.Write(") = ")
		}
		b.Arg(schema.TextOf(m.Text))
		return true
	case sqlgen.MatchFold:
		b.Write("(")
		locate(b, m, true)
		b.Write(" OR LENGTH(")
		m.Operand()
		b.Write(") <> CHAR_LENGTH(")
		m.Operand()
		b.Write("))")
	case sqlgen.MatchRegex:
		m.Operand()
		b.Write(" IS NOT NULL")
	}
	return false
}

// locate writes that the operand holds the text, or not.
func locate(b *sqlgen.Builder, m sqlgen.Match, lower bool) {
	b.Write("LOCATE(")
	b.Arg(schema.TextOf(m.Text))
	if lower {
		b.Write(", LOWER(")
		m.Operand()
		b.Write("))")
	} else {
		b.Write(", ")
		m.Operand()
		b.Write(")")
	}
	if m.Negate {
		b.Write(" = 0")
	} else {
		b.Write(" > 0")
	}
}

// aggregate keeps sums and averages exact where the kind is (the server adds
// integers and decimals as decimals), and makes null of what its type can't hold.
func aggregate(b *sqlgen.Builder, op query.AccumulatorOp, c *schema.Column, operand func()) bool {
	if op != query.Sum && op != query.Avg {
		return false
	}
	sum := func() {
		b.Write("SUM(")
		operand()
		b.Write(")")
	}
	kind := c.Type.Kind()
	switch {
	case kind == schema.KindFloat && op == query.Sum:
		b.Write("COALESCE(")
		sum()
		b.Write(", 0)")
	case kind == schema.KindFloat:
		b.Write("AVG(")
		operand()
		b.Write(")")
	case op == query.Avg: // as exact as the session's div_precision_increment
		b.Write("CAST(")
		sum()
		b.Write(" / COUNT(")
		operand()
		b.Write(") AS DOUBLE)")
	case kind == schema.KindInt:
		b.Write("CASE WHEN COUNT(")
		operand()
		b.Write(") = 0 THEN 0 WHEN ")
		sum()
		b.Write(" BETWEEN -9223372036854775808 AND 9223372036854775807 THEN CAST(")
		sum()
		b.Write(" AS SIGNED) END")
	default: // a decimal: without the zeros at its ends, it has at most so many digits
		b.Write("CASE WHEN COUNT(")
		operand()
		b.Write(") = 0 THEN 0 WHEN CHAR_LENGTH(TRIM(BOTH '0' FROM REPLACE(CAST(ABS(")
		sum()
		b.Write(") AS CHAR), '.', ''))) <= 38 THEN ")
		sum()
		b.Write(" END")
	}
	return true
}

// unkept tells why DECIMAL(65,30) cannot keep a decimal.
func unkept(_ *schema.Column, v schema.Value) string {
	whole, frac, _ := strings.Cut(strings.TrimPrefix(v.Text(), "-"), ".")
	if len(whole) > wholeDigits || len(frac) > fracDigits {
		return "has more digits than the database keeps (35 before the point, 30 behind it)"
	}
	return ""
}
