package postgres

import (
	"context"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// epochKey is the row of _octo_meta that holds the epoch.
const epochKey = "epoch"

// migrating is the lock under which one process at a time changes a schema.
var (
	migrating = fixed("SELECT pg_advisory_xact_lock(7021948561 # (current_schema()::regnamespace::oid::bigint << 32))")
	savepoint = fixed("SAVEPOINT octo")
	release   = fixed("RELEASE SAVEPOINT octo")
	rollback  = fixed("ROLLBACK TO SAVEPOINT octo")
	hasSchema = fixed("SELECT current_setting('server_encoding'), current_schema(), current_setting('fsync')")
	source    = fixed("SELECT prosrc FROM pg_proc WHERE oid = to_regprocedure('" + lowerFunction + "(text)')")
	sequence  = fixed(`SELECT pg_get_serial_sequence('"` + sqlgen.ChangesTable + `"', 'seq')`)
	noTimeout = fixed("SET LOCAL statement_timeout = 0")
	waitLong  = fixed("SET LOCAL lock_timeout = '2min'")
	waitShort = fixed("SET LOCAL lock_timeout = '10s'")
)

// prepare brings the tables in line with the catalog, in one transaction, and
// reads what the statements depend on.
func (db *DB) prepare(ctx context.Context, cat *schema.Catalog) error {
	s, err := db.connect(ctx, writer)
	if err != nil {
		return err
	}
	defer s.close()
	stop := context.AfterFunc(ctx, func() { _ = s.net.Close() })
	defer stop()
	db.dialect = Dialect(false)
	db.gen, db.log = sqlgen.New(db.dialect, 1), sqlgen.NewLog(db.dialect)
	if err := db.check(&migration{db, &transaction{session: s}}); err != nil {
		return failed(ctx, err)
	}
	if db.options.Strategy == driver.Inspect {
		db.epoch.Store(new(string))
		return nil
	}
	g := &group{db: db, session: s, unhurried: true}
	defer g.close() // which may have another session by then
	epoch, fold, name := "", false, ""
	err = g.alone(driver.Unit{Run: func(d driver.Tx) error {
		t := d.(*tx)
		m := &migration{db, t}
		if err := m.migrate(ctx, cat, db.options.Strategy); err != nil {
			return err
		}
		var err error
		if fold, err = m.lower(t); err != nil {
			return err
		}
		if name, err = m.text(sequence); err != nil {
			return err
		}
		epoch, err = m.firstEpoch()
		return err
	}}, false)
	if err != nil {
		return failed(ctx, err)
	}
	db.dialect = Dialect(fold)
	db.gen, db.log = sqlgen.New(db.dialect, plansKept), sqlgen.NewLog(db.dialect)
	db.statements(name)
	db.epoch.Store(&epoch)
	db.catalog.Store(cat)
	return nil
}

// statements writes the SQL that names the sequence of the change log. The
// number is drawn behind the lock on the table and behind the row's own
// statement; the unit's first number is that of the transaction.
func (db *DB) statements(sequence string) {
	lit := string(db.dialect.AppendLiteral(nil, sequence))
	columns := make([]string, len(sqlgen.ChangeColumns))
	for i, c := range sqlgen.ChangeColumns {
		columns[i] = `"` + c + `"`
	}
	types := []string{"bigint", "text", "text", "text", "bigint", "text", "text", "text", "text", "text", "text", "text", "bytea", "bigint"}
	reply := `INSERT INTO "` + sqlgen.RepliesTable + `" ("principal", "idem", "req_hash", "body", "at", "seq") VALUES ($1, $2, $3, $4, $5, `
	insert := `INSERT INTO "` + sqlgen.ChangesTable + `" (` + strings.Join(columns, ", ") + ")\n"
	if db.options.cockroach {
		for i := range db.appendChanges {
			db.appendChanges[i] = counted(insert, 1<<i, types)
			db.proofs[i] = proving(1 << i)
		}
		db.appendChange = db.appendChanges[0]
		db.storeReply = fixed(reply + `(SELECT "value"::bigint FROM "` + sqlgen.MetaTable + `" WHERE "key" = '` + counterKey + `'))`)
		db.storeOwnReply = db.storeReply
		return
	}
	db.appendChange = fixed(insert + `SELECT s, COALESCE($1::bigint, s), $2, $3, $4, $5::bigint, $6, $7, $8, $9, $10, $11, $12, $13::bytea, $14::bigint
FROM nextval(` + lit + `) s RETURNING "seq", "tx"`)
	db.appendChange.Params = len(columns) - 1
	for i := range db.appendChanges {
		n := 1 << i
		db.appendChanges[i] = fixed(insert + `SELECT s, COALESCE(c1, s), c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14
FROM (SELECT nextval(` + lit + `) s, v.* FROM (VALUES ` + places(n, len(types), types) + `) v(c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14)) w RETURNING "seq", "tx"`)
		db.proofs[i] = proving(n)
	}
	db.storeOwnReply = fixed(reply + "currval(" + lit + "))")
	db.storeReply = fixed(reply + `(SELECT COALESCE(MAX("seq"), 0) FROM "` + sqlgen.ChangesTable + `"))`)
}

// migration is the database as package migrate sees it.
type migration struct {
	db   *DB
	exec executor
}

// failed is the fault that Open ends with.
func failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return classify(err, nil)
}

// check looks whether this is a database that can be used.
func (db *DB) check(m *migration) error {
	look := hasSchema
	if db.options.cockroach {
		look = hasCluster
	}
	r, err := m.ask(look)
	defer r.release()
	if err != nil {
		return err
	}
	return r.each(nil, func(row *row) error {
		if row.string(0) != "UTF8" {
			return fault.New(fault.DBNotConnected, "the database has the encoding %s; create one with the encoding UTF8", row.string(0))
		}
		if row.Null(1) {
			return fault.New(fault.DBNotConnected, "the schema that the address names does not exist, or the user has no right on it; create it first")
		}
		db.synced = db.options.Sync
		if row.string(2) == "off" {
			db.synced = SyncOff
		}
		return nil
	})
}

func (m *migration) ask(p *sqlgen.Plan, values ...any) (*request, error) {
	r := newRequest()
	r.plan = p
	r.begin(len(values))
	for _, v := range values {
		switch v := v.(type) {
		case string:
			r.text(v)
		case int64:
			r.int(v)
		default:
			r.null()
		}
	}
	return r, m.exec.ask(context.Background(), r)
}

// run runs a statement without an answer.
func (m *migration) run(p *sqlgen.Plan, values ...any) error {
	r, err := m.ask(p, values...)
	r.release()
	return err
}

// text reads one text; empty for none.
func (m *migration) text(p *sqlgen.Plan, values ...any) (text string, err error) {
	r, err := m.ask(p, values...)
	defer r.release()
	if err != nil {
		return "", err
	}
	err = r.each(nil, func(row *row) error {
		text = row.string(0)
		return nil
	})
	return text, err
}

// Exec implements migrate.Database.
func (m *migration) Exec(_ context.Context, sql string, args ...any) error {
	return m.run(fixed(sql), args...)
}

// Query implements migrate.Database.
func (m *migration) Query(_ context.Context, sql string, columns int, each func(row []string) bool) error {
	r, err := m.ask(fixed(sql))
	defer r.release()
	if err != nil {
		return err
	}
	texts := make([]string, columns)
	more := true
	return r.each(nil, func(row *row) error {
		for i := range texts {
			texts[i] = row.string(i)
		}
		more = more && each(texts)
		return nil
	})
}

func engine(d *sqlgen.Dialect) migrate.Engine {
	return migrate.Engine{Dialect: d, Fits: fits, Numbered: d.Counter}
}

// migrate runs the steps of a strategy, with nobody else at it.
func (m *migration) migrate(ctx context.Context, cat *schema.Catalog, strategy driver.Strategy) error {
	if err := m.exclude(); err != nil {
		return err
	}
	return m.steps(ctx, cat, strategy)
}

// exclude waits for the process that changes the tables now, if there is one. The
// steps may then take as long as they do, but not wait for others' locks.
func (m *migration) exclude() error {
	for _, p := range []*sqlgen.Plan{noTimeout, waitLong, migrating, waitShort} {
		if err := m.run(p); err != nil {
			return err
		}
	}
	return nil
}

// lower makes sure of lowerFunction; it is false where the user may not make it.
func (m *migration) lower(t *tx) (bool, error) {
	have, err := m.text(source)
	if err != nil || have == lowerSource() {
		return err == nil, err
	}
	if err := m.run(savepoint); err != nil {
		return false, err
	}
	if m.run(fixed(lowerDefinition())) == nil {
		return true, m.run(release)
	}
	t.lost = nil // all but the savepoint still stands
	return false, m.run(rollback)
}

// Apply implements driver.Conn.
func (db *DB) Apply(ctx context.Context, cat *schema.Catalog) error {
	strategy := db.options.Strategy.Later()
	var err error
	if db.options.cockroach {
		err = db.locked(ctx, func(m *migration) error { return m.steps(context.WithoutCancel(ctx), cat, strategy) })
	} else {
		err = db.writeAlone(ctx, driver.Unit{Run: func(d driver.Tx) error {
			m := &migration{db, d.(*tx)}
			return m.migrate(context.WithoutCancel(ctx), cat, strategy)
		}}, true)
	}
	if err == nil {
		db.catalog.Store(cat)
	}
	return err
}

// Examine implements driver.Examiner.
func (db *DB) Examine(ctx context.Context, cat *schema.Catalog) (x *driver.Examination, err error) {
	err = db.reading(ctx, &db.free, repeatable, func(t *transaction) error {
		x, err = engine(db.dialect).Examine(ctx, &migration{db, t}, cat)
		return err
	})
	return x, err
}

// drop removes the catalog's tables and the system's.
func (db *DB) drop() error {
	if db.options.cockroach {
		return db.locked(context.Background(), (*migration).dropAll)
	}
	s, err := db.connect(context.Background(), writer)
	if err != nil {
		return err
	}
	g := &group{db: db, session: s, unhurried: true}
	defer g.close()
	return g.alone(driver.Unit{Run: func(d driver.Tx) error {
		m := &migration{db, d.(*tx)}
		if err := m.exclude(); err != nil {
			return err
		}
		if err := m.dropAll(); err != nil {
			return err
		}
		return m.run(fixed("DROP FUNCTION IF EXISTS " + lowerFunction + "(text)"))
	}}, false)
}

// firstEpoch returns the epoch of the change log, made if there is none.
func (m *migration) firstEpoch() (string, error) {
	epoch, err := m.text(m.db.log.Meta, epochKey)
	if err != nil || epoch != "" {
		return epoch, err
	}
	epoch = driver.NewEpoch()
	return epoch, m.run(m.db.log.AddMeta, epoch, epochKey)
}

// NewEpoch implements driver.Conn.
func (db *DB) NewEpoch(ctx context.Context) (string, error) {
	epoch := driver.NewEpoch()
	err := db.Write(ctx, driver.Unit{Run: func(d driver.Tx) error {
		m := &migration{db, d.(*tx)}
		return m.run(db.log.SetMeta, epoch, epochKey)
	}})
	if err != nil {
		return "", err
	}
	db.epoch.Store(&epoch)
	return epoch, nil
}
