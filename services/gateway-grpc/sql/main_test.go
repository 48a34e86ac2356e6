package sql_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlite"
	"github.com/octomesh/octomesh/services/gateway-grpc/sql"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shop has every type, references of both kinds of fetch, and what is hidden.
const shop = `[
{"name":"Artist","collection":"artists","fields":{"name":{"type":"string","required":true},"country":"string","secret":{"type":"string","hidden":true}},
 "relations":{"albums":{"type":"one-to-many","target":"Album","mappedBy":"artist"}}},
{"name":"Album","collection":"albums","fields":{"title":{"type":"string","required":true},"year":"integer"},
 "relations":{"artist":{"type":"many-to-one","target":"Artist"}}},
{"name":"Track","collection":"tracks","fields":{"name":{"type":"string","required":true},"ms":"integer","price":"number","cost":"decimal","live":"boolean","made":"date",
  "meta":"json","tags":{"type":"array","arrayOf":"string"},"cover":"binary","kind":{"type":"enum","enum":["a","b"]}},
 "relations":{"album":{"type":"many-to-one","target":"Album"},"next":{"type":"many-to-one","target":"Track"}}},
{"name":"Loan","collection":"loans","fields":{"note":"string"},
 "relations":{"track":{"type":"many-to-one","target":"Track","fetch":"eager","select":["name"]}}},
{"name":"Note","collection":"notes","softDelete":true,"timestamps":true,"fields":{"text":"string"}},
{"name":"Pin","collection":"pins","fields":{"mark":"objectId"},
 "relations":{"note":{"type":"many-to-one","target":"Note","required":true,"onDelete":"no-action"},"other":{"type":"many-to-one","target":"Note","fetch":"eager","onDelete":"no-action"},"on":{"type":"many-to-one","target":"Pin"}}}
]`

// house is a store over SQLite, asked through plans.
type house struct {
	testing.TB
	store   *store.Store
	session sql.Session
	asked   []string
}

func open(t testing.TB) *house {
	t.Helper()
	cat, err := schema.Parse([]byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "store.db"), cat, sqlite.Options{Sync: "normal", Strategy: driver.Update})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(context.Background(), conn, cat, store.Options{CursorKey: []byte("a key for cursors")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &house{TB: t, store: s, session: session(cat)}
}

func session(cat *schema.Catalog) sql.Session {
	return sql.Session{
		Project: func(name string) (*sql.View, error) {
			if name != "" && name != "default" {
				return nil, fault.New(fault.UnknownProject, "there is no project %q", name)
			}
			return &sql.View{Project: "default", Catalog: cat}, nil
		},
		DecimalScale: columnar.AsText,
		Now:          time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
	}
}

func (h *house) ask(ctx context.Context, op, entity string, args []byte) (*mesh.Reply, error) {
	h.asked = append(h.asked, fmt.Sprintf("%s %s %s", op, entity, args))
	return h.store.Call(ctx, &mesh.Request{
		Project: "default", Entity: entity, Op: op, Args: args,
		Principal: &mesh.Principal{ID: "k:test", Kind: mesh.Key},
	}, nil)
}

func (h *house) create(entity string, records ...string) {
	h.Helper()
	for _, r := range records {
		if _, err := h.ask(context.Background(), "create", entity, []byte(`{"data":`+r+`}`)); err != nil {
			h.Fatalf("%s: %v", r, err)
		}
	}
	h.asked = nil
}

// query returns the rows of a statement, each as a list of JSON values.
func (h *house) query(text string, params ...schema.Value) ([]string, error) {
	h.asked = nil
	if params == nil {
		params = []schema.Value{}
	}
	plan, err := sql.Compile(h.session, text, params)
	if err != nil {
		return nil, err
	}
	rows, err := plan.Run(context.Background(), h.ask)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for {
		batch, err := rows.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if !batch.Schema().Equal(plan.Schema) {
			h.Errorf("%s: the batch has %s, the plan said %s", text, batch.Schema(), plan.Schema)
		}
		for i := range int(batch.NumRows()) {
			var cells []string
			for _, c := range batch.Columns() {
				if c.IsNull(i) {
					cells = append(cells, "null")
					continue
				}
				b, err := json.Marshal(c.GetOneForMarshal(i))
				if err != nil {
					h.Fatal(err)
				}
				cells = append(cells, string(b))
			}
			out = append(out, strings.Join(cells, " "))
		}
	}
}
