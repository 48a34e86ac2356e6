package mysql

import (
	"fmt"
	"testing"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqldb"
	"github.com/octomesh/octomesh/pkg/testserver"
)

// What the worker decides about, because the server's lower case is another, is
// what may match in ASCII and what is not ASCII: the server keeps the rest, though
// it has to look at each row.
func TestSearchNarrows(t *testing.T) {
	t.Parallel()
	s := testserver.StartMariaDB(t, testserver.Options{})
	uri := s.Database(t)
	cat := parsed(t, things)
	e := cat.Entity("Thing")
	conn := opened(t, uri, cat, sqldb.Options{})
	name := e.Column("name")
	const plainRows, foreignRows, found = 2000, 5, 3
	err := conn.Write(t.Context(), driver.Unit{Run: func(tx driver.Tx) error {
		for i := range plainRows + foreignRows {
			row, text := made(e, fmt.Sprint(i)), fmt.Sprintf("row %d of many", i)
			switch {
			case i < found:
				text = "The NEEDLE of " + text
			case i >= plainRows:
				text += " in Liège"
			}
			row[name.Index] = schema.TextOf(text)
			if err := tx.Insert(e, row); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	db := plain(t, uri)
	defer db.Close()
	db.SetMaxOpenConns(1)
	status := func(variable string) (n int64) {
		var key string
		if err := db.QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE '"+variable+"'").Scan(&key, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	where := query.Contains{Columns: []*schema.Column{name}, Needle: "needle"}
	q := &query.Select{Entity: e, Projection: projection(e), Where: where}
	sent, rows := status("Rows_sent"), 0
	if err := conn.Select(t.Context(), q, func(driver.Row) error { rows++; return nil }); err != nil {
		t.Fatal(err)
	}
	sent = status("Rows_sent") - sent
	if rows != found || sent < found+foreignRows || sent > found+foreignRows+10 {
		t.Errorf("%d rows found, %d sent; want %d, and hardly more than %d", rows, sent, found, found+foreignRows)
	}
	t.Logf("%d rows found, %d sent", rows, sent)
}

// TestTimes: a date that MySQL keeps and no calendar has is none.
func TestTimes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2026-01-02 03:04:05.678": "2026-01-02T03:04:05.678Z", "2026-01-02 03:04:05": "2026-01-02T03:04:05.000Z", "2026-01-02": "2026-01-02T00:00:00.000Z",
		"0000-00-00 00:00:00.000": "", "2026-00-00 00:00:00.000": "", "2026-02-30 00:00:00.000": "", "0000-00-00": "",
	} {
		ms, ok := parseTime([]byte(text))
		if ok != (want != "") || ok && string(schema.AppendTime(nil, ms)) != want {
			t.Errorf("%s is %s, %t", text, schema.AppendTime(nil, ms), ok)
		}
	}
}
