package postgres

import (
	"context"
	"time"

	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// trimStep is how many rows one transaction of Trim deletes: it holds the lock
// that writers of the log hold, so it must be short.
const trimStep = 1000

var (
	trimChanges = fixed(`DELETE FROM "` + sqlgen.ChangesTable + `" WHERE "seq" IN (SELECT "seq" FROM "` + sqlgen.ChangesTable + `" WHERE "seq" < $1 ORDER BY "seq" LIMIT $2)`)
	trimReplies = fixed(`DELETE FROM "` + sqlgen.RepliesTable + `" WHERE ctid = ANY (ARRAY(SELECT ctid FROM "` + sqlgen.RepliesTable + `" WHERE "at" < $1 ORDER BY "at" LIMIT $2))`)
	timeFrom    = fixed(`SELECT "seq", "at" FROM "` + sqlgen.ChangesTable + `" WHERE "seq" >= $1 ORDER BY "seq" LIMIT 1`)
	newest      = fixed(`SELECT MAX("seq") FROM "` + sqlgen.ChangesTable + `"`)
)

// Trim implements driver.Conn, a few rows at a time.
func (db *DB) Trim(ctx context.Context, before time.Time, upTo int64) (int, error) {
	top, err := db.scalar(ctx, newest)
	if err != nil || top == 0 {
		return 0, err
	}
	border, err := db.border(ctx, before, top)
	if err != nil {
		return 0, err
	}
	border = min(border, upTo+1, top)
	total := 0
	replies := trimReplies
	if db.options.cockroach {
		replies = dropKeyed
	}
	for _, part := range []struct {
		plan  *sqlgen.Plan
		below int64
	}{{trimChanges, border}, {replies, before.UnixMilli()}} {
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
		r := newRequest()
		defer r.release()
		r.plan = p
		r.begin(2)
		r.int(below)
		r.int(trimStep)
		err := d.(*tx).ask(ctx, r)
		n = int(r.affected)
		return err
	}})
	if err != nil {
		n = 0
	}
	return n, err
}

// border finds the first seq that is not older than before.
func (db *DB) border(ctx context.Context, before time.Time, top int64) (int64, error) {
	low, err := db.Oldest(ctx)
	if err != nil || low == 0 {
		return 0, err
	}
	return driver.Border(low, top, before, func(from int64) (seq, at int64, err error) { return db.timeFrom(ctx, from) })
}

func (db *DB) timeFrom(ctx context.Context, from int64) (seq, at int64, err error) {
	r := newRequest()
	defer db.reads.release(r)
	r.plan = timeFrom
	r.begin(1)
	r.int(from)
	if err := db.lanes.ask(ctx, r); err != nil {
		return 0, 0, err
	}
	err = r.each(nil, func(row *row) error {
		seq, at = row.int(0), row.int(1)
		return nil
	})
	return seq, at, err
}

// scalar reads one integer; null is 0.
func (db *DB) scalar(ctx context.Context, p *sqlgen.Plan) (int64, error) {
	r := newRequest()
	defer db.reads.release(r)
	r.plan = p
	r.begin(0)
	if err := db.lanes.ask(ctx, r); err != nil {
		return 0, err
	}
	return r.scalar(), nil
}
