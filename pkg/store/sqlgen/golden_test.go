package sqlgen_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/postgres"
	"github.com/octomesh/octomesh/pkg/store/sqldb/mysql"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
	"github.com/octomesh/octomesh/pkg/store/sqlite"
)

var update = flag.Bool("update", false, "write the golden files anew")

const catalog = `[
 {"name":"Person","collection":"people","timestamps":true,"softDelete":true,"fields":{
   "name":{"type":"string"},"we\"ird":{"type":"string"},"age":{"type":"number"},"level":{"type":"integer"},
   "active":{"type":"boolean"},"born":{"type":"date"},"balance":{"type":"decimal"},"extra":{"type":"json"}},
  "relations":{"boss":{"target":"Person","type":"many-to-one"},"friends":{"target":"Person","type":"many-to-many","through":"friends"}}},
 {"name":"Cat","collection":"pets","discriminator":"kind","discriminatorValue":"it's a cat","fields":{"name":{"type":"string"}}}
]`

// plain is a dialect that leaves everything to the engine's general ways.
func plain() *sqlgen.Dialect {
	return &sqlgen.Dialect{
		Name: "plain", QuoteOpen: '[', QuoteClose: ']', Placeholder: sqlgen.DollarPlaceholder, Fetch: true, Float: "DOUBLE",
		ForUpdate: " FOR UPDATE", IgnorePrefix: "IGNORE ",
		Match: func(b *sqlgen.Builder, m sqlgen.Match) bool {
			if m.Negate {
				b.Write("NOT ")
			}
			b.Write("MATCH_" + fmt.Sprintf("%c", m.Kind) + "(")
			m.Operand()
			b.Write(", ")
			b.Arg(schema.TextOf(m.Text))
			b.Write(")")
			return m.Kind != sqlgen.MatchFold // as if it could not fold all letters
		},
	}
}

// bare is a dialect that has to be helped wherever it can be.
func bare() *sqlgen.Dialect {
	d := plain()
	d.Name, d.Fetch, d.MaxList, d.LinkFrom, d.NoPage = "bare", false, 2, " FROM one_row ", true
	d.ColumnType = func(*schema.Column, bool) string { return "TEXT" }
	d.Wrap = func(c *schema.Column, ordered bool) (string, string) {
		if c.Type.Kind() == schema.KindText && ordered {
			return "SORT(", ")"
		}
		return "", ""
	}
	return d
}

func TestGolden(t *testing.T) {
	t.Parallel()
	cat, err := schema.Parse([]byte(strings.ReplaceAll(catalog, `we\"ird`, "weird")))
	if err != nil {
		t.Fatal(err)
	}
	e := cat.Entity("Person")
	e.Column("weird").Physical = `we"ird]` // what no schema may say, an adopted table might
	for _, d := range []*sqlgen.Dialect{sqlite.Dialect(), postgres.Dialect(true), mysql.Dialect("mysql", false), mysql.Dialect("mariadb", true), plain(), bare()} {
		g := sqlgen.New(d, 100)
		golden(t, d.Name+"-filters", filters(t, g, e))
		golden(t, d.Name+"-selects", selects(t, g, e))
		golden(t, d.Name+"-aggregates", aggregates(t, g, e))
		golden(t, d.Name+"-rows", rows(g, cat))
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".sql")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it anew); it would be:\n%s", file, got)
	}
}

// show writes a plan with what it binds.
func show(b *strings.Builder, title string, p *sqlgen.Plan, a *sqlgen.Args) {
	fmt.Fprintf(b, "-- %s\n%s\n", title, p.SQL)
	if len(a.Values) > 0 {
		b.WriteString("--")
		for _, v := range a.Values {
			b.WriteString(" " + string(v.AppendJSON(nil)))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

func filters(t *testing.T, g *sqlgen.Generator, e *schema.Entity) string {
	var b strings.Builder
	var a sqlgen.Args
	scope := query.Scope{Entity: e}
	id := &query.Projection{Columns: e.Columns[:1], Key: "id"}
	name, age, level := e.Column("name"), e.Column("age"), e.Column("level")
	for _, f := range []string{
		`{}`, `{"name":"a"}`, `{"name":null}`, `{"name":{"$ne":"a"}}`, `{"name":{"$ne":null}}`, `{"id":{"$ne":"x"}}`,
		`{"age":{"$gt":1,"$lte":2}}`, `{"balance":{"$gte":"1.50"}}`, `{"born":{"$lt":"2020-01-02"}}`, `{"extra":{"a":1}}`,
		`{"level":{"$in":[1]}}`, `{"level":{"$in":[1,2,3]}}`, `{"level":{"$in":[1,null]}}`, `{"level":{"$in":[]}}`,
		`{"level":{"$nin":[1,2]}}`, `{"level":{"$nin":[1,null]}}`, `{"level":{"$nin":[null]}}`, `{"level":{"$exists":false}}`,
		`{"$or":[{"name":"a"},{"age":1,"active":true}]}`, `{"weird":"x"}`, `{"boss":"p1"}`,
		`{"name":{"$regex":"^ab"}}`, `{"name":{"$regex":"^ab$"}}`, `{"name":{"$regex":"ab$"}}`, `{"name":{"$regex":"a.*b"}}`,
		`{"name":{"$regex":"ab"}}`, `{"name":{"$regex":"AB","$regexFlags":"i"}}`, `{"name":{"$regex":"^[a-c]+x|y"}}`, `{"name":{"$regex":".*"}}`,
	} {
		v, err := fastjson.Parse(f)
		if err != nil {
			t.Fatal(err)
		}
		x, err := query.ParseFilter(scope, v)
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		show(&b, f, g.Select(&query.Select{Entity: e, Projection: id, Where: x}, &a), &a)
		if f != "{}" {
			show(&b, "not "+f, g.Select(&query.Select{Entity: e, Projection: id, Where: query.Not{X: x}}, &a), &a)
		}
	}
	trees := []struct {
		name string
		tree query.Expr
	}{
		{"nothing", query.Or{}},
		{"a comparison with null", query.Compare{Column: age, Op: query.Gt}},
		{"not a comparison with null", query.Not{X: query.Compare{Column: age, Op: query.Gt}}},
		{"De Morgan", query.Not{X: query.Or{
			query.Compare{Column: age, Op: query.Gt, Value: schema.FloatOf(1)},
			query.Not{X: query.Compare{Column: level, Op: query.Eq, Value: schema.IntOf(2)}},
			query.And{query.In{Column: level, Values: []schema.Value{schema.IntOf(3)}, Negate: true}, query.Const(true)},
		}}},
		{"search", query.Contains{Columns: []*schema.Column{name, e.Column("weird")}, Needle: "é"}},
		{"not search", query.Not{X: query.Contains{Columns: []*schema.Column{name, e.Column("weird")}, Needle: "é"}}},
		{"the highest prefix", query.Regex{Column: name, Pattern: pattern(t, "^\U0010FFFF")}},
		{"below the surrogates", query.Regex{Column: name, Pattern: pattern(t, "^a\uD7FF")}},
	}
	for _, c := range trees {
		show(&b, c.name, g.Select(&query.Select{Entity: e, Projection: id, Where: c.tree}, &a), &a)
	}
	return b.String()
}

func pattern(t *testing.T, source string) *query.Pattern {
	t.Helper()
	p, err := query.CompilePattern(source, false)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func selects(t *testing.T, g *sqlgen.Generator, e *schema.Entity) string {
	var b strings.Builder
	var a sqlgen.Args
	all := &query.Projection{Columns: e.Columns, Key: "*"}
	order := []query.Order{{Column: e.Column("balance"), Desc: true}, {Column: e.Column("name")}, {Column: e.Columns[0]}}
	where := query.And{query.Compare{Column: e.Column("name"), Op: query.Eq, Value: schema.TextOf("x")}}
	show(&b, "everything", g.Select(&query.Select{Entity: e, Projection: all}, &a), &a)
	show(&b, "sorted page", g.Select(&query.Select{Entity: e, Projection: all, Where: where, Sort: order, Limit: 20, Skip: 40}, &a), &a)
	show(&b, "limit", g.Select(&query.Select{Entity: e, Projection: all, Sort: order[2:], Limit: 20}, &a), &a)
	show(&b, "touch", g.Touch(e, query.In{Column: e.Columns[0], Values: []schema.Value{schema.TextOf("a")}}, &a), &a)
	show(&b, "touch what a condition narrows", g.Touch(e, query.And{query.Compare{Column: e.Columns[1], Op: query.Eq, Value: schema.TextOf("b")}, query.In{Column: e.Columns[0], Values: []schema.Value{schema.TextOf("a")}}}, &a), &a)
	show(&b, "skip", g.Select(&query.Select{Entity: e, Projection: all, Sort: order[2:], Skip: 40}, &a), &a)
	show(&b, "no columns", g.Select(&query.Select{Entity: e, Projection: &query.Projection{Key: "0"}}, &a), &a)
	show(&b, "count", g.Count(&query.Select{Entity: e, Where: where}, &a), &a)
	show(&b, "count of a page", g.Count(&query.Select{Entity: e, Limit: 5, Skip: 1}, &a), &a)
	return b.String()
}

func aggregates(t *testing.T, g *sqlgen.Generator, e *schema.Entity) string {
	var b strings.Builder
	var a sqlgen.Args
	for _, s := range []string{
		`[{"$group":{"_by":"name","n":{"$count":true},"total":{"$sum":"age"}}}]`,
		`[{"$group":{"_by":null,"sum":{"$sum":"level"},"avg":{"$avg":"level"},"low":{"$min":"born"},"high":{"$max":"balance"},"money":{"$sum":"balance"},"ten":{"$sum":10},"mean":{"$avg":"age"}}}]`,
		`[{"$match":{"age":{"$gt":3}}},{"$group":{"_by":"active","n":{"$count":true}}},{"$match":{"n":{"$gte":2}}},{"$sort":{"n":-1}},{"$limit":3}]`,
		`[{"$sort":{"age":-1}},{"$limit":10},{"$match":{"active":true}},{"$project":{"name":1}}]`,
		`[{"$sort":{"age":1}},{"$skip":2},{"$limit":3},{"$skip":1},{"$count":"rows"}]`,
		`[{"$match":{"name":"a"}},{"$count":"rows"},{"$match":{"rows":{"$ne":0}}}]`,
	} {
		v, err := fastjson.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		q, err := query.ParseStages(query.Scope{Entity: e}, v)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		show(&b, s, g.Aggregate(q, &a), &a)
	}
	return b.String()
}

func rows(g *sqlgen.Generator, cat *schema.Catalog) string {
	var b strings.Builder
	var a sqlgen.Args
	for _, e := range cat.Entities {
		row := make(schema.Row, len(e.Columns))
		row[0], row[1] = schema.TextOf("i1"), schema.IntOf(1)
		none := sqlgen.Args{}
		show(&b, "load "+e.Name, g.Load(e, &a), &none)
		show(&b, "insert "+e.Name, g.Insert(e, row, &a), &a)
		show(&b, "update "+e.Name, g.Update(e, row, []*schema.Column{e.Columns[1], e.Column("name")}, &a), &a)
		show(&b, "delete "+e.Name, g.Delete(e, &a), &none)
		for _, r := range e.Relations {
			if r.Type == schema.ManyToMany {
				show(&b, "link", g.Link(r, &a), &none)
				show(&b, "unlink 3", g.Unlink(r, 3, &a), &none)
				show(&b, "links of 1", g.Links(r, 1, false, &a), &none)
				show(&b, "links to 3", g.Links(r, 3, true, &a), &none)
			}
		}
	}
	log := sqlgen.NewLog(g.Dialect())
	for _, p := range []*sqlgen.Plan{log.Append, log.After, log.Oldest, log.ByKey, log.Reply, log.StoreReply, log.Meta, log.SetMeta, log.AddMeta} {
		show(&b, "log", p, &sqlgen.Args{})
	}
	return b.String()
}
