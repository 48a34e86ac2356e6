package migrate

import (
	"slices"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// Step is one change of the database: exactly one of its members is set
// besides Table.
type Step struct {
	Table  string
	Drop   bool    // the table
	Create *Table  // the table, without its indexes
	Add    *Column // to the table
	Index  *Index  // on the table
}

// Misfit is something that differs and that no strategy changes.
type Misfit struct {
	Table  string `json:"table"`
	Column string `json:"column,omitempty"`
	Reason string `json:"reason"`
}

// Engine is what Compare must know of a database.
type Engine struct {
	Dialect *sqlgen.Dialect
	// Fits reports whether values of a wanted column can be kept in an existing
	// one without a loss.
	Fits func(want, have Column) bool
	// FoldNames tells that names which differ in ASCII case alone are the same.
	FoldNames bool
}

// Compare returns the steps from what a database has to what is wanted. Tables,
// columns and indexes that nobody wants are left alone.
func (g Engine) Compare(want, have []Table) (steps []Step, misfits []Misfit) {
	taken := make(map[string]bool) // names of indexes, which some engines share among all tables
	for _, t := range have {
		for _, x := range t.Indexes {
			taken[strings.ToLower(x.Name)] = true
		}
	}
	var indexes []Step
	for i := range want {
		w := &want[i]
		h := g.find(have, w.Name)
		if h == nil {
			steps = append(steps, Step{Table: w.Name, Create: w})
			h = &Table{}
		} else {
			adds, bad := g.columns(w, h)
			steps, misfits = append(steps, adds...), append(misfits, bad...)
		}
		for k := range w.Indexes {
			x := w.Indexes[k]
			if hasIndex(h, x, w.PrimaryKey) {
				continue
			}
			for n := 2; taken[strings.ToLower(g.Dialect.Short(x.Name))]; n++ {
				x.Name = w.Indexes[k].Name + "_" + strconv.Itoa(n)
			}
			taken[strings.ToLower(g.Dialect.Short(x.Name))] = true
			indexes = append(indexes, Step{Table: w.Name, Index: &x})
		}
	}
	return append(steps, indexes...), misfits
}

func (g Engine) find(have []Table, name string) *Table {
	for i := range have {
		if have[i].Name == name || g.FoldNames && strings.EqualFold(have[i].Name, name) {
			return &have[i]
		}
	}
	return nil
}

func (g Engine) columns(w, h *Table) (steps []Step, misfits []Misfit) {
	for i := range w.Columns {
		c := &w.Columns[i]
		x := h.Column(c.Name, g.FoldNames)
		switch {
		case x == nil && len(w.PrimaryKey) > 0 && inKey(w, c.Name):
			misfits = append(misfits, Misfit{w.Name, c.Name, "the table has no such column, and a key can't be added to a table that has rows"})
		case x == nil:
			steps = append(steps, Step{Table: w.Name, Add: c})
		case !g.Fits(*c, *x):
			misfits = append(misfits, Misfit{w.Name, c.Name, "the column is " + shown(x.Declared) + ", the schema needs " + shown(c.Declared)})
		}
	}
	for i := range h.Columns { // what an insert of ours would leave out
		x := &h.Columns[i]
		if x.NotNull && x.Default == "" && !x.Identity && w.Column(x.Name, g.FoldNames) == nil {
			misfits = append(misfits, Misfit{w.Name, x.Name, "the column must not be null and has no default, but the schema does not have it"})
		}
	}
	if !g.uniqueKey(w, h) {
		misfits = append(misfits, Misfit{Table: w.Name, Column: strings.Join(w.PrimaryKey, ","), Reason: "the column is neither the primary key nor unique"})
	}
	return steps, misfits
}

// uniqueKey reports whether the database keeps the wanted key unique.
func (g Engine) uniqueKey(w, h *Table) bool {
	equal := func(a, b string) bool { return a == b || g.FoldNames && strings.EqualFold(a, b) }
	same := func(n int, at func(int) string) bool {
		if n != len(w.PrimaryKey) {
			return false
		}
		for i, k := range w.PrimaryKey {
			if !equal(k, at(i)) {
				return false
			}
		}
		return true
	}
	if same(len(h.PrimaryKey), func(i int) string { return h.PrimaryKey[i] }) {
		return true
	}
	for _, x := range h.Indexes {
		if x.Unique && len(x.Where) == 0 && same(len(x.Keys), func(i int) string { return x.Keys[i].Column }) {
			return true
		}
	}
	return false
}

func inKey(t *Table, name string) bool {
	for _, k := range t.PrimaryKey {
		if k == name {
			return true
		}
	}
	return false
}

// hasIndex reports whether a table has the index, or, for an index that is not
// unique, one without the key at its end (an adopted table's, a former
// version's), which serves nearly as well.
func hasIndex(t *Table, x Index, key []string) bool {
	short := x
	if n := len(x.Keys) - 1; !x.Unique && n > 0 && len(key) == 1 && x.Keys[n].Column == key[0] {
		short.Keys = x.Keys[:n]
	}
	return slices.ContainsFunc(t.Indexes, func(y Index) bool { return y.Same(x) || y.Same(short) })
}

func shown(declared string) string {
	if declared == "" {
		return "without a type"
	}
	return declared
}

// Plan decides what a strategy does: the steps to run, or the fault that says
// what stands in the way. Errors: CONFLICT with the misfits as details.
func (g Engine) Plan(s driver.Strategy, cat *schema.Catalog, have []Table) ([]Step, error) {
	want := Wanted(cat, g.Dialect)
	var steps []Step
	if s == driver.Create || s == driver.CreateDrop {
		steps = Drops(want, have, g.FoldNames)
		have = nil
	}
	more, misfits := g.Compare(want, have)
	if s == driver.Validate {
		system := len(want) - len(System(g.Dialect))
		var own []Step
		for _, st := range more {
			if isSystem(want[system:], st.Table) { // the log is ours to make
				own = append(own, st)
				continue
			}
			misfits = append(misfits, missing(st))
		}
		more = own
	}
	if len(misfits) > 0 {
		m := misfits[0]
		where := "table " + m.Table
		if m.Column != "" {
			where += ", column " + m.Column
		}
		return nil, fault.New(fault.Conflict, "the database does not fit the schema (%s: %s); change it by hand, or choose another database or schema", where, m.Reason).With(misfits)
	}
	return append(steps, more...), nil
}

func missing(s Step) Misfit {
	switch {
	case s.Create != nil:
		return Misfit{Table: s.Table, Reason: "the table is missing"}
	case s.Add != nil:
		return Misfit{Table: s.Table, Column: s.Add.Name, Reason: "the column is missing"}
	}
	return Misfit{Table: s.Table, Reason: "the index " + s.Index.Name + " is missing"}
}

func isSystem(system []Table, name string) bool {
	for i := range system {
		if system[i].Name == name {
			return true
		}
	}
	return false
}

// Drops are the steps that remove the wanted tables which are there.
func Drops(want, have []Table, fold bool) []Step {
	var steps []Step
	g := Engine{FoldNames: fold}
	for _, w := range want {
		if h := g.find(have, w.Name); h != nil {
			steps = append(steps, Step{Table: h.Name, Drop: true})
		}
	}
	return steps
}
