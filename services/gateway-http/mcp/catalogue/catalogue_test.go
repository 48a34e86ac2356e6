package catalogue_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/mcp/catalogue"
)

const schemas = `[
 {"name":"Product","collection":"products","description":"What is sold.","fields":{"title":{"type":"string","required":true,"description":"Shown to customers."},
  "status":{"type":"enum","enum":["new","old"]},"price":{"type":"number","min":0},"tags":{"type":"array","arrayOf":"string"},"secret":{"type":"string","hidden":true}},
  "relations":{"maker":{"target":"Maker","type":"many-to-one"}}},
 {"name":"Maker","collection":"makers","fields":{"name":{"type":"string"}}}]`

func project(t testing.TB, slug string) *gateway.Project {
	t.Helper()
	c, err := schema.Parse([]byte(schemas))
	if err != nil {
		t.Fatal(err)
	}
	return &gateway.Project{ID: "id-" + slug, Slug: slug, Version: "v", Catalog: c}
}

var everything = mesh.View{Read: true, Write: true}

func named(list []*catalogue.Tool, name string) *catalogue.Tool {
	for _, t := range list {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// Each of the fifteen operations has its tool in both catalogues, and only what
// the view allows is there.
func TestEveryOperation(t *testing.T) {
	one := []*gateway.Project{project(t, "default")}
	list := catalogue.PerEntity(one, everything, "default")
	if len(list) != 30 {
		t.Errorf("%d tools for two entities", len(list))
	}
	for _, op := range mesh.Ops {
		if !op.Project && !op.Chunked && named(list, "Product_"+op.Name) == nil {
			t.Errorf("no tool for %s", op.Name)
		}
	}
	for _, all := range [][]*catalogue.Tool{list, catalogue.Compact(one, everything, "default")} {
		for _, tool := range all {
			text := tool.AppendInputSchema(nil)
			var s struct {
				Type       string
				Properties map[string]struct{ Description string }
				Required   []string
			}
			if err := json.Unmarshal(text, &s); err != nil || s.Type != "object" || strictjson.Check(text, 10) != nil {
				t.Fatalf("%s: %s %v", tool.Name, text, err)
			}
			for _, name := range s.Required {
				if _, ok := s.Properties[name]; !ok {
					t.Errorf("%s requires %s, which it lacks", tool.Name, name)
				}
			}
			if tool.About == "" || tool.Title == "" || tool.Octonet && strings.Contains(tool.About, "{}") || strings.Contains(string(text), "secret") {
				t.Errorf("%s: %s", tool.Name, tool.About)
			}
		}
	}
	if !strings.Contains(string(named(list, "Product_create").AppendInputSchema(nil)), "title (string, required: Shown to customers)") {
		t.Error("descriptions of fields are not in the arguments")
	}
	reading := mesh.View{Read: true}
	for _, tool := range append(catalogue.PerEntity(one, reading, "default"), catalogue.Compact(one, reading, "default")...) {
		if tool.Class != mesh.Read || tool.Destructive {
			t.Errorf("a reader sees %s", tool.Name)
		}
	}
	if nobody := catalogue.Compact(nil, everything, ""); len(nobody) != 0 {
		t.Errorf("%d tools of nothing", len(nobody))
	}
}

// Of several projects the tools take the project, or carry its name.
func TestSeveralProjects(t *testing.T) {
	all := []*gateway.Project{project(t, "default"), project(t, "shop")}
	list := catalogue.PerEntity(all, everything, "default")
	if named(list, "Product_create") == nil || named(list, "shop_Product_findAll") == nil || named(list, "shop_Product_create") == nil {
		t.Error("the names of tools")
	}
	text := string(named(catalogue.Compact(all, everything, "default"), "list").AppendInputSchema(nil))
	if !strings.Contains(text, `"enum":["default","shop"]`) || !strings.Contains(text, "Product (What is sold), Maker") || strings.Contains(text, `"required":["entity","project"]`) {
		t.Error(text)
	}
	if text = string(named(catalogue.Compact(all, everything, ""), "list").AppendInputSchema(nil)); !strings.Contains(text, `"required":["entity","project"]`) {
		t.Error(text)
	}
}

func TestTranslate(t *testing.T) {
	one := []*gateway.Project{project(t, "default")}
	compact, octonet := catalogue.Compact(one, everything, "default"), catalogue.PerEntity(one, everything, "default")
	for _, c := range []struct{ tool, args, want string }{
		{"list", `{"entity":"Product","filter":{"a":1},"limit":5,"sort":null}`, `Product.findAll {"filter":{"a":1},"limit":5}`},
		{"list", `{"entity":"Product","filter":" {\"a\":1} ","limit":"5"}`, `Product.findAll {"filter":{"a":1},"limit":5}`},
		{"list", `{"entity":"Product","sort":"{\"a\":-1}","select":"a, b,,","count":"true"}`, `Product.findAll {"sort":{"a":-1},"select":["a","b"],"count":true}`},
		{"get", `{"entity":"Product","id":7}`, `Product.findById {"id":"7"}`},
		{"get", `{"entity":"Product","filter":{}}`, `Product.findOne {"filter":{}}`},
		{"search", `{"entity":"Product","query":"x","fields":["a"]}`, `Product.search {"query":"x","searchFields":["a"]}`},
		{"modify", `{"entity":"Product","id":"1","action":"pull","field":"tags","value":null}`, `Product.pull {"id":"1","field":"tags","value":null}`},
		{"modify", `{"entity":"Product","id":"1","action":"addToSet","field":"tags","value":"[1]"}`, `Product.addToSet {"id":"1","field":"tags","value":"[1]"}`},
		{"transaction", `{"operations":"[]"}`, `_project.transaction {"operations":[]}`},
		{"update", `{"entity":"Product","id":"1","data":{},"expectedVersion":3}`, `Product.update {"id":"1","data":{},"expectedVersion":3}`},
		{"describe", ``, `. {}`},
		{"Product_findAll", `{"filter":"{\"a\":1}","sort":"{\"a\":-1}","limit":2,"skip":1}`, `Product.findAll {"filter":{"a":1},"sort":{"a":-1},"skip":1,"limit":2}`},
		{"Product_addToSet", `{"id":"1","field":"tags","value":"\"new\""}`, `Product.addToSet {"id":"1","field":"tags","value":"new"}`},
		{"Product_addToSet", `{"id":"1","field":"tags","value":"new"}`, `Product.addToSet {"id":"1","field":"tags","value":"new"}`},
		{"Product_increment", `{"id":"1","field":"n","amount":-2.5}`, `Product.increment {"id":"1","field":"n","amount":-2.5}`},

		{"list", `{`, "PARSE_ERROR"},
		{"list", `[]`, "INVALID_REQUEST"},
		{"list", `{"entity":1}`, "INVALID_REQUEST"},
		{"list", `{"entity":"Product","limit":-1}`, "INVALID_REQUEST"},
		{"list", `{"entity":"Product","limit":1e3}`, "INVALID_REQUEST"},
		{"list", `{"entity":"Product","sort":5}`, "INVALID_REQUEST"},
		{"list", `{"entity":"Product","filter":"{\"a\":1}}"}`, "PARSE_ERROR"},
		{"list", `{"entity":"Product","filter":"[]"}`, "INVALID_REQUEST"},
		{"list", `{"entity":"Product","skip":01}`, "PARSE_ERROR"},
		{"list", `{"entity":"Product","includeDeleted":"perhaps"}`, "INVALID_REQUEST"},
		{"aggregate", `{"entity":"Product","stages":{}}`, "INVALID_REQUEST"},
		{"modify", `{"entity":"Product","id":"1","action":"drop"}`, "MISSING_PARAMS"},
		{"modify", `{"entity":"Product","id":"1","action":"increment","amount":"lots"}`, "INVALID_REQUEST"},
		{"get", `{"entity":"Product","id":{}}`, "INVALID_REQUEST"},
		{"Product_findAll", `{"entity":"Maker"}`, "INVALID_REQUEST"},
	} {
		tool := named(slices.Concat(compact, octonet), c.tool)
		q, err := tool.Translate([]byte(c.args))
		got := string(fault.CodeOf(err))
		if err == nil {
			got = fmt.Sprintf("%s.%s %s", q.Entity, q.Op, q.Args(q.Limit, ""))
		}
		if got != c.want {
			t.Errorf("%s %s\n got  %s %v\n want %s", c.tool, c.args, got, err, c.want)
		}
	}
}

func TestDescription(t *testing.T) {
	s := project(t, "default")
	if got := string(catalogue.AppendEntity(nil, s.Catalog.Entity("Product"))); got != `{"name":"Product","collection":"products","description":"What is sold.","fields":{"title":{"type":"string","description":"Shown to customers.","required":true},`+
		`"status":{"type":"enum","enum":["new","old"]},"price":{"type":"number","min":0},"tags":{"type":"array","arrayOf":"string"}},"relations":{"maker":{"target":"Maker","type":"many-to-one"}}}` {
		t.Error(got)
	}
	if got := string(catalogue.AppendProject(nil, s)); !strings.HasPrefix(got, `{"project":"default","entities":[{"name":"Product","description":"What is sold.","fields":["title","status","price","tags"],"relations":["maker"]},`) {
		t.Error(got)
	}
}

// FuzzArguments: whatever a model sends becomes a request object that is one JSON
// object, or a coded error of a client's fault.
func FuzzArguments(f *testing.F) {
	one := []*gateway.Project{project(f, "default")}
	tools := append(catalogue.Compact(one, everything, "default"), catalogue.PerEntity(one, everything, "default")[:15]...)
	for i, args := range []string{
		`{"entity":"Product","filter":{"a":1},"limit":5,"sort":"-a"}`, `{"entity":"Product","filter":"{\"a\":1}","select":"a,b"}`,
		`{"entity":"Product","id":7,"data":"{}"}`, `{"operations":[{"op":"create"}]}`, `{"entity":"Product","value":"\"x\"","action":"pull"}`,
		`{"id":"1","field":"tags","value":"{"}`, `{"a":1,"a":2}`, `{"entity":"\ud800"}`, `null`, `[`, `{"limit":99999999999999999999}`, `{"filter":"}{"}`,
	} {
		f.Add(i, []byte(args))
	}
	f.Fuzz(func(t *testing.T, i int, args []byte) {
		tool := tools[uint(i)%uint(len(tools))]
		q, err := tool.Translate(args)
		if err != nil {
			if status := fault.CodeOf(err).HTTP(); status < 400 || status >= 500 {
				t.Fatalf("%s %q: %v", tool.Name, args, err)
			}
			return
		}
		b := q.Args(max(q.Limit, 1), "e-1")
		if err := strictjson.Check(b, strictjson.DefaultDepth+1); b[0] != '{' || err != nil && !strings.Contains(err.Error(), "minPosition") {
			t.Fatalf("%s %q became %s: %v", tool.Name, args, b, err)
		}
	})
}

func BenchmarkTranslate(b *testing.B) {
	tool := named(catalogue.Compact([]*gateway.Project{project(b, "default")}, everything, "default"), "list")
	args := []byte(`{"entity":"Product","filter":{"price":{"$gte":10},"status":"new"},"sort":"-price","limit":20,"select":["title","price"]}`)
	b.ReportAllocs()
	for b.Loop() {
		q, err := tool.Translate(args)
		if err != nil || len(q.Args(q.Limit, "")) == 0 {
			b.Fatal(err)
		}
	}
}
