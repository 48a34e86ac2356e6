package sql_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/services/gateway-grpc/sql"
)

// FuzzSQL compiles and runs any text: it is refused with a code, or what it asks
// of the worker is taken.
func FuzzSQL(f *testing.F) {
	for _, text := range []string{
		`SELECT 1`, `SELECT * FROM "octomesh"."default"."Album" AS a WHERE a."title" LIKE 'x!%%' ESCAPE '!' ORDER BY 1 DESC LIMIT 3 OFFSET 1`,
		`SELECT album, COUNT(DISTINCT name), SUM(cost) FROM Track WHERE ms BETWEEN 1 AND 2.5 OR NOT (live IS TRUE) GROUP BY album HAVING COUNT(*) > 1`,
		`SELECT t.*, a.title FROM Track t LEFT JOIN Album a ON t.album = a.id JOIN Artist r ON a.artist = r.id WHERE r.country IN ('x', NULL)`,
		`SELECT DISTINCT n FROM (SELECT name AS n FROM Artist LIMIT 5) q WHERE n <> '' /* c */ -- d`,
		`SELECT {ts '2026-01-01 00:00:00'}, x'00', -1.5e3, ?, NULL FROM Loan l JOIN Track t ON l.track = t.id;`,
		strings.Repeat("(", 70), strings.Repeat("NOT ", 70), "SELECT '\\", "SELECT \"", "SELECT 1;;", "SELECT (SELECT 1)", "SELECT a.b.c.d",
		"INSERT INTO x VALUES (1)", "SELECT * FROM Track PARTITION (p) AS OF 'x'", "SELECT CAST(1 AS CHAR)", "VALUES ROW(1)", "TABLE Track",
	} {
		f.Add(text)
	}
	h := filled(f)
	f.Fuzz(func(t *testing.T, text string) {
		plan, err := sql.Compile(h.session, text, nil)
		if err == nil && len(plan.Params) == 0 {
			var rows *sql.Rows
			if rows, err = plan.Run(context.Background(), h.ask); err == nil {
				for err == nil {
					_, err = rows.Next(context.Background())
				}
				rows.Close()
			}
			h.asked = h.asked[:0]
		}
		switch fault.CodeOf(err) {
		case fault.Internal, fault.InvalidFilter, fault.ParseError, fault.UnknownOp, fault.MissingStages:
			if !errors.Is(err, io.EOF) {
				t.Errorf("%s\n%v", text, err)
			}
		}
	})
}
