package sql_test

import (
	"context"
	"strings"
	"testing"
)

// What the worker decides and what is decided here must mean the same.
func TestMeaning(t *testing.T) {
	h := filled(t)
	h.create("Note", `{"id":"n1","text":"a"}`, `{"id":"n2","text":"b"}`)
	h.create("Pin", `{"id":"p1","note":"n1","other":"n1","mark":"m1","on":null}`, `{"id":"p2","note":"n2","other":"n2","on":"p1"}`)
	if _, err := h.ask(context.Background(), "delete", "Note", []byte(`{"id":"n2"}`)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, want string }{
		// Soft-deleted records are there where WHERE names deletedAt, whoever decides it.
		{`SELECT id FROM Note ORDER BY id`, `"n1"`},
		{`SELECT id FROM Note WHERE deletedAt IS NOT NULL`, `"n2"`},
		{`SELECT id FROM Note WHERE deletedAt >= createdAt`, `"n2"`},
		{`SELECT id FROM Note WHERE deletedAt IS NULL OR deletedAt >= createdAt ORDER BY id`, `"n1"|"n2"`},
		{`SELECT COUNT(*) FROM Note WHERE deletedAt IS NOT NULL`, `1`},
		{`SELECT COUNT(*) FROM Note WHERE deletedAt >= createdAt`, `1`},
		{`SELECT COUNT(*) FROM Note`, `1`},
		{`SELECT id FROM (SELECT id, deletedAt AS gone FROM Note) q WHERE gone IS NOT NULL`, `"n2"`},

		// The reference of a joined record that is not visible is NULL for all clauses.
		{`SELECT p.id, p.note FROM Pin p LEFT JOIN Note n ON p.note = n.id ORDER BY p.id`, `"p1" "n1"|"p2" null`},
		{`SELECT p.id FROM Pin p LEFT JOIN Note n ON p.note = n.id WHERE p.note IS NOT NULL`, `"p1"`},
		{`SELECT p.id FROM Pin p LEFT JOIN Note n ON p.note = n.id WHERE p.note IS NULL`, `"p2"`},
		{`SELECT p.id FROM Pin p LEFT JOIN Note n ON p.note = n.id WHERE p.note = 'n2' OR p.note IN ('n2')`, ``},
		{`SELECT p.id FROM Pin p LEFT JOIN Note n ON p.note = n.id WHERE p.note = 'n1'`, `"p1"`},
		{`SELECT p.id FROM Pin p LEFT JOIN Note n ON p.note = n.id WHERE p.note <> 'n1'`, ``},
		{`SELECT p.id FROM Pin p LEFT JOIN Note n ON p.note = n.id ORDER BY p.note`, `"p2"|"p1"`},
		{`SELECT p.id FROM Pin p JOIN Note n ON p.note = n.id WHERE p.note IS NOT NULL ORDER BY p.note DESC`, `"p1"`},
		// So is one that is filled in unasked.
		{`SELECT p.id, p.other FROM Pin p LEFT JOIN Pin q ON p."on" = q.id WHERE p.other IS NULL`, `"p2" null`},
		{`SELECT id, note FROM Pin WHERE note IS NOT NULL ORDER BY note`, `"p1" "n1"|"p2" "n2"`},
		{`SELECT id, other FROM Pin WHERE other IS NULL OR other = 'n2'`, `"p2" null`},
		{`SELECT id FROM Pin WHERE other = 'n2' OR NOT (other <> 'n2')`, ``},
		{`SELECT id, other FROM Pin ORDER BY other, id LIMIT 1`, `"p2" null`},
		{`SELECT other, COUNT(*) FROM Pin GROUP BY other ORDER BY other`, `null 1|"n1" 1`},
		{`SELECT MIN(other), MAX(other), COUNT(*) FROM Pin`, `"n1" "n1" 2`},
		{`SELECT COUNT(*) FROM Pin WHERE other IS NOT NULL`, `1`},

		// What is no value of a type is equal to none.
		{`SELECT id FROM Pin WHERE mark = 'no id!'`, ``},
		{`SELECT id FROM Pin WHERE mark <> 'no id!' AND mark NOT IN ('', '?')`, `"p1"`},
		{`SELECT id FROM Track WHERE cover = 'no base64'`, `!bytes as x'00ff' or as base64`},

		// In HAVING a name is a field before it is an alias, in ORDER BY an alias.
		{`SELECT album AS x, COUNT(*) AS album FROM Track GROUP BY Track.album HAVING album = 'al1'`, `"al1" 2`},
		{`SELECT album AS x, COUNT(*) AS ms FROM Track GROUP BY Track.album HAVING ms = 2`, `"al1" 2`},
		{`SELECT album AS x, COUNT(*) AS album FROM Track GROUP BY Track.album ORDER BY album DESC, x LIMIT 1`, `"al1" 2`},

		// A group by a constant is none where there are no rows.
		{`SELECT COUNT(*) FROM Track WHERE ms = 77 GROUP BY 'x'`, ``},
		{`SELECT COUNT(*) FROM Track GROUP BY 'x'`, `4`},

		// Instants between two milliseconds keep their place.
		{`SELECT id FROM Track WHERE made < '2026-01-02 00:00:00.000100'`, `"t1"`},
		{`SELECT id FROM Track WHERE made >= TIMESTAMP '2026-01-02 00:00:00.000001'`, `"t2"`},
		{`SELECT id FROM Track WHERE made IN ('2026-01-02T00:00:00.0001Z', '2026-01-03T00:00:00.000000Z')`, `"t2"`},

		// A key that comes again decides nothing.
		{`SELECT id FROM Track ORDER BY live` + strings.Repeat(`, live DESC, live`, 20) + `, id DESC`, `"t4"|"t3"|"t2"|"t1"`},
		{`SELECT id FROM Track WHERE name LIKE '%e%l_s' OR name LIKE '%o%o_'`, `"t1"|"t2"`},
	} {
		rows, err := h.query(c.text)
		if refusal, ok := strings.CutPrefix(c.want, "!"); ok {
			if err == nil || !strings.Contains(err.Error(), refusal) {
				t.Errorf("%s\n gave %v %v", c.text, rows, err)
			}
			continue
		}
		if got := strings.Join(rows, "|"); err != nil || got != c.want {
			t.Errorf("%s\n gave %s %v\n want %s\n asked %q", c.text, got, err, c.want, h.asked)
		}
	}
}

// TestSumsBeyond holds that a sum that does not fit is null, whoever adds it up.
func TestSumsBeyond(t *testing.T) {
	h := open(t)
	h.create("Track", `{"id":"t1","name":"a","price":1e308,"ms":9223372036854775807}`, `{"id":"t2","name":"b","price":1e308,"ms":9223372036854775807}`)
	for text, want := range map[string]string{
		`SELECT SUM(price), AVG(price), SUM(ms), SUM(9223372036854775807) FROM Track`:              `null null null null`,
		`SELECT SUM(price), AVG(price), SUM(ms), SUM(9223372036854775807), COUNT(kind) FROM Track`: `null null null null 0`,
	} {
		if rows, err := h.query(text); err != nil || strings.Join(rows, "|") != want {
			t.Errorf("%s\n gave %v %v, want %s", text, rows, err, want)
		}
	}
}
