package sqlite

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

const kinds = `[{"name":"K","collection":"ks","fields":{"s":"string","t":"text","n":"number","i":"integer","b":"boolean","d":"date","j":"json","l":{"type":"array","arrayOf":"string"},"c":"decimal"}}]`

// shownAlike holds a row to what every reply relies on: whatever the column
// holds, it is shown as one JSON value in UTF-8 on one line, and the same by
// AppendJSON, by Value and by a cell.
func shownAlike(t *testing.T, c *schema.Column, r driver.Row, i int) string {
	t.Helper()
	got, v := r.AppendJSON([]byte("x"), i)[1:], r.Value(i)
	if !json.Valid(got) || !utf8.Valid(got) || bytes.ContainsAny(got, "\n\r") {
		t.Errorf("%s is shown as %q", c.Name, got)
	}
	if string(v.AppendJSON(nil)) != string(got) || v.IsNull() != (string(got) == "null") {
		t.Errorf("%s is shown as %q, its value as %q", c.Name, got, v.AppendJSON(nil))
	}
	cells := r.(driver.Cells)
	switch kind := c.Type.Kind(); kind {
	case schema.KindText, schema.KindJSON, schema.KindDecimal:
		text, ok := cells.AppendText([]byte("x"), i)
		if ok == v.IsNull() || kind != schema.KindText && string(text) != "x"+v.Text() || !ok && string(text) != "x" {
			t.Errorf("%s is shown as %q, its cell holds %q, %t", c.Name, got, text, ok)
		}
	default:
		if _, ok := cells.Word(i); ok == v.IsNull() {
			t.Errorf("%s is shown as %q, its cell is there: %t", c.Name, got, ok)
		}
	}
	return string(got)
}

// TestForeignValues: another program may have written anything into any column.
// No value of it ends the reply, or forges a part of it.
func TestForeignValues(t *testing.T) {
	t.Parallel()
	values := []string{
		`x'00000000000000000000' || 'T12:34:56.000Z'`, // first: no day has been read yet
		`NULL`, `''`, `'x'`, `' '`, `x'00'`, `x'636166E9'`, `'caf' || x'E9'`, `1`, `-0.0`, `9e999`, `-9e999`, `12.50`, `'12.50'`, `'-0'`, `'+1'`, `'1e3'`, `'0x10'`, `'NaN'`, `'Infinity'`,
		`'1,"admin":true'`, `'1},{"id":"forged"'`, `'{"a" : [1,' || char(10) || ' 2]}'`, `'{"a":1'`, `'["a","b"]'`, `'null'`, `'{"a":1,"a":2}'`,
		`'2026-01-02T03:04:05.678Z'`, `'2026-02-30T03:04:05.678Z'`, `'2026-01-02T25:04:05.678Z'`, `'0000-01-02T03:04:05.678Z'`, `'2026-01-02 03:04:05'`,
		`'1","' || char(45) || '":"xT"":1,"b":.00Z'`, `'ab"-d"-fghijT"":1,"b".00Z'`, `9223372036854775807`, `'123456789012345678901234567890123456789'`,
	}
	cat := parse(t, kinds)
	e := cat.Entity("K")
	var b strings.Builder
	b.WriteString("CREATE TABLE ks (id TEXT PRIMARY KEY, _version INTEGER DEFAULT 1")
	for _, c := range e.Columns[2:] {
		fmt.Fprintf(&b, ", %s", c.Physical) // BLOB affinity keeps everything
	}
	b.WriteString(");\n")
	for n, v := range values {
		fmt.Fprintf(&b, "INSERT INTO ks VALUES ('%03d', 1%s);\n", n, strings.Repeat(", "+v, len(e.Columns)-2))
	}
	db := open(t, cat, foreign(t, b.String()), Options{})
	n := 0
	err := db.Select(context.Background(), &query.Select{Entity: e, Projection: all(e), Sort: byID(e)}, func(r driver.Row) error {
		for i, c := range e.Columns {
			got := shownAlike(t, c, r, i)
			for _, bad := range []string{"admin", "forged"} {
				if c.Type.Kind() != schema.KindText && strings.Contains(got, bad) {
					t.Errorf("%s, in %s: %s", values[n], c.Name, got)
				}
			}
		}
		n++
		return nil
	})
	if err != nil || n != len(values) {
		t.Errorf("%d rows, %v", n, err)
	}
}

// FuzzInstant: what is passed on as it is is an instant in the language's form.
func FuzzInstant(f *testing.F) {
	for _, s := range []string{"2026-01-02T03:04:05.678Z", "2024-02-29T23:59:59.999Z", "2026-02-29T00:00:00.000Z", "0000-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000Z", "2026-04-31T00:00:00.000Z", `2026-01-02T03:04:05",":Z`, "1000$01$01T00200200&000X"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ms, ok := schema.ParseTime(s)
		is := ok && string(schema.AppendTime(nil, ms)) == s
		if isInstant([]byte(s)) != is {
			t.Errorf("%q is an instant: %t", s, is)
		}
	})
}
