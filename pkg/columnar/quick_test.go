package columnar

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

const plainThing = `[
 {"name":"Thing","collection":"things","fields":{
  "s":"string","n":"number","i":"integer","d":"decimal","b":"boolean","w":"date","j":"json","x":"binary",
  "tags":{"type":"array","arrayOf":"string"},"any":"array","ns":{"type":"array","arrayOf":"number"},"bs":{"type":"array","arrayOf":"boolean"}},
  "relations":{"owner":{"target":"Thing","type":"many-to-one"},"marks":{"target":"Thing","type":"many-to-many"},"more":{"target":"Thing","type":"many-to-many"}}}]`

func builders(t testing.TB, scale int) (quick, slow *Builder) {
	c, err := schema.Parse([]byte(plainThing))
	if err != nil {
		t.Fatal(err)
	}
	e := c.Entity("Thing")
	s := NewShape(e, e.Members, Options{DecimalScale: scale, Filled: func(r *schema.Relation) bool { return r.Name == "marks" }})
	quick, slow = NewBuilder(s, 0), NewBuilder(s, 0)
	slow.keys = nil // so that quick finds nothing
	for range s.fields {
		slow.keys = append(slow.keys, []byte{0})
	}
	return quick, slow
}

// both reads a line in both ways and compares the columns.
func both(t *testing.T, scale int, before, line string) (took bool) {
	t.Helper()
	quick, slow := builders(t, scale)
	for _, r := range []*Builder{quick, slow} {
		if err := r.AddJSON([]byte(before)); err != nil {
			t.Fatal(err)
		}
	}
	errs := [2]error{quick.AddJSON([]byte(line)), slow.AddJSON([]byte(line))}
	if (errs[0] == nil) != (errs[1] == nil) || errs[0] != nil && errs[0].Error() != errs[1].Error() {
		t.Fatalf("%s: quickly %v, slowly %v", line, errs[0], errs[1])
	}
	if errs[0] != nil {
		return false
	}
	for i := range quick.columns {
		same(t, line, quick.columns[i], slow.columns[i])
	}
	again, _ := builders(t, scale)
	return again.quick([]byte(line))
}

func same(t *testing.T, line string, a, b *column) {
	t.Helper()
	if a.n != b.n || a.nulls != b.nulls || !bytes.Equal(a.valid, b.valid) {
		t.Fatalf("%s: %d values, %d nulls, %x; %d values, %d nulls, %x", line, a.n, a.nulls, a.valid, b.n, b.nulls, b.valid)
	}
	if a.elem != nil {
		same(t, line, a.elem, b.elem)
	}
	if a.kind != documents && a.kind != loose { // whose texts may differ in escapes and spaces
		if !bytes.Equal(a.offsets, b.offsets) || !bytes.Equal(a.data, b.data) {
			t.Fatalf("%s: %x %q, %x %q", line, a.offsets, a.data, b.offsets, b.data)
		}
	}
}

const (
	quickLine = `{"id":"1","_version":3,"s":"é 😀","n":-0.25,"i":9007199254740993,"d":1.5,"b":true,"w":"2026-01-02T03:04:05.678Z","j":{"a":[1,"}\"",null]},"x":"AAH/","tags":["x",null,""],"any":[1,{"a":2},"y"],"ns":[1.5,2],"bs":[true,null],"owner":"o","marks":[],"more":[]}`
	nullLine  = `{"id":"2","_version":1,"s":null,"n":null,"i":null,"d":null,"b":null,"w":null,"j":null,"x":null,"tags":null,"any":null,"ns":null,"bs":null,"owner":null,"marks":[],"more":[]}`
)

func TestQuickIsTheSame(t *testing.T) {
	t.Parallel()
	for line, quick := range map[string]bool{
		quickLine: true, nullLine: true,
		`{"id":"3","_version":1,"s":"a\n","n":1}`: false,
		`{"id":"3", "_version":1}`:                false,
		`{"_version":1,"id":"3"}`:                 false,
		`{"id":"3","_version":1,"s":"","n":1e3,"i":-7,"d":-0.5,"b":false,"w":null,"j":"t","x":"","tags":["a","b\u00e9"],"any":[],"ns":[],"bs":[],"owner":{"id":"o","s":"x"},"marks":[{"id":"m"},{"id":"n"}],"more":[]}`: false,
		`{"id":"3","_version":1,"s":"","n":1e3,"i":-7,"d":-0.5,"b":false,"w":null,"j":"t","x":"","tags":["a"],"any":[],"ns":[],"bs":[],"owner":"o","marks":["m",{"id":"n"}],"more":[]}`:                                 false,
		`{"id":"3","_version":1,"s":"","n":1,"i":1,"d":1,"b":false,"w":null,"j":1,"x":"","tags":[],"any":[],"ns":[1,true]}`:                                                                                             false,
		`{"id":"3","_version":1,"s":"","n":1,"i":1,"d":1,"b":false,"w":null,"j":1,"x":"","tags":[],"any":[],"ns":[],"bs":[true,null,"x"]}`:                                                                              false,
		`{"id":"3","_version":"1"}`: false, `{"id":"3","_version":1.5}`: false, `{"id":"3","_version":1,"s":"","n":"x"}`: false,
	} {
		for _, before := range []string{quickLine, nullLine} {
			if took := both(t, AsText, before, line); took != quick {
				t.Errorf("%s: quick is %t", line, took)
			}
			both(t, 2, before, line)
		}
	}
}

// White space around a value is none of it, whoever stored a list with some.
func TestQuickAndBlanks(t *testing.T) {
	t.Parallel()
	const blanks = " \t\n\r"
	for _, list := range []string{"[ ]", `["a", "b"]`, `[ "a" ,"b" ]`, "[1, 2 ,3\n]", "[null, null ,\tnull]", `[{"a":1}, [2] , true ]`, "[\"x\",\r1 ]"} {
		line := strings.Replace(quickLine, `"any":[1,{"a":2},"y"]`, `"any":`+list, 1)
		line = strings.Replace(line, `"j":{"a":[1,"}\"",null]}`, `"j": 1 `, 1)
		quick, slow := builders(t, AsText)
		for _, b := range []*Builder{quick, slow} {
			if err := b.AddJSON([]byte(line)); err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range quick.columns {
			same(t, line, c, slow.columns[i])
			for c, d := c, slow.columns[i]; c != nil; c, d = c.elem, d.elem {
				if (c.kind == loose || c.kind == documents) && (!bytes.Equal(c.data, d.data) || !bytes.Equal(c.offsets, d.offsets)) {
					t.Errorf("%q: quickly %q, slowly %q", list, c.data, d.data)
				}
				if c.kind == loose && bytes.ContainsAny(c.data, blanks) {
					t.Errorf("%q: a blank in %q", list, c.data)
				}
			}
		}
	}
}

// The elements of lists count for the size of a batch, be they ever so short.
func TestShortElementsFillABatch(t *testing.T) {
	t.Parallel()
	for _, list := range []string{`"tags":["` + strings.Repeat(`","`, 100_000), `"any":[null` + strings.Repeat(",null", 100_000), `"bs":[null` + strings.Repeat(",null", 1_700_000)} {
		b, _ := builders(t, AsText)
		if list[len(list)-1] == '"' {
			list += `"`
		}
		if err := b.AddJSON([]byte(`{"id":"1",` + list + `]}`)); err != nil {
			t.Fatal(err)
		}
		if !b.Full() {
			t.Errorf("%.20s…: not full with %d bytes", list, b.size())
		}
	}
}

// row is a row of a database whose cells are texts.
type row []string

func (r row) AppendText(dst []byte, i int) ([]byte, bool) { return append(dst, r[i]...), true }
func (r row) Word(int) (uint64, bool)                     { return 0, false }

// Each text of a row is UTF-8, also where they are so together.
func TestTextCells(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		texts []string
		sound bool
	}{
		{[]string{"a", "", "Liège", "", "東京", ""}, true},
		{[]string{"", ""}, true},
		{[]string{"a", "\xff", "b"}, false},
		{[]string{"Li\xc3", "\xa8ge"}, false},
		{[]string{"", "\xc3", "", "\xa8"}, false},
		{[]string{"\xa8"}, false},
		{[]string{"a", "\xe6\x9d"}, false},
	} {
		b, _ := builders(t, AsText)
		places := make([]int, len(b.columns))
		for i := range places {
			places[i] = -1
			switch b.shape.fields[i].name {
			case "id", "s":
				places[i] = 0
			}
		}
		var err error
		for _, text := range c.texts {
			err = errors.Join(err, b.Add(row{text}, places))
		}
		e, broken := NewEncoder(b.shape, "")
		if broken != nil {
			t.Fatal(broken)
		}
		if err == nil {
			_, err = e.Batch(nil, b)
		}
		if (err == nil) != c.sound {
			t.Errorf("%q: %v", c.texts, err)
		}
	}
}

// A cell becomes one list, whatever is around its JSON; what is none is an error.
func TestListCells(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		`["a"]`: 1, "[\"a\"]\n": 1, ` ["a"]`: 1, ` [ "a", "b" ] `: 2, " null ": 0, "[] ": 0,
		"": -1, " ": -1, `["a"]["b"]`: -1, "null null": -1, `"a"`: -1,
	} {
		b, _ := builders(t, AsText)
		places := make([]int, len(b.columns))
		tags := 0
		for i := range places {
			places[i] = -1
			if b.shape.fields[i].name == "tags" {
				places[i], tags = 0, i
			}
		}
		err := b.Add(row{text}, places)
		if (err != nil) != (want < 0) {
			t.Errorf("%q: %v", text, err)
		}
		if c := b.columns[tags]; err == nil && (c.n != 1 || c.elem.n != want) {
			t.Errorf("%q: %d lists of %d elements", text, c.n, c.elem.n)
		}
	}
}

// FuzzQuick holds the short way to read a record against the long one.
func FuzzQuick(f *testing.F) {
	for _, s := range []string{quickLine, nullLine, `{"id":"3","_version":1,"s":"","n":-0,"i":-0,"d":1e2,"b":false}`} {
		f.Add(s, 2)
	}
	f.Fuzz(func(t *testing.T, line string, scale int) {
		if strictjson.Check([]byte(line), 200) == nil && json.Valid([]byte(line)) && line[0] == '{' {
			both(t, []int{AsText, 2}[scale&1], quickLine, line)
		}
	})
}
