package postgres

import (
	"testing"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

func point(sql string) *sqlgen.Plan {
	return &sqlgen.Plan{
		SQL: sql, Params: 1, Point: true,
		Columns: []*schema.Column{{Name: "name"}, {Name: "id", Role: schema.RoleID}},
	}
}

// Only a read whose one value is the id of one record is written for many.
func TestForIDs(t *testing.T) {
	for sql, want := range map[string]string{
		`SELECT "name", "id" FROM "t" WHERE "id" = $1`:                           `SELECT "name", "id" FROM "t" WHERE "id" = ANY($1)`,
		`SELECT "name", "id" FROM "t" WHERE "id" = $1 LIMIT 1`:                   `SELECT "name", "id" FROM "t" WHERE "id" = ANY($1)`,
		`SELECT "name", "id" FROM "t" WHERE "id" = $1 AND "deletedAt" IS NULL`:   `SELECT "name", "id" FROM "t" WHERE "id" = ANY($1) AND "deletedAt" IS NULL`,
		`SELECT "name", "id" FROM "t" WHERE "id" = $1 FOR UPDATE`:                "",
		`SELECT "name", "id" FROM "t" WHERE "id" = $1 ORDER BY "id"`:             "",
		`SELECT "name", "id" FROM "t" WHERE "id" = $1 AND "a" = 1 ORDER BY "id"`: "",
		`SELECT "name", "id" FROM "t" WHERE "id" IN ($1)`:                        "",
	} {
		w := forIDs(point(sql))
		if got := ""; w.plan != nil {
			got = w.plan.SQL
			if got != want || w.id != 1 {
				t.Errorf("%s\n became %s, id in column %d\n wanted %s", sql, got, w.id, want)
			}
		} else if want != "" {
			t.Errorf("%s is not written for many", sql)
		}
	}
	for name, change := range map[string]func(*sqlgen.Plan){
		"two values":      func(p *sqlgen.Plan) { p.Params = 2 },
		"many records":    func(p *sqlgen.Plan) { p.Point = false },
		"residual":        func(p *sqlgen.Plan) { p.Residual = true },
		"no id in answer": func(p *sqlgen.Plan) { p.Columns = p.Columns[:1] },
	} {
		p := point(`SELECT "name", "id" FROM "t" WHERE "id" = $1`)
		if change(p); forIDs(p).plan != nil {
			t.Errorf("%s: written for many", name)
		}
	}
}

// Each caller gets the rows of his own id, whatever the others ask for, and
// however odd it is.
func TestGatherHandsOut(t *testing.T) {
	one, other := point(`SELECT "name", "id" FROM "t" WHERE "id" = $1`), point(`SELECT "name", "id" FROM "u" WHERE "id" = $1`)
	odd := &sqlgen.Plan{SQL: "SELECT 1"}
	ask := func(p *sqlgen.Plan, id string) *request {
		r := newRequest()
		r.plan = p
		r.begin(1)
		r.text(id)
		return r
	}
	batch := []*request{ask(one, "a"), ask(other, "a"), ask(one, `"\`), ask(odd, "a"), ask(one, "a"), ask(one, "gone"), ask(other, "{}")}
	g := new(gathering)
	out := g.gather(batch)
	if len(out) != 3 || len(out[0].parts) != 4 || len(out[1].parts) != 2 || out[2] != batch[3] {
		t.Fatalf("%d statements: %v", len(out), out)
	}
	if ids := string(out[0].id()); ids != `{"a","\"\\","a","gone"}` {
		t.Errorf("the array is %s", ids)
	}
	answer := func(r *request, rows ...[2]string) {
		for _, row := range rows {
			body := []byte{0, 2}
			for _, v := range row {
				body = append(append(body, 0, 0, 0, byte(len(v))), v...)
			}
			r.keep(body, most)
		}
		g.hand(r, most)
	}
	answer(out[0], [2]string{"odd", `"\`}, [2]string{"first", "a"})
	answer(out[1], [2]string{"braces", "{}"})
	for i, want := range []string{"first", "", "odd", "", "first", "", "braces"} {
		got := ""
		_ = batch[i].each(nil, func(r *row) error {
			got += string(r.Text(0))
			return nil
		})
		if got != want {
			t.Errorf("caller %d got %q, not %q", i, got, want)
		}
	}
	g.done()
}
