package stores_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
	"github.com/octomesh/octomesh/pkg/stores/db2"
	"github.com/octomesh/octomesh/pkg/stores/hana"
	"github.com/octomesh/octomesh/pkg/stores/hsqldb"
	"github.com/octomesh/octomesh/pkg/stores/mssql"
	"github.com/octomesh/octomesh/pkg/stores/oracle"
	"github.com/octomesh/octomesh/pkg/stores/sybase"
)

var update = flag.Bool("update", false, "write the golden files anew")

const catalog = `[
 {"name":"Person","collection":"people","timestamps":true,"softDelete":true,"fields":{
   "name":{"type":"string"},"bio":{"type":"text"},"email":{"type":"string","unique":true},"age":{"type":"number"},"level":{"type":"integer"},
   "active":{"type":"boolean"},"born":{"type":"date"},"balance":{"type":"decimal"},"extra":{"type":"json"},"rank":{"type":"enum","enum":["a","b"]}},
  "relations":{"boss":{"target":"Person","type":"many-to-one"},"friends":{"target":"Person","type":"many-to-many","through":"friends"}},
  "indexes":[{"fields":{"level":"desc","age":"asc"}},{"fields":["name","level"],"unique":true,"sparse":true}]},
 {"name":"Cat","collection":"pets","discriminator":"kind","discriminatorValue":"it's a cat","fields":{"name":{"type":"string"}}},
 {"name":"Dog","collection":"pets","discriminator":"kind","discriminatorValue":"dog","fields":{"name":{"type":"string"},"age":{"type":"integer"}}}
]`

func dialects() []*sqlgen.Dialect {
	return []*sqlgen.Dialect{hsqldb.Dialect(), oracle.Dialect(4000), mssql.Dialect(), db2.Dialect(), hana.Dialect(), sybase.Dialect()}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, d := range dialects() {
		var b strings.Builder
		for _, c := range cases(t, d) {
			b.WriteString("-- " + c.title + "\n" + c.sql + "\n")
			if len(c.values) > 0 {
				b.WriteString("--")
				for _, v := range c.values {
					b.WriteString(" " + string(v.AppendJSON(nil)))
				}
				b.WriteString("\n")
			}
			if c.residual {
				b.WriteString("-- the worker finishes it\n")
			}
			b.WriteString("\n")
		}
		file := filepath.Join("testdata", d.Name+".sql")
		if *update {
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if b.String() != string(want) {
			t.Errorf("%s differs (go test -update writes it anew)", file)
		}
	}
}

// statement is one case of the table: its SQL and what it binds, and for a read
// of ids what it asks for.
type statement struct {
	title, sql string
	values     []schema.Value
	residual   bool
	read       *query.Select
}

func people(t *testing.T) (*schema.Catalog, *schema.Entity) {
	t.Helper()
	cat, err := schema.Parse([]byte(catalog))
	if err != nil {
		t.Fatal(err)
	}
	return cat, cat.Entity("Person")
}

// persons are the rows that the reads are asked about.
func persons(e *schema.Entity) []schema.Row {
	row := func(id string, values map[string]schema.Value) schema.Row {
		r := make(schema.Row, len(e.Columns))
		for i, c := range e.Columns {
			r[i] = values[c.Name]
		}
		r[0], r[1] = schema.TextOf(id), schema.IntOf(1)
		return r
	}
	type m = map[string]schema.Value
	return []schema.Row{
		row("p1", m{"name": schema.TextOf("a"), "email": schema.TextOf("x@y"), "age": schema.FloatOf(1), "level": schema.IntOf(1), "active": schema.BoolOf(true), "born": schema.TimeOf(0), "balance": schema.DecimalOf("1.5"), "extra": schema.JSONOf(`{"a":1}`), "rank": schema.TextOf("a")}),
		row("p2", m{"name": schema.TextOf("ab"), "age": schema.FloatOf(1.5), "level": schema.IntOf(2), "active": schema.BoolOf(false), "born": schema.TimeOf(1577836800000), "balance": schema.DecimalOf("10"), "boss": schema.TextOf("p1")}),
		row("p3", m{"name": schema.TextOf("AB"), "bio": schema.TextOf("it's 100%"), "age": schema.FloatOf(2), "level": schema.IntOf(3), "balance": schema.DecimalOf("-2")}),
		row("p4", m{"name": schema.TextOf("a "), "level": schema.IntOf(2)}),
		row("p5", m{"age": schema.FloatOf(3), "boss": schema.TextOf("p2")}),
		row("p6", m{"name": schema.TextOf("xabx"), "bio": schema.TextOf("ab"), "active": schema.BoolOf(true), "rank": schema.TextOf("b")}),
		row("p7", m{"name": schema.TextOf("b"), "level": schema.IntOf(-1), "deletedAt": schema.TimeOf(1)}),
	}
}

var (
	filters = []string{
		`{}`, `{"name":"a"}`, `{"name":null}`, `{"name":{"$ne":"a"}}`, `{"name":{"$ne":null}}`, `{"id":{"$ne":"p1"}}`, `{"id":"p1"}`, `{"bio":"it's 100%"}`,
		`{"age":{"$gt":1,"$lte":2}}`, `{"balance":{"$gte":"1.50"}}`, `{"balance":"10"}`, `{"born":{"$lt":"2020-01-02"}}`, `{"extra":{"a":1}}`, `{"active":true}`, `{"active":{"$ne":true}}`,
		`{"level":{"$in":[1]}}`, `{"level":{"$in":[1,2,3]}}`, `{"level":{"$in":[1,null]}}`, `{"level":{"$in":[]}}`,
		`{"level":{"$nin":[1,2]}}`, `{"level":{"$nin":[1,null]}}`, `{"level":{"$nin":[null]}}`, `{"level":{"$exists":false}}`, `{"name":{"$in":["a","ab"]}}`,
		`{"$or":[{"name":"a"},{"age":1,"active":true}]}`, `{"boss":"p1"}`, `{"rank":{"$gte":"b"}}`, `{"name":{"$gte":"a","$lt":"b"}}`, `{"deletedAt":null}`,
		`{"name":{"$regex":"^ab"}}`, `{"name":{"$regex":"^ab$"}}`, `{"name":{"$regex":"ab$"}}`, `{"name":{"$regex":"a.*b"}}`,
		`{"name":{"$regex":"ab"}}`, `{"name":{"$regex":"AB","$regexFlags":"i"}}`, `{"name":{"$regex":"^[a-c]+x|y"}}`, `{"name":{"$regex":".*"}}`,
	}
	aggregates = []string{
		`[{"$group":{"_by":"name","n":{"$count":true}}}]`,
		`[{"$group":{"_by":"level","n":{"$count":true},"low":{"$min":"age"},"high":{"$max":"born"}}}]`,
		`[{"$group":{"_by":"name","total":{"$sum":"age"},"mean":{"$avg":"balance"}}}]`,
		`[{"$group":{"_by":null,"first":{"$min":"name"}}}]`,
		`[{"$match":{"age":{"$gt":3}}},{"$group":{"_by":"active","n":{"$count":true}}},{"$match":{"n":{"$gte":2}}},{"$sort":{"n":-1}},{"$limit":3}]`,
		`[{"$sort":{"age":-1}},{"$limit":10},{"$match":{"active":true}},{"$project":{"name":1}}]`,
		`[{"$sort":{"age":1}},{"$skip":2},{"$limit":3},{"$skip":1},{"$count":"rows"}]`,
		`[{"$match":{"name":"a"}},{"$count":"rows"},{"$match":{"rows":{"$ne":0}}}]`,
	}
)

// cases is the table: all that a dialect has to say.
func cases(t *testing.T, d *sqlgen.Dialect) []statement {
	t.Helper()
	cat, e := people(t)
	var out []statement
	add := func(title string, p *sqlgen.Plan, a *sqlgen.Args, read *query.Select) {
		s := statement{title: title, sql: p.SQL, residual: p.Residual, read: read}
		s.values = append(s.values, a.Values...)
		out = append(out, s)
	}
	engine := migrate.Engine{Dialect: d}
	for _, step := range engine.Compare(migrate.Wanted(cat, d), nil).Steps {
		title := "table " + step.Table
		if step.Index != nil {
			title = "index " + step.Index.Meaning().Name
		}
		out = append(out, statement{title: title, sql: migrate.SQL(d, step)})
	}
	g := sqlgen.New(d, 1000)
	var a, none sqlgen.Args
	for _, row := range persons(e) {
		add("insert "+row[0].Text(), g.Insert(e, row, &a), &a, nil)
	}
	out = append(out, reads(t, g, e)...)
	for _, s := range aggregates {
		q, err := query.ParseStages(query.Scope{Entity: e}, parse(t, s))
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		add(s, g.Aggregate(q, &a), &a, nil)
	}
	bound := func(title string, p *sqlgen.Plan, values ...schema.Value) {
		add(title, p, &sqlgen.Args{Values: values}, nil)
	}
	id := schema.TextOf("p1")
	row := persons(e)[0]
	add("update", g.Update(e, row, []*schema.Column{e.Columns[1], e.Column("name")}, &a), &a, nil)
	bound("load", g.Load(e, &none), id)
	bound("touch", g.Touch(e, nil, &none), id)
	add("touch by a filter", g.Touch(e, query.In{Column: e.Columns[0], Values: []schema.Value{id}}, &a), &a, nil)
	r := e.Relation("friends")
	link := g.Link(r, &none)
	values := []schema.Value{id, schema.TextOf("p2"), id, schema.TextOf("p2")}
	bound("link", link, values[:link.Params]...)
	bound("links of 1", g.Links(r, 1, false, &none), id)
	bound("links to 3", g.Links(r, 3, true, &none), id, id, id, id)
	bound("unlink 3", g.Unlink(r, 3, &none), id, id, id, id, id)
	bound("delete", g.Delete(e, &none), id)
	bound("load Cat", g.Load(cat.Entity("Cat"), &none), schema.TextOf("c1"))
	cats := cat.Entity("Cat")
	pet := make(schema.Row, len(cats.Columns))
	pet[0], pet[1] = schema.TextOf("c1"), schema.IntOf(1)
	add("insert Cat", g.Insert(cats, pet, &a), &a, nil)
	log := sqlgen.NewLog(d)
	one, text := schema.IntOf(1), schema.TextOf("t")
	change := []schema.Value{one, one, text, text, text, one, schema.Null, schema.Null, schema.Null, text, text, text, text, schema.Null, one}
	bound("change", log.Append, change...)
	bound("changes", log.After, []schema.Value{schema.IntOf(0), schema.IntOf(5)}[:log.After.Params]...)
	bound("oldest", log.Oldest)
	bound("newest", log.Newest)
	bound("change by key", log.ByKey, text, text)
	bound("stored reply", log.Reply, text, text)
	bound("store reply", log.StoreReply, text, text, schema.Null, text, one, one)
	bound("add meta", log.AddMeta, text, text)
	bound("set meta", log.SetMeta, text, text)
	bound("meta", log.Meta, text)
	return out
}

// reads are the reads of records.
func reads(t *testing.T, g *sqlgen.Generator, e *schema.Entity) (out []statement) {
	t.Helper()
	var a sqlgen.Args
	id := &query.Projection{Columns: e.Columns[:1], Key: "id"}
	add := func(title string, q *query.Select) {
		p := g.Select(q, &a)
		out = append(out, statement{title: title, sql: p.SQL, values: append([]schema.Value(nil), a.Values...), residual: p.Residual, read: q})
	}
	for _, f := range filters {
		x, err := query.ParseFilter(query.Scope{Entity: e}, parse(t, f))
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		add(f, &query.Select{Entity: e, Projection: id, Where: x})
		if f != "{}" {
			add("not "+f, &query.Select{Entity: e, Projection: id, Where: query.Not{X: x}})
		}
	}
	add("search", &query.Select{Entity: e, Projection: id, Where: query.Contains{Columns: []*schema.Column{e.Column("name"), e.Column("bio")}, Needle: "ab"}})
	order := []query.Order{{Column: e.Column("balance"), Desc: true}, {Column: e.Column("name")}, {Column: e.Columns[0]}}
	for _, k := range order {
		add("by "+k.Column.Name, &query.Select{Entity: e, Projection: id, Sort: []query.Order{k, order[2]}[:1+min(1, k.Column.Index)]})
	}
	add("sorted page", &query.Select{Entity: e, Projection: id, Sort: order, Limit: 3, Skip: 2})
	add("limit", &query.Select{Entity: e, Projection: id, Sort: order[2:], Limit: 2})
	add("skip", &query.Select{Entity: e, Projection: id, Sort: order[2:], Skip: 3})
	for _, q := range []*query.Select{{Entity: e}, {Entity: e, Limit: 5, Skip: 1}} {
		p := g.Count(q, &a)
		out = append(out, statement{title: "count", sql: p.SQL, values: append([]schema.Value(nil), a.Values...), residual: p.Residual})
	}
	return out
}

func parse(t *testing.T, text string) *fastjson.Value {
	t.Helper()
	v, err := fastjson.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
