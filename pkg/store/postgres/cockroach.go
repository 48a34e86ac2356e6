package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// CockroachDB speaks PostgreSQL's protocol and most of its SQL, but has none of
// what the engine leans on elsewhere: no advisory locks, no pg_locks, no sequence
// whose order means anything, no DDL in a transaction with anything else. So
//
//   - numbers of the log come from a row of _octo_meta that each transaction
//     changes last: who holds it commits before the next one has a number, so
//     there are no holes and the order is that of the commits. In one process
//     the writing transactions take turns, since meeting at that row would only
//     make them run again; that a turn holds many units pays for it;
//   - every transaction is SERIALIZABLE, which is what keeps two upserts from
//     making the same record, and runs again when the server says 40001;
//   - tables are changed step by step with a journal, while a connection holds
//     the row of _octo_lock;
//   - text is compared as the database does, by bytes, and JSON is stored as
//     text (its json is a jsonb); patterns are tried by the worker.
//
// It was tested on PostgreSQL with these rules, never on a CockroachDB.

// counterKey is the row of _octo_meta that holds the last number of the log.
const counterKey = "seq"

const lockTable = "_octo_lock"

// OpenCockroach is Open for CockroachDB.
func OpenCockroach(ctx context.Context, uri string, cat *schema.Catalog, o Options) (driver.Conn, error) {
	o.cockroach = true
	return Open(ctx, uri, cat, o)
}

// Cockroach returns CockroachDB as sqlgen must know it.
func Cockroach() *sqlgen.Dialect {
	d := Dialect(false)
	d.Name = "cockroachdb"
	d.ColumnType = func(c *schema.Column, key bool) string {
		if c.Type.Kind() == schema.KindJSON {
			return "text"
		}
		return strings.TrimSuffix(columnType(c, key), bytewise)
	}
	d.Types = sqlgen.SystemTypes{Text: "text", Key: "text", Int: "bigint", Bytes: "bytea"}
	d.Tables = sqlgen.Tables{PlainIndex: true}
	d.Identity, d.Counter = "", true
	d.Collate = nil
	d.Match = matchCockroach
	return d
}

// matchCockroach leaves patterns, and letters beyond ASCII in other case, to the
// worker.
func matchCockroach(b *sqlgen.Builder, t sqlgen.Match) bool {
	switch {
	case t.Kind == sqlgen.MatchRegex:
		b.Write("1=1")
		return false
	case t.Kind != sqlgen.MatchFold:
		return matcher{}.match(b, t)
	}
	b.Write("(strpos(lower(")
	t.Operand()
	b.Write("), ")
	b.Arg(schema.TextOf(t.Text))
	b.Write(truth(t.Negate, ") = 0", ") > 0") + " OR octet_length(")
	t.Operand()
	b.Write(") <> length(")
	t.Operand()
	b.Write("))")
	return false
}

// counted writes the statement that numbers and stores changes.
func counted(insert string, n int, types []string) *sqlgen.Plan {
	var rows strings.Builder
	at := 0
	for i := range n {
		if i > 0 {
			rows.WriteString(", ")
		}
		rows.WriteString("(" + strconv.Itoa(i+1-n) + "::bigint")
		for _, t := range types {
			at++
			rows.WriteString(", $" + strconv.Itoa(at) + "::" + t)
		}
		rows.WriteString(")")
	}
	p := fixed(`WITH k AS (UPDATE "` + sqlgen.MetaTable + `" SET "value" = ("value"::bigint + ` + strconv.Itoa(n) + `)::text WHERE "key" = '` + counterKey + `' RETURNING "value"::bigint AS v)
` + insert + `SELECT v + c0, COALESCE(c1, v + c0), c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14
FROM k, (VALUES ` + rows.String() + `) r(c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14) ORDER BY c0 RETURNING "seq", "tx"`)
	p.Params = at
	return p
}

var (
	hasCluster = fixed("SELECT 'UTF8', current_schema(), 'on'")
	counter    = fixed(`SELECT "value" FROM "` + sqlgen.MetaTable + `" WHERE "key" = '` + counterKey + `'`)
	makeLock   = fixed(`CREATE TABLE IF NOT EXISTS "` + lockTable + `" ("id" bigint PRIMARY KEY)`)
	fillLock   = fixed(`INSERT INTO "` + lockTable + `" VALUES (1) ON CONFLICT DO NOTHING`)
	takeLock   = fixed(`SELECT "id" FROM "` + lockTable + `" WHERE "id" = 1 FOR UPDATE`)
	noIdleEnd  = fixed("SET idle_in_transaction_session_timeout = 0")
	noEnd      = fixed("SET statement_timeout = 0")
	holdLong   = fixed("SET lock_timeout = '2min'")
	dropKeyed  = fixed(`DELETE FROM "` + sqlgen.RepliesTable + `" WHERE ("principal", "idem") IN (SELECT "principal", "idem" FROM "` + sqlgen.RepliesTable + `" WHERE "at" < $1 ORDER BY "at" LIMIT $2)`)
)

// locked runs fn, on a connection of its own, while no other process changes the
// tables.
func (db *DB) locked(ctx context.Context, fn func(m *migration) error) error {
	holder, err := db.connect(ctx, writer)
	if err != nil {
		return err
	}
	defer holder.close()
	hold := &migration{db, &transaction{session: holder}}
	defer context.AfterFunc(ctx, func() { _ = holder.net.Close() })()
	if err := hold.unhurried(); err != nil {
		return err
	}
	for try := 1; ; try++ { // those that make the table or its row at once clash
		if err = hold.run(makeLock); err == nil {
			err = hold.run(fillLock)
		}
		if err == nil {
			break
		}
		if try > tryClash || !hasCode(err, uniqueViolation, serializationFailure, "42P07", "42710", "XX000") {
			return err
		}
		db.rest(try)
	}
	for try := 1; ; try++ {
		if err = hold.run(begin); err == nil {
			err = hold.run(takeLock)
		}
		if err == nil {
			break
		}
		if holder.broken != nil || try > tryCounted || !hasCode(err, serializationFailure) {
			return err
		}
		_ = holder.exec("ROLLBACK")
		db.rest(try)
	}
	s, err := db.connect(ctx, writer)
	if err != nil {
		return err
	}
	defer s.close()
	defer context.AfterFunc(ctx, func() { _ = s.net.Close() })()
	m := &migration{db, &transaction{session: s}}
	if err := m.unhurried(); err != nil {
		return err
	}
	return fn(m)
}

// unhurried lets the statements that follow take as long as they do, and wait for
// another process that changes the tables.
func (m *migration) unhurried() error {
	m.exec.(*transaction).session.patience = 0
	for _, p := range []*sqlgen.Plan{noIdleEnd, noEnd, holdLong} {
		if err := m.run(p); err != nil {
			return err
		}
	}
	return nil
}

// prepareCounted is prepare for CockroachDB.
func (db *DB) prepareCounted(ctx context.Context, cat *schema.Catalog) error {
	s, err := db.connect(ctx, writer)
	if err != nil {
		return err
	}
	defer s.close()
	db.dialect = Cockroach()
	db.gen, db.log = sqlgen.New(db.dialect, plansKept), sqlgen.NewLog(db.dialect)
	if err := db.check(&migration{db, &transaction{session: s}}); err != nil {
		return failed(ctx, err)
	}
	if db.options.Strategy == driver.Inspect {
		db.epoch.Store(new(string))
		return nil
	}
	epoch := ""
	err = db.locked(ctx, func(m *migration) error {
		if err := m.steps(ctx, cat, db.options.Strategy); err != nil {
			return err
		}
		switch value, err := m.text(counter); {
		case err != nil:
			return err
		case value == "":
			if err := m.run(db.log.AddMeta, "0", counterKey); err != nil {
				return err
			}
		}
		epoch, err = m.firstEpoch()
		return err
	})
	if err != nil {
		return failed(ctx, err)
	}
	db.statements("")
	db.epoch.Store(&epoch)
	db.catalog.Store(cat)
	return nil
}

// steps runs the steps of a strategy.
func (m *migration) steps(ctx context.Context, cat *schema.Catalog, strategy driver.Strategy) error {
	_, err := engine(m.db.dialect).Run(ctx, m, strategy, cat)
	return err
}

// dropAll removes the catalog's tables and the system's.
func (m *migration) dropAll() error {
	have, err := m.Tables(context.Background())
	if err != nil {
		return err
	}
	for _, step := range engine(m.db.dialect).Drops(migrate.Wanted(m.db.catalog.Load(), m.db.dialect), have) {
		if err := m.run(fixed(migrate.SQL(m.db.dialect, step))); err != nil {
			return migrate.StepFault(step, err)
		}
	}
	return nil
}

// turn waits for the turn of a writing transaction and returns what ends it.
func (db *DB) turn() func() {
	if !db.options.cockroach {
		return func() {}
	}
	db.turns.Lock()
	return db.turns.Unlock
}

// tries bounds the repetitions of a unit that met others.
func (db *DB) tries() int {
	if db.options.cockroach {
		return tryCounted
	}
	return tryClash
}
