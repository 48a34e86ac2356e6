package arrowhttp

import (
	"encoding/json"
	"testing"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// FuzzBody: whatever a body holds, it becomes one JSON object and a shape, or is
// refused with a code.
func FuzzBody(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `null`, `{"filter":{"a":1},"offset":3,"limit":2}`, `{"options":{"select":["title"],"options":{"exclude":"price"}}}`,
		`{"batchSize":"7","decimal":2,"compression":"zstd"}`, `{"relations":["maker.x"],"select":7}`, `{"a":1,"a":2}`, `{"options":[]}`, `{"\ud83d\ude00":1}`,
	} {
		f.Add(s)
	}
	e := scripted.Catalog(f).Entity("Product")
	f.Fuzz(func(t *testing.T, body string) {
		var a ask
		args, err := a.members([]byte{'{'}, []byte(body))
		if err == nil {
			if args = append(args, '}'); !json.Valid(args) {
				t.Fatalf("%q became %q", body, args)
			}
			_, err = columnar.Asked(e, args, a.scale)
		}
		if c := fault.CodeOf(err); err != nil && c != fault.ParseError && c != fault.InvalidRequest && c != fault.InvalidFilter {
			t.Fatal(err)
		}
	})
}
