package hsqldb

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/octomesh/octomesh/pkg/store/sqldb"
)

// kinds are the SQLSTATEs of HSQLDB that mean something to us
// (org/hsqldb/resources/sql-state-messages.properties of the server).
var kinds = map[string]sqldb.Kind{
	"23505": sqldb.Unique,
	"23502": sqldb.NotNull,
	"23503": sqldb.ForeignKey, "23504": sqldb.ForeignKey,
	"23513": sqldb.Rule, "22018": sqldb.Rule, "22007": sqldb.OutOfRange,
	"22001": sqldb.TooLong,
	"22003": sqldb.OutOfRange, "22008": sqldb.OutOfRange,
	"40001": sqldb.Again, "40502": sqldb.Again, "HYT00": sqldb.Again,
	"28000": sqldb.Denied, "28501": sqldb.Denied, "42501": sqldb.Other,
	// A statement that DDL of another session outdated between its first row and
	// its compilation: another connection compiles it anew.
	"07502": sqldb.Lost,
	"08003": sqldb.Lost, "08006": sqldb.Lost, "08503": sqldb.Lost,
	"08001": sqldb.Refused, "08004": sqldb.Denied, "3D000": sqldb.NoDatabase,
	"25006": sqldb.ReadOnly, "25503": sqldb.ReadOnly, "25504": sqldb.ReadOnly, "45027": sqldb.ReadOnly,
	"53200": sqldb.TooLarge,
}

// classify tells what an error of the server means.
func classify(err error) sqldb.Problem {
	var refused *pgconn.ConnectError
	var e *pgconn.PgError
	switch {
	case errors.Is(err, errLong):
		return sqldb.Problem{Kind: sqldb.TooLong}
	case errors.As(err, &e):
	case errors.As(err, &refused):
		return sqldb.Problem{Kind: sqldb.Refused}
	case strings.Contains(err.Error(), "conn closed"), strings.Contains(err.Error(), "conn busy"):
		return sqldb.Problem{Kind: sqldb.Lost}
	default:
		return sqldb.Problem{}
	}
	p := sqldb.Problem{Kind: kinds[e.Code]}
	switch {
	case p.Kind == sqldb.Unique:
		p.Index = indexOf(e.Message)
	case p.Kind == sqldb.NotNull || p.Kind == sqldb.TooLong || p.Kind == sqldb.OutOfRange:
		p.Column = named(e.Message, "column: ")
	case e.Code == "XX000" && strings.HasPrefix(e.Message, "Typing failure"): // a value as text
		p.Kind = sqldb.OutOfRange
	}
	return p
}

// indexOf finds the index in "… unique constraint or index violation: "x"" or
// "… index violation ; SYS_PK_1 table: "t"".
func indexOf(message string) string {
	if strings.Contains(message, "SYS_PK_") {
		return "PRIMARY"
	}
	if index := named(message, "index violation: "); index != "" {
		return index
	}
	return named(message, "index violation ; ")
}

// named is the quoted or bare name behind a word.
func named(message, word string) string {
	_, rest, ok := strings.Cut(message, word)
	if !ok {
		return ""
	}
	if rest != "" && rest[0] == '"' {
		name, _, _ := strings.Cut(rest[1:], `"`)
		return name
	}
	name, _, _ := strings.Cut(rest, " ")
	return name
}
