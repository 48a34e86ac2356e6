package schema_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
)

// field wraps a field definition into a schemas.json.
func field(name, def string) string {
	return fmt.Sprintf(`[{"name":"A","collection":"a","fields":{%q:%s}}]`, name, def)
}

// entity wraps further keys; there is a field x, and an entity B beside it.
func entity(more string) string {
	return `[{"name":"A","collection":"a","fields":{"x":"string","j":"json"},` + more + `},{"name":"B","collection":"b","fields":{"y":"string","secret":"string"}}]`
}

func TestProblems(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 64)
	for _, c := range []struct{ src, path, reason string }{
		{`{}`, "$.name", "a name has the form"},
		{`7`, "$", "an array of entities is expected, not a number"},
		{`[7]`, "$[0]", "an object is expected"},
		{`[{"name":"A","fields":{}}]`, "$[0].collection", "a collection has the form"},
		{`[{"name":7,"collection":"a"}]`, "$[0].name", "a text is expected, not a number"},
		{`[{"name":"A","collection":"a","field":{}}]`, "$[0].field", "there is no such key"},
		{`[{"name":"A","collection":"a","a b":1}]`, `$[0]["a b"]`, "there is no such key"},
		{`[{"name":"A","collection":"a"},{"name":"A","collection":"b"}]`, "$[1].name", "has this name too"},
		{`[{"name":"A","collection":"a"},{"name":"a","collection":"b"}]`, "$[1].name", "has this name too"},
		{`[{"name":"A","collection":"a"},{"name":"B","collection":"a"}]`, "$[1].collection", "A has this collection too"},
		{`[{"name":"A","collection":"a"},{"name":"B","collection":"A"}]`, "$[1].collection", "differs only by case from a of A"},
		{`[{"name":"A","collection":"x"},{"name":"B","collection":"A"}]`, "$[1].collection", "another entity has this name"},

		// Names that would reach a subject, a path or SQL.
		{`[{"name":"*","collection":"a"}]`, "$[0].name", "form"},
		{`[{"name":"A.B","collection":"a"}]`, "$[0].name", "form"},
		{`[{"name":">","collection":"a"}]`, "$[0].name", "form"},
		{`[{"name":"A B","collection":"a"}]`, "$[0].name", "form"},
		{`[{"name":"A\r\nPUB","collection":"a"}]`, "$[0].name", "form"},
		{`[{"name":"../A","collection":"a"}]`, "$[0].name", "form"},
		{`[{"name":"A_B","collection":"a"}]`, "$[0].name", "form"},
		{`[{"name":"Ä","collection":"a"}]`, "$[0].name", "form"},
		{`[{"name":"` + long + `","collection":"a"}]`, "$[0].name", "form"},
		{`[{"name":"events","collection":"a"}]`, "$[0].name", "the word events is reserved"},
		{`[{"name":"graphql","collection":"a"}]`, "$[0].name", "reserved"},
		{`[{"name":"_A","collection":"a"}]`, "$[0].name", "form"},
		{`[{"name":"A","collection":"a; DROP TABLE a"}]`, "$[0].collection", "form"},
		{`[{"name":"A","collection":"a\""}]`, "$[0].collection", "form"},
		{`[{"name":"A","collection":"_octo_changes"}]`, "$[0].collection", "form"},
		{`[{"name":"A","collection":"` + long + `"}]`, "$[0].collection", "form"},
		{field("_version", `"string"`), "$[0].fields._version", "form"},
		{field("a.b", `"string"`), `$[0].fields["a.b"]`, "form"},
		{field("", `"string"`), `$[0].fields[""]`, "form"},
		{field("$gt", `"string"`), `$[0].fields["$gt"]`, "form"},
		{entity(`"relations":{"_r":{"target":"B","type":"many-to-one"}}`), "$[0].relations._r", "form"},
		{entity(`"relations":{"id":{"target":"B","type":"many-to-one"}}`), "$[0].relations.id", "id is taken"},
		{entity(`"relations":{"r":{"target":"B","type":"many-to-one","joinColumn":"a b"}}`), "$[0].relations.r.joinColumn", "form"},
		{entity(`"relations":{"r":{"target":"B","type":"many-to-many","through":"x\"y"}}`), "$[0].relations.r.through", "form"},

		// Fields.
		{field("f", `{}`), "$[0].fields.f.type", "a field needs one of string, text"},
		{field("f", `"strng"`), "$[0].fields.f", "one of string"},
		{field("f", `{"type":"String"}`), "$[0].fields.f.type", "one of string"},
		{field("f", `null`), "$[0].fields.f", "an object is expected"},
		{field("f", `{"type":"string","requird":true}`), "$[0].fields.f.requird", "there is no such key"},
		{field("f", `{"type":"string","required":"yes"}`), "$[0].fields.f.required", "true or false"},
		{field("f", `{"type":"number","default":"1"}`), "$[0].fields.f.default", "a number is expected, not a text"},
		{field("f", `{"type":"string","default":1}`), "$[0].fields.f.default", "a text is expected"},
		{field("f", `{"type":"string","enum":["a"],"default":"b"}`), "$[0].fields.f.default", `must be one of "a"`},
		{field("f", `{"type":"number","max":1,"default":2}`), "$[0].fields.f.default", "above the maximum 1"},
		{field("f", `{"type":"date","default":"yesterday"}`), "$[0].fields.f.default", "a date is expected"},
		{field("f", `{"type":"integer","default":1.5}`), "$[0].fields.f.default", "an integer"},
		{field("f", `{"type":"array","arrayOf":"number","default":["a"]}`), "$[0].fields.f.default", "[0]: a number is expected"},
		{field("f", `{"type":"string","enum":[]}`), "$[0].fields.f.enum", "between 1 and 1000"},
		{field("f", `{"type":"string","enum":["a","a"]}`), "$[0].fields.f.enum[1]", "twice"},
		{field("f", `{"type":"string","enum":[1]}`), "$[0].fields.f.enum[0]", "a text is expected"},
		{field("f", `{"type":"enum"}`), "$[0].fields.f.enum", "needs its values"},
		{field("f", `"enum"`), "$[0].fields.f.enum", "needs its values"},
		{field("f", `{"type":"number","enum":["a"]}`), "$[0].fields.f.enum", "belongs to"},
		{field("f", `{"type":"number","lowercase":true}`), "$[0].fields.f.lowercase", "belongs to"},
		{field("f", `{"type":"date","trim":true}`), "$[0].fields.f.trim", "belongs to"},
		{field("f", `{"type":"number","maxLength":3}`), "$[0].fields.f.maxLength", "belongs to"},
		{field("f", `{"type":"string","maxLength":0}`), "$[0].fields.f.maxLength", "positive"},
		{field("f", `{"type":"string","min":3}`), "$[0].fields.f.min", "belongs to"},
		{field("f", `{"type":"number","min":3,"max":2}`), "$[0].fields.f.min", "above the maximum"},
		{field("f", `{"type":"number","min":1e999}`), "$[0].fields.f.min", "out of range"},
		{field("f", `{"type":"json","unique":true}`), "$[0].fields.f.unique", "belongs to"},
		{field("f", `{"type":"string","pattern":"("}`), "$[0].fields.f.pattern", "RE2"},
		{field("f", `{"type":"string","arrayOf":"string"}`), "$[0].fields.f.arrayOf", "belongs to"},
		{field("f", `{"type":"array","arrayOf":"array"}`), "$[0].fields.f.arrayOf", "arrays of arrays"},
		{field("f", `{"type":"array","arrayOf":{"kind":"x","fields":{"a":"string"}}}`), "$[0].fields.f.arrayOf.kind", "one of embedded"},
		{field("f", `{"type":"array","arrayOf":{"kind":"embedded"}}`), "$[0].fields.f.arrayOf.fields", "at least one"},
		{field("f", `{"type":"array","arrayOf":{"kind":"embedded","fields":{"secret":"string"}}}`), "$[0].fields.f.arrayOf.fields.secret.hidden", "cannot be hidden"},
		{field("f", `{"type":"array","arrayOf":{"kind":"embedded","fields":{"a":{"type":"string","unique":true}}}}`), "$[0].fields.f.arrayOf.fields.a.unique", "embedded"},
		{field("f", `{"type":"array","arrayOf":{"kind":"embedded","fields":{"a":{"type":"date","default":"now"}}}}`), "$[0].fields.f.arrayOf.fields.a.default", "now"},
		{`[{"name":"A","collection":"a","fields":{"Name":"string","name":"string"}}]`, "$[0].fields.name", "case makes no difference"},
		{`[{"name":"A","collection":"a","fields":{"ID":"string"}}]`, "$[0].fields.ID", "a column ID already"},
		{`[{"name":"A","collection":"a","timestamps":true,"fields":{"createdAt":"string"}}]`, "$[0].fields.createdAt", "managed by the service"},
		{`[{"name":"A","collection":"a","softDelete":true,"fields":{"DeletedAt":"date"}}]`, "$[0]", "a column deletedAt already"},

		// Relations.
		{entity(`"relations":[]`), "$[0].relations", "an object is expected"},
		{entity(`"relations":{"r":{}}`), "$[0].relations.r.target", "needs the name"},
		{entity(`"relations":{"r":{"target":"C","type":"many-to-one"}}`), "$[0].relations.r.target", `there is no entity "C"`},
		{entity(`"relations":{"r":{"target":"b","type":"many-to-one"}}`), "$[0].relations.r.target", `there is no entity "b"`},
		{entity(`"relations":{"r":{"target":"B","type":"many"}}`), "$[0].relations.r.type", "one of one-to-one"},
		{entity(`"relations":{"r":{"target":"B"}}`), "$[0].relations.r.type", "needs one of"},
		{entity(`"relations":{"x":{"target":"B","type":"many-to-one"}}`), "$[0].relations.x", "a member x already"},
		{entity(`"relations":{"x":{"target":"B","type":"many-to-many"}}`), "$[0].relations.x", "a member x already"},
		{entity(`"relations":{"r":{"target":"B","type":"many-to-one","joinColumn":"X"}}`), "$[0].relations.r", "a column X already"},
		{entity(`"relations":{"r":{"target":"B","type":"many-to-one","onDelete":"drop"}}`), "$[0].relations.r.onDelete", "one of set-null"},
		{entity(`"relations":{"r":{"target":"B","type":"many-to-one","required":true,"nullable":true}}`), "$[0].relations.r.nullable", "not nullable"},
		{entity(`"relations":{"r":{"target":"B","type":"many-to-one","select":["z"]}}`), "$[0].relations.r.select", `no readable field "z"`},
		{entity(`"relations":{"r":{"target":"B","type":"many-to-one","select":["secret"]}}`), "$[0].relations.r.select", "no readable field"},
		{entity(`"relations":{"r":{"target":"B","type":"many-to-one","through":"t"}}`), "$[0].relations.r.through", "belongs to many-to-many"},
		{entity(`"relations":{"r":{"target":"B","type":"one-to-many"}}`), "$[0].relations.r.mappedBy", "no many-to-one relation aId"},
		{entity(`"relations":{"r":{"target":"B","type":"one-to-many","mappedBy":"y"}}`), "$[0].relations.r.mappedBy", "no many-to-one relation y"},
		{entity(`"relations":{"r":{"target":"B","type":"many-to-many","through":"b"}}`), "$[0].relations.r.through", "as its collection"},
		{entity(`"relations":{"r":{"target":"B","type":"many-to-many","mappedBy":"q"}}`), "$[0].relations.r.mappedBy", "no many-to-many relation q"},
		{entity(`"relations":{"r":{"target":"A","type":"many-to-many","mappedBy":"r"}}`), "$[0].relations.r.mappedBy", "no many-to-many"},
		{entity(`"relations":{"r":{"target":"B","type":"many-to-many","through":"t"},"s":{"target":"B","type":"many-to-many","through":"T"}}`), "$[0].relations.s.through", "A.r uses this junction table"},
		{entity(`"relations":{"r":{"target":"A","type":"many-to-many","through":"t"},"s":{"target":"A","type":"many-to-many","through":"t"}}`), "$[0].relations.s.through", "names it by mappedBy"},

		// Indexes and discriminators.
		{entity(`"indexes":[{"fields":{"z":"asc"}}]`), "$[0].indexes[0].fields.z", `there is no column "z"`},
		{entity(`"indexes":[{"fields":["z"]}]`), "$[0].indexes[0].fields[0]", "there is no column"},
		{entity(`"indexes":[{}]`), "$[0].indexes[0].fields", "needs fields"},
		{entity(`"indexes":[{"fields":{}}]`), "$[0].indexes[0].fields", "at least one"},
		{entity(`"indexes":[{"fields":{"x":"up"}}]`), "$[0].indexes[0].fields.x", "one of asc, desc, text"},
		{entity(`"indexes":[{"fields":["x","x"]}]`), "$[0].indexes[0].fields[1]", "twice"},
		{entity(`"indexes":[{"fields":["j"]}]`), "$[0].indexes[0].fields[0]", "cannot be indexed"},
		{entity(`"indexes":[{"fields":{"j":"text"}}]`), "$[0].indexes[0].fields.j", "column of text"},
		{entity(`"indexes":[{"fields":["r"]}],"relations":{"r":{"target":"B","type":"many-to-many"}}`), "$[0].indexes[0].fields[0]", "stored elsewhere"},
		{entity(`"discriminator":"k"`), "$[0].discriminatorValue", "needs a value"},
		{entity(`"discriminatorValue":"k"`), "$[0].discriminatorValue", "needs a discriminator"},
		{entity(`"discriminator":"_k","discriminatorValue":"k"`), "$[0].discriminator", "form"},
		{entity(`"discriminator":"j","discriminatorValue":"k"`), "$[0].fields.j", "of type string or enum"},
		{`[{"name":"A","collection":"a","discriminator":"k","discriminatorValue":"1"},{"name":"B","collection":"a","discriminator":"k","discriminatorValue":"1"}]`, "$[1].discriminatorValue", "A has this value too"},
		{`[{"name":"A","collection":"a","discriminator":"k","discriminatorValue":"1","fields":{"x":"string"}},{"name":"B","collection":"a","discriminator":"k","discriminatorValue":"2","fields":{"x":"date"}}]`, "$[1]", "the column x is another one in A"},
	} {
		_, err := schema.Parse([]byte(c.src))
		code, list := codeAndProblems(t, err)
		found := slices.ContainsFunc(list, func(p schema.Problem) bool { return p.Path == c.path && strings.Contains(p.Reason, c.reason) })
		if code != fault.ValidationError || !found {
			t.Errorf("Parse(%s)\n  = %v\n  want %s: …%s…", c.src, list, c.path, c.reason)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := schema.Parse([]byte(`[
		{"name":"A","collection":"a","fields":{"f":"strng","g":{"type":"number","default":"x"}},"relations":{"r":{"target":"Z","type":"many-to-one"}},"indexes":[{"fields":["q"]}]},
		{"name":"*","collection":"b"}]`))
	_, list := codeAndProblems(t, err)
	var paths []string
	for _, p := range list {
		paths = append(paths, p.Path)
	}
	want := "$[0].fields.f $[0].fields.g.default $[1].name $[0].relations.r.target $[0].indexes[0].fields[0]"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("problems at %s\nwant        %s", got, want)
	}
}

func TestNoJSON(t *testing.T) {
	t.Parallel()
	for _, src := range []string{``, `[`, `[{"name":"A","name":"B"}]`, "[\"\xff\"]", strings.Repeat("[", 100)} {
		if _, err := schema.Parse([]byte(src)); fault.CodeOf(err) != fault.ParseError {
			t.Errorf("Parse(%.20q): %v", src, err)
		}
	}
}

func TestTooMuch(t *testing.T) {
	t.Parallel()
	var fields, entities []string
	for i := range schema.MaxEntities + 1 {
		fields = append(fields, fmt.Sprintf(`"f%d":"string"`, i))
		entities = append(entities, fmt.Sprintf(`{"name":"E%d","collection":"e%d"}`, i, i))
	}
	for _, src := range []string{
		"[" + strings.Join(entities, ",") + "]", `[{"name":"A","collection":"a","fields":{` + strings.Join(fields, ",") + `}}]`,
		"[" + strings.Repeat(`{"name":"*"},`, 500) + "{}]",
	} {
		_, err := schema.Parse([]byte(src))
		code, list := codeAndProblems(t, err)
		if code != fault.ValidationError || len(list) == 0 || len(list) > 100 {
			t.Errorf("Parse of %d bytes: %s with %d problems", len(src), code, len(list))
		}
	}
}

func FuzzParse(f *testing.F) {
	golden, err := os.ReadFile("testdata/library.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add([]byte(entity(`"relations":{"r":{"target":"A","type":"many-to-many"},"s":{"target":"B","type":"one-to-one"}},"indexes":[{"fields":["x"]}]`)))
	f.Add([]byte(field("f", `{"type":"array","arrayOf":{"kind":"embedded","fields":{"a":{"type":"decimal","default":"1e3"}}},"default":[{}]}`)))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := schema.Parse(src)
		if err != nil {
			if code, list := codeAndProblems(t, err); code != fault.ParseError && (code != fault.ValidationError || len(list) == 0) {
				t.Fatalf("Parse(%q): %v", src, err)
			}
			return
		}
		again, err := schema.Parse(c.AppendJSON(nil))
		if err != nil || again.Version != c.Version || string(describe(again)) != string(describe(c)) {
			t.Fatalf("Parse(%q): the canonical form %s is another catalog: %v", src, c.AppendJSON(nil), err)
		}
		if d := schema.Diff(c, again); len(d) != 0 {
			t.Fatalf("a catalog differs from itself: %v", d)
		}
	})
}
