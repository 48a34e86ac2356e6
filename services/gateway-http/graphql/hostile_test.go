package graphql

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// TestHostileDocuments: what is written to cost much is answered in time, as a
// GraphQL error.
func TestHostileDocuments(t *testing.T) {
	h := house(t)
	script(t, h, map[string]string{"Product.findAll": "[]", "Product.count": "0", "Product.findById": "null"})
	var variables, uses strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&variables, "$v%d:Int,", i)
		fmt.Fprintf(&uses, "$v%d,", i)
	}
	nested := func(open, middle, shut string, n int) string {
		return strings.Repeat(open, n) + middle + strings.Repeat(shut, n)
	}
	for name, query := range map[string]string{
		"a deep list":               `{ productCount(filter: ` + nested("[", "", "]", 4900) + `) }`,
		"a deep object":             `{ productCount(filter: ` + nested("{a:", "1", "}", 2400) + `) }`,
		"a deep condition":          `{ productCount(where: ` + nested("{_not:", "{}", "}", 2400) + `) }`,
		"a deep selection":          nested("{a", "", "}", 4900),
		"a deep type":               "query($a: " + nested("[", "Int", "]", 4900) + ") { productCount }",
		"many variables":            "query(" + variables.String() + ") { productCount(filter: [" + uses.String() + "]) }",
		"many unused variables":     "query(" + variables.String() + ") { productCount }",
		"a long list":               `{ productCount(where: {price: {in: [` + strings.Repeat("1,", 9_900) + `]}}) }`,
		"a long text":               `{ productCount(filter: "` + strings.Repeat("a", 60_000) + `") }`,
		"a long name":               `{ ` + strings.Repeat("a", 60_000) + ` }`,
		"many wrong names":          `{ product(id: 1) { ` + many("wrong%d ", 900) + ` } }`,
		"many arguments":            `{ productCount(` + many("a%d: 1 ", 2_400) + `) }`,
		"one argument often":        `{ productCount(` + strings.Repeat("filter: 1 ", 2_400) + `) }`,
		"the same field":            `{ product(id: 1) { ` + strings.Repeat("name ", 990) + ` } }`,
		"the same relation":         `{ product(id: 1) { ` + strings.Repeat("maker { name } ", 490) + ` } }`,
		"relations within":          `{ product(id: 1) { ` + strings.Repeat("maker { products { maker { products { name } } } } ", 190) + ` } }`,
		"fragments that meet often": `{ product(id: 1) { ` + many("...f%d ", 60) + ` } } ` + many("fragment f%d on Product { name maker { name products { name } } } ", 60),
		"many fragments":            `{ product(id: 1) { name } } ` + many("fragment f%d on Product { name } ", 900),
		"many operations":           many("query q%d { productCount } ", 900),
		"many directives":           `{ productCount ` + strings.Repeat("@skip(if: false) ", 1_200) + ` }`,
		"directives on variables":   `query($a: Int ` + strings.Repeat("@x ", 4_000) + `) { productCount }`,
		"comments":                  strings.Repeat("#\n", 30_000) + "{ productCount }",
		"a block text":              `{ productCount(filter: """` + strings.Repeat("\n ", 30_000) + `""") }`,
		"nothing":                   "",
		"a control character":       "{ productCount \u0000 }",
		"a mark of bytes":           "\ufeff{ productCount }",
	} {
		t.Run(name, func(t *testing.T) {
			q, _ := json.Marshal(query)
			var status int
			var got string
			scripted.Within(t, 2*time.Second, "it", func() { status, _, got = post(t, h, `{"query":`+string(q)+`}`) })
			if status >= 500 || !json.Valid([]byte(got)) || !strings.HasPrefix(got, `{"errors":[`) && !strings.HasPrefix(got, `{"data":`) || len(got) > 16<<10 {
				t.Errorf("%d, %d bytes: %.300s", status, len(got), got)
			}
		})
	}
}
