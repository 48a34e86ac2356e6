package standin

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	_ "github.com/go-sql-driver/mysql"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/residual"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
	"github.com/octomesh/octomesh/pkg/store/sqldb/mysql"
	"github.com/octomesh/octomesh/pkg/storetest"
)

// located is a database that knows its address.
type located struct {
	driver.Conn
	uri string
}

// exec runs statements as another program would.
func exec(t testing.TB, uri string, statements ...string) {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("mysql", "root@tcp("+u.Host+")"+u.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// database makes an empty database, on a server of its own.
func database(t testing.TB) string {
	t.Helper()
	s, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	exec(t, s.URI(""), "CREATE DATABASE test")
	return s.URI("test")
}

func openAt(t testing.TB, uri string, cat *schema.Catalog) driver.Conn {
	t.Helper()
	conn, err := mysql.Open(context.Background(), "mysql", uri, cat, sqldb.Options{})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return located{conn, uri}
}

func harness() storetest.Harness {
	return storetest.Harness{
		Open: func(t testing.TB, cat *schema.Catalog) driver.Conn { return openAt(t, database(t), cat) },
		Reopen: func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			return openAt(t, conn.(located).uri, cat)
		},
		Beside: func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn {
			return openAt(t, conn.(located).uri, cat)
		},
		Tables: &storetest.Tables{
			Dialect:  mysql.Dialect("mysql", false),
			Database: func(t testing.TB) string { return database(t) },
			Open: func(ctx context.Context, at string, cat *schema.Catalog, s driver.Strategy) (driver.Conn, error) {
				return mysql.Open(ctx, "mysql", at, cat, sqldb.Options{Strategy: s})
			},
			Exec: exec,
			Key:  "VARCHAR(40)", Ignoring: "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
		},
		Gaps: gaps,
	}
}

// oneKey is why one key at once is not asked of the emulator.
const oneKey = "of requests at once one now and then read what another had not stored: seen once in five runs; the emulator proves nothing about concurrency"

// gaps are what the emulator cannot do.
var gaps = map[string]string{
	"atomic":               "of transactions at once one may read what is not there: seen once in four runs; the emulator proves nothing about concurrency",
	"order":                "a reader of the log gets rows out of order, and twice, while others commit several at once; the emulator proves nothing about concurrency",
	"one key, one write":   oneKey,
	"one key, two workers": oneKey,
	"slow readers":         "an aggregate panics in the emulator while streams are open; the emulator proves nothing about concurrency",
	"versions gapless":     "of writers at once one is now and then hung up on: the emulator proves nothing about concurrency",
	"soft delete":          virtual,
	"cascade":              virtual,
	"export and restore":   virtual,
	"tables create":        virtual,
	"tables free":          virtual,
	"tables swap":          virtual,
	"tables update":        virtual,
	"stream close":         "the emulator copies a table at each statement, which takes minutes for 2,000 rows of 1 kB in four transactions",
	"tables at once":       "the emulator loses an index when six workers look at its table at once",
}

// virtual is what normalizeRowForRead in its memory/table.go says of itself.
const virtual = "the emulator neither keeps a unique index on a virtual generated column nor reads some columns of a table that has one (it panics)"

func TestStore(t *testing.T) { storetest.Run(t, harness()) }

// agreed is how many of the questions the emulator answers before the first one
// that it answers wrongly: of a row that fulfils one of three conditions and a
// search it knows nothing, which MariaDB finds by the same statement.
const agreed = 1850

// TestProperty has the worker answer what the emulator refuses to: its
// CHAR_LENGTH takes U+FFFD, a character like others, for a broken text. What it
// answers is compared as it is.
func TestProperty(t *testing.T) {
	h, refused := harness(), new(atomic.Int64)
	open := h.Open
	h.Open = func(t testing.TB, cat *schema.Catalog) driver.Conn {
		return &helped{Conn: open(t, cat), refused: refused}
	}
	n := min(storetest.ServerCases(), agreed)
	storetest.Property(t, h, n)
	fmt.Printf("figure: {\"standin_cases\":%d,\"refused_by_the_emulator\":%d}\n", n, refused.Load())
	if refused.Load() > int64(n/50) {
		t.Errorf("the emulator refused %d of %d questions: it proves too little", refused.Load(), n)
	}
}

// helped reads whole tables where the emulator refuses a question.
type helped struct {
	driver.Conn
	refused *atomic.Int64
}

func (h *helped) refuses(err error) bool {
	if err == nil || !strings.Contains(err.Error(), "malformed string encountered while checking length") {
		return false
	}
	h.refused.Add(1)
	return true
}

func (h *helped) whole(e *schema.Entity) residual.Read {
	all := &query.Select{Entity: e, Projection: &query.Projection{Columns: e.Columns, Key: "all"}}
	return func(each func(driver.Row) error) error { return h.Conn.Select(context.Background(), all, each) }
}

// Select implements driver.Reader.
func (h *helped) Select(ctx context.Context, q *query.Select, each func(driver.Row) error) error {
	err := h.Conn.Select(ctx, q, each)
	if h.refuses(err) {
		return residual.Select(q, h.whole(q.Entity), each)
	}
	return err
}

// Aggregate implements driver.Reader.
func (h *helped) Aggregate(ctx context.Context, q *query.Aggregate, each func(driver.Row) error) error {
	err := h.Conn.Aggregate(ctx, q, each)
	if h.refuses(err) {
		return residual.Aggregate(q, h.whole(q.Entity), each)
	}
	return err
}
