package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/postgres"
	"github.com/octomesh/octomesh/pkg/testserver"
)

// Answers that are larger than one may be in memory: the log is given in parts,
// each of at least one change, records are streamed, and only a write is refused.
func TestLargeAnswers(t *testing.T) {
	t.Parallel()
	cat := parse(t, rowSchema)
	e := cat.Entity("Row")
	const most, changes = 256 << 10, 9
	conn, err := postgres.Open(t.Context(), fresh(t, testserver.PostgreSQL(t)), cat,
		postgres.WithMost(postgres.Options{Lanes: 2, Pool: 3}, most))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	size := func(i int) int { return []int{50 << 10, 100 << 10, 300 << 10}[i%3] }
	for i := range changes {
		err := conn.Write(t.Context(), driver.Unit{Single: true, Run: func(tx driver.Tx) error {
			row := newRow(e, fmt.Sprintf("id%d", i))
			row[e.Column("s").Index] = schema.TextOf(strings.Repeat("x", size(i)))
			if err := tx.Insert(e, row); err != nil {
				return err
			}
			return tx.Append(&mesh.Change{
				Entity: e.Name, ID: row[0].Text(), Verb: mesh.Created, Version: 1,
				After: []byte(`"` + strings.Repeat("x", size(i)) + `"`),
			})
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	seen, calls := 0, 0
	for after := int64(0); seen < changes; calls++ {
		before := seen
		err := conn.Changes(t.Context(), after, 256, func(c *mesh.Change) error {
			if len(c.After) != size(seen)+2 {
				t.Errorf("change %d has %d bytes", seen, len(c.After))
			}
			after = c.Seq
			seen++
			return nil
		})
		if err != nil || seen == before {
			t.Fatalf("after %d of %d changes: %v", seen, changes, err)
		}
	}
	if calls < 2 {
		t.Error("all changes came at once")
	}
	read := func(r driver.Reader, q *query.Select) (n int, err error) {
		err = r.Select(t.Context(), q, func(row driver.Row) error {
			if len(row.Text(e.Column("s").Index)) != size(n) {
				t.Errorf("record %d has %d bytes", n, len(row.Text(e.Column("s").Index)))
			}
			n++
			return nil
		})
		return n, err
	}
	pattern, err := query.CompilePattern(`(?:x|y)$`, false)
	if err != nil {
		t.Fatal(err)
	}
	byID := []query.Order{{Column: e.Columns[0]}}
	for name, q := range map[string]*query.Select{
		"all":      {Entity: e, Projection: all(e), Sort: byID},
		"a page":   {Entity: e, Projection: all(e), Sort: byID, Limit: 100},
		"residual": {Entity: e, Projection: all(e), Sort: byID, Where: query.Regex{Column: e.Column("s"), Pattern: pattern}},
	} {
		if n, err := read(conn, q); err != nil || n != changes {
			t.Errorf("%s: %d records, %v", name, n, err)
		}
	}
	err = conn.Write(t.Context(), driver.Unit{Run: func(tx driver.Tx) error {
		_, err := read(tx, &query.Select{Entity: e, Projection: all(e), Sort: byID, Limit: 100})
		return err
	}})
	if code(err) != fault.PayloadTooLarge {
		t.Errorf("in a write: %v", err)
	}
}
