package sqlgen

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/query"
)

// RE2 translates a pattern for an engine that matches with RE2 itself. With
// lower the text must be put into simple lower case before.
func RE2(p *query.Pattern) (expr string, lower bool) {
	if !p.Portable {
		if p.Fold {
			return "(?i)" + p.Source, false
		}
		return p.Source, false
	}
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
			b.WriteString(regexp.QuoteMeta(text))
		case query.AtomAny:
			b.WriteString(".")
		case query.AtomStar:
			b.WriteString(".*")
		case query.AtomPlus:
			b.WriteString(".+")
		case query.AtomClass:
			writeClass(&b, a)
		}
	}
	if p.AtEnd {
		b.WriteString(`\z`)
	}
	return b.String(), p.Fold
}

func writeClass(b *strings.Builder, a query.Atom) {
	switch {
	case len(a.Ranges) < 2 && a.Negate:
		b.WriteString(`(?s:.)`)
		return
	case len(a.Ranges) < 2:
		b.WriteString(`[^\x00-\x{10FFFF}]`)
		return
	case a.Negate:
		b.WriteString("[^")
	default:
		b.WriteString("[")
	}
	for i := 0; i+1 < len(a.Ranges); i += 2 {
		b.WriteString(`\x{` + strconv.FormatInt(int64(a.Ranges[i]), 16) + `}-\x{` + strconv.FormatInt(int64(a.Ranges[i+1]), 16) + `}`)
	}
	b.WriteString("]")
}
