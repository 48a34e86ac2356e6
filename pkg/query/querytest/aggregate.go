package querytest

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/valyala/fastjson"
)

// aggregation draws stages in one of three forms: groups with HAVING and a
// sort, a pipeline over records, or a count. A sort with ties that nothing
// breaks is never followed by a limit, so that there is one right answer.
func (g *generator) aggregation(table Table) *Query {
	e := table.Entity
	q := &Query{Entity: e}
	scope := query.Scope{Entity: e}
	var stages []string
	f := g.filter(table, 2)
	for attempt := 0; attempt < 3 && !partial(f.expr, table.Rows); attempt++ {
		f = g.filter(table, 2)
	}
	stages = append(stages, `{"$match":`+f.text+`}`)
	q.Uses = f.uses
	q.Raw = query.And{f.expr, rawVisible(scope, f.expr)}
	q.Partial = partial(q.Raw, table.Rows)
	switch g.upTo(4) {
	case 0:
		stages = append(stages, g.records(e)...)
	case 1:
		stages = append(stages, `{"$count":"n"}`)
	default:
		stages = append(stages, g.groups(table)...)
	}
	text := "[" + strings.Join(stages, ",") + "]"
	q.Args = `{"stages":` + text + `}`
	parse(text, func(v *fastjson.Value) {
		a, err := query.ParseStages(scope, v)
		check(err, text)
		q.Aggregate = a
	})
	return q
}

func (g *generator) records(e *schema.Entity) []string {
	c := e.Columns[g.upTo(len(e.Columns))]
	for !query.Ordered(c) || c.Hidden || c.Role == schema.RoleDiscriminator {
		c = e.Columns[g.upTo(len(e.Columns))]
	}
	name := strconv.Quote(c.Name)
	stages := []string{
		`{"$sort":{` + name + `:` + pick(g, []string{"1", "-1"}) + `}}`,
		`{"$skip":` + strconv.Itoa(g.upTo(3)) + `}`, `{"$limit":` + strconv.Itoa(1+g.upTo(15)) + `}`,
	}
	if g.percent(50) {
		other := pick(g, e.Columns[2:])
		if other != c && !other.Hidden && other.Role != schema.RoleDiscriminator {
			return append(stages, `{"$project":[`+strconv.Quote(other.Name)+`,`+name+`]}`)
		}
		return append(stages, `{"$project":{`+name+`:1}}`)
	}
	return append(stages, `{"$project":{`+name+`:0}}`)
}

func (g *generator) groups(table Table) []string {
	by := pick(g, table.Entity.Columns)
	for !query.Ordered(by) || by.Hidden || by.Role == schema.RoleDiscriminator {
		by = pick(g, table.Entity.Columns)
	}
	key := strconv.Quote(by.Name)
	if by.Role == schema.RoleID || g.percent(15) {
		key = "null"
	}
	parts := []string{`"n0":{"$count":true}`}
	sort := []string{`"n0":-1`}
	for i := range 1 + g.upTo(3) {
		c := pick(g, table.Entity.Columns)
		name := strconv.Quote("n" + strconv.Itoa(i+1))
		field := strconv.Quote(pick(g, []string{"", "$"}) + c.Name)
		switch {
		case c.Hidden || !query.Ordered(c) || c.Role == schema.RoleDiscriminator:
			parts = append(parts, name+`:{"$sum":`+pick(g, []string{"1", "2.5", "-3"})+`}`)
		case g.percent(60) && summable(c, table.Rows):
			parts = append(parts, name+`:{"`+pick(g, []string{"$sum", "$avg"})+`":`+field+`}`)
		default:
			parts = append(parts, name+`:{"`+pick(g, []string{"$min", "$max"})+`":`+field+`}`)
			sort = append(sort, name+`:1`)
		}
	}
	stages := []string{`{"$group":{"_by":` + key + `,` + strings.Join(parts, ",") + `}}`}
	if g.percent(40) {
		stages = append(stages, `{"$match":{"n0":{"`+pick(g, []string{"$gt", "$lte"})+`":`+strconv.Itoa(1+g.upTo(4))+`}}}`)
	}
	stages = append(stages, `{"$sort":{`+strings.Join(sort, ",")+`}}`)
	if g.percent(40) {
		stages = append(stages, `{"$limit":`+strconv.Itoa(1+g.upTo(5))+`}`)
	}
	return stages
}

// summable tells whether a column's sum does not depend on how an engine adds:
// no overflow, no cancellation.
func summable(c *schema.Column, rows []schema.Row) bool {
	switch c.Type {
	case schema.Number, schema.Float, schema.Integer, schema.Decimal:
	default:
		return false
	}
	for _, v := range present(c, rows) {
		f := v.Float()
		if v.Kind() == schema.KindDecimal {
			f, _ = strconv.ParseFloat(v.Text(), 64)
		}
		if math.Abs(f) > 1e6 || f != 0 && math.Abs(f) < 1e-3 {
			return false
		}
	}
	return true
}

// Same reports where a result departs from what was expected, or "". Rows are
// aligned to columns; sums and averages of floats may differ in their last
// digits, what a record holds may not.
func Same(columns []*schema.Column, got, want []schema.Row) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d rows, want %d", len(got), len(want))
	}
	for i := range want {
		for j, c := range columns {
			a, b := got[i][j], want[i][j]
			computed := c.Field == nil && c.Role == schema.RoleField
			if !a.Equal(b) && !(computed && near(a, b)) {
				return fmt.Sprintf("row %d, %s: %s, want %s", i, c.Name, a.AppendJSON(nil), b.AppendJSON(nil))
			}
		}
	}
	return ""
}

func near(a, b schema.Value) bool {
	if a.Kind() != schema.KindFloat || b.Kind() != schema.KindFloat {
		return false
	}
	return math.Abs(a.Float()-b.Float()) <= 1e-9*max(1, math.Abs(b.Float()))
}
