package spanner

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/valyala/fastjson"
	"pgregory.net/rapid"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

var update = flag.Bool("update", false, "write the golden file anew")

const catalog = `[{"name":"Person","collection":"people","timestamps":true,"softDelete":true,"fields":{
   "name":{"type":"string"},"email":{"type":"string","unique":true},"age":{"type":"number"},"level":{"type":"integer"},
   "active":{"type":"boolean"},"born":{"type":"date"},"balance":{"type":"decimal"},"extra":{"type":"json"}},
  "relations":{"friends":{"target":"Person","type":"many-to-many","through":"friends"}}}]`

// TestGolden pins what the fake can't run: Spanner's functions, subselects and
// HAVING are proven by their text alone.
func TestGolden(t *testing.T) {
	t.Parallel()
	cat, err := schema.Parse([]byte(catalog))
	if err != nil {
		t.Fatal(err)
	}
	e, d := cat.Entity("Person"), Dialect()
	g := sqlgen.New(d, 100)
	var b strings.Builder
	var a sqlgen.Args
	show := func(title string, p *sqlgen.Plan) {
		fmt.Fprintf(&b, "-- %s%s\n%s\n", title, map[bool]string{true: " (the worker decides)"}[p.Residual], p.SQL)
		for _, v := range a.Values {
			fmt.Fprintf(&b, "-- %s\n", v.AppendJSON(nil))
		}
	}
	scope := query.Scope{Entity: e}
	id := &query.Projection{Columns: e.Columns[:1], Key: "id"}
	for _, f := range []string{
		`{"name":"a"}`, `{"name":{"$ne":"a"}}`, `{"level":{"$in":[1,2,3]}}`, `{"level":{"$nin":[1,null]}}`, `{"balance":{"$gte":"1.50"}}`,
		`{"name":{"$regex":"^ab"}}`, `{"name":{"$regex":"ab$"}}`, `{"name":{"$regex":"ab"}}`, `{"name":{"$regex":"a.*b"}}`,
		`{"name":{"$regex":"AB","$regexFlags":"i"}}`, `{"name":{"$regex":"^a.c","$regexFlags":"i"}}`, `{"name":{"$regex":"^[a-c]+x|y"}}`,
	} {
		x, err := query.ParseFilter(scope, fastjson.MustParse(f))
		if err != nil {
			t.Fatal(err)
		}
		show(f, g.Select(&query.Select{Entity: e, Projection: id, Where: x}, &a))
		show("not "+f, g.Select(&query.Select{Entity: e, Projection: id, Where: query.Not{X: x}}, &a))
	}
	for _, s := range []string{
		`[{"$group":{"_by":"name","n":{"$count":true},"total":{"$sum":"level"},"mean":{"$avg":"level"},"high":{"$max":"balance"}}},{"$match":{"n":{"$gte":2}}},{"$sort":{"n":-1}},{"$limit":3}]`,
		`[{"$sort":{"age":-1}},{"$skip":2},{"$limit":10},{"$group":{"_by":null,"sum":{"$sum":"age"},"ten":{"$sum":10}}}]`,
	} {
		q, err := query.ParseStages(scope, fastjson.MustParse(s))
		if err != nil {
			t.Fatal(err)
		}
		show(s, g.Aggregate(q, &a))
	}
	show("count of a page", g.Count(&query.Select{Entity: e, Limit: 5, Skip: 1}, &a))
	for _, table := range migrate.Wanted(cat, d) {
		b.WriteString("-- DDL\n" + migrate.SQL(d, migrate.Step{Table: table.Name, Create: &table}) + "\n")
		for i := range table.Indexes {
			b.WriteString(migrate.SQL(d, migrate.Step{Table: table.Name, Index: &table.Indexes[i]}) + "\n")
		}
	}
	const file = "testdata/spanner.sql"
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
		t.Errorf("%s differs (go test -update writes it anew); it would be:\n%s", file, b.String())
	}
}

// TestDecimals: the texts are ordered as the numbers are, and come back.
func TestDecimals(t *testing.T) {
	t.Parallel()
	number := rapid.Custom(func(t *rapid.T) schema.Value {
		text := rapid.StringMatching(`-?[0-9]{1,20}(\.[0-9]{1,18})?(e-?[0-9])?`).Draw(t, "number")
		s, ok := schema.CanonicalDecimal(text)
		if !ok {
			t.Skip("too many digits")
		}
		return schema.DecimalOf(s)
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		x, y := encodeDecimal(a.Text()), encodeDecimal(b.Text())
		if got, ok := decodeDecimal(x); !ok || got != a.Text() {
			t.Fatalf("%s is %s and comes back as %s", a.Text(), x, got)
		}
		if strings.Compare(x, y) != a.Compare(b) {
			t.Fatalf("%s (%s) and %s (%s)", a.Text(), x, b.Text(), y)
		}
	})
	most := strings.Repeat("9", schema.MaxDecimalDigits)
	for _, s := range []string{most, "-" + most, "0." + strings.Repeat("0", schema.MaxDecimalDigits-1) + "1", "0", "-0.1", "10"} {
		if got, ok := decodeDecimal(encodeDecimal(s)); !ok || got != s {
			t.Errorf("%s comes back as %s", s, got)
		}
	}
	for _, s := range []string{"", "p", "p5", "pxx1", "n521", "12.5", "NaN"} {
		if got, ok := decodeDecimal(s); ok {
			t.Errorf("%q is read as %s", s, got)
		}
	}
}
