package plan_test

import (
	"strings"
	"testing"

	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/plan"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/sdl"
)

func build(t testing.TB) *sdl.Schema {
	t.Helper()
	c, err := schema.Parse([]byte(`[{"name":"Product","collection":"products","fields":{"name":{"type":"string","required":true},"price":"number","on":"date","stock":"integer","meta":"json"},
	 "relations":{"next":{"target":"Product","type":"many-to-one"},"shown":{"target":"Product","type":"many-to-one","select":["name"]}}}]`))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sdl.Build(c, sdl.View{Read: true, Write: true})
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
		`{ products { next { name } } }`:                                              `"select":["next"],"relations":["next"]`,
		`{ products { next { next { next { next { next { next { name } } } } } } } }`: `"select":["next"],"relations":["next.next.next.next.next"]`,
		`{ products { shown { name id } } }`:                                          `"select":["shown"],"relations":["shown"]`,
		`{ products { shown { price } } }`:                                            `"select":["shown"]`,
		`{ products { nextId } }`:                                                     `"select":["next"]`,
		`{ products { __typename } }`:                                                 `"select":["id"]`,
		`{ a: products { x: next { id } y: next { name } name } }`:                    `"select":["next","name"],"relations":["next"]`,
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
