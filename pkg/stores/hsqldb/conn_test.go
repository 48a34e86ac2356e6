package hsqldb

import (
	"bytes"
	sqldriver "database/sql/driver"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/testserver"
)

// What the endpoint carries comes back as it was.
func TestValues(t *testing.T) {
	t.Parallel()
	cfg, err := parse(testserver.HSQLDB(t))
	if err != nil {
		t.Fatal(err)
	}
	c, err := (&connector{config: cfg}).Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	x := c.(*conn)
	if _, err := x.ExecContext(t.Context(), `CREATE TABLE "x" ("a" VARBINARY(300), "b" LONGVARCHAR)`, nil); err != nil {
		t.Fatal(err)
	}
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	texts := []string{"", "é", "a\U0001F600b\uFFFF\U0010FFFF", strings.Repeat("é", maxText/2)}
	for _, text := range texts {
		args := []sqldriver.NamedValue{{Ordinal: 1, Value: every}, {Ordinal: 2, Value: text}}
		if _, err := x.ExecContext(t.Context(), `INSERT INTO "x" VALUES (?, ?)`, args); err != nil {
			t.Fatal(err)
		}
	}
	st, _ := x.PrepareContext(t.Context(), `SELECT "a", "b" FROM "x"`)
	rows, err := st.(*stmt).QueryContext(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]sqldriver.Value, 2)
	for _, text := range texts {
		if err := rows.Next(values); err != nil {
			t.Fatal(err)
		}
		if got := values[0].([]byte); !bytes.Equal(got, every) {
			t.Errorf("bytes come back as %q", got)
		}
		if got := values[1].([]byte); string(got) != text {
			t.Errorf("%.20q comes back as %.20q", text, got)
		}
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
	_, err = x.ExecContext(t.Context(), `INSERT INTO "x" ("b") VALUES (?)`, []sqldriver.NamedValue{{Ordinal: 1, Value: strings.Repeat("x", maxText+1)}})
	if classify(err).Kind == 0 {
		t.Errorf("a text that is too long: %v", err)
	}
}
