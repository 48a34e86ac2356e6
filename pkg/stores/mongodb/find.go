package mongodb

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/residual"
)

const (
	// maxIDs is how many ids one statement names.
	maxIDs = 4096
	// batch is how many documents an unbounded read takes at once.
	batch = 1000
)

// reader reads in a session, or in none. It implements driver.Reader.
type reader struct {
	db *DB
	// in binds a context to the reader's session; nil = to none.
	in func(context.Context) context.Context
}

func (r *reader) bind(ctx context.Context) context.Context {
	if r.in == nil {
		return ctx
	}
	return r.in(ctx)
}

// Select implements driver.Reader.
func (r *reader) Select(ctx context.Context, q *query.Select, each func(driver.Row) error) error {
	filter := newDoc()
	if filter.appendFilter(q.Where, false) {
		return r.scan(ctx, q, filter.raw(), q.Projection.Columns, each)
	}
	return residual.Select(q, r.whole(ctx, q, filter.raw()), each)
}

// whole reads the records that filter leaves, in q's order, for what MongoDB
// only narrows down.
func (r *reader) whole(ctx context.Context, q *query.Select, filter bson.Raw) residual.Read {
	all := &query.Select{Entity: q.Entity, Sort: q.Sort}
	return func(each func(driver.Row) error) error {
		return r.scan(ctx, all, filter, q.Entity.Columns, each)
	}
}

// scan runs a find and gives its documents as rows of those columns.
func (r *reader) scan(ctx context.Context, q *query.Select, filter bson.Raw, columns []*schema.Column, each func(driver.Row) error) error {
	w := newRow(columns)
	return r.find(ctx, q, filter, w.names, func(raw bson.Raw) error {
		if err := w.set(raw); err != nil {
			return err
		}
		return each(w)
	})
}

// find runs a find; Where of q is filter already.
func (r *reader) find(ctx context.Context, q *query.Select, filter bson.Raw, names []string, each func(bson.Raw) error) error {
	o := options.Find().SetProjection(projection(names)).SetAllowDiskUse(true)
	if len(q.Sort) > 0 {
		o.SetSort(order(q.Sort))
	}
	if q.Skip > 0 {
		o.SetSkip(int64(q.Skip))
	}
	if q.Limit > 0 {
		o.SetLimit(int64(q.Limit))
	}
	if q.Limit > 0 && q.Limit <= batch {
		o.SetBatchSize(int32(q.Limit)) // all in the first answer
	} else {
		o.SetBatchSize(batch)
	}
	at := r.bind(ctx)
	cur, err := r.db.data.Collection(q.Entity.Collection).Find(at, filter, o)
	if err != nil {
		return r.failed(ctx, err, q.Entity)
	}
	return r.each(ctx, at, cur, q.Entity, each)
}

// each gives a cursor's documents and closes it.
func (r *reader) each(ctx, at context.Context, cur *mongo.Cursor, e *schema.Entity, each func(bson.Raw) error) (err error) {
	defer func() {
		// Closing what has been read whole does nothing; it must come about
		// though the caller is gone.
		if bad := cur.Close(context.WithoutCancel(at)); err == nil && bad != nil {
			err = r.failed(ctx, bad, e)
		}
	}()
	for cur.Next(at) {
		if err := each(cur.Current); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return r.failed(ctx, cur.Err(), e)
}

// failed classifies; what the caller's own context ended is that.
func (r *reader) failed(ctx context.Context, err error, e *schema.Entity) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return classify(err, e)
}

func projection(names []string) bson.Raw {
	d := newDoc()
	if !slices.Contains(names, "_id") && len(names) > 0 {
		d.one("_id", 0)
	}
	for _, name := range names {
		d.one(name, 1)
	}
	if len(names) == 0 {
		d.one("_id", 1)
	}
	return d.raw()
}

// order writes a sort. Null and what is not there are the lowest for MongoDB
// too.
func order(keys []query.Order) bson.Raw {
	d := newDoc()
	for i, o := range keys {
		if slices.ContainsFunc(keys[:i], func(p query.Order) bool { return p.Column == o.Column }) {
			continue
		}
		n := int32(1)
		if o.Desc {
			n = -1
		}
		d.one(member(o.Column), n)
	}
	return d.raw()
}

// Count implements driver.Reader.
func (r *reader) Count(ctx context.Context, q *query.Select) (int64, error) {
	filter := newDoc()
	if !filter.appendFilter(q.Where, false) {
		return residual.Count(q, r.whole(ctx, &query.Select{Entity: q.Entity}, filter.raw()))
	}
	o := options.Count()
	if q.Skip > 0 {
		o.SetSkip(int64(q.Skip))
	}
	if q.Limit > 0 {
		o.SetLimit(int64(q.Limit))
	}
	n, err := r.db.data.Collection(q.Entity.Collection).CountDocuments(r.bind(ctx), filter.raw(), o)
	return n, r.failed(ctx, err, q.Entity)
}

// Links implements driver.Reader.
func (r *reader) Links(ctx context.Context, rel *schema.Relation, ids []string, reverse bool, each func(owner, target string) error) error {
	return driver.Links(ids, maxIDs, each, func(ids []string, each func(owner, target string) error) error {
		return r.links(ctx, rel, ids, reverse, each)
	})
}

func (r *reader) links(ctx context.Context, rel *schema.Relation, ids []string, reverse bool, each func(owner, target string) error) error {
	given := rel.OwnerKey
	if reverse {
		given = rel.TargetKey
	}
	filter := newDoc()
	filter.object(given).array("$in")
	for _, id := range ids {
		filter.text("", id)
	}
	keys := newDoc().one(rel.OwnerKey, 1).one(rel.TargetKey, 1).raw()
	at := r.bind(ctx)
	cur, err := r.db.data.Collection(rel.Through).Find(at, filter.raw(), options.Find().SetSort(keys).SetBatchSize(batch).SetAllowDiskUse(true))
	if err != nil {
		return r.failed(ctx, err, nil)
	}
	w := &row{names: []string{rel.OwnerKey, rel.TargetKey}, kinds: []schema.Kind{schema.KindText, schema.KindText}}
	w.values = make([]value, 2)
	return r.each(ctx, at, cur, nil, func(raw bson.Raw) error {
		if err := w.set(raw); err != nil {
			return err
		}
		return each(string(w.Text(0)), string(w.Text(1)))
	})
}
