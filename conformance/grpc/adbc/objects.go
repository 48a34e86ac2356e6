package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// object is a level of what GetObjects answers.
type object struct {
	Catalog string `json:"catalog_name"`
	Schemas []struct {
		Name   string `json:"db_schema_name"`
		Tables []struct {
			Name    string `json:"table_name"`
			Type    string `json:"table_type"`
			Columns []struct {
				Name     string `json:"column_name"`
				Position int    `json:"ordinal_position"`
				Type     string `json:"xdbc_type_name"`
				Table    string `json:"xdbc_scope_table"`
				Counted  *bool  `json:"xdbc_is_autoincrement"`
			} `json:"table_columns"`
		} `json:"db_schema_tables"`
	} `json:"catalog_db_schemas"`
}

// wanted are the filters of GetObjects; "" = none.
type wanted struct{ catalog, schema, table, column, kind string }

func (a *asker) objects(depth adbc.ObjectDepth, w wanted) (out []object, err error) {
	filter := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	var kinds []string
	if w.kind != "" {
		kinds = []string{w.kind}
	}
	r, err := a.cn.GetObjects(a.ctx, depth, filter(w.catalog), filter(w.schema), filter(w.table), filter(w.column), kinds)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	if !r.Schema().Equal(adbc.GetObjectsSchema) {
		return nil, fmt.Errorf("the schema of objects is %s", r.Schema())
	}
	for r.Next() {
		text := strings.Builder{}
		if err := array.RecordToJSON(r.RecordBatch(), &text); err != nil {
			return nil, err
		}
		for line := range strings.Lines(text.String()) {
			var o object
			if err := json.Unmarshal([]byte(line), &o); err != nil {
				return nil, err
			}
			out = append(out, o)
		}
	}
	return out, r.Err()
}

// names are the full names of the objects at a depth.
func (a *asker) names(depth adbc.ObjectDepth, w wanted) (out []string, err error) {
	objects, err := a.objects(depth, w)
	for _, o := range objects {
		if depth == adbc.ObjectDepthCatalogs {
			out = append(out, o.Catalog)
		}
		for _, s := range o.Schemas {
			if depth == adbc.ObjectDepthDBSchemas {
				out = append(out, o.Catalog+"."+s.Name)
			}
			for _, t := range s.Tables {
				if depth == adbc.ObjectDepthTables {
					out = append(out, o.Catalog+"."+s.Name+"."+t.Name)
				}
				for _, c := range t.Columns {
					out = append(out, o.Catalog+"."+s.Name+"."+t.Name+"."+c.Name)
				}
			}
		}
	}
	return out, err
}

const columnsOfThing = "id _version s t n f i d b w j x e tags any ns is bs owner createdAt updatedAt"

func (a *asker) depths() error {
	for depth, want := range map[adbc.ObjectDepth]string{
		adbc.ObjectDepthCatalogs:  "octomesh",
		adbc.ObjectDepthDBSchemas: "octomesh.default",
		adbc.ObjectDepthTables:    "octomesh.default.Owner octomesh.default.Thing",
		adbc.ObjectDepthColumns: "octomesh.default.Owner.id octomesh.default.Owner._version octomesh.default.Owner.name octomesh.default.Thing." +
			strings.ReplaceAll(columnsOfThing, " ", " octomesh.default.Thing."),
	} {
		got, err := a.names(depth, wanted{})
		if err := all(err, same(fmt.Sprint("depth ", depth), strings.Join(got, " "), want)); err != nil {
			return err
		}
	}
	return nil
}

func (a *asker) filters() error {
	for _, c := range []struct {
		depth adbc.ObjectDepth
		wanted
		want string
	}{
		{adbc.ObjectDepthCatalogs, wanted{catalog: "octo%"}, "octomesh"},
		{adbc.ObjectDepthCatalogs, wanted{catalog: "other"}, ""},
		{adbc.ObjectDepthDBSchemas, wanted{catalog: "octomesh", schema: "def%"}, "octomesh.default"},
		{adbc.ObjectDepthDBSchemas, wanted{schema: "none"}, ""},
		{adbc.ObjectDepthTables, wanted{schema: "default", table: "Th_ng"}, "octomesh.default.Thing"},
		{adbc.ObjectDepthTables, wanted{table: "%e%"}, "octomesh.default.Owner"},
		{adbc.ObjectDepthTables, wanted{table: "none"}, ""},
		{adbc.ObjectDepthTables, wanted{kind: "TABLE", table: "Own%"}, "octomesh.default.Owner"},
		{adbc.ObjectDepthTables, wanted{kind: "VIEW"}, ""},
		{adbc.ObjectDepthColumns, wanted{table: "Thing", column: "%own%"}, "octomesh.default.Thing.owner"},
		{adbc.ObjectDepthColumns, wanted{table: "Thing", column: "secret"}, ""},
	} {
		got, err := a.names(c.depth, c.wanted)
		if err := all(err, same(fmt.Sprint(c.wanted), strings.Join(got, " "), c.want)); err != nil {
			return err
		}
	}
	return nil
}

func (a *asker) columns() error {
	got, err := a.objects(adbc.ObjectDepthColumns, wanted{table: "Thing"})
	if err != nil {
		return err
	}
	t := got[0].Schemas[0].Tables[0]
	types := map[string]string{}
	for i, c := range t.Columns {
		types[c.Name] = c.Type
		if err := all(same(c.Name, c.Position, i+1), same(c.Name+"'s table", c.Table, "Thing"), same(c.Name+" counts", c.Counted != nil && !*c.Counted, true)); err != nil {
			return err
		}
	}
	for name, want := range map[string]string{
		"id": "VARCHAR", "_version": "BIGINT", "s": "VARCHAR", "n": "DOUBLE", "i": "BIGINT", "d": "VARCHAR", "b": "BOOLEAN",
		"w": "TIMESTAMP", "j": "VARCHAR", "x": "VARBINARY", "tags": "ARRAY", "owner": "VARCHAR", "createdAt": "TIMESTAMP",
	} {
		if err := same(name, types[name], want); err != nil {
			return err
		}
	}
	return same("the type of the table", t.Type, "TABLE")
}

func (a *asker) tableSchema() error {
	project := "default"
	told, err := a.cn.GetTableSchema(a.ctx, nil, &project, "Thing")
	if err != nil {
		return err
	}
	st, err := a.prepared(`SELECT * FROM "Thing"`, false)
	if err != nil {
		return err
	}
	defer st.Close()
	selected, err := st.(adbc.StatementExecuteSchema).ExecuteSchema(a.ctx)
	if err != nil {
		return err
	}
	names := func(s *arrow.Schema) string {
		var out []string
		for _, f := range s.Fields() {
			kind, _ := f.Metadata.GetValue("octomesh:type")
			out = append(out, fmt.Sprint(f.Name, " ", f.Type, " ", f.Nullable, " ", kind))
		}
		return strings.Join(out, ", ")
	}
	if err := same("GetTableSchema", names(told), names(selected)); err != nil {
		return err
	}
	_, err = a.cn.GetTableSchema(a.ctx, nil, &project, "Nobody")
	return refused("a table that there is not", err, adbc.StatusNotFound, "")
}

func (a *asker) tableTypes() error {
	r, err := a.cn.GetTableTypes(a.ctx)
	if err != nil {
		return err
	}
	if err := same("the schema", r.Schema().Equal(adbc.TableTypesSchema), true); err != nil {
		return err
	}
	got, err := rowsOf(r)
	return all(err, same("types", fmt.Sprint(got), "[map[table_type:TABLE]]"))
}

func (a *asker) info() error {
	for _, codes := range [][]adbc.InfoCode{
		{adbc.InfoVendorName, adbc.InfoVendorVersion, adbc.InfoVendorArrowVersion, adbc.InfoVendorSql, adbc.InfoVendorSubstrait, adbc.InfoDriverName},
		nil, // what is known by now
	} {
		r, err := a.cn.GetInfo(a.ctx, codes)
		if err != nil {
			return err
		}
		defer r.Release()
		got := map[adbc.InfoCode]string{}
		for r.Next() {
			b := r.RecordBatch()
			codes, values := b.Column(0).(*array.Uint32), b.Column(1)
			for i := range codes.Len() {
				got[adbc.InfoCode(codes.Value(i))] = values.ValueStr(i)
			}
		}
		if err := all(r.Err(), has(got, adbc.InfoVendorName, "Octomesh"), has(got, adbc.InfoVendorArrowVersion, "18."), has(got, adbc.InfoVendorVersion, ""),
			has(got, adbc.InfoVendorSql, "true"), has(got, adbc.InfoVendorSubstrait, "false"), has(got, adbc.InfoDriverName, "Flight SQL")); err != nil {
			return fmt.Errorf("%v: %w", codes, err)
		}
	}
	return nil
}

func has(got map[adbc.InfoCode]string, code adbc.InfoCode, want string) error {
	if v, ok := got[code]; !ok || !strings.Contains(v, want) {
		return fmt.Errorf("%s is %q, want %q in it", code, v, want)
	}
	return nil
}

// current asks for what a connection's names begin with, as dataframes do.
func (a *asker) current() error {
	cn, ok := a.cn.(adbc.GetSetOptions)
	if !ok {
		return fmt.Errorf("a connection has no options")
	}
	catalog, err := cn.GetOption(adbc.OptionKeyCurrentCatalog)
	if err := all(err, same("the catalog", catalog, "octomesh")); err != nil {
		return err
	}
	project, err := cn.GetOption(adbc.OptionKeyCurrentDbSchema)
	if err := all(err, same("the schema", project, "default")); err != nil {
		return err
	}
	if err := all(cn.SetOption(adbc.OptionKeyCurrentCatalog, "octomesh"), cn.SetOption(adbc.OptionKeyCurrentDbSchema, "default")); err != nil {
		return err
	}
	return refused("another schema", cn.SetOption(adbc.OptionKeyCurrentDbSchema, "other"), adbc.StatusNotImplemented, "x-project")
}
