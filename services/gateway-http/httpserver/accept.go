package httpserver

import (
	"strconv"
	"strings"
)

// Preferred chooses one of the types that a reply can have by the header Accept
// (RFC 9110, section 12.5.1): the first of them, unless another one is named with a
// weight that is above the first's own and not below that of any type at all. Of
// two others with the same weight neither is preferred. It returns its index.
func Preferred(accept string, types ...string) int {
	if accept == "" || accept == "*/*" {
		return 0
	}
	var first, wild, best float64
	chosen := 0
	for i, t := range types {
		weight := 0.0
		for kind := range strings.SplitSeq(accept, ",") {
			name, params, _ := strings.Cut(kind, ";")
			switch name = strings.TrimSpace(name); {
			case strings.EqualFold(name, t):
				weight = Weight(params)
			case name == "*/*" || name == "application/*" || name == "text/*":
				wild = max(wild, Weight(params))
			}
		}
		switch {
		case i == 0:
			first = weight
		case weight > best:
			best, chosen = weight, i
		case weight == best:
			chosen = 0
		}
	}
	if best <= first || best < wild {
		return 0
	}
	return chosen
}

// Weight is the parameter q of a type in Accept; what is malformed counts as 1.
func Weight(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		if text, ok := strings.CutPrefix(strings.ReplaceAll(p, " ", ""), "q="); ok {
			if q, err := strconv.ParseFloat(text, 64); err == nil && q >= 0 && q <= 1 {
				return q
			}
		}
	}
	return 1
}
