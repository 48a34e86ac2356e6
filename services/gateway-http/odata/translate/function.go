package translate

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
)

// maxRepeat is the largest count in a pattern (RE2's own limit).
const maxRepeat = 1000

// truth translates a function that is true or false: contains, startswith,
// endswith, matchesPattern. With a null it is neither.
func (t *Translator) truth(x *parse.Call, s scope, neg bool) (Cond, error) {
	folded, constants, err := t.fold(x)
	if err != nil {
		return nil, err
	}
	x, ok := folded.(*parse.Call)
	if !ok || constants || x.On != nil || x.Named != nil {
		return nil, unsupported("this call can't be a condition here")
	}
	var before, behind string
	switch x.Name {
	case "contains":
	case "startswith":
		before = "^"
	case "endswith":
		behind = "$"
	case "matchespattern":
		return t.pattern(x, s, neg)
	default:
		return nil, unsupported("%s can't be a condition here", x.Name)
	}
	needle, ok := x.Args[1].(*parse.Literal)
	if !ok || needle.Kind != parse.String && needle.Kind != parse.Null {
		return nil, unsupported("%s looks for a constant text", x.Name)
	}
	if _, constant := x.Args[0].(*parse.Literal); constant || needle.Kind == parse.Null {
		return t.constantTruth(x, needle, neg)
	}
	term, fold, possible := t.unfold(x.Args[0], needle.Text)
	at, err := t.path(term, s)
	if err != nil {
		return nil, err
	}
	if !possible {
		return t.partial(at, never, neg)
	}
	if len(needle.Text) == 0 {
		return t.partial(at, exists(at.name), neg)
	}
	return t.partial(at, matches(at.name, before+regexp.QuoteMeta(needle.Text)+behind, fold), neg)
}

// constantTruth answers a function of constants alone.
func (t *Translator) constantTruth(x *parse.Call, needle *parse.Literal, neg bool) (Cond, error) {
	text, ok := x.Args[0].(*parse.Literal)
	if needle.Kind == parse.Null || ok && text.Kind == parse.Null {
		return never, nil
	}
	if !ok || text.Kind != parse.String {
		return nil, invalid("%s is for texts", x.Name)
	}
	holds := strings.Contains(text.Text, needle.Text)
	switch x.Name {
	case "startswith":
		holds = strings.HasPrefix(text.Text, needle.Text)
	case "endswith":
		holds = strings.HasSuffix(text.Text, needle.Text)
	}
	return constant(holds != neg), nil
}

func (t *Translator) pattern(x *parse.Call, s scope, neg bool) (Cond, error) {
	p, ok := x.Args[1].(*parse.Literal)
	if !ok || p.Kind != parse.String {
		return nil, unsupported("the pattern must be a constant text")
	}
	at, err := t.path(x.Args[0], s)
	if err != nil {
		return nil, err
	}
	return t.partial(at, matches(at.name, p.Text, false), neg)
}

// partial makes the condition of a function that is neither true nor false for
// null.
func (t *Translator) partial(at place, holds Cond, neg bool) (Cond, error) {
	if neg {
		holds = and(negate(holds), exists(at.name))
	}
	return t.through(at, holds, false, nil)
}

// unfold takes tolower or toupper off a term that is compared with text: case is
// then ignored. possible is false when text has the wrong case, so that nothing
// can match.
func (t *Translator) unfold(x parse.Expr, text string) (term parse.Expr, fold, possible bool) {
	c, ok := x.(*parse.Call)
	if !ok || len(c.Args) != 1 {
		return x, false, true
	}
	switch c.Name {
	case "tolower":
		return c.Args[0], true, strings.Map(unicode.ToLower, text) == text
	case "toupper":
		return c.Args[0], true, strings.Map(unicode.ToUpper, text) == text
	}
	return x, false, true
}

// function translates f(property) op constant.
func (t *Translator) function(x *parse.Call, op parse.Op, value parse.Expr, s scope, neg bool) (Cond, error) {
	v, ok := value.(*parse.Literal)
	if !ok {
		return nil, unsupported("%s is compared with one constant", x.Name)
	}
	if x.Name == "concat" {
		return t.concat(x, op, v, s, neg)
	}
	if len(x.Args) == 0 {
		return nil, unsupported("%s can't be asked here", x.Name)
	}
	at, err := t.path(x.Args[0], s)
	if err != nil {
		return nil, err
	}
	var holds Cond
	switch {
	case v.Kind == parse.Null:
		if op != "eq" && op != "ne" {
			holds = never
		} else {
			holds = is(at.name, operators[op], "null")
		}
		return t.settle(at, holds, op == "eq", neg)
	case op == "ne":
		op, neg = "eq", !neg
	}
	switch x.Name {
	case "tolower", "toupper", "trim", "substring":
		holds, err = textual(x, at, op, v)
	case "length":
		holds, err = length(at, op, v)
	case "indexof":
		holds, err = index(x, at, op, v)
	case "year", "date":
		holds, err = calendar(x.Name, at, op, v)
	case "round", "floor", "ceiling":
		holds, err = rounded(x.Name, at, op, v)
	default:
		err = unsupported("%s can't be asked of a property", x.Name)
	}
	if err != nil {
		return nil, err
	}
	return t.settle(at, holds, false, neg)
}

func dots(from, to int) string {
	if from == to {
		return "(?s)^.{" + strconv.Itoa(from) + "}"
	}
	return "(?s)^.{" + strconv.Itoa(from) + "," + strconv.Itoa(to) + "}"
}

// textual compares tolower, toupper, trim and substring for equality.
func textual(x *parse.Call, at place, op parse.Op, v *parse.Literal) (Cond, error) {
	if op != "eq" || v.Kind != parse.String {
		return nil, unsupported("%s can be asked for being equal to a text", x.Name)
	}
	text := regexp.QuoteMeta(v.Text)
	switch x.Name {
	case "tolower", "toupper":
		mapping := unicode.ToLower
		if x.Name == "toupper" {
			mapping = unicode.ToUpper
		}
		if strings.Map(mapping, v.Text) != v.Text {
			return never, nil
		}
		return matches(at.name, "^"+text+"$", true), nil
	case "trim":
		if strings.TrimSpace(v.Text) != v.Text {
			return never, nil
		}
		return matches(at.name, `^\s*`+text+`\s*$`, false), nil
	}
	from, ok := small(x.Args[1])
	if !ok {
		return nil, unsupported("substring begins at a constant from 0 to %d", maxRepeat)
	}
	if len(x.Args) == 2 {
		if v.Text == "" {
			return matches(at.name, dots(0, from)+"$", false), nil
		}
		return matches(at.name, dots(from, from)+text+"$", false), nil
	}
	count, ok := small(x.Args[2])
	if !ok {
		return nil, unsupported("substring has a constant length from 0 to %d", maxRepeat)
	}
	switch n := utf8.RuneCountInString(v.Text); {
	case n > count:
		return never, nil
	case n == count && n > 0:
		return matches(at.name, dots(from, from)+text, false), nil
	case n == 0 && count == 0:
		return exists(at.name), nil
	case n == 0:
		return matches(at.name, dots(0, from)+"$", false), nil
	}
	return matches(at.name, dots(from, from)+text+"$", false), nil
}

// small reads a constant from 0 to maxRepeat.
func small(x parse.Expr) (int, bool) {
	l, ok := x.(*parse.Literal)
	if !ok || l.Kind != parse.Number {
		return 0, false
	}
	n, err := strconv.Atoi(l.Text)
	return n, err == nil && n >= 0 && n <= maxRepeat
}

// bounds turns op n into the smallest and largest whole number for which it
// holds; to is -1 for no end. ok is false where it holds for no number from 0.
func bounds(op parse.Op, v *parse.Literal) (from, to int, ok bool, err error) {
	r, is := rational(v)
	if !is || !r.IsInt() || !r.Num().IsInt64() {
		return 0, 0, false, unsupported("it is compared with a whole number")
	}
	n := r.Num().Int64()
	if n > maxRepeat {
		return 0, 0, false, unsupported("it is compared with a number up to %d", maxRepeat)
	}
	n = max(n, -2)
	from, to = 0, -1
	switch op {
	case "eq":
		from, to = int(n), int(n)
	case "ge":
		from = int(n)
	case "gt":
		from = int(n) + 1
	case "le":
		to = int(n)
	case "lt":
		to = int(n) - 1
	}
	if to < 0 && (op == "le" || op == "lt" || op == "eq") {
		return 0, 0, false, nil
	}
	return max(from, 0), to, true, nil
}

func length(at place, op parse.Op, v *parse.Literal) (Cond, error) {
	from, to, ok, err := bounds(op, v)
	switch {
	case err != nil || !ok:
		return never, err
	case to == 0:
		return is(at.name, "$eq", `""`), nil
	case to < 0 && from == 0:
		return exists(at.name), nil
	case to < 0:
		return matches(at.name, dots(from, from), false), nil
	}
	return matches(at.name, dots(from, to)+"$", false), nil
}

// index translates indexof(property,'x') op n.
func index(x *parse.Call, at place, op parse.Op, v *parse.Literal) (Cond, error) {
	needle, ok := x.Args[1].(*parse.Literal)
	if !ok || needle.Kind != parse.String || needle.Text == "" {
		return nil, unsupported("indexof looks for a constant text")
	}
	text := regexp.QuoteMeta(needle.Text)
	absent := and(negate(matches(at.name, text, false)), exists(at.name))
	within := func(to int) Cond { // the first occurrence is at most at to
		if to == 0 {
			return matches(at.name, "^"+text, false)
		}
		return matches(at.name, dots(0, to)+text, false)
	}
	from, to, some, err := bounds(op, v)
	if err != nil {
		return nil, err
	}
	r, _ := rational(v)
	minusOne := r.Cmp(big.NewRat(-1, 1))
	withAbsent := op == "eq" && minusOne == 0 || op == "ge" && minusOne <= 0 || op == "gt" && minusOne < 0 ||
		op == "le" && minusOne >= 0 || op == "lt" && minusOne > 0
	var found Cond = never
	if some {
		found = matches(at.name, text, false)
		if to >= 0 {
			found = within(to)
		}
		if from > 0 {
			found = and(found, negate(within(from-1)))
		}
	}
	if withAbsent {
		return or(found, absent), nil
	}
	return found, nil
}

// concat takes a constant beginning or end off both sides.
func (t *Translator) concat(x *parse.Call, op parse.Op, v *parse.Literal, s scope, neg bool) (Cond, error) {
	if op != "eq" && op != "ne" || v.Kind != parse.String {
		return nil, unsupported("concat can be asked for being equal to a text")
	}
	first, isFirst := x.Args[0].(*parse.Literal)
	second, isSecond := x.Args[1].(*parse.Literal)
	var (
		rest string
		ok   bool
		term parse.Expr
	)
	switch {
	case isFirst && first.Kind == parse.String:
		term = x.Args[1]
		rest, ok = strings.CutPrefix(v.Text, first.Text)
	case isSecond && second.Kind == parse.String:
		term = x.Args[0]
		rest, ok = strings.CutSuffix(v.Text, second.Text)
	default:
		return nil, unsupported("concat joins a property and a constant text")
	}
	if !ok {
		return constant((op == "ne") != neg), nil
	}
	return t.against(term, op, &parse.Literal{Kind: parse.String, Text: rest}, s, neg)
}
