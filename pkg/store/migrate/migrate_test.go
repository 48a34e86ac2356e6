package migrate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// engine is a database that knows two types and compares names exactly.
func engine() migrate.Engine {
	d := &sqlgen.Dialect{
		Name: "two", QuoteOpen: '[', QuoteClose: ']',
		ColumnType: func(c *schema.Column, key bool) string {
			switch {
			case c.Type.Kind() == schema.KindInt:
				return "NUM"
			case key:
				return "KEY"
			}
			return "TXT"
		},
		Types: sqlgen.SystemTypes{Text: "TXT", Key: "KEY", Int: "NUM", Bytes: "TXT"},
	}
	return migrate.Engine{Dialect: d, Fits: func(want, have migrate.Column) bool {
		return want.Declared == have.Declared || want.Declared == "TXT" && have.Declared == "KEY"
	}}
}

func catalog(t *testing.T, src string) *schema.Catalog {
	t.Helper()
	cat, err := schema.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return cat
}

const one = `[{"name":"A","collection":"as","softDelete":true,"fields":{"s":{"type":"string","unique":true},"n":{"type":"integer"},"x":{"type":"text"}},
 "indexes":[{"fields":{"n":"desc","s":"asc"}},{"fields":{"x":"text"}}]}]`

func sql(g migrate.Engine, steps []migrate.Step) (out []string) {
	for _, s := range steps {
		if !strings.HasPrefix(s.Table, "_octo_") {
			out = append(out, migrate.SQL(g.Dialect, s))
		}
	}
	return out
}

func TestCompare(t *testing.T) {
	t.Parallel()
	g := engine()
	cat := catalog(t, one)
	all := []string{
		`CREATE TABLE [as] ([id] KEY PRIMARY KEY NOT NULL, [_version] NUM NOT NULL DEFAULT 1, [s] KEY, [n] NUM, [x] TXT, [deletedAt] TXT)`,
		`CREATE UNIQUE INDEX [uq_as_s] ON [as] ([s]) WHERE [deletedAt] IS NULL`,
		`CREATE INDEX [idx_as_0] ON [as] ([n] DESC, [s])`,
	}
	p := g.Plan(driver.Update, cat, nil)
	if got := sql(g, p.Steps); p.Fault() != nil || !slices.Equal(got, all) {
		t.Errorf("%v\n%s", p.Fault(), strings.Join(got, "\n"))
	}
	have := migrate.Wanted(cat, g.Dialect)
	if p := g.Plan(driver.Validate, cat, have); p.Fault() != nil || len(p.Steps) != 0 {
		t.Errorf("what is wanted does not fit itself: %+v", p)
	}
	// a column and an index are missing, the index's name is taken by another
	old := migrate.Table{
		Name: "as", PrimaryKey: []string{"id"}, Columns: have[0].Columns[:4:4],
		Indexes: []migrate.Index{have[0].Indexes[0], {Name: "IDX_AS_0", Keys: []migrate.Key{{Column: "n"}}}},
	}
	p = g.Plan(driver.Update, cat, append([]migrate.Table{old}, migrate.System(g.Dialect)...))
	want := []string{`ALTER TABLE [as] ADD COLUMN [x] TXT`, `ALTER TABLE [as] ADD COLUMN [deletedAt] TXT`, `CREATE INDEX [idx_as_0_2] ON [as] ([n] DESC, [s])`}
	if got := sql(g, p.Steps); p.Fault() != nil || !slices.Equal(got, want) {
		t.Errorf("%v\n%s", p.Fault(), strings.Join(got, "\n"))
	}
	p = g.Plan(driver.Validate, cat, []migrate.Table{old})
	if err := p.Fault(); fault.CodeOf(err) != fault.Conflict {
		t.Error(err)
	} else if m := fault.From(err).Details.([]migrate.Misfit); len(m) != 3 || m[0].Table != "as" || m[0].Column != "x" || m[0].Reason != "the column is missing" || m[0].Do == "" {
		t.Errorf("%+v", m)
	}
	p = g.Plan(driver.Create, cat, have)
	if got := sql(g, p.Steps); p.Fault() != nil || got[0] != "DROP TABLE [as]" || !slices.Equal(got[1:], all) {
		t.Errorf("%v %v", got, p.Fault())
	}
}

func TestMisfits(t *testing.T) {
	t.Parallel()
	g := engine()
	cat := catalog(t, one)
	fresh := func() migrate.Table {
		w := migrate.Wanted(cat, g.Dialect)[0]
		w.Columns = slices.Clone(w.Columns)
		return w
	}
	for name, c := range map[string]struct {
		change func(*migrate.Table)
		column string
	}{
		"another type":              {func(t *migrate.Table) { t.Columns[3].Declared = "TXT" }, "n"},
		"another key":               {func(t *migrate.Table) { t.PrimaryKey = []string{"s"} }, "id"},
		"a key without its column":  {func(t *migrate.Table) { t.Columns = t.Columns[1:] }, "id"},
		"a column that must be set": {func(t *migrate.Table) { t.Columns = append(t.Columns, migrate.Column{Name: "y", NotNull: true}) }, "y"},
	} {
		h := fresh()
		c.change(&h)
		p := g.Plan(driver.Update, cat, []migrate.Table{h})
		err := p.Fault()
		m, ok := fault.From(err).Details.([]migrate.Misfit)
		if fault.CodeOf(err) != fault.Conflict || !ok || m[0].Column != c.column || !strings.Contains(fault.From(err).Message, "table as, column "+c.column) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h := fresh() // a key that a unique index keeps is as good
	h.PrimaryKey, h.Indexes = nil, append(h.Indexes, migrate.Index{Name: "k", Unique: true, Keys: []migrate.Key{{Column: "id"}}})
	h.Columns = append(h.Columns, migrate.Column{Name: "y", NotNull: true, Default: "1"})
	if p := g.Plan(driver.Update, cat, []migrate.Table{h}); p.Fault() != nil {
		t.Error(p.Fault())
	}
}

func TestWhereIsQuoted(t *testing.T) {
	t.Parallel()
	g := engine()
	x := migrate.Index{
		Name: "a]b", Unique: true, Keys: []migrate.Key{{Column: "c]; DROP TABLE x"}},
		Where: []migrate.Condition{{Column: "k", Op: migrate.Equals, Text: "it's"}, {Column: "d", Op: migrate.IsNotNull}},
	}
	got := migrate.SQL(g.Dialect, migrate.Step{Table: "t", Index: &x})
	if want := `CREATE UNIQUE INDEX [a]]b] ON [t] ([c]]; DROP TABLE x]) WHERE [k] = 'it''s' AND [d] IS NOT NULL`; got != want {
		t.Error(got)
	}
}
