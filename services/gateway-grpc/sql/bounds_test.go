package sql_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-grpc/sql"
)

// compile compiles a statement without parameters.
func compile(t testing.TB, text string) *sql.Plan {
	t.Helper()
	cat, err := schema.Parse([]byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := sql.Compile(session(cat), text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// streaming is an Ask that answers with that stream.
func streaming(c mesh.Chunks) sql.Ask {
	return func(context.Context, string, string, []byte) (*mesh.Reply, error) { return &mesh.Reply{Chunks: c}, nil }
}

// drain runs a plan and counts its rows.
func drain(ctx context.Context, plan *sql.Plan, ask sql.Ask) (int64, error) {
	rows, err := plan.Run(ctx, ask)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for n := int64(0); ; {
		b, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n += b.NumRows()
	}
}

const joined = ` FROM Track t LEFT JOIN Album a ON t.album = a.id `

func TestLimitOfAnySize(t *testing.T) {
	for _, limit := range []int64{1 << 62, math.MaxInt64} {
		plan := compile(t, fmt.Sprintf(`SELECT t.id`+joined+`ORDER BY a.title LIMIT %d`, limit))
		if n, err := drain(t.Context(), plan, streaming(&forever{most: 2000})); err != nil || n != 2000 {
			t.Error(n, err)
		}
	}
}

// A SELECT list that is too long is refused where it becomes so.
func TestColumns(t *testing.T) {
	h := filled(t)
	text := `SELECT *` + strings.Repeat(",*", 8000) + ` FROM Track`
	allocations := testing.AllocsPerRun(1, func() {
		if _, err := sql.Compile(h.session, text, nil); err == nil || !strings.Contains(err.Error(), "at most 512 columns") {
			t.Error(err)
		}
	})
	if allocations > 200_000 {
		t.Errorf("%.0f allocations", allocations)
	}
	// One field many times: batches and rows keep their size.
	h.create("Note", `{"id":"n1","text":"`+strings.Repeat("x", 100_000)+`"}`)
	if rows, err := h.query(`SELECT id, text a, text b, id FROM Note`); err != nil || len(rows) != 1 || !strings.HasSuffix(rows[0], `x" "n1"`) {
		t.Error(len(rows), err)
	}
	if _, err := h.query(`SELECT text` + strings.Repeat(",text", 511) + ` FROM Note`); fault.CodeOf(err) != fault.PayloadTooLarge {
		t.Error(err)
	}
}

// An escape is what it is and costs that, whatever follows it.
func TestEscapes(t *testing.T) {
	h := open(t)
	text := `SELECT ` + strings.Repeat(`{D''},`, 3000) + `#`
	allocations := testing.AllocsPerRun(1, func() {
		if _, err := sql.Compile(h.session, text, nil); err == nil || !strings.Contains(err.Error(), "a # outside") {
			t.Error(err)
		}
	})
	if allocations > 100 {
		t.Errorf("%.0f allocations", allocations)
	}
	for text, says := range map[string]string{`SELECT 1 }`: "a } without its {", `SELECT {d '2026-01-01'`: "not closed", `SELECT {d '2026-01-01'}, 'İ', Ⱥ`: "a sign that belongs into quotes", `SELECT {d '2026-01-01'}}`: "a } without its {"} {
		if _, err := sql.Compile(h.session, text, nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// many is a stream without end of records with that name, each of another group.
type many struct {
	n    int
	name string
}

func (m *many) Next(context.Context) ([]byte, error) {
	m.n++
	return fmt.Appendf(nil, `{"id":"t%d","name":"%s","cost":"0.00000000000000000000000000000000000001","album":null}`+"\n", m.n, m.name), nil
}

func (m *many) Close() error { return nil }

// What aggregates keep of rows counts too.
func TestMemoryOfAggregates(t *testing.T) {
	in := &many{name: strings.Repeat("x", 4096)}
	_, err := drain(t.Context(), compile(t, `SELECT t.id, MIN(t.name)`+joined+`GROUP BY t.id`), streaming(in))
	if fault.CodeOf(err) != fault.PayloadTooLarge || in.n > 16<<10 {
		t.Errorf("after %d groups: %v", in.n, err)
	}
	in = &many{}
	_, err = drain(t.Context(), compile(t, `SELECT t.id, SUM(t.cost)`+joined+`GROUP BY t.id`), streaming(in))
	if fault.CodeOf(err) != fault.PayloadTooLarge || in.n > 64<<20/400 {
		t.Errorf("after %d groups: %v", in.n, err)
	}
}

// ending is a stream that ends with its caller's patience.
type ending struct {
	forever
	stop context.CancelFunc
}

func (e *ending) Next(ctx context.Context) ([]byte, error) {
	b, err := e.forever.Next(ctx)
	if err != nil {
		e.stop()
	}
	return b, err
}

// A statement that is cancelled ends also where it reads nothing any more.
func TestCancelled(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	plan := compile(t, `SELECT t.id`+joined+`ORDER BY a.title`)
	if _, err := plan.Run(ctx, streaming(&ending{forever{most: 10_000}, stop})); !errors.Is(err, context.Canceled) {
		t.Error("sort:", err)
	}
	ctx, stop = context.WithCancel(t.Context())
	plan = compile(t, `SELECT t.id, COUNT(*)`+joined+`GROUP BY t.id HAVING COUNT(*) > 1`)
	if _, err := drain(ctx, plan, streaming(&ending{forever{most: 10_000}, stop})); !errors.Is(err, context.Canceled) {
		t.Error("HAVING:", err)
	}
}

// A schema that has changed since the statement was compiled is an error, not
// another value.
func TestChangedSchema(t *testing.T) {
	h := filled(t)
	cat, err := schema.Parse([]byte(strings.Replace(shop, `"ms":"integer"`, `"ms":"number"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	h.session = session(cat)
	for _, text := range []string{`SELECT ms FROM Track`, `SELECT ms, 1 FROM Track`, `SELECT DISTINCT ms FROM Track`} {
		if rows, err := h.query(text); fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("%s: %v %v", text, rows, err)
		}
	}
}
