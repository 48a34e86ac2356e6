package sqlite

import (
	"context"
	"errors"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// classify turns an error of the engine into a fault (the codes are listed at
// https://www.sqlite.org/rescode.html). e is the entity at work, whose record
// keys a violated constraint is told by; it may be nil.
func classify(err error, e *schema.Entity) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	code := sqlite.ErrCode(err)
	switch code {
	case sqlite.ResultConstraintUnique, sqlite.ResultConstraintPrimaryKey, sqlite.ResultConstraintRowID:
		return unique(err, e)
	case sqlite.ResultConstraintNotNull:
		keys := keysIn(err, "NOT NULL constraint failed: ", e)
		if len(keys) == 1 {
			return fault.Wrap(err, fault.ValidationError, "%s must not be null in the database", keys[0]).
				With([]map[string]string{{"path": keys[0], "reason": "must not be null"}})
		}
		return fault.Wrap(err, fault.ValidationError, "a value must not be null in the database")
	case sqlite.ResultConstraintForeignKey:
		return fault.Wrap(err, fault.Conflict, "the record is referred to, or refers to one that is not there")
	case sqlite.ResultReadOnlyDBMoved:
		return fault.Wrap(err, fault.DBNotConnected, "the database file was moved or deleted while in use; restart the service")
	}
	switch code.ToPrimary() {
	case sqlite.ResultConstraint:
		return fault.Wrap(err, fault.ValidationError, "a rule of the database refuses the value")
	case sqlite.ResultBusy, sqlite.ResultLocked:
		return fault.Wrap(err, fault.Overloaded, "another program holds the database; try again").After(time.Second)
	case sqlite.ResultNoMem:
		return fault.Wrap(err, fault.Overloaded, "there is not enough memory for the statement; try again").After(time.Second)
	case sqlite.ResultInterrupt:
		return fault.Wrap(err, fault.Cancelled, "the read was cancelled")
	case sqlite.ResultFull:
		return fault.Wrap(err, fault.DBNotConnected, "the disk of the database is full; free some space")
	case sqlite.ResultReadOnly:
		return fault.Wrap(err, fault.DBNotConnected, "the database file can only be read; give the service the right to write the file and its folder")
	case sqlite.ResultCantOpen, sqlite.ResultPerm, sqlite.ResultAuth:
		return fault.Wrap(err, fault.DBNotConnected, "the database file can't be opened; check that its folder exists and may be written")
	case sqlite.ResultIOErr, sqlite.ResultProtocol, sqlite.ResultNoLFS:
		return fault.Wrap(err, fault.DBNotConnected, "the database file can't be read or written; check the disk")
	case sqlite.ResultNotADB:
		return fault.Wrap(err, fault.DBNotConnected, "the file is no SQLite database; choose another path")
	case sqlite.ResultCorrupt:
		return fault.Wrap(err, fault.Internal, "the database file is damaged; restore it from a backup")
	case sqlite.ResultTooBig:
		return fault.Wrap(err, fault.PayloadTooLarge, "a value is larger than the database can keep")
	}
	return fault.Wrap(err, fault.Internal, "the database could not run the statement")
}

// unique tells which record keys hold a value that is taken.
func unique(err error, e *schema.Entity) error {
	const says = "UNIQUE constraint failed: "
	if strings.Contains(err.Error(), says+sqlgen.ChangesTable+".principal") || strings.Contains(err.Error(), says+sqlgen.RepliesTable) {
		return fault.Wrap(errors.Join(driver.ErrReplay, err), fault.Conflict, "the idempotency key was used meanwhile; send the request again")
	}
	keys := keysIn(err, says, e)
	switch len(keys) {
	case 0:
		return fault.Wrap(err, fault.Conflict, "a unique value is taken")
	case 1:
		return fault.Wrap(err, fault.Conflict, "the value of %s is taken", keys[0]).With(keys)
	}
	return fault.Wrap(err, fault.Conflict, "the values of %s are taken together", strings.Join(keys, ", ")).With(keys)
}

// keysIn finds the record keys of the columns that a message of the engine
// names behind says, as "table.column, table.column".
func keysIn(err error, says string, e *schema.Entity) []string {
	_, list, ok := strings.Cut(err.Error(), says)
	if !ok || e == nil {
		return nil
	}
	var keys []string
	for name := range strings.SplitSeq(list, ", ") {
		name = strings.TrimPrefix(name, e.Collection+".")
		for _, c := range e.Columns {
			if c.Physical == name && !c.Hidden {
				keys = append(keys, c.Name)
			}
		}
	}
	return keys
}
