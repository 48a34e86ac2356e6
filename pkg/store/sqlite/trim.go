package sqlite

import (
	"context"
	"time"

	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// trimStep is how many rows one unit of Trim deletes: few enough that the
// writes which share its commit do not wait for it.
const trimStep = 64

var (
	trimChanges = &sqlgen.Plan{Point: true, SQL: `DELETE FROM "_octo_changes" WHERE "seq" IN (SELECT "seq" FROM "_octo_changes" WHERE "seq" < ? ORDER BY "seq" LIMIT ?)`}
	trimReplies = &sqlgen.Plan{Point: true, SQL: `DELETE FROM "_octo_replies" WHERE rowid IN (SELECT rowid FROM "_octo_replies" WHERE "at" < ? ORDER BY "at" LIMIT ?)`}
	timeFrom    = &sqlgen.Plan{Point: true, SQL: `SELECT "seq", "at" FROM "_octo_changes" WHERE "seq" >= ? ORDER BY "seq" LIMIT 1`}
)

// Trim implements driver.Conn. It works in the writer's own groups, a few rows
// each.
func (db *DB) Trim(ctx context.Context, before time.Time, upTo int64) (int, error) {
	border, err := db.border(ctx, before)
	if err != nil {
		return 0, err
	}
	border = min(border, upTo+1, db.committed.Load())
	total := 0
	for _, part := range []struct {
		plan  *sqlgen.Plan
		below int64
	}{{trimChanges, border}, {trimReplies, before.UnixMilli()}} {
		n, err := driver.Drain(trimStep, func() (int, error) { return db.trim(ctx, part.plan, part.below) })
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (db *DB) trim(ctx context.Context, p *sqlgen.Plan, below int64) (n int, err error) {
	err = db.Write(ctx, driver.Unit{Run: func(d driver.Tx) error {
		t := d.(*tx)
		st, err := t.session.prepare(p)
		if err != nil {
			return classify(err, nil)
		}
		st.BindInt64(1, below)
		st.BindInt64(2, trimStep)
		if err := t.after(t.session.step(uncancelled, st, p, nil, nil)); err != nil {
			return err
		}
		n = t.session.conn.Changes()
		return nil
	}})
	if err != nil {
		n = 0
	}
	return n, err
}

// border finds the first seq that is not older than before.
func (db *DB) border(ctx context.Context, before time.Time) (int64, error) {
	s, err := db.short.get(ctx)
	if err != nil {
		return 0, err
	}
	defer db.short.put(s)
	low, err := s.Oldest(ctx)
	if err != nil || low == 0 {
		return 0, err
	}
	return driver.Border(low, db.committed.Load(), before, func(from int64) (seq, at int64, err error) { return s.timeFrom(ctx, from) })
}

func (s *session) timeFrom(ctx context.Context, from int64) (seq, at int64, err error) {
	st, err := s.prepare(timeFrom)
	if err != nil {
		return 0, 0, classify(err, nil)
	}
	st.BindInt64(1, from)
	err = s.step(ctx, st, timeFrom, nil, func(r *row) error {
		seq, at = r.stmt.ColumnInt64(0), r.stmt.ColumnInt64(1)
		return nil
	})
	return seq, at, err
}
