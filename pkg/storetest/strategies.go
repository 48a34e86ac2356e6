package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
)

// Under validate everything that is missing is told at once, and nothing is
// made; what fits is served.
func tablesValidate(b *base) {
	if m := b.refused(moreOfThem, driver.Validate); columns(m) != "people. person_teams. teams." && len(m) < 3 {
		b.Errorf("missing in an empty database: %+v", m)
	}
	if x := b.examine(persons); len(x.Steps) < 5 { // persons, and the four of the log
		b.Errorf("validate made tables: only %+v are missing", x.Steps)
	}
	b.with(persons, driver.Update, func(*db) {})
	m := b.refused(moreOfThem, driver.Validate)
	for _, want := range []string{"people.city", "people.deletedAt", "teams."} {
		if !slices.Contains(strings.Fields(columns(m)), want) {
			b.Errorf("%s is not among %s", want, columns(m))
		}
	}
	b.with(persons, driver.Validate, func(d *db) { d.do("create Person", `{"data":{"id":"a"}}`) })
}

// Update adds what is missing, keeps what is there, and then has nothing to do.
func tablesUpdate(b *base) {
	b.with(persons, driver.Update, func(d *db) {
		d.do("create Person", `{"data":{"id":"a","email":"x","n":1}}`, "create Person", `{"data":{"id":"b"}}`, "create Person", `{"data":{"id":"c"}}`)
	})
	if got := b.steps(moreOfThem); !strings.Contains(got, "people people") || !strings.Contains(got, "teams") {
		b.Errorf("update would change %s", got)
	}
	b.with(moreOfThem, driver.Update, func(d *db) {
		d.wantIDs("findAll Person", `{"filter":{"city":null},"sort":{"id":1}}`, "a b c")
		d.do("create Person", `{"data":{"id":"d","email":"y","city":"Rome"}}`, "create Team", `{"data":{"id":"t","title":"T"}}`, "update Person", `{"id":"d","data":{"teams":["t"]}}`)
		d.fails(fault.Conflict, "create Person", `{"data":{"email":"x"}}`)
		d.want("findById Person", `{"id":"a","select":["email","n"]}`, `{"id":"a","_version":1,"email":"x","n":1}`)
	})
	if x := b.examine(moreOfThem); len(x.Steps) != 0 || len(x.Misfits) != 0 || len(x.Warnings) != 0 || len(x.Unfinished) != 0 {
		b.Errorf("after the update: %+v", x)
	}
	b.with(moreOfThem, driver.Validate, func(d *db) { d.wantIDs("findAll Person", `{"filter":{"city":"Rome"}}`, "d") })
	b.with(persons, driver.Update, func(d *db) { d.wantIDs("findAll Person", `{"filter":{"n":1}}`, "a") }) // what a former catalog had stays
}

// A catalog that does not fit is refused while the old one goes on.
func tablesSwap(b *base) {
	b.with(persons, driver.Update, func(d *db) {
		d.do("create Person", `{"data":{"id":"a","email":"x"}}`, "create Person", `{"data":{"id":"b","email":"x"}}`)
		x := func(source string) *driver.Examination {
			x, err := d.conn.(driver.Examiner).Examine(b.Context(), b.catalog(source))
			if err != nil {
				b.Fatal(err)
			}
			return x
		}
		typed := strings.Replace(persons, `"email":{"type":"string"}`, `"email":{"type":"integer"},"zip":{"type":"string"}`, 1)
		for source, column := range map[string]string{typed: "people.email", moreOfThem: "people.email"} {
			if got := columns(x(source).Misfits); got != column {
				b.Errorf("the examination finds %q, not %s", got, column)
			}
			if got := columns(misfits(b.T, d.store.SwapCatalog(b.Context(), b.catalog(source)))); got != column {
				b.Errorf("the swap finds %s, not %s", got, column)
			}
		}
		d.want("count Person", `{"filter":{"email":"x"}}`, `2`)
		if x := x(persons); len(x.Steps)+len(x.Misfits) != 0 {
			b.Errorf("the refused catalogs left something: %+v", x)
		}
		d.do("update Person", `{"id":"b","data":{"email":"y"}}`)
		if err := d.store.SwapCatalog(b.Context(), b.catalog(moreOfThem)); err != nil {
			b.Fatal(err)
		}
		d.fails(fault.Conflict, "update Person", `{"id":"b","data":{"email":"x"}}`)
		d.do("create Person", `{"data":{"id":"c","city":"Rome"}}`)
	})
}

// A unique index that is no longer wanted binds no longer: neither when unique
// goes, nor when soft delete comes, which frees the values of deleted records.
func tablesFree(b *base) {
	unique := strings.Replace(persons, `"email":{"type":"string"}`, `"email":{"type":"string","unique":true}`, 1)
	b.with(unique, driver.Update, func(d *db) {
		d.do("create Person", `{"data":{"id":"a","email":"x"}}`, "create Person", `{"data":{"id":"n1"}}`, "create Person", `{"data":{"id":"n2"}}`)
		d.fails(fault.Conflict, "create Person", `{"data":{"email":"x"}}`)
	})
	b.with(strings.Replace(unique, `"fields"`, `"softDelete":true,"fields"`, 1), driver.Update, func(d *db) {
		d.fails(fault.Conflict, "create Person", `{"data":{"email":"x"}}`)
		d.do("delete Person", `{"id":"a"}`, "create Person", `{"data":{"id":"b","email":"x"}}`)
		d.fails(fault.Conflict, "create Person", `{"data":{"email":"x"}}`)
		d.do("delete Person", `{"id":"b"}`, "create Person", `{"data":{"id":"c","email":"x"}}`)
	})
	b.with(strings.Replace(persons, `"fields"`, `"softDelete":true,"fields"`, 1), driver.Update, func(d *db) {
		d.do("create Person", `{"data":{"id":"e","email":"x"}}`)
		d.want("count Person", `{"filter":{"email":"x"}}`, `2`)
	})
	// An index of others stays, whatever its name.
	b.foreign(migrate.Table{
		Name: "teams", PrimaryKey: []string{"id"},
		Columns: []migrate.Column{{Name: "id", Declared: b.Key, NotNull: true}, {Name: "title", Declared: b.Key}},
		Indexes: []migrate.Index{{Name: "uq_teams_title", Unique: true, Keys: []migrate.Key{{Column: "title"}}}},
	})
	b.with(`[{"name":"Team","collection":"teams","fields":{"title":"string"}}]`, driver.Update, func(d *db) {
		d.do("create Team", `{"data":{"title":"x"}}`)
		d.fails(fault.Conflict, "create Team", `{"data":{"title":"x"}}`)
	})
}

// Create begins with empty tables and an empty log.
func tablesCreate(b *base) {
	epoch := ""
	b.with(persons, driver.Update, func(d *db) {
		d.do("create Person", `{"data":{"id":"a"}}`)
		epoch = d.conn.Epoch()
	})
	b.with(persons, driver.Create, func(d *db) {
		d.want("count Person", `{}`, `0`)
		d.wantLog(0)
		if d.conn.Epoch() == epoch {
			b.Error("the epoch is still the old one")
		}
		d.do("create Person", `{"data":{"id":"a"}}`)
		if err := d.store.SwapCatalog(b.Context(), b.catalog(moreOfThem)); err != nil { // which only adds
			b.Fatal(err)
		}
		d.want("count Person", `{}`, `1`)
	})
	b.with(moreOfThem, driver.Validate, func(d *db) { d.want("count Person", `{}`, `1`) })
}

// Create-drop leaves nothing of its own behind.
func tablesCreateDrop(b *base) {
	empty := len(b.examine(moreOfThem).Steps)
	b.with(persons, driver.Update, func(d *db) { d.do("create Person", `{"data":{"id":"a"}}`) })
	b.with(moreOfThem, driver.CreateDrop, func(d *db) {
		d.want("count Person", `{}`, `0`)
		d.do("create Person", `{"data":{"id":"b"}}`)
	})
	if x := b.examine(moreOfThem); len(x.Steps) != empty {
		b.Errorf("create-drop left something: of %d steps %d are left to do", empty, len(x.Steps))
	}
}

// None touches no table but the log's, and asks for nothing.
func tablesNone(b *base) {
	before := b.steps(persons)
	d := b.open(persons, driver.None)
	if _, err := d.call("findAll Person", `{}`); err == nil {
		b.Error("records without a table")
	} else if f := fault.From(err); strings.Contains(f.Message, "people") {
		b.Errorf("the database's own words crossed: %s", f.Message)
	}
	d.close()
	if got := b.steps(persons); got != before {
		b.Errorf("none changed tables: then %s, now %s are missing", before, got)
	}
	b.with(persons, driver.Update, func(*db) {})
	b.with(persons, driver.None, func(d *db) { d.do("create Person", `{"data":{"id":"a"}}`) })
	b.with(strings.Replace(persons, `"email":{"type":"string"}`, `"email":{"type":"integer"}`, 1), driver.None, func(d *db) {})
}

// tablesAtOnce opens an empty database several times at once, then again with a
// newer catalog: all succeed and each table is made once. A database that
// belongs to one process lets one in.
func tablesAtOnce(b *base) {
	const n = 6
	for _, source := range []string{persons, moreOfThem} {
		conns := make([]driver.Conn, n)
		faults := make([]error, n)
		cats := make([]*schema.Catalog, n)
		for i := range cats {
			cats[i] = b.catalog(source)
		}
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() { conns[i], faults[i] = b.Open(b.Context(), b.at, cats[i], driver.Update) })
		}
		all.Wait()
		exclusive := false
		opened := 0
		for i, c := range conns {
			if c != nil && faults[i] == nil {
				opened++
				exclusive = exclusive || c.Capabilities().Exclusive
			}
		}
		for i, err := range faults {
			if err != nil && !(exclusive && fault.CodeOf(err) == fault.DBNotConnected) {
				b.Errorf("open %d: %v", i, err)
			}
		}
		if opened != n && !exclusive || opened == 0 {
			b.Errorf("%d of %d opened", opened, n)
		}
		epochs := map[string]bool{}
		for i, c := range conns {
			if c == nil || faults[i] != nil {
				continue
			}
			epochs[c.Epoch()] = true
			if err := c.Close(); err != nil {
				b.Error(err)
			}
		}
		if len(epochs) != 1 {
			b.Errorf("the opened ones have %d epochs", len(epochs))
		}
		if x := b.examine(source); len(x.Steps)+len(x.Misfits)+len(x.Unfinished) != 0 {
			b.Errorf("then %+v", x)
		}
		b.with(source, driver.Validate, func(d *db) { d.do("create Person", fmt.Sprintf(`{"data":{"id":"p%d"}}`, len(source))) })
	}
}

// A table that another program made is taken as it is: other but fitting types,
// columns and indexes more, a key that is but unique.
func tablesAdopt(b *base) {
	text := b.declared(schema.Text)
	b.foreign(migrate.Table{
		Name: "people", PrimaryKey: []string{"id"},
		Columns: []migrate.Column{
			{Name: "id", Declared: b.Key, NotNull: true},
			{Name: "email", Declared: b.Key, NotNull: true},
			{Name: "n", Declared: b.declared(schema.Integer)},
			{Name: "kept", Declared: text},
		},
		Indexes: []migrate.Index{{Name: "by_n", Keys: []migrate.Key{{Column: "n"}}}},
	}, `'1', 'a@b', 4, 'x'`, `'2', 'c@d', NULL, NULL`)
	b.foreign(migrate.Table{
		Name: "teams", PrimaryKey: []string{"nr"},
		Columns: []migrate.Column{{Name: "nr", Declared: b.Dialect.Types.Int, NotNull: true, Default: "7"}, {Name: "id", Declared: b.Key, NotNull: true}},
		Indexes: []migrate.Index{{Name: "teams_id", Unique: true, Keys: []migrate.Key{{Column: "id"}}}},
	}, `1, 't'`)
	source := strings.Replace(persons, `"n":{"type":"integer"}}`, `"n":{"type":"integer"}},"indexes":[{"fields":["n"]}]`, 1)
	b.with(source, driver.Update, func(d *db) {
		d.want("findAll Person", `{"sort":{"id":1}}`, `[{"id":"1","_version":1,"email":"a@b","n":4},{"id":"2","_version":1,"email":"c@d","n":null}]`)
		d.do("update Person", `{"id":"1","data":{"n":5}}`, "create Person", `{"data":{"id":"3","email":"e@f"}}`, "delete Person", `{"id":"2"}`)
		d.fails(fault.ValidationError, "create Person", `{"data":{"id":"4"}}`)
		d.fails(fault.Conflict, "create Person", `{"data":{"id":"3","email":"e@f"}}`)
		d.wantIDs("findAll Person", `{"filter":{"n":{"$gte":5}}}`, "1")
	})
	withKept := strings.Replace(source, `"n":{`, `"kept":{"type":"text"},"n":{`, 1)
	b.with(withKept, driver.Update, func(d *db) {
		d.want("findById Person", `{"id":"1"}`, `{"id":"1","_version":2,"email":"a@b","kept":"x","n":5}`)
	})
	b.with(`[{"name":"Team","collection":"teams","fields":{"title":"string"}}]`, driver.Update, func(d *db) {
		d.do("create Team", `{"data":{"id":"u","title":"U"}}`)
		d.want("findAll Team", `{}`, `[{"id":"t","_version":1,"title":null},{"id":"u","_version":1,"title":"U"}]`)
	})
}

// Whatever stands in the way is told in one fault, and nothing is changed.
func tablesMisfits(b *base) {
	text := b.declared(schema.Text)
	b.foreign(migrate.Table{
		Name: "people", PrimaryKey: []string{"id"},
		Columns: []migrate.Column{
			{Name: "id", Declared: b.Key, NotNull: true},
			{Name: "n", Declared: text},
			{Name: "must", Declared: b.Dialect.Types.Int, NotNull: true},
		},
	})
	b.foreign(migrate.Table{
		Name: "teams", PrimaryKey: []string{"nr"},
		Columns: []migrate.Column{{Name: "nr", Declared: b.Key, NotNull: true}, {Name: "title", Declared: text}},
	})
	before := b.examine(moreOfThem)
	const want = "people.must people.n teams.id teams.id teams.nr"
	for _, s := range []driver.Strategy{driver.Update, driver.Validate} {
		m := b.refused(moreOfThem, s)
		for _, c := range []string{"people.must", "people.n", "teams.id", "teams.nr"} {
			if !slices.Contains(strings.Fields(columns(m)), c) {
				b.Errorf("%s: %s is not among %s", s, c, columns(m))
			}
		}
		if got := columns(m); s == driver.Update && got != want {
			b.Errorf("misfits %s, want %s", got, want)
		}
		for _, m := range m {
			if m.Column == "n" && (m.Found == "" || m.Wanted == "") {
				b.Errorf("not told what was found and what is wanted: %+v", m)
			}
		}
	}
	if after := b.examine(moreOfThem); len(after.Steps) != len(before.Steps) || columns(after.Misfits) != want {
		b.Errorf("something was changed: then %+v, now %+v", before, after)
	}
}

// Values that are there twice keep a unique index away; nothing else of the
// catalog is done then.
func tablesCollide(b *base) {
	b.with(persons, driver.Update, func(d *db) {
		d.do("create Person", `{"data":{"id":"a","email":"x","n":1}}`, "create Person", `{"data":{"id":"b","email":"x","n":1}}`,
			"create Person", `{"data":{"id":"c"}}`, "create Person", `{"data":{"id":"d"}}`)
	})
	unique := func(fields, indexes string) string {
		return `[{"name":"Person","collection":"people","fields":{` + fields + `,"city":{"type":"string"}},"indexes":[` + indexes + `]},{"name":"Team","collection":"teams"}]`
	}
	before := len(b.examine(persons).Steps)
	for source, column := range map[string]string{
		unique(`"email":{"type":"string","unique":true},"n":{"type":"integer"}`, ``):                             "people.email",
		unique(`"email":{"type":"string"},"n":{"type":"integer"}`, `{"fields":["n","email"],"unique":true}`):     "people.n,email",
		unique(`"email":{"type":"text","unique":true},"n":{"type":"integer","unique":true}`, ``):                 "people.email people.n",
		unique(`"email":{"type":"string","unique":true,"sparse":true},"n":{"type":"integer","unique":true}`, ``): "people.email people.n",
	} {
		if got := columns(b.refused(source, driver.Update)); got != column {
			b.Errorf("collisions %s, want %s", got, column)
		}
		if x := b.examine(source); columns(x.Misfits) != column || !slices.ContainsFunc(x.Steps, func(s driver.Step) bool { return s.Table == "teams" }) {
			b.Errorf("something was done: %+v", x)
		}
	}
	if x := b.examine(persons); len(x.Steps) != before {
		b.Errorf("%+v", x)
	}
	b.with(unique(`"email":{"type":"string"},"n":{"type":"integer"}`, `{"fields":["n","email","city"],"unique":true}`), driver.Update, func(*db) {}) // with a null none collide
}

// An adopted column that does not compare by code point is told of, and served.
func tablesCollation(b *base) {
	if b.Ignoring == "" {
		b.Skip("skipped: tables collation (this database has no other collation)")
	}
	b.foreign(migrate.Table{
		Name: "people", PrimaryKey: []string{"id"},
		Columns: []migrate.Column{
			{Name: "id", Declared: b.Key, NotNull: true},
			{Name: "email", Declared: b.Ignoring},
			{Name: "n", Declared: b.declared(schema.Integer)},
		},
	}, `'1', 'A', 1`)
	check := func(w []driver.Misfit) {
		b.Helper()
		i := slices.IndexFunc(w, func(m driver.Misfit) bool { return m.Table == "people" && m.Column == "email" })
		if i < 0 || w[i].Found == "" || w[i].Wanted == "" || w[i].Do == "" {
			b.Errorf("warnings %+v", w)
		}
	}
	check(b.examine(persons).Warnings)
	b.with(persons, driver.Update, func(d *db) { d.wantIDs("findAll Person", `{"filter":{"email":"A"}}`, "1") })
	b.with(persons, driver.Validate, func(d *db) { d.wantIDs("findAll Person", `{"filter":{"email":"A"}}`, "1") })
	check(b.examine(persons).Warnings)
}
