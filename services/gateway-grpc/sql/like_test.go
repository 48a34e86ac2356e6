package sql_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/octomesh/octomesh/services/gateway-grpc/sql"
)

// fits is LIKE as its definition reads.
func fits(pattern, text []rune) bool {
	switch {
	case len(pattern) == 0:
		return len(text) == 0
	case pattern[0] == '%':
		return fits(pattern[1:], text) || len(text) > 0 && fits(pattern, text[1:])
	}
	return len(text) > 0 && (pattern[0] == '_' || pattern[0] == text[0]) && fits(pattern[1:], text[1:])
}

func TestLike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringOfN(rapid.SampledFrom([]rune("ab\x00é%%__")), 0, 10, -1).Draw(t, "pattern")
		text := rapid.StringOfN(rapid.SampledFrom([]rune("aab\x00éz")), 0, 12, -1).Draw(t, "text")
		if got, want := sql.Matches(pattern, text), fits([]rune(pattern), []rune(text)); got != want {
			t.Fatalf("%q LIKE %q is %t", text, pattern, got)
		}
	})
	a := strings.Repeat("a", 300)
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"%" + a + "_b%", a + a + "cb", true},
		{"%" + a + "_b%", a + a + "b", true},
		{"%" + a + "_b%", a + "b", false},
		{"%" + a + "_c%", strings.Repeat("a", 1<<20), false},
		{"%_" + a + "%_" + a + "%", a + "x" + a + "x", false},
		{"%_" + a + "%_" + a + "%", "x" + a + "x" + a + "x", true},
	} {
		if got := sql.Matches(c.pattern, c.text); got != c.want {
			t.Errorf("%.10s… LIKE %.10s… of %d and %d bytes is %t", c.text, c.pattern, len(c.text), len(c.pattern), got)
		}
	}
}
