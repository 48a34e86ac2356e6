package sqlgen_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
	"github.com/octomesh/octomesh/pkg/store/sqlite"
)

func person(t testing.TB) *schema.Entity {
	t.Helper()
	cat, err := schema.Parse([]byte(`[{"name":"P","collection":"p","fields":{"a":{"type":"string"},"n":{"type":"integer"}}}]`))
	if err != nil {
		t.Fatal(err)
	}
	return cat.Entities[0]
}

// TestPlans: what differs in its text has a plan of its own, what differs in
// its values alone has not.
func TestPlans(t *testing.T) {
	t.Parallel()
	e := person(t)
	g := sqlgen.New(sqlite.Dialect(), 100)
	a, n := e.Column("a"), e.Column("n")
	id := &query.Projection{Columns: e.Columns[:1], Key: "id"}
	var args sqlgen.Args
	list := func(n int, null bool) query.Expr {
		in := query.In{Column: a}
		for i := range n {
			in.Values = append(in.Values, schema.TextOf(fmt.Sprint(i)))
		}
		if null {
			in.Values = append(in.Values, schema.Null)
		}
		return in
	}
	regex := func(s string) query.Expr { return query.Regex{Column: a, Pattern: pattern(t, s)} }
	same := [][2]query.Expr{
		{query.Compare{Column: a, Op: query.Eq, Value: schema.TextOf("x")}, query.Compare{Column: a, Op: query.Eq, Value: schema.TextOf("y")}},
		{list(5, false), list(8, false)},
		{regex("^ab"), regex("^cd.*")},
		{regex("a.b"), regex("[a-c]")},
	}
	for i, c := range same {
		p := g.Select(&query.Select{Entity: e, Projection: id, Where: c[0], Limit: 3}, &args)
		if q := g.Select(&query.Select{Entity: e, Projection: id, Where: c[1], Limit: 4}, &args); p != q || len(args.Values) != q.Params {
			t.Errorf("%d: two plans: %s / %s", i, p.SQL, q.SQL)
		}
	}
	texts := make(map[string]int)
	for i, w := range []query.Expr{
		nil, query.Const(false), list(1, false), list(1, true), list(2, false), list(3, false), list(9, true),
		query.Not{X: list(1, false)},
		regex("a"), regex("^a"), regex("a$"), regex("^a$"), regex("a.b"), regex("^\U0010FFFF"),
		query.Compare{Column: a, Op: query.Eq},
		query.Compare{Column: a, Op: query.Ne},
		query.Compare{Column: a, Op: query.Gt, Value: schema.TextOf("")},
		query.Compare{Column: n, Op: query.Gt, Value: schema.IntOf(1)},
		query.And{list(1, false), regex("a")},
		query.Or{list(1, false), regex("a")},
	} {
		for range 2 {
			p := g.Select(&query.Select{Entity: e, Projection: id, Where: w}, &args)
			if k, ok := texts[p.SQL]; ok && k != i || len(args.Values) != p.Params {
				t.Errorf("%d and %d share %s", k, i, p.SQL)
			}
			texts[p.SQL] = i
		}
	}
}

// TestPlansBounded: the plan that was not used for longest goes.
func TestPlansBounded(t *testing.T) {
	t.Parallel()
	e := person(t)
	g := sqlgen.New(sqlite.Dialect(), 3)
	var args sqlgen.Args
	plan := func(n int) *sqlgen.Plan {
		return g.Select(&query.Select{Entity: e, Projection: &query.Projection{Columns: e.Columns[:1], Key: fmt.Sprint(n)}}, &args)
	}
	p1, p2 := plan(1), plan(2)
	plan(3)
	if plan(1) != p1 { // used again: 2 is the oldest now
		t.Error("forgotten too early")
	}
	plan(4)
	if plan(1) != p1 || plan(2) == p2 {
		t.Error("the wrong plan was forgotten")
	}
}

func TestNoAllocationOnHit(t *testing.T) {
	e := person(t)
	g := sqlgen.New(sqlite.Dialect(), 10)
	q := &query.Select{
		Entity: e, Projection: &query.Projection{Columns: e.Columns, Key: "*"}, Limit: 20, Skip: 3,
		Sort:  []query.Order{{Column: e.Column("a"), Desc: true}, {Column: e.Columns[0]}},
		Where: query.And{query.Compare{Column: e.Column("a"), Op: query.Ne, Value: schema.TextOf("x")}, query.In{Column: e.Column("n"), Values: []schema.Value{schema.IntOf(1), schema.IntOf(2)}}},
	}
	row := make(schema.Row, len(e.Columns))
	var args sqlgen.Args
	run := func() {
		g.Select(q, &args)
		g.Count(q, &args)
		g.Insert(e, row, &args)
		g.Update(e, row, e.Columns[1:3], &args)
		g.Load(e, &args)
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSelectHit(b *testing.B) {
	e := person(b)
	g := sqlgen.New(sqlite.Dialect(), 10)
	q := &query.Select{
		Entity: e, Projection: &query.Projection{Columns: e.Columns, Key: "*"}, Limit: 20,
		Sort:  []query.Order{{Column: e.Column("a"), Desc: true}, {Column: e.Columns[0]}},
		Where: query.Compare{Column: e.Column("a"), Op: query.Eq, Value: schema.TextOf("x")},
	}
	var args sqlgen.Args
	b.ReportAllocs()
	for b.Loop() {
		g.Select(q, &args)
	}
}

// TestLimitText: a usual limit has a plan of its own, which bears no other.
func TestLimitText(t *testing.T) {
	t.Parallel()
	e := person(t)
	d := sqlite.Dialect()
	d.LimitText = true
	g := sqlgen.New(d, 100)
	var args sqlgen.Args
	plan := func(limit int) *sqlgen.Plan {
		return g.Select(&query.Select{Entity: e, Projection: &query.Projection{Columns: e.Columns[:1], Key: "id"}, Limit: limit}, &args)
	}
	for _, limit := range []int{1, 7, 20, 21, 100, 101, 1000, 1001} {
		if p := plan(limit); !strings.HasSuffix(p.SQL, fmt.Sprintf(" LIMIT %d", limit)) || p.Params != 0 {
			t.Errorf("%d: %s", limit, p.SQL)
		}
	}
	if p := plan(37); p != plan(38) || p.Params != 1 || plan(0) == p || plan(5000) != p {
		t.Errorf("37: %s", p.SQL)
	}
}
