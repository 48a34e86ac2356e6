package strictjson_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/strictjson"
)

var rawTexts = []string{
	`{}`, `[]`, ` { "a" : 1 , "b\u0062" : [ 1 , {"x":"]}"} , "\\" ] } `, `{"a":"\"","b":"\\\"","":null}`, `[ 1, -2.5e3 ,"a,b",[],{},[[[]]],true ]`, `"x"`, `12`, `{"é😀":"\ud83d\ude00"}`,
}

// walk rebuilds a text from what Members and Elements find in it.
func walk(b []byte) string {
	var parts []string
	if strictjson.Members(b, func(k, v []byte) bool {
		parts = append(parts, fmt.Sprintf("%q:%s", k, walk(v)))
		return true
	}) {
		return "{" + strings.Join(parts, ",") + "}"
	}
	if strictjson.Elements(b, func(v []byte) bool { parts = append(parts, walk(v)); return true }) {
		return "[" + strings.Join(parts, ",") + "]"
	}
	b = strictjson.Trim(b)
	if s, ok := strictjson.Text(b); ok {
		return string(strictjson.AppendString(nil, s))
	}
	return string(b)
}

// FuzzRaw: what the walk finds in a checked text is what the standard library
// decodes.
func FuzzRaw(f *testing.F) {
	for _, s := range rawTexts {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strictjson.Check([]byte(s), strictjson.DefaultDepth) != nil {
			return
		}
		got := walk([]byte(s))
		var want, have any
		if err := decode(s, &want); err != nil {
			t.Fatal(err)
		}
		if err := decode(got, &have); err != nil || fmt.Sprint(have) != fmt.Sprint(want) {
			t.Errorf("%s became %s, %v", s, got, err)
		}
	})
}

func decode(s string, v any) error {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	return d.Decode(v)
}

func TestMembersStopsEarly(t *testing.T) {
	n := 0
	stop := func() bool { n++; return false }
	if !strictjson.Members([]byte(`{"a":1,"b":2}`), func(_, _ []byte) bool { return stop() }) || !strictjson.Elements([]byte(`[1,2]`), func([]byte) bool { return stop() }) || n != 2 {
		t.Errorf("%d calls", n)
	}
	if strictjson.Members([]byte(`[1]`), nil) || strictjson.Elements([]byte(`{}`), nil) || strictjson.Elements(nil, nil) {
		t.Error("found what is not there")
	}
}

// TestSpecial finds the first byte to escape wherever it stands.
func TestSpecial(t *testing.T) {
	for n := range 40 {
		plain := bytes.Repeat([]byte("aé\x7f"), 14)[:n]
		if i := strictjson.Special(plain); i != -1 {
			t.Errorf("%q: %d", plain, i)
		}
		for at := range n {
			for _, c := range []byte("\x00\x1f\"\\") {
				b := bytes.Clone(plain)
				b[at] = c
				if i := strictjson.Special(append(b, '\\')); i != at {
					t.Errorf("%q: %d, want %d", b, i, at)
				}
			}
		}
	}
}
