package mongodb

import "strings"

// A decimal has up to 38 digits, Decimal128 keeps 34: in a column of both, no
// order and no comparison of MongoDB would be right. So all are text whose byte
// order is their order: 'n' or 'p' for the sign, how many digits stand before
// the point in two digits, a colon, the canonical text. In a negative one every
// digit is taken from nine, so that the larger magnitude comes first, and a '~',
// which is above every digit, ends it, so that the shorter one comes last.
//
//	12.34  p02:12.34        -12.34  n97:87.65~

func sortableDecimal(canonical string) string {
	neg := strings.HasPrefix(canonical, "-")
	text := strings.TrimPrefix(canonical, "-")
	whole := strings.IndexByte(text, '.')
	if whole < 0 {
		whole = len(text)
	}
	b := make([]byte, 0, len(text)+5)
	b = append(b, 'p', byte('0'+whole/10%10), byte('0'+whole%10), ':')
	b = append(b, text...)
	if neg {
		b[0] = 'n'
		complement(b[1:])
		b = append(b, '~')
	}
	return string(b)
}

// plainDecimal is the canonical text again; false for a text that is none of
// ours.
func plainDecimal(sortable string) (string, bool) {
	if len(sortable) < 5 || sortable[3] != ':' {
		return "", false
	}
	switch sortable[0] {
	case 'p':
		return strings.Clone(sortable[4:]), true
	case 'n':
		if len(sortable) < 6 || sortable[len(sortable)-1] != '~' {
			return "", false
		}
		b := []byte("-" + sortable[4:len(sortable)-1])
		complement(b[1:])
		return string(b), true
	}
	return "", false
}

func complement(b []byte) {
	for i, c := range b {
		if c-'0' <= 9 {
			b[i] = '9' - (c - '0')
		}
	}
}
