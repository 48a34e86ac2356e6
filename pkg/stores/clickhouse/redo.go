package clickhouse

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
	"github.com/octomesh/octomesh/pkg/stores/overlay"
)

// store stores a redo, then its blocks. Errors: TIMEOUT when it is not known
// whether the group will be there; with any other, nothing of it is.
func (db *DB) store(ctx context.Context, r *redo) error {
	err := db.note(ctx, r)
	if refused(err) {
		return err
	}
	if err == nil {
		if _, err = db.apply(ctx, r, r.Rev); err == nil {
			return nil
		}
	}
	db.doubtful.Store(true)
	settled, refusal, unsettled := db.settle(ctx)
	if unsettled == nil && settled == r.Rev {
		return refusal
	}
	db.doubtful.Store(true) // the redo may arrive yet
	return fault.Wrap(errors.Join(err, unsettled), fault.Timeout, "ClickHouse went away while it stored the change, which may have been done: look before you repeat it (a request with an idempotency key can simply be sent again)")
}

// refused reports whether the server, or the driver before it asked the server,
// has said no to an insert, so that nothing of it is there.
func refused(err error) bool {
	var no *clickhouse.Exception
	return err != nil && (errors.As(err, &no) || fault.CodeOf(err) == fault.Internal)
}

// note makes a redo the last one.
func (db *DB) note(ctx context.Context, r *redo) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the group could not be written down")
	}
	return db.insert(ctx, &block{Table: redoTable, Columns: []string{"id", "body"}, Types: []string{"Int64", "String"}, Rows: [][]*string{{num(1), ptr(string(text))}}}, r.Rev)
}

// apply stores the blocks of a redo under a number for rows; again and again is
// as good as once. An error comes with the block that it stopped at.
func (db *DB) apply(ctx context.Context, r *redo, rev uint64) (at int, err error) {
	for i, b := range r.Blocks {
		if err := db.insert(ctx, b, rev); err != nil {
			return i, err
		}
	}
	db.last.Store(max(db.last.Load(), r.Last))
	return 0, nil
}

// recover makes the last redo whole, or takes it back.
func (db *DB) recover(ctx context.Context) error {
	_, _, err := db.settle(ctx)
	return err
}

// settle takes numbers that nobody had, reads where the log stands and repeats
// the last redo, unless its changes, which come last, are there. What the server
// refuses then it would refuse for ever: the redo is taken back, and the refusal
// returned beside its Rev.
func (db *DB) settle(ctx context.Context) (rev uint64, refusal, err error) {
	if err := db.reserve(ctx); err != nil {
		return 0, nil, err
	}
	var text string
	err = db.query(ctx, "SELECT `body` FROM `"+redoTable+"` FINAL", nil, nil, func(r *row) error {
		text = r.text(0)
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	newest, err := db.number(ctx, db.log.Newest)
	if err != nil {
		return 0, nil, err
	}
	db.last.Store(max(db.last.Load(), newest))
	var r redo
	if text != "" {
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return 0, nil, fault.Wrap(err, fault.Internal, "the redo of the last write is damaged; restore the database from a backup")
		}
	}
	if n := len(r.Blocks); n > 0 && (r.Blocks[n-1].Table != sqlgen.ChangesTable || newest < r.Last) {
		at, err := db.apply(ctx, &r, db.rev.Add(1)) // above what was taken back in part
		if refused(err) {
			refusal = err
			err = db.takeBack(ctx, &r, at)
		}
		if err != nil {
			return 0, nil, err
		}
	}
	db.doubtful.Store(false)
	return r.Rev, refusal, nil
}

// takeBack undoes a redo whose block number at was refused. That one, and those
// behind it, may refuse their undoing too: none of their rows are there.
func (db *DB) takeBack(ctx context.Context, r *redo, at int) error {
	restored := db.rev.Add(2)
	for i, b := range r.Blocks {
		gone := make([][]*string, len(b.Rows))
		for k, row := range b.Rows {
			gone[k] = append(append([]*string(nil), row[:len(row)-1]...), num(1))
		}
		for n, rows := range [][][]*string{b.Undo, gone} { // the former rows have the higher number
			if len(rows) == 0 {
				continue
			}
			err := db.insert(ctx, &block{Table: b.Table, Columns: b.Columns, Types: b.Types, Rows: rows}, restored-uint64(n))
			if err != nil && (i < at || !refused(err)) {
				return err
			}
		}
	}
	return db.note(ctx, &redo{Rev: db.rev.Add(1)})
}

// formerLinks notes which of a group's links are there already.
func (db *DB) formerLinks(ctx context.Context, r *redo, links []overlay.Link) error {
	columns := make(map[string][2]string)
	for _, l := range links {
		columns[l.Table] = l.Columns
	}
	for _, b := range r.Blocks {
		c, ok := columns[b.Table]
		if !ok {
			continue
		}
		sql := append([]byte("SELECT "), db.dialect.Ident(c[0])+", "+db.dialect.Ident(c[1])+" FROM "+db.dialect.Ident(b.Table)+" FINAL WHERE ("+db.dialect.Ident(c[0])+", "+db.dialect.Ident(c[1])+") IN ("...)
		for i, row := range b.Rows {
			if i > 0 {
				sql = append(sql, ", "...)
			}
			sql = append(appendText(append(appendText(append(sql, '('), *row[0]), ", "...), *row[1]), ')')
		}
		err := db.query(ctx, string(append(sql, ')')), nil, nil, func(r *row) error {
			b.Undo = append(b.Undo, []*string{ptr(r.text(0)), ptr(r.text(1)), num(0)})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
