package sqldb

import (
	"context"
	sqldriver "database/sql/driver"
	"testing"
)

// spring is a connection whose every answer has rows without end.
type spring struct{ rows *water }

type water struct{ read, closed int }

func (c *spring) Prepare(string) (sqldriver.Stmt, error) { return c, nil }
func (c *spring) PrepareContext(context.Context, string) (sqldriver.Stmt, error) {
	return c, nil
}
func (c *spring) Begin() (sqldriver.Tx, error)                     { return nil, nil }
func (c *spring) Close() error                                     { return nil }
func (c *spring) NumInput() int                                    { return 0 }
func (c *spring) Exec([]sqldriver.Value) (sqldriver.Result, error) { return nil, nil }
func (c *spring) Query([]sqldriver.Value) (sqldriver.Rows, error)  { return c.rows, nil }
func (c *spring) QueryContext(context.Context, []sqldriver.NamedValue) (sqldriver.Rows, error) {
	return c.rows, nil
}

func (r *water) Columns() []string              { return []string{"n"} }
func (r *water) Close() error                   { r.closed++; return nil }
func (r *water) Next(v []sqldriver.Value) error { r.read++; v[0] = int64(r.read); return nil }

// TestReaderPanics: what is left of a read whose reader has panicked goes, and is
// not kept in memory for whoever has the connection next. A transaction's
// connection, which others share, stays as it is.
func TestReaderPanics(t *testing.T) {
	t.Parallel()
	for _, share := range []bool{false, true} {
		rows := &water{}
		s := &session{db: &DB{engine: &Engine{}}, conn: &spring{rows}, stmts: make(map[string]*statement), share: share}
		s.ring.next, s.ring.prev = &s.ring, &s.ring
		func() {
			defer func() { _ = recover() }()
			_ = s.query(t.Context(), "SELECT n", intKind, nil, func(*row) error { panic("a row that nobody thought of") })
		}()
		if s.reading != nil || rows.read > fewRows+2 || s.broken == share || share && rows.closed != 1 {
			t.Errorf("shared %t: reading %t, %d rows read, closed %d times, broken %t", share, s.reading != nil, rows.read, rows.closed, s.broken)
		}
	}
}
