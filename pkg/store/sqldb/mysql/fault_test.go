package mysql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
	"github.com/octomesh/octomesh/pkg/testserver"
)

const things = `[{"name":"Thing","collection":"things","fields":{"name":"string","code":{"type":"string","unique":true},"link":{"type":"text","unique":true},"n":"integer","price":"decimal"},
 "indexes":[{"fields":{"name":"asc"}}]}]`

func parsed(t testing.TB, source string) *schema.Catalog {
	t.Helper()
	cat, err := schema.Parse([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	return cat
}

// made is a new row with an id and a code.
func made(e *schema.Entity, id string) schema.Row {
	row := make(schema.Row, len(e.Columns))
	row[0], row[e.Column("_version").Index] = schema.TextOf(id), schema.IntOf(1)
	return row
}

// creating is the unit that stores a row and its change.
func creating(e *schema.Entity, row schema.Row, key string) driver.Unit {
	return driver.Unit{Single: true, Run: func(tx driver.Tx) error {
		if key != "" {
			if found, err := tx.Replay("p", key); err != nil || found != nil {
				return err
			}
		}
		if err := tx.Insert(e, row); err != nil {
			return err
		}
		return tx.Append(&mesh.Change{
			Entity: e.Name, ID: row[0].Text(), Verb: mesh.Created, Version: 1, After: []byte("{}"),
			Principal: "p", IdempotencyKey: key, RequestHash: []byte("h"), At: time.Now(),
		})
	}}
}

func count(t testing.TB, conn driver.Conn, e *schema.Entity) int64 {
	t.Helper()
	n, err := conn.Count(context.Background(), &query.Select{Entity: e})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Addresses that lead nowhere each say what is wrong.
func TestOpenFails(t *testing.T) {
	uri := testserver.MariaDB(t)
	cat := parsed(t, things)
	at := func(user, database string) string {
		u, _, _ := strings.Cut(uri[len("mariadb://"):], "@")
		s := strings.Replace(uri, u+"@", user+"@", 1)
		return s[:strings.LastIndexByte(s, '/')+1] + database
	}
	for address, code := range map[string]fault.Code{
		"mysql://root@127.0.0.1:1/x":             fault.DBNotConnected,
		"mysql://root@nowhere.invalid:3306/x":    fault.DBNotConnected,
		at("nobody:wrong", "mysql"):              fault.DBNotConnected,
		at("root", "no_such_database"):           fault.DBNotConnected,
		"":                                       fault.InvalidRequest,
		"mysql://root@127.0.0.1":                 fault.InvalidRequest,
		"postgres://root@127.0.0.1/x":            fault.InvalidRequest,
		"mysql://root@127.0.0.1/x?nonsense=1":    fault.InvalidRequest,
		"mysql://root:a b@127.0.0.1:3306/x\x00y": fault.InvalidRequest,
	} {
		conn, err := Open(t.Context(), "mysql", address, cat, sqldb.Options{})
		if err == nil {
			_ = conn.Close()
		}
		if fault.CodeOf(err) != code {
			t.Errorf("%q: %v, want %s", address, err, code)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ended, "mariadb", uri, cat, sqldb.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// What the columns can't keep is refused by the record key, and nothing of it
// is left.
func TestRefusals(t *testing.T) {
	cat := parsed(t, things)
	conn := openAt(t, testserver.MariaDB(t), cat)
	defer conn.Close()
	e := cat.Entity("Thing")
	set := func(name string, v schema.Value) schema.Row {
		row := made(e, "x")
		row[e.Column(name).Index] = v
		return row
	}
	if err := conn.Write(t.Context(), creating(e, func() schema.Row {
		row := made(e, "a")
		row[e.Column("code").Index], row[e.Column("link").Index] = schema.TextOf("c"), schema.TextOf(strings.Repeat("l", 5000))
		return row
	}(), "")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		row  schema.Row
		code fault.Code
		says string
	}{
		{set("name", schema.TextOf(strings.Repeat("x", 256))), fault.ValidationError, "name"},
		{set("price", schema.DecimalOf("0."+strings.Repeat("0", 30)+"1")), fault.ValidationError, "price"},
		{set("price", schema.DecimalOf(strings.Repeat("9", 36))), fault.ValidationError, "price"},
		{set("code", schema.TextOf("c")), fault.Conflict, "code"},
		{set("link", schema.TextOf(strings.Repeat("l", 5000))), fault.Conflict, "link"},
		{set("link", schema.TextOf(strings.Repeat("é", 20<<20))), fault.PayloadTooLarge, "larger"},
		{made(e, "a"), fault.Conflict, "id"},
	} {
		err := conn.Write(t.Context(), creating(e, c.row, ""))
		if fault.CodeOf(err) != c.code || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%v, want %s about %s", err, c.code, c.says)
		}
	}
	for _, link := range []string{strings.Repeat("l", 4999), strings.Repeat("l", 5001)} { // no prefix decides
		row := made(e, link[4990:])
		row[e.Column("link").Index] = schema.TextOf(link)
		if err := conn.Write(t.Context(), creating(e, row, "")); err != nil {
			t.Error(err)
		}
	}
	if n := count(t, conn, e); n != 3 {
		t.Errorf("%d rows, want 3", n)
	}
}

// Units that load the same rows in opposite order stand in each other's way for
// ever, if nobody gives one of them up and runs it again.
func TestDeadlocks(t *testing.T) {
	cat := parsed(t, things)
	conn := openAt(t, testserver.MariaDB(t), cat)
	defer conn.Close()
	e := cat.Entity("Thing")
	for _, id := range []string{"a", "b"} {
		if err := conn.Write(t.Context(), creating(e, made(e, id), "")); err != nil {
			t.Fatal(err)
		}
	}
	version := e.Column("_version")
	var runs atomic.Int64
	var both sync.WaitGroup
	const each = 20
	for _, ids := range [][]string{{"a", "b"}, {"b", "a"}, {"a", "b"}, {"b", "a"}} {
		both.Go(func() {
			for range each {
				err := conn.Write(context.Background(), driver.Unit{Run: func(tx driver.Tx) error {
					runs.Add(1)
					for _, id := range ids {
						row, err := tx.Load(e, id)
						if err != nil {
							return err
						}
						row[version.Index] = schema.IntOf(row[version.Index].Int() + 1)
						if err := tx.Update(e, row, []*schema.Column{version}); err != nil {
							return err
						}
					}
					return nil
				}})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	t.Logf("%d runs for %d units", runs.Load(), 4*each)
	err := conn.Select(t.Context(), &query.Select{Entity: e, Projection: projection(e)}, func(r driver.Row) error {
		if v := r.Value(version.Index).Int(); v != 1+4*each {
			t.Errorf("%s has version %d, want %d", r.Text(0), v, 1+4*each)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func projection(e *schema.Entity) *query.Projection {
	return &query.Projection{Columns: e.Columns, Key: "all"}
}

// A server that is stopped, killed and started again under load: every
// acknowledged write is there, once; what failed failed with a code; and the
// same Conn goes on.
func TestServerRestart(t *testing.T) {
	s := testserver.StartMariaDB(t, testserver.Options{Durable: true})
	cat := parsed(t, things)
	conn := openAt(t, s.Database(t), cat)
	defer conn.Close()
	e := cat.Entity("Thing")
	var acknowledged, unknown sync.Map
	ctx, stop := context.WithCancel(t.Context())
	progress := make(chan struct{}, 1)
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id, key := fmt.Sprintf("w%d-%d", w, n), ""
				if w%2 == 0 {
					key = id
				}
				err := conn.Write(context.Background(), creating(e, made(e, id), key))
				switch code := fault.CodeOf(err); {
				case err == nil:
					acknowledged.Store(id, true)
					select {
					case progress <- struct{}{}:
					default:
					}
				case code == fault.Timeout: // also with a key, when the server stays away
					unknown.Store(id, true)
				case code == fault.DBNotConnected, code == fault.Overloaded:
				default:
					t.Errorf("a write: %v", err)
				}
			}
		})
	}
	some := func() {
		for range 50 {
			select {
			case <-progress:
			case <-time.After(30 * time.Second):
				t.Fatal("the writes do not go on")
			}
		}
	}
	some()
	for round := range 3 {
		if round == 1 {
			s.Stop(t)
		} else {
			s.Kill(t)
		}
		s.Start(t)
		some()
	}
	stop()
	writers.Wait()
	have := map[string]int{}
	err := conn.Select(t.Context(), &query.Select{Entity: e, Projection: projection(e)}, func(r driver.Row) error {
		have[string(r.Text(0))]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	logged := map[string]int{}
	end, err := conn.Committed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for after, before := int64(0), int64(-1); after < end && after > before; { // a call ends before a hole, the next one fills it
		before = after
		if err := conn.Changes(t.Context(), after, 1<<30, func(c *mesh.Change) error { logged[c.ID]++; after = c.Seq; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	lost := 0
	acknowledged.Range(func(id, _ any) bool {
		if have[id.(string)] != 1 || logged[id.(string)] != 1 {
			lost++
		}
		return true
	})
	for id := range have {
		if logged[id] != 1 {
			t.Errorf("%s is stored and logged %d times", id, logged[id])
		}
	}
	if lost > 0 || len(have) != len(logged) {
		t.Errorf("%d acknowledged writes are lost; %d rows, %d changes", lost, len(have), len(logged))
	}
	t.Logf("%d rows, none lost", len(have))
}
