package query

import (
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/valyala/fastjson"
)

// shop is a catalog with every type, relations, soft delete and a hidden field.
const shop = `[
{"name":"Person","collection":"people","softDelete":true,"timestamps":true,
 "fields":{
  "name":"string","bio":"text","age":"number","active":"boolean","born":"date","meta":"json",
  "tags":{"type":"array","arrayOf":"string"},"rank":"integer","price":"decimal","score":"float","oid":"objectId",
  "state":{"type":"enum","enum":["new","open","done"]},"raw":"binary",
  "secret2":{"type":"string","hidden":true},"limit":"number","salary":"number"},
 "relations":{
  "boss":{"type":"many-to-one","target":"Person"},
  "team":{"type":"one-to-many","target":"Person","mappedBy":"boss"},
  "friends":{"type":"many-to-many","target":"Person","through":"friendships"}}},
{"name":"Cat","collection":"animals","discriminator":"kind","discriminatorValue":"cat","fields":{"name":"string"}}
]`

func catalog(t testing.TB) *schema.Catalog {
	t.Helper()
	c, err := schema.Parse([]byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// person is the scope of most tests: salary is not readable.
func person(t testing.TB) Scope {
	return Scope{
		Entity:   catalog(t).Entity("Person"),
		Readable: func(c *schema.Column) bool { return c.Name != "salary" },
	}
}

func value(t testing.TB, text string) *fastjson.Value {
	t.Helper()
	doc, err := strictjson.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return doc.Root
}

func filter(t testing.TB, s Scope, text string) Expr {
	t.Helper()
	e, err := ParseFilter(s, value(t, text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

// row makes a row from a record.
func row(t testing.TB, e *schema.Entity, text string) schema.Row {
	t.Helper()
	r := make(schema.Row, len(e.Columns))
	if err := DecodeRecord(e, value(t, text), r); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r
}

// refusal returns the code, path and reason of an error.
func refusal(t testing.TB, err error) (code fault.Code, path, reason string) {
	t.Helper()
	f := fault.From(err)
	if f == nil {
		return "", "", ""
	}
	d, _ := f.Details.(map[string]string)
	return f.Code, d["path"], d["reason"]
}
