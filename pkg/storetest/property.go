package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/query/querytest"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

const (
	shortCases = 2_000
	longCases  = 100_000
	// A database of its own process answers ten times more slowly.
	shortServerCases = 2_000
	longServerCases  = 20_000
	// queriesEach is how many queries are asked about one catalog and its rows.
	queriesEach = 50
	// share is the least part of the queries, in percent, that must leave some
	// of the rows, but not all.
	share = 60
	// occurs is how often every operator must meet every type, with rows where
	// the value is null and with rows where it is not, in longCases queries. A
	// shorter run has to come to half of its part: small numbers scatter.
	occurs = 200
)

// Cases is how many cases (schema, rows, query) the property tests ask: 2,000,
// or 100,000 in their long form.
func Cases() int {
	if Long() {
		return longCases
	}
	return shortCases
}

// ServerCases is Cases for a database in a process of its own: 2,000, or 20,000.
func ServerCases() int {
	if Long() {
		return longServerCases
	}
	return shortServerCases
}

// Property asks n random queries through the whole Store and compares each
// answer with that of the evaluator in memory. It also holds the questions
// themselves to what makes them worth asking, and prints it.
func Property(t *testing.T, h Harness, n int) {
	var seen querytest.Coverage
	dialect := ""
	draw(t, h, n, func(c *asked) bool {
		dialect = c.store.Conn().Capabilities().Dialect
		seen.Add(c.query)
		got, err := c.answer()
		if err != nil {
			c.Errorf("%s\n%v", c.query, err)
			return false
		}
		if diff := querytest.Same(c.columns(), got, c.want()); diff != "" {
			c.Errorf("%s\n%s\n%s", c.query, diff, c.table())
			return false
		}
		return true
	})
	var report bytes.Buffer
	seen.Report(&report)
	t.Logf("%s", report.Bytes())
	if seen.Share() < share {
		t.Errorf("only %d%% of the queries leave some rows and not all, want %d%%", seen.Share(), share)
	}
	least := occurs
	if n < longCases {
		least = max(1, occurs*n/longCases/2)
	}
	if missing := seen.Missing(least); len(missing) > 0 {
		t.Errorf("%d pairs occur less than %d times, such as %v", len(missing), least, missing[0])
	}
	fmt.Printf("figure: {\"dialect\":%q,\"cases\":%d,\"neither_nothing_nor_everything_percent\":%d,\"every_pair_at_least\":%d,\"differences\":%t}\n", dialect, n, seen.Share(), least, t.Failed())
}

// SeededBugs holds the cases of Property to telling each of querytest's wrong
// evaluators from the database.
func SeededBugs(t *testing.T, h Harness, n int) {
	caught := make(map[string]int, len(querytest.Bugs))
	draw(t, h, n, func(c *asked) bool {
		if c.query.Select == nil {
			return true
		}
		got, err := c.answer()
		if err != nil {
			c.Errorf("%s\n%v", c.query, err)
			return false
		}
		for _, b := range querytest.Bugs {
			if querytest.Same(c.columns(), got, b.Run(c.query, c.rows)) != "" {
				caught[b.Name]++
			}
		}
		return true
	})
	for _, b := range querytest.Bugs {
		t.Logf("%5d of %d queries catch: %s", caught[b.Name], n, b.Name)
		if caught[b.Name] == 0 {
			t.Errorf("nothing tells %q from the database", b.Name)
		}
	}
	fmt.Printf("figure: {\"cases\":%d,\"seeded_bugs\":%d,\"caught\":%d}\n", n, len(querytest.Bugs), len(caught))
}

// asked is one query about rows that a Store holds.
type asked struct {
	*testing.T
	query *querytest.Query
	rows  []schema.Row
	store *store.Store
}

// draw makes n cases and hands each to ask, which returns false to end it all.
// Each catalog is a subtest of its own: go test -run '…/seed_17' repeats one.
// Where there is no database to ask, the whole test is skipped.
func draw(t *testing.T, h Harness, n int, ask func(*asked) bool) {
	t.Helper()
	more, skipped := true, false
	for seed := 0; seed*queriesEach < n && more; seed++ {
		t.Run("seed "+strconv.Itoa(seed), func(t *testing.T) {
			defer func() {
				if t.Skipped() {
					more, skipped = false, true
				}
			}()
			c := querytest.Draw(uint64(seed), min(queriesEach, n-seed*queriesEach))
			conn := h.Open(t, c.Catalog)
			fill(t, conn, c.Tables)
			s, err := store.Open(t.Context(), conn, c.Catalog, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(c.Queries) && more; i++ {
				more = ask(&asked{t, c.Queries[i], c.Rows(c.Queries[i]), s})
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
	if skipped {
		t.SkipNow() // it has been said why
	}
}

// fill stores rows as they are, past the Store: no request could make them,
// with their versions, times and references to what comes later.
func fill(t *testing.T, conn driver.Conn, tables []querytest.Table) {
	t.Helper()
	err := conn.Write(t.Context(), driver.Unit{Run: func(tx driver.Tx) error {
		for _, table := range tables {
			for _, row := range table.Rows {
				if err := tx.Insert(table.Entity, slices.Clone(row)); err != nil {
					return err
				}
			}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// columns are those of the answer's rows.
func (c *asked) columns() []*schema.Column {
	if c.query.Aggregate != nil {
		return c.query.Aggregate.Output
	}
	return c.query.Entity.Columns
}

// want is what the evaluator in memory says.
func (c *asked) want() []schema.Row { return c.wantOf(c.rows) }

func (c *asked) wantOf(rows []schema.Row) []schema.Row {
	if c.query.Aggregate != nil {
		return query.RunAggregate(c.query.Aggregate, rows)
	}
	return query.Run(c.query.Select, rows)
}

// answer asks the Store and reads its reply back into rows.
func (c *asked) answer() ([]schema.Row, error) {
	op := "findAll"
	switch {
	case c.query.Aggregate != nil:
		op = "aggregate"
	case bytes.Contains([]byte(c.query.Args), []byte(`"query":`)):
		op = "search"
	}
	r, err := c.store.Call(c.Context(), &mesh.Request{
		Project: "p", Entity: c.query.Entity.Name, Op: op, Args: []byte(c.query.Args),
	}, nil)
	if err != nil {
		return nil, err
	}
	doc, err := strictjson.Parse(r.Body)
	if err != nil {
		return nil, err
	}
	defer doc.Release()
	var out []schema.Row
	for _, v := range doc.Root.GetArray("data") {
		row := make(schema.Row, len(c.columns()))
		for i, column := range c.columns() {
			member := v.Get(column.Name)
			if member == nil {
				return nil, fmt.Errorf("the record lacks %s: %s", column.Name, strictjson.Compact(nil, v))
			}
			if row[i], err = column.Decode(member); err != nil {
				return nil, fmt.Errorf("%s of a record: %w\n%s", column.Name, err, r.Body)
			}
		}
		out = append(out, row)
	}
	return out, nil
}

// table is the rows in question, for whoever looks into a failure.
func (c *asked) table() string {
	var b []byte
	for _, row := range c.rows {
		for i, column := range c.query.Entity.Columns {
			b = append(append(b, column.Name...), '=')
			b = append(row[i].AppendJSON(b), ' ')
		}
		b = append(b, '\n')
	}
	return string(b)
}
