package spanner

import (
	"testing"

	"cloud.google.com/go/spanner"

	"github.com/octomesh/octomesh/pkg/schema"
)

// What another program keeps where JSON stands is shown on one line, and as null
// where it is none.
func TestForeignJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "null", "x": "null", `1,"admin":true`: "null", `["a","b"]`: `["a","b"]`, "[1,\n2]": "[1,2]",
	} {
		from, err := spanner.NewRow([]string{"j"}, []any{text})
		if err != nil {
			t.Fatal(err)
		}
		r := row{from: from, kinds: []schema.Kind{schema.KindJSON}}
		if got := string(r.AppendJSON(nil, 0)); got != want || string(r.Value(0).AppendJSON(nil)) != want {
			t.Errorf("%q is shown as %s, its value as %s", text, got, r.Value(0).AppendJSON(nil))
		}
	}
}
