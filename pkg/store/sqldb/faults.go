package sqldb

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// again is the cause of the fault of work that the database gave up for
// another's sake: nothing of it happened, it is to be run once more.
var errAgain = errors.New("sqldb: given up for another transaction")

// errBroken is the cause of the fault of a broken connection.
var errBroken = errors.New("sqldb: the connection is broken")

// problem classifies an error of the driver.
func (db *DB) problem(err error) Problem {
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return Problem{Kind: Refused}
	case errors.Is(err, sqldriver.ErrBadConn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.As(err, &dial):
		return Problem{Kind: Lost}
	}
	return db.engine.Classify(err)
}

// classify turns an error of the driver into a fault. e is the entity at work,
// whose record keys a violated constraint is told by; it may be nil.
func (db *DB) classify(err error, e *schema.Entity) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	p := db.problem(err)
	switch p.Kind {
	case Unique:
		return db.taken(err, p, e)
	case NotNull:
		return db.invalid(err, e, p.Column, "must not be null in the database")
	case ForeignKey:
		return fault.Wrap(err, fault.Conflict, "the record is referred to, or refers to one that is not there")
	case Rule:
		return fault.Wrap(err, fault.ValidationError, "a rule of the database refuses the value")
	case TooLong:
		return db.invalid(err, e, p.Column, "is longer than the database can keep in this column")
	case OutOfRange:
		return db.invalid(err, e, p.Column, "is out of the range that the database can keep in this column")
	case TooLarge:
		return fault.Wrap(err, fault.PayloadTooLarge, "the record is larger than the database takes in one statement (max_allowed_packet and its like)")
	case Again:
		return fault.Wrap(errors.Join(errAgain, err), fault.Overloaded, "the records are being changed by others; try again").After(time.Second)
	case Lost:
		return fault.Wrap(errors.Join(errBroken, err), fault.DBNotConnected, "the connection to the database broke; try again").After(time.Second)
	case Refused:
		return fault.Wrap(err, fault.DBNotConnected, "the database does not answer; check that it runs and that the address is right").After(time.Second)
	case Denied:
		return fault.Wrap(err, fault.DBNotConnected, "the database refuses the user; check name, password and rights in the address")
	case NoDatabase:
		return fault.Wrap(err, fault.DBNotConnected, "there is no such database on the server; make it, or correct the address")
	case Crowded:
		return fault.Wrap(err, fault.Overloaded, "the database takes no more connections; raise its limit or try again").After(time.Second)
	case Full:
		return fault.Wrap(err, fault.DBNotConnected, "the disk of the database is full; free some space")
	case ReadOnly:
		return fault.Wrap(err, fault.DBNotConnected, "the database can only be read; name the primary server in the address")
	case Slow:
		return fault.Wrap(err, fault.Timeout, "the statement took longer than the database allows; narrow it down")
	}
	return fault.Wrap(err, fault.Internal, "the database could not run the statement")
}

// invalid refuses a value, by the record key of its column where that is known.
func (db *DB) invalid(err error, e *schema.Entity, column, reason string) error {
	if c := columnOf(e, column); c != nil && !c.Hidden {
		return fault.Wrap(err, fault.ValidationError, "%s %s", c.Name, reason).
			With([]map[string]string{{"path": c.Name, "reason": reason}})
	}
	return fault.Wrap(err, fault.ValidationError, "a value %s", reason)
}

func columnOf(e *schema.Entity, physical string) *schema.Column {
	if e == nil || physical == "" {
		return nil
	}
	for _, c := range e.Columns {
		if strings.EqualFold(c.Physical, physical) {
			return c
		}
	}
	return nil
}

// errTaken is a cause of the fault of a unique value that is taken.
var errTaken = errors.New("sqldb: a unique value is taken")

// driverReplay is driver.ErrReplay.
var driverReplay = driver.ErrReplay

func replayed(err error) error {
	return fault.Wrap(errors.Join(driver.ErrReplay, err), fault.Conflict, "the idempotency key was used meanwhile; send the request again")
}

// taken tells which record keys hold a value that is taken.
func (db *DB) taken(err error, p Problem, e *schema.Entity) error {
	err = errors.Join(errTaken, err)
	switch {
	case strings.HasPrefix(strings.ToLower(p.Index), logKey): // a guard puts a digest behind it
		return replayed(err)
	case e == nil:
		return fault.Wrap(err, fault.Conflict, "a unique value is taken")
	}
	keys := db.indexes.Load().keys(p.Index, e)
	switch len(keys) {
	case 0:
		return fault.Wrap(err, fault.Conflict, "a unique value is taken")
	case 1:
		return fault.Wrap(err, fault.Conflict, "the value of %s is taken", keys[0]).With(keys)
	}
	return fault.Wrap(err, fault.Conflict, "the values of %s are taken together", strings.Join(keys, ", ")).With(keys)
}

// logKey is the name of the index on the change log's idempotency key.
const logKey = "uq" + sqlgen.ChangesTable + "_idem"

// indexes knows which columns the unique indexes of the project are about.
type indexes struct{ tables []migrate.Table }

// keys are the record keys that a unique index of e's table is about; the
// primary key's is the id.
func (x *indexes) keys(name string, e *schema.Entity) []string {
	if name == "" || strings.EqualFold(name, "PRIMARY") {
		return []string{e.Columns[0].Name}
	}
	if x == nil {
		return nil
	}
	for _, t := range x.tables {
		if !strings.EqualFold(t.Name, e.Collection) {
			continue
		}
		for _, i := range t.Indexes {
			if !strings.EqualFold(i.Name, name) {
				continue
			}
			var keys []string
			for _, column := range i.Columns() {
				if c := columnOf(e, column); c != nil && !c.Hidden {
					keys = append(keys, c.Name)
				}
			}
			return keys
		}
	}
	return nil
}
