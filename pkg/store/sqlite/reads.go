package sqlite

import (
	"context"
	"time"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/changelog"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// maxIDs is how many ids one statement takes; SQLite's bound is 32,766.
const maxIDs = 4096

// Select implements driver.Reader.
func (s *session) Select(ctx context.Context, q *query.Select, each func(driver.Row) error) error {
	return s.run(ctx, s.db.gen.Select(q, &s.args), q.Entity, func(r *row) error { return each(r) })
}

// Count implements driver.Reader.
func (s *session) Count(ctx context.Context, q *query.Select) (n int64, err error) {
	err = s.run(ctx, s.db.gen.Count(q, &s.args), q.Entity, func(r *row) error {
		n = r.stmt.ColumnInt64(0)
		return nil
	})
	return n, err
}

// Aggregate implements driver.Reader.
func (s *session) Aggregate(ctx context.Context, q *query.Aggregate, each func(driver.Row) error) error {
	return s.run(ctx, s.db.gen.Aggregate(q, &s.args), q.Entity, func(r *row) error { return each(r) })
}

// Links implements driver.Reader.
func (s *session) Links(ctx context.Context, r *schema.Relation, ids []string, reverse bool, each func(owner, target string) error) error {
	return driver.Links(ids, maxIDs, each, func(ids []string, each func(owner, target string) error) error {
		p := s.db.gen.Links(r, len(ids), reverse, &s.args)
		st, err := s.prepare(p)
		if err != nil {
			return classify(err, nil)
		}
		st.bindIDs(1, p.Params, ids)
		return s.step(ctx, st, p, nil, func(row *row) error {
			return each(row.stmt.ColumnText(0), row.stmt.ColumnText(1))
		})
	})
}

// Changes implements driver.Reader. One writer gives the numbers and commits in
// their order, so there are no holes to wait for.
func (s *session) Changes(ctx context.Context, after int64, limit int, each func(*mesh.Change) error) error {
	p := s.db.log.After
	st, err := s.prepare(p)
	if err != nil {
		return classify(err, nil)
	}
	st.BindInt64(1, after)
	st.BindInt64(2, int64(limit))
	return s.step(ctx, st, p, nil, func(r *row) error { return each(r.change()) })
}

// change reads a row of sqlgen.ChangeColumns.
func (r *row) change() *mesh.Change {
	s := r.stmt
	c := &mesh.Change{
		Seq: s.ColumnInt64(0), Tx: s.ColumnInt64(1), Entity: s.ColumnText(2), ID: s.ColumnText(3),
		Verb: s.ColumnText(4), Version: s.ColumnInt64(5), After: r.copy(6), Old: r.copy(7),
		Principal: s.ColumnText(9), RequestID: s.ColumnText(10), Transport: s.ColumnText(11),
		IdempotencyKey: s.ColumnText(12), RequestHash: r.copy(13),
		At: time.UnixMilli(s.ColumnInt64(14)).UTC(),
	}
	return changelog.Complete(c, r.copy(8))
}

// copy returns a copy of a column's bytes, nil for null.
func (r *row) copy(i int) []byte {
	column := r.stmt.ColumnReader(i)
	if column.Len() == 0 && r.Null(i) {
		return nil
	}
	return take(make([]byte, 0, column.Len()), column)
}

// Oldest implements driver.Reader.
func (s *session) Oldest(ctx context.Context) (int64, error) {
	return s.scalar(ctx, s.db.log.Oldest)
}

// replay reads what an idempotency key has stored.
func (s *session) replay(principal, key string) (*driver.Stored, error) {
	var found *driver.Stored
	read := func(p *sqlgen.Plan, each func(*row) error) error {
		st, err := s.prepare(p)
		if err != nil {
			return classify(err, nil)
		}
		st.BindText(1, principal)
		st.BindText(2, key)
		return s.step(uncancelled, st, p, nil, each)
	}
	err := read(s.db.log.ByKey, func(r *row) error {
		c := r.change()
		found = &driver.Stored{Hash: c.RequestHash, Change: c, Seq: c.Seq}
		return nil
	})
	if err != nil || found != nil {
		return found, err
	}
	err = read(s.db.log.Reply, func(r *row) error {
		found = &driver.Stored{Hash: r.copy(0), Body: r.copy(1), Seq: r.stmt.ColumnInt64(2)}
		return nil
	})
	return found, err
}
