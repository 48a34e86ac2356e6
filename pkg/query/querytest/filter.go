package querytest

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// condition is a filter as a tree and as JSON text, made side by side so that
// neither depends on the parser.
type condition struct {
	expr query.Expr
	text string
	uses []Use
}

// filter draws a filter nested at most depth deep.
func (g *generator) filter(table Table, depth int) condition {
	if depth > 1 && g.percent(45) {
		kind := g.upTo(8)
		if kind == 7 {
			inner := g.filter(table, depth-1)
			return condition{query.Not{X: inner.expr}, `{"$not":` + inner.text + `}`, inner.uses}
		}
		var (
			list  []query.Expr
			parts []string
			uses  []Use
		)
		for range 1 + g.upTo(3) {
			inner := g.filter(table, depth-1)
			list, parts, uses = append(list, inner.expr), append(parts, inner.text), append(uses, inner.uses...)
		}
		text := "[" + strings.Join(parts, ",") + "]"
		switch kind {
		case 0, 1, 2, 3:
			return condition{query.Or(list), `{"$or":` + text + `}`, uses}
		case 4, 5:
			return condition{query.And(list), `{"$and":` + text + `}`, uses}
		}
		return condition{query.Not{X: query.Or(list)}, `{"$nor":` + text + `}`, uses}
	}
	c := pick(g, table.Entity.Columns)
	for c.Hidden || c.Role == schema.RoleDiscriminator && c.Field == nil {
		c = pick(g, table.Entity.Columns)
	}
	expr, text, op := g.compare(c, table.Rows)
	text = `{` + strconv.Quote(c.Name) + `:` + text + `}`
	return condition{expr, text, uses(op, c, table.Rows)}
}

var compareNames = map[string]query.CompareOp{
	"$eq": query.Eq, "$ne": query.Ne, "$gt": query.Gt, "$gte": query.Gte, "$lt": query.Lt, "$lte": query.Lte,
}

// compare draws an operator with its operand; op is its name in Coverage.
func (g *generator) compare(c *schema.Column, rows []schema.Row) (e query.Expr, text, op string) {
	op = pick(g, operators(c.Type))
	name, null := strings.CutSuffix(op, " null")
	switch name {
	case "$exists":
		if g.percent(50) {
			return query.Compare{Column: c, Op: query.Ne}, `{"$exists":true}`, op
		}
		return query.Compare{Column: c, Op: query.Eq}, `{"$exists":false}`, op
	case "$in", "$nin":
		in := query.In{Column: c, Negate: name == "$nin"}
		for range g.upTo(5) { // sometimes empty
			in.Values = append(in.Values, g.operand(c, rows))
		}
		if null {
			in.Values = append(in.Values, schema.Null)
		}
		return in, `{"` + name + `":` + list(in.Values) + `}`, op
	case "$regex":
		source, fold := g.pattern(c, rows)
		p, err := query.CompilePattern(source, fold)
		check(err, source)
		text = `{"$regex":` + string(schema.AppendString(nil, source))
		if fold {
			text += `,"$regexFlags":"i"`
		}
		return query.Regex{Column: c, Pattern: p}, text + `}`, op
	}
	v := schema.Null
	if !null {
		v = g.operand(c, rows)
	}
	value := string(v.AppendJSON(nil))
	text = `{"` + name + `":` + value + `}`
	if name == "$eq" && g.percent(50) && c.Type != schema.JSON && c.Type != schema.Array {
		text = value
	}
	return query.Compare{Column: c, Op: compareNames[name], Value: v}, text, op
}

func list(values []schema.Value) string {
	b := []byte{'['}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = v.AppendJSON(b)
	}
	return string(append(b, ']'))
}

// pattern draws a pattern that fits one of the column's values, or nearly.
func (g *generator) pattern(c *schema.Column, rows []schema.Row) (source string, fold bool) {
	runes := []rune(g.operand(c, rows).Text())
	if len(runes) > 12 {
		runes = runes[:12]
	}
	quote := func(r []rune) string { return regexp.QuoteMeta(string(r)) }
	cut := g.upTo(len(runes) + 1)
	head, tail := runes[:cut], runes[cut:]
	switch g.upTo(9) {
	case 0:
		source = "^" + quote(head)
	case 1:
		source = quote(tail) + "$"
	case 2:
		source = "^" + quote(runes) + "$"
	case 3:
		source = quote(head) + ".*" + quote(tail[min(1, len(tail)):])
	case 4:
		source = "^" + quote(head) + ".+$"
	case 5:
		source = "^" + strings.Repeat(".", len(runes)) + "$"
	case 6:
		class := "[" + pick(g, []string{"a-c", "^a", "A-Z", "0-9_", "\u00e0-\u00ff", "%"}) + "]"
		source = quote(head) + class
	case 7:
		source = quote(tail)
	default: // beyond the portable subset
		source = "^(?:" + quote(runes) + "|" + pick(g, []string{"ab", "x+", "[ab]{2}"}) + ")"
	}
	fold = g.percent(40)
	if fold && g.percent(50) && !strings.Contains(source, `\`) {
		source = strings.ToUpper(source)
	}
	return source, fold
}

// needle draws a part of some text of the table.
func (g *generator) needle(table Table) string {
	var texts []string
	for _, c := range table.Entity.Columns {
		if c.Type == schema.String || c.Type == schema.Text {
			for _, v := range present(c, table.Rows) {
				texts = append(texts, v.Text())
			}
		}
	}
	if len(texts) == 0 {
		return ""
	}
	runes := []rune(pick(g, texts))
	if len(runes) > 4 {
		runes = runes[:1+g.upTo(4)]
	}
	if g.percent(30) {
		return strings.ToUpper(string(runes))
	}
	return string(runes)
}
