package spanner

import (
	"context"
	"strconv"
	"sync"
	"time"

	"cloud.google.com/go/spanner"
	"google.golang.org/grpc/codes"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/changelog"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/residual"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// querier is a transaction of any kind.
type querier interface {
	Query(ctx context.Context, statement spanner.Statement) *spanner.RowIterator
}

// reader reads in one transaction, or each time in one of its own.
type reader struct {
	db *DB
	in func() querier
	// broken is the first error of Spanner's, unclassified: what the client
	// library must see to run a transaction again.
	broken error
}

func (db *DB) single() *reader {
	return &reader{db: db, in: func() querier { return db.client.Single() }}
}

var argsPool = sync.Pool{New: func() any { return new(sqlgen.Args) }}

// run runs a compiled statement whose values are gathered.
func (r *reader) run(ctx context.Context, p *sqlgen.Plan, a *sqlgen.Args, e *schema.Entity, each func(*row) error) error {
	params := make(map[string]any, p.Params)
	name := func() string { return "p" + strconv.Itoa(len(params)+1) }
	at := 0
	for _, l := range a.Lists {
		for ; at < l.First; at++ {
			params[name()] = native(a.Values[at])
		}
		params[name()] = array(a.Values[l.First : l.First+l.N])
		at += l.N
	}
	for ; at < len(a.Values); at++ {
		params[name()] = native(a.Values[at])
	}
	a.Reset()
	return r.query(ctx, spanner.Statement{SQL: p.SQL, Params: params}, p.Kinds, e, each)
}

func (r *reader) query(ctx context.Context, s spanner.Statement, kinds []schema.Kind, e *schema.Entity, each func(*row) error) error {
	var stopped error
	out := row{kinds: kinds}
	err := r.in().Query(ctx, s).Do(func(from *spanner.Row) error {
		out.from = from
		stopped = each(&out)
		return stopped
	})
	switch {
	case stopped != nil:
		return stopped
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if r.broken == nil {
		r.broken = err
	}
	return classify(err, e)
}

// fixed runs a statement of the log with its parameters in order.
func (r *reader) fixed(ctx context.Context, p *sqlgen.Plan, each func(*row) error, params ...any) error {
	s := spanner.Statement{SQL: p.SQL, Params: make(map[string]any, len(params))}
	for i, v := range params {
		s.Params["p"+strconv.Itoa(i+1)] = v
	}
	return r.query(ctx, s, nil, nil, each)
}

// Select implements driver.Reader.
func (r *reader) Select(ctx context.Context, q *query.Select, each func(driver.Row) error) error {
	a := argsPool.Get().(*sqlgen.Args)
	defer argsPool.Put(a)
	p := r.db.gen.Select(q, a)
	read := func(each func(driver.Row) error) error {
		return r.run(ctx, p, a, q.Entity, func(row *row) error { return each(row) })
	}
	if p.Residual {
		return residual.Select(q, read, each)
	}
	return read(each)
}

// Count implements driver.Reader.
func (r *reader) Count(ctx context.Context, q *query.Select) (n int64, err error) {
	a := argsPool.Get().(*sqlgen.Args)
	defer argsPool.Put(a)
	p := r.db.gen.Count(q, a)
	if !p.Residual && r.db.plain && q.Limit+q.Skip > 0 {
		all := *q
		all.Limit, all.Skip = 0, 0
		n, err := r.Count(ctx, &all)
		if n = max(0, n-int64(q.Skip)); q.Limit > 0 {
			n = min(n, int64(q.Limit))
		}
		return n, err
	}
	if p.Residual {
		return residual.Count(q, func(each func(driver.Row) error) error {
			return r.run(ctx, p, a, q.Entity, func(row *row) error { return each(row) })
		})
	}
	err = r.run(ctx, p, a, q.Entity, func(row *row) error {
		n = row.num(0)
		return nil
	})
	return n, err
}

// Aggregate implements driver.Reader. What Spanner can't compute, or refuses as
// out of range, is computed here from the rows.
func (r *reader) Aggregate(ctx context.Context, q *query.Aggregate, each func(driver.Row) error) error {
	a := argsPool.Get().(*sqlgen.Args)
	defer argsPool.Put(a)
	rows := func(p *sqlgen.Plan) error {
		return residual.Aggregate(q, func(each func(driver.Row) error) error {
			return r.run(ctx, p, a, q.Entity, func(row *row) error { return each(row) })
		}, each)
	}
	if r.db.plain || summed(q) {
		return rows(r.db.gen.Rows(q, a))
	}
	p := r.db.gen.Aggregate(q, a)
	if p.Residual {
		return rows(p)
	}
	shown := false
	err := r.run(ctx, p, a, q.Entity, func(row *row) error {
		shown = true
		return each(row)
	})
	if spanner.ErrCode(r.broken) == codes.OutOfRange && !shown {
		r.broken = nil
		return rows(r.db.gen.Rows(q, a))
	}
	return err
}

// maxIDs is how many ids one statement takes.
const maxIDs = 4096

// Links implements driver.Reader.
func (r *reader) Links(ctx context.Context, rel *schema.Relation, ids []string, reverse bool, each func(owner, target string) error) error {
	a := argsPool.Get().(*sqlgen.Args)
	defer argsPool.Put(a)
	return driver.Links(ids, maxIDs, each, func(ids []string, each func(owner, target string) error) error {
		p := r.db.gen.Links(rel, len(ids), reverse, a)
		return r.fixed(ctx, p, func(row *row) error { return each(row.text(0), row.text(1)) }, ids)
	})
}

// Changes implements driver.Reader. The counter row gives the numbers and
// transactions commit in their order, so there are no holes to wait for.
func (r *reader) Changes(ctx context.Context, after int64, limit int, each func(*mesh.Change) error) error {
	return r.fixed(ctx, r.db.log.After, func(row *row) error { return each(row.change()) }, after, int64(limit))
}

// change reads a row of sqlgen.ChangeColumns.
func (r *row) change() *mesh.Change {
	c := &mesh.Change{
		Seq: r.num(0), Tx: r.num(1), Entity: r.text(2), ID: r.text(3), Verb: r.text(4), Version: r.num(5),
		After: r.bytes(6), Old: r.bytes(7), Principal: r.text(9), RequestID: r.text(10), Transport: r.text(11),
		IdempotencyKey: r.text(12), RequestHash: r.binary(13), At: time.UnixMilli(r.num(14)).UTC(),
	}
	return changelog.Complete(c, r.bytes(8))
}

// Oldest implements driver.Reader.
func (r *reader) Oldest(ctx context.Context) (n int64, err error) {
	err = r.fixed(ctx, r.db.log.Oldest, func(row *row) error {
		n = row.num(0)
		return nil
	})
	return n, err
}

// Replay implements overlay.Base.
func (r *reader) Replay(principal, key string) (*driver.Stored, error) {
	var found *driver.Stored
	err := r.fixed(context.Background(), r.db.log.ByKey, func(row *row) error {
		c := row.change()
		found = &driver.Stored{Hash: c.RequestHash, Change: c, Seq: c.Seq}
		return nil
	}, principal, key)
	if err != nil || found != nil {
		return found, err
	}
	err = r.fixed(context.Background(), r.db.log.Reply, func(row *row) error {
		found = &driver.Stored{Hash: row.binary(0), Body: row.bytes(1), Seq: row.num(2)}
		return nil
	}, principal, key)
	return found, err
}
