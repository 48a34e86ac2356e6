package migrate

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// form puts the indexes of a wanted table into words that the engine has.
//
// A unique index binds the rows that fulfil its conditions and have no null
// among its keys: each null differs from every other. Where an engine says so
// by itself, nothing is added; otherwise conditions exclude the nulls. An engine
// without partial indexes gets a last key, the guard, which is the same in all
// rows that are bound; in the other rows it is null where nulls differ, else the
// primary key, which differs too. As the last key it leaves the index useful for
// finding a value.
func form(d *sqlgen.Dialect, t *Table, long map[string]bool) {
	if d.Tables.Indexes == sqlgen.IndexesNone {
		t.Indexes = nil
		return
	}
	var kept []Index
	for _, x := range t.Indexes {
		f := former{d: d, t: t, long: long}
		y := Index{Name: x.Name, Unique: x.Unique, Keys: f.keys(x), Where: x.Where}
		if len(y.Keys) == 0 {
			continue
		}
		switch {
		case !x.Unique:
		case d.Tables.Indexes == sqlgen.IndexesPlain:
			y.Unique, y.Where, y.Means = false, nil, &x
		default:
			y.Where = f.conditions(x)
			if len(y.Where) > 0 && d.Tables.Partial != sqlgen.PartialWhere {
				y.Keys, y.Where = append(y.Keys, f.guard(y.Where)), nil
			}
		}
		if y.byName() {
			y.Name += "_" + digest(strings.Join(x.Columns(), "\x00")+neutral(x.Where))
		}
		if !slices.Equal(y.Keys, x.Keys) || !slices.Equal(y.Where, x.Where) {
			y.Means = &x
		}
		kept = append(kept, y)
	}
	t.Indexes = kept
}

type former struct {
	d    *sqlgen.Dialect
	t    *Table
	long map[string]bool // names of columns that an index takes only in part
}

// keys replaces the columns that are too long. An index that is not unique ends
// before the first one that it can't hold at all.
func (f *former) keys(x Index) []Key {
	keys := make([]Key, 0, len(x.Keys)+1)
	for _, k := range x.Keys {
		if f.d.Tables.Undirected {
			k.Desc = false
		}
		switch {
		case !f.long[k.Column]:
		case x.Unique:
			h := f.computed("hash "+k.Column, f.d.Tables.HashType, f.d.Tables.Hash(f.d.Ident(k.Column)))
			h.Desc, k = k.Desc, h
		case f.d.Tables.Prefix == 0:
			return keys
		default:
			k.Prefix = f.d.Tables.Prefix
		}
		keys = append(keys, k)
	}
	return keys
}

// conditions are those of a unique index, with what the engine must be told of
// null keys and without what it does by itself.
func (f *former) conditions(x Index) []Condition {
	var where []Condition
	needless := f.d.Tables.Partial != sqlgen.PartialWhere && !f.d.Tables.NullsEqual
	for _, c := range x.Where {
		if needless && c.Op == IsNotNull && isKey(x.Keys, c.Column) {
			continue
		}
		where = append(where, c)
	}
	for _, k := range x.Keys {
		c := Condition{Column: k.Column, Op: IsNotNull}
		if col := f.t.Column(k.Column, false); f.d.Tables.NullsEqual && col != nil && !col.NotNull && !slices.Contains(where, c) {
			where = append(where, c)
		}
	}
	return where
}

func isKey(keys []Key, column string) bool {
	return slices.ContainsFunc(keys, func(k Key) bool { return k.Column == column })
}

// guard is the key that sets rows free which fulfil not all conditions.
func (f *former) guard(where []Condition) Key {
	cond := appendConditions(nil, f.d, where)
	if !f.d.Tables.NullsEqual {
		return f.computed("bound"+neutral(where), f.d.Types.Int, "CASE WHEN "+string(cond)+" THEN 1 END")
	}
	id := f.t.Column(f.t.PrimaryKey[0], false)
	none := "'*'" // no id has this character
	if id.Declared == f.d.Types.Int {
		none = "0" // numbers begin at 1
	}
	return f.computed("bound, else the key"+neutral(where), id.Declared,
		"CASE WHEN "+string(cond)+" THEN "+none+" ELSE "+f.d.Ident(id.Name)+" END")
}

// computed is a key with the value of an expression: a generated column, added
// to the table unless it is there, or the expression itself. The column's name
// tells its meaning, so that it is found again however the engine rewrites the
// expression.
func (f *former) computed(meaning, declared, expr string) Key {
	if f.d.Tables.Partial == sqlgen.PartialExpression || f.d.Tables.Generated[0] == "" {
		return Key{Expr: expr}
	}
	name := generatedPrefix + digest(meaning)
	if f.t.Column(name, false) == nil {
		f.t.Columns = append(f.t.Columns, Column{Name: name, Declared: declared, Generated: expr})
	}
	return Key{Column: name}
}

// generatedPrefix begins the names of generated columns; no field has such a
// name.
const generatedPrefix = "_octo_"

// neutral writes conditions in words of no engine, which stay for ever.
func neutral(where []Condition) string {
	return string(AppendWhere(nil, &sqlgen.Dialect{QuoteOpen: '"', QuoteClose: '"'}, where))
}

// digest is 8 characters that tell texts apart.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}

// shorten gives all names of a table the length that the engine takes.
func shorten(d *sqlgen.Dialect, t *Table) {
	if d.MaxName == 0 {
		return
	}
	t.Name = d.Short(t.Name)
	for i := range t.Columns {
		t.Columns[i].Name = d.Short(t.Columns[i].Name)
	}
	for i := range t.PrimaryKey {
		t.PrimaryKey[i] = d.Short(t.PrimaryKey[i])
	}
	for i := range t.Indexes {
		x := &t.Indexes[i]
		x.Name = d.Short(x.Name)
		for _, y := range []*Index{x, x.Means} {
			if y == nil {
				continue
			}
			y.Keys, y.Where = slices.Clone(y.Keys), slices.Clone(y.Where)
			for k := range y.Keys {
				y.Keys[k].Column = d.Short(y.Keys[k].Column)
			}
			for k := range y.Where {
				y.Where[k].Column = d.Short(y.Where[k].Column)
			}
		}
	}
}
