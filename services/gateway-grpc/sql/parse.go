package sql

import (
	"context"
	"strconv"
	"strings"

	"github.com/dolthub/vitess/go/vt/sqlparser"
	"github.com/dolthub/vitess/go/vt/vterrors"

	"github.com/octomesh/octomesh/pkg/fault"
)

// parse reads a statement. The parser takes some 0.5 µs a byte of the worst
// statements that lex lets through, and is safe for concurrent use: what it
// shares is a pool. Its panics become errors here.
// Errors: INVALID_REQUEST, PAYLOAD_TOO_LARGE.
func parse(text, project string) (sel *sqlparser.Select, params int, err error) {
	clean, params, err := lex(text, project)
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if r := recover(); r != nil {
			sel, err = nil, invalid("the statement could not be read; %s", supported)
		}
	}()
	tree, err := sqlparser.ParseWithOptions(context.Background(), clean, sqlparser.ParserOptions{AnsiQuotes: true})
	if err != nil {
		return nil, 0, syntax(err, clean)
	}
	sel, err = one(tree)
	return sel, params, err
}

// one returns the plain SELECT that a statement is.
func one(tree sqlparser.Statement) (*sqlparser.Select, error) {
	switch s := tree.(type) {
	case *sqlparser.Select:
		return s, plain(s)
	case *sqlparser.ParenSelect:
		return one(s.Select)
	case *sqlparser.SetOp:
		return nil, beyond(strings.ToUpper(s.Type))
	case *sqlparser.Insert, *sqlparser.Update, *sqlparser.Delete, *sqlparser.DDL, *sqlparser.AlterTable, *sqlparser.Load, *sqlparser.Call:
		return nil, invalid("SQL only reads here; write through another door. %s", strings.ToUpper(supported[:1])+supported[1:])
	}
	return nil, beyond("this statement")
}

// plain refuses the clauses of a SELECT that are not of the subset.
func plain(s *sqlparser.Select) error {
	switch o := s.QueryOpts; {
	case s.With != nil:
		return beyond("WITH")
	case s.Into != nil:
		return beyond("INTO")
	case s.Lock != "":
		return beyond(strings.ToUpper(strings.TrimSpace(s.Lock)))
	case len(s.Window) > 0:
		return beyond("WINDOW")
	case o.StraightJoinHint || o.SQLCalcFoundRows || o.SQLCache || o.SQLNoCache:
		return beyond("an option of MySQL behind SELECT")
	}
	return nil
}

// syntax is the parser's error in our words: where it stopped, and at which word.
func syntax(err error, text string) error {
	where := ""
	if se, ok := vterrors.AsSyntaxError(err); ok && se.Position > 0 {
		where = " before byte " + strconv.Itoa(min(se.Position, len(text)))
	}
	// The parser tells the word in its message alone.
	if _, word, ok := strings.Cut(strings.TrimSpace(err.Error()), "near '"); ok {
		where += " at " + quote(strings.TrimSuffix(word, "'"))
	}
	return fault.Wrap(err, fault.InvalidRequest, "syntax error%s; a name that is a word of SQL goes into double quotes; %s", where, supported)
}
