package run

import (
	"bytes"
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// TestScan holds the scanner against encoding/json: any object, any of its keys
// in any order, with and without their heads.
func TestScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var leaf func(depth int) *rapid.Generator[any]
		leaf = func(depth int) *rapid.Generator[any] {
			kinds := []*rapid.Generator[any]{
				rapid.String().AsAny(), rapid.Float64Range(-1e9, 1e9).AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil),
			}
			if depth > 0 {
				kinds = append(kinds, rapid.SliceOfN(leaf(depth-1), 0, 3).AsAny(), rapid.MapOfN(rapid.StringMatching(`[a-c"\\\\]{0,3}`), leaf(depth-1), 0, 3).AsAny())
			}
			return rapid.OneOf(kinds...)
		}
		object := rapid.MapOfN(rapid.StringMatching(`[a-z_]{1,4}`), leaf(3), 0, 6).Draw(t, "object")
		keys := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z_]{1,4}`), 0, 4, rapid.ID).Draw(t, "keys")
		for k := range object {
			if len(keys) < 6 && !bytes.Contains([]byte(k), []byte(`"`)) && rapid.Bool().Draw(t, "asked") {
				known := false
				for _, have := range keys {
					known = known || have == k
				}
				if !known {
					keys = append(keys, k)
				}
			}
		}
		b, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "spaced") {
			var wide bytes.Buffer
			_ = json.Indent(&wide, b, "", " ")
			b = wide.Bytes()
		}
		var heads []string
		if rapid.Bool().Draw(t, "heads") {
			for _, k := range keys {
				heads = append(heads, `"`+k+`":`)
			}
		}
		spans := make([]span, len(keys))
		more := append(append([]byte{}, b...), `,"x":1`...) // it may go on
		if end := scan(more, 0, keys, heads, spans); end != len(b) {
			t.Fatalf("%s ends at %d, not at %d", b, end, len(b))
		}
		for i, k := range keys {
			got := spans[i].of(more)
			want, ok := object[k]
			if !ok {
				if got != nil {
					t.Fatalf("%s of %s is %s", k, b, got)
				}
				continue
			}
			w, _ := json.Marshal(want)
			var g bytes.Buffer
			if err := json.Compact(&g, got); err != nil || !bytes.Equal(g.Bytes(), w) {
				t.Fatalf("%s of %s is %s", k, b, got)
			}
		}
	})
}

// TestScanBroken: what is no object is told, and never read beyond its end.
func TestScanBroken(t *testing.T) {
	whole := []byte(`{"a":{"b":["}\"",1.5e3,true]},"c":"\\","d":null}`)
	out := make([]span, 2)
	for n := range whole {
		if end := scan(whole[:n], 0, []string{"c", "d"}, []string{`"c":`, `"d":`}, out); end >= 0 {
			t.Errorf("%s ends at %d", whole[:n], end)
		}
	}
	for _, s := range []string{`[]`, `7`, `{"a"}`, `{"a":}`, `{"a":1 "b":2}`, `{a:1}`} {
		if scan([]byte(s), 0, nil, nil, nil) >= 0 {
			t.Errorf("%s passed", s)
		}
	}
}
