package flightsql_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	af "github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	_ "github.com/apache/arrow-go/v18/arrow/flight/flightsql/driver"
	pb "github.com/apache/arrow-go/v18/arrow/flight/gen/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

func TestStatement(t *testing.T) {
	h := serve(t, music)
	h.fill("default")
	h.fill("shop")
	c := h.client()
	for _, row := range []struct{ key, text, want string }{
		{master, `SELECT 1`, "1"},
		{
			master, `SELECT id, title, price, sold, released, live, rating, tags, meta, cover FROM Album WHERE id = 'b1'`,
			`b1 Album 1 1.5 9007199254740994 2026-01-02T00:00:00Z false 1.5 ["x"] {"k":1} AAE=`,
		},
		{master, `SELECT r.name, COUNT(*), SUM(b.price) FROM "octomesh"."default"."Artist" r JOIN "octomesh"."default"."Album" b ON b.artist = r.id GROUP BY r.name ORDER BY 1`, "AC/DC 3 7.5|Édith 3 10.5"},
		{master, `SELECT name FROM shop.Artist ORDER BY name DESC LIMIT 1`, "Édith"},
		{reader, `SELECT name FROM shop.Artist ORDER BY name DESC LIMIT 1`, "Édith"},
		{reader, `SELECT 1 AS x`, "1"},
		{reader, `SELECT name FROM Artist`, "FORBIDDEN"},
		{reader, `SELECT name FROM "default".Artist`, "FORBIDDEN"},
		{other, `SELECT name FROM Artist`, "FORBIDDEN"},
		{rested, `SELECT name FROM Artist`, "FORBIDDEN"},
		{"", `SELECT 1`, "UNAUTHORIZED"},
		{"sk_test_EEEEEEEE_0000000000000000000000000000000000000000000", `SELECT 1`, "UNAUTHORIZED"},
		{"b ad", `SELECT 1`, "AUTH_ERROR"},
		{master, `SELECT * FROM Nobody`, "UNKNOWN_ENTITY"},
		{master, `SELECT * FROM nowhere.Artist`, "UNKNOWN_PROJECT"},
		{master, `SELECT secret FROM Artist`, "INVALID_REQUEST"},
		{master, `DROP TABLE Artist`, "INVALID_REQUEST"},
		{master, `SELECT ` + strings.Repeat("(", 100) + "1" + strings.Repeat(")", 100), "INVALID_REQUEST"},
		{master, `SELECT '` + strings.Repeat("x", 100_000) + `'`, "PAYLOAD_TOO_LARGE"},
		{master, `SELECT ?`, "MISSING_PARAMS"},
	} {
		got, err := query(as(t, row.key), c, row.text)
		if err != nil {
			got = reason(err)
		}
		if got != row.want {
			t.Errorf("%.120s\n gave %s %v\n want %s", row.text, got, err, row.want)
		}
	}
	// The project of the connection, decimals as numbers.
	info, err := c.Execute(as(t, reader, "x-project", "shop", "octo-decimal", "2"), `SELECT price FROM Album ORDER BY price LIMIT 1`)
	if err != nil {
		t.Fatal(err)
	}
	s, rows, err := fetch(as(t, reader), c, info) // the ticket says which project
	if err != nil || s.Field(0).Type.String() != "decimal(38, 2)" || strings.Join(rows, "") != "0.5" && strings.Join(rows, "") != "0.50" {
		t.Errorf("%v %v %v", s, rows, err)
	}
	// A position that the worker has, and what is none.
	at, err := h.stores["default"].Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`SELECT COUNT(*) FROM Album`, `SELECT COUNT(*) FROM Album b JOIN Artist a ON b.artist = a.id`, `SELECT COUNT(DISTINCT id) FROM Album`} {
		if got, err := query(as(t, master, "octo-min-position", at.String()), c, text); err != nil || got != "6" {
			t.Errorf("%s %v", got, err)
		}
	}
	if _, err := query(as(t, master, "octo-min-position", "x"), c, `SELECT id FROM Album`); reason(err) != "INVALID_REQUEST" {
		t.Error(err)
	}
	schema, err := c.GetExecuteSchema(as(t, master), `SELECT title FROM Album`)
	if err != nil || len(schema.Schema) == 0 {
		t.Error(err)
	}
	if _, err := c.Execute(as(t, master, "octo-decimal", "x"), `SELECT 1`); reason(err) != "INVALID_REQUEST" {
		t.Error(err)
	}
	poll, err := c.ExecutePoll(as(t, master), `SELECT 1`, nil)
	if err != nil || poll.GetProgress() != 1 || poll.Info == nil {
		t.Error(poll, err)
	}
	for name, err := range map[string]error{
		"update": func() error { _, err := c.ExecuteUpdate(as(t, master), `UPDATE Artist SET name = 'x'`); return err }(),
		"substrait": func() error {
			_, err := c.ExecuteSubstrait(as(t, master), flightsql.SubstraitPlan{})
			return err
		}(),
		"begin": func() error { _, err := c.BeginTransaction(as(t, master)); return err }(),
	} {
		if r := reason(err); r != "INVALID_REQUEST" && r != "UNSUPPORTED" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPrepared(t *testing.T) {
	h := serve(t, music)
	h.fill("default")
	c := h.client()
	ctx := as(t, master)
	p, err := c.Prepare(ctx, `SELECT id FROM Album WHERE sold > ? AND title LIKE ? AND released >= ? ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.ParameterSchema().Fields(); len(got) != 3 || got[0].Type.ID() != arrow.INT64 || got[1].Type.ID() != arrow.STRING || got[2].Type.ID() != arrow.TIMESTAMP {
		t.Error(got)
	}
	if got := p.DatasetSchema().Fields(); len(got) != 1 || got[0].Name != "id" {
		t.Error(got)
	}
	run := func() (string, error) {
		info, err := p.Execute(ctx)
		if err != nil {
			return "", err
		}
		_, rows, err := fetch(ctx, c, info)
		return strings.Join(rows, " "), err
	}
	if _, err := run(); reason(err) != "MISSING_PARAMS" {
		t.Error(err)
	}
	bind := func(rows int, values ...any) {
		b := array.NewRecordBuilder(memory.DefaultAllocator, p.ParameterSchema())
		defer b.Release()
		for range rows {
			b.Field(0).(*array.Int64Builder).Append(values[0].(int64))
			b.Field(1).(*array.StringBuilder).Append(values[1].(string))
			b.Field(2).(*array.TimestampBuilder).Append(arrow.Timestamp(values[2].(int64)))
		}
		p.SetParameters(b.NewRecordBatch())
	}
	for _, row := range []struct {
		sold int64
		like string
		out  int64
		want string
	}{{9007199254740993, "Album %", 0, "b1 b2 b3 b4 b5"}, {9007199254740996, "%", 1767571200000, "b4 b5"}, {0, "%2", 0, "b2"}} {
		bind(1, row.sold, row.like, row.out)
		if got, err := run(); err != nil || got != row.want {
			t.Errorf("%v: %s %v", row, got, err)
		}
	}
	bind(2, int64(1), "x", int64(0))
	if _, err := run(); reason(err) != "INVALID_REQUEST" {
		t.Error(err)
	}
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
	if _, err := c.Prepare(ctx, `SELECT nothing FROM Album`); reason(err) != "INVALID_REQUEST" {
		t.Error(err)
	}
	if _, err := c.Prepare(as(t, ""), `SELECT 1`); reason(err) != "UNAUTHORIZED" {
		t.Error(err)
	}
	// Types that drivers bind.
	for _, row := range []struct {
		text string
		of   arrow.Array
		want string
	}{
		{`SELECT id FROM Album WHERE sold = ?`, one(arrow.PrimitiveTypes.Uint64, "9007199254740993"), "b0"},
		{`SELECT id FROM Album WHERE rating = ?`, one(arrow.PrimitiveTypes.Float32, "1.5"), "b1"},
		{`SELECT id FROM Album WHERE price = ?`, one(&arrow.Decimal128Type{Precision: 10, Scale: 3}, "2.500"), "b2"},
		{`SELECT id FROM Album WHERE released = ?`, one(arrow.FixedWidthTypes.Date32, "2026-01-04"), "b3"},
		{`SELECT id FROM Album WHERE released = ?`, one(arrow.FixedWidthTypes.Timestamp_us, "2026-01-05T00:00:00Z"), "b4"},
		{`SELECT id FROM Album WHERE live = ? AND id = 'b5'`, one(arrow.FixedWidthTypes.Boolean, "false"), "b5"},
		{`SELECT id FROM Album WHERE id = ?`, one(arrow.BinaryTypes.LargeString, "b1"), "b1"},
		{`SELECT id FROM Album WHERE cover = ? LIMIT 1`, one(arrow.BinaryTypes.Binary, "AAE="), "b0"},
		{`SELECT id FROM Album WHERE id = ?`, array.NewNull(1), ""},
		{`SELECT id FROM Album WHERE sold = ?`, one(arrow.FixedWidthTypes.Time32s, "10:00:00"), "INVALID_REQUEST"},
		{`SELECT id FROM Album WHERE sold = ?`, one(arrow.BinaryTypes.String, "many"), "INVALID_REQUEST"},
	} {
		p, err := c.Prepare(ctx, row.text)
		if err != nil {
			t.Fatal(err)
		}
		p.SetParameters(array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "p", Type: row.of.DataType(), Nullable: true}}, nil), []arrow.Array{row.of}, 1))
		got := ""
		info, err := p.Execute(ctx)
		if err == nil {
			var rows []string
			_, rows, err = fetch(ctx, c, info)
			got = strings.Join(rows, " ")
		}
		if err != nil {
			got = reason(err)
		}
		if got != row.want {
			t.Errorf("%s with %s: %s %v", row.text, row.of.DataType(), got, err)
		}
	}
}

// one is an array of one value.
func one(t arrow.DataType, text string) arrow.Array {
	b := array.NewBuilder(memory.DefaultAllocator, t)
	defer b.Release()
	if err := b.AppendValueFromString(text); err != nil {
		panic(err)
	}
	return b.NewArray()
}

func ptr[T any](v T) *T { return &v }

func TestCatalog(t *testing.T) {
	h := serve(t, music)
	c := h.client()
	type call func(context.Context) (*af.FlightInfo, error)
	for _, row := range []struct {
		name, key, want string
		call            call
	}{
		{"catalogs", reader, "octomesh", func(ctx context.Context) (*af.FlightInfo, error) { return c.GetCatalogs(ctx) }},
		{"no key", "", "UNAUTHORIZED", func(ctx context.Context) (*af.FlightInfo, error) { return c.GetCatalogs(ctx) }},
		{"table types", reader, "TABLE", func(ctx context.Context) (*af.FlightInfo, error) { return c.GetTableTypes(ctx) }},
		{"schemas", master, "octomesh default|octomesh shop", func(ctx context.Context) (*af.FlightInfo, error) {
			return c.GetDBSchemas(ctx, &flightsql.GetDBSchemasOpts{})
		}},
		{"schemas of a key", reader, "octomesh shop", func(ctx context.Context) (*af.FlightInfo, error) {
			return c.GetDBSchemas(ctx, &flightsql.GetDBSchemasOpts{Catalog: ptr("octomesh")})
		}},
		{"schemas by a pattern", master, "octomesh shop", func(ctx context.Context) (*af.FlightInfo, error) {
			return c.GetDBSchemas(ctx, &flightsql.GetDBSchemasOpts{DbSchemaFilterPattern: ptr("s_o%")})
		}},
		{"schemas of no catalog", master, "", func(ctx context.Context) (*af.FlightInfo, error) {
			return c.GetDBSchemas(ctx, &flightsql.GetDBSchemasOpts{Catalog: ptr("")})
		}},
		{"tables", reader, "octomesh shop Album TABLE|octomesh shop Artist TABLE", func(ctx context.Context) (*af.FlightInfo, error) {
			return c.GetTables(ctx, &flightsql.GetTablesOpts{})
		}},
		{"tables by a pattern", master, "octomesh default Artist TABLE", func(ctx context.Context) (*af.FlightInfo, error) {
			return c.GetTables(ctx, &flightsql.GetTablesOpts{Catalog: ptr("octomesh"), DbSchemaFilterPattern: ptr("default"), TableNameFilterPattern: ptr("Ar%"), TableTypes: []string{"VIEW", "TABLE"}})
		}},
		{"views", master, "", func(ctx context.Context) (*af.FlightInfo, error) {
			return c.GetTables(ctx, &flightsql.GetTablesOpts{TableTypes: []string{"VIEW"}})
		}},
		{"primary keys", reader, "octomesh shop Album id 1 pk_albums", func(ctx context.Context) (*af.FlightInfo, error) {
			return c.GetPrimaryKeys(ctx, flightsql.TableRef{DBSchema: ptr("shop"), Table: "Album"})
		}},
		{"imported keys", reader, "octomesh shop Artist id octomesh shop Album artist 1 fk_albums_artist pk_artists 3 0", func(ctx context.Context) (*af.FlightInfo, error) {
			return c.GetImportedKeys(ctx, flightsql.TableRef{Catalog: ptr("octomesh"), DBSchema: ptr("shop"), Table: "Album"})
		}},
		{"exported keys", master, "octomesh default Artist id octomesh default Album artist 1 fk_albums_artist pk_artists 3 0", func(ctx context.Context) (*af.FlightInfo, error) {
			return c.GetExportedKeys(ctx, flightsql.TableRef{Table: "artists"})
		}},
		{"cross reference", reader, "octomesh shop Artist id octomesh shop Album artist 1 fk_albums_artist pk_artists 3 0", func(ctx context.Context) (*af.FlightInfo, error) {
			return c.GetCrossReference(ctx, flightsql.TableRef{DBSchema: ptr("shop"), Table: "Artist"}, flightsql.TableRef{DBSchema: ptr("shop"), Table: "Album"})
		}},
		{"cross reference the other way", reader, "", func(ctx context.Context) (*af.FlightInfo, error) {
			return c.GetCrossReference(ctx, flightsql.TableRef{DBSchema: ptr("shop"), Table: "Album"}, flightsql.TableRef{DBSchema: ptr("shop"), Table: "Artist"})
		}},
		{"keys of nobody", reader, "UNKNOWN_ENTITY", func(ctx context.Context) (*af.FlightInfo, error) {
			return c.GetPrimaryKeys(ctx, flightsql.TableRef{DBSchema: ptr("shop"), Table: "Nobody"})
		}},
		{"keys of another project", reader, "FORBIDDEN", func(ctx context.Context) (*af.FlightInfo, error) {
			return c.GetPrimaryKeys(ctx, flightsql.TableRef{DBSchema: ptr("default"), Table: "Album"})
		}},
		{"one type", reader, "BIGINT -5 19 (null) (null) (null) 1 false 2 false false false BIGINT 0 0 -5 (null) 10 (null)", func(ctx context.Context) (*af.FlightInfo, error) {
			return c.GetXdbcTypeInfo(ctx, ptr(int32(-5)))
		}},
	} {
		info, err := row.call(as(t, row.key))
		got := ""
		if err == nil {
			var rows []string
			_, rows, err = fetch(as(t, row.key), c, info)
			got = strings.Join(rows, "|")
		}
		if err != nil {
			got = reason(err)
		}
		if got != row.want {
			t.Errorf("%s\n gave %s %v\n want %s", row.name, got, err, row.want)
		}
	}
	// The schema of a table is what a SELECT of it gives.
	info, err := c.GetTables(as(t, reader), &flightsql.GetTablesOpts{IncludeSchema: true, TableNameFilterPattern: ptr("Album")})
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.DoGet(as(t, reader), info.Endpoint[0].Ticket)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if !r.Next() {
		t.Fatal(r.Err())
	}
	told, err := af.DeserializeSchema(r.RecordBatch().Column(4).(*array.Binary).Value(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	info, err = c.Execute(as(t, reader), `SELECT * FROM shop.Album`)
	if err != nil {
		t.Fatal(err)
	}
	selected, err := af.DeserializeSchema(info.Schema, nil)
	if err != nil || selected.NumFields() != told.NumFields() {
		t.Fatal(selected, told, err)
	}
	for i, f := range told.Fields() {
		s := selected.Field(i)
		if f.Name != s.Name || !arrow.TypeEqual(f.Type, s.Type) || f.Nullable != s.Nullable {
			t.Errorf("%s and %s", f, s)
		}
	}
	if name, _ := told.Field(0).Metadata.GetValue("ARROW:FLIGHT:SQL:TYPE_NAME"); name != "VARCHAR" {
		t.Error(told.Field(0))
	}
	// Everything that drivers ask for, and what nobody knows.
	for _, asked := range [][]flightsql.SqlInfo{nil, {flightsql.SqlInfoFlightSqlServerName, flightsql.SqlInfoIdentifierQuoteChar, 99999, flightsql.SqlInfoKeywords, flightsql.SqlInfoSupportsConvert}} {
		info, err = c.GetSqlInfo(as(t, reader), asked)
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.DoGet(as(t, reader), info.Endpoint[0].Ticket)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for r.Next() {
			n += int(r.RecordBatch().NumRows())
			if asked != nil {
				if got := fmt.Sprint(r.RecordBatch().Column(1)); !strings.Contains(got, "Octomesh") {
					t.Error(got)
				}
			}
		}
		if asked == nil && n < 80 || asked != nil && n != 4 || r.Err() != nil {
			t.Errorf("%d facts, %v", n, r.Err())
		}
		r.Release()
	}
}

// A statement that sends rows can be cancelled by its caller, and by nobody else.
func TestCancel(t *testing.T) {
	h := serve(t, music)
	h.fill("default")
	for range 60 {
		var ops []string
		for range 100 {
			ops = append(ops, `{"op":"create","entity":"Artist","data":{"name":"`+strings.Repeat("x", 2000)+`"}}`)
		}
		h.do("default", "transaction", "_project", `{"operations":[`+strings.Join(ops, ",")+`]}`)
	}
	c := h.client()
	info, err := c.Execute(as(t, master), `SELECT * FROM Artist`)
	if err != nil {
		t.Fatal(err)
	}
	cancel := func(key string) string {
		result, err := c.CancelFlightInfo(as(t, key), &af.CancelFlightInfoRequest{Info: info})
		if err != nil {
			return reason(err)
		}
		return result.Status.String()
	}
	if got := cancel(master); got != "CANCEL_STATUS_NOT_CANCELLABLE" {
		t.Error("before it runs:", got)
	}
	r, err := c.DoGet(as(t, master), info.Endpoint[0].Ticket)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if !r.Next() {
		t.Fatal(r.Err())
	}
	if got := cancel(reader); got != "CANCEL_STATUS_NOT_CANCELLABLE" {
		t.Error("by another:", got)
	}
	if got := cancel(""); got != "UNAUTHORIZED" {
		t.Error("by nobody:", got)
	}
	if got := cancel(master); got != "CANCEL_STATUS_CANCELLED" {
		t.Error(got)
	}
	for r.Next() {
	}
	if reason(r.Err()) != "CANCELLED" {
		t.Error(r.Err())
	}
	// A client that goes away ends its statement.
	ctx, stop := context.WithCancel(as(t, master))
	r, err = c.DoGet(ctx, info.Endpoint[0].Ticket)
	if err != nil {
		t.Fatal(err)
	}
	r.Next()
	stop()
	for r.Next() {
	}
	r.Release()
}

// What is no command, or not of this call, is refused with a code.
func TestHostile(t *testing.T) {
	h := serve(t, music)
	c := h.client()
	wrap := func(m proto.Message) []byte {
		a, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		b, err := proto.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	whole := wrap(&pb.CommandGetTables{})
	for name, b := range map[string][]byte{
		"cut":            whole[:len(whole)-1],
		"unknown type":   wrap(&anypb.Any{TypeUrl: "type.googleapis.com/arrow.flight.protocol.sql.Nothing"}),
		"no handle":      wrap(&pb.TicketStatementQuery{}),
		"handle":         wrap(&pb.TicketStatementQuery{StatementHandle: []byte(`{"sql":"SELECT 1"}`)}),
		"handle type":    wrap(&pb.CommandPreparedStatementQuery{PreparedStatementHandle: []byte(`{"sql":"SELECT ?","project":"default","bound":[{"k":99}]}`)}),
		"handle project": wrap(&pb.CommandPreparedStatementQuery{PreparedStatementHandle: []byte(`{"sql":"SELECT 1","project":"../x"}`)}),
		"update":         wrap(&pb.CommandStatementUpdate{Query: "DELETE FROM Artist"}),
		"ingest":         wrap(&pb.CommandStatementIngest{}),
		"huge":           wrap(&pb.CommandStatementQuery{Query: strings.Repeat("x", 2<<20)}),
	} {
		r, err := c.DoGet(as(t, master), &af.Ticket{Ticket: b})
		if err == nil {
			r.Release()
		}
		_, err2 := c.Client.GetFlightInfo(as(t, master), &af.FlightDescriptor{Type: af.DescriptorCMD, Cmd: b})
		for _, err := range []error{err, err2} {
			switch r := reason(err); r {
			case "INVALID_REQUEST", "PAYLOAD_TOO_LARGE", "UNKNOWN_PROJECT", "PARSE_ERROR":
			default:
				t.Errorf("%s: %s", name, r)
			}
		}
	}
	for _, a := range []*af.Action{
		{Type: "Nothing"},
		{Type: flightsql.CreatePreparedStatementActionType, Body: []byte{0xff}},
		{Type: flightsql.CreatePreparedStatementActionType, Body: whole},
		{Type: flightsql.CancelQueryActionType},
		{Type: af.CancelFlightInfoActionType, Body: []byte{0xff}},
		{Type: flightsql.BeginTransactionActionType},
		{Type: af.SetSessionOptionsActionType, Body: []byte{0xff}},
	} {
		ss, err := c.Client.DoAction(as(t, master), a)
		if err == nil {
			_, err = ss.Recv()
		}
		if r := reason(err); r != "INVALID_REQUEST" && r != "UNSUPPORTED" && r != "UNKNOWN_OP" {
			t.Errorf("%s: %s", a.Type, r)
		}
	}
	ss, err := c.Client.ListActions(as(t, master), &af.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; ; n++ {
		if _, err := ss.Recv(); err != nil {
			break
		}
	}
	if n != 7 {
		t.Errorf("%d actions", n)
	}
}

// put sends messages to DoPut as they are, and returns how the call ends; with
// open, the client would send more.
func put(t testing.TB, h *house, ctx context.Context, open bool, list ...*af.FlightData) error {
	t.Helper()
	ss, err := h.client().Client.DoPut(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if ss.Send(d) != nil {
			break // the server says why
		}
	}
	if !open {
		_ = ss.CloseSend()
	}
	_, err = ss.Recv()
	return err
}

// sent takes the messages that a writer makes.
type sent struct{ list []*af.FlightData }

func (s *sent) Send(d *af.FlightData) error {
	s.list = append(s.list, &af.FlightData{FlightDescriptor: d.FlightDescriptor, DataHeader: bytes.Clone(d.DataHeader), DataBody: bytes.Clone(d.DataBody)})
	return nil
}

// Values are read only from somebody, for a while, and believed as little as rows.
func TestHostileValues(t *testing.T) {
	h := serve(t, music)
	a, err := anypb.New(&pb.CommandPreparedStatementQuery{PreparedStatementHandle: []byte(`{"sql":"SELECT ?","project":"default"}`)})
	if err != nil {
		t.Fatal(err)
	}
	cmd, err := proto.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	s := arrow.NewSchema([]arrow.Field{{Name: "parameter_1", Type: arrow.BinaryTypes.String}}, nil)
	values := one(arrow.BinaryTypes.String, `["`+strings.Repeat("x", 4096)+`"]`)
	var out sent
	w := af.NewRecordWriter(&out, ipc.WithSchema(s), ipc.WithZstd())
	w.SetFlightDescriptor(&af.FlightDescriptor{Type: af.DescriptorCMD, Cmd: cmd})
	if err := w.Write(array.NewRecordBatch(s, []arrow.Array{values}, 1)); err != nil {
		t.Fatal(err)
	}
	if r := reason(put(t, h, as(t, ""), true, out.list[0])); r != "UNAUTHORIZED" {
		t.Errorf("nobody: %s", r)
	}
	if r := reason(put(t, h, as(t, ""), true)); r != "UNAUTHORIZED" {
		t.Errorf("nobody with nothing: %s", r)
	}
	large, body := 0, out.list[1].DataBody
	for at := 0; at+8 <= len(body); at += 8 { // one of them is the length of what was compressed
		was := binary.LittleEndian.Uint64(body[at:])
		binary.LittleEndian.PutUint64(body[at:], 1<<40)
		if r := reason(put(t, h, as(t, master), false, out.list...)); r == "PAYLOAD_TOO_LARGE" {
			large++
		} else if r != "INVALID_REQUEST" && r != "ok" { // other bytes may be another text
			t.Errorf("%d: %s", at, r)
		}
		binary.LittleEndian.PutUint64(body[at:], was)
	}
	if large == 0 {
		t.Error("nothing was too large")
	}
	h = serve(t, music)
	h.entrance.Timeout = time.Millisecond
	if r := reason(put(t, h, as(t, master), true, out.list[0])); r != "TIMEOUT" {
		t.Errorf("one who sends no values: %s", r)
	}
}

// The database/sql driver of arrow-go is a client of its own.
func TestDriver(t *testing.T) {
	h := serve(t, music)
	h.fill("default")
	db, err := sql.Open("flightsql", fmt.Sprintf("flightsql://%s?timeout=10s&token=%s", h.addr, master))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT title, sold FROM Album WHERE sold > ? ORDER BY id LIMIT 2`, int64(9007199254740993))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var title string
		var sold int64
		if err := rows.Scan(&title, &sold); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(title, " ", sold))
	}
	if strings.Join(got, "|") != "Album 1 9007199254740994|Album 2 9007199254740995" || rows.Err() != nil {
		t.Error(got, rows.Err())
	}
}
