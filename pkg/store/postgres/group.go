package postgres

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"net"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/store/driver"
)

// group is a transaction of one or more units on one session.
type group struct {
	db      *DB
	session *session
	begun   bool
	ended   bool // the commit was sent
	tx      tx   // of a unit that is alone
	members []*member
	sending []*request
	held    map[string]holding
	folds   folds
	guesses guesses
	unsure  []int // members to be run again after a lost commit: those with keys, and those that had failed
	// unhurried lets a statement take as long as it does: tables are changed.
	unhurried bool
	resting   time.Time // until when not to connect
	why       error
}

var (
	begin = fixed("BEGIN")
	// committing names the isolation that units count on, whatever the role, the
	// database or the address says: a unit that has waited for a row goes on with
	// what the row has become.
	committing = fixed("BEGIN ISOLATION LEVEL READ COMMITTED")
	commit     = fixed("COMMIT")
	errGuess   = errors.New("postgres: an idempotency key was used before")
	errStuck   = errors.New("postgres: the units of a group wait for each other")
)

// connected makes sure that there is a session.
func (g *group) connected() error {
	if g.session != nil && g.session.broken == nil {
		return nil
	}
	if time.Now().Before(g.resting) { // not ten seconds for each unit that waits
		return g.why
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectPatience)
	defer cancel()
	g.session, g.why = g.db.connect(ctx, writer)
	var network net.Error
	if errors.As(g.why, &network) && network.Timeout() { // a refusal costs no time
		g.resting = time.Now().Add(pause)
	}
	return g.why
}

func (g *group) close() {
	if g.session != nil {
		g.session.close()
	}
	for _, m := range g.members {
		m.stop()
	}
}

// start prepares for a transaction.
func (g *group) start() error {
	g.begun, g.ended = false, false
	err := g.connected()
	if err == nil && g.unhurried {
		g.session.patience = 0
	}
	return err
}

// round sends requests in one pipeline and reads their answers; end asks for the
// commit too. It returns the request that failed, nil for the commit.
func (g *group) round(requests []*request, end bool) (failed *request, err error) {
	s := g.session
	defer g.folds.unfold()
	opening := !g.begun
	if opening {
		if g.db.options.cockroach { // all is serializable there
			s.command(begin)
		} else {
			s.command(committing)
		}
		g.begun = true
	}
	var proof *request
	if g.guesses.open() {
		proof = g.guesses.proof(g.db)
		defer proof.release()
		s.put(proof)
	}
	for _, r := range requests {
		s.put(r)
	}
	if end {
		s.command(commit)
		g.ended = true
	}
	s.sync()
	if err := s.flush(); err != nil {
		return nil, err
	}
	var other request
	if opening {
		_, err = s.answer(&other)
	}
	if proof != nil && err == nil {
		if _, err = s.answer(proof); hasCode(err, divisionByZero) {
			g.guesses.wrong()
			err = errors.Join(errGuess, err)
		}
	}
	for i := 0; i < len(requests) && err == nil; i++ {
		failed = requests[i]
		if _, err = s.answer(failed); err == nil {
			err = failed.numbered()
		}
	}
	if err == nil && end {
		failed = nil
		if _, err = s.answer(&other); err == nil && other.word != 'C' {
			err = errors.New("postgres: the transaction was rolled back")
			g.ended = false
		}
	}
	if s.broken != nil {
		return failed, err
	}
	if settled := s.settle(); err == nil {
		err = settled
	}
	if err != nil && coded(err) != nil && !lost(err) {
		g.ended = false // the server has said that it did not commit
	}
	return failed, err
}

// undo ends a transaction that failed.
func (g *group) undo() {
	if s := g.session; s != nil && s.broken == nil && s.status != 'I' {
		if s.exec("ROLLBACK") != nil && s.broken == nil {
			_ = s.failed(errMissing)
		}
	}
}

// The bounds of repetition. Each is for a failure that left nothing behind.
const (
	tryLost  = 2 // the connection was dead before the commit was sent
	tryClash = 8 // a deadlock, or a serialization failure
	// tryCounted is tryClash where all transactions meet at one row.
	tryCounted = 40
	tryUnique  = 10 // another was faster to make the record that was looked for
)

// alone runs one unit in a transaction of its own, again if it makes sense.
// guessing tells that its idempotency key may be taken for new at first.
func (g *group) alone(u driver.Unit, guessing bool) error { return g.insist(u, guessing, nil) }

// insist is alone for a unit that may have been committed before; unsure is the
// fault that says so, nil where that can't be. A unit with an idempotency key
// finds what it has done: it is run again after a commit whose answer was lost.
func (g *group) insist(u driver.Unit, guessing bool, unsure error) error {
	defer g.db.turn()()
	g.guesses.begin(u.Single && guessing)
	for try := 1; ; try++ {
		err := g.once(u)
		switch {
		case err == nil:
			g.db.committed(1)
			return nil
		case g.ended:
			if !g.tx.keyed || try > tryLost {
				return unknown(err)
			}
			unsure = unknown(err)
			g.guesses.begin(false)
			_ = g.session.failed(errMissing)
		case g.guesses.open(), errors.Is(err, errGuess): // what it was told may be wrong
			g.guesses.begin(false)
		case g.session == nil: // no connection
			return cmp.Or(unsure, err)
		case (g.session.broken != nil || lost(err)) && try <= tryLost:
			_ = g.session.failed(errMissing)
		case hasCode(err, serializationFailure, deadlockDetected) && try <= g.db.tries():
			g.db.rest(try)
		case hasCode(err, uniqueViolation) && g.tx.looked && !errors.Is(err, driver.ErrReplay) && try <= tryUnique:
		case stale(err) && try <= tryLost:
			g.session.forgetAll()
		default:
			err = classify(err, nil)
			if unsure != nil && (g.session.broken != nil || fault.CodeOf(err).Image().Retry) {
				return unsure // and not, say, OVERLOADED: nothing was executed
			}
			return err
		}
	}
}

// rest lets others go first. Deadlocks and serialization failures come of two
// who do the same at once, and would do it again.
func (db *DB) rest(try int) {
	timer := time.NewTimer(time.Duration(1+db.chance(try*2)) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-db.closing:
	}
}

// once runs a unit that is alone, answering its questions at once.
func (g *group) once(u driver.Unit) error {
	if err := g.start(); err != nil {
		return err
	}
	t := &g.tx
	t.reset(g.db, u)
	t.guess = func(principal, key string) bool { return g.guess(nil, principal, key) }
	var failure error // what the server said, before the unit made its own of it
	t.put = func(q *question) error {
		err := g.answer(t, q)
		if err != nil && failure == nil {
			failure = err
		}
		return err
	}
	err := t.do(u)
	if failure != nil && t.lost != nil {
		err = told(err, failure)
	}
	if err == nil && (g.begun || len(t.deferred) > 0 || g.guesses.open()) {
		err = g.finish(t)
	}
	if err != nil {
		t.drop()
		g.undo()
	}
	return err
}

// guess reports whether a unit may take its idempotency key for new; it holds
// the key against others of its group then.
func (g *group) guess(m *member, principal, key string) bool {
	if g.guesses.off || g.begun {
		return false
	}
	if m != nil {
		name := replayKey(principal, key)
		if g.held[name].owner != nil {
			return false
		}
		g.held[name] = holding{owner: m}
	}
	g.guesses.keys = append(g.guesses.keys, guess{principal, key})
	return true
}

// told is the unit's own word for a failure of the server, if it has one.
func told(err, failure error) error {
	var f *fault.Error
	if err != nil && errors.As(err, &f) && errors.Is(err, failure) {
		return err
	}
	return failure
}

// answer sends what a unit has deferred, and its question.
func (g *group) answer(t *tx, q *question) error {
	g.sending = append(append(g.sending[:0], t.deferred...), q.requests...)
	failed, err := g.round(g.sending, false)
	if err != nil {
		err = g.lose(t, failed, err)
	}
	t.sentAll()
	return err
}

func (g *group) finish(t *tx) error {
	g.sending = append(g.sending[:0], t.deferred...)
	failed, err := g.round(g.sending, true)
	if err != nil {
		err = g.lose(t, failed, err)
	}
	t.sentAll()
	return err
}

// lose ends the transaction for a unit.
func (g *group) lose(t *tx, failed *request, err error) error {
	if failed != nil {
		err = classify(err, failed.entity)
	} else {
		err = classify(err, nil)
	}
	t.lost = err
	return err
}

// sentAll takes note that the deferred statements have gone out.
func (t *tx) sentAll() {
	t.sent = t.sent || len(t.deferred) > 0
	t.drop()
}

// upserting holds back other upserts by a filter until the commit. The lock
// belongs to the schema, whose tables they are.
var upserting = fixed("SELECT pg_advisory_xact_lock($1::bigint # (current_schema()::regnamespace::oid::bigint << 32))")

func upsertLock(key string) *request {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	r := newRequest()
	r.plan = upserting
	r.begin(1)
	r.int(int64(h.Sum64()))
	return r
}

// lockUpserts takes the lock before a read that needs more than one statement.
func (t *tx) lockUpserts(key string) error {
	if t.db.options.cockroach { // see Select
		return nil
	}
	r := upsertLock(key)
	defer r.release()
	return t.question(&question{requests: []*request{r}, key: key})
}
