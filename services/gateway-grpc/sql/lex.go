package sql

import (
	"strings"
	"unicode/utf8"

	"github.com/octomesh/octomesh/pkg/fault"
)

// The limits of a statement.
const (
	// MaxLength is how many bytes a statement has at most.
	MaxLength = 64 << 10
	// MaxDepth is how deep parentheses and expressions nest at most.
	MaxDepth = 64
	// maxTokens bounds words, signs and literals.
	maxTokens = 16 << 10
)

// lexer reads a statement once before the parser does. It bounds it, refuses what
// could make two readers see two statements (comments that MySQL executes, a
// second statement, stray bytes), and writes it as the parser's dialect has it:
// comments become blanks, a backslash in a text stands for itself, as standard
// SQL says, the name of the catalog goes, and literals of a type, DATE '…' or
// {d '…'}, whose type the parser would forget, become calls, DATE('…').
type lexer struct {
	in     string
	out    []byte
	at     int
	tokens int
	depth  int
	params int
	// escapes are those of JDBC that are open.
	escapes int
	ended   bool    // a semicolon has come
	typ     int     // where out ends with DATE or TIMESTAMP, the type of a literal; 0 elsewhere
	chain   []piece // the dotted name that is being read
	dot     bool    // the last token was the dot of it
	// owner is the name of the project, which keeps a catalog's name where both
	// are the same.
	owner string
}

// piece is a part of a dotted name: its text and where it stands in out.
type piece struct {
	name     string
	from, to int
}

// Catalog is the name of the one catalog in qualified names: "octomesh".
const Catalog = "octomesh"

// lex returns the statement for the parser and the number of its parameters.
// Errors: INVALID_REQUEST, PAYLOAD_TOO_LARGE.
func lex(text, project string) (string, int, error) {
	if len(text) > MaxLength {
		return "", 0, fault.New(fault.PayloadTooLarge, "a statement has at most %d bytes", MaxLength)
	}
	if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
		return "", 0, invalid("a statement is UTF-8 text without zero bytes")
	}
	l := &lexer{in: text, out: make([]byte, 0, len(text)+8), owner: project}
	for l.at < len(l.in) {
		if err := l.token(); err != nil {
			return "", 0, err
		}
	}
	l.endChain()
	if l.depth > 0 {
		return "", 0, invalid("a parenthesis is not closed")
	}
	if l.escapes > 0 {
		return "", 0, invalid("a { is not closed")
	}
	if l.tokens == 0 {
		return "", 0, invalid("the statement is empty; %s", supported)
	}
	return string(l.out), l.params, nil
}

func (l *lexer) token() error {
	c := l.in[l.at]
	rest := l.in[l.at:]
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
		l.out = append(l.out, ' ')
		l.at++
		return nil
	case strings.HasPrefix(rest, "--"):
		end := strings.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest)
		}
		l.blank(end)
		return nil
	case strings.HasPrefix(rest, "/*"):
		return l.comment(rest)
	case c == '#':
		return l.wrong("a # outside of quotes")
	}
	if l.ended {
		return l.wrong("a second statement; one call runs one SELECT")
	}
	if l.tokens++; l.tokens > maxTokens {
		return fault.New(fault.PayloadTooLarge, "a statement has at most %d words and signs", maxTokens)
	}
	if c == '"' || c == '`' || letter(c) {
		return l.name(c)
	}
	if c == '.' && len(l.chain) > 0 && !l.dot {
		l.dot = true
		l.copy(1)
		return nil
	}
	l.endChain()
	typed := l.typ
	l.typ = 0
	if c == '\'' && typed > 0 {
		l.out = append(l.out[:typed], '(')
		err := l.text()
		l.out = append(l.out, ')')
		return err
	}
	return l.sign(c, rest)
}

func (l *lexer) sign(c byte, rest string) error {
	switch c {
	case '\'':
		return l.text()
	case '(':
		if l.depth++; l.depth > MaxDepth {
			return fault.New(fault.InvalidRequest, "a statement is nested at most %d deep", MaxDepth)
		}
	case ')':
		if l.depth--; l.depth < 0 {
			return l.wrong("a ) without its (")
		}
	case ';':
		l.ended = true
		l.blank(1)
		return nil
	case '?':
		l.params++
	case '{':
		return l.escape(rest)
	case '}':
		if l.escapes--; l.escapes < 0 {
			return l.wrong("a } without its {")
		}
		l.blank(1)
		return nil
	case ':', '@', '\\', '[', ']', '$':
		return l.wrong("the sign " + string(c) + "; parameters are written ?")
	case '|', '&':
		if len(rest) > 1 && rest[1] == c {
			return l.wrong("the operator " + rest[:2])
		}
	}
	if c < ' ' || c >= utf8.RuneSelf {
		return l.wrong("a sign that belongs into quotes")
	}
	if c >= '0' && c <= '9' {
		n := 1
		for n < len(rest) && (letter(rest[n]) || rest[n] >= '0' && rest[n] <= '9') {
			n++
		}
		l.copy(n)
		return nil
	}
	l.copy(1)
	return nil
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

// text copies a text literal. MySQL would read a backslash as an escape.
func (l *lexer) text() error {
	l.out = append(l.out, '\'')
	for i := l.at + 1; i < len(l.in); i++ {
		c := l.in[i]
		l.out = append(l.out, c)
		switch c {
		case '\\':
			l.out = append(l.out, '\\')
		case '\'':
			if i+1 < len(l.in) && l.in[i+1] == '\'' {
				l.out = append(l.out, '\'')
				i++
				continue
			}
			l.at = i + 1
			return nil
		}
	}
	return l.wrong("a text without its closing quote")
}

// name copies a name, quoted or not, and remembers it as a part of a dotted one.
func (l *lexer) name(quote byte) error {
	if len(l.chain) > 0 && !l.dot {
		l.endChain()
	}
	l.dot, l.typ = false, 0
	from, start := len(l.out), l.at
	if letter(quote) {
		for l.at < len(l.in) && (letter(l.in[l.at]) || l.in[l.at] >= '0' && l.in[l.at] <= '9') {
			l.at++
		}
		word := l.in[start:l.at]
		l.out = append(l.out, word...)
		l.chain = append(l.chain, piece{word, from, len(l.out)})
		if len(l.chain) == 1 && (strings.EqualFold(word, "date") || strings.EqualFold(word, "timestamp")) {
			l.typ = len(l.out)
		}
		return nil
	}
	for i := start + 1; i < len(l.in); i++ {
		if l.in[i] != quote {
			continue
		}
		if i+1 < len(l.in) && l.in[i+1] == quote {
			i++
			continue
		}
		l.at = i + 1
		quoted := l.in[start:l.at]
		if len(quoted) == 2 {
			return l.wrong("an empty name in quotes")
		}
		l.out = append(l.out, quoted...)
		l.chain = append(l.chain, piece{quoted[1 : len(quoted)-1], from, len(l.out)})
		return nil
	}
	l.at = start
	return l.wrong("a quoted name without its closing quote")
}

// endChain takes the catalog off a dotted name that has it: the parser's names
// have two parts for a table and three for a column.
func (l *lexer) endChain() {
	c := l.chain
	l.chain, l.dot = c[:0], false
	if len(c) < 3 || !strings.EqualFold(c[0].name, Catalog) {
		return
	}
	if strings.EqualFold(l.owner, Catalog) && len(c) == 3 && !strings.EqualFold(c[1].name, Catalog) {
		return // project, entity and field
	}
	for i := c[0].from; i < c[1].from; i++ {
		l.out[i] = ' '
	}
}

// escape makes literals with a type of JDBC's escapes for dates and times.
func (l *lexer) escape(rest string) error {
	word := strings.TrimLeft(rest[1:], " ")
	for _, of := range [...]struct{ kind, name string }{{"ts", "timestamp"}, {"d", "date"}} {
		n := len(of.kind)
		if len(word) < n || !strings.EqualFold(word[:n], of.kind) {
			continue
		}
		if after := strings.TrimLeft(word[n:], " "); strings.HasPrefix(after, "'") {
			l.at += len(rest) - len(after)
			l.out = append(l.out, of.name...)
			l.typ = len(l.out)
			l.escapes++
			return nil
		}
	}
	return l.wrong("an escape of JDBC other than {ts '…'} and {d '…'}")
}

// comment makes a comment blank. What MySQL reads as a hint, or executes, is no
// comment to its parser.
func (l *lexer) comment(rest string) error {
	if strings.HasPrefix(rest, "/*!") || strings.HasPrefix(rest, "/*+") {
		return l.wrong("a comment that is a hint")
	}
	end := strings.Index(rest[2:], "*/")
	if end < 0 {
		return l.wrong("a comment without its end")
	}
	l.blank(end + 4)
	return nil
}

func (l *lexer) copy(n int) {
	l.out = append(l.out, l.in[l.at:l.at+n]...)
	l.at += n
}

func (l *lexer) blank(n int) {
	for range n {
		l.out = append(l.out, ' ')
	}
	l.at += n
}

func (l *lexer) wrong(found string) error {
	return invalid("at byte %d: %s", l.at+1, found)
}
