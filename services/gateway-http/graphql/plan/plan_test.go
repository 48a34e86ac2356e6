package plan_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/plan"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/sdl"
)

func build(t testing.TB) *sdl.Schema {
	t.Helper()
	c, err := schema.Parse([]byte(`[{"name":"Product","collection":"products","fields":{"name":{"type":"string","required":true},"price":"number","on":"date","stock":"integer","meta":"json"},
	 "relations":{"prior":{"target":"Product","type":"one-to-many","mappedBy":"next"},"next":{"target":"Product","type":"many-to-one"},"shown":{"target":"Product","type":"many-to-one","select":["name"]}}}]`))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sdl.Build(c, sdl.View{View: mesh.View{Read: true, Write: true}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSuggestions: nobody who is not known learns names by guessing.
func TestSuggestions(t *testing.T) {
	s := build(t)
	for _, query := range []string{`{ productz { id } }`, `{ products { nmae } }`, `{ products(limt: 1) { id } }`, `{ products(orderBy: [{name: dsc}]) { id } }`, `{ products(where: {nam: null}) { id } }`} {
		_, open := plan.Compile(s, query, "", plan.DefaultLimits, true)
		_, closed := plan.Compile(s, query, "", plan.DefaultLimits, false)
		if len(open) == 0 || len(closed) == 0 || !strings.Contains(open[0].Message, "Did you mean") || strings.Contains(closed[0].Message, "Did you mean") {
			t.Errorf("%s: %v and %v", query, open, closed)
		}
	}
}

// TestVariables binds values of each type.
func TestVariables(t *testing.T) {
	s := build(t)
	for _, c := range []struct{ declared, value, want string }{
		{"Int", "1", ""},
		{"Int", "1.0", ""},
		{"Int", "1.5", "cannot be a Int"},
		{"Int", `"1"`, "cannot be a Int"},
		{"Int", "2147483648", "cannot be a Int"},
		{"Int!", "null", "cannot be a Int!"},
		{"Float", "1e3", ""},
		{"Float", "true", "cannot be a Float"},
		{"String", `"x"`, ""},
		{"String", "1", "cannot be a String"},
		{"Boolean", "1", "cannot be a Boolean"},
		{"Boolean", "false", ""},
		{"ID", "7", ""},
		{"ID", `"x"`, ""},
		{"ID", "1.5", "cannot be a ID"},
		{"[ID!]", `"x"`, ""},
		{"[ID!]", `["x",null]`, "cannot be a ID!"},
		{"JSON", `{"a":[1]}`, ""},
		{"DateTime", `"2026-01-01"`, ""},
		{"ProductInput", `{"name":"x","on":null}`, ""},
		{"ProductInput", `{"price":1}`, "ProductInput.name is needed"},
		{"ProductInput", `{"name":"x","nothing":1}`, "no field \"nothing\""},
		{"ProductInput", `7`, "an object of type"},
		{"SortDirection", `"asc"`, ""},
		{"SortDirection", `"up"`, "cannot be a SortDirection"},
		{"ProductWhere", `{"_and":[{"name":{"in":["a"]}}]}`, ""},
	} {
		p, problems := plan.Compile(s, "query($v: "+c.declared+") { productCount(filter: $v) }", "", plan.DefaultLimits, true)
		if problems != nil {
			t.Fatalf("%s: %v", c.declared, problems)
		}
		_, err := p.Bind(fastjson.MustParse(`{"v":` + c.value + `}`))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s for %s: %v, want %q", c.value, c.declared, err, c.want)
		}
	}
}

// TestPositions: which variables may stand where.
func TestPositions(t *testing.T) {
	s := build(t)
	for query, fits := range map[string]bool{
		`query($v: String) { products(filter: $v, sort: $v, select: $v) { id } }`:                    true,
		`query($v: [String]) { products(filter: $v) { id } }`:                                        true,
		`query($v: String) { products(where: {on: {gt: $v}, stock: {in: [$v]}}) { id } }`:            true,
		`query($v: String) { products(where: {price: {gt: $v}}) { id } }`:                            false,
		`query($v: String) { products(limit: $v) { id } }`:                                           false,
		`query($v: ID) { product(id: $v) { id } }`:                                                   false,
		`query($v: ID = "1") { product(id: $v) { id } }`:                                             true,
		`mutation($v: ProductInput!) { updateProduct(id: "1", input: $v) { id } }`:                   true,
		`mutation($v: ProductPatch!) { createProduct(input: $v) { id } }`:                            false,
		`query($v: Boolean) { products { id @skip(if: $v) } }`:                                       false,
		`query($v: Int) { products(where: {price: {in: [$v]}}) { id } }`:                             false,
		`query($v: [Float]) { products(where: {price: {in: $v}}) { id } }`:                           true,
		`query($v: Float) { products(where: {price: {in: $v}}) { id } }`:                             true,
		`mutation($v: String!) { addToSetProduct(id: "1", field: "tags", value: $v) { id } }`:        true,
		`mutation($v: DateTime) { createProduct(input: {name: "x", on: $v, meta: {a: $v}}) { id } }`: true,
	} {
		if _, problems := plan.Compile(s, query, "", plan.DefaultLimits, true); (problems == nil) != fits {
			t.Errorf("%s: %v", query, problems)
		}
	}
}

// TestHowRelationsCome: filled in by the one call where the mesh can, joined
// where it cannot.
func TestHowRelationsCome(t *testing.T) {
	s := build(t)
	for query, want := range map[string]string{
		`{ products { next { name } } }`:                                                      `"select":["next"],"relations":["next"]`,
		`{ products { next { next { next { next { next { next { name } } } } } } } }`:         `"select":["next"],"relations":["next.next.next.next.next"]`,
		`{ products { shown { name id } } }`:                                                  `"select":["shown"],"relations":["shown"]`,
		`{ products { shown { price } } }`:                                                    `"select":["shown"]`,
		`{ products { nextId } }`:                                                             `"select":["next"]`,
		`{ products { __typename } }`:                                                         `"select":["id"]`,
		`{ a: products { x: next { id } y: next { name } name } }`:                            `"select":["next","name"],"relations":["next"]`,
		`{ products { x: next { name } y: next { shown { name } } } }`:                        `"select":["next"],"relations":["next","next.shown"]`,
		`{ products { x: next { shown { name } } y: next { name } } }`:                        `"select":["next"],"relations":["next.shown","next"]`,
		`{ productsPage { a: nodes { next { name } } b: nodes { next { next { name } } } } }`: `"select":["next"],"relations":["next","next.next"]`,
	} {
		p, problems := plan.Compile(s, query, "", plan.DefaultLimits, true)
		if problems != nil {
			t.Fatalf("%s: %v", query, problems)
		}
		vars, err := p.Bind(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Roots[0].Args(nil, vars)
		if err != nil || string(got) != "{"+want {
			t.Errorf("%s: %s %v, want %s", query, got, err, want)
		}
	}
}

// TestOneNameForOneThing: first beside limit would count for one and bring the
// other.
func TestOneNameForOneThing(t *testing.T) {
	s := build(t)
	for args, fits := range map[string]bool{
		`limit: 1, first: 1000`:                        false,
		`limit: null, first: 1000`:                     true,
		`limit: 1, skip: 2`:                            true,
		`sort: "-price", orderBy: [{price: asc}]`:      false,
		`sort: null, orderBy: [{price: asc}], limit:3`: true,
	} {
		p, problems := plan.Compile(s, `{ products { prior(`+args+`) { id } } }`, "", plan.DefaultLimits, true)
		if problems != nil {
			t.Fatalf("%s: %v", args, problems)
		}
		vars, err := p.Bind(nil)
		if err != nil {
			t.Fatal(err)
		}
		n := &p.Roots[0].Level.Nodes[0]
		_, _, err = n.Cut(vars)
		if err == nil {
			_, err = n.Join(nil, vars, plan.Batch{By: "next", IDs: []string{"1"}, Limit: 1000})
		}
		if (err == nil) != fits {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// TestCost counts all that a reply may show.
func TestCost(t *testing.T) {
	s := build(t)
	cost := func(query, variables string) int {
		t.Helper()
		p, problems := plan.Compile(s, query, "", plan.DefaultLimits, true)
		if problems != nil {
			t.Fatalf("%s: %v", query, problems)
		}
		vars, err := p.Bind(fastjson.MustParse(variables))
		if err != nil {
			t.Fatal(err)
		}
		return p.Cost(vars)
	}
	for _, c := range []struct {
		name, more, less, variables string
	}{
		{"two lists of one page", `{ productsPage(first: 1000) { a: nodes { id name price on stock } b: nodes { id } } }`, `{ productsPage(first: 1000) { nodes { id name price on stock } } }`, `{}`},
		{"a list that is left out", `query($y: Boolean!) { productsPage { nodes { id } b: nodes @include(if: $y) { id name } } }`, `query($y: Boolean!) { productsPage { nodes { id } b: nodes @skip(if: $y) { id name } } }`, `{"y":true}`},
		{"a long list within a record", `{ product(id: 1) { prior(limit: 5000) { id } } }`, `{ product(id: 1) { prior(limit: 1000) { id } } }`, `{}`},
		{"many representations", `query($r: [_Any!]!) { _entities(representations: $r) { ... on Product { name } } }`, `{ _entities(representations: [{__typename: "Product", id: "1"}]) { ... on Product { name } } }`, `{"r":[{"__typename":"Product","id":"1"},{"__typename":"Product","id":"1"}]}`},
	} {
		if more, less := cost(c.more, c.variables), cost(c.less, c.variables); more <= less {
			t.Errorf("%s: %d, and %d without", c.name, more, less)
		}
	}
}

// TestWeight: a plan weighs what it holds in memory, not what its text has.
func TestWeight(t *testing.T) {
	s := build(t)
	for name, query := range map[string]string{
		"fields":           `{ products { ` + strings.Repeat(` name id price`, 30) + many(` a%d: name`, 100) + ` } }`,
		"fragments":        `{ ` + many(` p%d: product(id: 1) { ...f }`, 20) + ` } fragment f on Product { id name price on stock meta next { id name price on stock meta shown { id name } } }`,
		"values":           `{ productCount(where: {stock: {in: [` + strings.Repeat("1,", 5000) + `]}}) }`,
		"an introspection": `{ __schema { types { ` + strings.Repeat(`name kind `, 50) + ` } } }`,
		"representations":  `{ _entities(representations: []) { __typename ... on Product { id name } } }`,
		"merged pages":     `{ productsPage { ` + many(` n%d: nodes { id name price stock }`, 30) + ` } }`,
	} {
		const n = 5
		kept := make([]*plan.Plan, n)
		before := heap()
		for i := range kept {
			p, problems := plan.Compile(s, strings.Clone(query), "", plan.DefaultLimits, true)
			if problems != nil {
				t.Fatalf("%s: %v", name, problems)
			}
			kept[i] = p
		}
		each := (heap() - before) / n
		t.Logf("%s: %d bytes of text, %d of memory, weighs %d", name, len(query), each, kept[0].Weight)
		if kept[0].Weight < each/2 || kept[0].Weight > 4*each {
			t.Errorf("%s: it has %d bytes and weighs %d", name, each, kept[0].Weight)
		}
		runtime.KeepAlive(kept)
	}
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// many writes a form for each number below n.
func many(form string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, form, i)
	}
	return b.String()
}
