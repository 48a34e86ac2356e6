package flight_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	af "github.com/apache/arrow-go/v18/arrow/flight"

	"github.com/octomesh/octomesh/pkg/mesh"
)

// got reads a DoGet to its end: its schema and its rows as JSON.
func got(c af.Client, ctx context.Context, ticket string) (fields []arrow.Field, rows []map[string]any, err error) {
	fields, _, err = taken(c, ctx, ticket, func(batch arrow.RecordBatch) error {
		b, err := batch.MarshalJSON()
		if err != nil {
			return err
		}
		var part []map[string]any
		d := json.NewDecoder(strings.NewReader(string(b)))
		d.UseNumber()
		err = d.Decode(&part)
		rows = append(rows, part...)
		return err
	})
	return fields, rows, err
}

// taken reads a stream batch by batch, and counts its rows.
func taken(c af.Client, ctx context.Context, ticket string, batch func(arrow.RecordBatch) error) (fields []arrow.Field, n int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ss, err := c.DoGet(ctx, &af.Ticket{Ticket: []byte(ticket)})
	if err != nil {
		return nil, 0, err
	}
	r, err := af.NewRecordReader(ss)
	if err != nil {
		return nil, 0, err
	}
	defer r.Release()
	for r.Next() {
		if err := batch(r.RecordBatch()); err != nil {
			return nil, n, err
		}
		n += r.RecordBatch().NumRows()
		if want := fmt.Sprintf(`{"rows":%d}`, n); string(r.LatestAppMetadata()) != want {
			return nil, n, fmt.Errorf("the metadata is %s, want %s", r.LatestAppMetadata(), want)
		}
	}
	if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
		return nil, n, err
	}
	return r.Schema().Fields(), n, nil
}

func TestDoGet(t *testing.T) {
	h := serve(t, shop)
	h.stock("shop", 5000)
	c := h.client()
	fields, rows, err := got(c, as(t, master), `{"project":"shop","entity":"Item","op":"stream","filter":{"stock":{"$gte":9007199254740995}},"sort":"-id","batchSize":700}`)
	if err != nil || len(rows) != 4998 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	names := ""
	for _, f := range fields {
		names += f.Name + ":" + f.Type.String() + " "
	}
	const want = "id:utf8 _version:int64 name:utf8 price:float64 stock:int64 cost:utf8 active:bool added:timestamp[ms, tz=UTC] meta:utf8 blob:binary tags:list<item: utf8, nullable> sizes:list<item: int64, nullable> maker:utf8 kin:list<item: utf8, nullable> createdAt:timestamp[ms, tz=UTC] updatedAt:timestamp[ms, tz=UTC] deletedAt:timestamp[ms, tz=UTC] "
	if names != want {
		t.Errorf("got  %s\nwant %s", names, want)
	}
	first := rows[0]
	if first["id"] != "i004999" || first["stock"] != json.Number("9007199254745992") || first["price"] != json.Number("4999.25") || first["meta"] != `{"n":4999}` || first["maker"] != "m1" {
		t.Errorf("%v", first)
	}
	// Nothing, a selection, relations, a decimal as a number, x-project.
	for ticket, want := range map[string]string{
		`{"entity":"Item"}`: "17 0", `{"entity":"Item","project":"shop","select":"name","limit":3}`: "3 3",
		`{"entity":"items","project":"shop","options":{"select":["cost"],"limit":1},"decimal":2,"relations":"kin"}`: "4 1",
	} {
		fields, rows, err := got(c, as(t, master), ticket)
		if s := fmt.Sprint(len(fields), len(rows)); err != nil || s != want {
			t.Errorf("%s: %s %v", ticket, s, err)
		}
	}
	if _, rows, err := got(c, as(t, reader, "x-project", "shop"), `{"entity":"Item","limit":2}`); err != nil || len(rows) != 2 {
		t.Errorf("%d %v", len(rows), err)
	}
}

func TestRefused(t *testing.T) {
	h := serve(t, shop)
	h.stock("shop", 10)
	c := h.client()
	for _, row := range []struct{ key, ticket, want string }{
		{"", `{"entity":"Item"}`, "UNAUTHORIZED"},
		{"sk_test_EEEEEEEE_0000000000000000000000000000000000000000000", `{"entity":"Item"}`, "UNAUTHORIZED"},
		{"b ad", `{"entity":"Item"}`, "AUTH_ERROR"},
		{other, `{"entity":"Item"}`, "FORBIDDEN"},
		{rested, `{"entity":"Item"}`, "FORBIDDEN"},
		{reader, `{"entity":"Item","project":"default"}`, "FORBIDDEN"},
		{master, `{"entity":"Nobody"}`, "UNKNOWN_ENTITY"},
		{master, `{"entity":"_project"}`, "UNKNOWN_ENTITY"},
		{master, `{"entity":"Item","project":"nowhere"}`, "UNKNOWN_PROJECT"},
		{master, `{"entity":"Item","op":"deleteMany"}`, "INVALID_REQUEST"},
		{master, `{"entity":"Item","format":"json"}`, "INVALID_REQUEST"},
		{master, `{"entity":"Item","options":{"format":"json"}}`, "INVALID_REQUEST"},
		{master, `{"entity":"Item","nothing":1}`, "INVALID_REQUEST"},
		{master, `{"entity":"Item","entity":"Maker"}`, "PARSE_ERROR"},
		{master, `{"entity":"Item","filter":{"nope":1}}`, "INVALID_FILTER"},
		{master, `{"entity":"Item","filter":{"secret":"x"}}`, "INVALID_FILTER"},
		{master, `{"entity":"Item","project":"shop","decimal":0}`, "INVALID_REQUEST"},
		{master, `{"entity":"Item","filter":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, "PARSE_ERROR"},
		{master, `{"entity":"Item","filter":"` + strings.Repeat("x", 2<<20) + `"}`, "PAYLOAD_TOO_LARGE"},
		{master, `{"entity":"Item","project":5}`, "INVALID_REQUEST"},
		{master, `{"entity":"Item","project":null}`, "INVALID_REQUEST"},
		{master, `{"entity":5}`, "INVALID_REQUEST"},
		{master, `{"entity":"Item","count":"yes"}`, "INVALID_REQUEST"},
		{master, `{"entity":"Item","count":1}`, "INVALID_REQUEST"},
		{master, `{}`, "INVALID_REQUEST"},
		{master, `[]`, "INVALID_REQUEST"},
		{master, ``, "PARSE_ERROR"},
		{master, "\x00\xff", "PARSE_ERROR"},
		{master, `{"entity":`, "PARSE_ERROR"},
	} {
		if _, _, err := got(c, as(t, row.key), row.ticket); reason(err) != row.want {
			t.Errorf("%.80s as %.16s: %v, want %s", row.ticket, row.key, err, row.want)
		}
		cmd := &af.FlightDescriptor{Type: af.DescriptorCMD, Cmd: []byte(row.ticket)}
		if strings.Contains(row.ticket, `"decimal"`) {
			continue // told by the records alone
		}
		if _, err := c.GetFlightInfo(as(t, row.key), cmd); reason(err) != row.want {
			t.Errorf("GetFlightInfo %.80s as %.16s: %v, want %s", row.ticket, row.key, err, row.want)
		}
		if _, err := c.GetSchema(as(t, row.key), cmd); reason(err) != row.want {
			t.Errorf("GetSchema %.80s as %.16s: %v, want %s", row.ticket, row.key, err, row.want)
		}
	}
	for _, d := range []*af.FlightDescriptor{{}, {Type: af.DescriptorPATH}, {Type: af.DescriptorPATH, Path: []string{"a", "b", "c"}}} {
		if _, err := c.GetFlightInfo(as(t, master), d); reason(err) != "INVALID_REQUEST" {
			t.Errorf("%v: %v", d, err)
		}
	}
	ex, err := c.DoExchange(as(t, master))
	if err == nil {
		_, err = ex.Recv()
	}
	if reason(err) != "UNSUPPORTED" {
		t.Errorf("DoExchange: %v", err)
	}
}

func TestFlights(t *testing.T) {
	h := serve(t, shop)
	h.stock("shop", 3)
	c := h.client()
	list := func(key, expression string) (out []string, err error) {
		ss, err := c.ListFlights(as(t, key), &af.Criteria{Expression: []byte(expression)})
		if err != nil {
			return nil, err
		}
		for {
			info, err := ss.Recv()
			if errors.Is(err, io.EOF) {
				return out, nil
			}
			if err != nil {
				return nil, err
			}
			s, err := af.DeserializeSchema(info.Schema, nil)
			if err != nil {
				return nil, err
			}
			out = append(out, fmt.Sprintf("%s %d %s", strings.Join(info.FlightDescriptor.Path, "/"), s.NumFields(), info.Endpoint[0].Ticket.Ticket))
		}
	}
	const item, maker = `%[1]s/Item 17 {"project":"%[1]s","entity":"Item","op":"stream"}`, `%[1]s/Maker 3 {"project":"%[1]s","entity":"Maker","op":"stream"}`
	of := func(p string) string { return fmt.Sprintf(item+"|"+maker, p) }
	for _, row := range []struct{ key, expression, want string }{
		{master, "", of("default") + "|" + of("shop")},
		{reader, "", of("shop")},
		{master, `{"project":"shop"}`, of("shop")},
		{reader, `{"project":"default"}`, "FORBIDDEN"},
		{other, "", "FORBIDDEN"},
		{rested, "", "FORBIDDEN"},
		{"", "", "UNAUTHORIZED"},
		{master, `{"project":"nowhere"}`, "UNKNOWN_PROJECT"},
		{master, `{"entity":"Item"}`, "INVALID_REQUEST"},
		{master, `7`, "INVALID_REQUEST"},
		{master, `{`, "PARSE_ERROR"},
	} {
		all, err := list(row.key, row.expression)
		s := strings.Join(all, "|")
		if err != nil {
			s = reason(err)
		}
		if s != row.want {
			t.Errorf("%.16s %s:\n got  %s\n want %s", row.key, row.expression, s, row.want)
		}
	}
	// What a descriptor leads to is what DoGet gives.
	for _, d := range []*af.FlightDescriptor{
		{Type: af.DescriptorPATH, Path: []string{"shop", "items"}},
		{Type: af.DescriptorCMD, Cmd: []byte(`{"project":"shop","entity":"Item","filter":{"name":{"$ne":"Item 1 é"}},"select":"name,stock","sort":"name","count":true}`)},
	} {
		info, err := c.GetFlightInfo(as(t, reader), d)
		if err != nil {
			t.Fatal(err)
		}
		fields, rows, err := got(c, as(t, reader), string(info.Endpoint[0].Ticket.Ticket))
		if err != nil {
			t.Fatal(err)
		}
		s, err := af.DeserializeSchema(info.Schema, nil)
		if err != nil || fmt.Sprint(s.Fields()) != fmt.Sprint(fields) || s.Metadata().Keys()[0] != "octomesh:entity" {
			t.Errorf("%v: %v\n%v", err, s, fields)
		}
		if want := int64(len(rows)); info.TotalRecords != want && d.Cmd != nil || d.Cmd == nil && info.TotalRecords != -1 || len(rows) == 0 {
			t.Errorf("%d records, %d came", info.TotalRecords, want)
		}
		result, err := c.GetSchema(as(t, reader), d)
		if err != nil || string(result.Schema) != string(info.Schema) {
			t.Errorf("the schemas differ: %v", err)
		}
		poll, err := c.PollFlightInfo(as(t, reader), d)
		if err != nil || poll.FlightDescriptor != nil || poll.GetProgress() != 1 || string(poll.Info.Schema) != string(info.Schema) {
			t.Errorf("%v %v", poll, err)
		}
	}
}

// The count is that of the records which DoGet gives.
func TestCount(t *testing.T) {
	h := serve(t, shop)
	h.stock("default", 9)
	h.do("default", "delete", "Item", `{"id":"i000002"}`)
	c := h.client()
	for _, row := range []struct {
		rest string
		want int64
	}{
		{``, 8},
		{`,"includeDeleted":true`, 9},
		{`,"options":{"includeDeleted":true}`, 9},
		{`,"filter":{"stock":{"$gte":9007199254740995}},"includeDeleted":true`, 7},
		{`,"limit":3`, 3},
		{`,"limit":0`, 8},
		{`,"limit":100`, 8},
		{`,"limit":null,"skip":null`, 8},
		{`,"skip":3`, 5},
		{`,"skip":"3"`, 5},
		{`,"skip":6,"limit":5,"sort":"name","select":"name"`, 2},
		{`,"skip":20`, 0},
		{`,"options":{"skip":1,"limit":2}`, 2},
		{`,"batchSize":2,"filter":{"name":"nobody"}`, 0},
	} {
		ticket := `{"entity":"Item"` + row.rest + `}`
		_, rows, err := got(c, as(t, master), ticket)
		if err != nil || int64(len(rows)) != row.want {
			t.Errorf("%s: %d rows, %v", ticket, len(rows), err)
		}
		info, err := c.GetFlightInfo(as(t, master), &af.FlightDescriptor{Type: af.DescriptorCMD, Cmd: []byte(ticket[:len(ticket)-1] + `,"count":true}`)})
		if err != nil || info.TotalRecords != row.want {
			t.Errorf("%s: %d counted, %v", ticket, info.GetTotalRecords(), err)
		}
	}
	var asked []string
	h.calls = func(r *mesh.Request) { asked = append(asked, r.Op+" "+string(r.Args)) }
	made, err := h.stores["default"].Call(t.Context(), &mesh.Request{Project: "default", Entity: "Maker", Op: "create", Args: []byte(`{"data":{"name":"N"}}`)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	position := string(made.Position.Append(nil))
	_, err = c.GetFlightInfo(as(t, master, "octo-min-position", position), &af.FlightDescriptor{Type: af.DescriptorCMD, Cmd: []byte(`{"entity":"Item","count":true}`)})
	if want := `count {"minPosition":"` + position + `"}`; err != nil || asked[1] != want {
		t.Errorf("%q, not %s: %v", asked, want, err)
	}
}

func TestHandshake(t *testing.T) {
	h := serve(t, shop)
	h.stock("shop", 1)
	c := h.client()
	for _, basic := range [][2]string{{"anybody", reader}, {reader, ""}, {"", reader}} {
		ctx, err := c.AuthenticateBasicToken(t.Context(), basic[0], basic[1])
		if err != nil {
			t.Fatal(err)
		}
		if _, rows, err := got(c, ctx, `{"project":"shop","entity":"Item"}`); err != nil || len(rows) != 1 {
			t.Errorf("%d %v", len(rows), err)
		}
	}
	if _, err := c.AuthenticateBasicToken(t.Context(), "anybody", "nothing"); reason(err) != "UNAUTHORIZED" {
		t.Error(err)
	}
	ss, err := c.Handshake(t.Context())
	if err == nil {
		_, err = ss.Recv()
	}
	if reason(err) != "UNAUTHORIZED" {
		t.Error(err)
	}
}
