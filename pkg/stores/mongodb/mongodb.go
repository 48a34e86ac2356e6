package mongodb

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// Evidence is how this dialect was tested: against a MongoDB wire peer of our
// own (package mongotest), which is weak evidence, since nobody but MongoDB's
// documentation contradicts it.
const Evidence = "emulator"

// Options are the settings of Open. The zero value is ready for use.
type Options struct {
	Strategy driver.Strategy // default driver.Update
}

// DB is a project's MongoDB database. It implements driver.Conn.
type DB struct {
	reader
	client       *mongo.Client
	data         *mongo.Database
	changes      *mongo.Collection // read as a majority has it, on a replica set
	replies      *mongo.Collection
	meta         *mongo.Collection
	transactions bool
	strategy     driver.Strategy

	catalog atomic.Pointer[schema.Catalog]
	epoch   atomic.Pointer[string]
	writer  *writer

	closeOnce sync.Once
	closeErr  error
}

var (
	_ driver.Conn     = (*DB)(nil)
	_ driver.Examiner = (*DB)(nil)
)

const (
	// selectionTime is how long a statement waits for a server, unless the
	// address says otherwise (serverSelectionTimeoutMS).
	selectionTime = 5 * time.Second
	// statementTime bounds each statement of a write, which no caller's context
	// ends.
	statementTime = 30 * time.Second
	// oldestWire is MongoDB 5.0, the first with snapshot reads outside of
	// transactions.
	oldestWire = 13
)

// Open connects to the database that the address names (mongodb://… or
// mongodb+srv://…, with the database as its path) and brings its collections in
// line with the catalog. Reads and writes go to the primary, whatever the
// address says, and writes wait for a majority. Errors: INVALID_REQUEST for the
// address, DB_NOT_CONNECTED, UNSUPPORTED for a server older than 5.0, CONFLICT
// when the collections do not fit.
func Open(ctx context.Context, uri string, cat *schema.Catalog, o Options) (driver.Conn, error) {
	var err error
	if o.Strategy, err = o.Strategy.OrDefault(); err != nil {
		return nil, err
	}
	db, err := connect(uri, o.Strategy)
	if err != nil {
		return nil, err
	}
	if err := db.prepare(ctx, cat); err != nil {
		_ = db.client.Disconnect(context.WithoutCancel(ctx))
		return nil, err
	}
	if o.Strategy != driver.Inspect {
		db.writer = newWriter(db)
	}
	return db, nil
}

func connect(uri string, strategy driver.Strategy) (*DB, error) {
	if !strings.HasPrefix(uri, "mongodb://") && !strings.HasPrefix(uri, "mongodb+srv://") {
		return nil, fault.New(fault.InvalidRequest, "the address of a MongoDB database begins with mongodb:// or mongodb+srv://")
	}
	parsed, err := connstring.ParseAndValidate(uri)
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidRequest, "the address of the MongoDB database cannot be read: check its form")
	}
	if parsed.Database == "" {
		return nil, fault.New(fault.InvalidRequest, "the address names no database: mongodb://host:27017/<database>")
	}
	o := options.Client().ApplyURI(uri).SetAppName("octomesh").
		SetReadPreference(readpref.Primary()).SetReadConcern(readconcern.Local()).SetWriteConcern(writeconcern.Majority())
	if !parsed.ServerSelectionTimeoutSet {
		o.SetServerSelectionTimeout(selectionTime)
	}
	client, err := mongo.Connect(o)
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidRequest, "the address of the MongoDB database cannot be used: check its options")
	}
	db := &DB{client: client, data: client.Database(parsed.Database), strategy: strategy}
	db.reader.db = db
	db.meta, db.replies = db.data.Collection(sqlgen.MetaTable), db.data.Collection(sqlgen.RepliesTable)
	return db, nil
}

// prepare asks the server what it is, applies the strategy and reads the epoch.
func (db *DB) prepare(ctx context.Context, cat *schema.Catalog) error {
	hello, err := db.data.RunCommand(ctx, newDoc().one("hello", 1).raw()).Raw()
	if err != nil {
		return db.failed(ctx, err, nil)
	}
	if wire, _ := hello.Lookup("maxWireVersion").AsInt64OK(); wire < oldestWire {
		return fault.New(fault.Unsupported, "MongoDB 5.0 or newer is needed")
	}
	set, _ := hello.Lookup("setName").StringValueOK()
	router, _ := hello.Lookup("msg").StringValueOK()
	db.transactions = set != "" || router == "isdbgrid"
	concern := readconcern.Local()
	if db.transactions { // a standalone server does not know majorities
		concern = readconcern.Majority()
	}
	db.changes = db.data.Collection(sqlgen.ChangesTable, options.Collection().SetReadConcern(concern))
	if db.strategy == driver.Inspect {
		return nil
	}
	if err := db.migrate(ctx, cat, db.strategy); err != nil {
		return err
	}
	epoch, err := db.firstEpoch(ctx)
	if err != nil {
		return err
	}
	db.epoch.Store(&epoch)
	db.catalog.Store(cat)
	return nil
}

// The documents of _octo_meta.
const (
	metaEpoch = "epoch"
	metaTurn  = "turn" // who writes, and the last number of the log: writer.go
)

// firstEpoch returns the epoch of the change log, and makes it, and the document
// that writers take turns at, if there is none.
func (db *DB) firstEpoch(ctx context.Context) (string, error) {
	newest, err := db.Committed(ctx)
	if err != nil {
		return "", err
	}
	upsert := options.UpdateOne().SetUpsert(true)
	for _, first := range []struct {
		id  string
		doc bson.Raw
	}{
		{metaTurn, newDoc().object("$setOnInsert").int("n", newest).int("turn", 0).raw()},
		{metaEpoch, newDoc().object("$setOnInsert").text("value", driver.NewEpoch()).raw()},
	} {
		if _, err := db.meta.UpdateOne(ctx, named(first.id), first.doc, upsert); err != nil && !mongo.IsDuplicateKeyError(err) {
			return "", db.failed(ctx, err, nil)
		}
	}
	raw, err := db.meta.FindOne(ctx, named(metaEpoch)).Raw()
	if err != nil {
		return "", db.failed(ctx, err, nil)
	}
	epoch, _ := raw.Lookup("value").StringValueOK()
	return epoch, nil
}

func named(id string) bson.Raw { return newDoc().text("_id", id).raw() }

// NewEpoch implements driver.Conn.
func (db *DB) NewEpoch(ctx context.Context) (string, error) {
	epoch := driver.NewEpoch()
	_, err := db.meta.UpdateOne(ctx, named(metaEpoch), newDoc().object("$set").text("value", epoch).raw(), options.UpdateOne().SetUpsert(true))
	if err != nil {
		return "", db.failed(ctx, err, nil)
	}
	db.epoch.Store(&epoch)
	return epoch, nil
}

// Capabilities implements driver.Conn.
func (db *DB) Capabilities() driver.Capabilities {
	return driver.Capabilities{Dialect: "mongodb", Transactions: db.transactions, Sync: "majority", Streams: streaming, Evidence: Evidence}
}

// Epoch implements driver.Conn.
func (db *DB) Epoch() string { return *db.epoch.Load() }

// Committed implements driver.Conn.
func (db *DB) Committed(ctx context.Context) (int64, error) { return db.seq(ctx, newest) }

// Ping implements driver.Conn.
func (db *DB) Ping(ctx context.Context) error {
	return db.failed(ctx, db.client.Ping(ctx, readpref.Primary()), nil)
}

// Snapshot implements driver.Conn. On a replica set all reads are of the moment
// of the first one; a standalone server has no such thing, there each read is of
// its own moment.
func (db *DB) Snapshot(ctx context.Context, fn func(driver.Reader) error) error {
	if !db.transactions {
		return fn(&db.reader)
	}
	s, err := db.client.StartSession(options.Session().SetSnapshot(true))
	if err != nil {
		return db.failed(ctx, err, nil)
	}
	defer s.EndSession(context.WithoutCancel(ctx))
	return fn(&reader{db: db, in: func(ctx context.Context) context.Context { return mongo.NewSessionContext(ctx, s) }})
}

// streaming is how many streams there are at a time. A cursor has a connection
// only while it is asked for more.
const streaming = 16

// Stream implements driver.Conn.
func (db *DB) Stream(ctx context.Context, fn func(driver.Reader) error) error {
	return db.Snapshot(ctx, fn)
}

// closeTime bounds the wait for connections that are in use when all else has
// ended.
const closeTime = 5 * time.Second

// Close waits for the writes that have begun, refuses new ones and disconnects.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		if db.writer != nil {
			db.writer.queue.Close()
		}
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		if db.strategy == driver.CreateDrop {
			db.closeErr = db.drop(ctx, db.catalog.Load())
		}
		if err := db.client.Disconnect(ctx); db.closeErr == nil {
			db.closeErr = classify(err, nil)
		}
	})
	return db.closeErr
}
