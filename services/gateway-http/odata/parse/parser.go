package parse

import (
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
)

// Limits bound what one request may ask to be parsed. The translator and the
// worker have limits of their own, which are lower for most.
type Limits struct {
	Depth int // nesting of expressions, parentheses, lambdas and options
	Nodes int // nodes of all expressions together, members of lists not counted
	List  int // members of one list
	Items int // items of $select, $expand, $orderby, $apply and $compute together
}

// DefaultLimits are the limits in force.
var DefaultLimits = Limits{Depth: 32, Nodes: 500, List: 1000, Items: 500}

// parser walks over one option's text, decoded.
type parser struct {
	s      string
	i      int
	limits *budget
	option string // for messages
	within int    // the options in parentheses that are open
}

// budget is what is left of the limits; all options of a request share it.
type budget struct {
	Limits
	depth int
}

// problem ends parsing; it is thrown and caught in this package alone.
type problem struct{ err *fault.Error }

// fail ends parsing at the present place.
func (p *parser) fail(reason string) {
	where := ""
	if p.option != "" {
		where = p.option + ": "
	}
	panic(problem{fault.New(fault.InvalidFilter, "%s%s, at character %d", where, reason, len([]rune(p.s[:p.i]))+1).
		With(map[string]any{"path": p.option, "reason": reason, "offset": p.i})})
}

// recovered turns a problem into an error.
func recovered(err *error) {
	switch r := recover().(type) {
	case nil:
	case problem:
		*err = r.err
	default:
		panic(r)
	}
}

func (p *parser) enter() {
	if p.limits.depth++; p.limits.depth > p.limits.Depth {
		p.fail("it is nested too deep")
	}
}

func (p *parser) leave() { p.limits.depth-- }

func (p *parser) node() {
	if p.limits.Nodes--; p.limits.Nodes < 0 {
		p.fail("there are too many conditions and terms in one request")
	}
}

func (p *parser) item() {
	if p.limits.Items--; p.limits.Items < 0 {
		p.fail("there are too many items in one request")
	}
}

func (p *parser) end() bool { return p.i >= len(p.s) }

// at returns the byte k places ahead, 0 behind the end.
func (p *parser) at(k int) byte {
	if p.i+k < len(p.s) {
		return p.s[p.i+k]
	}
	return 0
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// skip passes over blanks (BWS) and reports whether there were any.
func (p *parser) skip() bool {
	from := p.i
	for blank(p.at(0)) {
		p.i++
	}
	return p.i > from
}

// take passes over the byte c if it is next.
func (p *parser) take(c byte) bool {
	if p.at(0) == c && !p.end() {
		p.i++
		return true
	}
	return false
}

func (p *parser) expect(c byte) {
	if !p.take(c) {
		if p.end() {
			p.fail("expected " + quoted(c) + ", but the text ends")
		}
		p.fail("expected " + quoted(c))
	}
}

func quoted(c byte) string { return "'" + string(rune(c)) + "'" }

// comma passes over a comma with blanks around it.
func (p *parser) comma() bool {
	from := p.i
	p.skip()
	if p.take(',') {
		p.skip()
		return true
	}
	p.i = from
	return false
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

func hex(c byte) bool { return digit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

// peekIdentifier returns the odataIdentifier that is next, "" if none is. Letters
// beyond ASCII are none: no name of a schema has them.
func (p *parser) peekIdentifier() string {
	if !letter(p.at(0)) {
		return ""
	}
	end := p.i + 1
	for end < len(p.s) && (letter(p.s[end]) || digit(p.s[end])) {
		end++
	}
	return p.s[p.i:end]
}

// identifier passes over an odataIdentifier of at most 128 characters.
func (p *parser) identifier() string {
	name := p.peekIdentifier()
	if name == "" {
		p.fail("expected a name")
	}
	if len(name) > 128 {
		p.fail("a name has at most 128 characters")
	}
	p.i += len(name)
	return name
}

// qualified passes over a name that may have a namespace.
func (p *parser) qualified() string {
	from := p.i
	p.identifier()
	for p.at(0) == '.' && letter(p.at(1)) {
		p.i++
		p.identifier()
	}
	return p.s[from:p.i]
}

// word passes over a keyword, whatever its case, if no name goes on behind it.
func (p *parser) word(w string) bool {
	if len(p.s)-p.i < len(w) || !strings.EqualFold(p.s[p.i:p.i+len(w)], w) {
		return false
	}
	if c := p.at(len(w)); letter(c) || digit(c) {
		return false
	}
	p.i += len(w)
	return true
}

// exact is word in one case alone.
func (p *parser) exact(w string) bool {
	if !strings.HasPrefix(p.s[p.i:], w) {
		return false
	}
	if c := p.at(len(w)); letter(c) || digit(c) {
		return false
	}
	p.i += len(w)
	return true
}
