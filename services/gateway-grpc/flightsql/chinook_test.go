package flightsql_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"

	"github.com/octomesh/octomesh/pkg/mesh"
)

// TestChinook compares a real data set with what REST says of it: every record of
// every entity, and the results of joins and groups with those of aggregations.
func TestChinook(t *testing.T) {
	h := chinook(t)
	c := h.client()
	ctx := as(t, master)
	records := 0
	for _, e := range h.stores["default"].Catalog().Entities {
		lines := h.lines(e.Name)
		got := objects(t, ctx, c, fmt.Sprintf(`SELECT * FROM "default".%q ORDER BY "id"`, e.Collection))
		if len(got) != len(lines) {
			t.Errorf("%s: %d rows, %d records", e.Name, len(got), len(lines))
			continue
		}
		for i, want := range lines {
			for name, v := range got[i] {
				if text, ok := v.(string); ok && e.Column(name).Type.String() == "date" {
					v = strings.Replace(text, "Z", ".000Z", 1)
				}
				if fmt.Sprint(v) != fmt.Sprint(want[name]) {
					t.Fatalf("%s %v: %s is %v, REST says %v", e.Name, want["id"], name, v, want[name])
				}
			}
		}
		records += len(lines)
	}
	if records != 6892 {
		t.Errorf("%d records", records)
	}
	for _, row := range []struct{ text, want string }{
		{`SELECT COUNT(*) FROM Track WHERE composer IS NULL`, h.count("Track", `{"composer":null}`)},
		{`SELECT COUNT(*) FROM Track WHERE NOT (composer = 'AC/DC')`, h.count("Track", `{"composer":{"$ne":"AC/DC","$exists":true}}`)},
		{`SELECT r.name, COUNT(*) AS n FROM Artist r JOIN Album a ON a.artist = r.id JOIN Track t ON t.album = a.id GROUP BY r.name ORDER BY n DESC LIMIT 3`, "Iron Maiden 213|U2 135|Led Zeppelin 114"},
		{`SELECT g.name, COUNT(*) n FROM Track t LEFT JOIN Genre g ON t.genre = g.id GROUP BY g.name HAVING COUNT(*) > 300 ORDER BY n DESC`, "Rock 1297|Latin 579|Metal 374|Alternative & Punk 332"},
		{`SELECT "billingCountry", COUNT(*) FROM Invoice GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 2`, "USA 91|Canada 56"},
		{`SELECT e.lastName, b.lastName FROM Employee e LEFT JOIN Employee b ON e.reportsTo = b.id ORDER BY e.id LIMIT 2`, "Adams (null)|Edwards Adams"},
		{`SELECT COUNT(DISTINCT country) FROM Customer`, "24"},
		{`SELECT MAX(milliseconds), MIN(bytes) FROM Track`, `5.286953e+06 38747`},
	} {
		got, err := query(ctx, c, row.text)
		if err != nil || got != row.want {
			t.Errorf("%s\n gave %s %v\n want %s", row.text, got, err, row.want)
		}
	}
}

// lines are the records of an entity as REST streams them.
func (h *house) lines(entity string) []map[string]any {
	h.Helper()
	reply, err := h.stores["default"].Call(context.Background(), &mesh.Request{Project: "default", Entity: entity, Op: "stream", Args: []byte(`{"sort":"id"}`)}, nil)
	if err != nil {
		h.Fatal(err)
	}
	defer func() { _ = reply.Chunks.Close() }()
	var text strings.Builder
	for {
		part, err := reply.Chunks.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			h.Fatal(err)
		}
		text.Write(part)
	}
	return decoded(h, text.String())
}

func decoded(t testing.TB, text string) (out []map[string]any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	for d.More() {
		var r map[string]any
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

func (h *house) count(entity, filter string) string {
	h.Helper()
	var reply struct{ Data json.Number }
	if err := json.Unmarshal([]byte(h.do("default", "count", entity, `{"filter":`+filter+`}`)), &reply); err != nil {
		h.Fatal(err)
	}
	return reply.Data.String()
}

// objects are the rows of a statement, by the names of columns.
func objects(t *testing.T, ctx context.Context, c *flightsql.Client, text string) (out []map[string]any) {
	t.Helper()
	info, err := c.Execute(ctx, text)
	if err != nil {
		t.Fatal(text, err)
	}
	r, err := c.DoGet(ctx, info.Endpoint[0].Ticket)
	if err != nil {
		t.Fatal(text, err)
	}
	defer r.Release()
	for r.Next() {
		out = append(out, rowsOf(t, r.RecordBatch())...)
	}
	if r.Err() != nil {
		t.Fatal(text, r.Err())
	}
	return out
}

func rowsOf(t *testing.T, b arrow.RecordBatch) []map[string]any {
	t.Helper()
	text, err := b.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}
