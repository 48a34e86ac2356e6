package clickhouse

import (
	"math"
	"testing"

	"github.com/octomesh/octomesh/pkg/schema"
)

// What another program has written is shown as JSON whatever it is: a String
// takes any bytes, and a UInt64 more than the language's integers.
func TestForeignValues(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"":                      {"null", `""`},
		`["a","b"]`:             {`["a","b"]`, `"[\"a\",\"b\"]"`},
		"[1,\n2]":               {"[1,2]", `"[1,\n2]"`},
		`1,"admin":true`:        {"null", `"1,\"admin\":true"`},
		"caf\xe9":               {"null", `"caf` + "\uFFFD" + `"`},
		"\"" + "caf\xe9" + "\"": {"null", `"\"caf` + "\uFFFD" + `\""`},
	} {
		r := newRow([]string{"Nullable(String)", "String"}, []schema.Kind{schema.KindJSON, schema.KindText})
		r.cells[0].text, r.cells[1].text = &text, &text
		for i, want := range want {
			if got := string(r.AppendJSON(nil, i)); got != want {
				t.Errorf("%q is shown as %s, not %s", text, got, want)
			}
		}
		if cell, ok := r.AppendText(nil, 0); ok != (want[0] != "null") || ok && string(cell) != want[0] {
			t.Errorf("the cell of %q holds %q, %t", text, cell, ok)
		}
	}
	kept := "caf\xe9" // a row is written whole, its other texts too
	r := newRow([]string{"String"}, []schema.Kind{schema.KindText})
	r.cells[0].text = &kept
	if got := r.Value(0).Text(); got != kept {
		t.Errorf("%q would be written as %q", kept, got)
	}
	r = newRow([]string{"UInt64"}, []schema.Kind{schema.KindInt})
	huge := uint64(math.MaxUint64)
	r.cells[0].uint = &huge
	if got := string(r.AppendJSON(nil, 0)); got != "null" {
		t.Errorf("%d is shown as %s", huge, got)
	}
}
