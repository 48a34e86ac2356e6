package migrate

import "github.com/octomesh/octomesh/pkg/store/sqlgen"

// System returns the tables that every project has: the change log, the meta
// values (epoch), the stored replies and the journal of schema changes.
func System(d *sqlgen.Dialect) []Table {
	text := func(name string, notNull bool) Column {
		return Column{Name: name, Declared: d.Types.Text, NotNull: notNull}
	}
	key := func(name string, notNull bool) Column {
		return Column{Name: name, Declared: d.Types.Key, NotNull: notNull}
	}
	num := func(name string) Column { return Column{Name: name, Declared: d.Types.Int, NotNull: true} }
	hash := Column{Name: "req_hash", Declared: d.Types.Bytes}
	tables := []Table{
		{
			Name: sqlgen.ChangesTable, PrimaryKey: []string{"seq"},
			Columns: []Column{
				{Name: "seq", Declared: d.Types.Int, NotNull: true, Identity: !d.Counter},
				num("tx"), key("entity", true), key("rec_id", true), key("verb", true), num("version"),
				text("after", false), text("old", false), text("changed", false),
				key("principal", true), key("request_id", true), key("transport", true),
				key("idem", false), hash, num("at"), // milliseconds since 1970 UTC
			},
			Indexes: []Index{{
				Name: "uq" + sqlgen.ChangesTable + "_idem", Unique: true,
				Keys:  []Key{{Column: "principal"}, {Column: "idem"}},
				Where: []Condition{{Column: "idem", Op: IsNotNull}},
			}},
		},
		{
			Name: sqlgen.MetaTable, PrimaryKey: []string{"key"},
			Columns: []Column{key("key", true), text("value", true)},
		},
		{
			Name: sqlgen.RepliesTable, PrimaryKey: []string{"principal", "idem"},
			Columns: []Column{key("principal", true), key("idem", true), hash, text("body", false), num("seq"), num("at")},
			Indexes: []Index{{Name: "ix" + sqlgen.RepliesTable + "_at", Keys: []Key{{Column: "at", NotNull: true}}}},
		},
		{
			Name: sqlgen.JournalTable, PrimaryKey: []string{"n"},
			Columns: []Column{
				{Name: "n", Declared: d.Types.Int, NotNull: true, Identity: true},
				text("catalog", true), text("step", true), num("at"),
				key("ref", false), key("state", false), text("error", false), // absent in what an older version wrote: done
			},
		},
	}
	for i := range tables {
		form(d, &tables[i], nil)
		shorten(d, &tables[i])
	}
	return tables
}
