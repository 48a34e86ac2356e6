package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/stores/mongodb"
	"github.com/octomesh/octomesh/pkg/stores/mongodb/mongotest"
)

const things = `[{"name":"Thing","collection":"things","fields":{"n":"integer","code":{"type":"string","unique":true}}}]`

func catalog(t testing.TB, source string) *schema.Catalog {
	t.Helper()
	cat, err := schema.Parse([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	return cat
}

func open(t testing.TB, uri string, cat *schema.Catalog) driver.Conn {
	t.Helper()
	conn, err := mongodb.Open(t.Context(), uri, cat, mongodb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// put is a unit that stores a Thing and its change.
func put(cat *schema.Catalog, id, code string) driver.Unit {
	e := cat.Entity("Thing")
	return driver.Unit{Run: func(tx driver.Tx) error {
		row := make(schema.Row, len(e.Columns))
		row[0], row[1] = schema.TextOf(id), schema.IntOf(1)
		row[e.Column("code").Index] = schema.TextOf(code)
		if err := tx.Insert(e, row); err != nil {
			return err
		}
		return tx.Append(&mesh.Change{Entity: "Thing", ID: id, Verb: mesh.Created, Version: 1, After: []byte("{}"), At: time.UnixMilli(1)})
	}}
}

func count(t testing.TB, conn driver.Conn, cat *schema.Catalog) (rows, changes int64) {
	t.Helper()
	rows, err := conn.Count(t.Context(), &query.Select{Entity: cat.Entity("Thing")})
	if err == nil {
		changes, err = conn.Committed(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return rows, changes
}

func wantCode(t testing.TB, err error, code fault.Code) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

// interference is a peer that a test can disturb: the next answers to a command.
type interference struct {
	mu      sync.Mutex
	command string
	left    int
	failure mongotest.Failure
	hits    atomic.Int64
}

func (i *interference) before(command string, _ bson.Raw) *mongotest.Failure {
	i.mu.Lock()
	defer i.mu.Unlock()
	if command != i.command || i.left == 0 {
		return nil
	}
	i.left--
	i.hits.Add(1)
	f := i.failure
	return &f
}

func (i *interference) set(command string, times int, f mongotest.Failure) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.command, i.left, i.failure = command, times, f
	i.hits.Store(0)
}

// TestTroubleInAWrite disturbs a write in every way that may pass: it comes
// about once, with its one change.
func TestTroubleInAWrite(t *testing.T) {
	t.Parallel()
	const lost, conflict = "TransientTransactionError", 112
	var trouble interference
	server := mongotest.Start(t, mongotest.Options{Before: trouble.before})
	cat := catalog(t, things)
	conn := open(t, server.URI("trouble"), cat)
	for i, c := range []struct {
		command string
		times   int
		failure mongotest.Failure
	}{
		{"insert", 3, mongotest.Failure{Code: conflict, Text: "WriteConflict", Labels: []string{lost}}},
		{"findAndModify", 3, mongotest.Failure{Code: conflict, Text: "WriteConflict", Labels: []string{lost}}},
		{"insert", 1, mongotest.Failure{Hangup: true}},
		{"update", 1, mongotest.Failure{Hangup: true, After: true}},
		{"findAndModify", 1, mongotest.Failure{Code: 10107, Text: "not primary", Labels: []string{lost}}},
		{"commitTransaction", 1, mongotest.Failure{Hangup: true}},
		{"commitTransaction", 1, mongotest.Failure{Hangup: true, After: true}},
		{"commitTransaction", 2, mongotest.Failure{Hangup: true, After: true}},
		{"commitTransaction", 1, mongotest.Failure{Code: 251, Text: "NoSuchTransaction", Labels: []string{lost}}},
		{"commitTransaction", 1, mongotest.Failure{Code: 11602, Text: "interrupted", Labels: []string{"UnknownTransactionCommitResult"}, After: true}},
	} {
		trouble.set(c.command, c.times, c.failure)
		id := fmt.Sprintf("t%d", i)
		if err := conn.Write(t.Context(), put(cat, id, id)); err != nil {
			t.Errorf("%s %+v: %v", c.command, c.failure, err)
		}
		if n := trouble.hits.Load(); n != int64(c.times) {
			t.Errorf("%s %+v: came about %d times, want %d", c.command, c.failure, n, c.times)
		}
		if rows, changes := count(t, conn, cat); rows != int64(i+1) || changes != int64(i+1) {
			t.Fatalf("%s %+v: %d rows, %d changes, want %d", c.command, c.failure, rows, changes, i+1)
		}
	}
}

// TestLostCommit: when nobody hears what became of a commit, the write may have
// been done, which TIMEOUT says and DB_NOT_CONNECTED would deny; and it is not
// run once more.
func TestLostCommit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		standalone bool
		command    string
		failure    mongotest.Failure
	}{
		"commit":     {false, "commitTransaction", mongotest.Failure{Code: 50, Text: "MaxTimeMSExpired", After: true}},
		"standalone": {true, "insert", mongotest.Failure{Hangup: true, After: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var trouble interference
			server := mongotest.Start(t, mongotest.Options{Standalone: c.standalone, Before: trouble.before})
			cat := catalog(t, things)
			conn := open(t, server.URI("lost"), cat)
			trouble.set(c.command, 1<<30, c.failure)
			mongodb.SetPatience(conn, time.Millisecond)
			var runs [3]atomic.Int64
			begun, goOn := make(chan struct{}), make(chan struct{})
			answers := make(chan error, len(runs))
			write := func(i int) {
				u := put(cat, string(rune('a'+i)), string(rune('a'+i)))
				answers <- conn.Write(t.Context(), driver.Unit{Run: func(tx driver.Tx) error {
					runs[i].Add(1)
					if i == 0 {
						close(begun)
						<-goOn
					}
					return u.Run(tx)
				}})
			}
			go write(0)
			<-begun
			go write(1) // these two make a group
			go write(2)
			for mongodb.Waiting(conn) < 2 {
				runtime.Gosched()
			}
			close(goOn)
			for range runs {
				wantCode(t, <-answers, fault.Timeout)
			}
			trouble.set("", 0, mongotest.Failure{})
			for i := range runs {
				if n := runs[i].Load(); n != 1 {
					t.Errorf("unit %d ran %d times", i, n)
				}
			}
		})
	}
}

// TestErrors gives each failure of the server the code that callers know.
func TestErrors(t *testing.T) {
	t.Parallel()
	var trouble interference
	server := mongotest.Start(t, mongotest.Options{Before: trouble.before})
	cat := catalog(t, things)
	conn := open(t, server.URI("errors"), cat)
	if err := conn.Write(t.Context(), put(cat, "a", "x")); err != nil {
		t.Fatal(err)
	}
	err := conn.Write(t.Context(), put(cat, "b", "x"))
	wantCode(t, err, fault.Conflict)
	if keys, _ := fault.From(err).Details.([]string); !slices.Equal(keys, []string{"code"}) {
		t.Errorf("details: %v", fault.From(err).Details)
	}
	err = conn.Write(t.Context(), put(cat, "a", "y"))
	wantCode(t, err, fault.Conflict)
	if keys, _ := fault.From(err).Details.([]string); !slices.Equal(keys, []string{"id"}) {
		t.Errorf("details: %v", fault.From(err).Details)
	}
	wantCode(t, conn.Write(t.Context(), put(cat, "c", strings.Repeat("x", 17<<20))), fault.PayloadTooLarge)
	if rows, changes := count(t, conn, cat); rows != 1 || changes != 1 {
		t.Errorf("%d rows, %d changes", rows, changes)
	}
	for code, want := range map[int32]fault.Code{
		13: fault.DBNotConnected, 18: fault.DBNotConnected, 50: fault.Timeout, 239: fault.Timeout, 292: fault.Overloaded,
		14031: fault.DBNotConnected, 8000: fault.Internal,
	} {
		trouble.set("find", 4, mongotest.Failure{Code: code, Text: "secret text of the server"})
		err := conn.Select(t.Context(), all(cat), func(driver.Row) error { return nil })
		wantCode(t, err, want)
		if f := fault.From(err); strings.Contains(f.Message, "secret") {
			t.Errorf("the server's text crosses: %s", f.Message)
		}
	}
	trouble.set("", 0, mongotest.Failure{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := conn.Select(ctx, all(cat), func(driver.Row) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled read: %v", err)
	}
	server.Hangup() // connections break; the next read makes new ones
	if err := conn.Select(t.Context(), all(cat), func(driver.Row) error { return nil }); err != nil {
		t.Errorf("after a break: %v", err)
	}
	if err := conn.Write(t.Context(), put(cat, "d", "d")); err != nil {
		t.Errorf("a write after a break: %v", err)
	}
}

func all(cat *schema.Catalog) *query.Select {
	e := cat.Entity("Thing")
	return &query.Select{Entity: e, Projection: &query.Projection{Columns: e.Columns}}
}

// TestAddresses refuses addresses that can't be used, each with what to do.
func TestAddresses(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t, mongotest.Options{})
	good := server.URI("d")
	cat := catalog(t, things)
	for uri, code := range map[string]fault.Code{
		"": fault.InvalidRequest, "postgres://x/y": fault.InvalidRequest, "mongodb://": fault.InvalidRequest,
		strings.Replace(good, "/d?", "/?", 1):                 fault.InvalidRequest,
		good + "&w=banana&journal=perhaps":                    fault.InvalidRequest,
		"mongodb://127.0.0.1:1/d?serverSelectionTimeoutMS=50": fault.DBNotConnected,
		strings.Replace(good, "mongodb://", "mongodb://user:wrong@", 1) + "&authMechanism=PLAIN&authSource=$external&serverSelectionTimeoutMS=300": fault.DBNotConnected,
	} {
		conn, err := mongodb.Open(t.Context(), uri, cat, mongodb.Options{})
		if err == nil {
			_ = conn.Close()
		}
		wantCode(t, err, code)
		if err != nil && strings.Contains(fault.From(err).Message, "wrong") {
			t.Errorf("the password is shown: %v", fault.From(err).Message)
		}
	}
	_, err := mongodb.Open(t.Context(), good, cat, mongodb.Options{Strategy: "maybe"})
	wantCode(t, err, fault.InvalidRequest)
}

// TestStandaloneUndoes takes back what a unit has written before it failed.
func TestStandaloneUndoes(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t, mongotest.Options{Standalone: true})
	cat := catalog(t, things)
	conn := open(t, server.URI("undo"), cat)
	if conn.Capabilities().Transactions {
		t.Error("a standalone server has no transactions")
	}
	if err := conn.Write(t.Context(), put(cat, "a", "a")); err != nil {
		t.Fatal(err)
	}
	e := cat.Entity("Thing")
	stop := errors.New("stop")
	err := conn.Write(t.Context(), driver.Unit{Run: func(tx driver.Tx) error {
		row, err := tx.Load(e, "a")
		if err != nil {
			return err
		}
		code := e.Column("code")
		row[code.Index] = schema.Null
		if err := tx.Update(e, row, []*schema.Column{code}); err != nil {
			return err
		}
		if err := put(cat, "b", "a").Run(tx); err != nil { // the code is free
			return err
		}
		if err := tx.Delete(e, "a"); err != nil {
			return err
		}
		return stop
	}})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if rows, changes := count(t, conn, cat); rows != 1 || changes != 1 {
		t.Errorf("%d rows, %d changes, want 1 and 1", rows, changes)
	}
	err = conn.Select(t.Context(), all(cat), func(r driver.Row) error {
		if id, code := r.Value(0).Text(), r.Value(e.Column("code").Index).Text(); id != "a" || code != "a" {
			t.Errorf("left: %s %s", id, code)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
