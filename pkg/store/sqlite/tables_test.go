package sqlite

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/migrate"
)

// foreign makes a database as another program would.
func foreign(t *testing.T, script string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "p.db")
	c, err := zombie.OpenConn(path, zombie.OpenReadWrite|zombie.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := sqlitex.ExecuteScript(c, script, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

// dump lists the database's own tables and indexes as SQL.
func dump(t *testing.T, db *DB) string {
	t.Helper()
	var out []string
	s, err := db.short.get(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer db.short.put(s)
	err = s.query(`SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE '%octo%' ORDER BY tbl_name, type DESC, name`, nil, func(st *zombie.Stmt) {
		out = append(out, st.ColumnText(0))
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, "\n")
}

func TestTables(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "p.db")
	db := open(t, parse(t, shop), path, Options{})
	want := `CREATE TABLE "groups" ("id" TEXT PRIMARY KEY NOT NULL, "_version" INTEGER NOT NULL DEFAULT 1, "title" TEXT, "deletedAt" TEXT)
CREATE UNIQUE INDEX "uq_groups_title" ON "groups" ("title") WHERE "deletedAt" IS NULL
CREATE TABLE "pets" ("id" TEXT PRIMARY KEY NOT NULL, "_version" INTEGER NOT NULL DEFAULT 1, "name" TEXT, "lives" INTEGER, "kind" TEXT, "bark" TEXT)
CREATE UNIQUE INDEX "uq_pets_bark" ON "pets" ("bark") WHERE "kind" = 'dog'
CREATE TABLE "user_groups" ("userId" TEXT NOT NULL, "groupId" TEXT NOT NULL, PRIMARY KEY ("userId", "groupId"))
CREATE INDEX "ix_user_groups_groupId" ON "user_groups" ("groupId", "userId")
CREATE TABLE "users" ("id" TEXT PRIMARY KEY NOT NULL, "_version" INTEGER NOT NULL DEFAULT 1, "email" TEXT, "name" TEXT, "age" REAL, "level" INTEGER, "active" INTEGER, "born" TEXT, "balance" TEXT COLLATE octo_decimal, "tags" TEXT, "extra" TEXT, "boss" TEXT, "createdAt" TEXT, "updatedAt" TEXT)
CREATE INDEX "idx_users_0" ON "users" ("name", "id")
CREATE INDEX "idx_users_1" ON "users" ("age" DESC, "id")
CREATE INDEX "idx_users_2" ON "users" ("createdAt" DESC, "id")
CREATE INDEX "ix_users_boss" ON "users" ("boss", "id")
CREATE UNIQUE INDEX "uq_users_email" ON "users" ("email")`
	if got := dump(t, db); got != want {
		t.Errorf("got\n%s", got)
	}
	db.Close()
	// The same catalog again fits as it is, also under validate.
	db = open(t, parse(t, shop), path, Options{Strategy: driver.Validate})
	if got := dump(t, db); got != want {
		t.Errorf("the second start changed the tables:\n%s", got)
	}
}

const before = `[{"name":"User","collection":"users","fields":{"email":{"type":"string"},"n":{"type":"number"}}}]`

func TestJournal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "p.db")
	db := open(t, parse(t, before), path, Options{})
	e := db.catalog.Load().Entity("User")
	insert(t, db, e, build(e, "a", map[string]schema.Value{"email": schema.TextOf("x")}), build(e, "b", map[string]schema.Value{"email": schema.TextOf("x")}))
	// another catalog, while it runs
	more := parse(t, `[{"name":"User","collection":"users","softDelete":true,"fields":{"email":{"type":"string"},"city":{"type":"string"}},"indexes":[{"fields":["city"]}]},
	 {"name":"New","collection":"news","fields":{"x":{"type":"json"}}}]`)
	if err := db.Apply(context.Background(), more); err != nil {
		t.Fatal(err)
	}
	e = more.Entity("User")
	insert(t, db, e, build(e, "c", map[string]schema.Value{"city": schema.TextOf("Rome")}))
	insert(t, db, more.Entity("New"), build(more.Entity("New"), "n", nil))
	got := ids(t, db, &query.Select{Entity: e, Where: query.Compare{Column: e.Column("city"), Op: query.Ne, Value: schema.TextOf("Rome")}})
	if strings.Join(got, ",") != "a,b" {
		t.Error(got)
	}
	steps := 0
	s, err := db.short.get(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	err = s.query(`SELECT step FROM _octo_schema_journal WHERE catalog = ?`, []string{more.Version}, func(*zombie.Stmt) { steps++ })
	db.short.put(s)
	if err != nil || steps != 4 { // two columns, a table, an index
		t.Errorf("%d steps in the journal, %v", steps, err)
	}
}

// TestAdopt takes over a table that another program made and filled.
func TestAdopt(t *testing.T) {
	t.Parallel()
	script := `CREATE TABLE users (ID varchar(40) PRIMARY KEY, email VARCHAR(80) NOT NULL, name NVARCHAR(20), age DOUBLE, level BIGINT, active BOOLEAN, born DATETIME, note TEXT, kept INT DEFAULT 5);
	 CREATE INDEX by_name ON users (name);
	 INSERT INTO users VALUES ('1', 'a@b', 'Ann', 3, 4, 1, '2001-02-03 04:05:06', 'x', 7), ('2', 'c@d', NULL, 2.5, NULL, 0, 'nonsense', NULL, NULL), ('3', 'e@f', '', 1, 1, NULL, '2001-02-03', NULL, NULL);`
	path := foreign(t, script)
	cat := parse(t, `[{"name":"User","collection":"users","fields":{"email":{"type":"string","required":true},"name":{"type":"string"},"age":{"type":"number"},
	 "level":{"type":"integer"},"active":{"type":"boolean"},"born":{"type":"date"},"extra":{"type":"json"}},"indexes":[{"fields":["name"]}]}]`)
	db := open(t, cat, path, Options{})
	e := cat.Entity("User")
	if sql := dump(t, db); strings.Contains(sql, "idx_users") || !strings.Contains(sql, `"_version" INTEGER NOT NULL DEFAULT 1`) {
		t.Errorf("adopted as\n%s", sql)
	}
	var got []byte
	err := db.Select(context.Background(), &query.Select{Entity: e, Projection: all(e), Sort: byID(e)}, func(r driver.Row) error {
		for i := range e.Columns {
			v := r.Value(i)
			if string(v.AppendJSON(nil)) != string(r.AppendJSON(nil, i)) {
				t.Errorf("%s: %s is not %s", e.Columns[i].Name, v.AppendJSON(nil), r.AppendJSON(nil, i))
			}
			got = append(r.AppendJSON(got, i), ' ')
		}
		got = append(got, '\n')
		return nil
	})
	want := `"1" 1 "a@b" "Ann" 3 4 true "2001-02-03T04:05:06.000Z" null ` + "\n" +
		`"2" 1 "c@d" null 2.5 null false null null ` + "\n" + `"3" 1 "e@f" "" 1 1 null "2001-02-03T00:00:00.000Z" null ` + "\n"
	if err != nil || string(got) != want {
		t.Errorf("%v, got\n%s", err, got)
	}
	err = db.Write(context.Background(), driver.Unit{Single: true, Run: func(tx driver.Tx) error { return tx.Insert(e, build(e, "4", nil)) }})
	if f := code(t, err, fault.ValidationError); !strings.Contains(f.Message, "email") {
		t.Error(f)
	}
	for _, c := range []struct{ script, column string }{
		{`CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)`, "id"},
		{`CREATE TABLE users (id TEXT, email TEXT)`, "id"},
		{`CREATE TABLE users (nr TEXT PRIMARY KEY, email TEXT)`, "id"},
		{`CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT, must TEXT NOT NULL)`, "must"},
		{`CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT, age TEXT)`, "age"},
	} {
		_, err := Open(context.Background(), foreign(t, c.script), cat, Options{})
		m, ok := code(t, err, fault.Conflict).Details.([]migrate.Misfit)
		if !ok || m[0].Column != c.column {
			t.Errorf("%s: %+v", c.script, m)
		}
	}
}

// TestBrokenOff breaks a migration off before and after each of its statements,
// as an engine would be left whose transactions hold no tables: what is begun is
// told of, and the next start ends it.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	old := parse(t, before)
	cat := parse(t, `[{"name":"User","collection":"users","fields":{"email":{"type":"string","unique":true},"n":{"type":"number"},"city":"string"}},{"name":"New","collection":"news"}]`)
	d := Dialect()
	d.Tables.Transactional = false
	g := engine(d)
	unfinished := 0
	for n, broken := 0, true; broken; n++ {
		db := &DB{path: ":memory:", dialect: d, busy: busyTimeout}
		s, err := db.connect(true)
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		if _, err := g.Run(ctx, tables{s}, driver.Update, old); err != nil {
			t.Fatal(err)
		}
		_, err = g.Run(ctx, &dying{tables{s}, n}, driver.Update, cat)
		broken = err != nil
		x, err := g.Examine(ctx, tables{s}, cat)
		if err != nil || len(x.Unfinished) > 1 || !broken && len(x.Steps)+len(x.Unfinished) > 0 {
			t.Fatalf("broken off at %d: %+v, %v", n, x, err)
		}
		for _, u := range x.Unfinished {
			if unfinished++; u.Catalog != cat.Version || u.SQL == "" || u.At.IsZero() {
				t.Errorf("%+v", u)
			}
		}
		if _, err = g.Run(ctx, tables{s}, driver.Update, cat); err != nil {
			t.Fatalf("after %d: %v", n, err)
		}
		x, err = g.Examine(ctx, tables{s}, cat)
		if err != nil || len(x.Steps)+len(x.Misfits)+len(x.Unfinished) > 0 {
			t.Errorf("after %d: %+v, %v", n, x, err)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
	if unfinished == 0 {
		t.Error("no unfinished step was ever told of")
	}
}

// dying ends with its n-th statement: the even ones are not done, the odd ones
// are, but the answer is lost.
type dying struct {
	tables
	left int
}

func (d *dying) Exec(ctx context.Context, sql string, args ...any) error {
	if d.left == 1 {
		if err := d.tables.Exec(ctx, sql, args...); err != nil {
			return err
		}
	}
	if d.left -= 2; d.left < 0 {
		return fault.New(fault.DBNotConnected, "the process ends here")
	}
	return d.tables.Exec(ctx, sql, args...)
}

func TestCollations(t *testing.T) {
	t.Parallel()
	path := foreign(t, `CREATE TABLE "people" (id TEXT NOT NULL COLLATE binary, "e,m" VARCHAR(10) DEFAULT 'COLLATE x' COLLATE /* ) */ "nocase", -- COLLATE z,
	 [n] DECIMAL(3, 2), x TEXT CHECK (x COLLATE NOCASE <> ''), y TEXT COLLATE RTRIM, PRIMARY KEY (id COLLATE NOCASE))`)
	conn, err := Open(t.Context(), path, parse(t, before), Options{Strategy: driver.Inspect})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s, err := conn.(*DB).short.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.(*DB).short.put(s)
	have, err := introspect(s)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range have[0].Columns {
		got = append(got, c.Name+" "+c.Collation)
	}
	if strings.Join(got, "; ") != "id ; e,m NOCASE; n ; x ; y RTRIM" {
		t.Errorf("%q", got)
	}
}

func FuzzCollations(f *testing.F) {
	for _, s := range []string{"CREATE TABLE x (a TEXT COLLATE NOCASE, [b c] INT)", "(", "(a COLLATE", `("a""b" x COLLATE 'y`, "(/*", "(a --"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { _ = collations(s) }) // it ends
}

func FuzzParseWhere(f *testing.F) {
	for _, s := range []string{`CREATE INDEX x ON t ("a") WHERE "a" IS NULL AND "b""c" = 'it''s' AND "d" IS NOT NULL`, `) WHERE "`, `) WHERE "a" = '`, "", `) WHERE a > 1`} {
		f.Add(s)
	}
	d := Dialect()
	f.Fuzz(func(t *testing.T, s string) {
		where := parseWhere(s)
		if len(where) == 0 {
			t.Fatal("a partial index must have a condition")
		}
		for _, c := range where { // what is ours reads back as itself
			if strings.ContainsRune(c.Column+c.Text, 0) || where[0].Column == s {
				return
			}
		}
		if again := parseWhere(")" + string(migrate.AppendWhere(nil, d, where))); len(again) != len(where) {
			t.Fatalf("%q becomes %v, then %v", s, where, again)
		}
	})
}
