package adapt

import (
	sqldriver "database/sql/driver"
	"strings"
	"time"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// Capabilities are those of a database that was never met. What its commits
// survive is set by its administrator, and nobody has asked it.
func Capabilities(dialect string) driver.Capabilities {
	return driver.Capabilities{Dialect: dialect, Transactions: true, Sync: driver.SyncUnknown, Cells: true, Evidence: "text"}
}

// Types are the declared types of one database.
type Types struct {
	Bool, Int, Float, Decimal, Time string
	Key, Text                       string // bounded text that an index takes; the longest that can be compared
}

// Column is a Dialect.ColumnType.
func (t *Types) Column(c *schema.Column, key bool) string {
	switch c.Type.Kind() {
	case schema.KindBool:
		return t.Bool
	case schema.KindInt:
		return t.Int
	case schema.KindFloat:
		return t.Float
	case schema.KindDecimal:
		return t.Decimal
	case schema.KindTime:
		return t.Time
	case schema.KindText:
		if key || c.Type == schema.Enum || c.Type == schema.ObjectID {
			return t.Key
		}
	}
	return t.Text
}

// Texts reports whether the column holds text that need not be ASCII without
// spaces at its ends.
func Texts(c *schema.Column) bool {
	k := c.Type.Kind()
	return (k == schema.KindText || k == schema.KindJSON) && c.Role != schema.RoleID && c.Role != schema.RoleReference && c.Type != schema.ObjectID
}

// Ended is a Dialect.Wrap for engines that take no notice of spaces at the end of
// a text: with a character behind it that is in no text and below all others,
// equality is exact and the order that of the texts.
func Ended(end string) func(c *schema.Column, ordered bool) (before, after string) {
	return func(c *schema.Column, _ bool) (string, string) {
		if Texts(c) {
			return "", end
		}
		return "", ""
	}
}

// Infix writes that a column holds the bound text: name(before text between
// column after) > 0, or with the column first.
type Infix struct {
	Open, Between, Close string
	ColumnFirst          bool
}

// Match is a Dialect.Match: what a column holds is asked for, everything else
// the worker finds out.
func (f Infix) Match(b *sqlgen.Builder, m sqlgen.Match) bool {
	if m.Kind != sqlgen.MatchInfix {
		m.Operand()
		b.Write(" IS NOT NULL")
		return false
	}
	b.Write(f.Open)
	if f.ColumnFirst {
		m.Operand()
		b.Write(f.Between)
		b.Arg(schema.TextOf(m.Text))
	} else {
		b.Arg(schema.TextOf(m.Text))
		b.Write(f.Between)
		m.Operand()
	}
	b.Write(f.Close)
	if m.Negate {
		b.Write(" = 0")
	} else {
		b.Write(" > 0")
	}
	return true
}

// Aggregate is a Dialect.Aggregate: sums and averages are the worker's, and the
// least and greatest of what wrap is written around.
func Aggregate(wrap func(c *schema.Column, ordered bool) (string, string)) func(*sqlgen.Builder, query.AccumulatorOp, *schema.Column, func()) bool {
	return func(b *sqlgen.Builder, op query.AccumulatorOp, c *schema.Column, _ func()) bool {
		wrapped := false
		if wrap != nil {
			before, after := wrap(c, true)
			wrapped = before+after != ""
		}
		if op == query.Sum || op == query.Avg || wrapped {
			b.Write("0")
			b.Inexact()
			return true
		}
		return false
	}
}

// Bind turns a value into what most drivers take: 0 and 1 for truth, an instant
// as its text in UTC.
func Bind(v schema.Value) sqldriver.Value {
	switch v.Kind() {
	case schema.KindBool:
		if v.Bool() {
			return int64(1)
		}
		return int64(0)
	case schema.KindInt:
		return v.Int()
	case schema.KindFloat:
		return v.Float()
	case schema.KindTime: // 2006-01-02T15:04:05.000Z to 2006-01-02 15:04:05.000
		b := schema.AppendTime(make([]byte, 0, 32), v.Int())
		b[10] = ' '
		return string(b[:len(b)-1])
	}
	return v.Text()
}

// Time reads an instant that a driver gave as text.
func Time(b []byte) (int64, bool) {
	for _, layout := range []string{"2006-01-02 15:04:05.999999999", time.RFC3339Nano, "2006-01-02"} {
		if t, err := time.Parse(layout, string(b)); err == nil {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}

// Digits is an Engine.Check for decimals of so many digits before and behind the
// point.
func Digits(whole, frac int, reason string) func(*schema.Column, schema.Value) string {
	return func(_ *schema.Column, v schema.Value) string {
		w, f, _ := strings.Cut(strings.TrimPrefix(v.Text(), "-"), ".")
		if len(w) > whole || len(f) > frac {
			return reason
		}
		return ""
	}
}

// Fits is a migrate.Engine.Fits by the first words of declared types, in capital
// letters, for each kind; texts take JSON too.
func Fits(kinds map[schema.Kind][]string) func(want, have migrate.Column) bool {
	return func(want, have migrate.Column) bool {
		base, _, _ := strings.Cut(strings.ToUpper(have.Declared), "(")
		base, _, _ = strings.Cut(base, " COLLATE")
		if want.Type == 0 { // a system column
			wanted, _, _ := strings.Cut(strings.ToUpper(want.Declared), "(")
			wanted, _, _ = strings.Cut(wanted, " COLLATE")
			return strings.TrimSpace(base) == strings.TrimSpace(wanted)
		}
		k := want.Type.Kind()
		if k == schema.KindJSON {
			k = schema.KindText
		}
		for _, b := range kinds[k] {
			if strings.TrimSpace(base) == b {
				return true
			}
		}
		return false
	}
}

// Problem tells what a numbered error means: by its number, and the name in its
// message that stands between the last two of those characters.
func Problem(kinds map[int]sqldb.Kind, number int, message string, open, end byte) sqldb.Problem {
	p := sqldb.Problem{Kind: kinds[number]}
	last := strings.LastIndexByte(message, end)
	if last <= 0 {
		return p
	}
	first := strings.LastIndexByte(message[:last], open)
	name := message[first+1 : last]
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		name = name[dot+1:]
	}
	name = strings.Trim(name, `"[]`)
	switch p.Kind {
	case sqldb.Unique:
		p.Index = name
	case sqldb.NotNull, sqldb.TooLong, sqldb.OutOfRange:
		p.Column = name
	}
	return p
}
