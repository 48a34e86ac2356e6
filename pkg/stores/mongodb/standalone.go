package mongodb

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/queue"
)

// On a standalone server there are no transactions. Units follow one another by
// a lock in the document "turn" that has a term; the rows are written first,
// then the changes, each numbered by the one before it: _id is unique, so there
// are neither holes nor two of a number. What a unit has written is taken back
// when it fails. What this does not give: others see a unit's writes one by one,
// and when this process or the server dies within a unit, its writes stay half
// done and may lack their changes.

// term is how long a unit may hold the lock; whoever finds it older takes it.
const term = 10 * time.Second

// owner names this process's writer in the lock.
var owner = rand.Text()

// unaided runs a job on a standalone server. Errors: TIMEOUT when some of it may
// be left, else those of the job.
func (w *writer) unaided(j *queue.Job) error {
	ctx, cancel := context.WithTimeout(context.Background(), term-time.Second)
	defer cancel()
	t := newTx(w.db, ctx)
	if err := t.lock(); err != nil {
		return err
	}
	err := j.Unit.Guard(t)
	t.open = false
	if err == nil {
		err = t.logged()
	}
	if err != nil {
		if left := t.takeBack(); left != nil || t.wrote && unanswered(t.raw) {
			err = lost(errors.Join(err, left))
		}
	}
	t.unlock()
	return err
}

// logged stores the unit's changes, now that it has not failed: a number that
// somebody has read is never taken back and given again.
func (t *tx) logged() error {
	if len(t.log) == 0 {
		return nil
	}
	t.undone(func(ctx context.Context) error {
		_, err := t.db.changes.DeleteMany(ctx, newDoc().object("_id").int("$gt", t.base).end().raw())
		return err
	})
	if _, err := t.db.changes.InsertMany(t.ctx, t.log); err != nil {
		return t.fail(err, nil)
	}
	return nil
}

// lock takes the lock, and reads where the log stands: from the log itself, since
// whoever had the lock before may have died.
func (t *tx) lock() error {
	late := time.Now().Add(patience)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		now := time.Now()
		filter := newDoc().text("_id", metaTurn)
		filter.array("$or").object("").null("owner").end().object("").object("until").date("$lt", now.UnixMilli()).end().end().end()
		update := newDoc().object("$set").text("owner", owner).date("until", now.Add(term).UnixMilli()).end().object("$inc").int("turn", 1)
		_, err := t.db.meta.FindOneAndUpdate(t.ctx, filter.raw(), update.raw()).Raw()
		if err == nil {
			break
		}
		if !errors.Is(err, mongo.ErrNoDocuments) {
			return t.fail(err, nil)
		}
		if now.After(late) || t.ctx.Err() != nil {
			return fault.New(fault.Overloaded, "another process is writing; try again").After(time.Second)
		}
		time.Sleep(pause/2 + mathrand.N(pause))
	}
	seq, err := t.read.seq(t.ctx, newest)
	if err != nil {
		t.unlock()
		return err
	}
	t.base, t.seq = seq, seq
	return nil
}

// unlock gives the lock back; if that fails, its term ends it.
func (t *tx) unlock() {
	ctx, cancel := context.WithTimeout(context.Background(), statementTime)
	defer cancel()
	update := newDoc().object("$unset").one("owner", 1).one("until", 1).end().object("$set").int("n", t.seq)
	_, _ = t.db.meta.UpdateOne(ctx, newDoc().text("_id", metaTurn).text("owner", owner).raw(), update.raw())
}

// undone notes how a write is taken back, where no transaction does it.
func (t *tx) undone(fn func(context.Context) error) {
	if !t.db.transactions {
		t.undo = append(t.undo, fn)
	}
}

// takeBack undoes what a unit has written, the last write first. An error means
// that some of it may be left.
func (t *tx) takeBack() (left error) {
	ctx, cancel := context.WithTimeout(context.Background(), statementTime)
	defer cancel()
	for _, undo := range slices.Backward(t.undo) {
		left = errors.Join(left, undo(ctx)) // the others are to be tried all the same
	}
	t.seq = t.base
	return left
}

// wrappedValue is {name: v}.
func wrappedValue(name string, v bson.RawValue) bson.Raw {
	d := newDoc()
	d.b = bsoncore.AppendValueElement(d.b, name, bsoncore.Value{Type: bsoncore.Type(v.Type), Data: v.Value})
	return d.raw()
}
