package sql_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/octomesh/octomesh/pkg/storetest"
)

// The oracle holds the plans against SQLite, which runs the very same statements
// on tables with the same rows: random statements of the subset, on data full of
// nulls, equal values, and texts that LIKE could misread.

// record is a row of the data set in the notation of both sides.
type record struct {
	entity string
	cells  [][2]string // name and JSON value
}

func dataset() []record {
	var out []record
	add := func(entity string, cells ...string) {
		r := record{entity: entity}
		for i := 0; i < len(cells); i += 2 {
			r.cells = append(r.cells, [2]string{cells[i], cells[i+1]})
		}
		out = append(out, r)
	}
	pick := func(n int, of ...string) string { return of[n%len(of)] }
	texts := []string{`"a"`, `"A"`, `"ab%"`, `"a_b"`, `"a\nb"`, `"é"`, `""`, `"b\\"`, `"zz top"`}
	for i := range 4 {
		add("Artist", "id", fmt.Sprintf(`"ar%d"`, i), "name", pick(i, texts...), "country", pick(i, `null`, `"AU"`, `"é"`))
	}
	for i := range 7 {
		add("Album", "id", fmt.Sprintf(`"al%d"`, i), "title", pick(i*2, texts...), "year", pick(i, `null`, `1980`, `1989`, `-1`),
			"artist", pick(i, `"ar0"`, `"ar1"`, `null`, `"ar2"`))
	}
	for i := range 40 {
		add("Track", "id", fmt.Sprintf(`"t%02d"`, i), "name", pick(i*5, texts...),
			"ms", pick(i, `null`, `1`, `2`, `9007199254740993`, `-3`, `9223372036854775807`, `2`, `0`),
			"price", pick(i*3, `0.5`, `null`, `1.5`, `2`, `-0.25`, `1024`, `2`),
			"live", pick(i, `true`, `false`, `null`),
			"made", pick(i*7, `"2026-01-02T00:00:00.000Z"`, `null`, `"2025-12-31T23:59:59.999Z"`, `"2026-01-02T00:00:00.001Z"`),
			"album", pick(i*11, `"al0"`, `null`, `"al1"`, `"al2"`, `"al5"`, `"al6"`),
			"next", pick(i, `null`, `"t00"`, `"t00"`, `"t01"`))
	}
	return out
}

// twins are the same records in a store and in tables.
func twins(t testing.TB) (*house, *zombie.Conn) {
	h := open(t)
	c, err := zombie.OpenConn(":memory:", zombie.OpenReadWrite|zombie.OpenCreate|zombie.OpenMemory)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := sqlitex.ExecuteScript(c, `PRAGMA case_sensitive_like = ON;
		CREATE TABLE Artist (id TEXT, name TEXT, country TEXT);
		CREATE TABLE Album (id TEXT, title TEXT, year INTEGER, artist TEXT);
		CREATE TABLE Track (id TEXT, name TEXT, ms INTEGER, price REAL, live INTEGER, made TEXT, album TEXT, next TEXT);`, nil); err != nil {
		t.Fatal(err)
	}
	for _, r := range dataset() {
		var members, names, values []string
		for _, cell := range r.cells {
			members = append(members, fmt.Sprintf("%q:%s", cell[0], cell[1]))
			names = append(names, cell[0])
			v := cell[1]
			if strings.HasPrefix(v, `"`) {
				var s string
				if err := json.Unmarshal([]byte(v), &s); err != nil {
					t.Fatal(err)
				}
				v = "'" + strings.ReplaceAll(s, "'", "''") + "'"
			}
			values = append(values, v)
		}
		h.create(r.entity, "{"+strings.Join(members, ",")+"}")
		insert := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s);", r.entity, strings.Join(names, ","), strings.Join(values, ","))
		if err := sqlitex.ExecuteTransient(c, insert, nil); err != nil {
			t.Fatal(insert, err)
		}
	}
	return h, c
}

// direct runs a statement on the tables.
func direct(c *zombie.Conn, text string) ([]string, error) {
	var out []string
	err := sqlitex.ExecuteTransient(c, text, &sqlitex.ExecOptions{ResultFunc: func(s *zombie.Stmt) error {
		var cells []string
		for i := range s.ColumnCount() {
			switch s.ColumnType(i) {
			case zombie.TypeNull:
				cells = append(cells, "null")
			case zombie.TypeInteger:
				cells = append(cells, strconv.FormatInt(s.ColumnInt64(i), 10))
			case zombie.TypeFloat:
				b, _ := json.Marshal(s.ColumnFloat(i))
				cells = append(cells, string(b))
			default:
				b, _ := json.Marshal(s.ColumnText(i))
				cells = append(cells, string(b))
			}
		}
		out = append(out, strings.Join(cells, " "))
		return nil
	}})
	return out, err
}

// same is a cell of ours as SQLite shows it: truths are 0 and 1, instants the
// texts that the tables have.
func same(rows []string) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		cells := strings.Split(r, " ")
		for j, c := range cells {
			switch c {
			case "true":
				cells[j] = "1"
			case "false":
				cells[j] = "0"
			case `"2026-01-02T00:00:00Z"`:
				cells[j] = `"2026-01-02T00:00:00.000Z"`
			}
		}
		out[i] = strings.Join(cells, " ")
	}
	return out
}

// column of the generator: its name and the literals that it is compared with.
type gen struct {
	name     string
	kind     byte // t text, n number, b boolean, d date
	literals []string
}

var generators = map[string][]gen{
	"Artist": {{"name", 't', nil}, {"country", 't', nil}, {"id", 't', []string{"'ar0'", "'ar2'", "''", "'no id!'"}}},
	"Album":  {{"title", 't', nil}, {"year", 'n', []string{"1980", "1979.5", "-1", "NULL"}}, {"artist", 't', []string{"'ar0'", "''"}}, {"id", 't', []string{"'al1'"}}},
	"Track": {
		{"name", 't', nil},
		{"ms", 'n', []string{"1", "2", "1.5", "9007199254740992", "9007199254740993", "9223372036854775808", "-9223372036854775809", "NULL", "-2.5"}},
		{"price", 'n', []string{"0.5", "2", "-1", "1.25", "NULL"}},
		{"live", 'b', nil},
		{"made", 'd', []string{"'2026-01-02T00:00:00.000Z'", "'2025-12-31T23:59:59.999Z'", "NULL"}},
		{"album", 't', []string{"'al0'", "'al5'"}},
		{"id", 't', []string{"'t03'", "'t20'"}},
	},
}

var words = []string{"'a'", "'A'", "'ab%'", "''", "'é'", "'b\\'", "'zz'", "NULL"}

var patterns = []string{"'a%'", "'%b'", "'%'", "'_'", "'a_b'", "'%a%'", "'a%b'", "''", "'%\\'", "'ab!%' ESCAPE '!'", "'%!_%' ESCAPE '!'", "'_%_'", "'a\nb'", "NULL"}

type statement struct {
	t      *rapid.T
	tables []string // entity and alias
}

func (s *statement) n(below int) int          { return rapid.IntRange(0, below-1).Draw(s.t, "n") }
func (s *statement) of(list ...string) string { return list[s.n(len(list))] }

func (s *statement) column() (string, gen) {
	table := s.tables[s.n(len(s.tables))]
	entity, alias, _ := strings.Cut(table, " ")
	g := generators[entity][s.n(len(generators[entity]))]
	return alias + "." + g.name, g
}

func (g *gen) literal(s *statement) string {
	switch {
	case g.literals != nil:
		return s.of(g.literals...)
	case g.kind == 'b':
		return s.of("TRUE", "FALSE", "NULL")
	}
	return s.of(words...)
}

func (s *statement) condition(depth int) string {
	if depth > 0 {
		switch s.n(6) {
		case 0:
			return "(" + s.condition(depth-1) + " AND " + s.condition(depth-1) + ")"
		case 1:
			return "(" + s.condition(depth-1) + " OR " + s.condition(depth-1) + ")"
		case 2:
			return "NOT (" + s.condition(depth-1) + ")"
		case 3:
			return "(" + s.condition(depth-1) + ") " + s.of("IS TRUE", "IS NOT TRUE", "IS FALSE", "IS NOT FALSE")
		}
	}
	name, g := s.column()
	switch s.n(9) {
	case 0:
		return name + s.of(" IS NULL", " IS NOT NULL")
	case 1:
		return name + s.of(" IN (", " NOT IN (") + g.literal(s) + ", " + g.literal(s) + ")"
	case 2:
		return name + s.of(" BETWEEN ", " NOT BETWEEN ") + g.literal(s) + " AND " + g.literal(s)
	case 3:
		if g.kind == 't' {
			return name + s.of(" LIKE ", " NOT LIKE ") + s.of(patterns...)
		}
	case 4:
		if g.kind == 'b' {
			return name
		}
	case 5:
		return s.of("1=0", "1=1", "NULL", "'a'='b'", "TRUE")
	case 6:
		other, o := s.column()
		if o.kind == g.kind {
			return name + s.of("=", "<>", "<", ">=") + other
		}
	case 7:
		return g.literal(s) + s.of("=", "<>", "<", "<=", ">", ">=") + name
	}
	return name + s.of("=", "<>", "!=", "<", "<=", ">", ">=") + g.literal(s)
}

var froms = [][]string{
	{"FROM Track t", "Track t"},
	{"FROM Track AS t", "Track t"},
	{"FROM Album a", "Album a"},
	{"FROM Track t JOIN Album a ON t.album = a.id", "Track t", "Album a"},
	{"FROM Track t LEFT JOIN Album a ON a.id = t.album", "Track t", "Album a"},
	{"FROM Album a INNER JOIN Track t ON t.album = a.id", "Track t", "Album a"},
	{"FROM Track t LEFT OUTER JOIN Album a ON t.album = a.id LEFT JOIN Artist r ON a.artist = r.id", "Track t", "Album a", "Artist r"},
	{"FROM Artist r JOIN Album a ON a.artist = r.id JOIN Track t ON t.album = a.id LEFT JOIN Track n ON t.\"next\" = n.id", "Track t", "Album a", "Artist r", "Track n"},
	{"FROM Track t LEFT JOIN Album a ON t.album = a.id JOIN Artist r ON a.artist = r.id", "Track t", "Album a", "Artist r"},
}

// build makes a statement, and tells whether its order is total.
func (s *statement) build() (text string, ordered bool) {
	f := froms[s.n(len(froms))]
	s.tables = f[1:]
	_, root, _ := strings.Cut(f[1], " ")
	from := f[0]
	where := ""
	if s.n(5) > 0 {
		where = " WHERE " + s.condition(3)
	}
	switch s.n(6) {
	case 5: // SELECTs around a group, a DISTINCT, a page
		name, _ := s.column()
		inner := "SELECT " + name + " AS k, " + s.of("COUNT(*)", "COUNT("+name+")") + " AS m " + from + where + " GROUP BY " + name
		if s.n(3) == 0 {
			inner = "SELECT DISTINCT " + name + " AS k, " + root + ".id AS m " + from + where + " ORDER BY m, k" + s.pageOf()
		}
		outer := s.of("SELECT m, COUNT(*), MIN(k) FROM (", "SELECT COUNT(DISTINCT m) c, MAX(q.k) FROM (", "SELECT q.k, m FROM (", "SELECT DISTINCT m FROM (") + inner + ") AS q" + s.of("", " WHERE k IS NOT NULL", " WHERE 1=0")
		if strings.HasPrefix(outer, "SELECT m, COUNT") {
			outer += " GROUP BY m"
		}
		return "SELECT * FROM (" + outer + ") z", false
	case 0, 1: // groups
		var keys, list []string
		for range s.n(3) {
			name, _ := s.column()
			if !slices.Contains(keys, name) {
				keys = append(keys, name)
			}
		}
		list = append(list, keys...)
		having := ""
		for range 1 + s.n(3) {
			agg := s.aggregate()
			list = append(list, agg)
			if s.n(4) == 0 {
				having = " HAVING " + s.of("COUNT(*) > 1", "COUNT(*) < 3 OR "+s.aggregate()+" IS NULL", "NOT ("+s.aggregate()+" IS NULL)")
			}
		}
		text = "SELECT " + strings.Join(list, ", ") + " " + from + where
		if len(keys) > 0 {
			text += " GROUP BY " + strings.Join(keys, ", ")
		} else if having != "" {
			having = ""
		}
		text += having
		if len(keys) > 0 && s.n(2) == 0 {
			return text + " ORDER BY " + strings.Join(keys, " DESC, ") + s.pageOf(), true
		}
		return text, false
	case 2:
		name, _ := s.column()
		text = "SELECT DISTINCT " + name + " x " + from + where
		if s.n(2) == 0 {
			return text + " ORDER BY x" + s.of("", " DESC") + s.pageOf(), true
		}
		return text, false
	}
	var list []string
	for range 1 + s.n(3) {
		name, _ := s.column()
		list = append(list, name+s.of("", " AS c"+strconv.Itoa(len(list))))
	}
	list = append(list, root+".id AS key")
	text = "SELECT " + strings.Join(list, ", ") + " " + from + where
	order := ""
	if s.n(2) == 0 {
		name, _ := s.column()
		order = " ORDER BY " + name + s.of("", " DESC", " ASC") + ", " + root + ".id" + s.of("", " DESC") + s.pageOf()
	}
	if s.n(4) == 0 {
		return "SELECT COUNT(*), MIN(w.key) FROM (" + text + order + ") AS w", true
	}
	return text + order, order != ""
}

func (s *statement) aggregate() string {
	name, g := s.column()
	if g.kind == 'n' && name != "t.ms" && name != "n.ms" {
		return s.of("SUM(", "AVG(", "MIN(", "MAX(", "COUNT(", "COUNT(DISTINCT ", "SUM(DISTINCT ") + name + ")"
	}
	if g.kind == 'b' {
		return s.of("COUNT(*)", "COUNT("+name+")")
	}
	return s.of("COUNT(*)", "COUNT(1)", "MIN("+name+")", "MAX("+name+")", "COUNT("+name+")", "COUNT(DISTINCT "+name+")")
}

func (s *statement) pageOf() string {
	return s.of("", "", " LIMIT 3", " LIMIT 5 OFFSET 2", " LIMIT 0", " LIMIT 100 OFFSET 30")
}

func TestOracle(t *testing.T) {
	h, tables := twins(t)
	ran, pushed, each := 0, 0, 20
	if storetest.Long() {
		each = 400
	}
	rapid.Check(t, func(rt *rapid.T) {
		for range each {
			s := &statement{t: rt}
			text, ordered := s.build()
			// The words of SQLite and of the parser differ; the statement does not.
			text = strings.ReplaceAll(text, "AS key", `AS "key"`)
			text = strings.ReplaceAll(text, "w.key", `w."key"`)
			want, err := direct(tables, text)
			if err != nil {
				rt.Fatalf("SQLite refuses %s: %v", text, err)
			}
			got, err := h.query(text)
			if err != nil {
				rt.Fatalf("%s\n%v\n%q", text, err, h.asked)
			}
			ran++
			for _, a := range h.asked {
				if strings.Contains(a, "filter") || strings.Contains(a, "$match") {
					pushed++
				}
			}
			got = same(got)
			if !ordered {
				slices.Sort(got)
				slices.Sort(want)
			}
			if !slices.Equal(got, want) {
				rt.Fatalf("%s\n got  %q\n want %q\n asked %q", text, got, want, h.asked)
			}
		}
	})
	t.Logf("%d statements, %d requests with a filter for the worker", ran, pushed)
}
