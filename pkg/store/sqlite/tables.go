package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// epochKey is the row of _octo_meta that holds the epoch.
const epochKey = "epoch"

// prepare brings the tables in line with the catalog, in one transaction, and
// reads where the change log stands.
func (db *DB) prepare(ctx context.Context, s *session, cat *schema.Catalog) error {
	if err := s.run(uncancelled, beginImmediate, nil, nil); err != nil {
		return err
	}
	err := db.migrate(s, cat, db.strategy)
	var epoch string
	if err == nil {
		epoch, err = db.firstEpoch(s)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = s.run(uncancelled, commit, nil, nil)
	}
	if err != nil {
		if !s.conn.AutocommitEnabled() {
			_ = s.run(uncancelled, rollback, nil, nil)
		}
		return err
	}
	seq, err := s.scalar(ctx, db.log.Newest)
	if err != nil {
		return err
	}
	db.committed.Store(seq)
	db.epoch.Store(&epoch)
	db.catalog.Store(cat)
	return nil
}

func engine(d *sqlgen.Dialect) migrate.Engine {
	return migrate.Engine{Dialect: d, Fits: fits, FoldNames: true, FoldTables: true}
}

// migrate runs the steps of a strategy inside the transaction that is open.
func (db *DB) migrate(s *session, cat *schema.Catalog, strategy driver.Strategy) error {
	_, err := engine(db.dialect).Run(uncancelled, tables{s}, strategy, cat)
	return err
}

// tables is a session as a migration uses it.
type tables struct{ *session }

// Tables implements migrate.Database.
func (t tables) Tables(context.Context) ([]migrate.Table, error) {
	have, err := introspect(t.session)
	if err != nil {
		return nil, classify(err, nil)
	}
	return have, nil
}

// Exec implements migrate.Database.
func (t tables) Exec(_ context.Context, sql string, args ...any) error {
	return classify(t.once(sql, args, nil), nil)
}

// Query implements migrate.Database.
func (t tables) Query(_ context.Context, sql string, columns int, each func(row []string) bool) error {
	row := make([]string, columns)
	more := true
	return classify(t.once(sql, nil, func(st *sqlite.Stmt) bool {
		for i := range row {
			row[i] = st.ColumnText(i)
		}
		more = more && each(row)
		return more
	}), nil)
}

// Apply implements driver.Conn.
func (db *DB) Apply(ctx context.Context, cat *schema.Catalog) error {
	err := db.Write(ctx, driver.Unit{Run: func(t driver.Tx) error {
		return db.migrate(t.(*tx).session, cat, db.strategy.Later())
	}})
	if err == nil {
		db.catalog.Store(cat)
	}
	return err
}

// Examine implements driver.Examiner.
func (db *DB) Examine(ctx context.Context, cat *schema.Catalog) (*driver.Examination, error) {
	s, err := db.short.get(ctx)
	if err != nil {
		return nil, err
	}
	defer db.short.put(s)
	return engine(db.dialect).Examine(ctx, tables{s}, cat)
}

// drop removes the catalog's tables and the system's.
func (db *DB) drop(s *session, cat *schema.Catalog) error {
	have, err := introspect(s)
	if err != nil {
		return classify(err, nil)
	}
	g := engine(db.dialect)
	for _, step := range g.Drops(migrate.Wanted(cat, db.dialect), have) {
		if err := (tables{s}).Exec(uncancelled, migrate.SQL(db.dialect, step)); err != nil {
			return migrate.StepFault(step, err)
		}
	}
	return nil
}

// firstEpoch returns the epoch of the change log, made if there is none.
func (db *DB) firstEpoch(s *session) (string, error) {
	epoch, err := db.meta(s, epochKey)
	if err != nil || epoch != "" {
		return epoch, err
	}
	epoch = driver.NewEpoch()
	return epoch, db.setMeta(s, db.log.AddMeta, epochKey, epoch)
}

func (db *DB) meta(s *session, key string) (value string, err error) {
	st, err := s.prepare(db.log.Meta)
	if err != nil {
		return "", classify(err, nil)
	}
	st.BindText(1, key)
	err = s.step(uncancelled, st, db.log.Meta, nil, func(r *row) error {
		value = r.stmt.ColumnText(0)
		return nil
	})
	return value, err
}

func (db *DB) setMeta(s *session, p *sqlgen.Plan, key, value string) error {
	st, err := s.prepare(p)
	if err != nil {
		return classify(err, nil)
	}
	st.BindText(1, value)
	st.BindText(2, key)
	return s.step(uncancelled, st, p, nil, nil)
}

// NewEpoch implements driver.Conn.
func (db *DB) NewEpoch(ctx context.Context) (string, error) {
	epoch := driver.NewEpoch()
	err := db.Write(ctx, driver.Unit{Run: func(t driver.Tx) error {
		return db.setMeta(t.(*tx).session, db.log.SetMeta, epochKey, epoch)
	}})
	if err != nil {
		return "", err
	}
	db.epoch.Store(&epoch)
	return epoch, nil
}
