package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"unicode"
)

// lowerFunction puts text into Unicode simple lower case, as query.Fold does.
// The server's own lower() follows a locale, and none is simple.
const lowerFunction = `"_octo_lower"`

// lowerSource makes lowerFunction for the Unicode tables of this program. Each
// script's letters are translated only where the text has one: translate looks
// through its list for every character.
var lowerSource = sync.OnceValue(func() string {
	var body strings.Builder
	body.WriteString("BEGIN\n\tt := lower(t COLLATE \"C\");\n")
	for _, s := range scripts() {
		body.WriteString("\tIF t ~ '[" + s.upper + "]' THEN t := translate(t, '" + s.upper + "', '" + s.lower + "'); END IF;\n")
	}
	body.WriteString("\tRETURN t;\nEND")
	sum := sha256.Sum256([]byte(body.String()))
	return "-- octomesh " + hex.EncodeToString(sum[:6]) + "\n" + body.String()
})

// lowerDefinition is the statement that makes lowerFunction.
func lowerDefinition() string {
	return "CREATE OR REPLACE FUNCTION " + lowerFunction + "(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $octo$" + lowerSource() + "$octo$"
}

type script struct{ upper, lower string }

// scripts lists the letters outside of ASCII that have another lower case, by
// runs of neighbours: letters that are 256 code points apart are another run.
func scripts() []script {
	var (
		out          []script
		upper, lower strings.Builder
		last         rune
	)
	flush := func() {
		if upper.Len() > 0 {
			out = append(out, script{upper.String(), lower.String()})
			upper.Reset()
			lower.Reset()
		}
	}
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if r == 0xD800 { // the surrogates are no text
			r = 0xE000
		}
		l := unicode.ToLower(r)
		if l == r {
			continue
		}
		if r-last > 256 {
			flush()
		}
		last = r
		upper.WriteRune(r)
		lower.WriteRune(l)
	}
	flush()
	return out
}
