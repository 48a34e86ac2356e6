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

const (
	formAny    = 'a'
	formEqual  = '='
	formPrefix = '^'
	formLast   = '!' // a prefix without a text above it
)

type form struct {
	kind byte
	text string
}

// classify finds the plainest form that says the same as a pattern.
func classify(p *query.Pattern) form {
	if p == nil || !p.Portable {
		return form{kind: byte(MatchRegex)}
	}
	var text strings.Builder
	atoms := p.Atoms
	// a free .* at an end that is not anchored says nothing
	for len(atoms) > 0 && !p.AtEnd && atoms[len(atoms)-1].Kind == query.AtomStar {
		atoms = atoms[:len(atoms)-1]
	}
	for len(atoms) > 0 && !p.AtStart && atoms[0].Kind == query.AtomStar {
		atoms = atoms[1:]
	}
	for _, a := range atoms {
		if a.Kind != query.AtomLiteral {
			return form{kind: byte(MatchRegex)}
		}
		text.WriteString(a.Text)
	}
	s := text.String()
	switch {
	case s == "" && !(p.AtStart && p.AtEnd):
		return form{kind: formAny}
	case p.Fold && s != "" && !p.AtStart && !p.AtEnd:
		return form{byte(MatchFold), query.Fold(s)}
	case p.Fold && s != "":
		return form{kind: byte(MatchRegex)}
	case p.AtStart && p.AtEnd:
		return form{formEqual, s}
	case p.AtStart:
		return form{formPrefix, s}
	case p.AtEnd:
		return form{byte(MatchSuffix), s}
	}
	return form{byte(MatchInfix), s}
}
