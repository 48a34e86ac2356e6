package query

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
)

func TestPatternPortable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		source   string
		portable bool
		yes, no  []string
	}{
		{"", true, []string{"", "a"}, nil},
		{"^$", true, []string{""}, []string{"a", "\n"}},
		{"^ab", true, []string{"ab", "abc"}, []string{"cab", "AB"}},
		{"ab$", true, []string{"ab", "cab"}, []string{"abc", "ab\n"}},
		{"^ab$", true, []string{"ab"}, []string{"aab", "abb"}},
		{"a.c", true, []string{"abc", "xaéc", "a😀c"}, []string{"ac", "a\nc"}},
		{"^a.*c$", true, []string{"ac", "abbc", "acc"}, []string{"acd", "a\nc"}},
		{"a.*b", true, []string{"a\nab", "axb\n"}, []string{"a\nb"}},
		{"a.+b", true, []string{"axb"}, []string{"ab", "a\nb"}},
		{"^.*$", true, []string{"", "a"}, []string{"\n"}},
		{".*", true, []string{"", "\n"}, nil},
		{"^.+$", true, []string{"a", "é"}, []string{"", "a\n"}},
		{"[a-c]x", true, []string{"bx"}, []string{"dx", "x"}},
		{"[^a-c]x", true, []string{"dx", "\nx"}, []string{"bx"}},
		{`\d\.\d`, true, []string{"v1.2"}, []string{"1x2"}},
		{`a\*b`, true, []string{"a*b"}, []string{"aab"}},
		{"(ab)(cd)", true, []string{"abcd"}, []string{"abd"}},
		{"a|b", true, []string{"a", "b"}, []string{"c"}},
		{`é`, true, []string{"\u00e9"}, []string{"e\u0301"}},
		{"ab|cd", false, []string{"ab", "cd"}, []string{"ac"}},
		{"a+", false, []string{"aa"}, []string{"b"}},
		{"a{2}", false, []string{"aa"}, []string{"a"}},
		{`\bx`, false, []string{"a x"}, []string{"ax"}},
		{"(?i)A", false, []string{"a", "A"}, []string{"b"}},
		{"(?s)a.b", false, []string{"a\nb"}, []string{"ab"}},
		{"a^b", false, nil, []string{"ab"}},
	} {
		p, err := CompilePattern(c.source, false)
		if err != nil {
			t.Fatalf("%q: %v", c.source, err)
		}
		if p.Portable != c.portable || p.Portable == (p.Atoms == nil && p.re != nil) {
			t.Errorf("%q: portable %v, atoms %v", c.source, p.Portable, p.Atoms)
		}
		for _, s := range c.yes {
			if !p.Match(s) {
				t.Errorf("%q does not match %q", c.source, s)
			}
		}
		for _, s := range c.no {
			if p.Match(s) {
				t.Errorf("%q matches %q", c.source, s)
			}
		}
	}
}

func TestPatternFold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		source, text string
		want         bool
	}{
		{"ÉCOLE", "école", true},
		{"école", "ÉCOLE", true},
		{"e\u0301", "É", false},
		{"^[A-C]+$", "abc", true},
		{"[A-C]x", "bX", true},
		{"[^A-C]", "b", false},
		{"[^a-c]", "B", false},
		{"ß", "SS", false},
		{"σ", "Σ", true},
		{"ς", "Σ", false},
		{"a.*Z", "xA-zq", true},
		{"ab+", "ABB", true},
		{`\W`, "É", true},
	} {
		p, err := CompilePattern(c.source, true)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match(c.text); got != c.want {
			t.Errorf("%q on %q: %v (portable %v)", c.source, c.text, got, p.Portable)
		}
	}
}

func TestPatternRefused(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"(", "[", `\`, "a**", "(?P<x", "a{9999}", `(a)\1`, "(?=a)", "*", "\xff"} {
		if p, err := CompilePattern(source, false); err == nil {
			t.Errorf("%q was taken: %+v", source, p)
		}
	}
}

// A pattern that backtracking engines need ages for takes no time, and every
// pattern of the longest length fits the set of states.
func TestPatternIsLinear(t *testing.T) {
	t.Parallel()
	p, _ := CompilePattern("^"+strings.Repeat("a.*", 80)+"b$", false)
	if !p.Portable || p.Match(strings.Repeat("a", 20_000)) {
		t.Error("expected a portable pattern that does not match")
	}
	p, _ = CompilePattern("["+"x]"+strings.Repeat("é", maxPoints-1), true)
	if !p.Portable || !p.Match("X"+strings.Repeat("É", maxPoints-1)) {
		t.Error("the longest portable pattern does not match")
	}
	if p, _ = CompilePattern("[xy]"+strings.Repeat("é", maxPoints), true); p.Portable || !p.Match("X"+strings.Repeat("É", maxPoints)) {
		t.Error("a longer pattern must be left to RE2")
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for r := rune(1); r <= unicode.MaxRune; r++ {
		if r >= 0xD800 && r < 0xE000 {
			continue
		}
		if once := Fold(string(r)); Fold(once) != once || once != string(unicode.ToLower(r)) {
			t.Fatalf("%U", r)
		}
	}
	for _, c := range []struct {
		text, needle string
		want         bool
	}{
		{"", "", true}, {"Straße", "stra", true}, {"STRASSE", "straß", false}, {"ÀÉ", "é", true}, {strings.Repeat("x", 70_000) + "Y", "xy", true},
	} {
		if got := containsFold(c.text, Fold(c.needle)); got != c.want {
			t.Errorf("%.20q contains %q: %v", c.text, c.needle, got)
		}
	}
}

func FuzzPattern(f *testing.F) {
	for _, s := range []string{"^a.*b$", "[^a-c].+", `\d+`, "a|b", "(?i)k", "x{2,3}", ".*.*", `\Qa.b\E`, "[[:alpha:]]", ""} {
		f.Add(s, "aXb\nc1", false)
		f.Add(s, "KAbé", true)
	}
	f.Fuzz(func(t *testing.T, source, text string, fold bool) {
		if len(source) > 64 || len(text) > 256 {
			return
		}
		p, err := CompilePattern(source, fold)
		re, wrong := regexp.Compile(source)
		if (err == nil) != (wrong == nil) {
			t.Fatalf("%q: %v, regexp says %v", source, err, wrong)
		}
		if err != nil {
			return
		}
		got := p.Match(text)
		if fold {
			// RE2 equates a few letters that lower case does not (ſ and s).
			for _, r := range source + text {
				if r >= 0x80 {
					return
				}
			}
			if re, err = regexp.Compile("(?i)" + source); err != nil {
				t.Fatal(err)
			}
			if strings.ContainsAny(source, `\[`) { // classes may hold the letters that the text has not
				return
			}
		}
		if want := re.MatchString(text); got != want {
			t.Fatalf("%q (fold %v, portable %v) on %q: %v, regexp says %v", source, fold, p.Portable, text, got, want)
		}
	})
}

func BenchmarkPattern(b *testing.B) {
	for _, c := range []struct{ name, source string }{{"literal", "lovelace"}, {"prefix", "^Ada"}, {"star", "^A.*e$"}, {"class", "[k-m]ove"}} {
		p, _ := CompilePattern(c.source, false)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Match("Ada King, Countess of Lovelace")
			}
		})
	}
}
