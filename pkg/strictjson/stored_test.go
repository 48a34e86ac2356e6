package strictjson_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/octomesh/octomesh/pkg/strictjson"
)

var storedTexts = map[string]string{
	`["a","b"]`:                         `["a","b"]`,
	"{ \"a\" :\n[ 1 ,\t\"x\\\" y\" ] }": `{"a":[1,"x\" y"]}`,
	" 7\r\n":                            `7`,
	`{"a":1,"a":2}`:                     `{"a":1,"a":2}`,
	`"é"`:                               `"é"`,
	`"null"`:                            `"null"`,
	` null `:                            ``,

	``:                           ``,
	` `:                          ``,
	`x`:                          ``,
	`1 2`:                        ``,
	`tr ue`:                      ``,
	`1,"admin":true`:             ``,
	`1},{"id":"forged"`:          ``,
	"\"a\nb\"":                   ``,
	"\"\xe9\"":                   ``,
	`[NaN]`:                      ``,
	strings.Repeat("[", 1000000): ``,
}

func TestStored(t *testing.T) {
	for in, want := range storedTexts {
		got, ok := strictjson.AppendStored([]byte(`{"x":`), in)
		if string(got) != `{"x":`+want || ok != (want != "") {
			t.Errorf("%.40q becomes %.40q, %t", in, got, ok)
		}
	}
}

// FuzzStored: what comes out is one JSON value on one line, the text itself but
// for white space, and all that may come in may be kept.
func FuzzStored(f *testing.F) {
	for s := range storedTexts {
		if len(s) < 1000 {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := strictjson.AppendStored(nil, s)
		text, same := strictjson.Stored(s)
		if ok != same || ok && text != string(got) || !ok && len(got) > 0 {
			t.Fatalf("%q is %q, %t and %q, %t", s, got, ok, text, same)
		}
		if !ok {
			if strictjson.Check([]byte(s), strictjson.DefaultDepth) == nil && strings.TrimSpace(s) != "null" {
				t.Errorf("%q may come in and is not shown", s)
			}
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, []byte(s)); err != nil || !bytes.Equal(want.Bytes(), got) || !utf8.Valid(got) || bytes.ContainsAny(got, "\n\r") {
			t.Errorf("%q becomes %q, %v", s, got, err)
		}
		if again, ok := strictjson.AppendStored(nil, got); !ok || !bytes.Equal(again, got) {
			t.Errorf("%q becomes %q", got, again)
		}
	})
}

// FuzzStoredText: any bytes become a JSON string in UTF-8 that says them.
func FuzzStoredText(f *testing.F) {
	for _, s := range []string{"", "plain", "a \"quote\"\n", "caf\xe9 and more text", "0123456789é\xff\\", "\xed\xa0\x80", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := strictjson.SettleText([]byte(`x"`+s), 2)
		var said string
		if err := json.Unmarshal(got[1:], &said); err != nil || said != strings.ToValidUTF8(s, "\uFFFD") || !utf8.Valid(got) {
			t.Errorf("%q becomes %q, %v", s, got, err)
		}
		if utf8.ValidString(s) && said != s {
			t.Errorf("%q says %q", got, said)
		}
	})
}

// BenchmarkStored looks at what a list field and a document cost in a row.
func BenchmarkStored(b *testing.B) {
	for name, text := range map[string]string{
		"list":     `["a","b"]`,
		"document": `{"name":"x","size":{"w":10,"h":20},"list":["one","two","three"],"note":"a text of some length, as notes have it"}`,
	} {
		b.Run(name, func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = strictjson.AppendStored(dst[:0], text)
			}
		})
	}
}
