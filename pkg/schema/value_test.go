package schema_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"testing"

	"github.com/octomesh/octomesh/pkg/schema"
	"pgregory.net/rapid"
)

func TestCanonicalDecimalIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[-+]?[0-9]{1,22}(\.[0-9]{1,18})?([eE][-+]?[0-9]{1,2})?`).Draw(t, "s")
		got, ok := schema.CanonicalDecimal(s)
		if schema.IsCanonicalDecimal(s) != (ok && got == s) {
			t.Fatalf("CanonicalDecimal(%s) = %s, and it is canonical: %t", s, got, schema.IsCanonicalDecimal(s))
		}
		want, _ := new(big.Rat).SetString(s)
		if !ok {
			return // more than 38 digits
		}
		back, _ := new(big.Rat).SetString(got)
		if back == nil || back.Cmp(want) != 0 {
			t.Fatalf("CanonicalDecimal(%s) = %s", s, got)
		}
		if again, ok := schema.CanonicalDecimal(got); !ok || again != got {
			t.Fatalf("CanonicalDecimal(%s) is not canonical: %s", got, again)
		}
		if !json.Valid([]byte(got)) {
			t.Fatalf("CanonicalDecimal(%s) = %s is no JSON number", s, got)
		}
		if len(want.Num().String()) <= 38 && want.IsInt() && !ok {
			t.Fatalf("CanonicalDecimal(%s) refused", s)
		}
	})
}

func TestDecimalOrder(t *testing.T) {
	t.Parallel()
	decimal := rapid.Custom(func(t *rapid.T) string {
		s, _ := schema.CanonicalDecimal(rapid.StringMatching(`-?[0-9]{1,3}(\.[0-9]{1,3})?`).Draw(t, "s"))
		return s
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := decimal.Draw(t, "a"), decimal.Draw(t, "b")
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		if got := schema.DecimalOf(a).Compare(schema.DecimalOf(b)); got != x.Cmp(y) {
			t.Fatalf("Compare(%s, %s) = %d", a, b, got)
		}
		if schema.DecimalOf(a).Equal(schema.DecimalOf(b)) != (x.Cmp(y) == 0) {
			t.Fatalf("Equal(%s, %s)", a, b)
		}
	})
}

func TestCanonicalDecimalLimits(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"1e37": "1" + fmt.Sprintf("%037d", 0), "1e38": "", "1e-38": "0." + fmt.Sprintf("%037d", 0) + "1", "1e-39": "",
		"": "", "-": "", ".": "", "1.": "", ".5": "", "1e": "", "1e+": "", "--1": "", "1.2.3": "", "1e5e5": "", "٣": "", " 1": "",
		"+5": "5", "-0e7": "0", "000": "0", "100": "100", "1e2147483648": "", "0e-99999999999999999999999": "0",
	} {
		if schema.IsCanonicalDecimal(in) != (in == want && want != "") {
			t.Errorf("%q is canonical: %t", in, in != want)
		}
		if got, ok := schema.CanonicalDecimal(in); got != want || ok != (want != "") {
			t.Errorf("CanonicalDecimal(%q) = %q %t, want %q", in, got, ok, want)
		}
	}
}

func TestStringsAgreeWithEncodingJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		got := schema.AppendString([]byte("x"), s)
		var back string
		if err := json.Unmarshal(got[1:], &back); err != nil || back != s || got[0] != 'x' {
			t.Fatalf("AppendString(%q) = %s: %v", s, got, err)
		}
		if string(schema.AppendString(nil, []byte(s))) != string(got[1:]) {
			t.Fatal("bytes and strings differ")
		}
	})
}

func ExampleCanonicalDecimal() {
	fmt.Println(schema.CanonicalDecimal("0019.9000e1"))
	// Output: 199 true
}

var sink []byte

func BenchmarkAppendTime(b *testing.B) {
	dst := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		sink = schema.AppendTime(dst, 1795255200123)
	}
}

func BenchmarkAppendFloat(b *testing.B) {
	for name, f := range map[string]float64{"whole": 129, "price": 19.95, "long": 0.1234567890123456} {
		b.Run(name, func(b *testing.B) {
			dst := make([]byte, 0, 64)
			b.ReportAllocs()
			for b.Loop() {
				sink = schema.AppendFloat(dst, f)
			}
		})
	}
}

func BenchmarkAppendString(b *testing.B) {
	for name, s := range map[string]string{
		"short": "paid", "id": "018f3a5e-7c1b-7d2a-9f00-1234567890ab",
		"text":   "Bitte an der Tür klingeln, danke schön. The quick brown fox jumps over the lazy dog, twice a day, every day.",
		"quotes": `He said "yes", then "no", then "yes" again; C:\temp\x`,
	} {
		b.Run(name, func(b *testing.B) {
			dst := make([]byte, 0, 512)
			b.SetBytes(int64(len(s)))
			b.ReportAllocs()
			for b.Loop() {
				sink = schema.AppendString(dst, s)
			}
		})
	}
}

func BenchmarkParseTime(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := schema.ParseTime("2026-11-21T10:00:00.123Z"); !ok {
			b.Fatal()
		}
	}
}

func BenchmarkParse(b *testing.B) {
	src := library(b).AppendJSON(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schema.Parse(src); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSmallInt(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "7": 7, "-7": -7, "007": 7, "999999999999999": 999999999999999, "-999999999999999": -999999999999999} {
		if n, ok := schema.SmallInt(text); !ok || n != want {
			t.Errorf("%s is %d, %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "-", "-0", "--1", "+1", "1.0", "1e3", "1000000000000000", " 1"} {
		if n, ok := schema.SmallInt(text); ok {
			t.Errorf("%q is %d", text, n)
		}
	}
}
