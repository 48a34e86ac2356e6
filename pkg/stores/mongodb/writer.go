package mongodb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/driver"
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
	maxGroup   = 32
	maxWaiting = 4096 // units; more are OVERLOADED
	// patience is how long a unit is run again, when other processes have their
	// turn or the primary changes, before its caller hears of it.
	patience   = 15 * time.Second
	firstPause = 2 * time.Millisecond
	longPause  = 200 * time.Millisecond
)

type job struct {
	unit  driver.Unit
	state atomic.Int32
	err   error
	done  chan struct{}
}

// The states of a job. Whoever moves it out of waiting owns what follows.
const (
	waiting = iota
	begun
	abandoned
)

type writer struct {
	db    *DB
	queue chan *job
	group []*job
	ended chan struct{}

	patience time.Duration

	mu     sync.RWMutex // closed against sends
	closed bool
}

func newWriter(db *DB) *writer {
	w := &writer{db: db, queue: make(chan *job, maxWaiting), ended: make(chan struct{}), patience: patience}
	go w.loop()
	return w
}

// stop ends the writer after all units that wait.
func (w *writer) stop() {
	w.mu.Lock()
	w.closed = true
	close(w.queue)
	w.mu.Unlock()
	<-w.ended
}

// Write implements driver.Conn.
func (db *DB) Write(ctx context.Context, u driver.Unit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.writer == nil {
		return fault.New(fault.Internal, "the database was opened to be looked at only")
	}
	j := &job{unit: u, done: make(chan struct{}, 1)}
	if err := db.writer.send(j); err != nil {
		return err
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err()
		}
		<-j.done
	}
	return j.err
}

func (w *writer) send(j *job) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return fault.New(fault.DBNotConnected, "the project's database is closed")
	}
	select {
	case w.queue <- j:
		return nil
	default:
		return fault.New(fault.Overloaded, "too many writes are waiting; try again").After(time.Second)
	}
}

func (w *writer) loop() {
	defer close(w.ended)
	for j := range w.queue {
		w.take(j)
		for more := true; more && len(w.group) < maxGroup; {
			select {
			case j, open := <-w.queue:
				if more = open; open {
					w.take(j)
				}
			default:
				more = false
			}
		}
		w.serve(w.group)
		for i, j := range w.group {
			w.group[i] = nil
			j.done <- struct{}{}
		}
		w.group = w.group[:0]
	}
}

func (w *writer) take(j *job) {
	if j.state.CompareAndSwap(waiting, begun) {
		w.group = append(w.group, j)
	}
}

// serve runs the group, together if it goes, otherwise one by one.
func (w *writer) serve(group []*job) {
	if !w.db.transactions {
		for _, j := range group {
			j.err = w.unaided(j)
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
				j.err = err
			}
			return
		}
	}
	for _, j := range group {
		if err := w.attempt([]*job{j}); err != nil {
			j.err = err
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
func (w *writer) attempt(jobs []*job) error {
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
func (w *writer) transaction(jobs []*job) (raw, err error) {
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

type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic in a write: %v\n%s", p.value, p.stack) }

// call runs a unit; a panic becomes its error.
func call(run func(driver.Tx) error, t *tx) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fault.Wrap(&panicked{v, debug.Stack()}, fault.Internal, "the write failed inside the service")
		}
	}()
	return run(t)
}

// member runs one job inside a transaction. What fails before it has written
// anything keeps its error to itself; anything else ends the transaction for
// all, since MongoDB has no savepoints.
func (t *tx) member(j *job) error {
	before := t.seq
	t.first, t.wrote = 0, false
	j.err = call(j.unit.Run, t)
	if j.err == nil || !t.wrote && t.raw == nil {
		return nil
	}
	err := j.err
	j.err, t.seq = nil, before
	return err
}
