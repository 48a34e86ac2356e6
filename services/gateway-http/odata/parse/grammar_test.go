package parse

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// grammarCase is a line of testdata/grammar.txt.
type grammarCase struct {
	line       int
	kind, text string
}

func grammar(t testing.TB) []grammarCase {
	f, err := os.Open("testdata/grammar.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []grammarCase
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		kind, text, ok := strings.Cut(lines.Text(), "\t")
		if ok && !strings.HasPrefix(kind, "#") {
			out = append(out, grammarCase{n, kind, text})
		}
	}
	return out
}

// TestGrammar: what the grammar has is read, what it does not have is refused,
// and the differences are those that the table names.
func TestGrammar(t *testing.T) {
	cases := grammar(t)
	count := map[string]int{}
	for _, c := range cases {
		count[c.kind]++
		_, err := Query(c.text, DefaultLimits)
		if accepts := c.kind == "ok" || c.kind == "+"; accepts != (err == nil) {
			t.Errorf("grammar.txt:%d: %s %s: %v", c.line, c.kind, c.text, err)
		}
		if code := fault.CodeOf(err); err != nil && code != fault.InvalidFilter && code != fault.InvalidRequest {
			t.Errorf("grammar.txt:%d: %s: %v", c.line, c.text, err)
		}
	}
	if negative := count["no"] + count["+"]; len(cases) < 300 || negative*3 < len(cases) {
		t.Errorf("%d cases, %d of them negative: the table is to have 300 and a third", len(cases), negative)
	}
	fmt.Printf("figure: {\"cases\":%d,\"accepted\":%d,\"refused\":%d,\"wider\":%d,\"narrower\":%d}\n",
		len(cases), count["ok"], count["no"], count["+"], count["-"])
}

// TestGrammarTree looks at what became of a text, written as a prefix form.
func TestGrammarTree(t *testing.T) {
	for text, want := range map[string]string{
		"a or b and not c eq d":            "(or a (and b (eq (not c) d)))",
		"a eq 1 add 2 mul 3":               "(eq a (add 1 (mul 2 3)))",
		"a sub 1 sub 2":                    "(sub (sub a 1) 2)",
		"not a in ('x') and b":             "(and (not (in a ['x'])) b)",
		"-a mul 2":                         "(mul (neg a) 2)",
		"a/b/any(x:x/y eq $it/z)":          "(any a/b x (eq x/y $it/z))",
		"a/all(x:x)":                       "(all a x x)",
		"a/any()":                          "(any a)",
		"CONTAINS(a/b,'O''N') eq true":     "(eq contains(a/b,'O'N') true)",
		"N.F(x=1)/y":                       "N.F(x=1)/y",
		"a/$count($filter=b) gt @p":        "(gt count(a,b) @p)",
		"case(a:1,b:2)":                    "case(a:1,b:2)",
		"cast(a,Edm.Int32) eq 1":           "(eq cast(a,Edm.Int32) 1)",
		`a in ["x",1]`:                     "(in a ['x',1])",
		"a eq 2026-01-01T00:00Z":           "(eq a 2026-01-01T00:00Z)",
		"$root/Ps('k')/n eq 1":             "(eq $root/Ps('k')/n 1)",
		"a/N.T/b":                          "a/N.T/b",
		"(a add 1) mul 2 le 3 or true":     "(or (le (mul (add a 1) 2) 3) true)",
		"a has N.E'x' or b":                "(or (has a N.E'x') b)",
		"geo.length(a) lt duration'PT1S'":  "(lt geo.length(a) PT1S)",
		"a/$filter(b gt 1)/$count eq 0":    "(eq count(filtered(a,(gt b 1))) 0)",
		"a eq null and not (b or c)":       "(and (eq a null) (not (or b c)))",
		"a eq {\"x\":[1,{\"y\":\"\\n\"}]}": "(eq a {x:[1,{y:'\n'}]})",
	} {
		x, err := Expression(text, DefaultLimits)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := show(x); got != want {
			t.Errorf("%s\n got  %s\n want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"a b OR NOT c d":  "(or (and a b) (and (not c) d))",
		"a AND (b OR c)":  "(and a (or b c))",
		`"x y" or 'p q'`:  "(and (and x y or) p q)",
		"NOT NOT a OR b":  "(or (not (not a)) b)",
		"a OR b OR c":     "(or (or a b) c)",
		"a AND b AND (c)": "(and (and a b) c)",
	} {
		o, err := Query("$search="+text, DefaultLimits)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := showSearch(o.Search); got != want {
			t.Errorf("%s\n got  %s\n want %s", text, got, want)
		}
	}
}

// TestGrammarLimits: nothing that nests or repeats can cost more than its limit.
func TestGrammarLimits(t *testing.T) {
	again := strings.Repeat
	for name, query := range map[string]string{
		"parentheses":       "$filter=" + again("(", 5000) + "a" + again(")", 5000),
		"open parentheses":  "$filter=" + again("(", 60000),
		"not":               "$filter=" + again("not ", 5000) + "a",
		"minus":             "$filter=" + again("-", 5000) + "a",
		"lambdas":           "$filter=" + again("a/any(x:", 1000) + "true" + again(")", 1000),
		"conditions":        "$filter=" + again("a eq 1 and ", 3000) + "b",
		"right operators":   "$filter=a" + again(" eq a", 5000),
		"a list":            "$filter=a in (" + again("1,", 20000) + "1)",
		"a JSON list":       "$filter=a in [" + again("1,", 20000) + "1]",
		"a JSON nest":       "$filter=a eq " + again("[", 5000) + again("]", 5000),
		"functions":         "$filter=" + again("tolower(", 3000) + "a" + again(")", 3000),
		"expand":            "$expand=" + again("a($expand=", 2000) + "a" + again(")", 2000),
		"expand items":      "$expand=" + again("a,", 10000) + "a",
		"select items":      "$select=" + again("a,", 10000) + "a",
		"a path":            "$filter=" + again("a/", 10000) + "a",
		"search":            "$search=" + again("(", 5000) + "a" + again(")", 5000),
		"search words":      "$search=" + again("a ", 10000) + "a",
		"search not":        "$search=" + again("NOT ", 10000) + "a",
		"apply":             "$apply=" + again("identity/", 3000) + "identity",
		"apply nest":        "$apply=" + again("concat(identity,", 1000) + "identity" + again(")", 1000),
		"options":           again("$custom=1&", 3000),
		"custom options":    again("custom=1&", 3000),
		"aliases":           "@a=1" + aliases(1000),
		"too long":          "x=" + again("a", 100000),
		"case":              "$filter=case(" + again("a:1,", 3000) + "a:1)",
		"a number":          "$filter=a eq " + again("9", 5000),
		"a name":            "$filter=" + again("a", 200) + " eq 1",
		"orders":            "$orderby=" + again("a,", 5000) + "a",
		"nested search":     "$filter=a/$count($search=" + again("(", 9000),
		"arguments":         "$filter=N.F(" + again("a=1,", 3000) + "a=1)",
		"backtracking list": "$filter=a in " + again("(", 500) + "1 add 2" + again(")", 500),
	} {
		var err error
		scripted.Within(t, time.Second, name, func() { _, err = Query(query, DefaultLimits) })
		if code := fault.CodeOf(err); code != fault.InvalidFilter && code != fault.InvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func aliases(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "&@a%d=1", i)
	}
	return b.String()
}

// FuzzQueryOptions: whatever a query string holds, it is read or refused with a
// code, and what was read can be walked.
func FuzzQueryOptions(f *testing.F) {
	for _, c := range grammar(f) {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, query string) {
		o, err := Query(query, DefaultLimits)
		if err != nil {
			if code := fault.CodeOf(err); code != fault.InvalidFilter && code != fault.InvalidRequest {
				t.Fatal(err)
			}
			return
		}
		if o.Filter != nil {
			text := show(o.Filter)
			if len(text) > 20*len(query)+100 {
				t.Fatalf("%q grew to %d bytes", query, len(text))
			}
		}
	})
}

func BenchmarkQuery(b *testing.B) {
	const q = "$filter=price gt 3 and (contains(title,'ch') or active eq true)&$orderby=price desc,title&$top=20&$select=title,price&$count=true"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Query(q, DefaultLimits); err != nil {
			b.Fatal(err)
		}
	}
}
