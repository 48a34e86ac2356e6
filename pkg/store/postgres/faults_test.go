package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/postgres"
	"github.com/octomesh/octomesh/pkg/testserver"
)

// another is a connection of another program.
func another(t *testing.T, uri string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), strings.Replace(uri, "schema=", "search_path=", 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// as is the address for another user.
func as(uri, user string) string {
	return strings.Replace(uri, "postgres://postgres@", "postgres://"+user+"@", 1)
}

func wants(t *testing.T, what string, err error, want fault.Code) {
	t.Helper()
	if code(err) != want {
		t.Errorf("%s: %v, not %s", what, err, want)
	}
	var f *fault.Error
	if errors.As(err, &f) && strings.Contains(f.Message, "SQLSTATE") {
		t.Errorf("%s: the driver's words go out: %s", what, f.Message)
	}
}

func counts(t *testing.T, conn driver.Conn, e *schema.Entity, want int64) {
	t.Helper()
	n, err := conn.Count(t.Context(), &query.Select{Entity: e})
	changes := int64(0)
	if _, top := conn.Committed(t.Context()); top != nil {
		err = errors.Join(err, top)
	}
	err = errors.Join(err, conn.Changes(t.Context(), 0, 10_000, func(*mesh.Change) error { changes++; return nil }))
	if err != nil || n != want || changes != want {
		t.Errorf("%d records and %d changes, not %d: %v", n, changes, want, err)
	}
}

func TestPassword(t *testing.T) {
	t.Parallel()
	server := testserver.StartPostgreSQL(t, testserver.Options{})
	uri := fresh(t, server.Database(t))
	exec(
		t, uri, "CREATE ROLE careful LOGIN PASSWORD 'right' SUPERUSER",
		`DO $$ BEGIN EXECUTE format('COPY (VALUES (''host all careful 127.0.0.1/32 scram-sha-256''), (''host all all 127.0.0.1/32 trust'')) TO %L', current_setting('hba_file')); END $$`,
		"SELECT pg_reload_conf()",
	)
	cat := parse(t, rowSchema)
	for { // until the server has read the file
		conn, err := postgres.Open(t.Context(), as(uri, "careful:wrong"), cat, postgres.Options{Strategy: driver.Inspect})
		if err == nil {
			_ = conn.Close()
			continue
		}
		wants(t, "a wrong password", err, fault.DBNotConnected)
		break
	}
	conn, err := postgres.Open(t.Context(), as(uri, "careful:right"), cat, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	uri := fresh(t, testserver.PostgreSQL(t))
	role := fmt.Sprintf("few%d_%d", time.Now().UnixNano(), schemas.Add(1))
	exec(t, uri, "CREATE ROLE "+role+" LOGIN CONNECTION LIMIT 1", "GRANT ALL ON SCHEMA "+uri[strings.LastIndexByte(uri, '=')+1:]+" TO "+role)
	t.Cleanup(func() { exec(t, uri, "DROP OWNED BY "+role+" CASCADE", "DROP ROLE "+role) })
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	mine := as(uri, role)
	only := another(t, mine)
	_, err := postgres.Open(t.Context(), mine, cat, postgres.Options{})
	wants(t, "no connection left", err, fault.Overloaded)
	_ = only.Close(t.Context())
	var conn driver.Conn
	for conn, err = postgres.Open(t.Context(), mine, cat, postgres.Options{}); code(err) == fault.Overloaded; { // the server is slow to forget
		conn, err = postgres.Open(t.Context(), mine, cat, postgres.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	done := int64(0)
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			err := insert(conn, e, fmt.Sprintf("a%d", i), i%2 == 0)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
			} else {
				wants(t, "a write", err, fault.Overloaded)
			}
		})
	}
	all.Wait()
	exec(t, uri, "ALTER ROLE "+role+" CONNECTION LIMIT -1")
	heals := func(do func() error) { // lanes rest a moment after a refusal
		err := do()
		for code(err) == fault.Overloaded {
			err = do()
		}
		if err != nil {
			t.Error(err)
		}
	}
	heals(func() error { return conn.Ping(t.Context()) })
	heals(func() error { return insert(conn, e, "b", true) })
	heals(func() error { return insert(conn, e, "c", false) })
	counts(t, conn, e, done+2)
}

// update changes a record, after having told that it holds it.
func update(conn driver.Conn, e *schema.Entity, id string, single bool, meanwhile func()) error {
	return conn.Write(context.Background(), driver.Unit{Single: single, Run: func(tx driver.Tx) error {
		row, err := tx.Load(e, id)
		if err != nil {
			return err
		}
		meanwhile()
		row[1] = schema.IntOf(row[1].Int() + 1)
		if err := tx.Update(e, row, e.Columns[1:2]); err != nil {
			return err
		}
		return tx.Append(&mesh.Change{Entity: e.Name, ID: id, Verb: mesh.Updated, Version: row[1].Int(), After: []byte("{}")})
	}})
}

func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	uri := fresh(t, testserver.PostgreSQL(t))
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	conn := open(t, uri+"&statement_timeout=300", cat)
	defer func() { _ = conn.Close() }()
	if err := insert(conn, e, "a", true); err != nil {
		t.Fatal(err)
	}
	other := another(t, uri)
	tx, err := other.Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), "SELECT 1 FROM rows FOR UPDATE")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, single := range []bool{true, false} {
		wants(t, "a held record", update(conn, e, "a", single, func() {}), fault.Timeout)
	}
	counts(t, conn, e, 1)
	if err := errors.Join(tx.Rollback(t.Context()), update(conn, e, "a", true, func() {}), update(conn, e, "a", false, func() {})); err != nil {
		t.Error(err)
	}
}

// A transaction that the server has ended for being slow runs again, and is
// given up if it is as slow again.
func TestSlowTransaction(t *testing.T) {
	t.Parallel()
	uri := fresh(t, testserver.PostgreSQL(t))
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	conn := open(t, uri+"&idle_in_transaction_session_timeout=100&application_name="+uri[strings.LastIndexByte(uri, '=')+1:], cat)
	defer func() { _ = conn.Close() }()
	if err := insert(conn, e, "a", true); err != nil {
		t.Fatal(err)
	}
	other := another(t, uri)
	ended := func() {
		for n := 1; n > 0; {
			err := other.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = current_schema() AND state = 'idle in transaction'").Scan(&n)
			if err != nil {
				t.Error(err)
				return
			}
		}
	}
	var once sync.Once
	if err := update(conn, e, "a", false, func() { once.Do(ended) }); err != nil {
		t.Errorf("slow once: %v", err)
	}
	err := update(conn, e, "a", false, ended)
	wants(t, "slow for ever", err, fault.Timeout)
	if err := update(conn, e, "a", true, func() {}); err != nil {
		t.Error(err)
	}
	changes := 0
	if err := conn.Changes(t.Context(), 0, 100, func(*mesh.Change) error { changes++; return nil }); err != nil || changes != 3 {
		t.Errorf("%d changes, %v", changes, err)
	}
}

// unit of records with unique values.
func inserting(conn driver.Conn, e *schema.Entity, between func(), pairs ...string) error {
	return conn.Write(context.Background(), driver.Unit{Single: len(pairs) == 2, Run: func(tx driver.Tx) error {
		for i := 0; i < len(pairs); i += 2 {
			row := newRow(e, pairs[i])
			row[e.Column("u").Index] = schema.TextOf(pairs[i+1])
			if err := tx.Insert(e, row); err != nil {
				return err
			}
			if i == 0 {
				between()
			}
		}
		for i := 0; i < len(pairs); i += 2 {
			if err := tx.Append(&mesh.Change{Entity: e.Name, ID: pairs[i], Verb: mesh.Created, Version: 1, After: []byte("{}")}); err != nil {
				return err
			}
		}
		return nil
	}})
}

// Two that wait for each other: one is done, the other runs again and finds the
// values taken.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	conn := open(t, fresh(t, testserver.PostgreSQL(t)), cat)
	defer func() { _ = conn.Close() }()
	var both, all sync.WaitGroup
	both.Add(2)
	errs := make([]error, 2)
	for i, pairs := range [][]string{{"a1", "x", "a2", "y"}, {"b1", "y", "b2", "x"}} {
		all.Go(func() {
			var once sync.Once
			errs[i] = inserting(conn, e, func() {
				once.Do(func() {
					both.Done()
					both.Wait()
				})
			}, pairs...)
		})
	}
	all.Wait()
	if errs[0] != nil {
		errs[0], errs[1] = errs[1], errs[0]
	}
	if errs[0] != nil {
		t.Error(errs[0])
	}
	wants(t, "the other", errs[1], fault.Conflict)
	counts(t, conn, e, 2)
	// groups, in whose order of ids the values cross
	errs = make([]error, 40)
	for i := range errs {
		all.Go(func() {
			value := i % 20
			if i >= 20 {
				value = 19 - value
			}
			errs[i] = inserting(conn, e, func() {}, fmt.Sprintf("g%02d", i), fmt.Sprintf("v%d", value))
		})
	}
	all.Wait()
	taken := 0
	for _, err := range errs {
		if err != nil {
			wants(t, "a taken value", err, fault.Conflict)
			taken++
		}
	}
	if taken != 20 {
		t.Errorf("%d of 40 writes found their value taken", taken)
	}
	counts(t, conn, e, 22)
}

// What an adopted table refuses is told by its kind, alone and in a group, and
// leaves nothing behind.
func TestAdopted(t *testing.T) {
	t.Parallel()
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	uri := fresh(t, testserver.PostgreSQL(t))
	_ = open(t, uri, parse(t, `[]`)).Close() // the tables of the log
	exec(
		t, uri, `CREATE TABLE rows (id varchar(20) PRIMARY KEY, _version bigint NOT NULL, n smallint CHECK (n <> 13), s varchar(5), u text UNIQUE)`,
		`CREATE TABLE orders (row varchar(20) REFERENCES rows)`,
		// a full disk as the server tells of it
		"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$",
		"CREATE TRIGGER full_disk BEFORE INSERT ON rows FOR EACH ROW WHEN (NEW.s = 'full') EXECUTE FUNCTION full_disk()",
	)
	conn := open(t, uri, cat)
	defer func() { _ = conn.Close() }()
	set := func(id, column string, v schema.Value) error {
		row := newRow(e, id)
		row[e.Column(column).Index] = v
		return conn.Write(context.Background(), driver.Unit{Single: true, Run: func(tx driver.Tx) error {
			if err := tx.Insert(e, row); err != nil {
				return err
			}
			return tx.Append(&mesh.Change{Entity: e.Name, ID: id, Verb: mesh.Created, Version: 1, After: []byte("{}")})
		}})
	}
	refused := []struct {
		what, column string
		v            schema.Value
		code         fault.Code
	}{
		{"too long", "s", schema.TextOf("longer"), fault.ValidationError},
		{"too large", "n", schema.IntOf(40_000), fault.ValidationError},
		{"checked", "n", schema.IntOf(13), fault.ValidationError},
		{"disk full", "s", schema.TextOf("full"), fault.DBNotConnected},
	}
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			c := refused[i%len(refused)]
			wants(t, c.what, set(fmt.Sprintf("bad%d", i), c.column, c.v), c.code)
			if err := set(fmt.Sprintf("good%d", i), "n", schema.IntOf(int64(i+100))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	exec(t, uri, "INSERT INTO orders VALUES ('good1')")
	remove := func(id string) error {
		return conn.Write(t.Context(), driver.Unit{Single: true, Run: func(tx driver.Tx) error {
			if err := tx.Delete(e, id); err != nil {
				return err
			}
			return tx.Append(&mesh.Change{Entity: e.Name, ID: id, Verb: mesh.Deleted, Version: 1})
		}})
	}
	wants(t, "referred to", remove("good1"), fault.Conflict)
	counts(t, conn, e, 32)
}

// A long read that its caller gives up ends on the server, too.
func TestCancel(t *testing.T) {
	t.Parallel()
	uri := fresh(t, testserver.PostgreSQL(t))
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	conn := open(t, uri+"&application_name="+uri[strings.LastIndexByte(uri, '=')+1:], cat)
	defer func() { _ = conn.Close() }()
	exec(
		t, uri, "INSERT INTO rows (id, _version) SELECT 'r' || i, 1 FROM generate_series(1, 3000) i",
		"ALTER TABLE rows RENAME TO rows_",
		"CREATE VIEW rows AS SELECT id, _version, CASE WHEN pg_sleep(0.01) IS NULL THEN n ELSE n END AS n, s, u FROM rows_", // half a minute
	)
	ctx, cancel := context.WithCancel(t.Context())
	other := another(t, uri)
	await := func(running int) {
		for n := 1 - running; n != running; {
			err := other.QueryRow(context.Background(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = current_schema() AND state = 'active' AND query LIKE '%rows%'").Scan(&n)
			if err != nil {
				t.Error(err)
				return
			}
		}
	}
	done := make(chan error, 1)
	go func() {
		done <- conn.Select(ctx, &query.Select{Entity: e, Projection: all(e), Sort: []query.Order{{Column: e.Column("n")}, {Column: e.Columns[0]}}}, func(driver.Row) error { return nil })
	}()
	await(1)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	began := time.Now()
	await(0)
	if spent := time.Since(began); spent > 10*time.Second {
		t.Errorf("the server worked on for %s", spent)
	}
}
