package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
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

func parse(t testing.TB, source string) *schema.Catalog {
	t.Helper()
	cat, err := schema.Parse([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	return cat
}

const rowSchema = `[{"name":"Row","collection":"rows","fields":{"n":{"type":"integer"},"s":{"type":"string"},"u":{"type":"string","unique":true}}}]`

func newRow(e *schema.Entity, id string) schema.Row {
	row := make(schema.Row, len(e.Columns))
	row[0], row[1] = schema.TextOf(id), schema.IntOf(1)
	return row
}

func insert(conn driver.Conn, e *schema.Entity, id string, single bool) error {
	return conn.Write(context.Background(), driver.Unit{Single: single, Run: func(tx driver.Tx) error {
		if err := tx.Insert(e, newRow(e, id)); err != nil {
			return err
		}
		return tx.Append(&mesh.Change{Entity: e.Name, ID: id, Verb: mesh.Created, Version: 1, After: []byte("{}")})
	}})
}

func code(err error) fault.Code {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Code
	}
	return ""
}

// A server that dies under load comes back, and so do reads and writes. What was
// acknowledged is there, what was refused is not, and only of what says so itself
// (TIMEOUT) nobody knows.
func TestRestart(t *testing.T) {
	t.Parallel()
	server := testserver.StartPostgreSQL(t, testserver.Options{})
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	conn := open(t, server.Database(t), cat)
	defer func() { _ = conn.Close() }()
	const writers, each = 8, 150
	var mu sync.Mutex
	outcome := make(map[string]fault.Code)
	count := make(map[fault.Code]int)
	middle, again := make(chan struct{}), make(chan struct{})
	var reached, ended sync.WaitGroup
	reached.Add(writers)
	for w := range writers {
		ended.Go(func() {
			for i := range each {
				if i == each/2 {
					reached.Done()
				}
				if i == each-20 { // the rest when the server is there again
					<-again
				}
				id := fmt.Sprintf("w%d-%d", w, i)
				err := insert(conn, e, id, w%2 == 0)
				if i >= each-10 && err != nil {
					t.Errorf("%s: %v", id, err)
				}
				mu.Lock()
				outcome[id] = code(err)
				count[code(err)]++
				mu.Unlock()
			}
		})
	}
	go func() {
		reached.Wait()
		close(middle)
	}()
	<-middle
	server.Kill(t)
	server.Start(t)
	close(again)
	ended.Wait()
	there := make(map[string]bool)
	err := conn.Select(t.Context(), &query.Select{Entity: e, Projection: all(e)}, func(r driver.Row) error {
		there[string(r.Text(0))] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, c := range outcome {
		switch {
		case c == "" && !there[id]:
			t.Errorf("%s was acknowledged and is lost", id)
		case c != "" && c != fault.Timeout && there[id]:
			t.Errorf("%s was refused (%s) and is there", id, c)
		}
	}
	changes := 0
	top, err := conn.Committed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for after := int64(0); after < top; {
		err := conn.Changes(t.Context(), after, 1000, func(c *mesh.Change) error {
			if !there[c.ID] {
				t.Errorf("a change of %s, which is not there", c.ID)
			}
			after = c.Seq
			changes++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if changes != len(there) {
		t.Errorf("%d changes of %d records", changes, len(there))
	}
	t.Logf("outcomes: %v", count)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	uri := testserver.PostgreSQL(t)
	cat := parse(t, rowSchema)
	for _, c := range []struct {
		uri  string
		code fault.Code
	}{
		{"postgres://127.0.0.1:1/x?connect_timeout=2&sslmode=disable", fault.DBNotConnected},
		{"postgres://%zz", fault.InvalidRequest},
		{uri + "&schema=nowhere", fault.DBNotConnected},
		{uri + "&no_such_setting=1", fault.DBNotConnected},
		{uri + "&pool_max_conns=many", fault.InvalidRequest},
		{strings.Replace(uri, "/octo", "/none_octo", 1), fault.DBNotConnected},
	} {
		_, err := postgres.Open(t.Context(), c.uri, cat, postgres.Options{})
		if code(err) != c.code {
			t.Errorf("%s: %v", c.uri, err)
		}
		var f *fault.Error
		if errors.As(err, &f) && strings.Contains(f.Message, "SQLSTATE") {
			t.Errorf("the driver's words go out: %s", f.Message)
		}
	}
}

// What the server refuses is told by record keys, and a neighbour in the same
// group is not hurt.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	conn := open(t, fresh(t, testserver.PostgreSQL(t)), cat)
	defer func() { _ = conn.Close() }()
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			err := insert(conn, e, fmt.Sprintf("id%d", i/2), true) // each id twice
			if err == nil {
				return
			}
			if keys, ok := fault.From(err).Details.([]string); code(err) != fault.Conflict || !ok || len(keys) != 1 || keys[0] != "id" {
				t.Errorf("%v, details %v", err, fault.From(err).Details)
			}
		})
	}
	all.Wait()
	if n, err := conn.Count(t.Context(), &query.Select{Entity: e}); err != nil || n != 32 {
		t.Errorf("%d records, %v", n, err)
	}
}

// A stream whose reader pauses for longer than other transactions may still gives
// everything.
func TestSlowStreamOutlivesIdle(t *testing.T) {
	t.Parallel()
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	uri := fresh(t, testserver.PostgreSQL(t))
	options := patient("")
	options.Idle, options.Application = time.Second, "idle"
	conn, err := postgres.Open(t.Context(), uri, cat, options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	exec(t, uri, `INSERT INTO rows ("id", "_version") SELECT 'id' || g, 1 FROM generate_series(1, 3000) g`)
	q := &query.Select{Entity: e, Projection: all(e), Sort: []query.Order{{Column: e.Columns[0]}}}
	// ended returns when the server has ended a snapshot that stands still.
	ended := func() {
		err := conn.Snapshot(t.Context(), func(r driver.Reader) error {
			if _, err := r.Count(t.Context(), q); err != nil {
				return err
			}
			exec(t, uri, `DO $$ BEGIN
WHILE (SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'idle' AND state LIKE 'idle in transaction%') > 1 LOOP
PERFORM pg_stat_clear_snapshot(); PERFORM pg_sleep(0.01); END LOOP; END $$`)
			_, err := r.Count(t.Context(), q)
			return err
		})
		if code(err) == "" {
			t.Errorf("a snapshot that stood still: %v", err)
		}
	}
	n := 0
	err = conn.Stream(t.Context(), func(r driver.Reader) error {
		return r.Select(t.Context(), q, func(driver.Row) error {
			if n++; n == 1 {
				ended()
			}
			return nil
		})
	})
	if err != nil || n != 3000 {
		t.Errorf("%d records: %v", n, err)
	}
}

// A pattern that the server cannot try is tried by the worker.
func TestResidual(t *testing.T) {
	t.Parallel()
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	conn := open(t, fresh(t, testserver.PostgreSQL(t)), cat)
	defer func() { _ = conn.Close() }()
	for i := range 300 {
		if err := insert(conn, e, fmt.Sprintf("id%03d", i), true); err != nil {
			t.Fatal(err)
		}
	}
	p, err := query.CompilePattern(`(?:5|7)$`, false)
	if err != nil {
		t.Fatal(err)
	}
	q := &query.Select{Entity: e, Projection: all(e), Where: query.Regex{Column: e.Columns[0], Pattern: p}, Sort: []query.Order{{Column: e.Columns[0]}}, Skip: 2, Limit: 3}
	var got []string
	if err := conn.Select(t.Context(), q, func(r driver.Row) error { got = append(got, string(r.Text(0))); return nil }); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, " ") != "id015 id017 id025" {
		t.Errorf("got %v", got)
	}
	q.Skip, q.Limit = 0, 0
	if n, err := conn.Count(t.Context(), q); err != nil || n != 60 {
		t.Errorf("counted %d, %v", n, err)
	}
}
