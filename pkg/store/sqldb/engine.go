package sqldb

import (
	"context"
	sqldriver "database/sql/driver"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
)

// Engine is what sqldb must know of a database. It is read-only once Open has
// it.
type Engine struct {
	// Migrate compares tables; its Dialect writes all SQL.
	Migrate migrate.Engine
	// Database is the name under which the migration lock is taken.
	Database string
	// Connector opens connections, with the session's settings made.
	Connector sqldriver.Connector
	// Patient, if set, opens those whose statements may take as long as they take:
	// of reads without a bound, snapshots and changes of tables.
	Patient sqldriver.Connector
	// Grouped, if set, opens those of transactions that several units share, which
	// give up soon where they have to wait for a lock. The database numbers the rows
	// of one INSERT without a gap and tells the first number.
	Grouped sqldriver.Connector
	// Classify tells what an error of the driver means.
	Classify func(err error) Problem
	// Tables reads what tables there are, with their columns and indexes.
	Tables func(ctx context.Context, q Querier) ([]migrate.Table, error)
	// Begin opens a transaction at READ COMMITTED, Snapshot one whose reads all
	// see one state. Each is a list of statements. Commit and Rollback end both.
	Begin, Snapshot  []string
	Commit, Rollback string
	// Units and Snapshots, if set, begin them through the driver first, for
	// databases that have no statement for it.
	Units, Snapshots *sqldriver.TxOptions
	// Ping is a query that always works; empty = SELECT 1.
	Ping string
	// Touch tells that no read can lock rows: what must stay as it is to the end of
	// a transaction is locked by an UPDATE that changes nothing. Dialect.ForUpdate
	// and Share are then empty.
	Touch bool
	// LockRows tells that there are no named locks: rows of a table serve instead
	// of Lock and Unlock (locks.go).
	LockRows bool
	// MaxIDs is how many ids one statement takes; 0 = 1024.
	MaxIDs int
	// Share is put behind the read of single rows in a transaction, so that they
	// stay as they are until its end.
	Share string
	// Lock takes and Unlock gives back a lock of that name that ends with the
	// connection; each replies one row with 1 if it went well. They bind the name
	// and Lock the seconds that it waits.
	Lock, Unlock string
	// Tombstone is the INSERT that takes numbers of the change log, passing over
	// those that are taken: Prefix, then Row for each number, in which the number
	// stands in the place of ?, then Suffix. It waits for transactions that hold
	// one of them.
	Tombstone Tombstone
	// Bind turns a value into what the driver takes, kinds other than text, JSON
	// and null; nil = as it is (bool, int64, float64, decimal as text).
	Bind func(v schema.Value) sqldriver.Value
	// Time reads an instant that the driver gave as text.
	Time func(text []byte) (ms int64, ok bool)
	// Check tells why a column cannot keep a value; empty = it can. It is asked
	// for decimals.
	Check func(c *schema.Column, v schema.Value) string
	// Survey, if set, is told what tables there are before a catalog's migration
	// and after it, so that the dialect can suit columns that others have made.
	Survey func(cat *schema.Catalog, tables []migrate.Table)
	// Capabilities is what the engine guarantees.
	Capabilities driver.Capabilities
}

// patient is the connector for statements that may take long.
func (e *Engine) patient() sqldriver.Connector {
	if e.Patient != nil {
		return e.Patient
	}
	return e.Connector
}

// Tombstone is a statement in parts.
type Tombstone struct{ Prefix, Row, Suffix string }

// Querier runs queries of an introspection.
type Querier interface {
	// Query gives the rows of a query as text, null as "".
	Query(ctx context.Context, sql string, each func(row []string) error) error
}

// Kind is what an error of a database comes to.
type Kind uint8

// The kinds.
const (
	Other      Kind = iota
	Unique          // a unique value is taken; Problem.Index names the index
	NotNull         // Problem.Column must not be null
	ForeignKey      // a foreign key of the database's own stands against it
	Rule            // a CHECK or another rule does
	TooLong         // the value is longer than the column; Problem.Column
	OutOfRange      // the number does not fit the column; Problem.Column
	TooLarge        // the statement is larger than the server takes
	Again           // deadlock, lock wait, serialization: given up, run again
	Lost            // the connection broke
	Refused         // nobody listens, or the server is starting or stopping
	Denied          // user, password or rights
	NoDatabase      // the database that the address names is not there
	Crowded         // too many connections
	Full            // the disk, or the table
	ReadOnly        // the server takes no writes
	Slow            // the statement took longer than it may
)

// Problem is an error of a database, classified.
type Problem struct {
	Kind   Kind
	Index  string // as the database names it
	Column string
}
