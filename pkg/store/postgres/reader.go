package postgres

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

// executor is a way to the server.
type executor interface {
	// ask sends a request and keeps the whole answer in it.
	ask(ctx context.Context, r *request) error
	// stream sends a request and gives the rows as they come.
	stream(ctx context.Context, r *request, each func(*row) error) error
}

// reads are the reads of one executor. It implements driver.Reader.
type reads struct {
	db   *DB
	exec executor
	// settled is up to where holes in the change log were dead before the state
	// that these reads see; negative: ask.
	settled int64
}

const (
	// longRead is the limit from which on a read counts as long.
	longRead = 2000
	// maxIDs is how many ids one statement takes; the protocol's bound is 65,535.
	maxIDs = 8192
)

// release gives a request back, unless a lane still has it.
func (x *reads) release(r *request) {
	if r.state.Load() != abandoned {
		r.release()
	}
}

// rows runs a request whose values are bound.
func (x *reads) rows(ctx context.Context, r *request, long bool, each func(*row) error) error {
	if !long {
		if err := x.exec.ask(ctx, r); err != nil || !r.over {
			if err == nil {
				err = r.each(r.plan.Kinds, each)
			}
			return err
		}
	}
	return x.exec.stream(ctx, r, each)
}

// whole is the residual reading of a request.
func (x *reads) whole(ctx context.Context, r *request) residual.Read {
	return func(each func(driver.Row) error) error {
		return x.exec.stream(ctx, r, func(row *row) error { return each(row) })
	}
}

// Select implements driver.Reader.
func (x *reads) Select(ctx context.Context, q *query.Select, each func(driver.Row) error) error {
	r := newRequest()
	defer x.release(r)
	r.plan, r.entity = x.db.gen.Select(q, &r.args), q.Entity
	r.bind()
	if r.plan.Residual {
		return residual.Select(q, x.whole(ctx, r), each)
	}
	long := q.Limit == 0 && !r.plan.Point || q.Limit >= longRead
	return x.rows(ctx, r, long, func(row *row) error { return each(row) })
}

// Count implements driver.Reader.
func (x *reads) Count(ctx context.Context, q *query.Select) (int64, error) {
	r := newRequest()
	defer x.release(r)
	r.plan, r.entity = x.db.gen.Count(q, &r.args), q.Entity
	r.bind()
	if r.plan.Residual {
		return residual.Count(q, x.whole(ctx, r))
	}
	if err := x.exec.ask(ctx, r); err != nil {
		return 0, err
	}
	return r.scalar(), nil
}

// Aggregate implements driver.Reader. Where the server finds a sum that no float
// holds, the worker computes the answer, in which it is null.
func (x *reads) Aggregate(ctx context.Context, q *query.Aggregate, each func(driver.Row) error) error {
	r := newRequest()
	defer x.release(r)
	r.plan, r.entity = x.db.gen.Aggregate(q, &r.args), q.Entity
	r.bind()
	if !r.plan.Residual {
		err := x.rows(ctx, r, false, func(row *row) error { return each(row) })
		if !hasCode(err, outOfRange) {
			return err
		}
		r.plan = x.db.gen.Rows(q, &r.args)
		r.bind()
	}
	return residual.Aggregate(q, x.whole(ctx, r), each)
}

// Links implements driver.Reader.
func (x *reads) Links(ctx context.Context, rel *schema.Relation, ids []string, reverse bool, each func(owner, target string) error) error {
	return driver.Links(ids, maxIDs, each, func(ids []string, each func(owner, target string) error) error {
		r := newRequest()
		defer x.release(r)
		r.plan = x.db.gen.Links(rel, len(ids), reverse, &r.args)
		r.begin(r.plan.Params)
		r.ids(ids, r.plan.Params)
		return x.rows(ctx, r, false, func(row *row) error { return each(row.string(0), row.string(1)) })
	})
}

// Oldest implements driver.Reader.
func (x *reads) Oldest(ctx context.Context) (int64, error) {
	r := newRequest()
	defer x.release(r)
	r.plan = x.db.log.Oldest
	r.begin(0)
	err := x.exec.ask(ctx, r)
	return r.scalar(), err
}

// Changes implements driver.Reader. It ends early where the changes are together
// larger than an answer may be; the first one is given in any case.
func (x *reads) Changes(ctx context.Context, after int64, limit int, each func(*mesh.Change) error) error {
	r := newRequest()
	defer x.release(r)
	r.plan = x.db.log.After
	for proven := false; ; {
		settled := x.settled
		if settled < 0 {
			settled = x.db.settled.Load()
		}
		r.begin(2)
		r.int(after)
		r.int(int64(limit))
		hole := int64(0)
		err := x.exec.ask(ctx, r)
		if err == nil {
			err = r.each(nil, func(row *row) error {
				seq := row.int(0)
				if seq > after+1 && seq-1 > settled && !x.db.options.cockroach {
					hole = seq - 1
					return errHole
				}
				after = seq
				limit--
				return each(row.change())
			})
		}
		if hole == 0 {
			return err
		}
		if x.settled >= 0 || proven {
			return nil
		}
		// One look at who writes: either the hole is dead by now, or its writer is
		// at work and will be met by the next call.
		if err := x.db.look(ctx, hole); err != nil {
			return err
		}
		proven = true
	}
}

// change reads a row of sqlgen.ChangeColumns.
func (r *row) change() *mesh.Change {
	c := &mesh.Change{
		Seq: r.int(0), Tx: r.int(1), Entity: r.string(2), ID: r.string(3),
		Verb: r.string(4), Version: r.int(5), After: r.copy(6), Old: r.copy(7),
		Principal: r.string(9), RequestID: r.string(10), Transport: r.string(11),
		IdempotencyKey: r.string(12), RequestHash: r.binary(13),
		At: time.UnixMilli(r.int(14)).UTC(),
	}
	return changelog.Complete(c, r.values[8])
}

// fixed is a statement of this package's own.
func fixed(sql string) *sqlgen.Plan { return &sqlgen.Plan{SQL: sql, Point: true} }

// pinned returns an id that a filter demands; empty if it names several, or none.
func pinned(e query.Expr) string {
	switch e := e.(type) {
	case query.Compare:
		if e.Column.Role == schema.RoleID && e.Op == query.Eq {
			return e.Value.Text()
		}
	case query.In:
		if e.Column.Role == schema.RoleID && !e.Negate && len(e.Values) == 1 {
			return e.Values[0].Text()
		}
	case query.And:
		for _, m := range e {
			if id := pinned(m); id != "" {
				return id
			}
		}
	}
	return ""
}
