package migrate

import (
	"context"
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// Database is one connection of a driver, as a migration uses it: while the
// driver holds its lock, and in one transaction where the engine's can hold
// tables. Its errors are classified.
type Database interface {
	// Tables reads what tables there are.
	Tables(ctx context.Context) ([]Table, error)
	// Exec runs a statement; args are string, int64 or nil.
	Exec(ctx context.Context, sql string, args ...any) error
	// Query runs a query of columns that can be read as text and gives each row,
	// null as "", until each returns false.
	Query(ctx context.Context, sql string, columns int, each func(row []string) bool) error
}

// Run brings a database in line with a catalog, as the strategy says, and
// returns what was done. Misfits and values that collide are found before the
// first step, so that the CONFLICT which lists them has changed nothing. Each
// step is noted in the journal: before and after it, where no transaction could
// undo it, else after it. Since the steps are made from what is there, the next
// Run goes on where one that broke off has ended.
func (g Engine) Run(ctx context.Context, db Database, s driver.Strategy, cat *schema.Catalog) (*driver.Examination, error) {
	have, err := db.Tables(ctx)
	if err != nil {
		return nil, err
	}
	p := g.Plan(s, cat, have)
	if err := p.Fault(); err != nil {
		return nil, err
	}
	if p.Steps, err = g.owned(ctx, db, p.Steps, have); err != nil {
		return nil, err
	}
	if !s.Empties() {
		found, err := g.collisions(ctx, db, p.Steps, have)
		if err == nil {
			err = misfitFault(found, "make them differ first")
		}
		if err != nil {
			return nil, err
		}
	}
	r := run{Engine: g, db: db, catalog: cat.Version, id: rand.Text()[:8]}
	journal := func(st Step) bool { return st.Table == g.Dialect.Short(sqlgen.JournalTable) }
	r.journal = g.find(have, sqlgen.JournalTable) != nil && !slices.ContainsFunc(p.Steps, journal)
	ordered := slices.Clone(p.Steps)
	slices.SortStableFunc(ordered, func(a, b Step) int { // the journal first: the rest is written into it
		switch {
		case journal(a) == journal(b):
			return 0
		case journal(a):
			return -1
		}
		return 1
	})
	for i, st := range ordered {
		if !journal(st) {
			r.journal = true
		}
		if err := r.step(ctx, i, st); err != nil {
			return nil, err
		}
	}
	if r.journal && !g.Dialect.Tables.Transactional {
		if err := r.settle(ctx); err != nil {
			return nil, err
		}
	}
	return g.examination(Plan{Steps: ordered, Warnings: p.Warnings}), nil
}

// Examine tells what Run would do under the strategy update, and does nothing.
func (g Engine) Examine(ctx context.Context, db Database, cat *schema.Catalog) (*driver.Examination, error) {
	have, err := db.Tables(ctx)
	if err != nil {
		return nil, err
	}
	p := g.Plan(driver.Update, cat, have)
	if p.Steps, err = g.owned(ctx, db, p.Steps, have); err != nil {
		return nil, err
	}
	if len(p.Misfits) == 0 {
		if p.Misfits, err = g.collisions(ctx, db, p.Steps, have); err != nil {
			return nil, err
		}
	}
	x := g.examination(p)
	t := g.find(have, sqlgen.JournalTable)
	if t == nil || t.Column("state", g.FoldNames) == nil {
		return x, nil
	}
	x.Unfinished, err = g.unfinished(ctx, db)
	return x, err
}

func (g Engine) examination(p Plan) *driver.Examination {
	x := &driver.Examination{Steps: make([]driver.Step, len(p.Steps)), Misfits: p.Misfits, Warnings: p.Warnings}
	fresh := make(map[string]bool)
	for i, s := range p.Steps {
		fresh[s.Table] = fresh[s.Table] || s.Create != nil
		x.Steps[i] = driver.Step{Table: s.Table, Class: class(s, fresh[s.Table]), SQL: SQL(g.Dialect, s)}
	}
	return x
}

// class says what a step does to stored records; fresh tells that the table has
// none.
func class(s Step, fresh bool) schema.Class {
	switch {
	case s.Drop:
		return schema.Destructive
	case s.Add != nil && s.Add.Fill, s.Index != nil && s.Index.Unique && !fresh:
		return schema.Backfill
	}
	return schema.Safe
}

// owned leaves out the steps that would drop an index which the journal does
// not know as one that we made: others may name theirs as we do.
func (g Engine) owned(ctx context.Context, db Database, steps []Step, have []Table) ([]Step, error) {
	drops := func(s Step) bool { return s.DropIndex != nil }
	if !slices.ContainsFunc(steps, drops) {
		return steps, nil
	}
	made := make(map[string]bool)
	if g.find(have, sqlgen.JournalTable) != nil {
		err := db.Query(ctx, g.sql("SELECT ", "step", " FROM ", sqlgen.JournalTable, ""), 1, func(row []string) bool {
			if head, _, ok := strings.Cut(row[0], " ("); ok {
				made[head] = true
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(slices.Clone(steps), func(s Step) bool {
		if !drops(s) {
			return false
		}
		head, _, _ := strings.Cut(createIndex(g.Dialect, s.Table, s.DropIndex), " (")
		return !made[head]
	}), nil
}

// collisions looks for values that a new unique index would refuse.
func (g Engine) collisions(ctx context.Context, db Database, steps []Step, have []Table) (found []Misfit, err error) {
	for _, s := range steps {
		sql := Collisions(g.Dialect, s, g.find(have, s.Table), g.FoldNames)
		if sql == "" {
			continue
		}
		twice := ""
		if err := db.Query(ctx, sql, 1, func(row []string) bool { twice = row[0]; return false }); err != nil {
			return nil, err
		}
		if twice != "" {
			found = append(found, collision(s))
		}
	}
	return found, nil
}

func collision(s Step) Misfit {
	return Misfit{
		Table: s.Table, Column: strings.Join(s.Index.Columns(), ","), Reason: "the rows hold equal values where the schema wants unique ones",
		Do: "change or remove the rows that are there twice",
	}
}

// StepFault tells why a step could not be done, by table and column.
func StepFault(s Step, err error) error {
	f := fault.From(err)
	if f.Code == fault.Conflict && s.Index != nil {
		g := fault.From(misfitFault([]Misfit{collision(s)}, "make them differ first"))
		return fault.Wrap(err, g.Code, "%s", g.Message).With(g.Details)
	}
	return fault.Wrap(err, f.Code, "the table %s could not be changed: %s", s.Table, f.Message)
}

// The states of a step in the journal.
const (
	started = "started"
	done    = "done"
)

// run is one Run.
type run struct {
	Engine
	db      Database
	catalog string
	id      string // tells the steps of this run from those of others
	journal bool   // the table is there
	number  int64  // of the journal's last row, under Numbered
}

func (r *run) step(ctx context.Context, n int, s Step) error {
	sql := SQL(r.Dialect, s)
	ref := r.id + "-" + strconv.Itoa(n)
	keep := !r.Dialect.Tables.Transactional && r.journal
	if keep {
		if err := r.note(ctx, ref, sql, started); err != nil {
			return err
		}
	}
	if err := r.db.Exec(ctx, sql); err != nil {
		err = StepFault(s, err)
		if keep { // told as well as can be: the fault itself is what counts
			_ = r.set(ctx, "error", ref, err.Error())
		}
		return err
	}
	switch {
	case keep:
		return r.set(ctx, "state", ref, done)
	case r.journal:
		return r.note(ctx, ref, sql, done)
	}
	return nil
}

func (r *run) note(ctx context.Context, ref, sql, state string) error {
	now := time.Now()
	if r.Numbered {
		r.number = max(r.number+1, now.UnixNano())
		return r.db.Exec(ctx, r.sql("INSERT INTO ", sqlgen.JournalTable, " (", "n", ", ", "catalog", ", ", "step", ", ", "at", ", ", "ref", ", ", "state", ") VALUES (?, ?, ?, ?, ?, ?)"),
			r.number, r.catalog, sql, now.UnixMilli(), ref, state)
	}
	return r.db.Exec(ctx, r.sql("INSERT INTO ", sqlgen.JournalTable, " (", "catalog", ", ", "step", ", ", "at", ", ", "ref", ", ", "state", ") VALUES (?, ?, ?, ?, ?)"),
		r.catalog, sql, now.UnixMilli(), ref, state)
}

func (r *run) set(ctx context.Context, column, ref, value string) error {
	return r.db.Exec(ctx, r.sql("UPDATE ", sqlgen.JournalTable, " SET ", column, " = ? WHERE ", "ref", " = ?"), value, ref)
}

// settle marks what former runs left unfinished as done: everything that is
// wanted is there now.
func (r *run) settle(ctx context.Context) error {
	return r.db.Exec(ctx, r.sql("UPDATE ", sqlgen.JournalTable, " SET ", "state", " = ? WHERE ", "state", " = ?"), done, started)
}

// sql writes a statement: each second part is a name, ? a placeholder.
func (g Engine) sql(parts ...string) string {
	var b []byte
	n := 0
	for i, p := range parts {
		if i%2 == 1 {
			b = g.Dialect.AppendIdent(b, p)
			continue
		}
		for _, c := range []byte(p) {
			if c == '?' {
				n++
				b = g.Dialect.Placeholder(b, n)
			} else {
				b = append(b, c)
			}
		}
	}
	return string(b)
}

func (g Engine) unfinished(ctx context.Context, db Database) ([]driver.Unfinished, error) {
	var out []driver.Unfinished
	sql := g.sql("SELECT ", "catalog", ", ", "step", ", ", "at", ", ", "error", ", ", "state", " FROM ", sqlgen.JournalTable, " ORDER BY ", "n", "")
	err := db.Query(ctx, sql, 5, func(row []string) bool {
		if row[4] == started {
			ms, _ := strconv.ParseInt(row[2], 10, 64) // written by note
			out = append(out, driver.Unfinished{Catalog: row[0], SQL: row[1], At: time.UnixMilli(ms).UTC(), Error: row[3]})
		}
		return true
	})
	return out, err
}
