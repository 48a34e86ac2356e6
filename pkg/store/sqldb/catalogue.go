package sqldb

import (
	"context"

	"github.com/octomesh/octomesh/pkg/store/migrate"
)

// Catalogue is the introspection of a database whose own catalogue answers three
// queries. Each is sorted by the table's name, then by the place in it.
type Catalogue struct {
	// Columns gives table, column, declared type, whether it may be null (YES or
	// NO), its default, whether the database numbers it (YES or NO), the
	// expression of a computed one, and a collation that is not that of own
	// columns.
	Columns string
	// Keys gives table and column of the primary keys.
	Keys string
	// Indexes gives table, index, whether it is unique (YES or NO), column, DESC
	// for a descending key, and the condition of a partial one. Those of primary
	// keys are left out. A key without a column is an expression.
	Indexes string
}

// Tables is an Engine.Tables.
func (c Catalogue) Tables(ctx context.Context, q Querier) ([]migrate.Table, error) {
	tables := make([]migrate.Table, 0, 16)
	byName := make(map[string]int)
	err := q.Query(ctx, c.Columns, func(r []string) error {
		i, ok := byName[r[0]]
		if !ok {
			i = len(tables)
			byName[r[0]] = i
			tables = append(tables, migrate.Table{Name: r[0]})
		}
		tables[i].Columns = append(tables[i].Columns, migrate.Column{
			Name: r[1], Declared: r[2], NotNull: r[3] == "NO", Default: r[4], Identity: r[5] == "YES", Generated: r[6], Collation: r[7],
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = q.Query(ctx, c.Keys, func(r []string) error {
		if i, ok := byName[r[0]]; ok {
			tables[i].PrimaryKey = append(tables[i].PrimaryKey, r[1])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = q.Query(ctx, c.Indexes, func(r []string) error {
		i, ok := byName[r[0]]
		if !ok {
			return nil
		}
		t := &tables[i]
		if n := len(t.Indexes); n == 0 || t.Indexes[n-1].Name != r[1] {
			x := migrate.Index{Name: r[1], Unique: r[2] == "YES"}
			if r[5] != "" {
				x.Where = migrate.ParseWhere(r[5])
			}
			t.Indexes = append(t.Indexes, x)
		}
		k := migrate.Key{Column: r[3], Desc: r[4] == "DESC"}
		if r[3] == "" {
			k.Expr = "an expression"
		}
		x := &t.Indexes[len(t.Indexes)-1]
		x.Keys = append(x.Keys, k)
		return nil
	})
	return tables, err
}
