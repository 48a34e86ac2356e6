package query

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"unicode"

	"github.com/octomesh/octomesh/pkg/fault"
)

// maxPoints bounds the parts of a portable pattern, each of which matches one
// code point; a longer one is left to RE2.
const maxPoints = 64*setWords - 1

// maxFolded bounds the code points of a class under flag i, which is spelled
// out in lower case; a larger one is left to RE2.
const maxFolded = 2048

// CompilePattern compiles a $regex. Its syntax is RE2 (Go's regexp/syntax);
// what of it is one sequence of literals, classes, . .* and .+ between optional
// anchors becomes portable: it has Atoms, which mean the same as Source. With
// fold, text and pattern are compared in simple lower case: Atoms are in lower
// case then, and the text has to be put through Fold. A pattern that is not
// portable takes RE2's own flag i instead, which also equates the few letters
// with several lower-case forms.
// Errors: INVALID_FILTER.
func CompilePattern(source string, fold bool) (*Pattern, error) {
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidFilter, "the pattern is no valid RE2 expression")
	}
	p := &Pattern{Source: source, Fold: fold}
	if p.portable(tree) {
		p.Portable = true
		p.compile()
		return p, nil
	}
	p.AtStart, p.AtEnd, p.Atoms = false, false, nil
	flags := ""
	if fold {
		flags = "(?i)"
	}
	if p.re, err = regexp.Compile(flags + source); err != nil {
		return nil, fault.Wrap(err, fault.InvalidFilter, "the pattern is no valid RE2 expression")
	}
	return p, nil
}

// portable turns the syntax tree into atoms, or reports that it is no plain
// sequence of them.
func (p *Pattern) portable(tree *syntax.Regexp) bool {
	parts := sequence(nil, tree)
	if n := len(parts); n > 0 && parts[0].Op == syntax.OpBeginText {
		p.AtStart, parts = true, parts[1:]
	}
	if n := len(parts); n > 0 && parts[n-1].Op == syntax.OpEndText {
		p.AtEnd, parts = true, parts[:n-1]
	}
	points := 0
	for i, part := range parts {
		a, ok := p.atom(part)
		if !ok {
			return false
		}
		switch {
		case a.Kind == AtomStar && (i == 0 && !p.AtStart || i == len(parts)-1 && !p.AtEnd):
			continue // free to match nothing, at a free end
		case a.Kind == AtomLiteral:
			points += len([]rune(a.Text))
			if n := len(p.Atoms); n > 0 && p.Atoms[n-1].Kind == AtomLiteral {
				p.Atoms[n-1].Text += a.Text
				continue
			}
		case a.Kind != AtomStar:
			points++
		}
		p.Atoms = append(p.Atoms, a)
	}
	return points <= maxPoints
}

// sequence flattens concatenations and groups.
func sequence(dst []*syntax.Regexp, r *syntax.Regexp) []*syntax.Regexp {
	switch r.Op {
	case syntax.OpConcat:
		for _, sub := range r.Sub {
			dst = sequence(dst, sub)
		}
		return dst
	case syntax.OpCapture:
		return sequence(dst, r.Sub[0])
	case syntax.OpEmptyMatch:
		return dst
	}
	return append(dst, r)
}

func (p *Pattern) atom(r *syntax.Regexp) (Atom, bool) {
	switch r.Op {
	case syntax.OpLiteral:
		if r.Flags&syntax.FoldCase != 0 { // (?i) inside the pattern
			return Atom{}, false
		}
		text := string(r.Rune)
		if p.Fold {
			text = Fold(text)
		}
		return Atom{Kind: AtomLiteral, Text: text}, true
	case syntax.OpAnyCharNotNL:
		return Atom{Kind: AtomAny}, true
	case syntax.OpStar, syntax.OpPlus:
		if r.Sub[0].Op != syntax.OpAnyCharNotNL {
			return Atom{}, false
		}
		if r.Op == syntax.OpStar {
			return Atom{Kind: AtomStar}, true
		}
		return Atom{Kind: AtomPlus}, true
	case syntax.OpCharClass:
		return p.class(r.Rune)
	}
	return Atom{}, false
}

// class makes the atom of a character class. The parser has resolved negation;
// a class that takes in both ends of Unicode is shorter the other way round.
func (p *Pattern) class(ranges []rune) (Atom, bool) {
	a := Atom{Kind: AtomClass, Ranges: slices.Clone(ranges)}
	if n := len(ranges); n > 2 && ranges[0] == 0 && ranges[n-1] == unicode.MaxRune {
		a.Negate, a.Ranges = true, a.Ranges[:0]
		for i := 1; i < n-1; i += 2 {
			a.Ranges = append(a.Ranges, ranges[i]+1, ranges[i+1]-1)
		}
	}
	if p.Fold {
		lower, ok := foldRanges(a.Ranges)
		if !ok {
			return Atom{}, false
		}
		a.Ranges = lower
	}
	return a, len(ranges) > 0
}

// foldRanges returns the ranges of the simple lower case of every member.
func foldRanges(ranges []rune) ([]rune, bool) {
	size := 0
	for i := 0; i < len(ranges); i += 2 {
		if size += int(ranges[i+1]-ranges[i]) + 1; size > maxFolded {
			return nil, false
		}
	}
	members := make([]rune, 0, size)
	for i := 0; i < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			members = append(members, unicode.ToLower(r))
		}
	}
	slices.Sort(members)
	var out []rune
	for _, r := range members {
		if n := len(out); n > 0 && r <= out[n-1]+1 {
			out[n-1] = r
		} else {
			out = append(out, r, r)
		}
	}
	return out, true
}
