package schema_test

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"pgregory.net/rapid"
)

func decode(t testing.TB, c *schema.Column, text string) (schema.Value, error) {
	t.Helper()
	d, err := strictjson.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer d.Release()
	return c.Decode(d.Root)
}

// bad marks what must be refused with VALIDATION_ERROR.
const bad = "refused"

func TestDecode(t *testing.T) {
	t.Parallel()
	book := library(t).Entity("Book")
	for _, c := range []struct{ column, in, want string }{
		{"title", `"a\u0041é"`, `"aAé"`},
		{"title", `""`, `""`},
		{"title", `1`, bad},
		{"title", `null`, `null`},
		{"title", `["a"]`, bad},
		{"rating", `1.50`, `1.5`},
		{"rating", `-0`, `0`},
		{"rating", `-0.0`, `0`},
		{"rating", `1e308`, `1e+308`},
		{"rating", `1e309`, bad},
		{"rating", `-1e309`, bad},
		{"rating", `1e-400`, `0`},
		{"rating", `9007199254740993`, `9007199254740992`},
		{"rating", `"1"`, bad},
		{"rating", `true`, bad},
		{"rating", `0.1`, `0.1`},
		{"rating", `123456789012345678901234567890`, `1.2345678901234568e+29`},
		{"weight", `1e21`, `1e+21`},
		{"weight", `1e-7`, `1e-7`},
		{"pages", `9007199254740993`, `9007199254740993`},
		{"pages", `1e3`, `1000`},
		{"pages", `-1.0`, `-1`},
		{"pages", `1.5`, bad},
		{"pages", `9223372036854775807`, `9223372036854775807`},
		{"pages", `9223372036854775808`, bad},
		{"pages", `"12"`, `12`},
		{"pages", `18446744073709551617`, bad},
		{"pages", `0`, `0`},
		{"pages", `-12`, `-12`},
		{"rating", `0`, `0`},
		{"rating", `18446744073709551617`, `18446744073709552000`},
		{"pages", `"a"`, bad},
		{"pages", `" 1"`, bad},
		{"pages", `1e999999999999`, bad},
		{"pages", `-9223372036854775808`, `-9223372036854775808`},
		{"price", `19.90`, `19.9`},
		{"price", `"0019.900"`, `19.9`},
		{"price", `-0.00`, `0`},
		{"price", `12345678901234567890.123456789012345678`, `12345678901234567890.123456789012345678`},
		{"price", `1e-3`, `0.001`},
		{"price", `1e39`, bad},
		{"price", `"1_0"`, bad},
		{"price", `"0x1"`, bad},
		{"price", `"NaN"`, bad},
		{"price", `""`, bad},
		{"price", `true`, bad},
		{"price", `0e99999999999999999999`, `0`},
		{"available", `true`, `true`},
		{"available", `false`, `false`},
		{"available", `1`, bad},
		{"available", `"true"`, bad},
		{"published", `"2026-11-21"`, `"2026-11-21T00:00:00.000Z"`},
		{"published", `"2026-11-21T12:00:00.1239+02:30"`, `"2026-11-21T09:30:00.123Z"`},
		{"published", `"2026-11-21t12:00:00z"`, `"2026-11-21T12:00:00.000Z"`},
		{"published", `"2024-02-29"`, `"2024-02-29T00:00:00.000Z"`},
		{"published", `"2026-02-29"`, bad},
		{"published", `"2026-11-21T12:00:00"`, bad},
		{"published", `"now"`, bad},
		{"published", `0`, bad},
		{"published", `"0000-12-31"`, bad},
		{"published", `"0001-01-01T00:00:00+01:00"`, bad},
		{"published", `"9999-12-31T23:59:59.999Z"`, `"9999-12-31T23:59:59.999Z"`},
		{"published", `"9999-12-31T23:59:59-01:00"`, bad},
		{"published", `"2026-11-21T24:00:00Z"`, bad},
		{"published", `"2026-11-21T23:59:60Z"`, bad},
		{"published", `"2026-11-21T12:00:00.Z"`, bad},
		{"published", `"2026-11-21 12:00:00Z"`, bad},
		{"published", `"2026-11-21T12:00:00+24:00"`, bad},
		{"published", `"1969-12-31T23:59:59.999Z"`, `"1969-12-31T23:59:59.999Z"`},
		{"published", `""`, bad},
		{"published", `"２026-11-21"`, bad},
		{"state", `"sold"`, `"sold"`},
		{"state", `"other"`, `"other"`},
		{"state", `1`, bad},
		{"cover", `"AQI="`, `"AQI="`},
		{"cover", `"AQI"`, bad},
		{"cover", `"AQJ="`, bad},
		{"cover", `"A\nQI="`, bad},
		{"cover", `"-_8="`, bad},
		{"meta", ` { "b" : 1.50 , "a" : null } `, `{"b":1.50,"a":null}`},
		{"meta", `"x"`, `"x"`},
		{"meta", `null`, `null`},
		{"tags", `["new", "old"]`, `["new","old"]`},
		{"tags", `["other"]`, bad},
		{"tags", `[1]`, bad},
		{"tags", `"new"`, bad},
		{"tags", `[null]`, bad},
		{"tags", `[]`, `[]`},
		{"chapters", `[{"title":" One "},{"page":1e1,"title":"Two"}]`, `[{"title":"One","page":1},{"page":10,"title":"Two"}]`},
		{"chapters", `[{"page":1}]`, bad},
		{"chapters", `[{"title":null}]`, bad},
		{"chapters", `[{"title":"a","x":1}]`, bad},
		{"chapters", `["a"]`, bad},
		{"author", `"a1"`, `"a1"`},
		{"author", `""`, `null`},
		{"author", `null`, `null`},
		{"author", `"../x"`, bad},
		{"author", `1`, bad},
		{"author", `{"id":"a"}`, bad},
		{"id", `"a1"`, `"a1"`},
		{"id", `""`, bad},
		{"id", `"count"`, bad},
		{"id", `1`, bad},
	} {
		v, err := decode(t, book.Column(c.column), c.in)
		got := string(v.AppendJSON(nil))
		if err != nil {
			code, list := codeAndProblems(t, err)
			if got = bad; code != fault.ValidationError || len(list) != 1 || list[0].Path != c.column || list[0].Reason == "" {
				t.Errorf("%s from %s: the refusal is %v with %v", c.column, c.in, err, list)
			}
		}
		if got != c.want {
			t.Errorf("%s from %s = %s (%v), want %s", c.column, c.in, got, err, c.want)
		}
	}
}

func TestDecodeText(t *testing.T) {
	t.Parallel()
	book := library(t).Entity("Book")
	for _, c := range []struct{ column, in, want string }{
		{"title", `30`, `"30"`},
		{"title", "a\x00", bad},
		{"title", "\xff", bad},
		{"rating", `30`, `30`},
		{"rating", `3e1`, `30`},
		{"rating", `0x1p4`, bad},
		{"rating", `1_000`, bad},
		{"rating", `inf`, bad},
		{"rating", `NaN`, bad},
		{"rating", ``, bad},
		{"rating", ` 1`, bad},
		{"pages", `12`, `12`},
		{"pages", `1.5`, bad},
		{"price", `19.90`, `19.9`},
		{"available", `true`, `true`},
		{"available", `yes`, bad},
		{"published", `2026-11-21`, `"2026-11-21T00:00:00.000Z"`},
		{"meta", `{"a": 1}`, `{"a":1}`},
		{"meta", `{a`, bad},
		{"meta", `{"a":1,"a":2}`, bad},
		{"tags", `["new"]`, `["new"]`},
		{"tags", `new`, bad},
		{"author", `a1`, `"a1"`},
		{"author", `a/b`, bad},
		{"id", `count`, bad},
		{"cover", `AQI=`, `"AQI="`},
	} {
		v, err := book.Column(c.column).DecodeText(c.in)
		got := string(v.AppendJSON(nil))
		if err != nil {
			if got = bad; fault.CodeOf(err) != fault.ValidationError {
				t.Errorf("%s from %q: %v", c.column, c.in, err)
			}
		}
		if got != c.want {
			t.Errorf("%s from %q = %s (%v), want %s", c.column, c.in, got, err, c.want)
		}
	}
}

func TestNormalizeAndCheck(t *testing.T) {
	t.Parallel()
	c := library(t)
	for _, x := range []struct {
		entity, column, in, stored string
		ok                         bool
	}{
		{"Author", "name", `"  Zoë\u00a0"`, `"Zoë"`, true},
		{"Author", "name", `"` + strings.Repeat("é", 80) + `"`, `"` + strings.Repeat("é", 80) + `"`, true},
		{"Author", "name", `"` + strings.Repeat("é", 81) + `"`, "", false},
		{"Author", "email", `"ÄNNE@Example.ORG"`, `"änne@example.org"`, true},
		{"Author", "email", `"nobody"`, "", false},
		{"Book", "state", `"lost"`, "", false},
		{"Book", "state", `"sold"`, `"sold"`, true},
		{"Book", "price", `999.5`, `999.5`, true},
		{"Book", "price", `999.500000000000000000000000000001`, "", false},
		{"Book", "price", `-0.01`, "", false},
		{"Book", "price", `null`, `null`, true},
	} {
		column := c.Entity(x.entity).Column(x.column)
		v, err := decode(t, column, x.in)
		if err != nil {
			t.Fatal(err)
		}
		v = column.Field.Normalize(v)
		reason := column.Field.Check(v)
		if (reason == "") != x.ok || x.ok && string(v.AppendJSON(nil)) != x.stored {
			t.Errorf("%s %s is stored as %s, reason %q", x.column, x.in, v.AppendJSON(nil), reason)
		}
	}
}

func TestDatesAgreeWithTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(-62135596800000, 253402300799999).Draw(t, "ms")
		want := time.UnixMilli(ms).UTC().Format(schema.TimeLayout)
		if got := string(schema.AppendTime(nil, ms)); got != want {
			t.Fatalf("AppendTime(%d) = %s, want %s", ms, got, want)
		}
		zone := time.FixedZone("", rapid.IntRange(-23*60, 23*60).Draw(t, "offset")*60)
		layout := rapid.SampledFrom([]string{schema.TimeLayout, time.RFC3339Nano, time.RFC3339, time.DateOnly}).Draw(t, "layout")
		instant := time.UnixMilli(ms)
		if layout == schema.TimeLayout {
			instant = instant.UTC()
		} else {
			instant = instant.In(zone)
		}
		if y := instant.Year(); y < 1 || y > 9999 {
			return
		}
		text := instant.Format(layout)
		parsed, err := time.Parse(layout, text)
		got, ok := schema.ParseTime(text)
		if err != nil || !ok && parsed.UTC().Year() >= 1 && parsed.UTC().Year() <= 9999 || ok && got != parsed.UnixMilli() {
			t.Fatalf("ParseTime(%s) = %d %t, want %d (%v)", text, got, ok, parsed.UnixMilli(), err)
		}
	})
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-11-21", "2026-11-21T12:00:00.123Z", "2026-11-21T12:00:00+02:30", "2026-02-30"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := schema.ParseTime(s)
		if !ok {
			return
		}
		want, err := time.Parse(time.RFC3339, strings.ToUpper(s))
		if len(s) == 10 {
			want, err = time.Parse(time.DateOnly, s)
		}
		if err != nil || want.UnixMilli() != got {
			t.Fatalf("ParseTime(%q) = %d, time.Parse says %v, %v", s, got, want, err)
		}
	})
}

func TestFloatsAgreeWithEncodingJSON(t *testing.T) {
	t.Parallel()
	one := func(t interface{ Fatalf(string, ...any) }, f float64) {
		got := string(schema.AppendFloat(nil, f))
		want, err := json.Marshal(f)
		if f == 0 {
			want = []byte("0") // ECMAScript writes no sign
		}
		if err != nil || got != string(want) {
			t.Fatalf("AppendFloat(%v) = %s, encoding/json says %s", f, got, want)
		}
		if back, err := strconv.ParseFloat(got, 64); err != nil || back != f {
			t.Fatalf("AppendFloat(%v) = %s reads back as %v", f, got, back)
		}
	}
	for _, f := range []float64{
		0, math.Copysign(0, -1), 1, -1, 1 << 53, 1<<53 - 1, 1<<53 + 2, -(1 << 53), 1e15, 1e20, 1e21, 999999999999999900000, 1e-6, 9.99e-7, 1e-7, 1e-10, 5e-324,
		math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1, 1.0 / 3, 123456.789,
	} {
		one(t, f)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.OneOf(rapid.Float64(), rapid.Map(rapid.Uint64(), math.Float64frombits)).Draw(t, "f")
		if !math.IsNaN(f) && !math.IsInf(f, 0) {
			one(t, f)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	book := library(b).Entity("Book")
	for _, c := range []struct{ column, in string }{
		{"title", `"A title of ordinary length"`},
		{"rating", `4.25`},
		{"pages", `312`},
		{"price", `19.95`},
		{"published", `"2026-11-21T10:00:00.123Z"`},
		{"author", `"018f3a5e-7c1b-7d2a-9f00-1234567890ab"`},
		{"chapters", `[{"title":"One","page":1},{"title":"Two","page":20}]`},
	} {
		b.Run(c.column, func(b *testing.B) {
			d, err := strictjson.Parse([]byte(c.in))
			if err != nil {
				b.Fatal(err)
			}
			defer d.Release()
			column := book.Column(c.column)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := column.Decode(d.Root); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
