package sqlite

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
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
	return migrate.Engine{Dialect: d, Fits: fits, FoldNames: true}
}

// migrate runs the steps of a strategy inside the transaction that is open.
func (db *DB) migrate(s *session, cat *schema.Catalog, strategy driver.Strategy) error {
	have, err := introspect(s)
	if err != nil {
		return classify(err, nil)
	}
	var steps []migrate.Step
	g := engine(db.dialect)
	if strategy == driver.None { // the change log is ours to make
		steps, _ = g.Compare(migrate.System(db.dialect), have)
	} else if steps, err = g.Plan(strategy, cat, have); err != nil {
		return err
	}
	for _, step := range steps {
		sql := migrate.SQL(db.dialect, step)
		if err := s.exec(sql); err != nil {
			return stepFault(step, err)
		}
	}
	for _, step := range steps {
		if err := db.note(s, cat.Version, migrate.SQL(db.dialect, step)); err != nil {
			return err
		}
	}
	return nil
}

var journal = &sqlgen.Plan{Point: true, SQL: `INSERT INTO "_octo_schema_journal" ("catalog", "step", "at") VALUES (?, ?, ?)`}

// note writes a step into the journal of schema changes.
func (db *DB) note(s *session, version, sql string) error {
	st, err := s.prepare(journal)
	if err != nil {
		return classify(err, nil)
	}
	st.bindText(1, version)
	st.bindText(2, sql)
	st.BindInt64(3, time.Now().UnixMilli())
	return s.step(uncancelled, st, journal, nil, nil)
}

// stepFault tells why a step could not be done, by table and column.
func stepFault(step migrate.Step, err error) error {
	f := fault.From(classify(err, nil))
	if f.Code == fault.Conflict && step.Index != nil {
		names := make([]string, len(step.Index.Keys))
		for i, k := range step.Index.Keys {
			names[i] = k.Column
		}
		m := migrate.Misfit{Table: step.Table, Column: strings.Join(names, ","), Reason: "the rows hold equal values where the schema wants unique ones"}
		return fault.Wrap(err, fault.Conflict, "the database does not fit the schema (table %s, column %s: %s); make them differ first", m.Table, m.Column, m.Reason).
			With([]migrate.Misfit{m})
	}
	return fault.Wrap(err, f.Code, "the table %s could not be changed: %s", step.Table, f.Message)
}

// Apply implements driver.Conn.
func (db *DB) Apply(ctx context.Context, cat *schema.Catalog) error {
	strategy := db.strategy
	if strategy == driver.Create || strategy == driver.CreateDrop {
		strategy = driver.Update
	}
	err := db.Write(ctx, driver.Unit{Run: func(t driver.Tx) error {
		return db.migrate(t.(*tx).session, cat, strategy)
	}})
	if err == nil {
		db.catalog.Store(cat)
	}
	return err
}

// drop removes the catalog's tables and the system's.
func (db *DB) drop(s *session, cat *schema.Catalog) error {
	have, err := introspect(s)
	if err != nil {
		return classify(err, nil)
	}
	for _, step := range migrate.Drops(migrate.Wanted(cat, db.dialect), have, true) {
		if err := s.exec(migrate.SQL(db.dialect, step)); err != nil {
			return stepFault(step, err)
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
	epoch = newEpoch()
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
	epoch := newEpoch()
	err := db.Write(ctx, driver.Unit{Run: func(t driver.Tx) error {
		return db.setMeta(t.(*tx).session, db.log.SetMeta, epochKey, epoch)
	}})
	if err != nil {
		return "", err
	}
	db.epoch.Store(&epoch)
	return epoch, nil
}

// newEpoch makes 8 characters of [a-z0-9].
func newEpoch() string { return strings.ToLower(rand.Text()[:8]) }
