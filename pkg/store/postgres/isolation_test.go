package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/postgres"
	"github.com/octomesh/octomesh/pkg/testserver"
)

// A unit sees what others have committed meanwhile, whatever isolation the
// address, the role or the database is set to.
func TestIsolation(t *testing.T) {
	t.Parallel()
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	conn := open(t, fresh(t, testserver.PostgreSQL(t))+"&default_transaction_isolation=repeatable%20read", cat)
	defer func() { _ = conn.Close() }()
	err := conn.Write(t.Context(), driver.Unit{Run: func(tx driver.Tx) error {
		for want := range int64(3) {
			if n, err := tx.Count(t.Context(), &query.Select{Entity: e}); err != nil || n != want {
				return fmt.Errorf("%d records, not %d: %w", n, want, err)
			}
			if err := insert(conn, e, fmt.Sprint(want), true); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		t.Error(err)
	}
}

// Of several that look for a record by a filter that the server can't decide,
// and make it when there is none, only the first one makes it.
func TestResidualUpsert(t *testing.T) {
	t.Parallel()
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	uri := fresh(t, testserver.PostgreSQL(t))
	conns := []driver.Conn{open(t, uri, cat), open(t, uri, cat)}
	for _, c := range conns {
		defer func() { _ = c.Close() }()
	}
	const rounds, callers = 10, 6
	for round := range rounds {
		p, err := query.CompilePattern(fmt.Sprintf(`^(?:r|s)%d-[^$]*?`, round), false)
		if err != nil {
			t.Fatal(err)
		}
		q := &query.Select{Entity: e, Projection: all(e), Where: query.Regex{Column: e.Columns[0], Pattern: p}, Limit: 1}
		var done sync.WaitGroup
		for i := range callers {
			done.Go(func() {
				err := conns[i%2].Write(t.Context(), driver.Unit{Single: i < callers/2, Run: func(tx driver.Tx) error {
					found := false
					if err := tx.Select(t.Context(), q, func(driver.Row) error { found = true; return nil }); err != nil || found {
						return err
					}
					row := newRow(e, fmt.Sprintf("r%d-%d", round, i))
					if err := tx.Insert(e, row); err != nil {
						return err
					}
					return tx.Append(&mesh.Change{Entity: e.Name, ID: row[0].Text(), Verb: mesh.Upserted, Version: 1, After: []byte("{}")})
				}})
				if err != nil {
					t.Error(err)
				}
			})
		}
		done.Wait()
	}
	if n, err := conns[0].Count(t.Context(), &query.Select{Entity: e}); err != nil || n != rounds {
		t.Errorf("%d records, not %d: %v", n, rounds, err)
	}
}

// A worker waits for another one that changes the tables for longer than a
// statement may take, when it opens them and when it changes them itself.
func TestMigrationTakesLong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		open func(context.Context, string, *schema.Catalog, postgres.Options) (driver.Conn, error)
		hold string
		uri  string
	}{
		"postgres": {postgres.Open, "BEGIN; SELECT pg_advisory_xact_lock(7021948561 # (current_schema()::regnamespace::oid::bigint << 32))", testserver.PostgreSQL(t)},
		"cockroachdb": {postgres.OpenCockroach, `CREATE TABLE IF NOT EXISTS "_octo_lock" ("id" bigint PRIMARY KEY); INSERT INTO "_octo_lock" VALUES (1) ON CONFLICT DO NOTHING;
			BEGIN; SELECT * FROM "_octo_lock" FOR UPDATE`, byBytes(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cat := parse(t, rowSchema)
			uri := fresh(t, c.uri)
			ctx := context.WithoutCancel(t.Context())
			other := another(t, uri)
			migrate := func(do func() error) {
				t.Helper()
				if _, err := other.Exec(ctx, c.hold); err != nil {
					t.Fatal(err)
				}
				var held sync.WaitGroup
				held.Go(func() {
					if _, err := other.Exec(ctx, "SELECT pg_sleep(3); COMMIT"); err != nil {
						t.Error(err)
					}
				})
				err := do()
				held.Wait()
				if err != nil {
					t.Fatal(err)
				}
			}
			var conn driver.Conn
			migrate(func() (err error) {
				conn, err = c.open(ctx, uri, cat, postgres.Options{Lanes: 2, Pool: 3, Statement: 1500 * time.Millisecond})
				return err
			})
			defer func() { _ = conn.Close() }()
			migrate(func() error { return conn.Apply(ctx, cat) })
			err := conn.Write(ctx, driver.Unit{Run: func(tx driver.Tx) error { return tx.Insert(cat.Entity("Row"), newRow(cat.Entity("Row"), "a")) }})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// Writes whose commit was lost are run again if they have an idempotency key, in
// groups and alone; of others nobody knows.
func TestLostCommit(t *testing.T) {
	t.Parallel()
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	for _, keyed := range []bool{true, false} {
		for _, single := range []bool{true, false} {
			uri := fresh(t, testserver.PostgreSQL(t))
			conn := open(t, uri, cat)
			exec(t, uri, "CREATE SEQUENCE tries",
				"CREATE FUNCTION fall() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('tries') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NULL; END $$",
				`CREATE CONSTRAINT TRIGGER fall AFTER INSERT ON "_octo_changes" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fall()`)
			const writes = 12
			var done sync.WaitGroup
			var lost atomic.Int64
			for i := range writes {
				done.Go(func() {
					key := ""
					if keyed {
						key = fmt.Sprint("k", i)
					}
					err := conn.Write(t.Context(), driver.Unit{Single: single, Run: func(tx driver.Tx) error {
						if found, err := tx.Replay("p", key); err != nil || found != nil {
							return err
						}
						id := fmt.Sprint("id", i)
						if err := tx.Insert(e, newRow(e, id)); err != nil {
							return err
						}
						return tx.Append(&mesh.Change{
							Entity: e.Name, ID: id, Verb: mesh.Created, Version: 1, After: []byte("{}"),
							Principal: "p", IdempotencyKey: key, RequestHash: []byte{1},
						})
					}})
					if code(err) == fault.Timeout {
						lost.Add(1)
					} else if err != nil {
						t.Error(err)
					}
				})
			}
			done.Wait()
			n, err := conn.Count(t.Context(), &query.Select{Entity: e})
			if err != nil || n+lost.Load() != writes || keyed != (lost.Load() == 0) {
				t.Errorf("keyed %t, single %t: %d records, %d lost, %v", keyed, single, n, lost.Load(), err)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
