package sql_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-grpc/sql"
)

var update = flag.Bool("update", false, "rewrite testdata/plans.golden")

// TestPlans holds the plans of statements, among them those that tools send,
// against what has been read and recorded: what the worker is asked, and the
// result's columns.
func TestPlans(t *testing.T) {
	h := filled(t)
	source, err := os.ReadFile("testdata/statements.sql")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, text := range strings.Split(strings.TrimSpace(string(source)), "\n\n") {
		fmt.Fprintf(&got, "%s\n", text)
		rows, err := h.query(text, make([]schema.Value, strings.Count(text, "?"))...)
		if err != nil {
			fmt.Fprintf(&got, "! %v\n\n", fault.From(err).Message)
			continue
		}
		plan, err := sql.Compile(h.session, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range plan.Params {
			fmt.Fprintf(&got, "? %d: %s\n", i+1, p)
		}
		for _, a := range h.asked {
			fmt.Fprintf(&got, "> %s\n", a)
		}
		for _, f := range plan.Schema.Fields() {
			null := ""
			if f.Nullable {
				null = " null"
			}
			fmt.Fprintf(&got, ": %s %s%s\n", f.Name, f.Type, null)
		}
		fmt.Fprintf(&got, "= %d rows\n\n", len(rows))
	}
	const file = "testdata/plans.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got.String() != string(want) {
		t.Errorf("the plans differ from %s (-update rewrites it): %v\n%s", file, err, got.String())
	}
}

func TestParams(t *testing.T) {
	h := filled(t)
	const text = `SELECT id FROM Track WHERE (ms = ? OR name IN (?, 'Love')) AND live IS NOT TRUE AND made IS NULL LIMIT ?`
	plan, err := sql.Compile(h.session, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(plan.Params); got != "[int64 utf8 int64]" {
		t.Error(got)
	}
	if _, err := plan.Run(t.Context(), h.ask); fault.CodeOf(err) != fault.MissingParams {
		t.Error(err)
	}
	got, err := h.query(text, schema.TextOf("20"), schema.TextOf("x"), schema.IntOf(5))
	if err != nil || strings.Join(got, " ") != `"t3"` {
		t.Error(got, err)
	}
	if _, err := h.query(text, schema.TextOf("x"), schema.Null, schema.Null); fault.CodeOf(err) != fault.InvalidRequest {
		t.Error(err)
	}
	if _, err := h.query(text, schema.IntOf(1)); err == nil || !strings.Contains(err.Error(), "3 parameters") {
		t.Error(err)
	}
	if got, err := h.query(`SELECT ? AS a, id FROM Artist WHERE name LIKE ? AND ? = 1 ORDER BY id`, schema.TimeOf(0), schema.TextOf("A%"), schema.IntOf(1)); err != nil || strings.Join(got, "|") != `"1970-01-01T00:00:00Z" "ar1"|"1970-01-01T00:00:00Z" "ar2"` {
		t.Error(got, err)
	}
}

// What a caller may not read looks like what is not there.
func TestView(t *testing.T) {
	h := filled(t)
	view, err := h.session.Project("")
	if err != nil {
		t.Fatal(err)
	}
	limited := *view
	limited.Entity = func(e *schema.Entity) bool { return e.Name != "Album" }
	limited.Column = func(c *schema.Column) bool { return c.Name != "country" }
	h.session.Project = func(string) (*sql.View, error) { return &limited, nil }
	for _, c := range [][2]string{
		{`SELECT * FROM Artist WHERE id = 'ar1'`, `"ar1" 1 "AC/DC"`},
		{`SELECT country FROM Artist`, `INVALID_REQUEST: there is no field "country" that you can read`},
		{`SELECT nothing FROM Artist`, `INVALID_REQUEST: there is no field "nothing" that you can read`},
		{`SELECT 1 FROM Artist WHERE country = 'AU'`, `INVALID_REQUEST: there is no field "country" that you can read`},
		{`SELECT * FROM Album`, `UNKNOWN_ENTITY: there is no entity "Album" in default that you can read`},
		{`SELECT * FROM albums`, `UNKNOWN_ENTITY: there is no entity "albums" in default that you can read`},
		{`SELECT * FROM ALBUMS`, `UNKNOWN_ENTITY: there is no entity "ALBUMS" in default that you can read`},
		{`SELECT * FROM Nobody`, `UNKNOWN_ENTITY: there is no entity "Nobody" in default that you can read`},
	} {
		rows, err := h.query(c[0])
		got := strings.Join(rows, "|")
		if err != nil {
			got = err.Error()
		}
		if got != c[1] {
			t.Errorf("%s\n gave %s\n want %s", c[0], got, c[1])
		}
	}
}

// More groups than an aggregation returns are made from the records; a sort and
// DISTINCT end where their memory does.
func TestMemory(t *testing.T) {
	h := open(t)
	n := 1500
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"entity":"Track","data":{"id":"t%04d","name":"n%d","ms":%d}}`, i, i, i%1200)
	}
	for len(lines) > 0 {
		part := lines[:min(100, len(lines))]
		lines = lines[len(part):]
		if _, err := h.store.Call(t.Context(), &mesh.Request{
			Project: "default", Entity: mesh.ProjectEntity, Op: "restore",
			Args: []byte(`{"records":[` + strings.Join(part, ",") + `]}`), Principal: &mesh.Principal{ID: "k:test", Kind: mesh.Key},
		}, nil); err != nil {
			t.Fatal(err)
		}
	}
	got, err := h.query(`SELECT ms, COUNT(*) FROM Track GROUP BY ms HAVING COUNT(*) = 2`)
	if err != nil || len(got) != 300 || len(h.asked) != 2 {
		t.Errorf("%d groups, %v, asked %q", len(got), err, h.asked)
	}
	got, err = h.query(`SELECT COUNT(*) FROM (SELECT DISTINCT name FROM Track) d`)
	if err != nil || strings.Join(got, "") != "1500" {
		t.Error(got, err)
	}
	endless := func(context.Context, string, string, []byte) (*mesh.Reply, error) {
		return &mesh.Reply{Chunks: &forever{}}, nil
	}
	for _, text := range []string{
		`SELECT t.id, a.title FROM Track t LEFT JOIN Album a ON t.album = a.id ORDER BY a.title`,
		`SELECT DISTINCT t.id, a.title FROM Track t LEFT JOIN Album a ON t.album = a.id`,
		`SELECT d.id FROM (SELECT DISTINCT t.id, a.title FROM Track t LEFT JOIN Album a ON t.album = a.id) d ORDER BY d.id DESC LIMIT 1`,
		`SELECT t.id, a.title, COUNT(*) FROM Track t LEFT JOIN Album a ON t.album = a.id GROUP BY t.id, a.title`,
		`SELECT COUNT(DISTINCT t.id) FROM Track t LEFT JOIN Album a ON t.album = a.id`,
	} {
		plan, err := sql.Compile(h.session, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := plan.Run(t.Context(), endless)
		for err == nil {
			_, err = rows.Next(t.Context())
		}
		if fault.CodeOf(err) != fault.PayloadTooLarge {
			t.Errorf("%s: %v", text, err)
		}
		if rows != nil {
			rows.Close()
		}
	}
	// With a LIMIT only so many are kept.
	plan, err := sql.Compile(h.session, `SELECT t.id FROM Track t LEFT JOIN Album a ON t.album = a.id ORDER BY a.title, t.id DESC LIMIT 3`, nil)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := plan.Run(t.Context(), func(context.Context, string, string, []byte) (*mesh.Reply, error) {
		return &mesh.Reply{Chunks: &forever{most: 1 << 14}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if b, err := rows.Next(t.Context()); err != nil || b.NumRows() != 3 {
		t.Error(err)
	}
	if _, err := rows.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

var long = strings.Repeat("x", 2000)

// forever is a stream of records without end, or of most of them.
type forever struct{ n, most int }

func (f *forever) Next(context.Context) ([]byte, error) {
	var b []byte
	for range 100 {
		if f.n++; f.most > 0 && f.n > f.most {
			return nil, io.EOF
		}
		b = fmt.Appendf(b, "{\"id\":\"t%d%s\",\"album\":null}\n", f.n, long)
	}
	return b, nil
}

func (f *forever) Close() error { return nil }

func BenchmarkCompile(b *testing.B) {
	cat, err := schema.Parse([]byte(shop))
	if err != nil {
		b.Fatal(err)
	}
	for name, text := range map[string]string{
		"plain": `SELECT "id", "title" FROM "default"."Album" WHERE "year" > 1980 ORDER BY "title" LIMIT 100`,
		"join":  `SELECT r.name, COUNT(*) FROM Artist r INNER JOIN Album a ON a.artist = r.id INNER JOIN Track t ON t.album = a.id GROUP BY r.name ORDER BY 2 DESC`,
		"64KB":  "SELECT id FROM Track WHERE id = 'x'" + strings.Repeat(" AND NOT id = 'x'", 3000),
		"deep":  "SELECT id FROM Track WHERE " + strings.Repeat("(id = 'x' OR ", 60) + "live" + strings.Repeat(")", 60),
	} {
		s := session(cat)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := sql.Compile(s, text, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
