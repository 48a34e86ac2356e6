package querytest

import (
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
)

// Use is one operator on a column of one type, evaluated on rows where the
// column was null or was not. Operators that were given null have names of
// their own ("$eq null").
type Use struct {
	Op   string
	Type schema.Type
	Null bool
}

func (u Use) String() string {
	rows := "value"
	if u.Null {
		rows = "null"
	}
	return fmt.Sprintf("%s %s on %s", u.Op, typeNames[u.Type], rows)
}

var (
	anyOps     = []string{"$eq", "$ne", "$in", "$nin", "$exists", "$eq null", "$ne null", "$in null", "$nin null"}
	orderedOps = append([]string{"$gt", "$gte", "$lt", "$lte"}, anyOps...)
	textOps    = append([]string{"$regex"}, orderedOps...)
)

// operators returns the operators that a type has.
func operators(t schema.Type) []string {
	switch t {
	case schema.String, schema.Text, schema.Enum, schema.ObjectID:
		return textOps
	case schema.JSON, schema.Array, schema.Binary:
		return anyOps
	}
	return orderedOps
}

// AllUses returns every pair that there is.
func AllUses() (all []Use) {
	for t := schema.String; t <= schema.Binary; t++ {
		for _, op := range operators(t) {
			all = append(all, Use{op, t, false}, Use{op, t, true})
		}
	}
	return all
}

// uses returns what one condition exercises on these rows.
func uses(op string, c *schema.Column, rows []schema.Row) (out []Use) {
	null, value := false, false
	for _, r := range rows {
		if r[c.Index].IsNull() {
			null = true
		} else {
			value = true
		}
	}
	if value {
		out = append(out, Use{op, c.Type, false})
	}
	if null {
		out = append(out, Use{op, c.Type, true})
	}
	return out
}

// Coverage counts what a run has asked. It is not safe for concurrent use.
type Coverage struct {
	Queries int
	Partial int // queries whose filter left some of the rows, but not all
	counts  map[Use]int
}

// Add counts a query.
func (c *Coverage) Add(q *Query) {
	if c.counts == nil {
		c.counts = make(map[Use]int)
	}
	c.Queries++
	if q.Partial {
		c.Partial++
	}
	for _, u := range q.Uses {
		c.counts[u]++
	}
}

// Count returns how often a pair occurred.
func (c *Coverage) Count(u Use) int { return c.counts[u] }

// Share returns the part of the queries, in percent, that returned neither
// nothing nor everything.
func (c *Coverage) Share() int {
	if c.Queries == 0 {
		return 0
	}
	return 100 * c.Partial / c.Queries
}

// Missing returns the pairs that occurred less than n times.
func (c *Coverage) Missing(n int) (out []Use) {
	for _, u := range AllUses() {
		if c.counts[u] < n {
			out = append(out, u)
		}
	}
	return out
}

// Report writes the counts as a table: an operator a line, a type a column,
// each as rows with a value / rows with null.
func (c *Coverage) Report(w io.Writer) {
	fmt.Fprintf(w, "%d queries, %d%% of them neither nothing nor everything\n", c.Queries, c.Share())
	cells := map[string][]string{}
	for t := schema.String; t <= schema.Binary; t++ {
		for _, op := range operators(t) {
			cells[op] = append(cells[op], fmt.Sprintf("%s %d/%d", typeNames[t], c.counts[Use{op, t, false}], c.counts[Use{op, t, true}]))
		}
	}
	ops := make([]string, 0, len(cells))
	for op := range cells {
		ops = append(ops, op)
	}
	sort.Strings(ops)
	for _, op := range ops {
		fmt.Fprintf(w, "%-10s %s\n", op, strings.Join(cells[op], ", "))
	}
}
