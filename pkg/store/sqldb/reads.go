package sqldb

import (
	"context"
	"time"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/changelog"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/residual"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// maxIDs is how many ids one statement takes.
func (db *DB) maxIDs() int {
	if n := db.engine.MaxIDs; n > 0 {
		return n
	}
	return 1024
}

// read runs a plan whose values are gathered.
func (s *session) read(ctx context.Context, p *sqlgen.Plan, e *schema.Entity, each func(driver.Row) error) error {
	s.bindAll()
	sql := p.SQL
	if s.share && p.Point && !p.Residual && s.db.engine.Share != "" {
		sql += s.db.engine.Share
	}
	if p.Point {
		ctx = uncancelled // shorter than to watch for its end
	}
	return s.query(ctx, sql, p.Kinds, e, func(r *row) error { return each(r) })
}

// again returns the read of a residual plan.
func (s *session) again(ctx context.Context, p *sqlgen.Plan, e *schema.Entity) residual.Read {
	return func(each func(driver.Row) error) error { return s.read(ctx, p, e, each) }
}

// Select implements driver.Reader.
func (s *session) Select(ctx context.Context, q *query.Select, each func(driver.Row) error) error {
	if s.share && s.db.engine.Touch && sqlgen.Pinned(q.Where) {
		if err := s.touch(q.Entity, q.Where); err != nil {
			return err
		}
	}
	p := s.db.gen.Select(q, &s.args)
	if p.Residual {
		return residual.Select(q, s.again(ctx, p, q.Entity), each)
	}
	return s.read(ctx, p, q.Entity, each)
}

// touch locks the rows whose ids a condition names.
func (s *session) touch(e *schema.Entity, where query.Expr) error {
	p := s.db.gen.Touch(e, where, &s.args)
	s.bindAll()
	_, err := s.exec(uncancelled, p.SQL, e)
	return err
}

// Count implements driver.Reader.
func (s *session) Count(ctx context.Context, q *query.Select) (n int64, err error) {
	p := s.db.gen.Count(q, &s.args)
	if p.Residual {
		return residual.Count(q, s.again(ctx, p, q.Entity))
	}
	s.bindAll()
	err = s.query(ctx, p.SQL, p.Kinds, q.Entity, func(r *row) error {
		n = r.int(0)
		return nil
	})
	return n, err
}

// Aggregate implements driver.Reader.
func (s *session) Aggregate(ctx context.Context, q *query.Aggregate, each func(driver.Row) error) error {
	p := s.db.gen.Aggregate(q, &s.args)
	if p.Residual {
		return residual.Aggregate(q, s.again(ctx, p, q.Entity), each)
	}
	return s.read(ctx, p, q.Entity, each)
}

// Links implements driver.Reader.
func (s *session) Links(ctx context.Context, r *schema.Relation, ids []string, reverse bool, each func(owner, target string) error) error {
	return driver.Links(ids, s.db.maxIDs(), each, func(ids []string, each func(owner, target string) error) error {
		p := s.db.gen.Links(r, len(ids), reverse, &s.args)
		s.begin()
		s.bindIDs(p.Params, ids)
		return s.query(ctx, p.SQL, textKinds, nil, func(row *row) error { return each(row.string(0), row.string(1)) })
	})
}

var textKinds = []schema.Kind{schema.KindText, schema.KindText}

// change reads a row of sqlgen.ChangeColumns. A change without a Tx of its own
// is the first of its transaction.
func (r *row) change() *mesh.Change {
	c := &mesh.Change{
		Seq: r.int(0), Tx: r.int(1), Entity: r.string(2), ID: r.string(3), Verb: r.string(4), Version: r.int(5),
		After: r.copy(6), Old: r.copy(7), Principal: r.string(9), RequestID: r.string(10), Transport: r.string(11),
		IdempotencyKey: r.string(12), RequestHash: r.copy(13), At: time.UnixMilli(r.int(14)).UTC(),
	}
	if c.Tx == 0 {
		c.Tx = c.Seq
	}
	return changelog.Complete(c, r.bytes(8))
}

// replay reads what an idempotency key has stored.
func (s *session) replay(principal, key string) (*driver.Stored, error) {
	var found *driver.Stored
	read := func(p *sqlgen.Plan, each func(*row) error) error {
		s.begin()
		s.bind(principal)
		s.bind(key)
		return s.query(uncancelled, p.SQL, nil, nil, each)
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
		found = &driver.Stored{Hash: r.copy(0), Body: r.copy(1), Seq: r.int(2)}
		return nil
	})
	return found, err
}
