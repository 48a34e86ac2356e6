package mongodb

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/queue"
)

// One goroutine writes. It takes what waits, up to maxGroup units, and never
// waits for more. On a replica set the group is one transaction whose first
// statement changes the document "turn": MongoDB refuses that (WriteConflict)
// while another transaction has changed it and is not over, and also if one has
// committed a change since this transaction's snapshot was taken. So of all
// processes one is between its turn and its commit, and its snapshot has
// everything that committed before. Hence the numbers of the log, which it
// counts on from the one in that document, are in the order of commits and
// without holes; and what a unit has read cannot change before its commit, by
// any writer that takes turns. Others, who write without, are told by
// MongoDB's own conflict on the documents that both write.

const (
	maxGroup = 32
	// patience is how long a unit is run again, when other processes have their
	// turn or the primary changes, before its caller hears of it.
	patience   = 15 * time.Second
	firstPause = 2 * time.Millisecond
	longPause  = 200 * time.Millisecond
)

type writer struct {
	db       *DB
	queue    *queue.Queue
	patience time.Duration
}

func newWriter(db *DB) *writer {
	w := &writer{db: db, queue: queue.New(), patience: patience}
	w.queue.Lane(maxGroup, w.serve, nil)
	return w
}

// Write implements driver.Conn.
func (db *DB) Write(ctx context.Context, u driver.Unit) error {
	if db.writer == nil {
		return fault.New(fault.Internal, "the database was opened to be looked at only")
	}
	return db.writer.queue.Write(ctx, u)
}

// serve runs the group, together if it goes, otherwise one by one.
func (w *writer) serve(group []*queue.Job) {
	if !w.db.transactions {
		for _, j := range group {
			j.Err = w.unaided(j)
		}
		return
	}
	if len(group) > 1 {
		err := w.attempt(group)
		if err == nil {
			return
		}
		code := fault.CodeOf(err)
		if code == fault.DBNotConnected || code == fault.Overloaded || errors.Is(err, errLost) {
			for _, j := range group { // each would wait for the same, or be done twice
				j.Err = err
			}
			return
		}
	}
	for _, j := range group {
		if err := w.attempt([]*queue.Job{j}); err != nil {
			j.Err = err
		}
	}
}

// errLost marks what may have been done although nobody answered.
var errLost = errors.New("mongodb: the answer was lost")

// lost is the error of a write that raw stopped so. Error: TIMEOUT.
func lost(raw error) error {
	return fault.Wrap(errors.Join(errLost, raw), fault.Timeout, "MongoDB went away while it stored the change, which may have been done: look before you repeat it (a request with an idempotency key can simply be sent again)")
}

// attempt runs jobs in one transaction, again and again while what stopped it
// may pass. An error means that the jobs have no outcome, and, unless it is
// errLost, that nothing has happened.
func (w *writer) attempt(jobs []*queue.Job) error {
	late := time.Now().Add(w.patience)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		raw, err := w.transaction(jobs)
		if err == nil || !transient(raw) || time.Now().After(late) {
			return err
		}
		time.Sleep(pause/2 + rand.N(pause)) // so that processes do not meet again and again
	}
}

// transaction runs jobs once. raw is the error as it came, for transient.
func (w *writer) transaction(jobs []*queue.Job) (raw, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // as long as MongoDB lets one live
	defer cancel()
	s, err := w.db.client.StartSession()
	if err != nil {
		return err, classify(err, nil)
	}
	defer s.EndSession(ctx)
	err = s.StartTransaction(options.Transaction().SetReadConcern(readconcern.Snapshot()).SetWriteConcern(writeconcern.Majority()))
	if err != nil {
		return err, classify(err, nil)
	}
	t := newTx(w.db, mongo.NewSessionContext(ctx, s))
	if err = t.turn(); err == nil {
		for _, j := range jobs {
			if err = t.member(j); err != nil {
				break
			}
		}
	}
	if err == nil {
		err = t.settle()
	}
	t.open = false
	if err != nil {
		_ = s.AbortTransaction(ctx) // it may be over already
		return t.raw, err
	}
	return w.commit(ctx, s)
}

// commit commits; while the answer is lost it asks again, which MongoDB answers
// as the first time.
func (w *writer) commit(ctx context.Context, s *mongo.Session) (raw, err error) {
	late := time.Now().Add(w.patience)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		raw = s.CommitTransaction(ctx)
		if raw == nil {
			return nil, nil
		}
		if !unknown(raw) || time.Now().After(late) {
			break
		}
		time.Sleep(pause)
	}
	if unknown(raw) || unanswered(raw) {
		return nil, lost(raw)
	}
	return raw, classify(raw, nil)
}

// member runs one job inside a transaction. What fails before it has written
// anything keeps its error to itself; anything else ends the transaction for
// all, since MongoDB has no savepoints.
func (t *tx) member(j *queue.Job) error {
	before := t.seq
	t.first, t.wrote = 0, false
	j.Err = j.Unit.Guard(t)
	if j.Err == nil || !t.wrote && t.raw == nil {
		return nil
	}
	err := j.Err
	j.Err, t.seq = nil, before
	return err
}
