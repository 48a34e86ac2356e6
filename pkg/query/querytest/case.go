// Package querytest makes random cases for whoever answers queries: a catalog,
// rows, and queries as JSON text and as compiled trees come out, with which a
// store is held to what the evaluator in memory says. Operands are drawn from
// the rows themselves, so that most queries select some rows and not all.
// Coverage counts what was asked; Bugs are wrong evaluators that a sufficient
// set of cases has to tell from the right one.
package querytest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/valyala/fastjson"
)

// Case is one catalog with its rows and queries about them.
type Case struct {
	Source  string // the schemas.json
	Catalog *schema.Catalog
	// Tables are the rows of each entity; references point at rows of the table
	// of their target, which may be the same or come later.
	Tables  []Table
	Queries []*Query
}

// Table is the rows of one entity, aligned to its columns.
type Table struct {
	Entity *schema.Entity
	Rows   []schema.Row
}

// Query is a read or an aggregation. Args is the request object of op findAll,
// search or aggregate that asks for it.
type Query struct {
	Entity *schema.Entity
	Args   string
	// Select is the compiled read, visibility included, nil for an aggregation.
	Select    *query.Select
	Aggregate *query.Aggregate
	// Raw is the filter of Args as it was meant, not simplified, with what
	// Visible adds.
	Raw query.Expr
	// Uses are the operators of the filter with the types of their columns.
	Uses []Use
	// Partial tells that the filter leaves some of the rows, but not all.
	Partial bool
}

func (q *Query) String() string { return q.Entity.Name + " " + q.Args }

// Draw makes the case of a seed, with n queries. Equal seeds make equal cases.
// Draws are uniform on purpose: a generator that prefers small choices, as
// those made for shrinking do, asks the same few things again and again.
func Draw(seed uint64, n int) *Case {
	g := &generator{rand.New(rand.NewPCG(seed, 0x6f63746f))}
	c := &Case{Source: g.source()}
	var err error
	c.Catalog, err = schema.Parse([]byte(c.Source))
	check(err, c.Source)
	c.Tables = g.tables(c.Catalog)
	for range n {
		c.Queries = append(c.Queries, g.query(pick(g, c.Tables)))
	}
	return c
}

// Rows returns the rows of the query's entity.
func (c *Case) Rows(q *Query) []schema.Row {
	for _, t := range c.Tables {
		if t.Entity == q.Entity {
			return t.Rows
		}
	}
	return nil
}

// Reduce leaves out rows as long as what is left still fails: the few that a
// person has to look at.
func Reduce(rows []schema.Row, fails func([]schema.Row) bool) []schema.Row {
	for i := 0; i < len(rows); {
		less := append(append([]schema.Row{}, rows[:i]...), rows[i+1:]...)
		if fails(less) {
			rows = less
		} else {
			i++
		}
	}
	return rows
}

type generator struct{ *rand.Rand }

// upTo draws from 0 to n-1, each as likely.
func (g *generator) upTo(n int) int { return g.IntN(n) }

// percent is true in that many of a hundred draws.
func (g *generator) percent(n int) bool { return g.upTo(100) < n }

// shuffled returns the list in another order.
func (g *generator) shuffled(list []string) []string {
	out := append([]string{}, list...)
	g.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func pick[T any](g *generator, list []T) T { return list[g.upTo(len(list))] }

// typeNames are the types as schemas.json has them.
var typeNames = map[schema.Type]string{
	schema.String: "string", schema.Text: "text", schema.Number: "number", schema.Boolean: "boolean",
	schema.Date: "date", schema.JSON: "json", schema.Array: "array", schema.Integer: "integer",
	schema.Decimal: "decimal", schema.Float: "float", schema.ObjectID: "objectId", schema.Enum: "enum",
	schema.Binary: "binary",
}

// fieldNames are names that SQL, JSON or Go might stumble over.
var fieldNames = []string{
	"name", "order", "select", "group", "values", "Upper", "x_1", "limit", "null", "key", "from",
	"table", "rowid", "oid", "user", "index", "camelCase", "default", "desc", "type", "value",
}

// source makes a catalog of one or two entities; the first one has every type.
func (g *generator) source() string {
	var b strings.Builder
	b.WriteString(`[`)
	two := g.percent(50)
	names := []string{"Thing"}
	if two {
		names = append(names, "Other")
	}
	for i, name := range names {
		if i > 0 {
			b.WriteString(`,`)
		}
		fmt.Fprintf(&b, `{"name":%q,"collection":%q,"timestamps":%v,"softDelete":%v,"fields":{`,
			name, strings.ToLower(name)+"s", g.percent(50), g.percent(30))
		free := g.shuffled(fieldNames)
		for typ := schema.String; typ <= schema.Binary; typ++ {
			if typ > schema.String {
				b.WriteString(`,`)
			}
			fmt.Fprintf(&b, `%q:{"type":%q`, free[typ], typeNames[typ])
			if typ == schema.Enum {
				b.WriteString(`,"enum":["new","open","done"]`)
			}
			b.WriteString(`}`)
		}
		fmt.Fprintf(&b, `},"relations":{"kin":{"type":"many-to-one","target":%q}}}`, names[(i+1)%len(names)])
	}
	b.WriteString(`]`)
	return b.String()
}

func (g *generator) tables(cat *schema.Catalog) []Table {
	tables := make([]Table, len(cat.Entities))
	ids := map[*schema.Entity][]schema.Value{}
	for i, e := range cat.Entities {
		tables[i].Entity = e
		n := 8 + g.upTo(17)
		if g.percent(5) {
			n = g.upTo(3)
		}
		for _, id := range g.shuffled(idPool)[:n] {
			ids[e] = append(ids[e], schema.TextOf(id))
		}
	}
	for i, e := range cat.Entities {
		rows := make([]schema.Row, len(ids[e]))
		for j := range rows {
			rows[j] = make(schema.Row, len(e.Columns))
		}
		for _, c := range e.Columns {
			g.fill(e, c, rows, ids)
		}
		tables[i].Rows = rows
	}
	return tables
}

// fill gives a column's values to the rows: a few different ones, some null.
func (g *generator) fill(e *schema.Entity, c *schema.Column, rows []schema.Row, ids map[*schema.Entity][]schema.Value) {
	var from []schema.Value
	nulls := pick(g, []int{0, 20, 20, 50})
	switch c.Role {
	case schema.RoleID:
		for j, id := range ids[e] {
			rows[j][c.Index] = id
		}
		return
	case schema.RoleVersion:
		from, nulls = []schema.Value{schema.IntOf(1), schema.IntOf(2), schema.IntOf(7)}, 0
	case schema.RoleReference:
		from = ids[c.Relation.Target]
	case schema.RoleCreatedAt, schema.RoleUpdatedAt:
		from, nulls = pools[schema.Date], 0
	case schema.RoleDeletedAt:
		from, nulls = pools[schema.Date], 70
	default:
		pool := pools[c.Type]
		for range 3 + g.upTo(8) {
			from = append(from, pick(g, pool))
		}
	}
	for j := range rows {
		if len(from) > 0 && !g.percent(nulls) {
			rows[j][c.Index] = pick(g, from)
		}
	}
}

// query makes one query about the table: one whose filter says something if
// that is found in a few attempts.
func (g *generator) query(table Table) *Query {
	if g.percent(20) {
		return g.aggregation(table)
	}
	e := table.Entity
	scope := query.Scope{Entity: e, IncludeDeleted: g.percent(50)}
	q := &Query{Entity: e}
	var filter *condition
	for attempt := 0; attempt < 3 && !q.Partial; attempt++ {
		f := g.filter(table, 3)
		filter = &f
		q.Raw = query.And{f.expr, rawVisible(scope, f.expr)}
		q.Uses = f.uses
		q.Partial = partial(q.Raw, table.Rows)
	}
	args := []string{`"filter":` + filter.text}
	sel := &query.Select{Entity: e}
	if g.percent(10) {
		needle := g.needle(table)
		if needle != "" {
			search, err := query.ParseSearch(scope, needle, nil)
			check(err, needle)
			q.Raw = query.And{q.Raw, search}
			sel.Where = search
			args = append(args, `"query":`+string(schema.AppendString(nil, needle)))
		}
	}
	options, sort := g.options(table, scope, sel)
	args = append(args, `"options":{`+strings.Join(options, ",")+`}`)
	q.Args = "{" + strings.Join(args, ",") + "}"
	parse(filter.text, func(v *fastjson.Value) {
		where, err := query.ParseFilter(scope, v)
		check(err, filter.text)
		sel.Where = query.Join(query.Visible(scope, where), sel.Where)
	})
	parse(sort, func(v *fastjson.Value) {
		order, err := query.ParseSort(scope, v)
		check(err, sort)
		sel.Sort = order
	})
	q.Select = sel
	q.Partial = partial(q.Raw, table.Rows)
	return q
}

func (g *generator) options(table Table, scope query.Scope, sel *query.Select) (options []string, sort string) {
	var keys []string
	for range g.upTo(4) {
		c := pick(g, table.Entity.Columns)
		key := strconv.Quote(c.Name) + ":" + pick(g, []string{"1", "-1"})
		if query.Ordered(c) && !strings.Contains(strings.Join(keys, ","), strconv.Quote(c.Name)) {
			keys = append(keys, key)
		}
	}
	sort = "{" + strings.Join(keys, ",") + "}"
	options = append(options, `"sort":`+sort)
	if g.percent(30) {
		sel.Limit = 1 + g.upTo(20)
		options = append(options, `"limit":`+strconv.Itoa(sel.Limit))
	}
	if g.percent(20) {
		sel.Skip = g.upTo(8)
		options = append(options, `"skip":`+strconv.Itoa(sel.Skip))
	}
	if scope.IncludeDeleted {
		options = append(options, `"includeDeleted":true`)
	}
	return options, sort
}

// rawVisible is what Visible adds, written down once more.
func rawVisible(s query.Scope, filter query.Expr) query.Expr {
	var all query.And
	for _, c := range s.Entity.Columns {
		if c.Role == schema.RoleDeletedAt && !s.IncludeDeleted && !query.Names(filter, c) {
			all = append(all, query.Compare{Column: c, Op: query.Eq})
		}
	}
	return all
}

func partial(e query.Expr, rows []schema.Row) bool {
	n := 0
	for _, r := range rows {
		if query.Eval(e, r) {
			n++
		}
	}
	return n > 0 && n < len(rows)
}

func parse(text string, use func(*fastjson.Value)) {
	doc, err := strictjson.Parse([]byte(text))
	check(err, text)
	defer doc.Release()
	use(doc.Root)
}

func check(err error, text string) {
	if err != nil {
		panic(fmt.Sprintf("the generated query is refused: %v\n%s", err, text))
	}
}
