package octomesh

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	_ "github.com/apache/arrow-go/v18/arrow/flight/flightsql/driver" // registers itself with database/sql
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/octomesh/octomesh/examples/shop"
	"github.com/octomesh/octomesh/pkg/schema"
)

// TestFlightSQL asks a running server for every entity in SQL and over REST, and
// wants the same, joins along every reference included: Chinook where
// OCTOMESH_CHINOOK names its folder, else the shop.
func TestFlightSQL(t *testing.T) {
	dir := t.TempDir()
	schemas, records := shop.Schemas(), strings.Builder{}
	for line := range shop.Lines(7) {
		records.Write(line)
	}
	all := []byte(records.String())
	if set := os.Getenv("OCTOMESH_CHINOOK"); set != "" {
		var err error
		if schemas, err = os.ReadFile(filepath.Join(set, "schemas.json")); err != nil {
			t.Fatal(err)
		}
		if all, err = os.ReadFile(filepath.Join(set, "records.ndjson")); err != nil {
			t.Fatal(err)
		}
	}
	for name, b := range map[string][]byte{"schemas.json": schemas, "records.ndjson": all} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, filepath.Join(dir, "schemas.json"))
	transfer(t, s, "import", filepath.Join(dir, "records.ndjson"))
	c, err := flightsql.NewClient(s.GRPC, nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", s.Key)
	cat, err := schema.Parse(schemas)
	if err != nil {
		t.Fatal(err)
	}
	rows, joins := 0, 0
	for _, e := range cat.Entities {
		n, body := s.send(t, "GET", "/api/v1/"+e.Name+"/stream?sort=id", "", "X-API-Key", s.Key)
		if n != 200 {
			t.Fatal(body)
		}
		want := jsonLines(t, body)
		got := selected(t, ctx, c, fmt.Sprintf(`SELECT * FROM "octomesh"."default".%q ORDER BY "id"`, e.Name))
		if len(got) != len(want) {
			t.Errorf("%s: %d rows, REST has %d records", e.Name, len(got), len(want))
			continue
		}
		for i := range got {
			for name, v := range got[i] {
				column := e.Column(name)
				if w := comparable(column, want[i][name]); comparable(column, v) != w {
					t.Fatalf("%s %v: %s is %v, REST says %v", e.Name, want[i]["id"], name, v, w)
				}
			}
		}
		rows += len(got)
		for _, r := range e.Relations {
			if !r.Stored() || r.Eager {
				continue
			}
			joins++
			linked := 0
			_, targets := s.send(t, "GET", "/api/v1/"+r.Target.Name+"/stream?select=id", "", "X-API-Key", s.Key)
			there := map[any]bool{} // those that are deleted softly are not
			for _, record := range jsonLines(t, targets) {
				there[record["id"]] = true
			}
			for _, record := range want {
				if there[record[r.Name]] {
					linked++
				}
			}
			q := fmt.Sprintf(`SELECT COUNT(*) AS n, COUNT(DISTINCT b."id") AS m FROM %q a JOIN %q b ON a.%q = b."id"`, e.Name, r.Target.Name, r.Name)
			if joined := selected(t, ctx, c, q); fmt.Sprint(joined[0]["n"]) != fmt.Sprint(linked) {
				t.Errorf("%s: %v rows, %d records have one", q, joined[0]["n"], linked)
			}
		}
	}
	figure(map[string]any{"entities": len(cat.Entities), "rows": rows, "joins": joins, "same": !t.Failed()})
	refusedInSQL(t, c, ctx, cat.Entities[0].Name)

	// database/sql shows the key as a bearer token, and binds a parameter.
	db, err := sql.Open("flightsql", "flightsql://"+s.GRPC+"?timeout=20s&token="+s.Key)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	first := cat.Entities[0]
	var n int64
	if err := db.QueryRowContext(t.Context(), fmt.Sprintf(`SELECT COUNT(*) FROM %q WHERE "id" <> ?`, first.Collection), "none").Scan(&n); err != nil || n == 0 {
		t.Errorf("%d %v", n, err)
	}
}

// comparable is a member of a record as both sides write it.
func comparable(c *schema.Column, v any) string {
	if m, ok := v.(map[string]any); ok && c.Role == schema.RoleReference {
		v = m["id"] // of a relation that REST fills in by itself
	}
	if text, ok := v.(string); ok && c.Type == schema.Date {
		return strings.TrimRight(strings.TrimSuffix(text, "Z"), ".0")
	}
	if text, ok := v.(string); ok && c.Type == schema.JSON {
		_ = json.Unmarshal([]byte(text), &v) // a JSON text of a text stays one
	}
	if list, ok := v.([]any); ok { // of texts of JSON, where the elements are objects
		for i, member := range list {
			if text, ok := member.(string); ok && strings.HasPrefix(text, "{") {
				_ = json.Unmarshal([]byte(text), &list[i])
			}
		}
	}
	b, _ := json.Marshal(v)
	return strings.Trim(string(b), `"`)
}

func jsonLines(t *testing.T, text string) (out []map[string]any) {
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

// selected runs a statement and returns its rows by the names of columns.
func selected(t *testing.T, ctx context.Context, c *flightsql.Client, text string) (out []map[string]any) {
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
		b, err := array.RecordToStructArray(r.RecordBatch()).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(strings.NewReader(string(b)))
		d.UseNumber()
		var part []map[string]any
		if err := d.Decode(&part); err != nil {
			t.Fatal(err)
		}
		out = append(out, part...)
	}
	if r.Err() != nil {
		t.Fatal(text, r.Err())
	}
	return out
}

// refusedInSQL asks what must not be answered.
func refusedInSQL(t *testing.T, c *flightsql.Client, ctx context.Context, entity string) {
	t.Helper()
	for _, row := range []struct {
		ctx  context.Context
		text string
		want codes.Code
	}{
		{t.Context(), `SELECT 1`, codes.Unauthenticated},
		{metadata.AppendToOutgoingContext(t.Context(), "x-api-key", "sk_live_AAAAAAAA_"+strings.Repeat("0", 43)), `SELECT 1`, codes.Unauthenticated},
		{ctx, `SELECT * FROM Nobody`, codes.NotFound},
		{ctx, `SELECT * FROM nowhere.` + entity, codes.NotFound},
		{metadata.AppendToOutgoingContext(ctx, "x-project", "nowhere"), `SELECT 1`, codes.NotFound},
		{ctx, `DELETE FROM ` + entity, codes.InvalidArgument},
		{ctx, `SELECT ` + strings.Repeat("-(", 100) + "1" + strings.Repeat(")", 100), codes.InvalidArgument},
	} {
		if _, err := c.Execute(row.ctx, row.text); status.Code(err) != row.want {
			t.Errorf("%.60s: %v, want %s", row.text, err, row.want)
		}
	}
}
