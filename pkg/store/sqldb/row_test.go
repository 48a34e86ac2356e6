package sqldb

import (
	"bytes"
	sqldriver "database/sql/driver"
	"encoding/json"
	"testing"

	"github.com/octomesh/octomesh/pkg/schema"
)

// FuzzRow: whatever another program has written where a column of ours stands, it
// is shown as one JSON value on one line, the same in all ways. The server keeps
// texts in UTF-8.
func FuzzRow(f *testing.F) {
	for _, s := range []string{"", "x", " ", "null", "1", "-0", "1.50", "1e3", "NaN", "123456789012345678901234567890123456789", `["a","b"]`, "{\"a\" :\n1}", `1,"admin":true`, `1},{"id":"forged"`, "2026-01-02 03:04:05.678", "\x00", "\x01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = string(bytes.ToValidUTF8([]byte(s), []byte("?")))
		r := row{db: &DB{engine: &Engine{Time: schemaTime}}, kinds: make([]schema.Kind, 1), values: make([]sqldriver.Value, 1)}
		for kind := schema.KindBool; kind <= schema.KindJSON; kind++ {
			for _, v := range []sqldriver.Value{[]byte(s), s} {
				r.kinds[0], r.values[0] = kind, v
				got, value := r.AppendJSON([]byte("x"), 0)[1:], r.Value(0)
				if !json.Valid(got) || bytes.ContainsAny(got, "\n\r") || string(value.AppendJSON(nil)) != string(got) || value.IsNull() != (string(got) == "null") {
					t.Errorf("%q of kind %d is shown as %q, its value as %q", s, kind, got, value.AppendJSON(nil))
				}
				ok := false
				switch kind {
				case schema.KindText, schema.KindDecimal, schema.KindJSON:
					var text []byte
					if text, ok = r.AppendText([]byte("x"), 0); ok && string(text) != "x"+value.Text() || !ok && string(text) != "x" {
						t.Errorf("%q of kind %d is shown as %q, its cell holds %q", s, kind, got, text)
					}
				default:
					_, ok = r.Word(0)
				}
				if ok == value.IsNull() {
					t.Errorf("%q of kind %d is shown as %q, its cell is there: %t", s, kind, got, ok)
				}
			}
		}
	})
}

func schemaTime(b []byte) (int64, bool) { return schema.ParseTime(string(b)) }
