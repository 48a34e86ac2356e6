package postgres

import (
	"fmt"
	"strings"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// matcher writes text tests.
type matcher struct {
	fold bool // the schema has lowerFunction
}

// match implements sqlgen.Dialect.Match. Only patterns that are not portable,
// and without lowerFunction the folding of letters outside of ASCII, are left to
// the worker.
func (m matcher) match(b *sqlgen.Builder, t sqlgen.Match) bool {
	switch t.Kind {
	case sqlgen.MatchInfix:
		b.Write("strpos(")
		t.Operand()
		b.Write(", ")
		b.Arg(schema.TextOf(t.Text))
		b.Write(truth(t.Negate, ") = 0", ") > 0"))
	case sqlgen.MatchSuffix: // right counts code points
		b.Write("right(")
		t.Operand()
		b.Write(", ")
		b.Arg(schema.IntOf(int64(len([]rune(t.Text)))))
		b.Write(truth(t.Negate, "::integer) <> ", "::integer) = "))
		b.Arg(schema.TextOf(t.Text))
	case sqlgen.MatchFold:
		return m.folded(b, t, func(lower func()) {
			b.Write("strpos(")
			lower()
			b.Write(", ")
			b.Arg(schema.TextOf(t.Text))
			b.Write(truth(t.Negate, ") = 0", ") > 0"))
		})
	case sqlgen.MatchRegex:
		switch {
		case t.Pattern == nil || !t.Pattern.Portable:
			b.Write("1=1")
			return false
		case t.Pattern.Fold:
			return m.folded(b, t, func(lower func()) { regex(b, t, lower) })
		}
		regex(b, t, t.Operand)
	}
	return true
}

func truth(t bool, yes, no string) string {
	if t {
		return yes
	}
	return no
}

func regex(b *sqlgen.Builder, t sqlgen.Match, operand func()) {
	operand()
	b.Write(truth(t.Negate, " !~ ", " ~ "))
	b.Arg(schema.TextOf(are(t.Pattern)))
}

// folded writes a test on the lower case of the operand. ASCII, which most texts
// are, is folded by the collation "C", which knows nothing else.
func (m matcher) folded(b *sqlgen.Builder, t sqlgen.Match, test func(lower func())) bool {
	if m.fold {
		test(func() {
			b.Write("CASE WHEN octet_length(")
			t.Operand()
			b.Write(") = length(")
			t.Operand()
			b.Write(") THEN lower(")
			t.Operand()
			b.Write(bytewise + ") ELSE " + lowerFunction + "(")
			t.Operand()
			b.Write(") END")
		})
		return true
	}
	b.Write("(")
	test(func() {
		b.Write("lower(")
		t.Operand()
		b.Write(bytewise + ")")
	})
	b.Write(" OR octet_length(")
	t.Operand()
	b.Write(") <> length(")
	t.Operand()
	b.Write("))")
	return false
}

// are translates a portable pattern to an advanced regular expression
// (https://www.postgresql.org/docs/current/functions-matching.html, section
// 9.7.3). Its dot and its negated classes take line feeds, ours takes none, so
// the dot is spelled out; \A and \Z are the ends of the text alone; ranges are by
// code point in any locale.
func are(p *query.Pattern) string {
	var b strings.Builder
	if p.AtStart {
		b.WriteString(`\A`)
	}
	for _, a := range p.Atoms {
		switch a.Kind {
		case query.AtomLiteral:
			text := a.Text
			if p.Fold {
				text = query.Fold(text)
			}
			literal(&b, text)
		case query.AtomAny:
			b.WriteString(`[^\u000a]`)
		case query.AtomStar:
			b.WriteString(`[^\u000a]*`)
		case query.AtomPlus:
			b.WriteString(`[^\u000a]+`)
		case query.AtomClass:
			class(&b, a)
		}
	}
	if p.AtEnd {
		b.WriteString(`\Z`)
	}
	return b.String()
}

// literal writes text that stands for itself.
func literal(b *strings.Builder, text string) {
	for _, r := range text {
		switch {
		case r >= 0x80, r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r == ' ':
			b.WriteRune(r)
		case r < ' ', r == 0x7f:
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			b.WriteByte('\\')
			b.WriteRune(r)
		}
	}
}

// class writes a class by ranges. No text has a NUL, which ends a text for the
// server; one that takes nothing excludes everything.
func class(b *strings.Builder, a query.Atom) {
	ranges := make([]rune, 0, len(a.Ranges))
	for i := 0; i+1 < len(a.Ranges); i += 2 {
		if a.Ranges[i+1] > 0 {
			ranges = append(ranges, max(a.Ranges[i], 1), a.Ranges[i+1])
		}
	}
	negate := a.Negate
	if len(ranges) == 0 {
		negate, ranges = !negate, []rune{1, 0x10FFFF}
	}
	b.WriteString(truth(negate, "[^", "["))
	for i := 0; i+1 < len(ranges); i += 2 {
		fmt.Fprintf(b, `\U%08x-\U%08x`, ranges[i], ranges[i+1])
	}
	b.WriteByte(']')
}
