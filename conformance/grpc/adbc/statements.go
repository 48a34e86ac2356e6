package main

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow-adbc/go/adbc"
	driver "github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-adbc/go/adbc/sqldriver"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

func (a *asker) types() error { return a.table("Thing") }

// table compares a table with REST's records.
func (a *asker) table(entity string) error {
	want, err := records(entity)
	if err != nil {
		return err
	}
	got, err := a.query(fmt.Sprintf(`SELECT * FROM "octomesh"."default".%q ORDER BY "id"`, entity))
	if err != nil {
		return err
	}
	if err := same(entity+"'s rows", len(got), len(want)); err != nil {
		return err
	}
	for i := range got {
		if err := equal(got[i], want[i]); err != nil {
			return fmt.Errorf("%s %w", entity, err)
		}
	}
	return nil
}

func (a *asker) everything() error {
	names, err := a.names(adbc.ObjectDepthTables, wanted{})
	if err != nil {
		return err
	}
	if len(names) < 2 {
		return fmt.Errorf("there are no tables: %s", names)
	}
	for _, name := range names {
		if err := a.table(name[strings.LastIndexByte(name, '.')+1:]); err != nil {
			return err
		}
	}
	return nil
}

func (a *asker) statements() error {
	for text, want := range map[string]string{
		`SELECT 1 AS "one"`: `[map[one:1]]`,
		`SELECT "s", "i", "d" FROM "Thing" WHERE "i" = 9007199254740993 AND "d" > 12345678901234567890.1`:  `[map[d:12345678901234567890.123456789 i:9007199254740993 s:é "q" 😀]]`,
		`SELECT COUNT(*) AS "n", COUNT("s") AS "m", MAX("d") AS "d" FROM things`:                           `[map[d:12345678901234567890.123456789 m:1 n:2]]`,
		`SELECT t."id", o."name" FROM "Thing" t LEFT JOIN "Owner" o ON t."owner" = o."id" ORDER BY t."id"`: `[map[id:full name:Ada] map[id:none name:<nil>]]`,
		`SELECT "b", COUNT(*) AS "n" FROM "Thing" GROUP BY "b" ORDER BY "b"`:                               `[map[b:<nil> n:1] map[b:true n:1]]`,
		`SELECT "id" FROM "Thing" WHERE "w" >= TIMESTAMP '2026-01-02 03:04:05.678' AND "s" LIKE '%😀'`:      `[map[id:full]]`,
		`SELECT "id" FROM "Thing" WHERE "id" = 'nobody'`:                                                   `[]`,
		`SELECT "id" FROM "Thing" ORDER BY "id" DESC LIMIT 1 OFFSET 1`:                                     `[map[id:full]]`,
	} {
		got, err := a.query(text)
		if err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		if err := same(text, fmt.Sprint(got), want); err != nil {
			return err
		}
	}
	// Decimals as numbers, for those who ask for them.
	cn, err := open(a.ctx, options{driver.OptionRPCCallHeaderPrefix + "x-api-key": key, driver.OptionRPCCallHeaderPrefix + "octo-decimal": "9"})
	if err != nil {
		return err
	}
	defer cn.Close()
	st, err := cn.NewStatement()
	if err != nil {
		return err
	}
	defer st.Close()
	if err := st.SetSqlQuery(`SELECT "d" FROM "Thing" WHERE "id" = 'full'`); err != nil {
		return err
	}
	r, _, err := st.ExecuteQuery(a.ctx)
	if err != nil {
		return err
	}
	defer r.Release()
	if !r.Next() {
		return fmt.Errorf("no row: %w", r.Err())
	}
	return same("the decimal", r.Schema().Field(0).Type.String()+" "+r.RecordBatch().Column(0).ValueStr(0), "decimal(38, 9) 12345678901234567890.123456789")
}

func (a *asker) schema() error {
	st, err := a.prepared(`SELECT "i", "d", "w" AS "day" FROM "Thing"`, false)
	if err != nil {
		return err
	}
	defer st.Close()
	s, err := st.(adbc.StatementExecuteSchema).ExecuteSchema(a.ctx)
	if err != nil {
		return err
	}
	var got []string
	for _, f := range s.Fields() {
		got = append(got, fmt.Sprint(f.Name, " ", f.Type, " ", f.Nullable))
	}
	return same("the schema", strings.Join(got, ", "), "i int64 true, d utf8 true, day timestamp[ms, tz=UTC] true")
}

// prepared makes a statement, and prepares it if that is wanted.
func (a *asker) prepared(text string, prepare bool) (adbc.Statement, error) {
	st, err := a.cn.NewStatement()
	if err != nil {
		return nil, err
	}
	if err := st.SetSqlQuery(text); err != nil {
		return nil, err
	}
	if prepare {
		err = st.Prepare(a.ctx)
	}
	return st, err
}

// values are a batch of parameters from the JSON of its rows, in which integers
// beyond 2^53 are texts, or arrow-go would round them.
func values(fields []arrow.Field, rows string) (arrow.RecordBatch, error) {
	b, _, err := array.RecordFromJSON(memory.DefaultAllocator, arrow.NewSchema(fields, nil), strings.NewReader(rows))
	return b, err
}

func (a *asker) parameters() error {
	st, err := a.prepared(`SELECT "id" FROM "Thing" WHERE "i" > ? AND "s" LIKE ? AND "w" >= ?`, true)
	if err != nil {
		return err
	}
	defer st.Close()
	s, err := st.GetParameterSchema()
	if err != nil {
		return err
	}
	if err := same("the parameters", fmt.Sprint(s.Field(0).Type, s.Field(1).Type, s.Field(2).Type), "int64 utf8 timestamp[ms, tz=UTC]"); err != nil {
		return err
	}
	r, _, err := st.ExecuteQuery(a.ctx)
	if err == nil { // the schema is known without values
		_, err = rowsOf(r)
	}
	if err := refused("without values", err, adbc.StatusInvalidArgument, "parameter"); err != nil {
		return err
	}
	for _, c := range []struct {
		rows string
		n    int
	}{
		{`[{"parameter_1":"9007199254740992","parameter_2":"%q%","parameter_3":"2026-01-02 03:04:05.678"}]`, 1},
		{`[{"parameter_1":"9007199254740993","parameter_2":"%q%","parameter_3":"2026-01-02 03:04:05.678"}]`, 0},
		{`[{"parameter_1":"9007199254740992","parameter_2":null,"parameter_3":"2026-01-02 03:04:05.678"}]`, 0},
	} {
		b, err := values(s.Fields(), c.rows)
		if err != nil {
			return err
		}
		if err := st.Bind(a.ctx, b); err != nil {
			return err
		}
		r, _, err := st.ExecuteQuery(a.ctx)
		if err != nil {
			return err
		}
		got, err := rowsOf(r)
		if err := all(err, same(c.rows, len(got), c.n)); err != nil {
			return err
		}
	}
	b, err := values(s.Fields(), `[{"parameter_1":1},{"parameter_1":2}]`)
	if err != nil {
		return err
	}
	if err := st.Bind(a.ctx, b); err != nil {
		return err
	}
	_, _, err = st.ExecuteQuery(a.ctx)
	return refused("two rows", err, adbc.StatusInvalidArgument, "one row")
}

func (a *asker) binds() error {
	for _, p := range []struct {
		column, op string
		of         arrow.DataType
		value      string
	}{
		{"s", "=", arrow.BinaryTypes.String, `"é \"q\" 😀"`},
		{"s", "=", arrow.BinaryTypes.LargeString, `"é \"q\" 😀"`},
		{"e", "=", arrow.BinaryTypes.String, `"a"`},
		{"n", "=", arrow.PrimitiveTypes.Float64, `0.1`},
		{"n", "<", arrow.PrimitiveTypes.Int8, `1`},
		{"f", "<", arrow.PrimitiveTypes.Float32, `-1`},
		{"i", "=", arrow.PrimitiveTypes.Int64, `"9007199254740993"`},
		{"i", ">", arrow.PrimitiveTypes.Int32, `7`},
		{"i", "=", arrow.PrimitiveTypes.Uint64, `"9007199254740993"`},
		{"d", "=", &arrow.Decimal128Type{Precision: 38, Scale: 9}, `"12345678901234567890.123456789"`},
		{"d", "=", arrow.BinaryTypes.String, `"12345678901234567890.123456789"`},
		{"b", "=", arrow.FixedWidthTypes.Boolean, `true`},
		{"w", "=", arrow.FixedWidthTypes.Timestamp_ms, `"2026-01-02 03:04:05.678"`},
		{"w", "=", arrow.FixedWidthTypes.Timestamp_us, `"2026-01-02 03:04:05.678"`},
		{"w", ">", arrow.FixedWidthTypes.Date32, `"2026-01-02"`},
		{"w", "=", arrow.BinaryTypes.String, `"` + at.Format("2006-01-02T15:04:05.000Z") + `"`},
		{"x", "=", arrow.BinaryTypes.Binary, `"AAH/"`},
		{"owner", "=", arrow.BinaryTypes.String, `"ada"`},
	} {
		got, err := a.bound(fmt.Sprintf(`SELECT "id" FROM "Thing" WHERE %q %s ?`, p.column, p.op), p.of, p.value)
		if err := all(err, same("the rows", fmt.Sprint(got), "[map[id:full]]")); err != nil {
			return fmt.Errorf("%s %s %s %s: %w", p.column, p.op, p.of, p.value, err)
		}
	}
	_, err := a.bound(`SELECT "id" FROM "Thing" WHERE "s" = ?`, arrow.ListOf(arrow.PrimitiveTypes.Int64), `[1]`)
	return refused("a list", err, adbc.StatusInvalidArgument, "can't be bound")
}

// bound runs a statement with one parameter.
func (a *asker) bound(text string, of arrow.DataType, value string) ([]row, error) {
	st, err := a.prepared(text, true)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	b, err := values([]arrow.Field{{Name: "0", Type: of, Nullable: true}}, `[{"0":`+value+`}]`)
	if err != nil {
		return nil, err
	}
	if err := st.Bind(a.ctx, b); err != nil {
		return nil, err
	}
	r, _, err := st.ExecuteQuery(a.ctx)
	if err != nil {
		return nil, err
	}
	return rowsOf(r)
}

func (a *asker) partitions() error {
	for _, prepare := range []bool{false, true} {
		st, err := a.prepared(`SELECT "id" FROM "Thing" ORDER BY "id"`, prepare)
		if err != nil {
			return err
		}
		if err := a.parts(st, 1); err != nil {
			return err
		}
	}
	return nil
}

// parts reads a statement's two rows in partitions over a connection of their own.
func (a *asker) parts(st adbc.Statement, want uint64) error {
	defer st.Close()
	s, parts, _, err := st.ExecutePartitions(a.ctx)
	if err != nil {
		return err
	}
	if err := all(same("the column", s.Field(0).Name, "id"), same("the partitions", parts.NumPartitions, want)); err != nil {
		return err
	}
	other, err := open(a.ctx, options{driver.OptionRPCCallHeaderPrefix + "x-api-key": key})
	if err != nil {
		return err
	}
	defer other.Close()
	r, err := other.ReadPartition(a.ctx, parts.PartitionIDs[0])
	if err != nil {
		return err
	}
	got, err := rowsOf(r)
	return all(err, same("the rows", fmt.Sprint(got), "[map[id:full] map[id:none]]"))
}

func (a *asker) incremental() error {
	st, err := a.prepared(`SELECT "id" FROM "Thing" ORDER BY "id"`, false)
	if err != nil {
		return err
	}
	if err := st.SetOption(adbc.OptionKeyIncremental, adbc.OptionValueEnabled); err != nil {
		return err
	}
	return a.parts(st, 1)
}

func (a *asker) database() error {
	connector, err := sqldriver.Driver{Driver: driver.NewDriver(memory.DefaultAllocator)}.
		OpenConnector(fmt.Sprintf("uri=%s;%sx-api-key=%s", address, driver.OptionRPCCallHeaderPrefix, key))
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	var n int64
	var day time.Time
	if err := db.QueryRowContext(a.ctx, `SELECT COUNT(*) FROM "Thing"`).Scan(&n); err != nil {
		return err
	}
	st, err := db.PrepareContext(a.ctx, `SELECT "w" FROM "Thing" WHERE "i" = ? AND "b" = ?`) // which values need with this driver
	if err != nil {
		return err
	}
	defer st.Close()
	err = st.QueryRowContext(a.ctx, int64(9007199254740993), true).Scan(&day)
	_, begin := db.BeginTx(a.ctx, nil)
	return all(err, same("the count", n, 2), same("the day", day.UTC(), at), refused("a transaction", begin, adbc.StatusNotImplemented, "transaction"))
}
