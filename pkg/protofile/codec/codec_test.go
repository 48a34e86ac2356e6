package codec_test

import (
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/protofile/codec"
	"github.com/octomesh/octomesh/pkg/schema"
)

const shop = `[
{"name":"Author","collection":"authors","timestamps":true,"fields":{"name":"string","fame":"integer"},
 "relations":{"boss":{"target":"Author","type":"many-to-one"}}},
{"name":"Book","collection":"books","timestamps":true,
 "fields":{"title":"string","price":"decimal","weight":"number","stock":"integer","more":"json","cover":"binary","active":"boolean"},
 "relations":{"author":{"target":"Author","type":"many-to-one"},"genres":{"target":"Author","type":"many-to-many"}}}]`

func openShop(t rapid.TB) *project {
	t.Helper()
	c, err := schema.Parse([]byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	return newProject(t, c)
}

// wire makes a message of fields: number, then a text, a number or another
// message's bytes.
func wire(parts ...any) []byte {
	var b []byte
	for i := 0; i < len(parts); i += 2 {
		n := protowire.Number(parts[i].(int))
		switch v := parts[i+1].(type) {
		case int:
			b = protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), uint64(v))
		case string:
			b = protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), v)
		case []byte:
			b = protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
		}
	}
	return b
}

// Book: id=1 title=2 price=3 weight=4 stock=5 more=6 cover=7 active=8 version=9
// author=10 author_record=11 genres=12 createdAt=13 updatedAt=14.
func TestRequests(t *testing.T) {
	p := openShop(t)
	for _, c := range []struct {
		name, method string
		msg          []byte
		want         string
		code         fault.Code
	}{
		{"nothing", "FindAll", nil, `{}`, ""},
		{"a filter", "FindAll", wire(1, `{"a":1}`, 2, "-a", 3, 0, 4, 7, 5, "x", 9, 1, 5, "y", 11, 0), `{"filter":{"a":1},"sort":"-a","limit":0,"skip":7,"select":["x","y"],"includeDeleted":true}`, ""},
		{"the last counts", "FindById", wire(1, "a", 1, "b"), `{"id":"b"}`, ""},
		{"a negative number", "FindAll", wire(3, -1), `{"limit":-1}`, ""},
		{"an unknown field", "FindById", wire(1, "a", 99, "x", 100000, 1), `{"id":"a"}`, ""},
		{
			"a record", "Create", wire(2, wire(2, "t", 3, "1.50", 5, -7, 6, `{"a":[]}`, 7, "\x00\xff", 8, 0, 9, 4, 10, "a1", 11, wire(1, "no"), 12, wire(1, "g1"), 12, wire(2, "x", 1, "g2"))),
			`{"data":{"title":"t","price":1.50,"stock":-7,"more":{"a":[]},"cover":"AP8=","active":false,"author":"a1","genres":["g1","g2"]}}`, "",
		},
		{"a record in parts", "Create", wire(2, wire(2, "t"), 2, wire(5, 1)), `{"data":{"title":"t","stock":1}}`, ""},
		{"an empty record", "Create", wire(2, ""), `{"data":{}}`, ""},
		{"record and data", "Create", wire(1, `{}`, 2, ""), ``, fault.InvalidRequest},
		{"data and record", "Create", wire(2, "", 1, `{}`), ``, fault.InvalidRequest},
		{"clear", "Update", wire(1, "b", 3, wire(2, "t"), 4, "stock", 4, "genres"), `{"id":"b","data":{"title":"t","stock":null,"genres":[]}}`, ""},
		{"clear alone", "Update", wire(1, "b", 4, "stock"), `{"id":"b","data":{"stock":null}}`, ""},
		{"clear what is set", "Update", wire(1, "b", 3, wire(5, 0), 4, "stock"), ``, fault.InvalidRequest},
		{"clear twice", "Update", wire(1, "b", 4, "stock", 4, "stock"), ``, fault.InvalidRequest},
		{"clear nothing", "Update", wire(1, "b", 4, "id"), ``, fault.InvalidRequest},
		{"clear beside JSON", "Update", wire(1, "b", 2, "{}", 4, "stock"), ``, fault.InvalidRequest},
		{"a value", "AddToSet", wire(1, "b", 2, "genres", 4, "\"g\"\n"), `{"id":"b","field":"genres","value":"\"g\"\n"}`, ""},
		{"value and text", "AddToSet", wire(1, "b", 3, "1", 4, "g"), ``, fault.InvalidRequest},
		{"an exact amount", "Increment", wire(1, "b", 4, "0.10"), `{"id":"b","amount":0.10}`, ""},
		{"an amount that is none", "Increment", wire(1, "b", 4, "a"), `{"id":"b","amount":"a"}`, ""},
		{"an infinite amount", "Increment", append(wire(1, "b"), 3<<3|1, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f), ``, fault.InvalidRequest},
		{"JSON that is none", "FindAll", wire(1, `{"a":1},"x":{}`), ``, fault.ParseError},
		{"JSON with a key twice", "FindAll", wire(1, `{"a":1,"a":2}`), ``, fault.ParseError},
		{"deep JSON", "FindAll", wire(1, strings.Repeat("[", 10000)), ``, fault.ParseError},
		{"no UTF-8", "FindById", wire(1, "\xff"), ``, fault.InvalidRequest},
		{"another wire type", "FindById", wire(1, 1), ``, fault.InvalidRequest},
		{"a group", "FindById", []byte{1<<3 | 3, 1<<3 | 4}, ``, fault.InvalidRequest},
		{"an unknown group", "FindById", []byte{0xfb, 0x06, 0xfc, 0x06}, ``, fault.InvalidRequest},
		{"a wire type that is none", "FindById", []byte{1<<3 | 6, 0}, ``, fault.InvalidRequest},
		{"field zero", "FindById", []byte{2, 0}, ``, fault.InvalidRequest},
		{"a number beyond all", "FindById", []byte{0xff, 0xff, 0xff, 0xff, 0x7f, 0}, ``, fault.InvalidRequest},
		{"a varint that goes on", "FindAll", append([]byte{3 << 3}, strings.Repeat("\x80", 10)+"\x01"...), ``, fault.InvalidRequest},
		{"a varint that ends early", "FindAll", []byte{3 << 3, 0x80}, ``, fault.InvalidRequest},
		{"a field that ends early", "FindById", []byte{1<<3 | 2, 5, 'a'}, ``, fault.InvalidRequest},
		{"a length beyond all", "FindById", []byte{1<<3 | 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, ``, fault.InvalidRequest},
		{"half a number", "Increment", []byte{3<<3 | 1, 0, 0}, ``, fault.InvalidRequest},
		{"a record that is none", "Create", wire(2, "\xff"), ``, fault.InvalidRequest},
		{"what grows beyond all", "FindById", wire(1, strings.Repeat("\x01", 2<<20)), ``, fault.PayloadTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := p.codec.Method("/mostajs.BookService/"+c.method).Request(nil, c.msg)
			if fault.CodeOf(err) != c.code || err == nil && string(got) != c.want {
				t.Errorf("%s, %v\nwant %s %s", got, err, c.want, c.code)
			}
			if err == nil && !json.Valid(got) {
				t.Error("no JSON")
			}
		})
	}
}

// TestParts: a message may come in parts, and a million of them cost no more than
// their bytes.
func TestParts(t *testing.T) {
	m := openShop(t).codec.Method("/mostajs.BookService/Create")
	msg := wire(2, wire(2, "a"), 2, wire(5, 7), 2, wire(2, "b"))
	if got, err := m.Request(nil, msg); err != nil || string(got) != `{"data":{"title":"b","stock":7}}` {
		t.Errorf("%s %v", got, err)
	}
	part := wire(2, wire(5, 1))
	for len(msg) < 4<<20 {
		msg = append(msg, part...)
	}
	before := string(msg)
	grown := testing.AllocsPerRun(1, func() {
		if _, err := m.Request(nil, msg); err != nil {
			t.Error(err)
		}
	})
	if grown > 200 || string(msg) != before {
		t.Errorf("%v allocations", grown)
	}
}

func TestGenericRequests(t *testing.T) {
	p := openShop(t)
	m := p.codec.Method("/mostajs.EntityService/Execute")
	c, err := m.Execute(wire(1, "count", 2, "Book", 3, "shop", 4, ` {"filter":{}} `))
	if err != nil || string(c.Op)+string(c.Entity)+string(c.Project)+string(c.Payload) != `countBookshop{"filter":{}}` {
		t.Errorf("%q %v", c, err)
	}
	for payload, code := range map[string]fault.Code{"": "", "[]": fault.InvalidRequest, "{": fault.ParseError, "{}{}": fault.ParseError} {
		if _, err := m.Execute(wire(1, "count", 4, payload)); fault.CodeOf(err) != code {
			t.Errorf("%s: %v", payload, err)
		}
	}
	w := p.codec.Method("/mostajs.EntityService/Watch")
	a, err := w.Watch(wire(1, "Book", 1, "Author", 2, "{}", 3, "e-1", 4, "shop"))
	if err != nil || strings.Join(a.Entities, ",")+string(a.Filter)+string(a.Position)+string(a.Project) != "Book,Author{}e-1shop" {
		t.Errorf("%q %v", a, err)
	}
	if _, err := w.Watch(wire(2, "{")); fault.CodeOf(err) != fault.ParseError {
		t.Error(err)
	}
	var many []any
	for range codec.MaxEntities + 1 {
		many = append(many, 1, "Book")
	}
	if _, err := w.Watch(wire(many...)); fault.CodeOf(err) != fault.InvalidRequest {
		t.Error(err)
	}
}

func TestReplies(t *testing.T) {
	p := openShop(t)
	for _, c := range []struct {
		name, method, body, want string // the message's text; ? = not found, ! = UNAVAILABLE
	}{
		{"nothing", "FindById", `{"status":"ok","data":null}`, "?"},
		{"an empty one", "FindById", `{"metadata":{"x":[{}]},"data":{}}`, ``},
		{"another order", "FindById", `{"status":"ok", "data" : {"stock":1,"new":{"a":"}"},"title":"a\u00e9\ud83d\ude00\n","id":"b"}}`, `id:"b" title:"aé😀\n" stock:1`},
		{"zeros", "FindById", `{"status":"ok","data":{"id":"","_version":0,"title":"","weight":0,"stock":0,"active":false}}`, `title:"" weight:0 stock:0 active:false`},
		{"a relation", "FindById", `{"status":"ok","data":{"id":"b","author":{"id":"a","_version":1,"boss":"c"}}}`, `id:"b" author:"a" author_record:{id:"a" version:1 boss:"c"}`},
		{"count", "Count", `{"status":"ok","data":12,"metadata":{"total":12}}`, `count:12`},
		{"delete", "Delete", `{"status":"ok","data":true,"metadata":{"position":"e-1","count":1}}`, `status:"ok" data:"true" count:1 position:"e-1"`},
		{"updateMany", "UpdateMany", `{"status":"ok","metadata":{"count":3,"position":"e-1"}}`, `status:"ok" count:3 position:"e-1"`},
		{"aggregate", "Aggregate", `{"status":"ok","data":[{"a":1},{"a":null}]}`, `rows:"{\"a\":1}" rows:"{\"a\":null}"`},
		{"a list", "FindAll", `{"status":"ok","data":[],"metadata":{"count":0,"total":7,"next":"c"}}`, `total:7 next:"c"`},
		{"another type", "FindById", `{"status":"ok","data":{"stock":"1"}}`, "!"},
		{"half", "FindById", `{"status":"ok","data":{"stock":1`, "!"},
		{"no data", "FindById", `{"status":"ok"}`, "!"},
		{"no JSON", "FindAll", `<html>`, "!"},
		{"nothing at all", "FindAll", ``, "!"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := p.codec.Method("/mostajs.BookService/" + c.method)
			b, found, err := m.Reply(nil, []byte(c.body))
			switch {
			case c.want == "!":
				if fault.CodeOf(err) != fault.Unavailable {
					t.Error(err)
				}
				return
			case err != nil || found == (c.want == "?"):
				t.Fatal(found, err)
			case !found:
				return
			}
			got, want := p.message(m.Out), p.message(m.Out)
			if err := proto.Unmarshal(b, got); err != nil {
				t.Fatal(err)
			}
			parseText(t, c.want, want)
			if !proto.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}
