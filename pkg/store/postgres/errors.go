package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

var (
	errTooLarge = fault.New(fault.PayloadTooLarge, "what the write reads is larger than %d MB: let it touch fewer records", most>>20)
	errMissing  = errors.New("postgres: an answer is missing")
)

// The codes of errors that are acted upon
// (https://www.postgresql.org/docs/current/errcodes-appendix.html).
const (
	uniqueViolation      = "23505"
	outOfRange           = "22003"
	divisionByZero       = "22012"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	completionUnknown    = "40003"
)

// coded returns the server's error in err; nil if there is none.
func coded(err error) *pgconn.PgError {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e
	}
	return nil
}

func hasCode(err error, codes ...string) bool {
	e := coded(err)
	if e == nil {
		return false
	}
	for _, c := range codes {
		if e.Code == c {
			return true
		}
	}
	return false
}

// stale reports whether what the session has prepared no longer holds: tables
// have changed, or somebody between us and the server has taken it away.
func stale(err error) bool {
	e := coded(err)
	return e != nil && (e.Code == "26000" || e.Code == "0A000" && strings.Contains(e.Routine, "RevalidateCachedQuery"))
}

// lost reports whether the server has ended the connection, or is about to.
func lost(err error) bool {
	e := coded(err)
	return e != nil && (strings.HasPrefix(e.Code, "57P0") || strings.HasPrefix(e.Code, "08") || e.Code == completionUnknown)
}

// unreachable is the fault of a failed connect.
func unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if e := coded(err); e != nil {
		switch e.Code {
		case "28P01", "28000":
			return fault.Wrap(err, fault.DBNotConnected, "the database refuses the user or the password; correct the address of the database")
		case "3D000":
			return fault.Wrap(err, fault.DBNotConnected, "the server has no such database; create it, or correct the address of the database")
		case "53300":
			return fault.Wrap(err, fault.Overloaded, "the database has no connection left; try again, or raise its max_connections").After(time.Second)
		case "42704", "22023":
			return fault.Wrap(err, fault.DBNotConnected, "the database does not know a setting of its address; correct the parameters of the address")
		case "57P03", "57P01", "57P02":
			return fault.Wrap(err, fault.DBNotConnected, "the database is starting or stopping; try again").After(time.Second)
		}
		return fault.Wrap(err, fault.DBNotConnected, "the database refuses the connection; check its address and its log")
	}
	return fault.Wrap(err, fault.DBNotConnected, "the database can't be reached; check that it runs and its address").After(time.Second)
}

// unknown is the fault of a commit whose answer did not come.
func unknown(err error) error {
	return fault.Wrap(err, fault.Timeout, "the database was lost while it stored the change, which may have been done: look before you repeat it (a request with an idempotency key can simply be sent again)")
}

// classify turns an error of the server or the connection into a fault. e is the
// entity at work, whose record keys a violated constraint is told by; it may be
// nil.
func classify(err error, e *schema.Entity) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	p := coded(err)
	if p == nil {
		var network net.Error
		if errors.As(err, &network) && network.Timeout() {
			return fault.Wrap(err, fault.DBNotConnected, "the database does not answer; check it and the network").After(time.Second)
		}
		if errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
			return fault.Wrap(err, fault.DBNotConnected, "the connection to the database was lost; try again").After(time.Second)
		}
		return fault.Wrap(err, fault.Internal, "the database could not run the statement")
	}
	switch p.Code {
	case uniqueViolation:
		return unique(err, p, e)
	case "23502":
		return notNull(err, p, e)
	case "23503", "23001":
		return fault.Wrap(err, fault.Conflict, "the record is referred to, or refers to one that is not there")
	case "22001":
		return fault.Wrap(err, fault.ValidationError, "a text is longer than its column in the database")
	case outOfRange, "22008":
		return fault.Wrap(err, fault.ValidationError, "a number or a date is beyond what its column in the database holds")
	case "22P02", "22007", "22021", "22P05":
		return fault.Wrap(err, fault.ValidationError, "a value does not fit its column in the database")
	case "2201B":
		return fault.Wrap(err, fault.InvalidFilter, "the pattern is too much for the database: make it simpler")
	case serializationFailure, deadlockDetected:
		return fault.Wrap(err, fault.Overloaded, "too many writes met at the same records; nothing was executed; try again").After(100 * time.Millisecond)
	case "55P03":
		return fault.Wrap(err, fault.Overloaded, "another program holds the table; try again").After(time.Second)
	case "57014":
		return fault.Wrap(err, fault.Timeout, "the database did not finish the statement in its time: narrow it down, or add an index")
	case "25P03", "25P04", "57P05":
		return fault.Wrap(err, fault.Timeout, "the transaction took too long between its statements; nothing was executed").After(time.Second)
	case "53100":
		return fault.Wrap(err, fault.DBNotConnected, "the disk of the database is full; free some space")
	case "53200":
		return fault.Wrap(err, fault.Overloaded, "the database has no memory for the statement; try again").After(time.Second)
	case "54000", "54001", "54011":
		return fault.Wrap(err, fault.InvalidFilter, "the request is too large for the database: make it smaller")
	case "25006":
		return fault.Wrap(err, fault.DBNotConnected, "the database can only be read; let the address name the primary server")
	case "42501":
		return fault.Wrap(err, fault.DBNotConnected, "the database user may not do this; give it the rights on the schema and its tables")
	case "42P01", "42703":
		return fault.Wrap(err, fault.DBNotConnected, "a table or column is missing in the database: another program has changed it; restart the service")
	}
	switch p.Code[:min(2, len(p.Code))] {
	case "57", "08":
		return fault.Wrap(err, fault.DBNotConnected, "the database is restarting; try again").After(time.Second)
	case "53":
		return fault.Wrap(err, fault.Overloaded, "the database lacks resources; try again").After(time.Second)
	case "58":
		return fault.Wrap(err, fault.DBNotConnected, "the database can't read or write its files; check its disk")
	case "XX":
		return fault.Wrap(err, fault.Internal, "the database reports damage; see its log")
	case "23":
		return fault.Wrap(err, fault.ValidationError, "a rule of the database refuses the value")
	}
	return fault.Wrap(err, fault.Internal, "the database could not run the statement")
}

func notNull(err error, p *pgconn.PgError, e *schema.Entity) error {
	if keys := keysOf(e, []string{p.ColumnName}); len(keys) == 1 {
		return fault.Wrap(err, fault.ValidationError, "%s must not be null in the database", keys[0]).
			With([]map[string]string{{"path": keys[0], "reason": "must not be null"}})
	}
	return fault.Wrap(err, fault.ValidationError, "a value must not be null in the database")
}

// unique tells which record keys hold a value that is taken.
func unique(err error, p *pgconn.PgError, e *schema.Entity) error {
	if p.TableName == sqlgen.RepliesTable || p.TableName == sqlgen.ChangesTable && !strings.HasSuffix(p.ConstraintName, "_pkey") {
		return fault.Wrap(errors.Join(driver.ErrReplay, err), fault.Conflict, "the idempotency key was used meanwhile; send the request again")
	}
	keys := keysOf(e, columnsIn(p.Detail))
	switch len(keys) {
	case 0:
		return fault.Wrap(err, fault.Conflict, "a unique value is taken")
	case 1:
		return fault.Wrap(err, fault.Conflict, "the value of %s is taken", keys[0]).With(keys)
	}
	return fault.Wrap(err, fault.Conflict, "the values of %s are taken together", strings.Join(keys, ", ")).With(keys)
}

// columnsIn reads the columns of a detail such as: Key (a, "B")=(1, x) already
// exists. In any language the columns stand in the first parentheses.
func columnsIn(detail string) []string {
	_, list, ok := strings.Cut(detail, "(")
	if !ok {
		return nil
	}
	if i := strings.Index(list, ")=("); i >= 0 {
		list = list[:i]
	}
	names := strings.Split(list, ", ")
	for i, n := range names {
		if len(n) > 1 && n[0] == '"' && n[len(n)-1] == '"' {
			names[i] = strings.ReplaceAll(n[1:len(n)-1], `""`, `"`)
		}
	}
	return names
}

// keysOf finds the record keys of columns, but not hidden ones.
func keysOf(e *schema.Entity, columns []string) []string {
	if e == nil {
		return nil
	}
	var keys []string
	for _, name := range columns {
		for _, c := range e.Columns {
			if c.Physical == name && !c.Hidden {
				keys = append(keys, c.Name)
			}
		}
	}
	return keys
}
