package parse

import (
	"regexp"
	"strings"
)

// The literals that begin with a digit or a sign, and GUIDs, are told apart by
// their form. The expressions are anchored and without nested repetition.
var (
	guidForm     = regexp.MustCompile(`^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}`)
	dateForm     = regexp.MustCompile(`^-?(?:0[0-9]{3}|[1-9][0-9]{3,8})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])`)
	timeForm     = regexp.MustCompile(`^(?:[01][0-9]|2[0-3]):[0-5][0-9](?::(?:[0-5][0-9]|60)(?:\.[0-9]{1,12})?)?`)
	zoneForm     = regexp.MustCompile(`^(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])`)
	numberForm   = regexp.MustCompile(`^[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?`)
	durationForm = regexp.MustCompile(`^-?P(?:[0-9]+D)?(?:T(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+(?:\.[0-9]+)?S)?)?$`)
	binaryForm   = regexp.MustCompile(`^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048]=?|[A-Za-z0-9_-][AQgw](?:==)?)?$`)
	enumForm     = regexp.MustCompile(`^(?:[A-Za-z_][A-Za-z0-9_]{0,127}|[+-]?[0-9]{1,19})(?:,(?:[A-Za-z_][A-Za-z0-9_]{0,127}|[+-]?[0-9]{1,19}))*$`)
)

// continues reports whether a name or number would go on at c: then a literal
// that seems to end there is none.
func continues(c byte) bool { return letter(c) || digit(c) || c >= 0x80 }

// number reads what begins with a digit or a sign: a number, a date, a time of
// day or a GUID. It returns nil if the text has none of these forms.
func (p *parser) digits() *Literal {
	rest := p.s[p.i:]
	if g := guidForm.FindString(rest); g != "" {
		return p.literal(GUID, g)
	}
	if d := dateForm.FindString(rest); d != "" {
		if c := at(rest, len(d)); c != 'T' && c != 't' {
			return p.literal(Date, d)
		}
		t := timeForm.FindString(rest[len(d)+1:])
		z := ""
		if t != "" {
			z = zoneForm.FindString(rest[len(d)+1+len(t):])
		}
		if z == "" {
			p.i += len(d)
			p.fail("a time must follow, with Z or an offset such as +01:00 (%2B01:00 in a URL)")
		}
		return p.literal(DateTimeOffset, rest[:len(d)+1+len(t)+len(z)])
	}
	if t := timeForm.FindString(rest); t != "" {
		return p.literal(TimeOfDay, t)
	}
	if strings.HasPrefix(rest, "-INF") {
		return p.literal(Number, "-INF")
	}
	if n := numberForm.FindString(rest); n != "" {
		if len(n) > 350 {
			p.fail("the number is too long")
		}
		return p.literal(Number, n)
	}
	return nil
}

func at(s string, i int) byte {
	if i < len(s) {
		return s[i]
	}
	return 0
}

func (p *parser) literal(k Kind, text string) *Literal {
	if continues(at(p.s, p.i+len(text))) {
		p.i += len(text)
		p.fail("the literal does not end here")
	}
	p.i += len(text)
	if p.at(0) == '.' && (k == Number || k == GUID) {
		p.fail("the literal does not end here")
	}
	return &Literal{Kind: k, Text: text}
}

// text reads a string in single quotes; two of them are one.
func (p *parser) text() string {
	from := p.i
	p.expect('\'')
	start, doubled := p.i, false
	for !p.end() {
		if p.s[p.i] == '\'' {
			if p.at(1) != '\'' {
				s := p.s[start:p.i]
				p.i++
				if doubled {
					s = strings.ReplaceAll(s, "''", "'")
				}
				return s
			}
			doubled = true
			p.i++
		}
		p.i++
	}
	p.i = from
	p.fail("the string has no end")
	return ""
}

// prefixed reads a literal with a type before its quote: duration'…', binary'…',
// geography'…', geometry'…' or Namespace.Enum'…'. name is what stands before it.
func (p *parser) prefixed(name string) *Literal {
	from := p.i
	text := p.text()
	l := &Literal{Text: text}
	ok := true
	switch strings.ToLower(name) {
	case "duration":
		l.Kind, ok = Duration, isDuration(text)
	case "binary":
		l.Kind, ok = Binary, binaryForm.MatchString(text)
	case "geography", "geometry":
		l.Kind, l.Type, ok = Geo, strings.ToLower(name), isGeo(text)
	default:
		if !strings.Contains(name, ".") {
			p.i = from
			p.fail("a value of an enumeration has the type's qualified name before it")
		}
		l.Kind, l.Type, ok = Enum, name, enumForm.MatchString(text)
	}
	if !ok {
		p.i = from
		p.fail("the value between the quotes has not the form of its type")
	}
	return l
}

// isDuration asks for at least one part behind P, and behind T.
func isDuration(s string) bool {
	return durationForm.MatchString(s) && !strings.HasSuffix(s, "P") && !strings.HasSuffix(s, "T")
}

// geo literals: the grammar's shapes over lists of positions in parentheses.
var (
	geoHead  = regexp.MustCompile(`^SRID=[0-9]{1,5};`)
	geoShape = regexp.MustCompile(`^(?:Point|LineString|Polygon|MultiPoint|MultiLineString|MultiPolygon|GeometryCollection)\(`)
	position = regexp.MustCompile(`^[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?: [+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?){1,3}`)
)

// isGeo checks the outline of a spatial literal: nothing behind this parser can
// use its inner structure.
func isGeo(s string) bool {
	head := geoHead.FindString(s)
	if head == "" {
		return false
	}
	s = s[len(head):]
	shape := geoShape.FindString(s)
	if shape == "" {
		return false
	}
	open, depth := s[len(shape):], 1
	points := shape == "Point(" || shape == "LineString("
	wantItem := true
	for open != "" {
		switch c := open[0]; {
		case c == '(' && wantItem && !points && depth < 5:
			depth, open = depth+1, open[1:]
		case c == ')':
			if wantItem && (points || shape == "Polygon(") {
				return false
			}
			depth, open, wantItem = depth-1, open[1:], false
			if depth == 0 {
				return open == ""
			}
		case c == ',' && !wantItem:
			open, wantItem = open[1:], true
		case wantItem:
			n := position.FindString(open)
			if n == "" {
				n = geoShape.FindString(open)
				if n == "" || shape != "GeometryCollection(" {
					return false
				}
				depth, open = depth+1, open[len(n):]
				continue
			}
			open, wantItem = open[len(n):], false
		default:
			return false
		}
	}
	return false
}
