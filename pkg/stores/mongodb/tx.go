package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// tx is the writes of one group, or of one unit on a standalone server. Only the
// writer's goroutine touches it.
type tx struct {
	db    *DB
	ctx   context.Context // of the session; a write is never interrupted
	read  reader
	base  int64 // the last number before this transaction
	seq   int64 // the last number given
	first int64 // the first number given in this unit, 0 if none
	wrote bool  // this unit has written
	raw   error // what a statement failed with, as it came: the transaction is over
	open  bool
	// undo, on a standalone server, is what takes this unit's writes back, in the
	// order of the writes.
	undo []func(context.Context) error
	// log, on a standalone server, is the changes of this unit.
	log []any
}

var _ driver.Tx = (*tx)(nil)

func newTx(db *DB, ctx context.Context) *tx {
	t := &tx{db: db, ctx: ctx, open: true}
	t.read = reader{db: db, in: func(context.Context) context.Context { return t.ctx }}
	return t
}

// turn takes the transaction's turn at the counter and reads where the log
// stands. A statement that changes nothing would take no lock, so it counts.
func (t *tx) turn() error {
	update := newDoc().object("$inc").int("turn", 1).raw()
	raw, err := t.db.meta.FindOneAndUpdate(t.ctx, named(metaTurn), update, options.FindOneAndUpdate().SetReturnDocument(options.After)).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return fault.New(fault.DBNotConnected, "the document %q of %s is gone; start the service again", metaTurn, sqlgen.MetaTable)
	}
	if err != nil {
		return t.fail(err, nil)
	}
	t.base, _ = raw.Lookup("n").AsInt64OK()
	t.seq = t.base
	return nil
}

// settle writes the last number down, before the commit.
func (t *tx) settle() error {
	if t.seq == t.base {
		return nil
	}
	_, err := t.db.meta.UpdateOne(t.ctx, named(metaTurn), newDoc().object("$set").int("n", t.seq).raw())
	return t.fail(err, nil)
}

// check refuses work behind the end of a transaction.
func (t *tx) check() error {
	if !t.open || t.raw != nil {
		return fault.New(fault.Internal, "the transaction has ended")
	}
	return nil
}

// fail classifies the outcome of a statement and keeps what it failed with.
func (t *tx) fail(err error, e *schema.Entity) error {
	if err != nil && t.raw == nil {
		t.raw = err
	}
	return classify(err, e)
}

// record is the condition of one record. Entities that share a collection are told
// apart.
func record(e *schema.Entity, key string) bson.Raw {
	d := newDoc().text("_id", key)
	if c := sqlgen.Discriminator(e); c != nil {
		d.text(member(c), e.DiscriminatorValue)
	}
	return d.raw()
}

func (t *tx) collection(e *schema.Entity) *mongo.Collection {
	return t.db.data.Collection(e.Collection)
}

// Load implements driver.Tx. The turn locks the row, see writer.go.
func (t *tx) Load(e *schema.Entity, key string) (schema.Row, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	raw, err := t.collection(e).FindOne(t.ctx, record(e, key)).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	if err != nil {
		return nil, t.fail(err, e)
	}
	w := newRow(e.Columns)
	if err := w.set(raw); err != nil {
		return nil, err
	}
	out := make(schema.Row, len(e.Columns))
	for i := range out {
		out[i] = w.Value(i)
	}
	return out, nil
}

// Insert implements driver.Tx.
func (t *tx) Insert(e *schema.Entity, row schema.Row) error {
	if err := t.check(); err != nil {
		return err
	}
	d := newDoc()
	disc := sqlgen.Discriminator(e)
	for i, c := range e.Columns {
		switch {
		case c == disc:
			d.text(member(c), e.DiscriminatorValue)
		case !row[i].IsNull(): // null is what is not there: see the unique indexes
			d.value(member(c), row[i])
		}
	}
	t.wrote = true
	c := t.collection(e)
	if _, err := c.InsertOne(t.ctx, d.raw()); err != nil {
		return t.fail(err, e)
	}
	key := row[0].Text()
	t.undone(func(ctx context.Context) error {
		_, err := c.DeleteOne(ctx, named(key))
		return err
	})
	return nil
}

// Update implements driver.Tx.
func (t *tx) Update(e *schema.Entity, row schema.Row, set []*schema.Column) error {
	if err := t.check(); err != nil || len(set) == 0 {
		return err
	}
	d := newDoc()
	for _, null := range []bool{false, true} {
		begun := false
		for _, c := range set {
			if row[c.Index].IsNull() != null {
				continue
			}
			if !begun {
				begun = true
				d.object(map[bool]string{false: "$set", true: "$unset"}[null])
			}
			if null {
				d.one(member(c), 1)
			} else {
				d.value(member(c), row[c.Index])
			}
		}
		if begun {
			d.end()
		}
	}
	t.wrote = true
	c, filter := t.collection(e), record(e, row[0].Text())
	if t.db.transactions {
		_, err := c.UpdateOne(t.ctx, filter, d.raw())
		return t.fail(err, e)
	}
	before, err := c.FindOneAndUpdate(t.ctx, filter, d.raw()).Raw()
	return t.replaced(c, before, err, e)
}

// replaced notes how a document that was changed or deleted comes back.
func (t *tx) replaced(c *mongo.Collection, before bson.Raw, err error, e *schema.Entity) error {
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil
	}
	if err != nil {
		return t.fail(err, e)
	}
	before = append(bson.Raw(nil), before...)
	t.undone(func(ctx context.Context) error {
		filter := wrappedValue("_id", before.Lookup("_id"))
		_, err := c.ReplaceOne(ctx, filter, before, options.Replace().SetUpsert(true))
		return err
	})
	return nil
}

// Delete implements driver.Tx.
func (t *tx) Delete(e *schema.Entity, key string) error {
	if err := t.check(); err != nil {
		return err
	}
	t.wrote = true
	c, filter := t.collection(e), record(e, key)
	if t.db.transactions {
		_, err := c.DeleteOne(t.ctx, filter)
		return t.fail(err, e)
	}
	before, err := c.FindOneAndDelete(t.ctx, filter).Raw()
	return t.replaced(c, before, err, e)
}

// A link is a document whose _id holds both ids, so that there is one of each.
func linkID(owner, target string) string { return owner + "/" + target } // no id has a slash

// Link implements driver.Tx.
func (t *tx) Link(r *schema.Relation, owner string, targets []string) error {
	if err := t.check(); err != nil {
		return err
	}
	c := t.db.data.Collection(r.Through)
	for _, target := range targets {
		t.wrote = true
		key := named(linkID(owner, target))
		d := newDoc().object("$setOnInsert").text(r.OwnerKey, owner).text(r.TargetKey, target).raw()
		done, err := c.UpdateOne(t.ctx, key, d, options.UpdateOne().SetUpsert(true))
		if err != nil {
			return t.fail(err, nil)
		}
		if done.UpsertedCount > 0 {
			t.undone(func(ctx context.Context) error {
				_, err := c.DeleteOne(ctx, key)
				return err
			})
		}
	}
	return nil
}

// Unlink implements driver.Tx.
func (t *tx) Unlink(r *schema.Relation, owner string, targets []string) error {
	if err := t.check(); err != nil || len(targets) == 0 {
		return err
	}
	t.wrote = true
	c := t.db.data.Collection(r.Through)
	if !t.db.transactions {
		for _, target := range targets {
			before, err := c.FindOneAndDelete(t.ctx, named(linkID(owner, target))).Raw()
			if err := t.replaced(c, before, err, nil); err != nil {
				return err
			}
		}
		return nil
	}
	for len(targets) > 0 {
		n := min(len(targets), maxIDs)
		d := newDoc().object("_id").array("$in")
		for _, target := range targets[:n] {
			d.text("", linkID(owner, target))
		}
		if _, err := c.DeleteMany(t.ctx, d.raw()); err != nil {
			return t.fail(err, nil)
		}
		targets = targets[n:]
	}
	return nil
}

// Append implements driver.Tx.
func (t *tx) Append(c *mesh.Change) error {
	if err := t.check(); err != nil {
		return err
	}
	seq := t.seq + 1
	first := t.first
	if first == 0 {
		first = seq
	}
	at := c.Tx
	if at == 0 {
		at = first
	}
	t.wrote = true
	if doc := changeDoc(c, seq, at); !t.db.transactions {
		t.log = append(t.log, doc)
	} else if _, err := t.db.changes.InsertOne(t.ctx, doc); err != nil {
		return t.fail(err, nil)
	}
	t.seq, t.first = seq, first
	c.Seq, c.Tx = seq, at
	return nil
}

// Replay implements driver.Tx.
func (t *tx) Replay(principal, key string) (*driver.Stored, error) {
	if err := t.check(); err != nil || key == "" {
		return nil, err
	}
	s, err := t.read.replay(t.ctx, principal, key)
	return s, t.seen(err)
}

// StoreReply implements driver.Tx. The reply's position is the last number given
// so far.
func (t *tx) StoreReply(principal, key string, hash, body []byte, at time.Time) error {
	if err := t.check(); err != nil {
		return err
	}
	t.wrote = true
	d := replyDoc(principal, key, hash, body, t.seq, at)
	if _, err := t.db.replies.InsertOne(t.ctx, d); err != nil {
		return t.fail(err, nil)
	}
	t.undone(func(ctx context.Context) error {
		_, err := t.db.replies.DeleteOne(ctx, wrappedValue("_id", d.Lookup("_id")))
		return err
	})
	return nil
}

// seen keeps what a read failed with, which ends the transaction too.
func (t *tx) seen(err error) error {
	var f *fault.Error
	if errors.As(err, &f) && errors.Unwrap(f) != nil && t.raw == nil && transient(err) {
		t.raw = err
	}
	return err
}

// Select implements driver.Reader.
func (t *tx) Select(_ context.Context, q *query.Select, each func(driver.Row) error) error {
	if err := t.check(); err != nil {
		return err
	}
	return t.seen(t.read.Select(t.ctx, q, each))
}

// Count implements driver.Reader.
func (t *tx) Count(_ context.Context, q *query.Select) (int64, error) {
	if err := t.check(); err != nil {
		return 0, err
	}
	n, err := t.read.Count(t.ctx, q)
	return n, t.seen(err)
}

// Aggregate implements driver.Reader.
func (t *tx) Aggregate(_ context.Context, q *query.Aggregate, each func(driver.Row) error) error {
	if err := t.check(); err != nil {
		return err
	}
	return t.seen(t.read.Aggregate(t.ctx, q, each))
}

// Links implements driver.Reader.
func (t *tx) Links(_ context.Context, r *schema.Relation, ids []string, reverse bool, each func(owner, target string) error) error {
	if err := t.check(); err != nil {
		return err
	}
	return t.seen(t.read.Links(t.ctx, r, ids, reverse, each))
}

// Changes implements driver.Reader.
func (t *tx) Changes(_ context.Context, after int64, limit int, each func(*mesh.Change) error) error {
	if err := t.check(); err != nil {
		return err
	}
	return t.seen(t.read.Changes(t.ctx, after, limit, each))
}

// Oldest implements driver.Reader.
func (t *tx) Oldest(context.Context) (int64, error) {
	if err := t.check(); err != nil {
		return 0, err
	}
	n, err := t.read.Oldest(t.ctx)
	return n, t.seen(err)
}
