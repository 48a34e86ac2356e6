package migrate

import (
	"slices"
	"strings"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// Table is a table of a database, or one that a Catalog wants.
type Table struct {
	Name string
	// Entity names the first entity that is stored in it; empty for others.
	Entity     string
	Columns    []Column
	PrimaryKey []string
	Indexes    []Index
}

// Column is a column. Names are those of the database.
type Column struct {
	Name string
	// Declared is the column's type in the database's own words.
	Declared string
	// Type is what a Catalog wants to keep in it; 0 in a table of a database.
	Type    schema.Type
	NotNull bool
	// Default is an SQL literal; empty = none.
	Default string
	// Identity asks for numbers given by the database.
	Identity bool
	// Generated is the expression of a column that the database computes; it is
	// never written. An introspection may give any text.
	Generated string
	// Fill tells that records which are there before the column need a value in
	// it, which they won't have.
	Fill bool
	// Collation is the order of a text column of a database, in its own words;
	// empty if it is the one that own tables have, or if the engine has none.
	Collation string
}

// Index is an index. Two indexes are the same when all but their names is.
type Index struct {
	Name   string
	Keys   []Key
	Unique bool
	// Where are the conditions of a partial index, all of which must hold.
	Where []Condition
	// Means is the index as a Catalog wants it, where Keys and Where are but the
	// engine's way of saying it; nil = Keys and Where say it themselves.
	Means *Index
}

// Meaning is the index as a Catalog wants it: its Keys are columns of records.
func (x *Index) Meaning() *Index {
	if x.Means != nil {
		return x.Means
	}
	return x
}

// Columns are the names of the columns that the index is about.
func (x *Index) Columns() []string {
	keys := x.Meaning().Keys
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Column
	}
	return names
}

// Key is one key of an Index: a column, its first characters, or an expression.
type Key struct {
	Column string
	Desc   bool
	// NotNull tells that the column is the record's id or version, which sqlgen
	// sorts by as what is never null. It makes no index another.
	NotNull bool
	Prefix  int // in characters; 0 = the whole column
	// Expr is the expression of a key that is no column. Engines rewrite them, so
	// an index with one is told by its name, which holds a digest of its meaning.
	Expr string
}

// Condition restricts an index to rows in which Column is null, is not null, or
// equals a text.
type Condition struct {
	Column string
	Op     ConditionOp
	Text   string
}

// ConditionOp is the form of a Condition.
type ConditionOp uint8

// The conditions.
const (
	IsNull ConditionOp = iota
	IsNotNull
	Equals
)

// Column returns the column of that name, compared as the database does:
// without regard to ASCII case where fold is set.
func (t *Table) Column(name string, fold bool) *Column {
	for i := range t.Columns {
		if c := &t.Columns[i]; equalName(c.Name, name, fold) {
			return c
		}
	}
	return nil
}

// Same reports whether two indexes do the same.
func (x Index) Same(y Index) bool { return x.same(y, false) }

func (x Index) same(y Index, fold bool) bool {
	if x.Unique != y.Unique || len(x.Keys) != len(y.Keys) || len(x.Where) != len(y.Where) {
		return false
	}
	if x.byName() || y.byName() {
		return strings.EqualFold(x.Name, y.Name)
	}
	return slices.EqualFunc(x.Keys, y.Keys, func(a, b Key) bool {
		return equalName(a.Column, b.Column, fold) && a.Desc == b.Desc && a.Prefix == b.Prefix
	}) && !slices.ContainsFunc(x.Where, func(a Condition) bool { // in any order
		return !slices.ContainsFunc(y.Where, func(b Condition) bool {
			return equalName(a.Column, b.Column, fold) && a.Op == b.Op && a.Text == b.Text
		})
	})
}

func (x *Index) byName() bool {
	return slices.ContainsFunc(x.Keys, func(k Key) bool { return k.Expr != "" })
}

func equalName(a, b string, fold bool) bool { return a == b || fold && strings.EqualFold(a, b) }

// Wanted returns the tables of a Catalog: one for each collection (entities of
// one collection share it, with the union of their columns), one for each
// many-to-many relation, and the system's own.
func Wanted(cat *schema.Catalog, d *sqlgen.Dialect) []Table {
	w := wanted{d: d, byName: make(map[string]int)}
	for _, e := range cat.Entities {
		w.entity(e)
	}
	for i := range w.shared {
		w.indexes(w.shared[i])
	}
	for _, e := range cat.Entities {
		for _, r := range e.Relations {
			if r.Type == schema.ManyToMany {
				w.junction(r)
			}
		}
	}
	w.types()
	for i := range w.tables {
		t := &w.tables[i]
		form(d, t, w.longNames(i))
		shorten(d, t)
	}
	return append(w.tables, System(d)...)
}

type wanted struct {
	d      *sqlgen.Dialect
	tables []Table
	byName map[string]int
	// shared are the entities of each table, in the order of tables.
	shared [][]*schema.Entity
	// sources are the schema columns behind each table's columns.
	sources [][]*schema.Column
}

func (w *wanted) entity(e *schema.Entity) {
	i, ok := w.byName[e.Collection]
	if !ok {
		i = len(w.tables)
		w.byName[e.Collection] = i
		w.tables = append(w.tables, Table{Name: e.Collection, Entity: e.Name, PrimaryKey: []string{e.Columns[0].Physical}})
		w.shared = append(w.shared, nil)
		w.sources = append(w.sources, nil)
	}
	w.shared[i] = append(w.shared[i], e)
	t := &w.tables[i]
	for _, c := range e.Columns {
		if t.Column(c.Physical, false) != nil {
			continue
		}
		col := Column{Name: c.Physical, Type: c.Type}
		switch c.Role {
		case schema.RoleID:
			col.NotNull = true
		case schema.RoleVersion:
			col.NotNull, col.Default = true, "1"
		case schema.RoleCreatedAt, schema.RoleUpdatedAt:
			col.Fill = true
		default:
			col.Fill = c.Required || c.Field != nil && c.Field.Default != nil
		}
		t.Columns = append(t.Columns, col)
		w.sources[i] = append(w.sources[i], c)
	}
}

// types fills in the declared types, once it is known what is part of a key.
func (w *wanted) types() {
	for i := range w.sources {
		t := &w.tables[i]
		for k, c := range w.sources[i] {
			key := c.Role == schema.RoleID || c.Role == schema.RoleReference || c.Role == schema.RoleDiscriminator
			for _, x := range t.Indexes {
				key = key || slices.ContainsFunc(x.Keys, func(k Key) bool { return k.Column == c.Physical })
			}
			key = key && !w.long(c)
			t.Columns[k].Declared = w.d.ColumnType(c, key)
		}
	}
}

// long reports whether an index takes the column's text only in part.
func (w *wanted) long(c *schema.Column) bool {
	return w.d.Tables.Long != nil && c.Role == schema.RoleField && w.d.Tables.Long(c)
}

func (w *wanted) longNames(table int) map[string]bool {
	names := make(map[string]bool)
	for _, c := range w.sources[table] {
		names[c.Physical] = w.long(c)
	}
	return names
}

// indexes gathers the indexes of one table from the entities that share it. A
// unique value of one entity must not bind the others.
func (w *wanted) indexes(entities []*schema.Entity) {
	t := &w.tables[w.byName[entities[0].Collection]]
	for _, e := range entities {
		for _, x := range declared(e) {
			if x.Unique && len(entities) > 1 {
				if c := sqlgen.Discriminator(e); c != nil {
					x.Where = append(x.Where, Condition{c.Physical, Equals, e.DiscriminatorValue})
				}
			}
			if id := e.Columns[0].Physical; w.d.IndexID && !x.Unique && !slices.ContainsFunc(x.Keys, func(k Key) bool { return k.Column == id }) {
				x.Keys = append(x.Keys, Key{Column: id, NotNull: true})
			}
			w.add(t, x, e)
		}
	}
}

func (w *wanted) add(t *Table, x Index, e *schema.Entity) {
	for _, y := range t.Indexes {
		if y.Same(x) {
			return
		}
	}
	for _, y := range t.Indexes {
		if y.Name == x.Name {
			x.Name += "_" + e.Name
			break
		}
	}
	t.Indexes = append(t.Indexes, x)
}

// declared lists what one entity's indexes are: those of schemas.json, unique
// fields, and every reference, by which deletes and populates look.
func declared(e *schema.Entity) []Index {
	var out []Index
	var deleted []Condition
	for _, c := range e.Columns {
		if c.Role == schema.RoleDeletedAt {
			deleted = []Condition{{Column: c.Physical, Op: IsNull}}
		}
	}
	for _, c := range e.Columns {
		switch {
		case c.Role == schema.RoleID:
		case c.Unique:
			out = append(out, Index{
				Name: "uq_" + e.Collection + "_" + c.Physical,
				Keys: []Key{{Column: c.Physical}}, Unique: true, Where: deleted,
			})
		case c.Role == schema.RoleReference:
			out = append(out, Index{Name: "ix_" + e.Collection + "_" + c.Physical, Keys: []Key{{Column: c.Physical}}})
		}
	}
	for _, ix := range e.Indexes {
		x := Index{Name: ix.Name, Unique: ix.Unique}
		text := false
		for _, k := range ix.Keys {
			text = text || k.Text
			x.Keys = append(x.Keys, Key{Column: k.Column.Physical, Desc: k.Desc, NotNull: k.Column.Role == schema.RoleID || k.Column.Role == schema.RoleVersion})
			if ix.Sparse && ix.Unique { // one that could not serve a sort would be of no use
				x.Where = append(x.Where, Condition{Column: k.Column.Physical, Op: IsNotNull})
			}
		}
		if text || len(x.Keys) == 0 { // SQL has no text index that all engines know
			continue
		}
		if ix.Unique {
			x.Where = append(x.Where, deleted...)
		}
		out = append(out, x)
	}
	return out
}

func (w *wanted) junction(r *schema.Relation) {
	if _, ok := w.byName[r.Through]; ok { // the other direction, or an entity's own table
		return
	}
	w.byName[r.Through] = len(w.tables)
	ref := w.d.ColumnType(r.Owner.Columns[0], true)
	w.tables = append(w.tables, Table{
		Name: r.Through,
		Columns: []Column{
			{Name: r.OwnerKey, Declared: ref, Type: schema.String, NotNull: true},
			{Name: r.TargetKey, Declared: ref, Type: schema.String, NotNull: true},
		},
		PrimaryKey: []string{r.OwnerKey, r.TargetKey},
		Indexes: []Index{{
			Name: "ix_" + r.Through + "_" + r.TargetKey,
			Keys: []Key{{Column: r.TargetKey, NotNull: true}, {Column: r.OwnerKey, NotNull: true}},
		}},
	})
	w.sources = append(w.sources, nil)
}
