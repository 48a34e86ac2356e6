package querytest

import (
	"os"
	"reflect"
	"testing"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
)

// The generator says enough: most queries select some rows, every pair occurs,
// the independent evaluator agrees with the package's own, and each mistaken
// one is caught.
func TestCases(t *testing.T) {
	t.Parallel()
	const cases, queries = 40, 50 // together the 2,000 of the short property test
	var (
		seen   Coverage
		caught = map[string]int{}
	)
	for seed := range uint64(cases) {
		c := Draw(seed, queries)
		for _, q := range c.Queries {
			seen.Add(q)
			rows := c.Rows(q)
			if q.Aggregate != nil {
				query.RunAggregate(q.Aggregate, rows)
				continue
			}
			for _, r := range rows {
				if query.Eval(q.Raw, r) != query.Eval(q.Select.Where, r) {
					t.Fatalf("seed %d: %s\nthe filter as meant and as parsed differ: %s", seed, q, query.AppendText(nil, q.Select.Where))
				}
			}
			want := query.Run(q.Select, rows)
			if diff := Same(q.Entity.Columns, Correct.Run(q, rows), want); diff != "" {
				t.Fatalf("seed %d: %s\n%s", seed, q, diff)
			}
			for _, b := range Bugs {
				if Same(q.Entity.Columns, b.Run(q, rows), want) != "" {
					caught[b.Name]++
				}
			}
		}
	}
	if testing.Verbose() {
		seen.Report(os.Stdout)
		t.Log(caught)
	}
	if seen.Share() < 60 {
		t.Errorf("only %d%% of %d queries select some rows but not all", seen.Share(), seen.Queries)
	}
	for _, b := range Bugs {
		if caught[b.Name] == 0 {
			t.Errorf("nothing tells %q from the right evaluator", b.Name)
		}
	}
	if missing := seen.Missing(1); len(missing) > 0 {
		t.Errorf("%d pairs never occur, such as %v", len(missing), missing[0])
	}
}

func TestDrawIsRepeatable(t *testing.T) {
	t.Parallel()
	a, b := Draw(7, 5), Draw(7, 5)
	if a.Source != b.Source || !reflect.DeepEqual(a.Tables[0].Rows, b.Tables[0].Rows) || a.Queries[4].Args != b.Queries[4].Args {
		t.Error("one seed made two cases")
	}
}

func TestReduce(t *testing.T) {
	t.Parallel()
	rows := Draw(1, 1).Tables[0].Rows
	if got := Reduce(rows, func(r []schema.Row) bool { return len(r) >= 2 }); len(got) != 2 {
		t.Errorf("%d rows are left", len(got))
	}
}

func BenchmarkDraw(b *testing.B) {
	for seed := uint64(0); b.Loop(); seed++ {
		Draw(seed, 50)
	}
}
