package number_test

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/octomesh/octomesh/pkg/protofile/number"
	"github.com/octomesh/octomesh/pkg/schema"
)

func parse(t rapid.TB, entities ...string) *schema.Catalog {
	t.Helper()
	c, err := schema.Parse([]byte("[" + strings.Join(entities, ",") + "]"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const author = `{"name":"Author","collection":"authors","timestamps":true,
	"fields":{"name":"string","password":"string","age":"integer","Name_2":"number","name2":"boolean"},
	"relations":{"boss":{"target":"Author","type":"many-to-one"},"team":{"target":"Author","type":"one-to-many","mappedBy":"boss"}}}`

func names(e *number.Entity) string {
	var s []string
	for _, f := range e.List() {
		s = append(s, fmt.Sprintf("%d=%s(%s %s)", f.Number, f.Name, f.Member, f.Wire))
	}
	return strings.Join(s, " ")
}

// The first numbers are Octonet's: the id, then the fields as declared.
func TestFirstTime(t *testing.T) {
	n, changed := number.Extend(nil, parse(t, author))
	want := "1=id(id string) 2=name(name string) 3=password(password string) 4=age(age int64) 5=Name_2(Name_2 double) 6=name2_2(name2 bool) " +
		"7=version(_version int64) 8=boss(boss string) 9=boss_record(boss .Author) 10=team(team .Author*) 11=createdAt(createdAt string) 12=updatedAt(updatedAt string)"
	if got := names(n["Author"]); got != want || !changed {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	again, changed := number.Extend(n, parse(t, author))
	if changed || !reflect.DeepEqual(again, n) {
		t.Errorf("%v, changed %v", again, changed)
	}
}

// A field that is put first, one that goes and comes back, and one that becomes
// another type.
func TestChanges(t *testing.T) {
	entity := func(fields string) *schema.Catalog {
		return parse(t, `{"name":"A","collection":"as","fields":{`+fields+`}}`)
	}
	n, _ := number.Extend(nil, entity(`"x":"string","y":"string"`))
	n, _ = number.Extend(n, entity(`"w":"string","y":"string"`))
	n, _ = number.Extend(n, entity(`"w":"integer","x":"text","y":"string"`))
	want := "1=id(id string) 2=x(x string) 3=y(y string) 4=version(_version int64) 5=w(w string) 6=w_2(w int64)"
	if got := names(n["A"]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The numbers that protobuf keeps for itself are passed over.
func TestReserved(t *testing.T) {
	n := number.Numbers{"A": {Message: "A", Fields: map[string]int32{"id:string": 1, "old:bool": 18999}}}
	next, _ := number.Extend(n, parse(t, `{"name":"A","collection":"as","fields":{"x":"string"}}`))
	if got := next["A"].Fields["x:string"]; got != 20000 {
		t.Error(got)
	}
	n["A"].Fields["old:bool"] = number.Max
	next, changed := number.Extend(n, parse(t, `{"name":"A","collection":"as","fields":{"x":"string"}}`))
	if len(next["A"].Fields) != 2 || changed {
		t.Errorf("%v", next["A"])
	}
}

// Messages of different entities never share a name, whichever came first.
func TestMessages(t *testing.T) {
	bare := func(name string) string {
		return `{"name":"` + name + `","collection":"c` + strings.ToLower(name) + `","fields":{"x":"string"}}`
	}
	n, _ := number.Extend(nil, parse(t, bare("Foo"), bare("FooList"), bare("Empty"), bare("Entity")))
	n, _ = number.Extend(n, parse(t, bare("foo"), bare("FooList"), bare("Bar")))
	got := map[string]string{}
	for name, e := range n {
		got[name] = e.Message
	}
	want := map[string]string{"Foo": "Foo", "FooList": "FooList2", "Empty": "Empty2", "Entity": "Entity2", "foo": "foo2", "Bar": "Bar"}
	if !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// TestNeverMoves: whatever the schemas become, one after another, no number has
// two meanings, and none is lost.
func TestNeverMoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		types := []string{"string", "number", "integer", "boolean", "binary", "decimal"}
		fields := []string{"a", "b", "A_1", "a1", "version", "password"}
		var n number.Numbers
		meaning := map[string]string{} // entity and number -> key; name -> key
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			var list []string
			for _, name := range []string{"A", "AList", "Empty"} {
				if !rapid.Bool().Draw(t, name) {
					continue
				}
				var fs []string
				for _, f := range rapid.Permutation(fields).Draw(t, "fields")[:rapid.IntRange(1, len(fields)).Draw(t, "n")] {
					fs = append(fs, fmt.Sprintf("%q:%q", f, rapid.SampledFrom(types).Draw(t, f)))
				}
				list = append(list, fmt.Sprintf(`{"name":%q,"collection":"c%s","fields":{%s}}`, name, strings.ToLower(name), strings.Join(fs, ",")))
			}
			if len(list) == 0 {
				continue
			}
			c, err := schema.Parse([]byte("[" + strings.Join(list, ",") + "]"))
			if err != nil {
				continue // two fields that are one column
			}
			n, _ = number.Extend(n, c)
			for entity, e := range n {
				seen := map[int32]string{}
				listed := map[string]bool{}
				for key, k := range e.Fields {
					if seen[k] != "" || k < 1 || k >= 19000 {
						t.Fatalf("%s: %d is %s and %s", entity, k, seen[k], key)
					}
					seen[k] = key
					at := fmt.Sprint(entity, " ", k)
					if m := meaning[at]; m != "" && m != key {
						t.Fatalf("%s was %s and is %s", at, m, key)
					}
					meaning[at] = key
				}
				for _, f := range e.List() {
					if fold := strings.ToLower(strings.ReplaceAll(f.Name, "_", "")); listed[fold] {
						t.Fatalf("%s: %s twice", entity, f.Name)
					} else {
						listed[fold] = true
					}
					at := entity + "." + f.Name
					if m, key := meaning[at], number.Key(f.Member, f.Wire); m != "" && m != key {
						t.Fatalf("%s was %s and is %s", at, m, key)
					} else {
						meaning[at] = key
					}
				}
			}
			for at, key := range meaning {
				entity, num, ok := strings.Cut(at, " ")
				if ok && fmt.Sprint(n[entity].Fields[key]) != num {
					t.Fatalf("%s of %s moved", key, at)
				}
			}
		}
	})
}
