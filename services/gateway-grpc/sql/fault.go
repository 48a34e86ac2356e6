package sql

import (
	"strconv"
	"unicode/utf8"

	"github.com/dolthub/vitess/go/vt/sqlparser"

	"github.com/octomesh/octomesh/pkg/fault"
)

// supported is what a refusal says there is.
const supported = "supported is one SELECT of fields, literals and COUNT, SUM, AVG, MIN, MAX, FROM an entity with INNER and LEFT JOIN along its relations, " +
	"WHERE, GROUP BY, HAVING, ORDER BY, LIMIT and OFFSET (docs/sql.md)"

func invalid(format string, args ...any) error {
	return fault.New(fault.InvalidRequest, format, args...)
}

// beyond refuses what is well-formed SQL and not of the subset.
func beyond(what string) error {
	return invalid("%s is not supported; %s", what, supported)
}

// show is a part of the statement for a message.
func show(n sqlparser.SQLNode) string { return clip(sqlparser.String(n)) }

// clip keeps text of the caller short.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return s
}

func quote(s string) string { return strconv.Quote(clip(s)) }
