package sqldb

import (
	"context"
	"strconv"
	"time"

	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// trimStep is how many numbers of the log one transaction of Trim passes over.
const trimStep = 500

// trimming is the SQL of Trim.
type trimming struct {
	changes  string // binds the first seq and the one behind the last
	replies  string // binds a time
	timeFrom string // seq and at of the first change from a seq on; binds it
}

func newTrimming(d *sqlgen.Dialect) trimming {
	place := func(n int) string { return string(d.Placeholder(nil, n)) }
	changes, seq, at := d.Ident(sqlgen.ChangesTable), d.Ident("seq"), d.Ident("at")
	first := "SELECT MIN(" + seq + ") FROM " + changes + " WHERE " + seq + " >= " + place(1)
	return trimming{
		changes:  "DELETE FROM " + changes + " WHERE " + seq + " >= " + place(1) + " AND " + seq + " < " + place(2),
		replies:  "DELETE FROM " + d.Ident(sqlgen.RepliesTable) + " WHERE " + at + " < " + place(1),
		timeFrom: "SELECT " + seq + ", " + at + " FROM " + changes + " WHERE " + seq + " = (" + first + ")",
	}
}

// Trim implements driver.Conn. It notes in the transaction that deletes them up
// to where the changes are gone: a reader must not take that for holes.
func (db *DB) Trim(ctx context.Context, before time.Time, upTo int64) (int, error) {
	total := 0
	low, border, err := db.border(ctx, before)
	if err != nil {
		return 0, err
	}
	for border = min(border, upTo+1); low > 0 && low < border; {
		next := min(low+trimStep, border)
		n, err := db.trim(ctx, low, next)
		total += n
		if err != nil {
			return total, err
		}
		low = next
	}
	n, err := db.delete(ctx, func(t *tx) error {
		t.bind(before.UnixMilli())
		return nil
	}, db.trims.replies)
	return total + n, err
}

func (db *DB) trim(ctx context.Context, from, to int64) (int, error) {
	n, err := db.delete(ctx, func(t *tx) error {
		if err := t.setMeta(uncancelled, trimmedKey, strconv.FormatInt(to-1, 10)); err != nil {
			return err
		}
		t.begin()
		t.bind(from)
		t.bind(to)
		return nil
	}, db.trims.changes)
	if err == nil {
		raise(&db.proof.trimmed, to-1)
	}
	return n, err
}

func (db *DB) delete(ctx context.Context, prepare func(*tx) error, sql string) (n int, err error) {
	err = db.Write(ctx, driver.Unit{Run: func(d driver.Tx) error {
		t := d.(*tx)
		t.begin()
		if err := prepare(t); err != nil {
			return err
		}
		result, err := t.exec(uncancelled, sql, nil)
		if err != nil {
			return err
		}
		affected, err := result.RowsAffected()
		n = int(affected)
		return err
	}})
	if err != nil {
		n = 0
	}
	return n, err
}

// border finds the oldest seq and the first that is not older than before. The
// newest change is never below the border.
func (db *DB) border(ctx context.Context, before time.Time) (oldest, border int64, err error) {
	err = db.with(ctx, &db.logs, func(s *session) error {
		s.begin()
		if oldest, err = s.scalar(ctx, db.log.Oldest.SQL); err != nil || oldest == 0 {
			return err
		}
		newest, err := s.newest(ctx)
		if err != nil {
			return err
		}
		first, err := driver.Border(oldest, newest, before, func(from int64) (seq, at int64, err error) {
			s.begin()
			s.bind(from)
			err = s.query(ctx, db.trims.timeFrom, nil, nil, func(r *row) error {
				seq, at = r.int(0), r.int(1)
				return nil
			})
			return seq, at, err
		})
		border = min(first, newest)
		return err
	})
	return oldest, border, err
}
