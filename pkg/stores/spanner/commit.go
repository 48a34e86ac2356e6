package spanner

import (
	"context"
	"strconv"

	"cloud.google.com/go/spanner"
	"google.golang.org/grpc/codes"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/changelog"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
	"github.com/octomesh/octomesh/pkg/stores/overlay"
)

// seqKey is the row of _octo_meta that holds the last seq.
const seqKey = "seq"

var metaColumns = []string{"key", "value"}

func (db *DB) meta(key, value string) *spanner.Mutation {
	return spanner.InsertOrUpdate(db.dialect.Short(sqlgen.MetaTable), metaColumns, []any{key, value})
}

// counter reads the last seq; 0 before the first.
func (r *reader) counter(ctx context.Context) (int64, error) {
	value, err := r.meta(ctx, seqKey)
	if err != nil || value == "" {
		return 0, err
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, fault.Wrap(err, fault.Internal, "the counter of the change log is damaged; restore _octo_meta from a backup")
	}
	return n, nil
}

// commit implements overlay.Commit: one read-write transaction. The counter row
// is read first, so that transactions of several workers wait for each other
// there and not in the middle.
func (db *DB) commit(fill func(base overlay.Base, last int64) (*overlay.Group, error)) error {
	var g *overlay.Group
	asked := false // to commit
	_, err := db.client.ReadWriteTransaction(context.Background(), func(ctx context.Context, txn *spanner.ReadWriteTransaction) error {
		base := &reader{db: db, in: func() querier { return txn }}
		asked = false
		last, err := base.counter(ctx)
		if err == nil {
			g, err = fill(base, last)
		}
		if base.broken != nil {
			return base.broken // Aborted, perhaps: then all of this runs again
		}
		if err != nil || g.Empty() {
			return err
		}
		asked = true
		return txn.BufferWrite(db.mutations(g, last))
	})
	switch code := spanner.ErrCode(err); {
	case asked && (code == codes.Unavailable || code == codes.DeadlineExceeded || code == codes.Canceled || code == codes.Unknown):
		return fault.Wrap(err, fault.Timeout, "the commit got no answer: look whether the change was made before it is tried again")
	case err != nil:
		return classify(err, nil)
	}
	if db.told != nil && len(g.Changes()) > 0 {
		db.told(len(g.Changes()))
	}
	return nil
}

// mutations are what a group leaves. Rows are told apart by the id alone, which
// is unique among the entities of a table.
func (db *DB) mutations(g *overlay.Group, last int64) []*spanner.Mutation {
	var out []*spanner.Mutation
	_ = g.Records(func(r *overlay.Record) error { // it fails only where this does
		table, key := db.dialect.Short(r.Entity.Collection), spanner.Key{r.ID}
		if r.Row == nil || r.Stale {
			out = append(out, spanner.Delete(table, key))
		}
		switch {
		case r.Row == nil:
		case r.Before == nil:
			columns, values := db.cells(r.Entity, r.Row, nil)
			out = append(out, spanner.Insert(table, columns, values))
		default:
			columns, values := db.cells(r.Entity, r.Row, r.Before)
			out = append(out, spanner.Update(table, columns, values))
		}
		return nil
	})
	for _, l := range g.Links() {
		table, columns := db.dialect.Short(l.Table), []string{db.dialect.Short(l.Columns[0]), db.dialect.Short(l.Columns[1])}
		if l.There {
			out = append(out, spanner.InsertOrUpdate(table, columns, []any{l.Values[0], l.Values[1]}))
		} else {
			out = append(out, spanner.Delete(table, spanner.Key{l.Values[0], l.Values[1]}))
		}
	}
	for _, c := range g.Changes() {
		out = append(out, db.change(c))
	}
	for _, r := range g.Replies() {
		out = append(out, spanner.Insert(db.dialect.Short(sqlgen.RepliesTable), []string{"principal", "idem", "req_hash", "body", "seq", "at"},
			[]any{r.Principal, r.Key, r.Hash, string(r.Body), r.Seq, r.At.UnixMilli()}))
	}
	if g.Last() != last {
		out = append(out, db.meta(seqKey, strconv.FormatInt(g.Last(), 10)))
	}
	return out
}

// cells are the id and those columns of a row in which it differs from another.
func (db *DB) cells(e *schema.Entity, row, before schema.Row) (columns []string, values []any) {
	for i, c := range e.Columns {
		if i == 0 || before == nil || !row[i].Equal(before[i]) {
			columns = append(columns, db.dialect.Short(c.Physical))
			values = append(values, native(row[i]))
		}
	}
	return columns, values
}

func (db *DB) change(c *mesh.Change) *spanner.Mutation {
	var changed any
	if c.Changed != nil {
		changed = string(changelog.AppendChanged(nil, c))
	}
	var key any
	if c.IdempotencyKey != "" {
		key = c.IdempotencyKey
	}
	return spanner.Insert(db.dialect.Short(sqlgen.ChangesTable), sqlgen.ChangeColumns, []any{
		c.Seq, c.Tx, c.Entity, c.ID, c.Verb, c.Version, text(c.After), text(changelog.OldColumn(c)), changed,
		c.Principal, c.RequestID, c.Transport, key, c.RequestHash, c.At.UnixMilli(),
	})
}

// text is JSON text as a column has it, nil as null.
func text(b []byte) any {
	if b == nil {
		return nil
	}
	return string(b)
}
