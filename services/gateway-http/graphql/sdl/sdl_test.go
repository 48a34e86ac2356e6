package sdl_test

import (
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/sdl"
)

func catalog(t testing.TB, text string) *schema.Catalog {
	t.Helper()
	c, err := schema.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const shop = `[
 {"name":"Product","collection":"products","description":"A \"thing\"\nfor sale.","softDelete":true,"timestamps":true,
  "fields":{"title":{"type":"string","required":true},"price":{"type":"number"},"stock":{"type":"integer"},"cost":{"type":"decimal"},"tags":{"type":"array","arrayOf":"string"},
   "meta":{"type":"json"},"any":{"type":"array"},"state":{"type":"enum","enum":["new","old"],"required":true,"default":"new"},"secret":{"type":"string","hidden":true},"photo":{"type":"binary"},"on":{"type":"date"},"makerId":"string"},
  "relations":{"maker":{"target":"Order","type":"many-to-one"},"seller":{"target":"Order","type":"many-to-one","required":true},"groups":{"target":"Query","type":"many-to-many"}}},
 {"name":"Order","collection":"orders","fields":{"n":"number"},"relations":{"made":{"target":"Product","type":"one-to-many","mappedBy":"maker"}}},
 {"name":"Query","collection":"queries","fields":{"text":"string"}},
 {"name":"Products","collection":"productss","fields":{"text":"string"}},
 {"name":"JSON","collection":"jsons","fields":{"text":"string"}}]`

func TestBuild(t *testing.T) {
	s, err := sdl.Build(catalog(t, shop), sdl.View{View: mesh.View{Read: true, Write: true}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\"A \\\"thing\\\"\\nfor sale.\"\ntype Product {\n  id: ID!\n  _version: Int!\n  title: String!\n  price: Float\n  stock: BigInt\n  cost: Decimal\n  tags: [String]\n  meta: JSON_\n  any: [JSON_]\n",
		"state: String!", "maker: Order\n  seller: Order\n  sellerId: ID\n", "  createdAt: DateTime\n",
		"groups(filter: JSON_, where: QueryWhere, sort: JSON_, orderBy: [QueryOrderBy!], limit: Int, skip: Int, first: Int): [Query_!]!",
		"input ProductInput {\n  id: ID\n  title: String!\n", "secret: String\n", "  state: String\n", "  seller: ID!\n", "  groups: [ID!]\n",
		"input ProductPatch {\n  id: ID\n  title: String\n",
		"  products(filter: JSON_, where: ProductWhere,", "  product(id: ID!,", "  productOne(", "  productCount(", "  productSearch(query: String!", "  productAggregate(", "  productsPage(",
		"  products_(id: ID!", "createProduct(input: ProductInput!): Product\n", "updateManyProducts(", "deleteManyProducts(", "productChanged(",
	} {
		if !strings.Contains(s.Text, want) {
			t.Errorf("the schema lacks %q", want)
		}
	}
	if n := strings.Count(s.Text, "secret"); n != 2 {
		t.Errorf("a hidden field is named %d times, want twice: it can be written and nothing else", n)
	}
	if r := s.Roots["Query.products_"]; r == nil || r.Op != "findById" || r.Entity.Name != "Products" {
		t.Errorf("%+v", r)
	}
	if f := s.Objects["Product"].Fields["sellerId"]; !f.Ref || f.Member != "seller" {
		t.Errorf("%+v", f)
	}
	if t.Failed() {
		t.Log(s.Text)
	}
	if sub := s.Subgraph(); !strings.Contains(sub, "type Product @key(fields: \"id\") {") || strings.Contains(sub, "_service") || !strings.Contains(sub, "@link(") {
		t.Error(sub)
	}
}

// TestConnectionsGiveWay: to entities that have a name of theirs.
func TestConnectionsGiveWay(t *testing.T) {
	s, err := sdl.Build(catalog(t, `[{"name":"Product","collection":"products","fields":{"n":"number"}},{"name":"ProductEdge","collection":"edges","fields":{"n":"number"}},
	 {"name":"ProductsConnection","collection":"connections","fields":{"n":"number"}},{"name":"PageInfo","collection":"infos","fields":{"n":"number"}}]`), sdl.View{View: mesh.View{Read: true}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"type ProductEdge_ {\n  node: Product!\n", "type ProductConnection {\n  edges: [ProductEdge_!]!\n  nodes: [Product!]!\n  pageInfo: PageInfo_!\n",
		"  productsConnection(id: ID!", "  productsConnection_(filter: JSON, where: ProductWhere, sort: JSON, orderBy: [ProductOrderBy!], skip: Int, first: Int, after: String): ProductConnection!\n",
	} {
		if !strings.Contains(s.Text, want) {
			t.Errorf("the schema lacks %q", want)
		}
	}
}

func TestViews(t *testing.T) {
	c := catalog(t, shop)
	stock := c.Entity("Product").Column("stock")
	for _, v := range []struct {
		name           string
		view           sdl.View
		shows, conceal []string
	}{
		{"read", sdl.View{View: mesh.View{Read: true}}, []string{"products(", "productChanged("}, []string{"type Mutation", "ProductInput", "secret"}},
		{"write", sdl.View{View: mesh.View{Write: true}}, []string{"createProduct(", "_service"}, []string{"products(", "type Subscription", "_entities"}},
		{"policy", sdl.View{View: mesh.View{Read: true, Write: true}, Readable: func(c *schema.Column) bool { return c != stock }}, []string{"products("}, []string{"stock"}},
	} {
		s, err := sdl.Build(c, v.view)
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		for _, w := range v.shows {
			if !strings.Contains(s.Text, w) {
				t.Errorf("%s: the schema lacks %q", v.name, w)
			}
		}
		for _, w := range v.conceal {
			if strings.Contains(s.Text, w) {
				t.Errorf("%s: the schema shows %q", v.name, w)
			}
		}
	}
	if _, err := sdl.Build(catalog(t, `[]`), sdl.View{View: mesh.View{Read: true, Write: true}}); err != nil {
		t.Error(err)
	}
}
