package parse

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/octomesh/octomesh/pkg/fault"
)

// names of the system query options. Their first character may be $ or not, and
// case does not matter; two tokens need the $.
var names = map[string]Given{
	"filter": GivenFilter, "search": GivenSearch, "orderby": GivenOrderBy, "select": GivenSelect, "expand": GivenExpand,
	"compute": GivenCompute, "apply": GivenApply, "top": GivenTop, "skip": GivenSkip, "count": GivenCount, "index": GivenIndex,
	"levels": GivenLevels, "format": GivenFormat, "id": GivenID, "schemaversion": GivenSchemaVersion,
	"$skiptoken": GivenSkipToken, "$deltatoken": GivenDeltaToken,
}

// lookup returns the option of that name, 0 if it is none of the standard's.
func lookup(name string) Given {
	lower := strings.ToLower(name)
	if g, ok := names[lower]; ok {
		return g
	}
	if strings.HasPrefix(lower, "$") {
		return names[lower[1:]]
	}
	return 0
}

// maxQuery bounds the text of all options, in bytes.
const maxQuery = 64 << 10

// Query parses the query string of a request, as it stands in the URL.
// Errors: INVALID_FILTER with details {path, reason, offset}, INVALID_REQUEST
// for what is no query string.
func Query(raw string, l Limits) (o *Options, err error) {
	defer recovered(&err)
	o = newOptions()
	if len(raw) > maxQuery {
		return nil, fault.New(fault.InvalidFilter, "the query options are longer than %d bytes", maxQuery)
	}
	b := &budget{Limits: l}
	for raw != "" {
		part := raw
		if i := strings.IndexByte(raw, '&'); i >= 0 {
			part, raw = raw[:i], raw[i+1:]
		} else {
			raw = ""
		}
		if part == "" {
			continue
		}
		name, value, there := strings.Cut(part, "=")
		if name, err = decode(name); err == nil {
			value, err = decode(value)
		}
		if err != nil {
			return nil, err
		}
		if err = o.add(name, value, there, b); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// Expression parses a text that is an expression and nothing else, such as the
// condition of a path's /$filter(…).
func Expression(text string, l Limits) (x Expr, err error) {
	defer recovered(&err)
	p := &parser{s: text, limits: &budget{Limits: l}}
	x = p.expression(0)
	p.whole()
	return x, nil
}

func newOptions() *Options { return &Options{Top: -1, Skip: -1} }

var errEscape = fault.New(fault.InvalidRequest, "the query string must be valid UTF-8, percent-encoded where RFC 3986 asks for it, without control characters")

// decode undoes percent-encoding. A plus sign is a blank, as in forms: many
// clients encode so, and the grammar wants a plus sign as %2B.
func decode(s string) (string, error) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(s) || !hex(s[i+1]) || !hex(s[i+2]) {
				return "", errEscape
			}
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		}
		if c < 0x20 && c != '\t' || c == 0x7f {
			if c != '\n' && c != '\r' {
				return "", errEscape
			}
		}
		b = append(b, c)
	}
	if !utf8.Valid(b) {
		return "", errEscape
	}
	return string(b), nil
}

func unhex(c byte) byte {
	if digit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

func (o *Options) add(name, value string, there bool, b *budget) error {
	if g := lookup(name); g != 0 {
		if !there {
			return fault.New(fault.InvalidFilter, "%s needs a value", clip(name))
		}
		p := &parser{s: value, limits: b, option: "$" + strings.TrimPrefix(strings.ToLower(name), "$")}
		p.value(o, g)
		p.whole()
		return nil
	}
	switch {
	case strings.HasPrefix(name, "$"):
		return fault.New(fault.InvalidFilter, "there is no query option %s", clip(name))
	case strings.HasPrefix(name, "@"):
		p := &parser{s: name, i: 1, limits: b, option: clip(name)}
		alias := p.identifier()
		p.whole()
		if _, twice := o.Aliases[alias]; twice {
			p.fail("the alias is given twice")
		}
		if len(o.Aliases) == 64 {
			p.fail("there are too many aliases")
		}
		p.s, p.i = value, 0
		if o.Aliases == nil {
			o.Aliases = map[string]Expr{}
		}
		o.Aliases[alias] = p.expression(0)
		p.whole()
	case name == "":
		return fault.New(fault.InvalidRequest, "a query option has no name")
	default:
		if len(o.Custom) == 64 {
			return fault.New(fault.InvalidRequest, "there are too many query options")
		}
		o.Custom = append(o.Custom, Param{name, value})
	}
	return nil
}

func clip(s string) string {
	if len(s) > 64 {
		s = strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

// whole asks that the text ends here.
func (p *parser) whole() {
	if !p.end() {
		p.fail("there is more than can be understood")
	}
}

// options reads (option;option;…), of which only those in allowed may be there.
func (p *parser) options(allowed Given) *Options {
	p.enter()
	defer p.leave()
	p.within++
	defer func() { p.within-- }()
	o := newOptions()
	p.expect('(')
	for {
		p.skip()
		from := p.i
		if p.take('@') {
			name := p.identifier()
			p.expect('=')
			if o.Aliases == nil {
				o.Aliases = map[string]Expr{}
			}
			o.Aliases[name] = p.expression(0)
		} else {
			p.take('$')
			p.identifier()
			name := p.s[from:p.i]
			g := lookup(name)
			if g == 0 || g&allowed == 0 {
				p.i = from
				p.fail("there can be no option " + clip(name) + " here")
			}
			p.expect('=')
			p.value(o, g)
		}
		p.skip()
		if p.take(')') {
			return o
		}
		p.expect(';')
	}
}

// value reads the value of one option.
func (p *parser) value(o *Options, g Given) {
	if o.Given&g != 0 {
		p.fail("the option is given twice")
	}
	o.Given |= g
	switch g {
	case GivenFilter:
		o.Filter = p.expression(0)
	case GivenSearch:
		p.skip()
		o.Search = p.searchExpression()
	case GivenOrderBy:
		o.OrderBy = p.orders()
	case GivenSelect:
		o.Select = p.selects()
	case GivenExpand:
		o.Expand = p.expands()
	case GivenCompute:
		o.Compute = p.computes()
	case GivenApply:
		o.Apply = p.transformations()
	case GivenTop:
		o.Top = p.count()
	case GivenSkip:
		o.Skip = p.count()
	case GivenCount:
		switch {
		case p.word("true"):
			o.Count = true
		case !p.word("false"):
			p.fail("expected true or false")
		}
	case GivenLevels:
		o.Levels = p.levels()
	case GivenIndex:
		from := p.i
		p.take('-')
		p.count()
		o.Index = p.s[from:p.i]
	default:
		p.opaque(o, g)
	}
}

// opaque reads the options whose value is a text.
func (p *parser) opaque(o *Options, g Given) {
	text := p.s[p.i:]
	if text == "" {
		p.fail("expected a value")
	}
	switch g {
	case GivenFormat:
		o.Format = strings.ToLower(text)
		if kind, sub, typed := strings.Cut(text, "/"); typed && (kind == "" || sub == "") || !typed && o.Format != "json" && o.Format != "xml" && o.Format != "atom" {
			p.fail("expected json, xml or a media type")
		}
	case GivenSkipToken:
		o.SkipToken = text
	case GivenDeltaToken:
		o.DeltaToken = text
	case GivenID:
		o.ID = text
	case GivenSchemaVersion:
		if text != "*" && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") != "" {
			p.fail("expected a version")
		}
		o.SchemaVersion = text
	}
	p.i = len(p.s)
}

func (p *parser) count() int64 {
	from := p.i
	for digit(p.at(0)) {
		p.i++
	}
	n, err := strconv.ParseInt(p.s[from:p.i], 10, 64)
	if err != nil {
		p.i = from
		p.fail("expected a whole number from 0")
	}
	return n
}

func (p *parser) levels() int {
	if p.word("max") {
		return -1
	}
	if p.at(0) == '0' {
		p.fail("expected a number from 1, or max")
	}
	n := p.count()
	if n > 1000 {
		n = 1000
	}
	return int(n)
}
