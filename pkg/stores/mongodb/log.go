package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/store/changelog"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// The change log is the collection _octo_changes, whose _id is the seq; the
// other members are sqlgen.ChangeColumns, null ones left out. Numbers are given
// in the order of commits and without holes (writer.go), so a read need not wait
// for any; it asks for what a majority has, so that no failover takes back what
// was published.

// indexIdem keeps an idempotency key to one change.
const indexIdem = "uq" + sqlgen.ChangesTable + "_idem"

func changeDoc(c *mesh.Change, seq, tx int64) bson.Raw {
	d := newDoc().int("_id", seq).int("tx", tx).text("entity", c.Entity).text("rec_id", c.ID).text("verb", c.Verb).int("version", c.Version)
	if c.After != nil {
		d.text("after", string(c.After))
	}
	if old := changelog.OldColumn(c); old != nil {
		d.text("old", string(old))
	}
	if c.Changed != nil {
		d.text("changed", string(changelog.AppendChanged(nil, c)))
	}
	d.text("principal", c.Principal).text("request_id", c.RequestID).text("transport", c.Transport)
	if c.IdempotencyKey != "" {
		d.text("idem", c.IdempotencyKey)
	}
	if c.RequestHash != nil {
		d.bytes("req_hash", c.RequestHash)
	}
	return d.date("at", c.At.UnixMilli()).raw()
}

// change reads a document of the log.
func change(raw bson.Raw) *mesh.Change {
	text := func(name string) string {
		s, _ := raw.Lookup(name).StringValueOK()
		return s
	}
	bytes := func(name string) []byte {
		if s, ok := raw.Lookup(name).StringValueOK(); ok {
			return []byte(s)
		}
		return nil
	}
	number := func(name string) int64 {
		n, _ := raw.Lookup(name).AsInt64OK()
		return n
	}
	c := &mesh.Change{
		Seq: number("_id"), Tx: number("tx"), Entity: text("entity"), ID: text("rec_id"), Verb: text("verb"), Version: number("version"),
		After: bytes("after"), Old: bytes("old"), Principal: text("principal"), RequestID: text("request_id"), Transport: text("transport"),
		IdempotencyKey: text("idem"),
	}
	if _, hash, ok := raw.Lookup("req_hash").BinaryOK(); ok {
		c.RequestHash = append([]byte(nil), hash...)
	}
	if at, ok := raw.Lookup("at").DateTimeOK(); ok {
		c.At = time.UnixMilli(at).UTC()
	}
	return changelog.Complete(c, bytes("changed"))
}

// Changes implements driver.Reader.
func (r *reader) Changes(ctx context.Context, after int64, limit int, each func(*mesh.Change) error) error {
	filter := newDoc().object("_id").int("$gt", after).raw()
	at := r.bind(ctx)
	o := options.Find().SetSort(byID).SetLimit(int64(limit)).SetBatchSize(int32(min(limit, batch)))
	cur, err := r.db.changes.Find(at, filter, o)
	if err != nil {
		return r.failed(ctx, err, nil)
	}
	return r.each(ctx, at, cur, nil, func(raw bson.Raw) error { return each(change(raw)) })
}

var (
	everything = newDoc().raw()
	byID       = newDoc().one("_id", 1).raw()
	newest     = newDoc().one("_id", -1).raw()
	onlyID     = newDoc().one("_id", 1).raw()
)

// Oldest implements driver.Reader.
func (r *reader) Oldest(ctx context.Context) (int64, error) { return r.seq(ctx, byID) }

// seq is the _id of the first change in an order; 0 if there is none.
func (r *reader) seq(ctx context.Context, order bson.Raw) (int64, error) {
	raw, err := r.db.changes.FindOne(r.bind(ctx), everything, options.FindOne().SetSort(order).SetProjection(onlyID)).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return 0, nil
	}
	if err != nil {
		return 0, r.failed(ctx, err, nil)
	}
	n, _ := raw.Lookup("_id").AsInt64OK()
	return n, nil
}

// replay reads what an idempotency key has stored.
func (r *reader) replay(ctx context.Context, principal, key string) (*driver.Stored, error) {
	raw, err := r.db.changes.FindOne(r.bind(ctx), newDoc().text("principal", principal).text("idem", key).raw()).Raw()
	if err == nil {
		c := change(raw)
		return &driver.Stored{Hash: c.RequestHash, Change: c, Seq: c.Seq}, nil
	}
	if !errors.Is(err, mongo.ErrNoDocuments) {
		return nil, r.failed(ctx, err, nil)
	}
	raw, err = r.db.replies.FindOne(r.bind(ctx), newDoc().object("_id").text("principal", principal).text("idem", key).raw()).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	if err != nil {
		return nil, r.failed(ctx, err, nil)
	}
	stored := &driver.Stored{}
	if _, hash, ok := raw.Lookup("req_hash").BinaryOK(); ok {
		stored.Hash = append([]byte(nil), hash...)
	}
	body, _ := raw.Lookup("body").StringValueOK()
	stored.Body = []byte(body)
	stored.Seq, _ = raw.Lookup("seq").AsInt64OK()
	return stored, nil
}

func replyDoc(principal, key string, hash, body []byte, seq int64, at time.Time) bson.Raw {
	d := newDoc().object("_id").text("principal", principal).text("idem", key).end()
	if hash != nil {
		d.bytes("req_hash", hash)
	}
	return d.text("body", string(body)).int("seq", seq).date("at", at.UnixMilli()).raw()
}

// Trim implements driver.Conn.
func (db *DB) Trim(ctx context.Context, before time.Time, upTo int64) (int, error) {
	newest, err := db.Committed(ctx)
	if err != nil {
		return 0, err
	}
	low, err := db.Oldest(ctx)
	if err != nil {
		return 0, err
	}
	total := 0
	if low > 0 {
		border, err := driver.Border(low, newest, before, func(from int64) (seq, at int64, err error) { return db.timeFrom(ctx, from) })
		if err != nil {
			return 0, err
		}
		n, err := db.changes.DeleteMany(ctx, newDoc().object("_id").int("$lt", min(border, newest, upTo+1)).raw())
		if err != nil {
			return 0, db.failed(ctx, err, nil)
		}
		total += int(n.DeletedCount)
	}
	n, err := db.replies.DeleteMany(ctx, newDoc().object("at").date("$lt", before.UnixMilli()).raw())
	if err != nil {
		return total, db.failed(ctx, err, nil)
	}
	return total + int(n.DeletedCount), nil
}

// timeFrom gives seq and time of the first change from a seq on; 0 if there is
// none.
func (db *DB) timeFrom(ctx context.Context, from int64) (seq, at int64, err error) {
	filter := newDoc().object("_id").int("$gte", from).raw()
	o := options.FindOne().SetSort(byID).SetProjection(newDoc().one("at", 1).raw())
	raw, err := db.changes.FindOne(ctx, filter, o).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, db.failed(ctx, err, nil)
	}
	seq, _ = raw.Lookup("_id").AsInt64OK()
	at, _ = raw.Lookup("at").DateTimeOK()
	return seq, at, nil
}
