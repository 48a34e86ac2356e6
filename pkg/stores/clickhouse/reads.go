package clickhouse

import (
	"context"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/changelog"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/residual"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

var argsPool = sync.Pool{New: func() any { return new(sqlgen.Args) }}

// run runs a compiled statement whose values are gathered.
func (db *DB) run(ctx context.Context, p *sqlgen.Plan, a *sqlgen.Args, e *schema.Entity, each func(*row) error) error {
	sql := render(p.SQL, a.Values)
	a.Reset()
	return db.query(ctx, sql, p.Kinds, e, each)
}

func (db *DB) query(ctx context.Context, sql string, kinds []schema.Kind, e *schema.Entity, each func(*row) error) error {
	rows, err := db.conn.Query(ctx, sql)
	if err != nil {
		return classify(ctx, err, e)
	}
	defer func() { _ = rows.Close() }() // Err has told
	types := rows.ColumnTypes()
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.DatabaseTypeName()
	}
	for rows.Next() {
		r := newRow(names, kinds) // what it scans into is each row's own
		if err := rows.Scan(r.dest...); err != nil {
			return classify(ctx, err, e)
		}
		if err := each(r); err != nil {
			return err
		}
	}
	return classify(ctx, rows.Err(), e)
}

// fixed runs a statement of the log.
func (db *DB) fixed(ctx context.Context, p *sqlgen.Plan, each func(*row) error, values ...schema.Value) error {
	return db.query(ctx, render(p.SQL, values), nil, nil, each)
}

// Select implements driver.Reader.
func (db *DB) Select(ctx context.Context, q *query.Select, each func(driver.Row) error) error {
	a := argsPool.Get().(*sqlgen.Args)
	defer argsPool.Put(a)
	p := db.gen.Select(q, a)
	read := db.rows(ctx, p, a, q.Entity)
	if p.Residual {
		return residual.Select(q, read, each)
	}
	return read(each)
}

func (db *DB) rows(ctx context.Context, p *sqlgen.Plan, a *sqlgen.Args, e *schema.Entity) residual.Read {
	return func(each func(driver.Row) error) error {
		return db.run(ctx, p, a, e, func(r *row) error { return each(r) })
	}
}

// Count implements driver.Reader.
func (db *DB) Count(ctx context.Context, q *query.Select) (n int64, err error) {
	a := argsPool.Get().(*sqlgen.Args)
	defer argsPool.Put(a)
	p := db.gen.Count(q, a)
	if p.Residual {
		return residual.Count(q, db.rows(ctx, p, a, q.Entity))
	}
	err = db.run(ctx, p, a, q.Entity, func(r *row) error {
		n = r.num(0)
		return nil
	})
	return n, err
}

// Aggregate implements driver.Reader.
func (db *DB) Aggregate(ctx context.Context, q *query.Aggregate, each func(driver.Row) error) error {
	a := argsPool.Get().(*sqlgen.Args)
	defer argsPool.Put(a)
	p := db.gen.Aggregate(q, a)
	read := db.rows(ctx, p, a, q.Entity)
	if p.Residual {
		return residual.Aggregate(q, read, each)
	}
	return read(each)
}

// maxIDs is how many ids one statement takes.
const maxIDs = 4096

// Links implements driver.Reader.
func (db *DB) Links(ctx context.Context, rel *schema.Relation, ids []string, reverse bool, each func(owner, target string) error) error {
	a := argsPool.Get().(*sqlgen.Args)
	defer argsPool.Put(a)
	return driver.Links(ids, maxIDs, each, func(ids []string, each func(owner, target string) error) error {
		p := db.gen.Links(rel, len(ids), reverse, a)
		values := make([]schema.Value, p.Params)
		for i := range values {
			values[i] = schema.TextOf(ids[min(i, len(ids)-1)])
		}
		return db.fixed(ctx, p, func(r *row) error { return each(r.text(0), r.text(1)) }, values...)
	})
}

// Changes implements driver.Reader. One writer gives the numbers and stores the
// changes in their order, so there are no holes to wait for.
func (db *DB) Changes(ctx context.Context, after int64, limit int, each func(*mesh.Change) error) error {
	return db.fixed(ctx, db.log.After, func(r *row) error { return each(r.change()) }, schema.IntOf(after), schema.IntOf(int64(limit)))
}

// change reads a row of sqlgen.ChangeColumns.
func (r *row) change() *mesh.Change {
	c := &mesh.Change{
		Seq: r.num(0), Tx: r.num(1), Entity: r.text(2), ID: r.text(3), Verb: r.text(4), Version: r.num(5),
		After: r.bytes(6), Old: r.bytes(7), Principal: r.text(9), RequestID: r.text(10), Transport: r.text(11),
		IdempotencyKey: r.text(12), RequestHash: r.opaque(13), At: time.UnixMilli(r.num(14)).UTC(),
	}
	return changelog.Complete(c, r.bytes(8))
}

// Oldest implements driver.Reader.
func (db *DB) Oldest(ctx context.Context) (int64, error) { return db.number(ctx, db.log.Oldest) }

// number reads one integer; null is 0.
func (db *DB) number(ctx context.Context, p *sqlgen.Plan) (n int64, err error) {
	err = db.fixed(ctx, p, func(r *row) error {
		n = r.num(0)
		return nil
	})
	return n, err
}

// Replay implements overlay.Base.
func (db *DB) Replay(principal, key string) (*driver.Stored, error) {
	var found *driver.Stored
	values := []schema.Value{schema.TextOf(principal), schema.TextOf(key)}
	err := db.fixed(context.Background(), db.log.ByKey, func(r *row) error {
		c := r.change()
		found = &driver.Stored{Hash: c.RequestHash, Change: c, Seq: c.Seq}
		return nil
	}, values...)
	if err != nil || found != nil {
		return found, err
	}
	err = db.fixed(context.Background(), db.log.Reply, func(r *row) error {
		found = &driver.Stored{Hash: r.opaque(0), Body: r.bytes(1), Seq: r.num(2)}
		return nil
	}, values...)
	return found, err
}
