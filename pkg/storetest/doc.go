// Package storetest holds every database to one behaviour: a Harness that opens
// it goes in, a verdict comes out. Run asks one thing after another with
// answers written by hand, Property asks thousands of random queries and
// compares with the evaluator in memory. A database's own test is a few lines:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Harness{Open: open})
//	}
package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// Harness is a database under test.
type Harness struct {
	// Open opens an empty database with the catalog's tables. The test closes it.
	Open func(t testing.TB, cat *schema.Catalog) driver.Conn
	// Reopen closes the database and opens it again; nil where that makes no
	// sense.
	Reopen func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn
	// Beside opens the same database a second time, as another worker would; nil
	// where one process alone may have it.
	Beside func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn
	// Tables is what the topics on tables need; nil for an engine without tables.
	Tables *Tables
	// LongText is how long a text the database keeps, in bytes; 0 = any.
	LongText int
	// Gaps are the topics that the database cannot do, with the reason. The list
	// is to shrink.
	Gaps map[string]string
}

// Run runs the conformance suite.
func Run(t *testing.T, h Harness) {
	for _, topic := range topics {
		t.Run(topic.name, func(t *testing.T) {
			if reason, gap := h.Gaps[topic.name]; gap {
				t.Skipf("skipped: %s (this database cannot: %s)", topic.name, reason)
			}
			t.Parallel()
			topic.run(open(t, h, library))
		})
	}
	for _, topic := range tableTopics {
		t.Run(topic.name, func(t *testing.T) {
			if reason, gap := h.Gaps[topic.name]; gap || h.Tables == nil {
				t.Skipf("skipped: %s (this database cannot: %s)", topic.name, cmp.Or(reason, "it has no tables"))
			}
			t.Parallel()
			topic.run(&base{T: t, Tables: h.Tables, at: h.Tables.Database(t)})
		})
	}
}

var topics = []struct {
	name string
	run  func(d *db)
}{
	{"create", create},
	{"ids", ids},
	{"types", types},
	{"big numbers", bigNumbers},
	{"text", texts},
	{"validation", validation},
	{"embedded", embedded},
	{"update", update},
	{"no change", noChange},
	{"versions", versions},
	{"managed members", managedMembers},
	{"filter", filter},
	{"null and absent", nulls},
	{"sort and page", sortAndPage},
	{"cursor", cursor},
	{"select", selection},
	{"search", search},
	{"aggregate", aggregate},
	{"request forms", requestForms},
	{"references", references},
	{"populate", populate},
	{"populate nested", populateNested},
	{"populate eager", populateEager},
	{"many-to-many", manyToMany},
	{"delete", deletion},
	{"cascade", cascade},
	{"set-null", setNull},
	{"restrict", restrict},
	{"no-action", noAction},
	{"links go", linksGo},
	{"soft delete", softDelete},
	{"discriminator", discriminator},
	{"hidden", hidden},
	{"upsert", upsert},
	{"increment", increment},
	{"sets", sets},
	{"many at once", manyAtOnce},
	{"transaction", transaction},
	{"transaction refs", transactionRefs},
	{"idempotency", idempotency},
	{"idempotency stored", idempotencyStored},
	{"changes", changes},
	{"positions", positions},
	{"export and restore", exportRestore},
	{"data set", dataSet},
	{"stream", stream},
	{"stream close", streamClose},
	{"slow readers", slowReaders},
	{"stream as Arrow", arrow},
	{"guard rows", guardRows},
	{"guard of another catalog", guardClosed},
	{"guard fields", guardFields},
	{"guard after", guardAfter},
	{"guard changes", guardChanges},
	{"hostile", hostile},
	{"faults leave nothing", faultsLeaveNothing},
	{"atomic", atomicity},
	{"versions gapless", gapless},
	{"one key, one write", oneKey},
	{"one key, two workers", oneKeyBeside},
	{"order", order},
	{"swap catalog", swapCatalog},
	{"reopen", reopen},
}

// Long reports whether the long form of the suites was asked for.
func Long() bool { return os.Getenv("OCTOMESH_TEST") == "long" }

// db is a Store under test, with short words for asking it.
type db struct {
	*testing.T
	h         Harness
	store     *store.Store
	conn      driver.Conn
	cat       *schema.Catalog
	guard     store.Guard
	principal *mesh.Principal
	key       string // idempotency key of the next writes
	clock     *atomic.Int64
	rings     *atomic.Int64 // the last seq that OnCommit was told
}

// start is the first moment of the suite's clock: 2026-01-02T03:04:05Z.
const start = 1767323045000

func open(t *testing.T, h Harness, source string) *db {
	t.Helper()
	cat, err := schema.Parse([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	d := &db{T: t, h: h, cat: cat, conn: h.Open(t, cat), clock: new(atomic.Int64), rings: new(atomic.Int64)}
	d.principal = &mesh.Principal{ID: "k:test", Kind: mesh.Key}
	d.serve()
	t.Cleanup(func() {
		if err := d.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// serve makes the Store: ids are n1, n2, …, each request is a second later.
func (d *db) serve() {
	d.Helper()
	var ids atomic.Int64
	var err error
	d.store, err = store.Open(d.Context(), d.conn, d.cat, store.Options{
		CursorKey: []byte("a key for cursors"),
		Now:       func() time.Time { return time.UnixMilli(start + d.clock.Add(1000) - 1000) },
		NewID:     func() string { return fmt.Sprintf("n%d", ids.Add(1)) },
		// Streams that find no place are refused at once.
		StreamWait: 1,
		OnCommit:   func(seq int64) { d.rings.Store(seq) },
	})
	if err != nil {
		d.Fatal(err)
	}
}

// call makes a request: op and entity in one word, "create Author".
func (d *db) call(what, args string) (*mesh.Reply, error) {
	return d.callAs(d.principal, d.guard, what, args)
}

func (d *db) callAs(p *mesh.Principal, g store.Guard, what, args string) (*mesh.Reply, error) {
	op, entity, _ := strings.Cut(what, " ")
	return d.store.Call(d.Context(), &mesh.Request{
		Project: "p", Entity: entity, Op: op, Args: []byte(args), Principal: p,
		Header: mesh.Header{IdempotencyKey: d.key, RequestID: "r1", Transport: "rest"},
	}, g)
}

// body returns the whole reply.
func (d *db) body(what, args string) string {
	d.Helper()
	r, err := d.call(what, args)
	if err != nil {
		d.Fatalf("%s %s: %v", what, args, err)
	}
	if err := strictjson.Check(r.Body, strictjson.DefaultDepth); err != nil {
		d.Fatalf("%s %s: the reply is no JSON: %v\n%s", what, args, err, r.Body)
	}
	return string(r.Body)
}

// data returns the reply's data; "" if it has none.
func (d *db) data(what, args string) string {
	d.Helper()
	return member(d.body(what, args), "data")
}

// want compares the reply's data with what was written by hand.
func (d *db) want(what, args, want string) {
	d.Helper()
	if got := d.data(what, args); got != want {
		d.Errorf("%s %s\n got %s\nwant %s", what, args, got, want)
	}
}

// wantBody compares the whole reply.
func (d *db) wantBody(what, args, want string) {
	d.Helper()
	got := strings.ReplaceAll(d.body(what, args), d.conn.Epoch()+"-", "E-")
	if got != want {
		d.Errorf("%s %s\n got %s\nwant %s", what, args, got, want)
	}
}

// do makes requests whose replies do not matter: what, args, what, args, …
func (d *db) do(requests ...string) {
	d.Helper()
	for i := 0; i < len(requests); i += 2 {
		d.body(requests[i], requests[i+1])
	}
}

// fails expects a failure of that code.
func (d *db) fails(code fault.Code, what, args string) {
	d.Helper()
	_ = d.refusal(code, what, args)
}

// refusal expects a failure of that code and returns it.
func (d *db) refusal(code fault.Code, what, args string) *fault.Error {
	d.Helper()
	r, err := d.call(what, args)
	var f *fault.Error
	switch {
	case err == nil:
		d.Errorf("%s %s: want %s, got %s", what, args, code, r.Body)
		if r.Chunks != nil {
			_ = r.Chunks.Close()
		}
	case !errors.As(err, &f):
		d.Errorf("%s %s: not a fault: %v", what, args, err)
	case f.Code != code:
		d.Errorf("%s %s: want %s, got %v", what, args, code, f)
	default:
		return f
	}
	return fault.New("", "")
}

// ids returns the ids of a list's records, in order.
func (d *db) ids(what, args string) string {
	d.Helper()
	doc, err := strictjson.Parse([]byte(d.body(what, args)))
	if err != nil {
		d.Fatal(err)
	}
	defer doc.Release()
	var out []string
	for _, r := range doc.Root.GetArray("data") {
		out = append(out, string(r.GetStringBytes("id")))
	}
	return strings.Join(out, " ")
}

func (d *db) wantIDs(what, args, want string) {
	d.Helper()
	if got := d.ids(what, args); got != want {
		d.Errorf("%s %s: got [%s], want [%s]", what, args, got, want)
	}
}

// log returns the changes after a seq, each as "verb Entity id version".
func (d *db) log(after int64) []string {
	d.Helper()
	var out []string
	for _, c := range d.changesAfter(after) {
		out = append(out, fmt.Sprintf("%s %s %s %d", c.Verb, c.Entity, c.ID, c.Version))
	}
	return out
}

func (d *db) changesAfter(after int64) []*mesh.Change {
	d.Helper()
	var out []*mesh.Change
	err := d.store.Changes(d.Context(), after, 10_000, func(c *mesh.Change) error {
		kept := *c
		kept.After, kept.Old, kept.Changed = slices.Clone(c.After), slices.Clone(c.Old), slices.Clone(c.Changed)
		out = append(out, &kept)
		return nil
	})
	if err != nil {
		d.Fatal(err)
	}
	return out
}

func (d *db) wantLog(after int64, want ...string) {
	d.Helper()
	if got := d.log(after); !slices.Equal(got, want) {
		d.Errorf("the changes after %d\n got %q\nwant %q", after, got, want)
	}
}

// seq is where the change log ends.
func (d *db) seq() int64 {
	d.Helper()
	p, err := d.store.Position(context.Background())
	if err != nil {
		d.Fatal(err)
	}
	return p.Seq
}

// member cuts a member of an object out of JSON text, as it stands there.
func member(text, name string) string {
	doc, err := strictjson.Parse([]byte(text))
	if err != nil {
		return ""
	}
	defer doc.Release()
	v := doc.Root.Get(name)
	if v == nil {
		return ""
	}
	return string(strictjson.Compact(nil, v))
}
