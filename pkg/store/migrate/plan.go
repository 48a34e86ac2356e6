package migrate

import (
	"fmt"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// Plan decides what a strategy does to a database that has those tables. Under
// Validate whatever is missing is a misfit; the system's tables, which are ours
// to make, are missing under no strategy.
func (g Engine) Plan(s driver.Strategy, cat *schema.Catalog, have []Table) Plan {
	want := Wanted(cat, g.Dialect)
	var p Plan
	switch s {
	case driver.None:
		return g.Compare(System(g.Dialect), have)
	case driver.Create, driver.CreateDrop:
		p.Steps = g.Drops(want, have)
		have = nil
	}
	q := g.Compare(want, have)
	p.Steps, p.Misfits, p.Warnings = append(p.Steps, q.Steps...), q.Misfits, q.Warnings
	if s == driver.Validate {
		system := want[len(want)-len(System(g.Dialect)):]
		var own []Step
		for _, st := range p.Steps {
			if g.find(system, st.Table) != nil {
				own = append(own, st)
			} else if st.DropIndex == nil {
				p.Misfits = append(p.Misfits, g.missing(st))
			}
		}
		p.Steps = own
	}
	return p
}

// Fault is the CONFLICT that names all misfits; nil if there are none.
func (p *Plan) Fault() error {
	return misfitFault(p.Misfits, "change it by hand, or choose another database or schema")
}

func misfitFault(misfits []Misfit, do string) error {
	if len(misfits) == 0 {
		return nil
	}
	m := misfits[0]
	where, more := "table "+m.Table, ""
	if m.Column != "" {
		where += ", column " + m.Column
	}
	if n := len(misfits) - 1; n > 0 {
		more = fmt.Sprintf("; %d more in the details", n)
	}
	return fault.New(fault.Conflict, "the database does not fit the schema (%s: %s%s); %s", where, m.Reason, more, do).With(misfits)
}

func (g Engine) missing(s Step) Misfit {
	m := Misfit{Table: s.Table, Do: "run " + SQL(g.Dialect, s) + ", or use the strategy update"}
	switch {
	case s.Create != nil:
		m.Reason = "the table is missing"
	case s.Add != nil:
		m.Column, m.Reason, m.Wanted = s.Add.Name, "the column is missing", s.Add.Declared
	default:
		m.Reason = "the index " + s.Index.Name + " is missing"
	}
	return m
}

// Drops are the steps that remove the wanted tables which are there.
func (g Engine) Drops(want, have []Table) []Step {
	var steps []Step
	for _, w := range want {
		if h := g.find(have, w.Name); h != nil {
			steps = append(steps, Step{Table: h.Name, Drop: true})
		}
	}
	return steps
}

// Collisions returns a query of one column that has a row if the table holds
// equal values where a step's unique index wants different ones; empty if that
// can't be: have is the table before the first step.
func Collisions(d *sqlgen.Dialect, s Step, have *Table, fold bool) string {
	if s.Index == nil || !s.Index.Meaning().Unique || have == nil {
		return ""
	}
	x := s.Index.Meaning()
	var keys, where []byte
	and := func() {
		if len(where) > 0 {
			where = append(where, " AND "...)
		}
	}
	for i, k := range x.Keys {
		if have.Column(k.Column, fold) == nil {
			return "" // null in every row
		}
		if i > 0 {
			keys = append(keys, ", "...)
		}
		if h := s.Index.Keys[i]; h.Column != k.Column && d.Tables.Hash != nil { // too long to be grouped by
			keys = append(keys, d.Tables.Hash(d.Ident(k.Column))...)
		} else {
			keys = d.AppendIdent(keys, k.Column)
		}
		and()
		where = append(d.AppendIdent(where, k.Column), " IS NOT NULL"...)
	}
	for _, c := range x.Where {
		if have.Column(c.Column, fold) == nil {
			if c.Op == IsNull {
				continue
			}
			return ""
		}
		and()
		where = appendConditions(where, d, []Condition{c})
	}
	return fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE %s GROUP BY %s HAVING COUNT(*) > 1", d.Ident(s.Table), where, keys)
}
