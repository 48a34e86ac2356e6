package schema_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/schema"
)

func parse(t testing.TB, src string) *schema.Catalog {
	t.Helper()
	c, err := schema.Parse([]byte(src))
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return c
}

func TestDiff(t *testing.T) {
	t.Parallel()
	one := func(fields, more string) string {
		return `[{"name":"A","collection":"a","fields":{` + fields + `}` + more + `},{"name":"B","collection":"b","fields":{"y":"string"}},{"name":"C","collection":"c"}]`
	}
	rel := func(r string) string { return one(``, `,"relations":{"r":`+r+`}`) }
	f := func(def string) string { return one(`"f":`+def, ``) }
	for _, c := range []struct{ old, new, want string }{
		{f(`"string"`), f(`{"type":"string"}`), ""},
		{one(`"f":"string","g":"number"`, ``), one(`"g":"number","f":"string"`, ``), ""},
		{`[{"name":"A","collection":"a"}]`, `[{"name":"B","collection":"b"}]`, "addEntity safe B | removeEntity destructive A"},
		{`[{"name":"A","collection":"a"}]`, `[{"name":"A","collection":"z"}]`, "renameCollection backfill A"},
		{one(``, ``), f(`"string"`), "addField safe A.f"},
		{one(``, ``), f(`{"type":"string","required":true}`), "addField backfill A.f"},
		{f(`"string"`), one(``, ``), "removeField destructive A.f"},
		{f(`"string"`), f(`"text"`), "alterField safe A.f"},
		{f(`"string"`), f(`"number"`), "alterField destructive A.f"},
		{f(`"integer"`), f(`"number"`), "alterField backfill A.f"},
		{f(`"number"`), f(`"float"`), "alterField safe A.f"},
		{f(`"string"`), f(`"objectId"`), "alterField backfill A.f"},
		{f(`"json"`), f(`"array"`), "alterField backfill A.f"},
		{f(`"string"`), f(`{"type":"string","required":true,"unique":true,"hidden":true}`), "alterField backfill A.f | alterField backfill A.f | alterField safe A.f"},
		{f(`{"type":"string","required":true}`), f(`"string"`), "alterField safe A.f"},
		{f(`{"type":"string","enum":["a"]}`), f(`{"type":"string","enum":["a","b"]}`), "alterField safe A.f"},
		{f(`{"type":"string","enum":["a","b"]}`), f(`{"type":"string","enum":["a"]}`), "alterField backfill A.f"},
		{f(`{"type":"string","maxLength":5}`), f(`{"type":"string","maxLength":9}`), "alterField safe A.f"},
		{f(`{"type":"number","min":5}`), f(`{"type":"number","min":6}`), "alterField backfill A.f"},
		{f(`{"type":"number","default":5}`), f(`"number"`), "alterField safe A.f"},
		{f(`{"type":"array","arrayOf":"string"}`), f(`"array"`), "alterField safe A.f"},
		{f(`"array"`), f(`{"type":"array","arrayOf":"number"}`), "alterField destructive A.f"},
		{one(``, ``), one(``, `,"timestamps":true,"softDelete":true`), "addTimestamps backfill A | addSoftDelete safe A"},
		{one(``, `,"timestamps":true,"softDelete":true`), one(``, ``), "removeTimestamps destructive A | removeSoftDelete destructive A"},
		{one(``, ``), one(``, `,"discriminator":"k","discriminatorValue":"v"`), "addDiscriminator backfill A"},
		{one(``, `,"discriminator":"k","discriminatorValue":"v"`), one(``, `,"discriminator":"k","discriminatorValue":"w"`), "removeDiscriminator destructive A | addDiscriminator backfill A"},
		{f(`"string"`), one(`"f":"string"`, `,"indexes":[{"fields":["f"]}]`), "addIndex safe A.idx_a_0"},
		{one(`"f":"string"`, `,"indexes":[{"fields":["f"]}]`), one(`"f":"string"`, `,"indexes":[{"fields":["f"],"unique":true},{"fields":["f"]}]`), "addIndex backfill A.idx_a_0"},
		{one(`"f":"string"`, `,"indexes":[{"fields":["f"]},{"fields":["f"]}]`), one(`"f":"string"`, `,"indexes":[{"fields":{"f":"asc"}}]`), "removeIndex safe A.idx_a_1"},
		{one(``, ``), rel(`{"target":"B","type":"many-to-one"}`), "addRelation safe A.r"},
		{one(``, ``), rel(`{"target":"B","type":"many-to-one","required":true}`), "addRelation backfill A.r"},
		{rel(`{"target":"B","type":"many-to-one"}`), one(``, ``), "removeRelation destructive A.r"},
		{rel(`{"target":"B","type":"many-to-one"}`), rel(`{"target":"C","type":"many-to-one"}`), "alterRelation destructive A.r"},
		{rel(`{"target":"B","type":"many-to-one"}`), rel(`{"target":"B","type":"one-to-one"}`), "alterRelation backfill A.r"},
		{rel(`{"target":"B","type":"many-to-one"}`), rel(`{"target":"B","type":"many-to-one","onDelete":"cascade","fetch":"eager"}`), "alterRelation safe A.r | alterRelation safe A.r"},
		{rel(`{"target":"B","type":"many-to-one"}`), rel(`{"target":"B","type":"many-to-one","joinColumn":"rId"}`), "alterRelation backfill A.r"},
		{rel(`{"target":"B","type":"many-to-many"}`), rel(`{"target":"B","type":"many-to-many","through":"ab"}`), "alterRelation backfill A.r"},
	} {
		var got []string
		for _, d := range schema.Diff(parse(t, c.old), parse(t, c.new)) {
			s := fmt.Sprint(d.Type, " ", d.Class, " ", d.Entity)
			if d.Field != "" {
				s += "." + d.Field
			}
			if d.Detail == "" || d.Old == nil && d.New == nil {
				t.Errorf("%s -> %s: %s says nothing", c.old, c.new, s)
			}
			got = append(got, s)
		}
		if s := strings.Join(got, " | "); s != c.want {
			t.Errorf("from %s\nto   %s\n   = %s\nwant %s", c.old, c.new, s, c.want)
		}
	}
}

func ExampleDiff() {
	before, _ := schema.Parse([]byte(`[{"name":"User","collection":"users","fields":{"email":"string","age":"number"}}]`))
	after, _ := schema.Parse([]byte(`[{"name":"User","collection":"users","fields":{"email":{"type":"string","unique":true}},"softDelete":true}]`))
	for _, d := range schema.Diff(before, after) {
		b, _ := json.Marshal(d)
		fmt.Println(string(b))
	}
	// Output:
	// {"type":"alterField","class":"backfill","entity":"User","field":"email","detail":"unique: false -\u003e true"}
	// {"type":"removeField","class":"destructive","entity":"User","field":"age","detail":"number"}
	// {"type":"addSoftDelete","class":"safe","entity":"User","detail":"deletedAt comes"}
}

func ExampleParse() {
	c, err := schema.Parse([]byte(`[{
		"name": "User", "collection": "users", "timestamps": true,
		"fields": {"email": {"type": "string", "required": true}, "password": "string"}
	}]`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range c.Entity("users").Members {
		fmt.Print("/", m.Name)
	}
	_, err = schema.Parse([]byte(`[{"name": "User", "collection": "users", "fields": {"email": "strng"}}]`))
	fmt.Println()
	fmt.Println(err)
	// Output:
	// /id/_version/email/createdAt/updatedAt
	// VALIDATION_ERROR: the schemas are not valid: $[0].fields.email: one of string, text, number, boolean, date, json, array, integer, decimal, float, objectId, enum, binary is expected
}
