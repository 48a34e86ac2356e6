package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	many := func(n int, last string) string {
		var s strings.Builder
		s.WriteByte('{')
		for i := range n {
			fmt.Fprintf(&s, `"k%d":%d,`, i, i)
		}
		return s.String() + `"` + last + `":0}`
	}
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct{ in, message string }{
		{`null`, ""},
		{` {"a" : [ 1 , -0.5e+7, "x\n\u00e9\ud83d\ude00" ] } `, ""},
		{`[{"a":1},{"a":1}]`, ""},
		{`{"a":{"a":{"a":1}},"A":2,"":3}`, ""},
		{`"0123456789 ö 0123456789 😀"`, ""},
		{`0`, ""},
		{`-0`, ""},
		{"\"\x7f\"", ""},
		{many(15, "x"), ""},
		{many(16, "x"), ""},
		{many(17, "x"), ""},
		{many(500, "x"), ""},
		{deep(32), ""},
		{`[{},[]]`, ""},

		{``, "the JSON text is empty"},
		{" \n", "the JSON text is empty"},
		{`{"a":1`, "byte 6: the JSON text ends too early"},
		{`"abc`, "byte 4: the JSON text ends too early"},
		{`"a\`, "byte 3: the JSON text ends too early"},
		{`"\u00`, "byte 5: the JSON text ends too early"},
		{`[1,]`, "byte 3: a JSON value is expected"},
		{`{"a":1,}`, "byte 7: a key in quotes is expected"},
		{`{a:1}`, "byte 1: a key in quotes is expected"},
		{`{"a" 1}`, "byte 5: a colon is expected"},
		{`{"a":1 "b":2}`, "byte 7: a comma or } is expected"},
		{`[1 2]`, "byte 3: a comma or ] is expected"},
		{`1 2`, "byte 2: nothing may follow the JSON value"},
		{`nul`, "byte 3: the JSON text ends too early"},
		{`nan`, "byte 1: true, false or null is expected"},
		{`NaN`, "byte 0: a JSON value is expected"},
		{`Infinity`, "byte 0: a JSON value is expected"},
		{`'a'`, "byte 0: a JSON value is expected"},
		{"\ufeff{}", "byte 0: a JSON value is expected"},
		{"[\v1]", "byte 1: a JSON value is expected"},
		{`01`, "byte 1: a number may not begin with 0"},
		{`-`, "byte 1: the JSON text ends too early"},
		{`1.`, "byte 2: the JSON text ends too early"},
		{`[1.e3]`, "byte 3: a digit is expected"},
		{`+1`, "byte 0: a JSON value is expected"},
		{`.5`, "byte 0: a JSON value is expected"},
		{`[1e+]`, "byte 4: a digit is expected"},
		{`0x10`, "byte 1: nothing may follow the JSON value"},
		{"\"a\nb\"", "byte 2: a control character in a text must be escaped"},
		{"\"\x00\"", "byte 1: a control character in a text must be escaped"},
		{`"abcdefgh\x41"`, "byte 10: there is no such escape"},
		{`"\u12g4"`, "byte 5: four hexadecimal digits are expected"},
		{`"\u0000"`, "byte 1: NUL is not allowed in a text"},
		{`{"\u0000":1}`, "byte 2: NUL is not allowed in a text"},
		{`"\ud800"`, "byte 1: a surrogate stands alone"},
		{`"\udc00"`, "byte 1: a surrogate stands alone"},
		{`"\ud800\u0041"`, "byte 1: a surrogate stands alone"},
		{`"\udc00\ud800"`, "byte 1: a surrogate stands alone"},
		{"\"\xff\"", "byte 1: the text is not valid UTF-8"},
		{"\"\xc0\xaf\"", "byte 1: the text is not valid UTF-8"},
		{"\"\xed\xa0\x80\"", "byte 1: the text is not valid UTF-8"},
		{"{\"\xe9\":1}", "byte 2: the text is not valid UTF-8"},
		{`{"a":1,"b":2,"a":3}`, "byte 13: the object has this key twice"},
		{`{"a":1,"\u0061":3}`, "byte 7: the object has this key twice"},
		{`{"\ud83d\ude00":{"\u0062":0},"b":1,"😀":3}`, "byte 35: the object has this key twice"},
		{`{"\/":1,"/":3}`, "byte 8: the object has this key twice"},
		{`{"é":1,"\u00E9":3}`, "byte 8: the object has this key twice"},
		{many(15, "k3"), "byte 116: the object has this key twice"},
		{many(16, "k3"), "byte 125: the object has this key twice"},
		{many(200, "k3"), "byte 1981: the object has this key twice"},
		{deep(33), "byte 32: arrays and objects are nested too deeply"},
		{strings.Repeat(`{"a":`, 1_000_000), "byte 160: arrays and objects are nested too deeply"},
	} {
		got := ""
		if err := strictjson.Check([]byte(c.in), strictjson.DefaultDepth); err != nil {
			f := err.(*fault.Error)
			if f.Code != fault.ParseError {
				t.Errorf("Check(%.40q): code %s", c.in, f.Code)
			}
			got = f.Message
		}
		if got != c.message {
			t.Errorf("Check(%.60q) = %q, want %q", c.in, got, c.message)
		}
	}
}

func TestParseBoundsValues(t *testing.T) {
	t.Parallel()
	in := []byte("[" + strings.Repeat("0,", strictjson.MaxValues) + "0]")
	if _, err := strictjson.Parse(in); fault.CodeOf(err) != fault.ParseError {
		t.Fatalf("Parse of %d values: %v", strictjson.MaxValues+2, err)
	}
}

func TestDocOutlivesItsText(t *testing.T) {
	t.Parallel()
	in := []byte(`{"a":"b\u0041"}`)
	d, err := strictjson.Parse(in)
	if err != nil {
		t.Fatal(err)
	}
	clear(in)
	if got := string(d.Root.GetStringBytes("a")); got != "bA" {
		t.Errorf("a = %q", got)
	}
	d.Release()
	d.Release()
	(*strictjson.Doc)(nil).Release()
}

func TestCompact(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		` { "b" : [ 1.50 , 1E+2, -0 , 12345678901234567890 ] , "a\u0041" : { } } `: `{"b":[1.50,1E+2,-0,12345678901234567890],"aA":{}}`,
		`["\u00e9\/\u0007\n\"\\\u2028", true, false, null, [ ]]`:                   "[\"é/\\u0007\\n\\\"\\\\\u2028\",true,false,null,[]]",
	} {
		d, err := strictjson.Parse([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(strictjson.Compact(nil, d.Root)); got != want {
			t.Errorf("Compact(%s) = %s, want %s", in, got, want)
		}
		d.Release()
	}
}

func ExampleCheck() {
	err := strictjson.Check([]byte(`{"role":"user","r\u006fle":"admin"}`), strictjson.DefaultDepth)
	fmt.Println(err)
	// Output: PARSE_ERROR: byte 15: the object has this key twice
}

// acceptable is the reference: encoding/json, plus the rules of the house in
// the plainest form.
func acceptable(b []byte, depth int) bool {
	if !json.Valid(b) || !utf8.Valid(b) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	type frame struct {
		object, value bool
		keys          []string
	}
	var open []frame
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false
		}
		isKey := len(open) > 0 && open[len(open)-1].object && !open[len(open)-1].value
		switch t {
		case json.Delim('{'), json.Delim('['):
			if len(open) > 0 {
				open[len(open)-1].value = false
			}
			if open = append(open, frame{object: t == json.Delim('{')}); len(open) > depth {
				return false
			}
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
			continue
		}
		if s, ok := t.(string); ok && strings.ContainsRune(s, 0) {
			return false
		}
		if len(open) > 0 {
			top := &open[len(open)-1]
			if isKey {
				if slices.Contains(top.keys, t.(string)) {
					return false
				}
				top.keys = append(top.keys, t.(string))
			}
			top.value = isKey
		}
	}
	return !loneSurrogate(b)
}

// loneSurrogate looks at the escapes of a valid JSON text: a backslash only
// occurs in strings there.
func loneSurrogate(b []byte) bool {
	var high rune
	for i := 0; i < len(b); {
		var r rune
		size := 1
		if b[i] == '\\' {
			size = 2
			if b[i+1] == 'u' {
				size = 6
				fmt.Sscanf(string(b[i+2:i+6]), "%x", &r)
			}
		}
		i += size
		switch {
		case high != 0:
			if utf16.DecodeRune(high, r) == utf8.RuneError {
				return true
			}
			high = 0
		case utf16.IsSurrogate(r):
			if r >= 0xdc00 {
				return true
			}
			high = r
		}
	}
	return false
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,2.5e-3,true,null,"\ud83d\ude00é"],"b":{}}`, `{"a":1,"\u0061":2}`, `"\ud800"`, `[[[[[]]]]]`, "\"\xff\"", `"\u0000"`,
		`"0123456\\"`, `"01234567` + "\x1f" + `"`, `-`, `1e5`, ``, `{"é":1,"e\u0301":2}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		err := strictjson.Check(b, 4)
		if want := acceptable(b, 4); (err == nil) != want {
			t.Fatalf("Check(%q) = %v, reference says %t", b, err, want)
		}
		if err != nil {
			return
		}
		d, err := strictjson.Parse(b)
		if err != nil {
			t.Fatalf("Parse(%q): %v", b, err)
		}
		defer d.Release()
		out := strictjson.Compact(nil, d.Root)
		var x, y any
		if json.Unmarshal(b, &x) != nil {
			return // a number beyond float64
		}
		if err := json.Unmarshal(out, &y); err != nil || fmt.Sprint(x) != fmt.Sprint(y) {
			t.Fatalf("Compact(%q) = %q: %v", b, out, err)
		}
	})
}

var order = []byte(`{"id":"018f3a5e-7c1b-7d2a-9f00-1234567890ab","customer":"018f3a5e-7c1b-7d2a-9f00-1234567890ac","total":129.95,` +
	`"status":"paid","note":"Bitte an der Tür klingeln, danke schön","tags":["new","gift"],"paid":true,"createdAt":"2026-11-21T10:00:00.000Z","lines":` +
	`[{"product":"p1","quantity":2,"price":19.95},{"product":"p2","quantity":1,"price":89.95}],"attributes":{"colour":"blue","size":null}}`)

func BenchmarkCheck(b *testing.B) {
	b.SetBytes(int64(len(order)))
	b.ReportAllocs()
	for b.Loop() {
		if err := strictjson.Check(order, strictjson.DefaultDepth); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	b.SetBytes(int64(len(order)))
	b.ReportAllocs()
	for b.Loop() {
		d, err := strictjson.Parse(order)
		if err != nil {
			b.Fatal(err)
		}
		d.Release()
	}
}

func BenchmarkCompact(b *testing.B) {
	d, err := strictjson.Parse(order)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Release()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = strictjson.Compact(dst[:0], d.Root)
	}
}
