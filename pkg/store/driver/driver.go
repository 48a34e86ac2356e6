// Package driver is what a database must do for a Store: typed reads and
// writes of rows, links and changes pass through it, and no JSON request, no
// validation and no permission. The Store owns everything that is the same on
// every database; a driver owns its SQL (or what it has instead), its
// connections, its transactions and the classification of its errors.
//
// Every error that a driver returns is a *fault.Error or a context error.
package driver

import (
	"context"
	"errors"
	"time"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// ErrReplay is the cause of the CONFLICT that Append returns when another unit
// has used the idempotency key: run the request again, it will find the reply.
var ErrReplay = errors.New("driver: the idempotency key was used meanwhile")

// Conn is one project's open database, safe for concurrent use.
//
// A read's each must not call the Conn again (nested reads could use up all of
// its connections and wait for each other): take a Snapshot and read from its
// Reader, which allows it.
type Conn interface {
	Reader
	// Apply brings the tables in line with another catalog, by the strategy
	// that the Conn was opened with (create and create-drop only add here), in
	// one transaction where the engine has them. Call it before the first
	// request that uses the catalog. Errors: CONFLICT with details for what does
	// not fit and may not be changed.
	Apply(ctx context.Context, cat *schema.Catalog) error
	// Snapshot calls fn with a Reader whose reads all see one state. Whoever
	// waits for somebody else in fn takes Stream.
	Snapshot(ctx context.Context, fn func(Reader) error) error
	// Stream is Snapshot for an fn that may stand still for a minute at a time,
	// because whoever takes its rows is slow: its connection is none of those that
	// other reads need, and no limit of the engine on idle ones ends it before. At
	// most Capabilities.Streams of them are called at a time.
	Stream(ctx context.Context, fn func(Reader) error) error
	// Write runs u in a transaction and returns after its commit. The engine
	// may commit the units of several callers together and may run a unit
	// again, so Run must be repeatable. A write is never interrupted once begun:
	// ctx only bounds the wait before it. Errors: what Run returned, CONFLICT
	// for a unique value that is taken (details: the record keys), OVERLOADED,
	// DB_NOT_CONNECTED, INTERNAL.
	Write(ctx context.Context, u Unit) error
	// Capabilities tells what this engine can and cannot do.
	Capabilities() Capabilities
	// Epoch identifies the change log: the first half of a Position.
	Epoch() string
	// NewEpoch gives the change log another epoch, for when JetStream was found
	// ahead of it.
	NewEpoch(ctx context.Context) (string, error)
	// Committed is the highest seq known to be committed; reads that start
	// afterwards see it.
	Committed(ctx context.Context) (int64, error)
	// Trim deletes changes and stored replies older than before, but none above
	// upTo and never the newest change. It returns how many it deleted.
	Trim(ctx context.Context, before time.Time, upTo int64) (int, error)
	// Ping asks the database whether it is there.
	Ping(ctx context.Context) error
	Close() error
}

// Reader reads. A Row given to each is valid during that call only; an error
// from each ends the read and is returned.
type Reader interface {
	Select(ctx context.Context, q *query.Select, each func(Row) error) error
	Count(ctx context.Context, q *query.Select) (int64, error)
	Aggregate(ctx context.Context, q *query.Aggregate, each func(Row) error) error
	// Links gives the links of a many-to-many relation for the named owners (or,
	// with reverse, for the named targets), ordered by owner, then target.
	Links(ctx context.Context, r *schema.Relation, ids []string, reverse bool, each func(owner, target string) error) error
	// Changes gives the changes after a seq in order of seq, at most limit, and
	// stops before a hole that is not proven dead. Fewer than limit changes do
	// not mean that there are no more.
	Changes(ctx context.Context, after int64, limit int, each func(*mesh.Change) error) error
	// Oldest is the lowest seq still in the change log; 0 when it is empty.
	Oldest(ctx context.Context) (int64, error)
}

// Row is one result row. Column i is the i-th of the read's projection or
// output.
type Row interface {
	// AppendJSON appends column i as a record shows it.
	AppendJSON(dst []byte, i int) []byte
	// Value returns column i. Its text is a copy.
	Value(i int) schema.Value
	// Null reports whether column i is null, for less than Value costs.
	Null(i int) bool
	// Text returns the text of an id or reference column without a copy.
	Text(i int) []byte
}

// Unit is one caller's work inside a transaction.
type Unit struct {
	// Run does the work. It may be called several times, each time in a fresh
	// state of the database.
	Run func(Tx) error
	// Single promises that Run writes at most one row, and that before the
	// row's own statement it writes nothing else. The engine then needs no
	// savepoint: a failing first statement undoes itself, and any later failure
	// fails the whole group, which the engine runs again one by one.
	Single bool
}

// Tx is a transaction as a Unit sees it. Reads see the unit's own writes.
type Tx interface {
	Reader
	// Load returns the row of that id, locked until the commit, or nil.
	Load(e *schema.Entity, id string) (schema.Row, error)
	// Insert stores a new row. Errors: CONFLICT.
	Insert(e *schema.Entity, row schema.Row) error
	// Update stores the columns of row that are in set. The row was loaded in
	// this transaction. Errors: CONFLICT.
	Update(e *schema.Entity, row schema.Row, set []*schema.Column) error
	// Delete removes the row of that id.
	Delete(e *schema.Entity, id string) error
	// Link and Unlink add and remove links of a many-to-many relation; links
	// that are there (not there) already are no error.
	Link(r *schema.Relation, owner string, targets []string) error
	Unlink(r *schema.Relation, owner string, targets []string) error
	// Append writes a change and gives it its Seq, and its Tx where that is 0. The
	// Seq, and the Tx of a Single unit, may be known only when Write returns. Call
	// it after the row's own statement. Errors: fault CONFLICT with the
	// cause ErrReplay when the idempotency key was taken meanwhile; run again.
	Append(c *mesh.Change) error
	// Replay returns what an idempotency key has stored, or nil.
	Replay(principal, key string) (*Stored, error)
	// StoreReply keeps the reply of a mutation with no change or several.
	StoreReply(principal, key string, hash, body []byte, at time.Time) error
}

// Locker is a Tx of an engine that runs units side by side.
type Locker interface {
	// Lock waits until no other unit holds that name and holds it to the unit's
	// end. An upsert takes its filter: two that look for the same record, and find
	// none, would both make one.
	Lock(name string) error
}

// Stored is what an idempotency key left behind: the change whose record is the
// reply, or the reply itself.
type Stored struct {
	Hash   []byte
	Change *mesh.Change // nil if Body is set
	Body   []byte
	Seq    int64
}

// SyncUnknown is the Sync of an engine whose server was not asked.
const SyncUnknown = "unknown"

// Capabilities is the honest record of what an engine guarantees.
type Capabilities struct {
	Dialect      string // sqlite, postgres, …
	Transactions bool   // row and change in one transaction
	// Exposed tells that a transaction is kept whole or not at all, but that a
	// reader may see a part of one that is being stored.
	Exposed bool
	Sync    string // what an acknowledged write survives: "full", "normal", …, SyncUnknown
	// Exclusive tells that one process alone may serve the database.
	Exclusive bool
	// Streams is how many calls of Conn.Stream there may be at a time; at least 1.
	Streams int
	// Cells tells that rows fill Arrow's columns without JSON in between; see Cells.
	Cells bool
	// Evidence is how the dialect was tested: "engine", "emulator", "text".
	Evidence string
}
