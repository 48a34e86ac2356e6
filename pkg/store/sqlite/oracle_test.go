package sqlite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// The values that databases like to disagree about.
var (
	texts    = []string{"", "a", "A", "ab", "aB", "abc", "é", "e\u0301", "É", "💙", "İ", "ſ", "s", "%", "_", "a_b", "a%", "a\nb", "ab\n", "\u07ff", "\uffff", "\U0010ffff", "ß", "'", `"`, "K"}
	floats   = []float64{0, 1, -1, 0.5, 1.5, 1 << 53, 1<<53 + 2, -1e300, 1e300, 5e-324}
	integers = []int64{0, 1, -1, 2, 1<<53 - 1, 1 << 53, 1<<53 + 1, 1<<63 - 1, -1 << 63}
	decimals = []string{"0", "1", "-1", "1.5", "1.25", "10", "9", "-10", "-9.75", "0.000001", "99999999999999999999", "99999999999999999999.5"}
	instants = []int64{0, 1, -1, 1_600_000_000_000, 1_600_000_000_001, -62135596800000, 253402300799999}
	objects  = []string{`{}`, `[]`, `{"a":1}`, `"a"`, `1`, `[1,2]`}
	patterns = []string{"a", "^a", "b$", "^a.*b$", "a.b", "a.+", "^$", ".", "[a-z]", "[^a]", "^[A-Z]", "é", "s", "a|b", "(ab)+", `\n`, "^ab$", ".*b", "^\U0010ffff"}
)

type chance struct{ *rand.Rand }

func pick[T any](c chance, list []T) T { return list[c.IntN(len(list))] }

func (c chance) value(col *schema.Column) schema.Value {
	switch col.Type {
	case schema.Number:
		return schema.FloatOf(pick(c, floats))
	case schema.Integer:
		return schema.IntOf(pick(c, integers))
	case schema.Boolean:
		return schema.BoolOf(c.IntN(2) == 0)
	case schema.Date:
		return schema.TimeOf(pick(c, instants))
	case schema.Decimal:
		return schema.DecimalOf(pick(c, decimals))
	case schema.JSON, schema.Array:
		return schema.JSONOf(pick(c, objects))
	}
	return schema.TextOf(pick(c, texts))
}

func (c chance) row(e *schema.Entity, id string) schema.Row {
	row := make(schema.Row, len(e.Columns))
	for i, col := range e.Columns {
		switch {
		case col.Role == schema.RoleID:
			row[i] = schema.TextOf(id)
		case col.Role == schema.RoleVersion:
			row[i] = schema.IntOf(int64(1 + c.IntN(3)))
		case c.IntN(4) > 0:
			row[i] = c.value(col)
		}
	}
	return row
}

func (c chance) expr(t *testing.T, e *schema.Entity, depth int) query.Expr {
	if depth > 0 && c.IntN(2) == 0 {
		var list []query.Expr
		for range c.IntN(4) {
			list = append(list, c.expr(t, e, depth-1))
		}
		switch c.IntN(3) {
		case 0:
			return query.And(list)
		case 1:
			return query.Or(list)
		}
		return query.Not{X: c.expr(t, e, depth-1)}
	}
	col := e.Columns[c.IntN(len(e.Columns))]
	ordered := col.Type != schema.JSON && col.Type != schema.Array
	switch c.IntN(8) {
	case 0:
		return query.Const(c.IntN(2) == 0)
	case 1, 2:
		in := query.In{Column: col, Negate: c.IntN(2) == 0}
		for range c.IntN(6) {
			if c.IntN(5) == 0 {
				in.Values = append(in.Values, schema.Null)
			} else {
				in.Values = append(in.Values, c.value(col))
			}
		}
		return in
	case 3:
		return query.Contains{Columns: []*schema.Column{e.Column("name"), e.Column("email")}[:1+c.IntN(2)], Needle: query.Fold(pick(c, texts))}
	case 4, 5:
		p, err := query.CompilePattern(pick(c, patterns), c.IntN(2) == 0)
		if err != nil {
			t.Fatal(err)
		}
		return query.Regex{Column: e.Column("name"), Pattern: p}
	}
	x := query.Compare{Column: col, Op: query.Eq + query.CompareOp(c.IntN(2))}
	if ordered {
		x.Op = query.Eq + query.CompareOp(c.IntN(6))
	}
	if c.IntN(5) > 0 || x.Op > query.Ne {
		x.Value = c.value(col)
	}
	return x
}

func (c chance) order(e *schema.Entity) (order []query.Order) {
	for range c.IntN(3) {
		col := e.Columns[1+c.IntN(len(e.Columns)-1)]
		named := slices.ContainsFunc(order, func(o query.Order) bool { return o.Column == col })
		if col.Type != schema.JSON && col.Type != schema.Array && !named {
			order = append(order, query.Order{Column: col, Desc: c.IntN(2) == 0})
		}
	}
	return append(order, query.Order{Column: e.Columns[0]})
}

const oracleSchema = `[{"name":"Thing","collection":"things","fields":{"name":{"type":"string"},"email":{"type":"text"},
 "age":{"type":"number"},"level":{"type":"integer"},"active":{"type":"boolean"},"born":{"type":"date"},"balance":{"type":"decimal"},
 "extra":{"type":"json"},"tags":{"type":"array","arrayOf":"number"}},
 "indexes":[{"fields":{"name":"asc"}},{"fields":{"age":"desc","level":"asc"}},{"fields":{"balance":"asc"},"sparse":true}]}]`

// TestOracle holds SQLite to the evaluator that shares no code with sqlgen.
func TestOracle(t *testing.T) {
	t.Parallel()
	cases := 800
	if os.Getenv("OCTOMESH_TEST") == "long" {
		cases = 50_000
	}
	db := open(t, parse(t, oracleSchema), "", Options{})
	e := db.catalog.Load().Entity("Thing")
	c := chance{rand.New(rand.NewPCG(20261121, 2))}
	rows := make([]schema.Row, 120)
	for i := range rows {
		rows[i] = c.row(e, fmt.Sprintf("t%03d", i))
	}
	insert(t, db, e, rows...)
	some := 0
	for n := range cases {
		q := &query.Select{Entity: e, Projection: all(e), Where: c.expr(t, e, 3), Sort: c.order(e), Limit: c.IntN(3) * c.IntN(40), Skip: c.IntN(3) * c.IntN(5)}
		var want []string
		for _, r := range query.Run(q, rows) {
			want = append(want, r[0].Text())
		}
		got := ids(t, db, q)
		if !slices.Equal(got, want) {
			t.Fatalf("case %d: %#v\n%s\ngot  %v\nwant %v", n, q.Where, db.gen.Select(q, new(sqlgen.Args)).SQL, got, want)
		}
		count, err := db.Count(context.Background(), &query.Select{Entity: e, Where: q.Where})
		matching := query.Run(&query.Select{Entity: e, Where: q.Where}, rows)
		if err != nil || count != int64(len(matching)) {
			t.Fatalf("case %d: counted %d, %v, want %d", n, count, err, len(matching))
		}
		if len(matching) > 0 && len(matching) < len(rows) {
			some++
		}
	}
	t.Logf("%d of %d filters found neither nothing nor everything", some, cases)
}

func (c chance) stages(e *schema.Entity) string {
	var out []string
	groupBy := pick(c, []string{`null`, `"name"`, `"active"`, `"level"`, `"balance"`, `"born"`, `"age"`})
	match := func() {
		out = append(out, pick(c, []string{`{"$match":{"active":true}}`, `{"$match":{"age":{"$gt":0}}}`, `{"$match":{"name":{"$ne":"a"}}}`, `{"$match":{"level":null}}`, `{"$match":{"name":"nobody"}}`}))
	}
	if c.IntN(2) == 0 {
		match()
	}
	if c.IntN(3) == 0 {
		out = append(out, pick(c, []string{`{"$sort":{"balance":-1}}`, `{"$sort":{"name":1}}`}), fmt.Sprintf(`{"$limit":%d}`, 1+c.IntN(100)))
		if c.IntN(2) == 0 {
			match()
		}
	}
	if c.IntN(4) == 0 {
		return "[" + strings.Join(append(out, `{"$sort":{"balance":1}}`, `{"$skip":2}`, `{"$project":{"name":1,"balance":1}}`), ",") + "]"
	}
	out = append(out, `{"$group":{"_by":`+groupBy+`,"n":{"$count":true},"si":{"$sum":"level"},"sd":{"$sum":"balance"},"ai":{"$avg":"level"},"ad":{"$avg":"balance"},`+
		`"lo":{"$min":"name"},"hi":{"$max":"balance"},"first":{"$min":"born"},"k":{"$sum":2.5}}}`)
	switch c.IntN(4) {
	case 0:
		out = append(out, `{"$match":{"n":{"$gt":2}}}`)
	case 1:
		out = append(out, `{"$match":{"hi":{"$gte":"9"}}}`, `{"$sort":{"hi":-1}}`)
	case 2:
		out = append(out, `{"$match":{"si":{"$ne":0}}}`, `{"$count":"groups"}`)
	}
	return "[" + strings.Join(out, ",") + "]"
}

// TestOracleAggregates does the same for pipelines; the order counts only where
// the pipeline makes it total.
func TestOracleAggregates(t *testing.T) {
	t.Parallel()
	db := open(t, parse(t, oracleSchema), "", Options{})
	e := db.catalog.Load().Entity("Thing")
	c := chance{rand.New(rand.NewPCG(20261121, 3))}
	rows := make([]schema.Row, 90)
	for i := range rows {
		rows[i] = c.row(e, fmt.Sprintf("t%03d", i))
	}
	insert(t, db, e, rows...)
	for n := range 200 {
		text := c.stages(e)
		q, err := query.ParseStages(query.Scope{Entity: e}, fastjson.MustParse(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var want, got []string
		for _, r := range query.RunAggregate(q, rows) {
			var b []byte
			for _, v := range r {
				b = append(v.AppendJSON(b), ' ')
			}
			want = append(want, string(b))
		}
		err = db.Aggregate(context.Background(), q, func(r driver.Row) error {
			var b []byte
			for i := range q.Output {
				b = append(r.AppendJSON(b, i), ' ')
			}
			got = append(got, string(b))
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if strings.Contains(text, "$group") {
			slices.Sort(want)
			slices.Sort(got)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("case %d: %s\ngot  %q\nwant %q", n, text, got, want)
		}
	}
}
