package sqlite

import (
	"bytes"
	"cmp"
	"math/big"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"zombiezen.com/go/sqlite"

	"github.com/octomesh/octomesh/pkg/schema"
)

// functions are the Go functions of one connection, with their memory.
type functions struct {
	folded  []byte
	regexes map[string]*regexp.Regexp
}

// maxRegexes bounds how many expressions a connection keeps compiled.
const maxRegexes = 32

func register(c *sqlite.Conn) error {
	f := &functions{regexes: make(map[string]*regexp.Regexp)}
	if err := c.SetCollation(decimalCollation, compareDecimals); err != nil {
		return err
	}
	scalars := []struct {
		name  string
		nargs int
		run   func(sqlite.Context, []sqlite.Value) (sqlite.Value, error)
	}{{foldFunction, 2, f.contains}, {regexFunction, 3, f.regex}}
	for _, s := range scalars {
		err := c.CreateFunction(s.name, &sqlite.FunctionImpl{NArgs: s.nargs, Deterministic: true, Scalar: s.run})
		if err != nil {
			return err
		}
	}
	for name, avg := range map[string]bool{sumFunction: false, avgFunction: true} {
		err := c.CreateFunction(name, &sqlite.FunctionImpl{
			NArgs: 1, Deterministic: true,
			MakeAggregate: func(sqlite.Context) (sqlite.AggregateFunction, error) { return &exactSum{avg: avg}, nil },
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func truth(b bool) sqlite.Value {
	if b {
		return sqlite.IntegerValue(1)
	}
	return sqlite.IntegerValue(0)
}

// contains(text, needle) lower-cases text by code point and looks for the
// needle, which is in lower case. Null holds nothing.
func (f *functions) contains(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
	if args[0].Type() == sqlite.TypeNull {
		return truth(false), nil
	}
	f.folded = lower(f.folded[:0], args[0].Blob())
	found := bytes.Contains(f.folded, args[1].Blob())
	f.trim()
	return truth(found), nil
}

// regex(text, RE2, lower) tells whether the text, or its lower case, matches.
func (f *functions) regex(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
	if args[0].Type() == sqlite.TypeNull {
		return truth(false), nil
	}
	re := f.regexes[string(args[1].Blob())] // no copy for the look-up
	if re == nil {
		expr := args[1].Text()
		var err error
		if re, err = regexp.Compile(expr); err != nil {
			return sqlite.Value{}, err
		}
		if len(f.regexes) >= maxRegexes {
			clear(f.regexes)
		}
		f.regexes[expr] = re
	}
	text := args[0].Blob()
	if args[2].Int64() != 0 {
		f.folded = lower(f.folded[:0], text)
		text = f.folded
	}
	found := re.Match(text)
	f.trim()
	return truth(found), nil
}

// trim gives a buffer back that one huge text has made large.
func (f *functions) trim() {
	if cap(f.folded) > 64<<10 {
		f.folded = nil
	}
}

// lower appends text in Unicode simple lower case.
func lower(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		dst = utf8.AppendRune(dst, unicode.ToLower(r))
		i += n
	}
	return dst
}

// compareDecimals orders canonical decimals by magnitude: no exponent, no
// needless zeros. Other texts come in some order, which is all that a
// collation needs.
func compareDecimals(a, b string) int {
	negA, negB := strings.HasPrefix(a, "-"), strings.HasPrefix(b, "-")
	switch {
	case negA && !negB:
		return -1
	case negB && !negA:
		return 1
	case negA:
		a, b = b[1:], a[1:]
	}
	wholeA, fracA := split(a)
	wholeB, fracB := split(b)
	if d := cmp.Compare(len(wholeA), len(wholeB)); d != 0 {
		return d
	}
	if d := strings.Compare(wholeA, wholeB); d != 0 {
		return d
	}
	return strings.Compare(fracA, fracB)
}

func split(s string) (whole, frac string) {
	whole, frac, _ = strings.Cut(s, ".")
	return whole, frac
}

// exactSum adds decimals and integers exactly. The sum of nothing is 0 and one
// that a decimal can't hold is null; an average is a float64, of nothing null.
type exactSum struct {
	sum big.Rat
	n   int64
	avg bool
}

func (d *exactSum) Step(_ sqlite.Context, args []sqlite.Value) error {
	return d.add(args[0], 1)
}

func (d *exactSum) WindowInverse(_ sqlite.Context, args []sqlite.Value) error {
	return d.add(args[0], -1)
}

func (d *exactSum) add(v sqlite.Value, sign int64) error {
	var x big.Rat
	switch v.Type() {
	case sqlite.TypeNull:
		return nil
	case sqlite.TypeInteger:
		x.SetInt64(v.Int64())
	default:
		if _, ok := x.SetString(v.Text()); !ok { // a foreign program wrote it
			return nil
		}
	}
	if sign < 0 {
		x.Neg(&x)
	}
	d.sum.Add(&d.sum, &x)
	d.n += sign
	return nil
}

func (d *exactSum) WindowValue(sqlite.Context) (sqlite.Value, error) {
	if d.avg {
		if d.n == 0 {
			return sqlite.Value{}, nil
		}
		f, _ := new(big.Rat).Quo(&d.sum, new(big.Rat).SetInt64(d.n)).Float64()
		return sqlite.FloatValue(f), nil
	}
	places, _ := d.sum.FloatPrec() // a sum of decimals has an end
	text, ok := schema.CanonicalDecimal(d.sum.FloatString(places))
	if !ok {
		return sqlite.Value{}, nil
	}
	return sqlite.TextValue(text), nil
}

func (d *exactSum) Finalize(sqlite.Context) {}
