package migrate

import (
	"slices"
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// Step is one change of the database: exactly one of its members is set
// besides Table.
type Step struct {
	Table     string
	Drop      bool    // the table
	Create    *Table  // the table, without its indexes
	Add       *Column // to the table
	DropIndex *Index  // a unique one of ours that binds more than is wanted
	Index     *Index  // on the table
}

// Misfit is something that differs and that no strategy changes.
type Misfit = driver.Misfit

// Plan is what lies between what a database has and what is wanted.
type Plan struct {
	Steps    []Step
	Misfits  []Misfit // while there are any, no step may be run
	Warnings []Misfit // what can be lived with
}

// Engine is what Compare must know of a database.
type Engine struct {
	Dialect *sqlgen.Dialect
	// Fits reports whether values of a wanted column can be kept in an existing
	// one without a loss.
	Fits func(want, have Column) bool
	// FoldNames tells that names of columns and indexes which differ in ASCII case
	// alone are the same; FoldTables that names of tables are.
	FoldNames, FoldTables bool
	// Numbered tells that the database can't number the journal's rows: the
	// nanoseconds since 1970 do.
	Numbered bool
}

// Compare returns what lies between what a database has and what is wanted.
// Tables, columns and indexes that nobody wants are left alone, but for unique
// indexes of ours, which would go on to bind the records.
func (g Engine) Compare(want, have []Table) Plan {
	taken := make(map[string]bool) // names of indexes, which some engines share among all tables
	for _, t := range have {
		for _, x := range t.Indexes {
			taken[strings.ToLower(x.Name)] = true
		}
	}
	var p Plan
	var dropped, indexes []Step
	for i := range want {
		w := &want[i]
		h := g.find(have, w.Name)
		if h == nil {
			p.Steps = append(p.Steps, Step{Table: w.Name, Create: w})
			h = &Table{}
		} else {
			g.columns(&p, w, h)
			dropped = append(dropped, g.unwanted(w, h)...)
		}
		for k := range w.Indexes {
			x := w.Indexes[k]
			if g.hasIndex(h, x, w.PrimaryKey) {
				continue
			}
			for n := 2; taken[strings.ToLower(g.Dialect.Short(x.Name))]; n++ {
				x.Name = w.Indexes[k].Name + "_" + strconv.Itoa(n)
			}
			taken[strings.ToLower(g.Dialect.Short(x.Name))] = true
			indexes = append(indexes, Step{Table: w.Name, Index: &x})
		}
	}
	p.Steps = append(append(p.Steps, indexes...), dropped...)
	return p
}

func (g Engine) find(have []Table, name string) *Table {
	name = g.Dialect.Short(name)
	for i := range have {
		if equalName(have[i].Name, name, g.FoldTables) {
			return &have[i]
		}
	}
	return nil
}

func (g Engine) columns(p *Plan, w, h *Table) {
	misfit := func(m Misfit) {
		m.Table = w.Name
		p.Misfits = append(p.Misfits, m)
	}
	for i := range w.Columns {
		c := &w.Columns[i]
		x := h.Column(c.Name, g.FoldNames)
		switch {
		case x == nil && slices.Contains(w.PrimaryKey, c.Name):
			misfit(Misfit{
				Column: c.Name, Wanted: c.Declared,
				Reason: "the table has no such column, and a key can't be added to a table that has rows",
				Do:     "add the column with a value for each row and make it the primary key or unique, or use a view or table that has it",
			})
		case x == nil:
			p.Steps = append(p.Steps, Step{Table: w.Name, Add: c})
		case c.Generated != "":
		case x.Generated != "":
			misfit(Misfit{
				Column: c.Name, Found: "computed by the database", Wanted: shown(c.Declared),
				Reason: "the database computes the column, so that nothing can be written into it", Do: "remove the field from the schema",
			})
		case !g.Fits(*c, *x):
			misfit(Misfit{
				Column: c.Name, Found: shown(x.Declared), Wanted: shown(c.Declared),
				Reason: "the column is " + shown(x.Declared) + ", the schema needs " + shown(c.Declared),
				Do:     "change the column's type, or the field's",
			})
		case x.Collation != "" && c.Type != 0 && c.Type.Kind() == schema.KindText:
			p.Warnings = append(p.Warnings, Misfit{
				Table: w.Name, Column: c.Name, Found: x.Collation, Wanted: g.Dialect.Tables.Collation,
				Reason: "the column's collation is " + x.Collation + ": its unique values and its indexes follow that, not the code points",
				Do:     "give the column the collation " + g.Dialect.Tables.Collation + " if the difference matters",
			})
		}
	}
	for i := range h.Columns { // what an insert of ours would leave out
		x := &h.Columns[i]
		if x.NotNull && x.Default == "" && !x.Identity && x.Generated == "" && w.Column(x.Name, g.FoldNames) == nil {
			misfit(Misfit{
				Column: x.Name, Found: shown(x.Declared) + " NOT NULL",
				Reason: "the column must not be null and has no default, but the schema does not have it",
				Do:     "give the column a default, let it be null, or add it to the schema as a field",
			})
		}
	}
	if !g.uniqueKey(w, h) {
		misfit(Misfit{
			Column: strings.Join(w.PrimaryKey, ","), Reason: "the column is neither the primary key nor unique",
			Found: "primary key: " + shownKey(h.PrimaryKey), Wanted: "primary key: " + shownKey(w.PrimaryKey),
			Do: "make the column the primary key, or unique and not null",
		})
	}
}

// uniqueKey reports whether the database keeps the wanted key unique.
func (g Engine) uniqueKey(w, h *Table) bool {
	same := func(n int, at func(int) string) bool {
		if n != len(w.PrimaryKey) {
			return false
		}
		for i, k := range w.PrimaryKey {
			if !equalName(k, at(i), g.FoldNames) {
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

// hasIndex reports whether a table has the index, or, for an index that is not
// unique, one without the key at its end (an adopted table's, a former
// version's), which serves nearly as well.
func (g Engine) hasIndex(t *Table, x Index, key []string) bool {
	short := x
	if n := len(x.Keys) - 1; !x.Unique && n > 0 && len(key) == 1 && x.Keys[n].Column == key[0] {
		short.Keys = x.Keys[:n]
	}
	return slices.ContainsFunc(t.Indexes, func(y Index) bool { return y.same(x, g.FoldNames) || y.same(short, g.FoldNames) })
}

// unwanted are the steps that drop unique indexes which a former catalog asked
// for, told by the names that only ours have.
func (g Engine) unwanted(w, h *Table) (steps []Step) {
	for i := range h.Indexes {
		x := &h.Indexes[i]
		if !x.Unique || !g.named(x, "uq_", w.Name) && !g.named(x, "idx_", w.Name) || w.Entity == "" || g.hasIndex(&Table{Indexes: w.Indexes}, *x, nil) {
			continue
		}
		steps = append(steps, Step{Table: w.Name, DropIndex: x})
	}
	return steps
}

// named reports whether an index has a name that ours begin with, as far as the
// engine keeps it.
func (g Engine) named(x *Index, prefix, table string) bool {
	prefix += table + "_"
	if whole := g.Dialect.MaxName - 11; whole > 0 && len(prefix) > whole {
		prefix = prefix[:whole]
	}
	return strings.HasPrefix(x.Name, prefix)
}

func shown(declared string) string {
	if declared == "" {
		return "without a type"
	}
	return declared
}

func shownKey(key []string) string {
	if len(key) == 0 {
		return "none"
	}
	return strings.Join(key, ", ")
}
