package sqlite

import (
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/migrate"
)

// introspect reads the tables of the file with their columns and indexes.
func introspect(s *session) ([]migrate.Table, error) {
	var tables []migrate.Table
	var created []string
	err := s.query("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'", nil, func(st *sqlite.Stmt) {
		tables = append(tables, migrate.Table{Name: st.ColumnText(0)})
		created = append(created, st.ColumnText(1))
	})
	if err != nil {
		return nil, err
	}
	for i := range tables {
		if err := introspectTable(s, &tables[i]); err != nil {
			return nil, err
		}
		named := collations(created[i])
		for k := range tables[i].Columns {
			c := &tables[i].Columns[k]
			c.Collation = named[strings.ToLower(c.Name)]
		}
	}
	return tables, nil
}

func introspectTable(s *session, t *migrate.Table) error {
	// name, type, notnull, dflt_value, pk (place in the key, from 1), hidden
	primary := make(map[int]string)
	err := s.query("SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?) WHERE hidden <> 1", []string{t.Name}, func(st *sqlite.Stmt) {
		c := migrate.Column{Name: st.ColumnText(0), Declared: st.ColumnText(1), NotNull: st.ColumnInt64(2) != 0, Default: st.ColumnText(3)}
		if st.ColumnInt(5) != 0 {
			c.Generated = "by the database"
		}
		if n := st.ColumnInt(4); n > 0 {
			primary[n] = c.Name
		}
		t.Columns = append(t.Columns, c)
	})
	if err != nil {
		return err
	}
	for n := 1; n <= len(primary); n++ {
		t.PrimaryKey = append(t.PrimaryKey, primary[n])
	}
	if len(t.PrimaryKey) == 1 { // an INTEGER PRIMARY KEY numbers itself
		if c := t.Column(t.PrimaryKey[0], false); strings.EqualFold(c.Declared, "INTEGER") {
			c.Identity = true
		}
	}
	var partial []string
	err = s.query("SELECT name, \"unique\", partial FROM pragma_index_list(?)", []string{t.Name}, func(st *sqlite.Stmt) {
		t.Indexes = append(t.Indexes, migrate.Index{Name: st.ColumnText(0), Unique: st.ColumnInt64(1) != 0})
		if st.ColumnInt64(2) != 0 {
			partial = append(partial, st.ColumnText(0))
		}
	})
	if err != nil {
		return err
	}
	for i := range t.Indexes {
		x := &t.Indexes[i]
		err := s.query("SELECT name, \"desc\" FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno", []string{x.Name}, func(st *sqlite.Stmt) {
			x.Keys = append(x.Keys, migrate.Key{Column: st.ColumnText(0), Desc: st.ColumnInt64(1) != 0})
		})
		if err != nil {
			return err
		}
		for _, name := range partial {
			if name == x.Name {
				if err := introspectWhere(s, x); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func introspectWhere(s *session, x *migrate.Index) error {
	return s.query("SELECT sql FROM sqlite_master WHERE type = 'index' AND name = ?", []string{x.Name}, func(st *sqlite.Stmt) {
		x.Where = parseWhere(st.ColumnText(0))
	})
}

// parseWhere reads the conditions of a partial index from its statement.
func parseWhere(sql string) []migrate.Condition {
	i := strings.LastIndex(sql, ") WHERE ")
	if i < 0 {
		return migrate.ParseWhere("")
	}
	return migrate.ParseWhere(sql[i+len(") WHERE "):])
}

// query runs a statement of the introspection once.
func (s *session) query(sql string, args []string, each func(*sqlite.Stmt)) error {
	bound := make([]any, len(args))
	for i, a := range args {
		bound[i] = a
	}
	return s.once(sql, bound, func(st *sqlite.Stmt) bool {
		each(st)
		return true
	})
}

// once runs a statement that is not worth keeping, until each returns false.
func (s *session) once(sql string, args []any, each func(*sqlite.Stmt) bool) error {
	st, _, err := s.conn.PrepareTransient(sql)
	if err != nil {
		return err
	}
	defer st.Finalize()
	for i, a := range args {
		switch a := a.(type) {
		case string:
			st.BindText(i+1, a)
		case int64:
			st.BindInt64(i+1, a)
		default:
			st.BindNull(i + 1)
		}
	}
	for {
		more, err := st.Step()
		if err != nil || !more || !each(st) {
			return err
		}
	}
}

// affinity is what SQLite does to values of a declared type
// (https://www.sqlite.org/datatype3.html, section 3.1).
func affinity(declared string) string {
	d := strings.ToUpper(declared)
	switch {
	case strings.Contains(d, "INT"):
		return "INTEGER"
	case strings.Contains(d, "CHAR"), strings.Contains(d, "CLOB"), strings.Contains(d, "TEXT"):
		return "TEXT"
	case d == "", strings.Contains(d, "BLOB"):
		return "BLOB"
	case strings.Contains(d, "REAL"), strings.Contains(d, "FLOA"), strings.Contains(d, "DOUB"):
		return "REAL"
	}
	return "NUMERIC"
}

// fits reports whether values of a wanted column stay what they are in an
// existing one.
func fits(want, have migrate.Column) bool {
	a := affinity(have.Declared)
	if a == "BLOB" { // keeps everything as it is
		return true
	}
	if want.Type == 0 { // a system column
		return a == affinity(want.Declared)
	}
	switch want.Type.Kind() {
	case schema.KindBool, schema.KindInt:
		return a == "INTEGER" || a == "NUMERIC"
	case schema.KindFloat:
		return a != "TEXT"
	case schema.KindTime: // no instant looks like a number, so NUMERIC keeps its text
		return a == "TEXT" || a == "NUMERIC"
	}
	return a == "TEXT"
}
