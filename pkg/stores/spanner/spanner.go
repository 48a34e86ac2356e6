package spanner

import (
	"context"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cloud.google.com/go/spanner"
	admin "cloud.google.com/go/spanner/admin/database/apiv1"
	"google.golang.org/api/option"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
	"github.com/octomesh/octomesh/pkg/stores/overlay"
)

// Options are the settings of Open. The zero value is ready for use.
type Options struct {
	Strategy driver.Strategy // default driver.Update
	// Committed, if set, is told after each commit how many changes it held. It
	// runs in the writer's goroutine and must not wait.
	Committed func(writes int)
	// Client are further options of the client library, such as a connection.
	Client []option.ClientOption

	dialect *sqlgen.Dialect // default Dialect()
	plain   bool            // let no subselect and no HAVING reach the database
}

// DB is a project's Spanner database. It implements driver.Conn.
type DB struct {
	name     string // projects/…/instances/…/databases/…
	client   *spanner.Client
	admin    *admin.DatabaseAdminClient
	strategy driver.Strategy
	dialect  *sqlgen.Dialect
	gen      *sqlgen.Generator
	log      *sqlgen.Log
	plain    bool // Options.plain
	told     func(writes int)
	writer   *overlay.Writer

	catalog   atomic.Pointer[schema.Catalog]
	epoch     atomic.Pointer[string]
	closeOnce sync.Once
	closeErr  error
}

var (
	_ driver.Conn     = (*DB)(nil)
	_ driver.Examiner = (*DB)(nil)
)

// plansKept bounds the compiled statements of a database.
const plansKept = 1024

var address = regexp.MustCompile(`^projects/[^/]+/instances/[^/]+/databases/[^/]+$`)

// parse reads an address: projects/P/instances/I/databases/D, with or without
// spanner:// before it; ?credentials=FILE names a key file of a service account.
func parse(uri string) (name string, options []option.ClientOption, err error) {
	for _, scheme := range []string{"spanner://", "spanner:"} {
		uri = strings.TrimPrefix(uri, scheme)
	}
	name, query, _ := strings.Cut(uri, "?")
	name = strings.Trim(name, "/")
	values, err := url.ParseQuery(query)
	if err != nil || !address.MatchString(name) {
		return "", nil, fault.New(fault.InvalidRequest, "the address of a Spanner database is spanner://projects/PROJECT/instances/INSTANCE/databases/DATABASE")
	}
	for key, v := range values {
		if key != "credentials" {
			return "", nil, fault.New(fault.InvalidRequest, "the address of a Spanner database has one parameter, credentials")
		}
		key, err := os.ReadFile(v[0])
		if err != nil {
			return "", nil, fault.Wrap(err, fault.DBNotConnected, "the file of the Spanner credentials can't be read")
		}
		options = append(options, option.WithAuthCredentialsJSON(option.ServiceAccount, key))
	}
	return name, options, nil
}

// Open connects to a database, which must exist, and brings its tables in line
// with the catalog. Without credentials in the address the environment's are
// used (GOOGLE_APPLICATION_CREDENTIALS, SPANNER_EMULATOR_HOST). Errors:
// DB_NOT_CONNECTED, CONFLICT when the tables do not fit, INVALID_REQUEST for a
// bad address or bad options.
func Open(ctx context.Context, uri string, cat *schema.Catalog, o Options) (driver.Conn, error) {
	var err error
	if o.Strategy, err = o.Strategy.OrDefault(); err != nil {
		return nil, err
	}
	name, options, err := parse(uri)
	if err != nil {
		return nil, err
	}
	if o.dialect == nil {
		o.dialect = Dialect()
	}
	db := &DB{name: name, strategy: o.Strategy, dialect: o.dialect, plain: o.plain, told: o.Committed}
	db.gen, db.log = sqlgen.New(db.dialect, plansKept), sqlgen.NewLog(db.dialect)
	db.epoch.Store(new(string))
	options = append(options, o.Client...)
	// The connection outlives the opening, so its context has no end.
	life := context.WithoutCancel(ctx)
	if db.client, err = spanner.NewClientWithConfig(life, name, spanner.ClientConfig{DisableNativeMetrics: true}, options...); err != nil {
		return nil, classify(err, nil)
	}
	if db.admin, err = admin.NewDatabaseAdminClient(life, options...); err != nil {
		db.client.Close()
		return nil, classify(err, nil)
	}
	if o.Strategy != driver.Inspect {
		if err := db.prepare(ctx, cat); err != nil {
			db.hangUp()
			return nil, err
		}
	}
	db.writer = overlay.NewWriter(db.commit)
	return db, nil
}

func (db *DB) hangUp() {
	db.client.Close()
	_ = db.admin.Close() // a connection that both share is closed already
}

// Capabilities implements driver.Conn.
func (db *DB) Capabilities() driver.Capabilities {
	return driver.Capabilities{Dialect: "spanner", Transactions: true, Sync: "full", Streams: streaming, Evidence: "emulator"}
}

// Epoch implements driver.Conn.
func (db *DB) Epoch() string { return *db.epoch.Load() }

// Committed implements driver.Conn.
func (db *DB) Committed(ctx context.Context) (int64, error) { return db.single().counter(ctx) }

// Ping implements driver.Conn.
func (db *DB) Ping(ctx context.Context) error {
	return db.single().query(ctx, spanner.Statement{SQL: "SELECT 1"}, nil, nil, func(*row) error { return nil })
}

// Close waits for the writes that have begun, refuses new ones and hangs up.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		db.writer.Close()
		if db.strategy == driver.CreateDrop {
			db.closeErr = db.drop(context.Background())
		}
		db.hangUp()
	})
	return db.closeErr
}

// Write implements driver.Conn.
func (db *DB) Write(ctx context.Context, u driver.Unit) error { return db.writer.Write(ctx, u) }

// Snapshot implements driver.Conn.
func (db *DB) Snapshot(_ context.Context, fn func(driver.Reader) error) error {
	txn := db.client.ReadOnlyTransaction()
	defer txn.Close()
	return fn(&reader{db: db, in: func() querier { return txn }})
}

// streaming is how many streams there are at a time. All calls share the client's
// channels, so none keeps others from theirs.
const streaming = 16

// Stream implements driver.Conn.
func (db *DB) Stream(ctx context.Context, fn func(driver.Reader) error) error {
	return db.Snapshot(ctx, fn)
}

// Select implements driver.Reader.
func (db *DB) Select(ctx context.Context, q *query.Select, each func(driver.Row) error) error {
	return db.single().Select(ctx, q, each)
}

// Count implements driver.Reader.
func (db *DB) Count(ctx context.Context, q *query.Select) (int64, error) {
	return db.single().Count(ctx, q)
}

// Aggregate implements driver.Reader.
func (db *DB) Aggregate(ctx context.Context, q *query.Aggregate, each func(driver.Row) error) error {
	return db.single().Aggregate(ctx, q, each)
}

// Links implements driver.Reader.
func (db *DB) Links(ctx context.Context, r *schema.Relation, ids []string, reverse bool, each func(owner, target string) error) error {
	return db.single().Links(ctx, r, ids, reverse, each)
}

// Changes implements driver.Reader.
func (db *DB) Changes(ctx context.Context, after int64, limit int, each func(*mesh.Change) error) error {
	return db.single().Changes(ctx, after, limit, each)
}

// Oldest implements driver.Reader.
func (db *DB) Oldest(ctx context.Context) (int64, error) { return db.single().Oldest(ctx) }

// trimStep is how many rows one commit of Trim deletes.
const trimStep = 1000

// Trim implements driver.Conn.
func (db *DB) Trim(ctx context.Context, before time.Time, upTo int64) (int, error) {
	newest, err := db.Committed(ctx)
	if err != nil {
		return 0, err
	}
	changes := spanner.Statement{
		SQL:    "SELECT `seq` FROM " + db.dialect.Ident(sqlgen.ChangesTable) + " WHERE `seq` <= @p1 AND `seq` < @p2 AND `at` < @p3 ORDER BY `seq` LIMIT @p4",
		Params: map[string]any{"p1": upTo, "p2": newest, "p3": before.UnixMilli(), "p4": int64(trimStep)},
	}
	replies := spanner.Statement{
		SQL:    "SELECT `principal`, `idem` FROM " + db.dialect.Ident(sqlgen.RepliesTable) + " WHERE `at` < @p1 LIMIT @p2",
		Params: map[string]any{"p1": before.UnixMilli(), "p2": int64(trimStep)},
	}
	total, err := db.trim(ctx, sqlgen.ChangesTable, changes, func(r *row) spanner.Key { return spanner.Key{r.num(0)} })
	if err != nil {
		return total, err
	}
	n, err := db.trim(ctx, sqlgen.RepliesTable, replies, func(r *row) spanner.Key { return spanner.Key{r.text(0), r.text(1)} })
	return total + n, err
}

// trim deletes the rows of a table whose keys a query finds, until it finds few.
func (db *DB) trim(ctx context.Context, table string, query spanner.Statement, key func(*row) spanner.Key) (int, error) {
	return driver.Drain(trimStep, func() (int, error) {
		var rows []*spanner.Mutation
		err := db.single().query(ctx, query, nil, nil, func(r *row) error {
			rows = append(rows, spanner.Delete(db.dialect.Short(table), key(r)))
			return nil
		})
		if err != nil || len(rows) == 0 {
			return 0, err
		}
		if _, err := db.client.Apply(ctx, rows); err != nil {
			return 0, classify(err, nil)
		}
		return len(rows), nil
	})
}
