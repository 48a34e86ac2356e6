package schema

import (
	"cmp"
	"strings"
)

// MaxDecimalDigits is how many digits a decimal may have, before and behind the
// point together: what every database of the list can keep.
const MaxDecimalDigits = 38

// CanonicalDecimal brings a decimal number (JSON's grammar, a leading + and
// leading zeros allowed) to its one canonical text: no exponent, no needless
// zero, no point without fraction, no negative zero. So equal numbers are equal
// texts. It is false for another text and for more than MaxDecimalDigits digits.
func CanonicalDecimal(s string) (string, bool) {
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg, s = s[0] == '-', s[1:]
	}
	mantissa, exp, ok := splitExponent(s)
	if !ok {
		return "", false
	}
	whole, frac, point := strings.Cut(mantissa, ".")
	if whole == "" || (point && frac == "") || !allDigits(whole) || !allDigits(frac) {
		return "", false
	}
	if exp == 0 && plainDecimal(whole, frac) && len(whole)+len(frac) <= MaxDecimalDigits {
		switch {
		case !neg:
			return strings.Clone(mantissa), true
		case mantissa != "0":
			return "-" + mantissa, true
		}
		return "0", true
	}
	// The number is digits * 10^-scale.
	digits, scale := whole+frac, len(frac)-exp
	trimmed := strings.TrimRight(digits, "0")
	scale -= len(digits) - len(trimmed)
	trimmed = strings.TrimLeft(trimmed, "0")
	if trimmed == "" {
		return "0", true
	}
	n := len(trimmed)
	if n > MaxDecimalDigits || scale > MaxDecimalDigits || n-scale > MaxDecimalDigits {
		return "", false
	}
	var b strings.Builder
	if neg {
		b.WriteByte('-')
	}
	switch {
	case scale <= 0:
		b.WriteString(trimmed)
		b.WriteString(zeros[:-scale])
	case n > scale:
		b.WriteString(trimmed[:n-scale])
		b.WriteByte('.')
		b.WriteString(trimmed[n-scale:])
	default:
		b.WriteString("0.")
		b.WriteString(zeros[:scale-n])
		b.WriteString(trimmed)
	}
	return b.String(), true
}

// IsCanonicalDecimal reports whether a text is what CanonicalDecimal makes of it,
// without making anything.
func IsCanonicalDecimal[S ~string | ~[]byte](s S) bool {
	if len(s) > 1 && s[0] == '-' {
		s = s[1:]
		if len(s) == 1 && s[0] == '0' {
			return false
		}
	}
	if len(s) == 0 || s[0] == '0' && len(s) > 1 && s[1] != '.' {
		return false
	}
	digits, point := len(s), false
	if s[0] == '0' {
		digits--
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c-'0' <= 9:
		case c == '.' && !point && i > 0 && i < len(s)-1:
			point = true
			digits--
		default:
			return false
		}
	}
	return digits <= MaxDecimalDigits && (!point || s[len(s)-1] != '0')
}

const zeros = "00000000000000000000000000000000000000"

func plainDecimal(whole, frac string) bool {
	return (whole[0] != '0' || whole == "0") && (frac == "" || frac[len(frac)-1] != '0')
}

// splitExponent cuts the exponent off; one beyond ±99999 is clamped, which is
// out of every bound anyway unless all digits are zero.
func splitExponent(s string) (mantissa string, exp int, ok bool) {
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return s, 0, true
	}
	mantissa, s = s[:i], s[i+1:]
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg, s = s[0] == '-', s[1:]
	}
	if s == "" || !allDigits(s) {
		return "", 0, false
	}
	for i := 0; i < len(s); i++ {
		if exp = exp*10 + int(s[i]-'0'); exp > 1<<30 {
			exp = 1 << 30
		}
	}
	if neg {
		exp = -exp
	}
	return mantissa, exp, true
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return true
}

// compareDecimal orders two canonical decimals by magnitude.
func compareDecimal(a, b string) int {
	negA, negB := strings.HasPrefix(a, "-"), strings.HasPrefix(b, "-")
	if negA != negB {
		if negA {
			return -1
		}
		return 1
	}
	if negA {
		return compareMagnitude(b[1:], a[1:])
	}
	return compareMagnitude(a, b)
}

func compareMagnitude(a, b string) int {
	wholeA, fracA, _ := strings.Cut(a, ".")
	wholeB, fracB, _ := strings.Cut(b, ".")
	return cmp.Or(cmp.Compare(len(wholeA), len(wholeB)), strings.Compare(wholeA, wholeB), strings.Compare(fracA, fracB))
}
